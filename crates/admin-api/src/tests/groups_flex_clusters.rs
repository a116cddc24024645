//! `/groups/{groupId}/flexClusters`.

use serde_json::{Value, json};

use super::world::World;

fn body(name: &str) -> Value {
    json!({ "name": name, "providerSettings": {
        "backingProviderName": "AWS", "providerName": "FLEX", "regionName": "US_EAST_1",
    } })
}

async fn ready(world: &World, group: &str, name: &str) -> Value {
    let path = format!("/groups/{group}/flexClusters/{name}");
    for _ in 0..10_000 {
        let found = world.get(&world.owner(), &path).await.expect(200);
        if found.json["stateName"] == "IDLE" {
            return found.json;
        }
        tokio::task::yield_now().await;
    }
    panic!("{name} does not become ready");
}

#[tokio::test]
async fn a_flex_cluster_from_creation_to_removal() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/flexClusters");
    let made = world.post(&owner, &path, body("F")).await.expect(201);
    assert_eq!(made.header("content-type"), "application/vnd.atlas.2024-11-13+json;charset=utf-8");
    assert_eq!(made.json["stateName"], "CREATING");
    let settings = json!({
        "backingProviderName": "AWS", "diskSizeGB": 5.0, "providerName": "FLEX",
        "regionName": "US_EAST_1",
    });
    assert_eq!(made.json["providerSettings"], settings);
    let found = ready(&world, &group, "F").await;
    let standard = found["connectionStrings"]["standard"].as_str().expect("a string");
    assert!(standard.starts_with("mongodb://localhost:"));
    let one = format!("{path}/F");
    let change =
        json!({ "tags": [{ "key": "a", "value": "b" }], "terminationProtectionEnabled": true });
    let changed = world.patch(&owner, &one, change.clone()).await.expect(200);
    assert_eq!(changed.json["stateName"], "UPDATING");
    let found = ready(&world, &group, "F").await;
    assert_eq!(found["tags"], change["tags"]);
    let code = "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED";
    assert_eq!(world.delete(&owner, &one).await.refusal(), (400, code));
    let free = json!({ "terminationProtectionEnabled": false });
    world.patch(&owner, &one, free).await.expect(200);
    world.delete(&owner, &one).await.expect(204);
    for _ in 0..10_000 {
        let answer = world.get(&owner, &one).await;
        if answer.refusal() == (404, "CLUSTER_NOT_FOUND") {
            return;
        }
        assert_eq!(answer.json["stateName"], "DELETING");
        tokio::task::yield_now().await;
    }
    panic!("the cluster does not go away");
}

#[tokio::test]
async fn each_api_refuses_the_clusters_of_the_other() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let (flex, other) =
        (format!("/groups/{group}/flexClusters"), format!("/groups/{group}/clusters"));
    world.post(&owner, &flex, body("F")).await.expect(201);
    world.post(&owner, &other, json!({ "name": "C" })).await.expect(201);
    ready(&world, &group, "F").await;
    for path in ["", "/processArgs", "/status", "/onlineArchives"] {
        let refused = world.get(&owner, &format!("{other}/F{path}")).await;
        assert_eq!(refused.refusal(), (400, "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API"));
        assert_eq!(refused.json["detail"], "Flex cluster F cannot be used in the Cluster API.");
        assert_eq!(refused.json["parameters"], json!(["F"]));
    }
    let refused = world.get(&owner, &format!("{flex}/C")).await;
    assert_eq!(refused.refusal(), (400, "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API"));
    assert_eq!(refused.json["parameters"], json!(["C"]));
    let twin = world.post(&owner, &flex, body("C")).await;
    assert_eq!(twin.refusal(), (400, "DUPLICATE_CLUSTER_NAME"));
    for path in [&flex, &other] {
        assert_eq!(world.get(&owner, path).await.expect(200).json["totalCount"], 1);
    }
    let closing = world.delete(&owner, &format!("/groups/{group}")).await;
    assert_eq!(closing.refusal(), (409, "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS"));
}

#[tokio::test]
async fn an_upgrade_moves_it_to_the_cluster_api() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/flexClusters");
    world.post(&owner, &path, body("F")).await.expect(201);
    let before = ready(&world, &group, "F").await;
    let upgrade = json!({ "name": "F", "replicationSpecs": [{ "regionConfigs": [{
        "providerName": "AWS", "regionName": "US_EAST_1", "priority": 7,
        "electableSpecs": { "instanceSize": "M10", "nodeCount": 3 },
    }] }] });
    let target = format!("{path}:tenantUpgrade");
    assert_eq!(
        world.post(&owner, &target, json!({ "name": "F" })).await.refusal(),
        (400, "MISSING_ATTRIBUTE")
    );
    world.post(&owner, &target, upgrade).await.expect(200);
    let gone = world.get(&owner, &format!("{path}/F")).await;
    assert_eq!(gone.refusal(), (400, "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API"));
    let found = world.get(&owner, &format!("/groups/{group}/clusters/F")).await.expect(200);
    assert_eq!(
        (&found.json["id"], &found.json["clusterType"]),
        (&before["id"], &json!("REPLICASET"))
    );
    let hardware = &found.json["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"];
    assert_eq!(hardware["instanceSize"], "M10");
}

#[tokio::test]
async fn wrong_bodies_make_nothing() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/flexClusters");
    for (body, code) in [
        (json!({ "name": "F" }), "MISSING_ATTRIBUTE"),
        (
            json!({ "name": "F", "providerSettings": { "regionName": "US_EAST_1" } }),
            "MISSING_ATTRIBUTE",
        ),
        (json!({ "name": "a b", "providerSettings": {} }), "CLUSTER_NAME_INVALID"),
        (
            json!({ "name": "F", "colour": 1, "providerSettings": {
            "backingProviderName": "AWS", "regionName": "US_EAST_1",
        } }),
            "INVALID_ATTRIBUTE",
        ),
    ] {
        assert_eq!(world.post(&owner, &path, body).await.refusal(), (400, code));
    }
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
}
