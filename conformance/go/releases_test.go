package conformance

import (
	"context"
	"net/http"
	"reflect"

	sdk2024 "go.mongodb.org/atlas-sdk/v20240530005/admin"
	sdk2025first "go.mongodb.org/atlas-sdk/v20250312001/admin"
	sdk2025 "go.mongodb.org/atlas-sdk/v20250312010/admin"
)

// release is one release of the SDK: its modules have types of their own, so what is common is reached by
// reflection.
type release struct {
	name  string
	kinds []string // credentials that it can authenticate with
	// connect gives the client of the SDK and the HTTP client in it, whose transport may be wrapped.
	connect func(base string, c credential) (any, *http.Client, error)
	// over gives a client of the SDK over any HTTP client.
	over func(base string, client *http.Client) (any, error)
}

var releases = []release{
	{
		name:  "v20240530005",
		kinds: []string{"digest"},
		connect: func(base string, c credential) (any, *http.Client, error) {
			client, err := sdk2024.NewClient(sdk2024.UseBaseURL(base), sdk2024.UseDigestAuth(c.id, c.private))
			if err != nil {
				return nil, nil, err
			}
			return client, client.GetConfig().HTTPClient, nil
		},
		over: func(base string, client *http.Client) (any, error) {
			return sdk2024.NewClient(sdk2024.UseBaseURL(base), sdk2024.UseHTTPClient(client))
		},
	},
	{
		name:  "v20250312001",
		kinds: []string{"digest", "oauth"},
		connect: func(base string, c credential) (any, *http.Client, error) {
			auth := sdk2025first.UseDigestAuth(c.id, c.private)
			if c.kind == "oauth" {
				auth = sdk2025first.UseOAuthAuth(context.Background(), c.id, c.private)
			}
			client, err := sdk2025first.NewClient(sdk2025first.UseBaseURL(base), auth)
			if err != nil {
				return nil, nil, err
			}
			return client, client.GetConfig().HTTPClient, nil
		},
		over: func(base string, client *http.Client) (any, error) {
			return sdk2025first.NewClient(sdk2025first.UseBaseURL(base), sdk2025first.UseHTTPClient(client))
		},
	},
	{
		name:  "v20250312010",
		kinds: []string{"digest", "oauth"},
		connect: func(base string, c credential) (any, *http.Client, error) {
			auth := sdk2025.UseDigestAuth(c.id, c.private)
			if c.kind == "oauth" {
				auth = sdk2025.UseOAuthAuth(context.Background(), c.id, c.private)
			}
			client, err := sdk2025.NewClient(sdk2025.UseBaseURL(base), auth)
			if err != nil {
				return nil, nil, err
			}
			return client, client.GetConfig().HTTPClient, nil
		},
		over: func(base string, client *http.Client) (any, error) {
			return sdk2025.NewClient(sdk2025.UseBaseURL(base), sdk2025.UseHTTPClient(client))
		},
	},
}

// method is one typed operation of an SDK: Service.NameWithParams(ctx, params).Execute().
type method struct {
	service, name string
	fieldOf       map[string]string // path parameter -> field of the params
	version       string            // date of the Accept header
}

func (m method) String() string { return m.service + "." + m.name }

// request prepares the typed request of m on a client of the SDK.
func (m method) request(client any, fill func(params reflect.Value) error) (reflect.Value, error) {
	service := reflect.ValueOf(client).Elem().FieldByName(m.service)
	call := service.MethodByName(m.name)
	params := reflect.New(call.Type().In(1).Elem())
	if err := fill(params.Elem()); err != nil {
		return reflect.Value{}, err
	}
	return call.Call([]reflect.Value{reflect.ValueOf(context.Background()), params})[0], nil
}
