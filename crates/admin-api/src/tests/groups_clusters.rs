//! `/groups/{groupId}/clusters`, `/groups/{groupId}/clusters/{clusterName}`.

use serde_json::{Value, json};

use super::world::{Caller, World};

const V20230201: &str = "application/vnd.atlas.2023-02-01+json";
const V20240805: &str = "application/vnd.atlas.2024-08-05+json";

/// Makes a cluster and waits until it is ready, as clients do.
pub(super) async fn ready_cluster(world: &World, group: &str, name: &str) -> Value {
    let path = format!("/groups/{group}/clusters");
    world.post(&world.owner(), &path, json!({ "name": name })).await.expect(201);
    for _ in 0..10_000 {
        let found = world.get(&world.owner(), &format!("{path}/{name}")).await.expect(200);
        if found.json["stateName"] == "IDLE" {
            return found.json;
        }
        tokio::task::yield_now().await;
    }
    panic!("{name} does not become ready");
}

fn body(name: &str) -> Value {
    json!({
        "name": name,
        "clusterType": "REPLICASET",
        "replicationSpecs": [{ "regionConfigs": [{
            "providerName": "AWS",
            "regionName": "US_EAST_1",
            "priority": 7,
            "electableSpecs": { "instanceSize": "M10", "nodeCount": 3, "diskSizeGB": 10.0 },
        }] }],
    })
}

#[tokio::test]
async fn a_cluster_from_creation_to_removal() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/clusters");
    let made = world.post(&owner, &path, body("C")).await.expect(201);
    assert_eq!(made.header("content-type"), "application/vnd.atlas.2024-10-23+json;charset=utf-8");
    assert_eq!(made.json["stateName"], "CREATING");
    assert_eq!(made.json["replicationSpecs"][0]["zoneName"], "Zone 1");
    assert_eq!(made.str("/replicationSpecs/0/id").len(), 24);
    ready_cluster(&world, &group, "D").await;
    let found = world.get(&owner, &format!("{path}/D")).await.expect(200);
    assert_eq!(found.header("content-type"), "application/vnd.atlas.2024-08-05+json;charset=utf-8");
    assert!(found.str("/connectionStrings/standard").starts_with("mongodb://localhost:"));
    assert_eq!(found.json["connectionStrings"].get("standardSrv"), None);
    let deleted = world.delete(&owner, &format!("{path}/D")).await.expect(202);
    assert_eq!(deleted.text, "{}");
    for _ in 0..10_000 {
        let answer = world.get(&owner, &format!("{path}/D")).await;
        if answer.refusal() == (404, "CLUSTER_NOT_FOUND") {
            let detail = format!("No cluster named D exists in group {group}.");
            assert_eq!(answer.json["detail"], detail);
            assert_eq!(answer.json["parameters"], json!(["D", group]));
            return;
        }
        assert_eq!(answer.json["stateName"], "DELETING");
        tokio::task::yield_now().await;
    }
    panic!("the cluster does not go away");
}

#[tokio::test]
async fn the_count_is_always_there() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/clusters?includeCount=false");
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
    ready_cluster(&world, &group, "C").await;
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 1);
}

#[tokio::test]
async fn versions_of_clusters() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/api/atlas/v2/groups/{group}/clusters");
    let made = world.call_as(&owner, "POST", &path, Some(&body("C")), V20240805).await.expect(201);
    assert_eq!(made.header("sunset"), "Mon, 1 Mar 2027 00:00:00 GMT");
    let early = world.call_as(&owner, "POST", &path, Some(&body("D")), V20230201).await;
    assert_eq!(early.refusal(), (406, "INVALID_VERSION_DATE"));
    let one = format!("{path}/C");
    let old = world.call_as(&owner, "GET", &one, None, V20230201).await.expect(200);
    assert_eq!(old.json["replicationSpecs"][0]["numShards"], 1);
    assert_eq!(old.json["diskSizeGB"], 10.0);
    assert_eq!(old.header("sunset"), "Thu, 1 Jul 2027 00:00:00 GMT");
    let new = world.call_as(&owner, "GET", &one, None, V20240805).await.expect(200);
    assert_eq!(new.json.get("diskSizeGB"), None);
    assert_eq!(new.header("sunset"), "");
}

#[tokio::test]
async fn refusals_change_nothing() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/clusters");
    let mut protected = body("C");
    protected["terminationProtectionEnabled"] = json!(true);
    world.post(&owner, &path, protected).await.expect(201);
    let kept = world.delete(&owner, &format!("{path}/C")).await;
    let code = "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED";
    assert_eq!(kept.refusal(), (400, code));
    let twin = world.post(&owner, &path, body("C")).await;
    assert_eq!(twin.refusal(), (400, "DUPLICATE_CLUSTER_NAME"));
    let mut unknown = body("D");
    unknown["colour"] = json!("red");
    let unknown = world.post(&owner, &path, unknown).await;
    assert_eq!(unknown.refusal(), (400, "INVALID_ATTRIBUTE"));
    assert_eq!(unknown.str("/badRequestDetail/fields/0/field"), "colour");
    let named = world.post(&owner, &path, body("a b")).await;
    assert_eq!(named.refusal(), (400, "CLUSTER_NAME_INVALID"));
    let mut backups = body("D");
    backups["backupEnabled"] = json!(true);
    let backups = world.post(&owner, &path, backups).await;
    assert_eq!(backups.refusal(), (403, "FEATURE_UNSUPPORTED"));
    let retained = world.delete(&owner, &format!("{path}/C?retainBackups=true")).await;
    assert_eq!(retained.refusal(), (403, "FEATURE_UNSUPPORTED"));
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 1);
    let closing = world.delete(&owner, &format!("/groups/{group}")).await;
    assert_eq!(closing.refusal(), (409, "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS"));
}

#[tokio::test]
async fn readers_may_look_but_not_make() {
    let world = World::new().await;
    let group = world.project("P").await;
    let reader: Caller = world.key(&world.owner(), &world.org(), &["ORG_READ_ONLY"]).await;
    let path = format!("/groups/{group}/clusters");
    world.get(&reader, &path).await.expect(200);
    let made = world.post(&reader, &path, body("C")).await;
    assert_eq!(made.refusal(), (401, "USER_UNAUTHORIZED"));
}
