//! `/groups/{groupId}/dataFederation` and `/groups/{groupId}/privateNetworkSettings/endpointIds`.

use serde_json::{Value, json};

use super::groups_clusters::ready_cluster;
use super::world::World;

const BOTH: &str = "atlas-online-archive-C";
const ARCHIVE: &str = "archived-atlas-online-archive-C";

/// A project whose cluster has archives of two collections.
async fn place() -> (World, String) {
    let world = World::new().await;
    let group = world.project("P").await;
    ready_cluster(&world, &group, "C").await;
    for collection in ["flights", "airports"] {
        let body = json!({
            "dbName": "air", "collName": collection,
            "criteria": { "dateField": "at", "expireAfterDays": 3 },
        });
        let path = format!("/groups/{group}/clusters/C/onlineArchives");
        world.post(&world.owner(), &path, body).await.expect(200);
    }
    (world, format!("/groups/{group}/dataFederation"))
}

#[tokio::test]
async fn archives_bring_two_instances_along() {
    let (world, path) = place().await;
    let owner = world.owner();
    for query in ["", "?type=USER"] {
        let none = world.get(&owner, &format!("{path}{query}")).await.expect(200);
        assert_eq!(none.text, "[]", "users have none of their own");
    }
    let list = world.get(&owner, &format!("{path}?type=ONLINE_ARCHIVE")).await.expect(200);
    let list = list.json.as_array().expect("a bare array").clone();
    let names: Vec<&Value> = list.iter().map(|tenant| &tenant["name"]).collect();
    assert_eq!(names, [ARCHIVE, BOTH]);
    for tenant in &list {
        let name = tenant["name"].as_str().expect("a name");
        let one = world.get(&owner, &format!("{path}/{name}")).await.expect(200);
        assert_eq!(one.json, *tenant);
        assert_eq!(tenant["state"], "ACTIVE");
        let region = json!({ "cloudProvider": "AWS", "region": "VIRGINIA_USA" });
        assert_eq!(tenant["dataProcessRegion"], region);
    }
    let sources = |tenant: &Value| {
        let collection = &tenant["storage"]["databases"][0]["collections"][0];
        assert_eq!(collection["name"], "flights");
        collection["dataSources"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((sources(&list[0]), sources(&list[1])), (1, 2));
}

/// Clients connect to what is listed: the same host and port as in the connection strings.
#[tokio::test]
async fn host_names_are_those_of_the_endpoints() {
    let (world, path) = place().await;
    let owner = world.owner();
    let group = path.split('/').nth(2).expect("a project");
    let target = format!("/api/portolan/v1/groups/{group}/clusters/C/connectionStrings");
    let strings = world.call(&owner, "GET", &target, None).await.expect(200);
    for (name, key) in [(ARCHIVE, "/archive"), (BOTH, "/clusterAndArchive")] {
        let tenant = world.get(&owner, &format!("{path}/{name}")).await.expect(200);
        let host = tenant.str("/hostnames/0");
        let string = strings.str(key);
        assert!(string.contains(&format!("@{host}/")), "{host} {string}");
    }
}

#[tokio::test]
async fn without_archives_there_are_none() {
    let world = World::new().await;
    let group = world.project("P").await;
    ready_cluster(&world, &group, "C").await;
    let path = format!("/groups/{group}/dataFederation");
    let owner = world.owner();
    let list = world.get(&owner, &format!("{path}?type=ONLINE_ARCHIVE")).await.expect(200);
    assert_eq!(list.text, "[]");
    for name in [BOTH, "atlas-online-archive-None", "F0"] {
        let absent = world.get(&owner, &format!("{path}/{name}")).await;
        let code = "DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME";
        assert_eq!(absent.refusal(), (404, code));
        assert_eq!(absent.json["parameters"], json!([group, name]));
    }
    let wrong = world.get(&owner, &format!("{path}?type=ALL")).await;
    assert_eq!(wrong.refusal(), (400, "INVALID_QUERY_PARAMETER"));
}

#[tokio::test]
async fn what_is_wrong_is_told_before_what_is_not_offered() {
    let (world, path) = place().await;
    let owner = world.owner();
    let wrong = world.post(&owner, &path, json!({ "nam": "F0" })).await;
    assert_eq!(wrong.refusal(), (400, "INVALID_ATTRIBUTE"));
    let right = world.post(&owner, &path, json!({ "name": "F0" })).await;
    assert_eq!(right.refusal(), (403, "FEATURE_UNSUPPORTED"));
    assert!(right.str("/detail").contains("archives"));
    let one = format!("{path}/{BOTH}");
    let missing = world.patch(&owner, &one, json!({})).await;
    assert_eq!(missing.refusal(), (400, "MISSING_QUERY_PARAMETER"));
    let given = format!("{one}?skipRoleValidation=false");
    assert_eq!(world.patch(&owner, &given, json!({})).await.code(), "FEATURE_UNSUPPORTED");
    assert_eq!(world.delete(&owner, &one).await.refusal(), (403, "FEATURE_UNSUPPORTED"));
    let absent = world.delete(&owner, &format!("{path}/F0")).await;
    assert_eq!(absent.refusal(), (404, "DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME"));
}

#[tokio::test]
async fn limits_are_set_listed_and_removed() {
    let (world, path) = place().await;
    let owner = world.owner();
    let limits = format!("{path}/{ARCHIVE}/limits");
    let one = format!("{limits}/bytesProcessed.daily");
    assert_eq!(world.get(&owner, &limits).await.expect(200).text, "[]");
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let body = json!({ "name": "bytesProcessed.daily", "value": 5_000_000_000_i64 });
    let set = world.patch(&owner, &one, body).await.expect(200);
    let expected = json!({
        "currentUsage": 0,
        "lastModifiedDate": "2026-08-10T03:02:46Z",
        "maximumLimit": 1_152_921_504_606_846_976_i64,
        "name": "bytesProcessed.daily",
        "overrunPolicy": "BLOCK",
        "tenantName": ARCHIVE,
        "value": 5_000_000_000_i64,
    });
    assert_eq!(set.json, expected);
    assert_eq!(world.get(&owner, &limits).await.expect(200).json, json!([expected]));
    let other = world.get(&owner, &format!("{path}/{BOTH}/limits")).await.expect(200);
    assert_eq!(other.text, "[]", "each instance has its own");
    let wrong = world.patch(&owner, &one, json!({ "value": -1 })).await;
    assert_eq!(wrong.refusal(), (400, "VALIDATION_ERROR"));
    assert_eq!(world.get(&owner, &one).await.expect(200).json, expected);
    let unknown = world.get(&owner, &format!("{limits}/bytesProcessed.yearly")).await;
    assert_eq!(unknown.refusal(), (400, "INVALID_PATH_PARAMETER"));
    assert_eq!(world.delete(&owner, &one).await.expect(204).text, "");
    assert_eq!(world.delete(&owner, &one).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let group = path.split('/').nth(2).expect("a project");
    for event in ["CONFIGURED", "DELETED"] {
        let query = format!("eventType=DATA_FEDERATION_QUERY_LIMIT_{event}");
        let events = world.get(&owner, &format!("/groups/{group}/events?{query}")).await;
        assert_eq!(events.expect(200).json["totalCount"], 1, "{event}");
    }
}

#[tokio::test]
async fn there_are_no_private_endpoints() {
    let world = World::new().await;
    let group = world.project("P").await;
    let (owner, path) =
        (world.owner(), format!("/groups/{group}/privateNetworkSettings/endpointIds"));
    let list = world.get(&owner, &path).await.expect(200);
    assert_eq!((&list.json["totalCount"], &list.json["results"]), (&json!(0), &json!([])));
    let wrong = world.post(&owner, &path, json!({ "endpointId": "vpce-1" })).await;
    assert_eq!(wrong.refusal(), (400, "VALIDATION_ERROR"));
    let body = json!({ "endpointId": "vpce-0123456789abcdef0", "provider": "AWS" });
    let right = world.post(&owner, &path, body).await;
    assert_eq!(right.refusal(), (403, "FEATURE_UNSUPPORTED"));
    let one = format!("{path}/vpce-0123456789abcdef0");
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
    assert_eq!(world.delete(&owner, &one).await.refusal(), (403, "FEATURE_UNSUPPORTED"));
}
