// Package conformance drives a running Portolan with the official Atlas Go SDK: the four operations
// that the product exists for, each with HTTP Digest and with OAuth 2.0 client credentials.
//
// It needs PORTOLAN_QUICKSTART, the path of the quickstart.json of a server that is up.
package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"go.mongodb.org/atlas-sdk/v20250312010/admin"
)

type quickstart struct {
	BaseURL      string `json:"baseUrl"`
	OrgID        string `json:"orgId"`
	GroupID      string `json:"groupId"`
	ClusterName  string `json:"clusterName"`
	PublicKey    string `json:"publicKey"`
	PrivateKey   string `json:"privateKey"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	ArchiveID    string `json:"archiveId"`
}

// credential is one way to authenticate.
type credential struct {
	kind        string // "digest" or "oauth"
	id, private string
}

func load(t *testing.T) quickstart {
	t.Helper()
	path := os.Getenv("PORTOLAN_QUICKSTART")
	if path == "" {
		t.Fatal("PORTOLAN_QUICKSTART must name the quickstart.json of a running server")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var q quickstart
	if err := json.Unmarshal(text, &q); err != nil {
		t.Fatal(err)
	}
	return q
}

func (c credential) client(t *testing.T, q quickstart) *admin.APIClient {
	t.Helper()
	auth := admin.UseDigestAuth(c.id, c.private)
	if c.kind == "oauth" {
		auth = admin.UseOAuthAuth(context.Background(), c.id, c.private)
	}
	// The base URL comes first: the OAuth token URL is derived from it.
	client, err := admin.NewClient(admin.UseBaseURL(q.BaseURL), auth)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func credentials(q quickstart) []credential {
	return []credential{
		{"digest", q.PublicKey, q.PrivateKey},
		{"oauth", q.ClientID, q.ClientSecret},
	}
}

func must[T any](t *testing.T, what string) func(value T, response *http.Response, err error) T {
	t.Helper()
	return func(value T, _ *http.Response, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return value
	}
}

// refused demands one HTTP status and one error code.
func refused(t *testing.T, what string, response *http.Response, err error, status int, code string) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: went through, wanted %d %s", what, status, code)
	}
	if response == nil || response.StatusCode != status || !admin.IsErrorCode(err, code) {
		t.Fatalf("%s: %v, wanted %d %s", what, err, status, code)
	}
}

// organization makes an organization and returns its id with a credential of its own of the same kind.
func organization(t *testing.T, q quickstart, c credential, name string) (string, credential) {
	t.Helper()
	request := &admin.CreateOrganizationRequest{Name: name}
	if c.kind == "oauth" {
		request.ServiceAccount = &admin.OrgServiceAccountRequest{
			Name: "owner", Description: "owner", Roles: []string{"ORG_OWNER"}, SecretExpiresAfterHours: 8,
		}
	} else {
		request.ApiKey = &admin.CreateAtlasOrganizationApiKey{Desc: "owner", Roles: []string{"ORG_OWNER"}}
	}
	made := must[*admin.CreateOrganizationResponse](t, "createOrg")(
		c.client(t, q).OrganizationsApi.CreateOrg(t.Context(), request).Execute())
	if made.Organization == nil || made.Organization.GetName() != name || made.GetOrgOwnerId() == "" {
		t.Fatalf("createOrg answered %+v", made)
	}
	own := credential{kind: c.kind}
	if c.kind == "oauth" {
		own.id, own.private = made.ServiceAccount.GetClientId(), made.ServiceAccount.GetSecrets()[0].GetSecret()
	} else {
		own.id, own.private = made.ApiKey.GetPublicKey(), made.ApiKey.GetPrivateKey()
	}
	return made.Organization.GetId(), own
}

func project(t *testing.T, client *admin.APIClient, org, name string) *admin.Group {
	t.Helper()
	group, response, err := client.ProjectsApi.CreateGroup(t.Context(), admin.NewGroup(0, time.Time{}, name, org)).Execute()
	if err != nil {
		t.Fatalf("createGroup: %v", err)
	}
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("createGroup answered %d, Atlas answers 201", response.StatusCode)
	}
	return group
}

func unique(kind, name string) string {
	return fmt.Sprintf("%s %s %d", name, kind, time.Now().UnixNano())
}

func TestCreateOneOnlineArchive(t *testing.T) {
	q := load(t)
	for _, c := range credentials(q) {
		t.Run(c.kind, func(t *testing.T) {
			archives := c.client(t, q).OnlineArchiveApi
			// As the Atlas CLI writes it: no criteria type.
			body := &admin.BackupOnlineArchiveCreate{
				DbName: "conformance", CollName: "made_with_" + c.kind,
				Criteria:        admin.Criteria{DateField: admin.PtrString("at"), ExpireAfterDays: admin.PtrInt(30)},
				PartitionFields: &[]admin.PartitionField{{FieldName: "at", Order: 0}, {FieldName: "who", Order: 1}},
			}
			made := must[*admin.BackupOnlineArchive](t, "createOnlineArchive")(
				archives.CreateOnlineArchive(t.Context(), q.GroupID, q.ClusterName, body).Execute())
			if made.GetState() != "PENDING" || made.Criteria.GetType() != "DATE" ||
				made.Criteria.GetDateFormat() != "ISODATE" || made.Schedule.GetType() != "DEFAULT" || made.GetPaused() {
				t.Fatalf("defaults are not filled in: %+v", made)
			}
			id := made.GetId()

			_, response, err := archives.CreateOnlineArchive(t.Context(), q.GroupID, q.ClusterName, body).Execute()
			refused(t, "the same rule again", response, err, 409, "ONLINE_ARCHIVE_ALREADY_EXISTS")

			_, response, err = archives.UpdateOnlineArchive(t.Context(), q.GroupID, id, q.ClusterName,
				&admin.BackupOnlineArchive{Id: &id, State: admin.PtrString("PAUSING")}).Execute()
			refused(t, "pause before the first run", response, err, 409, "ONLINE_ARCHIVE_MUST_BE_ACTIVE_TO_PAUSE")

			updated := must[*admin.BackupOnlineArchive](t, "updateOnlineArchive")(
				archives.UpdateOnlineArchive(t.Context(), q.GroupID, id, q.ClusterName,
					&admin.BackupOnlineArchive{Id: &id, Criteria: &admin.Criteria{ExpireAfterDays: admin.PtrInt(60)}}).Execute())
			if updated.Criteria.GetExpireAfterDays() != 60 || updated.Criteria.GetDateField() != "at" {
				t.Fatalf("the update did not merge: %+v", updated.Criteria)
			}

			if _, err := archives.DeleteOnlineArchive(t.Context(), q.GroupID, id, q.ClusterName).Execute(); err != nil {
				t.Fatalf("deleteOnlineArchive: %v", err)
			}
			_, response, err = archives.GetOnlineArchive(t.Context(), q.GroupID, "0123456789abcdef01234567", q.ClusterName).Execute()
			refused(t, "an absent archive", response, err, 404, "RESOURCE_NOT_FOUND")
		})
	}
}

func TestDeleteLinkTokens(t *testing.T) {
	q := load(t)
	for _, c := range credentials(q) {
		t.Run(c.kind, func(t *testing.T) {
			org, own := organization(t, q, c, unique(c.kind, "linked"))
			migrations := own.client(t, q).CloudMigrationServiceApi
			response, err := migrations.DeleteLinkTokens(t.Context(), org).Execute()
			refused(t, "nothing is linked", response, err, 404, "UNEXPECTED_ERROR")

			token := must[*admin.TargetOrg](t, "createLinkToken")(
				migrations.CreateLinkToken(t.Context(), org, &admin.TargetOrgRequest{AccessListIps: &[]string{"127.0.0.1"}}).Execute())
			if token.GetLinkToken() == "" {
				t.Fatal("the link token is empty")
			}
			if _, err := migrations.DeleteLinkTokens(t.Context(), org).Execute(); err != nil {
				t.Fatalf("deleteLinkTokens: %v", err)
			}
			response, err = migrations.DeleteLinkTokens(t.Context(), org).Execute()
			refused(t, "deleted already", response, err, 404, "UNEXPECTED_ERROR")
			if _, err := own.client(t, q).OrganizationsApi.DeleteOrg(t.Context(), org).Execute(); err != nil {
				t.Fatalf("deleteOrg: %v", err)
			}
		})
	}
}

func TestDeleteOneOrganization(t *testing.T) {
	q := load(t)
	for _, c := range credentials(q) {
		t.Run(c.kind, func(t *testing.T) {
			org, own := organization(t, q, c, unique(c.kind, "to delete"))
			client := own.client(t, q)
			group := project(t, client, org, "blocker")
			response, err := client.OrganizationsApi.DeleteOrg(t.Context(), org).Execute()
			refused(t, "a project is left", response, err, 409, "ORG_NOT_EMPTY")

			if _, err := client.ProjectsApi.DeleteGroup(t.Context(), group.GetId()).Execute(); err != nil {
				t.Fatalf("deleteGroup: %v", err)
			}
			response, err = client.OrganizationsApi.DeleteOrg(t.Context(), org).Execute()
			if err != nil || response.StatusCode != http.StatusNoContent {
				t.Fatalf("deleteOrg: %v", err)
			}
			_, response, err = client.OrganizationsApi.GetOrg(t.Context(), org).Execute()
			if err == nil || response == nil || response.StatusCode != http.StatusUnauthorized {
				t.Fatalf("the credential of a deleted organization still works: %v", err)
			}
		})
	}
}

func TestMigrateOneProject(t *testing.T) {
	q := load(t)
	for _, c := range credentials(q) {
		t.Run(c.kind, func(t *testing.T) {
			from, source := organization(t, q, c, unique(c.kind, "source"))
			// The destination is proved by a key pair in the body, whatever the caller uses.
			to, target := organization(t, q, credential{"digest", q.PublicKey, q.PrivateKey}, unique(c.kind, "target"))
			client, targetClient := source.client(t, q), target.client(t, q)
			group := project(t, client, from, "moving")
			id := group.GetId()

			_, response, err := client.ProjectsApi.MigrateGroup(t.Context(), id,
				&admin.GroupMigrationRequest{DestinationOrgId: &to}).Execute()
			if err == nil || response.StatusCode != http.StatusBadRequest {
				t.Fatalf("without keys: %v", err)
			}
			_, response, err = client.ProjectsApi.MigrateGroup(t.Context(), id, &admin.GroupMigrationRequest{
				DestinationOrgId: &to, DestinationOrgPublicApiKey: &target.id,
				DestinationOrgPrivateApiKey: admin.PtrString("00000000-0000-0000-0000-000000000000"),
			}).Execute()
			if err == nil || response.StatusCode != http.StatusForbidden {
				t.Fatalf("with a wrong key: %v", err)
			}

			clash := project(t, targetClient, to, "moving")
			request := &admin.GroupMigrationRequest{
				DestinationOrgId: &to, DestinationOrgPublicApiKey: &target.id, DestinationOrgPrivateApiKey: &target.private,
			}
			_, response, err = client.ProjectsApi.MigrateGroup(t.Context(), id, request).Execute()
			refused(t, "a project of that name is there", response, err, 409, "GROUP_ALREADY_EXISTS")
			if _, err := targetClient.ProjectsApi.DeleteGroup(t.Context(), clash.GetId()).Execute(); err != nil {
				t.Fatalf("deleteGroup: %v", err)
			}

			moved := must[*admin.Group](t, "migrateGroup")(client.ProjectsApi.MigrateGroup(t.Context(), id, request).Execute())
			if moved.GetOrgId() != to || moved.GetId() != id {
				t.Fatalf("the project did not move: %+v", moved)
			}
			seen := must[*admin.Group](t, "getGroup")(targetClient.ProjectsApi.GetGroup(t.Context(), id).Execute())
			if seen.GetOrgId() != to {
				t.Fatalf("the new owner sees %+v", seen)
			}
			if _, _, err := client.ProjectsApi.GetGroup(t.Context(), id).Execute(); err == nil {
				t.Fatal("the old owner still sees the project")
			}
		})
	}
}
