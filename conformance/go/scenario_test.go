package conformance

const (
	version20230101 = "2023-01-01"
	version20230201 = "2023-02-01"

	hardware = `"electableSpecs":{"instanceSize":"M10","nodeCount":3},"priority":7,"providerName":"AWS","regionName":"US_EAST_1"`
	cluster  = `{"name":"{{clusterName}}","clusterType":"REPLICASET","replicationSpecs":[{"regionConfigs":[{` + hardware + `}]}]}`
	cluster2 = `{"name":"{{clusterName}}","clusterType":"REPLICASET","replicationSpecs":[{"numShards":1,"regionConfigs":[{` + hardware + `}]}]}`
	user     = `"username":"{{username}}"`

	migration = `{"source":{"clusterName":"source","groupId":"{{groupId}}","managedAuthentication":false,"ssl":false,"username":"u","password":"p"},
		"destination":{"clusterName":"{{clusterName}}","groupId":"{{groupId}}","hostnameSchemaType":"PUBLIC"},
		"migrationHosts":["agent.example.org"],"dropDestinationData":false}`
	migration2023 = `{"source":{"clusterName":"source","groupId":"{{groupId}}","managedAuthentication":false,"ssl":false,"username":"u","password":"p"},
		"destination":{"clusterName":"{{clusterName}}","groupId":"{{groupId}}","hostnameSchemaType":"PUBLIC"},
		"migrationHosts":["agent.example.org"],"dropEnabled":false}`
)

type texts = map[string]string

