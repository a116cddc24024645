//! The steps: for each operation a call that it takes, after what it needs.

use super::{Step, step};

const CLUSTER: &str = r#"{"name":"{{clusterName}}","clusterType":"REPLICASET","replicationSpecs":[{"regionConfigs":[
    {"providerName":"AWS","regionName":"US_EAST_1","priority":7,"electableSpecs":{"instanceSize":"M10","nodeCount":3}}]}]}"#;
const FLAT: &str = r#"{"name":"Flat","clusterType":"REPLICASET","diskSizeGB":10.0,"numShards":1,"replicationFactor":3,
    "providerSettings":{"providerName":"AWS","instanceSizeName":"M10","regionName":"US_EAST_1"}}"#;
const MULTI: &str = r#"{"name":"Multi","clusterType":"REPLICASET","diskSizeGB":10.0,"replicationSpecs":[{"numShards":1,
    "zoneName":"Zone 1","regionConfigs":[{"providerName":"AWS","regionName":"US_EAST_1","priority":7,
    "electableSpecs":{"instanceSize":"M10","nodeCount":3}}]}]}"#;
const MIGRATION: &str = r#"{"source":{"clusterName":"Cluster0","groupId":"{{groupId}}","managedAuthentication":true,"ssl":false},
    "destination":{"clusterName":"Cluster0","groupId":"{{groupId}}","hostnameSchemaType":"PUBLIC"},
    "migrationHosts":["portolan.test"],"dropDestinationData":false}"#;
const OLD_MIGRATION: &str = r#"{"source":{"clusterName":"Cluster0","groupId":"{{groupId}}","managedAuthentication":true,"ssl":false},
    "destination":{"clusterName":"Cluster0","groupId":"{{groupId}}","hostnameSchemaType":"PUBLIC"},
    "migrationHosts":["portolan.test"],"dropEnabled":false}"#;
const UPGRADE: &str = r#"{"name":"{{clusterName}}","providerSettings":
    {"providerName":"AWS","instanceSizeName":"M10","regionName":"US_EAST_1"}}"#;

pub(super) fn all() -> Vec<Step> {
    [
        organizations(),
        projects(),
        users(),
        invitations(),
        teams(),
        api_keys(),
        service_accounts(),
        clusters(),
        other_clusters(),
        access(),
        archives(),
        operators(),
        federation(),
        migrations(),
        events(),
        endings(),
    ]
    .concat()
}

