//! `/groups/{groupId}/settings`, `/managedSlowMs`, `/mongoDBVersions`, `/ipAddresses`, and
//! `/orgs/{orgId}/delegationSettings`.

use serde_json::json;

use super::world::{Caller, World};

#[tokio::test]
async fn twelve_switches_are_merged() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/groups/{}/settings", world.project("P").await);
    let shown = world.get(&owner, &path).await.expect(200).json;
    let off: Vec<&str> = shown
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(_, value)| **value == json!(false))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(shown.as_object().map(serde_json::Map::len), Some(12));
    assert_eq!(
        off,
        [
            "isDataExplorerGenAISampleDocumentPassingEnabled",
            "isExtendedStorageSizesEnabled",
            "isNativeRerankingEnabled",
        ]
    );
    let body = json!({ "isDataExplorerEnabled": false, "isNativeRerankingEnabled": true });
    let changed = world.patch(&owner, &path, body).await.expect(200).json;
    let mut expected = shown;
    expected["isDataExplorerEnabled"] = json!(false);
    expected["isNativeRerankingEnabled"] = json!(true);
    assert_eq!(changed, expected);
    assert_eq!(world.get(&owner, &path).await.expect(200).json, expected);
    for body in [json!({ "isDataExplorerEnabled": "no" }), json!({ "managedSlowMs": true })] {
        world.patch(&owner, &path, body).await.expect(400);
    }
    assert_eq!(world.get(&owner, &path).await.expect(200).json, expected);
    let events = path.replace("settings", "events?eventType=DATA_EXPLORER_DISABLED");
    assert_eq!(world.get(&owner, &events).await.expect(200).json["totalCount"], 1);
}

#[tokio::test]
async fn managed_slow_ms_is_a_bare_boolean() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/groups/{}/managedSlowMs", world.project("P").await);
    assert_eq!(world.get(&owner, &path).await.expect(200).text, "true");
    world.delete(&owner, &format!("{path}/disable")).await.expect(204);
    assert_eq!(world.get(&owner, &path).await.expect(200).text, "false");
    let target = format!("/api/atlas/v2{path}/enable");
    world.call(&owner, "POST", &target, None).await.expect(204);
    assert_eq!(world.get(&owner, &path).await.expect(200).text, "true");
}

#[tokio::test]
async fn the_version_is_that_of_sandbox_clusters() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/groups/{}/mongoDBVersions", world.project("P").await);
    let all = world.get(&owner, &path).await.expect(200);
    assert_eq!(all.json["totalCount"], 3);
    assert_eq!(all.json["results"][0]["version"], "7.0");
    let query = "?cloudProvider=GCP&instanceSize=M10&defaultStatus=DEFAULT";
    let one = world.get(&owner, &format!("{path}{query}")).await.expect(200);
    let entry = json!({ "cloudProvider": "GCP", "defaultStatus": "DEFAULT",
        "instanceSize": "M10", "version": "7.0" });
    assert_eq!(one.json["results"], json!([entry]));
    for query in ["?cloudProvider=IBM", "?defaultStatus=NOT_DEFAULT", "?itemsPerPage=0"] {
        let refused = world.get(&owner, &format!("{path}{query}")).await;
        assert_eq!(refused.refusal(), (400, "INVALID_QUERY_PARAMETER"), "{query}");
    }
}

#[tokio::test]
async fn clusters_are_reached_at_the_advertised_address() {
    let world = World::new().await;
    let owner = world.owner();
    let group = world.project("P").await;
    let path = format!("/groups/{group}/ipAddresses");
    let none = json!({ "groupId": group, "services": { "clusters": [] } });
    assert_eq!(world.get(&owner, &path).await.expect(200).json, none);
    let clusters = format!("/groups/{group}/clusters");
    world.post(&owner, &clusters, json!({ "name": "C" })).await.expect(201);
    let found = world.get(&owner, &path).await.expect(200).json;
    assert_eq!(
        found["services"]["clusters"],
        json!([{ "clusterName": "C", "inbound": ["127.0.0.1"], "outbound": [],
            "futureInbound": [], "futureOutbound": [] }])
    );
}

#[tokio::test]
async fn the_control_plane_tells_everybody_what_its_administrator_stated() {
    let inbound = [("AWS/US_EAST_1".to_owned(), vec!["192.0.2.1/32".to_owned()])];
    let world = World::with(|settings| settings.addresses.inbound = inbound.into()).await;
    let path = "/unauth/controlPlaneIPAddresses";
    let shown = world.get(&Caller::Nobody, path).await.expect(200);
    let none = json!({ "aws": {}, "azure": {}, "gcp": {} });
    let stated = json!({ "aws": { "US_EAST_1": ["192.0.2.1/32"] }, "azure": {}, "gcp": {} });
    assert_eq!(shown.json, json!({ "inbound": stated, "outbound": none }));
    let wrong = Caller::Token("portolan_at_x".into());
    world.get(&wrong, path).await.expect(200);
}

#[tokio::test]
async fn delegation_settings_are_kept_cleared_and_checked() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/orgs/{}/delegationSettings", world.org());
    let none = json!({ "delegatedMcpAccess": null, "delegatedPartnerAccess": null,
        "idleRefreshTokenLifetime": null, "maximumRefreshTokenLifetime": null });
    assert_eq!(world.get(&owner, &path).await.expect(200).json, none);
    let body = json!({ "delegatedMcpAccess": "READ_ONLY", "idleRefreshTokenLifetime": 60 });
    world.patch(&owner, &path, body).await.expect(200);
    let body = json!({ "delegatedMcpAccess": null, "maximumRefreshTokenLifetime": 31_536_000 });
    let changed = world.patch(&owner, &path, body).await.expect(200).json;
    let mut expected = none;
    expected["idleRefreshTokenLifetime"] = json!(60);
    expected["maximumRefreshTokenLifetime"] = json!(31_536_000);
    assert_eq!(changed, expected);
    for body in [
        json!({ "delegatedMcpAccess": "ALL" }),
        json!({ "delegatedPartnerAccess": "READ_ONLY" }),
        json!({ "idleRefreshTokenLifetime": 0 }),
        json!({ "maximumRefreshTokenLifetime": 31_536_001 }),
        json!({ "unknown": 1 }),
    ] {
        world.patch(&owner, &path, body).await.expect(400);
    }
    assert_eq!(world.get(&owner, &path).await.expect(200).json, expected);
    let old = "application/vnd.atlas.2025-02-19+json";
    let target = format!("/api/atlas/v2{path}");
    let refused = world.call_as(&owner, "GET", &target, None, old).await;
    assert_eq!(refused.refusal(), (406, "INVALID_VERSION_DATE"));
}

#[tokio::test]
async fn changes_of_an_organization_leave_events_and_repetitions_none() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/orgs/{}", world.org());
    for _ in 0..2 {
        let body = json!({ "multiFactorAuthRequired": true, "restrictEmployeeAccess": true });
        world.patch(&owner, &format!("{path}/settings"), body).await.expect(200);
    }
    let body = json!({ "delegatedPartnerAccess": "DISALLOWED" });
    world.patch(&owner, &format!("{path}/delegationSettings"), body).await.expect(200);
    for event in [
        "ORG_TWO_FACTOR_AUTH_REQUIRED",
        "ORG_EMPLOYEE_ACCESS_RESTRICTED",
        "ORG_DELEGATION_SETTINGS_UPDATED",
    ] {
        let list = world.get(&owner, &format!("{path}/events?eventType={event}")).await.expect(200);
        assert_eq!(list.json["totalCount"], 1, "{event}");
    }
}