// scenario calls every operation of the Admin API that a release may have, each after what it needs. A new
// operation of the server needs a step here: the run names those that have none.
var scenario = []step{
	// An organization of the run's own, by the credential of the quickstart; all others by its credential.
	{op: "createOrg", body: `{"name":"Own {{unique}}",{{owned}}}`, untyped: []string{"v20250312001 oauth"},
		want: texts{"/organization/name": "Own {{unique}}"},
		save: texts{"orgId": "/organization/id", "orgOwnerId": "/orgOwnerId", "ownPublic": "/apiKey/publicKey", "ownPrivate": "/apiKey/privateKey",
			"ownClient": "/serviceAccount/clientId", "ownSecret": "/serviceAccount/secrets/0/secret"}},
	{op: "getSystemStatus", want: texts{"/appName": "MongoDB Atlas"}},
	{op: "listControlPlaneIpAddresses"},
	{op: "listOrgs", want: texts{"/results/0/id": "{{orgId}}", "/totalCount": "1"}},
	{op: "getOrg", want: texts{"/id": "{{orgId}}", "/name": "Own {{unique}}"}},
	{op: "updateOrg", body: `{"name":"Renamed {{unique}}"}`, want: texts{"/name": "Renamed {{unique}}"}},
	{op: "getOrgSettings", want: texts{"/apiAccessListRequired": "false"}},
	{op: "updateOrgSettings", body: `{"multiFactorAuthRequired":true}`, want: texts{"/multiFactorAuthRequired": "true"}},
	{op: "getOrgDelegationSettings"},
	{op: "updateOrgDelegationSettings", body: `{"delegatedMcpAccess":"READ_ONLY"}`, want: texts{"/delegatedMcpAccess": "READ_ONLY"}},

	// Projects.
	{op: "createGroup", body: `{"name":"Main {{unique}}","orgId":"{{orgId}}","clusterCount":0,"created":"0001-01-01T00:00:00Z"}`,
		want: texts{"/name": "Main {{unique}}", "/orgId": "{{orgId}}"}, save: texts{"groupId": "/id"}},
	{op: "listGroups", want: texts{"/results/0/id": "{{groupId}}"}},
	{op: "getOrgGroups", want: texts{"/results/0/id": "{{groupId}}"}},
	{op: "getGroup", want: texts{"/id": "{{groupId}}", "/clusterCount": "0"}},
	{op: "getGroupByName", with: texts{"groupName": "Main {{unique}}"}, want: texts{"/id": "{{groupId}}"}},
	{op: "updateGroup", body: `{"tags":[{"key":"environment","value":"test"}]}`, want: texts{"/tags/0/value": "test"}},
	{op: "getGroupSettings"},
	{op: "updateGroupSettings", body: `{"isDataExplorerEnabled":false}`, want: texts{"/isDataExplorerEnabled": "false"}},
	{op: "getGroupIpAddresses", want: texts{"/groupId": "{{groupId}}"}},
	{op: "getGroupMongoDbVersions"},
	{op: "disableGroupManagedSlowMs"},
	{op: "enableGroupManagedSlowMs"},
	{op: "getGroupManagedSlowMs", want: texts{"": "true"}},
	{op: "listGroupLimits"},
	{op: "setGroupLimit", with: limit, body: `{"value":20}`, want: texts{"/value": "20"}},
	{op: "getGroupLimit", with: limit, want: texts{"/value": "20"}},
	{op: "deleteGroupLimit", with: limit},

	// Users; releases before 2025-02-19 know no such operation to create one.
	{op: "createOrgUser", always: true, with: texts{}, body: `{"username":"ada-{{slug}}@example.org","roles":{"orgRoles":["ORG_MEMBER"],"groupRoleAssignments":[]}}`,
		save: texts{"userId": "/id", "username": "/username"}, want: texts{"/username": "ada-{{slug}}@example.org"}},
	{op: "listOrgUsers"},
	{op: "getOrgUser", want: texts{"/id": "{{userId}}"}},
	{op: "updateOrgUser", body: `{"roles":{"orgRoles":["ORG_MEMBER"],"groupRoleAssignments":[]}}`},
	{op: "addOrgUserRole", body: `{"orgRole":"ORG_READ_ONLY"}`},
	{op: "removeOrgUserRole", body: `{"orgRole":"ORG_READ_ONLY"}`},
	{op: "updateOrgUserRoles", body: `{"orgRoles":["ORG_MEMBER"]}`},
	{op: "addGroupUsers", always: true, body: `{` + user + `,"roles":["GROUP_READ_ONLY"]}`, want: texts{"/id": "{{userId}}"}},
	{op: "listGroupUsers"},
	{op: "getGroupUser", want: texts{"/id": "{{userId}}"}},
	// That release types the answers of these two as users of organizations.
	{op: "addGroupUserRole", mistyped: []string{"v20250312001"}, body: `{"groupRole":"GROUP_DATA_ACCESS_READ_ONLY"}`},
	{op: "removeGroupUserRole", mistyped: []string{"v20250312001"}, body: `{"groupRole":"GROUP_DATA_ACCESS_READ_ONLY"}`},
	{op: "updateGroupUserRoles", body: `{"groupRoles":["GROUP_READ_ONLY"]}`},
	{op: "removeGroupUser"},
	{op: "createUser", body: `{"username":"new-{{slug}}@example.org","firstName":"Grace","lastName":"Hopper","country":"US","mobileNumber":"+12125550123","password":"a long enough password","roles":[{"orgId":"{{orgId}}","roleName":"ORG_MEMBER"}]}`,
		want: texts{"/username": "new-{{slug}}@example.org"}},
	{op: "getUserByName", with: texts{"userName": "{{username}}"}, want: texts{"/id": "{{userId}}"}},
	{op: "getUser", want: texts{"/id": "{{userId}}"}},

	// Invitations.
	{op: "createOrgInvite", body: `{"username":"org-{{slug}}@example.org","roles":["ORG_MEMBER"]}`, save: texts{"invitationId": "/id"}},
	{op: "listOrgInvites"},
	{op: "getOrgInvite", want: texts{"/id": "{{invitationId}}"}},
	{op: "updateOrgInviteById", body: `{"roles":["ORG_READ_ONLY"]}`},
	{op: "updateOrgInvites", body: `{"username":"org-{{slug}}@example.org","roles":["ORG_MEMBER"]}`},
	{op: "deleteOrgInvite"},
	{op: "createGroupInvite", body: `{"username":"group-{{slug}}@example.org","roles":["GROUP_READ_ONLY"]}`, save: texts{"invitationId": "/id"}},
	{op: "listGroupInvites"},
	{op: "getGroupInvite", want: texts{"/id": "{{invitationId}}"}},
	{op: "updateGroupInviteById", body: `{"roles":["GROUP_DATA_ACCESS_READ_ONLY"]}`},
	{op: "updateGroupInvites", body: `{"username":"group-{{slug}}@example.org","roles":["GROUP_READ_ONLY"]}`},
	{op: "deleteGroupInvite"},
	{op: "addGroupAccessUser", body: `{"username":"access-{{slug}}@example.org","roles":["GROUP_READ_ONLY"]}`},

	// Teams.
	{op: "createOrgTeam", body: `{"name":"Team {{unique}}","usernames":["{{username}}"]}`, save: texts{"teamId": "/id"}},
	{op: "listOrgTeams"},
	{op: "getOrgTeam", want: texts{"/id": "{{teamId}}"}},
	{op: "getOrgTeamByName", with: texts{"teamName": "Team {{unique}}"}, want: texts{"/id": "{{teamId}}"}},
	{op: "renameOrgTeam", body: `{"name":"Crew {{unique}}"}`, want: texts{"/name": "Crew {{unique}}"}},
	{op: "listOrgTeamUsers"},
	{op: "addOrgTeamUsers", body: `[{"id":"{{orgOwnerId}}"}]`},
	{op: "removeOrgTeamUserFromTeam", with: texts{"userId": "{{orgOwnerId}}"}},
	{op: "addOrgTeamUser", body: `{"id":"{{orgOwnerId}}"}`},
	{op: "removeOrgTeamUser", body: `{"id":"{{orgOwnerId}}"}`},
	{op: "addGroupTeams", body: `[{"teamId":"{{teamId}}","roleNames":["GROUP_READ_ONLY"]}]`},
	{op: "listGroupTeams"},
	{op: "getGroupTeam", want: texts{"/teamId": "{{teamId}}"}},
	{op: "updateGroupTeam", body: `{"roleNames":["GROUP_DATA_ACCESS_READ_ONLY"]}`},
	{op: "removeGroupTeam"},
	{op: "deleteOrgTeam"},
	{op: "removeOrgUser"},

	// API keys.
	{op: "createOrgApiKey", body: `{"desc":"a key","roles":["ORG_MEMBER"]}`, save: texts{"apiUserId": "/id"}, want: texts{"/desc": "a key"}},
	{op: "listOrgApiKeys"},
	{op: "getOrgApiKey", want: texts{"/id": "{{apiUserId}}"}},
	{op: "updateOrgApiKey", body: `{"desc":"another key","roles":["ORG_READ_ONLY"]}`, want: texts{"/desc": "another key"}},
	{op: "createOrgApiKeyAccessListEntry", body: `[{"ipAddress":"192.0.2.7"}]`, want: texts{"/results/0/ipAddress": "192.0.2.7"}},
	{op: "listOrgApiKeyAccessListEntries", want: texts{"/totalCount": "1"}},
	{op: "getOrgApiKeyAccessListEntry", with: address, want: texts{"/cidrBlock": "192.0.2.7/32"}},
	{op: "deleteOrgApiKeyAccessListEntry", with: address},
	{op: "addGroupApiKey", body: `[{"roles":["GROUP_READ_ONLY"]}]`},
	{op: "listGroupApiKeys"},
	{op: "updateGroupApiKeyRoles", body: `{"roles":["GROUP_DATA_ACCESS_READ_ONLY"]}`},
	{op: "removeGroupApiKey"},
	{op: "deleteOrgApiKey"},
	{op: "createGroupApiKey", body: `{"desc":"a key of a project","roles":["GROUP_READ_ONLY"]}`},

	// Service accounts.
	{op: "createOrgServiceAccount", body: account("ORG_MEMBER"), save: texts{"clientId": "/clientId"}, want: texts{"/name": "an account"}},
	{op: "listOrgServiceAccounts"},
	{op: "getOrgServiceAccount", want: texts{"/clientId": "{{clientId}}"}},
	{op: "updateOrgServiceAccount", body: `{"name":"another account"}`, want: texts{"/name": "another account"}},
	{op: "createOrgServiceAccountSecret", body: `{"secretExpiresAfterHours":8}`, save: texts{"secretId": "/id"}},
	{op: "deleteOrgServiceAccountSecret"},
	{op: "createOrgServiceAccountAccessList", body: `[{"ipAddress":"192.0.2.7"}]`, want: texts{"/results/0/ipAddress": "192.0.2.7"}},
	{op: "listOrgServiceAccountAccessList"},
	{op: "deleteOrgServiceAccountAccessListEntry", with: address},
	{op: "inviteGroupServiceAccount", body: `{"roles":["GROUP_READ_ONLY"]}`, older: texts{"v20250312001": `[{"roles":["GROUP_READ_ONLY"]}]`}, want: texts{"/clientId": "{{clientId}}"}},
	{op: "getOrgServiceAccountGroups", want: texts{"/results/0/groupId": "{{groupId}}"}},
	{op: "createGroupServiceAccount", body: account("GROUP_READ_ONLY"), save: texts{"clientId": "/clientId"}},
	{op: "listGroupServiceAccounts"},
	{op: "getGroupServiceAccount", want: texts{"/clientId": "{{clientId}}"}},
	{op: "updateGroupServiceAccount", body: `{"name":"a renamed account"}`, want: texts{"/name": "a renamed account"}},
	{op: "createGroupServiceAccountSecret", body: `{"secretExpiresAfterHours":8}`, save: texts{"secretId": "/id"}},
	{op: "deleteGroupServiceAccountSecret"},
	{op: "createGroupServiceAccountAccessList", body: `[{"ipAddress":"192.0.2.7"}]`},
	{op: "listGroupServiceAccountAccessList"},
	{op: "deleteGroupServiceAccountAccessListEntry", with: address},
	{op: "deleteGroupServiceAccount"},
	{op: "deleteOrgServiceAccount"},

	// Clusters.
	{op: "listGroupClusterProviderRegions"},
	{op: "validateGroupClusterConfigurations", body: cluster, optional: true},
	{op: "createGroupCluster", always: true, with: texts{}, body: cluster, older: texts{version20230201: cluster2}, want: texts{"/name": "{{clusterName}}"}},
	{op: "getGroupCluster", until: texts{"/stateName": "IDLE"}},
	{op: "listGroupClusters", want: texts{"/results/0/name": "{{clusterName}}"}},
	{op: "listClusterDetails"},
	{op: "listGroupContainers"},
	{op: "updateGroupCluster", body: `{"tags":[{"key":"environment","value":"test"}]}`, want: texts{"/name": "{{clusterName}}"}},
	{op: "getGroupCluster", until: texts{"/stateName": "IDLE"}},
	{op: "autoGroupClusterScalingConfiguration"},
	{op: "getGroupClusterProcessArgs"},
	{op: "updateGroupClusterProcessArgs", body: `{"javascriptEnabled":false}`, want: texts{"/javascriptEnabled": "false"}, retry: busy},
	{op: "getGroupClusterStatus"},
	{op: "pinGroupClusterFeatureCompatibilityVersion", body: `{}`, retry: busy, optional: true},
	{op: "unpinGroupClusterFeatureCompatibilityVersion", retry: busy, optional: true},
	{op: "restartGroupClusterPrimaries", retry: busy, optional: true},
	{op: "requestGroupSampleDatasetLoad", with: texts{"name": "{{clusterName}}"}, retry: busy, save: texts{"sampleDatasetId": "/_id"}},
	{op: "getGroupSampleDatasetLoad", until: texts{"/state": "COMPLETED"}},
	{op: "listGroupFlexClusters"},
	{op: "createGroupFlexCluster", body: `{"name":"flex-{{clusterName}}","providerSettings":{"backingProviderName":"AWS","regionName":"US_EAST_1"}}`, optional: true},
	{op: "getGroupFlexCluster", with: flex, until: texts{"/stateName": "IDLE"}},
	{op: "updateGroupFlexCluster", with: flex, body: `{"tags":[{"key":"environment","value":"test"}]}`},
	{op: "getGroupFlexCluster", with: flex, until: texts{"/stateName": "IDLE"}},
	// Upgrades of a cluster that is dedicated already.
	{op: "tenantGroupFlexClusterUpgrade", body: cluster, gone: "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API"},
	{op: "upgradeGroupClusterTenantUpgrade", gone: "VALIDATION_ERROR",
		body: `{"name":"{{clusterName}}","providerSettings":{"providerName":"AWS","instanceSizeName":"M10","regionName":"US_EAST_1"}}`},
	{op: "deleteGroupFlexCluster", with: flex},

	// Database users and the project's access list.
	{op: "createGroupDatabaseUser", with: texts{}, want: texts{"/username": "importer"},
		body: `{"databaseName":"admin","groupId":"{{groupId}}","username":"importer","password":"correct horse battery","roles":[{"databaseName":"flights","roleName":"readWrite"}]}`},
	{op: "listGroupDatabaseUsers"},
	{op: "getGroupDatabaseUser", with: importer, want: texts{"/username": "importer"}},
	{op: "updateGroupDatabaseUser", with: importer, want: texts{"/roles/0/roleName": "read"},
		body: `{"databaseName":"admin","groupId":"{{groupId}}","username":"importer","roles":[{"databaseName":"flights","roleName":"read"}]}`},
	{op: "deleteGroupDatabaseUser", with: importer},
	{op: "createGroupAccessListEntry", body: `[{"cidrBlock":"192.0.2.0/24","comment":"an office"}]`, want: texts{"/results/0/cidrBlock": "192.0.2.0/24"}},
	{op: "listGroupAccessListEntries"},
	{op: "getGroupAccessListEntry", with: network, want: texts{"/comment": "an office"}},
	{op: "getGroupAccessListStatus", with: network},
	{op: "deleteGroupAccessListEntry", with: network},

	// Online archives.
	{op: "createGroupClusterOnlineArchive", save: texts{"archiveId": "/_id"}, want: texts{"/collName": "departures", "/criteria/type": "DATE"},
		body: `{"dbName":"flights","collName":"departures","criteria":{"type":"DATE","dateField":"at","expireAfterDays":30},"partitionFields":[{"fieldName":"at","order":0}]}`},
	{op: "listGroupClusterOnlineArchives", want: texts{"/results/0/_id": "{{archiveId}}"}},
	{op: "getGroupClusterOnlineArchive", want: texts{"/_id": "{{archiveId}}"}},
	{op: "updateGroupClusterOnlineArchive", body: `{"criteria":{"type":"DATE","expireAfterDays":60}}`, want: texts{"/criteria/expireAfterDays": "60"}},
	{op: "downloadGroupClusterOnlineArchiveQueryLogs"},

	// Data federation and its private endpoints.
	{op: "listGroupDataFederation", query: texts{"Type_": "ONLINE_ARCHIVE"}, save: texts{"tenantName": "/0/name"}},
	{op: "createGroupDataFederation", body: `{"name":"federated"}`, optional: true},
	{op: "getGroupDataFederation"},
	{op: "updateGroupDataFederation", query: texts{"SkipRoleValidation": "true"}, body: `{"name":"{{tenantName}}"}`},
	{op: "listGroupDataFederationLimits"},
	{op: "setGroupDataFederationLimit", with: tenantLimit, body: `{"value":1000000}`, want: texts{"/value": "1000000"}},
	{op: "getGroupDataFederationLimit", with: tenantLimit, want: texts{"/value": "1000000"}},
	{op: "deleteGroupDataFederationLimit", with: tenantLimit},
	{op: "downloadGroupDataFederationQueryLogs"},
	{op: "deleteGroupDataFederation"},
	{op: "listGroupPrivateNetworkSettingEndpointIds", optional: true},
	{op: "createGroupPrivateNetworkSettingEndpointId", body: `{"endpointId":"vpce-0123456789abcdef0","provider":"AWS","type":"DATA_LAKE"}`, optional: true},
	{op: "getGroupPrivateNetworkSettingEndpointId", with: endpoint, gone: "RESOURCE_NOT_FOUND"},
	{op: "deleteGroupPrivateNetworkSettingEndpointId", with: endpoint, optional: true},

	// Live migrations.
	{op: "createOrgLiveMigrationLinkToken", body: `{"accessListIps":["192.0.2.7"]}`},
	{op: "listOrgLiveMigrationAvailableProjects"},
	{op: "validateGroupLiveMigrations", body: migration, older: texts{version20230101: migration2023}, optional: true},
	{op: "getGroupLiveMigrationValidateStatus", with: texts{"validationId": "{{groupId}}"}, gone: "RESOURCE_NOT_FOUND"},
	{op: "createGroupLiveMigration", body: migration, older: texts{version20230101: migration2023}, gone: "VALIDATION_ERROR"},
	{op: "getGroupLiveMigration", with: texts{"liveMigrationId": "{{groupId}}"}, gone: "RESOURCE_NOT_FOUND"},
	{op: "cutoverGroupLiveMigration", with: texts{"liveMigrationId": "{{groupId}}"}, gone: "RESOURCE_NOT_FOUND"},
	{op: "deleteOrgLiveMigrationLinkTokens"},

	// Events and limits.
	{op: "listEventTypes"},
	{op: "listOrgEvents", save: texts{"eventId": "/results/0/id"}},
	{op: "getOrgEvent", want: texts{"/id": "{{eventId}}"}},
	{op: "listGroupEvents", save: texts{"eventId": "/results/0/id"}},
	{op: "getGroupEvent", want: texts{"/id": "{{eventId}}"}},
	{op: "getGroupActivityFeed"},
	{op: "getOrgActivityFeed"},
	{op: "listRateLimits", save: texts{"endpointSetId": "/results/0/endpointSetId"}},
	{op: "getRateLimit"},

	// The end: a project moves to another organization; what is left is deleted.
	{op: "deleteGroupClusterOnlineArchive"},
	{op: "deleteGroupCluster", always: true, retry: busy},
	{op: "getGroupCluster", gone: "CLUSTER_NOT_FOUND"},
	{op: "createOrg", elsewhere: true, body: `{"name":"Other {{unique}}","apiKey":{"desc":"owner","roles":["ORG_OWNER"]}}`,
		save: texts{"otherOrgId": "/organization/id", "otherPublic": "/apiKey/publicKey", "otherPrivate": "/apiKey/privateKey"}},
	{op: "migrateGroup", want: texts{"/orgId": "{{otherOrgId}}"},
		body: `{"destinationOrgId":"{{otherOrgId}}","destinationOrgPublicApiKey":"{{otherPublic}}","destinationOrgPrivateApiKey":"{{otherPrivate}}"}`},
	{op: "createGroup", body: `{"name":"Last {{unique}}","orgId":"{{orgId}}","clusterCount":0,"created":"0001-01-01T00:00:00Z"}`, save: texts{"groupId": "/id"}},
	{op: "deleteGroup", retry: busy},
	{op: "deleteOrg", retry: []string{"ORG_NOT_EMPTY"}},
}

var (
	limit       = texts{"limitName": "atlas.project.deployment.clusters"}
	address     = texts{"ipAddress": "192.0.2.7"}
	network     = texts{"entryValue": "192.0.2.0/24"}
	flex        = texts{"name": "flex-{{clusterName}}"}
	importer    = texts{"databaseName": "admin", "username": "importer"}
	tenantLimit = texts{"limitName": "bytesProcessed.daily"}
	endpoint    = texts{"endpointId": "vpce-0123456789abcdef0"}
	// What a cluster answers while it changes.
	busy = []string{"CLUSTER_NOT_IDLE", "CLUSTER_BUSY", "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS"}
)

func account(role string) string {
	return `{"name":"an account","description":"for the scenario","roles":["` + role + `"],"secretExpiresAfterHours":8}`
}