fn organizations() -> Vec<Step> {
    vec![
        step("getSystemStatus"),
        step("listControlPlaneIpAddresses"),
        step("createOrg")
            .body(
                r#"{"name":"Other","apiKey":{"desc":"owner","roles":["ORG_OWNER"]},"skipDefaultAlertsSettings":true}"#,
            )
            .save(&[
                ("otherOrgId", "/organization/id"),
                ("otherPublic", "/apiKey/publicKey"),
                ("otherPrivate", "/apiKey/privateKey"),
            ]),
        step("listOrgs").query("name=First"),
        step("getOrg"),
        step("updateOrg").body(r#"{"name":"Renamed"}"#),
        step("updateOrg").body(r#"{"skipDefaultAlertsSettings":true}"#),
        step("getOrgSettings"),
        step("updateOrgSettings").body(r#"{"multiFactorAuthRequired":true}"#),
        step("updateOrgSettings").body(r#"{"restrictEmployeeAccess":true}"#),
        step("updateOrgSettings").body(r#"{"genAIFeaturesEnabled":false}"#),
        step("updateOrgSettings").body(r#"{"streamsCrossGroupEnabled":true}"#),
        step("updateOrgSettings").body(r#"{"maxServiceAccountSecretValidityInHours":1000}"#),
        step("updateOrgSettings").body(r#"{"securityContact":"security@example.org"}"#),
        step("updateOrgSettings").body(r#"{"operationsContact":"ops@example.org"}"#),
        step("updateOrgSettings").body(
            r#"{"customSessionTimeouts":{"absoluteSessionTimeoutInSeconds":3600,"idleSessionTimeoutInSeconds":600}}"#,
        ),
        step("getOrgDelegationSettings"),
        step("updateOrgDelegationSettings").body(
            r#"{"delegatedMcpAccess":"READ_ONLY","delegatedPartnerAccess":"DISALLOWED",
                "idleRefreshTokenLifetime":86400,"maximumRefreshTokenLifetime":2592000}"#,
        ),
    ]
}

fn projects() -> Vec<Step> {
    vec![
        step("createGroup")
            .query("projectOwnerId={{userId}}")
            .body(
                r#"{"name":"Main","orgId":"{{orgId}}","withDefaultAlertsSettings":true,"tags":[]}"#,
            )
            .save(&[("groupId", "/id")]),
        step("listGroups"),
        step("getOrgGroups").query("name=M"),
        step("getGroup"),
        step("getGroupByName").with(&[("groupName", "Main")]),
        step("updateGroup").body(r#"{"tags":[{"key":"environment","value":"test"}]}"#),
        step("updateGroup").body(r#"{"name":"Main 2"}"#),
        step("updateGroup").body(r#"{"withDefaultAlertsSettings":false}"#),
        step("getGroupSettings"),
        step("updateGroupSettings").body(r#"{"isAtlasHomePageAiAssistantEnabled":false}"#),
        step("updateGroupSettings").body(r#"{"isClusterAiAssistantEnabled":false}"#),
        step("updateGroupSettings")
            .body(r#"{"isCollectDatabaseSpecificsStatisticsEnabled":false}"#),
        step("updateGroupSettings").body(r#"{"isDataExplorerEnabled":false}"#),
        step("updateGroupSettings").body(r#"{"isDataExplorerGenAIFeaturesEnabled":false}"#),
        step("updateGroupSettings")
            .body(r#"{"isDataExplorerGenAISampleDocumentPassingEnabled":true}"#),
        step("updateGroupSettings").body(r#"{"isDataValidationEnabled":false}"#),
        step("updateGroupSettings").body(r#"{"isExtendedStorageSizesEnabled":true}"#),
        step("updateGroupSettings").body(r#"{"isNativeRerankingEnabled":true}"#),
        step("updateGroupSettings").body(r#"{"isPerformanceAdvisorEnabled":false}"#),
        step("updateGroupSettings").body(r#"{"isRealtimePerformancePanelEnabled":false}"#),
        step("updateGroupSettings").body(r#"{"isSchemaAdvisorEnabled":false}"#),
        step("getGroupIpAddresses"),
        step("getGroupMongoDbVersions")
            .query("cloudProvider=AWS&instanceSize=M10&defaultStatus=DEFAULT"),
        step("disableGroupManagedSlowMs"),
        step("enableGroupManagedSlowMs"),
        step("getGroupManagedSlowMs"),
        step("listGroupLimits"),
        step("setGroupLimit").body(r#"{"value":20}"#),
        step("getGroupLimit"),
        step("deleteGroupLimit"),
    ]
}

fn users() -> Vec<Step> {
    vec![
        step("createOrgUser")
            .body(
                r#"{"username":"ada@example.org","roles":{"orgRoles":["ORG_MEMBER"],"groupRoleAssignments":
                    [{"groupId":"{{groupId}}","groupRoles":["GROUP_READ_ONLY"]}]},"teamIds":[]}"#,
            )
            .save(&[("adaId", "/id")]),
        step("listOrgInvites")
            .query("username=ada@example.org")
            .save(&[("adaInvitationId", "/0/id")]),
        step("acceptOrgInvite").with(&[("invitationId", "{{adaInvitationId}}")]),
        step("listOrgUsers").query("orgMembershipStatus=ACTIVE"),
        step("getOrgUser").with(ADA),
        step("updateOrgUser").with(ADA).body(
            r#"{"roles":{"orgRoles":["ORG_MEMBER"],"groupRoleAssignments":
                [{"groupId":"{{groupId}}","groupRoles":["GROUP_OWNER"]}]},"teamIds":[]}"#,
        ),
        step("addOrgUserRole").with(ADA).body(r#"{"orgRole":"ORG_READ_ONLY"}"#),
        step("removeOrgUserRole").with(ADA).body(r#"{"orgRole":"ORG_READ_ONLY"}"#),
        step("updateOrgUserRoles").with(ADA).body(r#"{"orgRoles":["ORG_GROUP_CREATOR"]}"#),
        step("removeGroupUser").with(ADA),
        step("addGroupUsers").body(r#"{"username":"ada@example.org","roles":["GROUP_READ_ONLY"]}"#),
        step("listGroupUsers").query("flattenTeams=true&includeOrgUsers=true"),
        step("getGroupUser").with(ADA),
        step("addGroupUserRole").with(ADA).body(r#"{"groupRole":"GROUP_DATA_ACCESS_READ_ONLY"}"#),
        step("removeGroupUserRole").with(ADA).body(r#"{"groupRole":"GROUP_DATA_ACCESS_READ_ONLY"}"#),
        step("updateGroupUserRoles").with(ADA).body(r#"{"groupRoles":["GROUP_OWNER"]}"#),
        step("createUser").body(
            r#"{"username":"grace@example.org","firstName":"Grace","lastName":"Hopper","country":"US",
                "mobileNumber":"+12125550123","password":"a long enough password",
                "roles":[{"orgId":"{{orgId}}","roleName":"ORG_MEMBER"}]}"#,
        ),
        step("getUserByName").with(&[("userName", "ada@example.org")]),
        step("getUser").with(ADA),
    ]
}

const ADA: super::Pairs = &[("userId", "{{adaId}}")];

fn invitations() -> Vec<Step> {
    vec![
        step("createOrgInvite")
            .body(
                r#"{"username":"org@example.org","roles":["ORG_MEMBER"],"teamIds":[],
                    "groupRoleAssignments":[{"groupId":"{{groupId}}","roles":["GROUP_READ_ONLY"]}]}"#,
            )
            .save(&[("invitationId", "/id")]),
        step("getOrgInvite"),
        step("updateOrgInviteById").body(r#"{"roles":["ORG_READ_ONLY"]}"#),
        step("updateOrgInvites").body(r#"{"username":"org@example.org","roles":["ORG_MEMBER"]}"#),
        step("deleteOrgInvite"),
        step("createGroupInvite")
            .body(r#"{"username":"group@example.org","roles":["GROUP_READ_ONLY"]}"#)
            .save(&[("invitationId", "/id")]),
        step("listGroupInvites").query("username=group@example.org"),
        step("getGroupInvite"),
        step("updateGroupInviteById").body(r#"{"roles":["GROUP_DATA_ACCESS_READ_ONLY"]}"#),
        step("updateGroupInvites").body(r#"{"username":"group@example.org","roles":["GROUP_OWNER"]}"#),
        step("acceptGroupInvite"),
        step("createGroupInvite")
            .body(r#"{"username":"other@example.org","roles":["GROUP_READ_ONLY"]}"#)
            .save(&[("invitationId", "/id")]),
        step("deleteGroupInvite"),
        step("addGroupAccessUser").body(r#"{"username":"access@example.org","roles":["GROUP_READ_ONLY"]}"#),
    ]
}

fn teams() -> Vec<Step> {
    vec![
        step("createOrgTeam")
            .body(r#"{"name":"Team","usernames":["ada@example.org"]}"#)
            .save(&[("teamId", "/id")]),
        step("listOrgTeams"),
        step("getOrgTeam"),
        step("getOrgTeamByName").with(&[("teamName", "Team")]),
        step("renameOrgTeam").body(r#"{"name":"Crew"}"#),
        step("listOrgTeamUsers").query("username=ada@example.org"),
        step("addOrgTeamUsers").body(r#"[{"id":"{{userId}}"}]"#),
        step("removeOrgTeamUserFromTeam"),
        step("addOrgTeamUser").body(r#"{"id":"{{userId}}"}"#),
        step("removeOrgTeamUser").body(r#"{"id":"{{userId}}"}"#),
        step("addGroupTeams").body(r#"[{"teamId":"{{teamId}}","roleNames":["GROUP_READ_ONLY"]}]"#),
        step("listGroupTeams"),
        step("getGroupTeam"),
        step("updateGroupTeam").body(r#"{"roleNames":["GROUP_DATA_ACCESS_READ_ONLY"]}"#),
        step("removeGroupTeam"),
        step("deleteOrgTeam"),
        step("removeOrgUser").with(ADA),
    ]
}

const ADDRESS: super::Pairs = &[("ipAddress", "192.0.2.7")];

fn api_keys() -> Vec<Step> {
    vec![
        step("createOrgApiKey")
            .body(r#"{"desc":"a key","roles":["ORG_MEMBER"]}"#)
            .save(&[("apiUserId", "/id")]),
        step("listOrgApiKeys"),
        step("getOrgApiKey"),
        step("updateOrgApiKey").body(r#"{"desc":"another key","roles":["ORG_READ_ONLY"]}"#),
        step("createOrgApiKeyAccessListEntry").body(r#"[{"ipAddress":"192.0.2.7"}]"#),
        step("listOrgApiKeyAccessListEntries"),
        step("getOrgApiKeyAccessListEntry").with(ADDRESS),
        step("deleteOrgApiKeyAccessListEntry").with(ADDRESS),
        step("addGroupApiKey").body(r#"[{"roles":["GROUP_READ_ONLY"]}]"#),
        step("listGroupApiKeys"),
        step("updateGroupApiKeyRoles")
            .body(r#"{"desc":"a third text","roles":["GROUP_DATA_ACCESS_READ_ONLY"]}"#),
        step("removeGroupApiKey"),
        step("deleteOrgApiKey"),
        step("createGroupApiKey")
            .body(r#"{"desc":"a key of a project","roles":["GROUP_READ_ONLY"]}"#),
    ]
}

fn service_accounts() -> Vec<Step> {
    vec![
        step("createOrgServiceAccount")
            .body(
                r#"{"name":"an account","description":"a test","roles":["ORG_MEMBER"],"secretExpiresAfterHours":8}"#,
            )
            .save(&[("clientId", "/clientId")]),
        step("listOrgServiceAccounts"),
        step("getOrgServiceAccount"),
        step("updateOrgServiceAccount")
            .body(r#"{"name":"another","description":"of tests","roles":["ORG_READ_ONLY"]}"#),
        step("createOrgServiceAccountSecret")
            .body(r#"{"secretExpiresAfterHours":8}"#)
            .save(&[("secretId", "/id")]),
        step("deleteOrgServiceAccountSecret"),
        step("createOrgServiceAccountAccessList").body(r#"[{"ipAddress":"192.0.2.7"}]"#),
        step("listOrgServiceAccountAccessList"),
        step("deleteOrgServiceAccountAccessListEntry").with(ADDRESS),
        step("inviteGroupServiceAccount").body(r#"{"roles":["GROUP_READ_ONLY"]}"#),
        step("getOrgServiceAccountGroups"),
        step("deleteOrgServiceAccount"),
        step("createGroupServiceAccount")
            .body(
                r#"{"name":"an account","description":"a test","roles":["GROUP_READ_ONLY"],"secretExpiresAfterHours":8}"#,
            )
            .save(&[("clientId", "/clientId")]),
        step("listGroupServiceAccounts"),
        step("getGroupServiceAccount"),
        step("updateGroupServiceAccount")
            .body(r#"{"name":"another","description":"of tests","roles":["GROUP_DATA_ACCESS_READ_ONLY"]}"#),
        step("createGroupServiceAccountSecret")
            .body(r#"{"secretExpiresAfterHours":8}"#)
            .save(&[("secretId", "/id")]),
        step("deleteGroupServiceAccountSecret"),
        step("createGroupServiceAccountAccessList").body(r#"[{"cidrBlock":"192.0.2.7/32"}]"#),
        step("listGroupServiceAccountAccessList"),
        step("deleteGroupServiceAccountAccessListEntry").with(ADDRESS),
        step("deleteGroupServiceAccount"),
    ]
}

fn clusters() -> Vec<Step> {
    vec![
        step("listGroupClusterProviderRegions").query("providers=AWS&tier=M10"),
        step("validateGroupClusterConfigurations")
            .body(r#"{"clusterDescription":{"name":"Cluster0"},"editing":false,"tags":[]}"#),
        step("createGroupCluster").body(CLUSTER),
        step("getGroupCluster").until("/stateName", "IDLE"),
        step("listGroupClusters").query("includeDeletedWithRetainedBackups=false"),
        step("listClusterDetails"),
        step("listGroupContainers").query("providerName=AWS"),
        step("updateGroupCluster").body(
            r#"{"tags":[{"key":"environment","value":"test"}],"labels":[],
                "advancedConfiguration":{"minimumEnabledTlsProtocol":"TLS1_2"},"biConnector":{"enabled":false}}"#,
        ),
        step("getGroupCluster").until("/stateName", "IDLE"),
        step("updateGroupCluster").body(r#"{"paused":true}"#),
        step("getGroupCluster").until("/stateName", "IDLE"),
        step("updateGroupCluster").body(r#"{"paused":false}"#),
        step("getGroupCluster").until("/stateName", "IDLE"),
        step("autoGroupClusterScalingConfiguration"),
        step("getGroupClusterProcessArgs"),
        step("updateGroupClusterProcessArgs").body(
            r#"{"javascriptEnabled":false,"noTableScan":false,"minimumEnabledTlsProtocol":"TLS1_2",
                "oplogMinRetentionHours":null,"oplogSizeMB":null,"tlsCipherConfigMode":"DEFAULT",
                "customOpensslCipherConfigTls12":[],"defaultMaxTimeMS":60000}"#,
        ),
        step("getGroupClusterStatus").until("/changeStatus", "APPLIED"),
        step("updateGroupClusterProcessArgs")
            .version("2023-01-01")
            .body(r#"{"javascriptEnabled":true,"failIndexKeyTooLong":false}"#),
        step("getGroupClusterStatus").until("/changeStatus", "APPLIED"),
        step("pinGroupClusterFeatureCompatibilityVersion")
            .body(r#"{"expirationDate":"2026-08-20T00:00:00Z"}"#),
        step("getGroupClusterStatus").until("/changeStatus", "APPLIED"),
        step("unpinGroupClusterFeatureCompatibilityVersion"),
        step("getGroupClusterStatus").until("/changeStatus", "APPLIED"),
        step("restartGroupClusterPrimaries"),
        step("getGroupClusterStatus").until("/changeStatus", "APPLIED"),
        step("requestGroupSampleDatasetLoad")
            .with(&[("name", "{{clusterName}}")])
            .save(&[("sampleDatasetId", "/_id")]),
        step("getGroupSampleDatasetLoad").until("/state", "COMPLETED"),
    ]
}

const GONE: &str = "CLUSTER_NOT_FOUND";
const FLEX: super::Pairs = &[("name", "Flex0")];
const IN_FLAT: super::Pairs = &[("clusterName", "Flat")];
const IN_MULTI: super::Pairs = &[("clusterName", "Multi")];

/// The other forms of clusters, flex clusters, and those that Portolan only attaches.
fn other_clusters() -> Vec<Step> {
    vec![
        step("createGroupCluster").version("2023-01-01").body(FLAT),
        step("getGroupCluster").with(IN_FLAT).until("/stateName", "IDLE"),
        step("updateGroupCluster")
            .with(IN_FLAT)
            .version("2023-01-01")
            .body(r#"{"labels":[{"key":"a","value":"b"}]}"#),
        step("getGroupCluster").with(IN_FLAT).until("/stateName", "IDLE"),
        step("deleteGroupCluster").with(IN_FLAT).query("retainBackups=false"),
        step("getGroupCluster").with(IN_FLAT).until("/errorCode", GONE).refused(GONE),
        step("createGroupCluster").version("2023-02-01").body(MULTI),
        step("getGroupCluster").with(IN_MULTI).until("/stateName", "IDLE"),
        step("updateGroupCluster")
            .with(IN_MULTI)
            .version("2023-02-01")
            .body(r#"{"labels":[{"key":"a","value":"b"}]}"#),
        step("getGroupCluster").with(IN_MULTI).until("/stateName", "IDLE"),
        step("createGroupFlexCluster").body(
            r#"{"name":"Flex0","providerSettings":{"backingProviderName":"AWS","regionName":"US_EAST_1"},
                "tags":[],"terminationProtectionEnabled":false}"#,
        ),
        step("getGroupFlexCluster").with(FLEX).until("/stateName", "IDLE"),
        step("listGroupFlexClusters"),
        step("updateGroupFlexCluster")
            .with(FLEX)
            .body(r#"{"tags":[{"key":"a","value":"b"}],"terminationProtectionEnabled":false}"#),
        step("getGroupFlexCluster").with(FLEX).until("/stateName", "IDLE"),
        // Upgrades of a cluster that is dedicated already.
        step("tenantGroupFlexClusterUpgrade")
            .body(CLUSTER)
            .refused("CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API"),
        step("upgradeGroupClusterTenantUpgrade").body(UPGRADE).refused("VALIDATION_ERROR"),
        step("upgradeTenantClusterV1").body(UPGRADE).refused("VALIDATION_ERROR"),
        step("deleteGroupFlexCluster").with(FLEX),
        step("getGroupFlexCluster").with(FLEX).until("/errorCode", GONE).refused(GONE),
        step("attachCluster").body(r#"{"name":"Live","connectionString":"mongodb://u:secret@db1:27017/"}"#),
        step("listOwnClusters"),
        step("getOwnCluster"),
        step("getConnectionStrings"),
    ]
}

const NETWORK: super::Pairs = &[("entryValue", "192.0.2.0%2F24")];

fn access() -> Vec<Step> {
    vec![
        step("createGroupDatabaseUser").body(
            r#"{"databaseName":"admin","groupId":"{{groupId}}","username":"importer","password":"correct horse battery",
                "roles":[{"databaseName":"flights","roleName":"readWrite"}],"scopes":[],"labels":[]}"#,
        ),
        step("listGroupDatabaseUsers"),
        step("getGroupDatabaseUser"),
        step("updateGroupDatabaseUser").body(
            r#"{"databaseName":"admin","groupId":"{{groupId}}","username":"importer",
                "roles":[{"databaseName":"flights","roleName":"read"}]}"#,
        ),
        step("deleteGroupDatabaseUser"),
        step("createGroupAccessListEntry").body(r#"[{"cidrBlock":"192.0.2.0/24","comment":"an office"}]"#),
        step("listGroupAccessListEntries"),
        step("getGroupAccessListEntry").with(NETWORK),
        step("getGroupAccessListStatus").with(NETWORK),
        step("deleteGroupAccessListEntry").with(NETWORK),
    ]
}

fn archives() -> Vec<Step> {
    vec![
        step("createGroupClusterOnlineArchive")
            .body(
                r#"{"dbName":"flights","collName":"departures","collectionType":"STANDARD","criteria":
                    {"type":"DATE","dateField":"at","dateFormat":"ISODATE","expireAfterDays":30},
                    "partitionFields":[{"fieldName":"at","order":0}],"schedule":{"type":"DEFAULT"},
                    "dataProcessRegion":{"cloudProvider":"AWS","region":"US_EAST_1"},
                    "dataExpirationRule":{"expireAfterDays":400}}"#,
            )
            .save(&[("archiveId", "/_id")]),
        step("listGroupClusterOnlineArchives"),
        step("getGroupClusterOnlineArchive"),
        step("updateGroupClusterOnlineArchive").body(
            r#"{"criteria":{"type":"DATE","expireAfterDays":60},"schedule":{"type":"DAILY",
                "startHour":1,"startMinute":0,"endHour":5,"endMinute":0},"dataExpirationRule":{"expireAfterDays":500}}"#,
        ),
        step("downloadGroupClusterOnlineArchiveQueryLogs")
            .query("startDate=1786330000&endDate=1786330966&archiveOnly=true"),
        step("getOwnOnlineArchive"),
        step("listOnlineArchiveRuns"),
        step("getOnlineArchiveRun").with(&[("runId", "{{absent}}")]).refused("RESOURCE_NOT_FOUND"),
    ]
}

/// What operators do with archives.
fn operators() -> Vec<Step> {
    vec![
        step("runOnlineArchive"),
        step("verifyOnlineArchive")
            .body(r#"{"againstCluster":true}"#)
            .save(&[("operationId", "/_id")]),
        step("estimateOnlineArchive"),
        step("restoreOnlineArchive").body(
            r#"{"dbName":"flights","collName":"returned","filter":"{\"carrier\":\"AA\"}","onConflict":"SKIP","preview":false}"#,
        ),
        step("redactOnlineArchive").body(
            r#"{"_id":{"$oid":"650000000000000000000001"},"evenIfLive":true,"reason":"Request 12"}"#,
        ),
        step("listOnlineArchiveOperations"),
        step("getOnlineArchiveOperation"),
        step("attachOnlineArchive")
            .body(r#"{"storage":"memory:///elsewhere/1","takeOver":true,"expireAfterDays":90,"query":"{}"}"#)
            .refused("INVALID_ATTRIBUTE"),
        step("explainOnlineArchive"),
        step("previewOnlineArchiveExpiry").query("expireAfterDays=30"),
        step("getOnlineArchiveStatistics"),
        step("holdOnlineArchive").body(r#"{"reason":"Case 7"}"#),
        step("releaseOnlineArchive"),
    ]
}

const BYTES: super::Pairs = &[("limitName", "bytesProcessed.daily")];
const ENDPOINT: super::Pairs = &[("endpointId", "vpce-0123456789abcdef0")];

fn federation() -> Vec<Step> {
    vec![
        step("listGroupDataFederation")
            .query("type=ONLINE_ARCHIVE")
            .save(&[("tenantName", "/0/name")]),
        step("createGroupDataFederation")
            .query("skipRoleValidation=true")
            .body(r#"{"name":"federated"}"#)
            .refused("FEATURE_UNSUPPORTED"),
        step("getGroupDataFederation"),
        step("updateGroupDataFederation")
            .query("skipRoleValidation=true")
            .body(r#"{"name":"federated"}"#)
            .refused("FEATURE_UNSUPPORTED"),
        step("listGroupDataFederationLimits"),
        step("setGroupDataFederationLimit").with(BYTES).body(r#"{"value":1000000}"#),
        step("getGroupDataFederationLimit").with(BYTES),
        step("deleteGroupDataFederationLimit").with(BYTES),
        step("downloadGroupDataFederationQueryLogs")
            .query("startDate=1786330000&endDate=1786330966"),
        step("deleteGroupDataFederation").refused("FEATURE_UNSUPPORTED"),
        step("listGroupPrivateNetworkSettingEndpointIds"),
        step("createGroupPrivateNetworkSettingEndpointId")
            .body(r#"{"endpointId":"vpce-0123456789abcdef0","provider":"AWS","type":"DATA_LAKE"}"#)
            .refused("FEATURE_UNSUPPORTED"),
        step("getGroupPrivateNetworkSettingEndpointId")
            .with(ENDPOINT)
            .refused("RESOURCE_NOT_FOUND"),
        step("deleteGroupPrivateNetworkSettingEndpointId")
            .with(ENDPOINT)
            .refused("FEATURE_UNSUPPORTED"),
    ]
}

const SOURCE: super::Pairs = &[("sourceOrgId", "{{orgId}}")];

/// The organization is linked to itself, through a way out of the process and back in.
fn migrations() -> Vec<Step> {
    vec![
        step("createOrgLiveMigrationLinkToken")
            .body(r#"{"accessListIps":["127.0.0.1"]}"#)
            .save(&[("linkToken", "/linkToken")]),
        step("createLiveExportLink").body(r#"{"linkToken":"{{linkToken}}"}"#),
        step("getLiveExportLinkStatus"),
        step("putLiveMigrationSource").with(SOURCE).by_link().body(
            r#"{"orgName":"Renamed","projects":[{"projectId":"{{groupId}}","name":"Main 2",
                "migrationHosts":["portolan.test"],"deployments":[{"name":"Cluster0","managed":true,"sharded":false,
                "tlsEnabled":false,"mongoDBVersion":"7.0.0","featureCompatibilityVersion":"7.0"}]}]}"#,
        ),
        step("listOrgLiveMigrationAvailableProjects"),
        step("validateGroupLiveMigrations").body(MIGRATION).save(&[("validationId", "/_id")]),
        step("getGroupLiveMigrationValidateStatus").until("/status", "SUCCESS"),
        step("createGroupLiveMigration").body(MIGRATION).refused("FEATURE_UNSUPPORTED"),
        step("validateGroupLiveMigrations")
            .version("2023-01-01")
            .body(OLD_MIGRATION)
            .save(&[("validationId", "/_id")]),
        step("getGroupLiveMigrationValidateStatus").until("/status", "SUCCESS"),
        step("createGroupLiveMigration")
            .version("2023-01-01")
            .body(OLD_MIGRATION)
            .refused("FEATURE_UNSUPPORTED"),
        step("deleteLiveMigrationSource").with(SOURCE).by_link(),
        step("deleteLiveExportLink"),
        step("deleteOrgLiveMigrationLinkTokens"),
        step("getGroupLiveMigration").with(&[("groupId", "{{movingId}}")]),
        step("cutoverGroupLiveMigration").with(&[("groupId", "{{movingId}}")]),
    ]
}

fn events() -> Vec<Step> {
    vec![
        step("listEventTypes"),
        step("listOrgEvents")
            .query("includeRaw=true&eventType=ORG_CREATED&minDate=2020-01-01T00:00:00Z")
            .save(&[("eventId", "/results/0/id")]),
        step("getOrgEvent").query("includeRaw=true"),
        step("listGroupEvents")
            .query("includeRaw=true&excludedEventType=ORG_CREATED&maxDate=2030-01-01T00:00:00Z")
            .save(&[("eventId", "/results/0/id")]),
        step("getGroupEvent").query("includeRaw=true"),
        step("getGroupActivityFeed").query("minDate=2020-01-01T00:00:00Z"),
        step("getOrgActivityFeed").query("minDate=2020-01-01T00:00:00Z"),
        step("listRateLimits"),
        step("getRateLimit"),
    ]
}

/// A project moves to another organization; what is left is deleted.
fn endings() -> Vec<Step> {
    const DESTINATION: &str = r#"{"destinationOrgId":"{{otherOrgId}}","destinationOrgPublicApiKey":"{{otherPublic}}",
        "destinationOrgPrivateApiKey":"{{otherPrivate}}"}"#;
    vec![
        step("deleteGroupClusterOnlineArchive"),
        step("undeleteOnlineArchive"),
        step("resumeOnlineArchive")
            .body(r#"{"accept":["LEVEL_FELL"],"level":"L1"}"#)
            .refused("ONLINE_ARCHIVE_NOT_ACTIVE"),
        step("reattachOnlineArchive")
            .body(r#"{"dbName":"flights","collName":"departures","otherCollection":true}"#)
            .refused("ONLINE_ARCHIVE_NOT_ACTIVE"),
        step("deleteGroupClusterOnlineArchive"),
        step("deleteGroupCluster"),
        step("getGroupCluster").until("/errorCode", GONE).refused(GONE),
        step("deleteGroup").with(&[("groupId", "{{movingId}}")]),
        step("previewGroupMigrate").query("destinationOrgId={{otherOrgId}}"),
        step("previewGroupMigrateWithKeys").body(DESTINATION),
        step("migrateGroup").body(DESTINATION),
        step("previewOrgDelete"),
        step("previewOrgDeleteByPost"),
        step("updateOrgSettings").body(r#"{"apiAccessListRequired":false}"#),
        step("deleteOrg"),
    ]
}
