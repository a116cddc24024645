//! `/groups/{groupId}/limits`.

use serde_json::{Value, json};

use super::world::World;

const CLUSTERS: &str = "atlas.project.deployment.clusters";
const USERS: &str = "atlas.project.security.databaseAccess.users";
const ENTRIES: &str = "atlas.project.security.networkAccess.entries";

#[tokio::test]
async fn limits_are_a_bare_array_with_real_usage() {
    let world = World::new().await;
    let owner = world.owner();
    let group = world.project("P").await;
    let path = format!("/groups/{group}/limits");
    world
        .post(&owner, &format!("/groups/{group}/clusters"), json!({ "name": "C" }))
        .await
        .expect(201);
    let all = world.get(&owner, &path).await.expect(200).json;
    let all = all.as_array().expect("a bare array");
    assert_eq!(all.len(), 9);
    let named = |name: &str| all.iter().find(|limit| limit["name"] == name).cloned();
    let expected = json!({ "currentUsage": 1, "defaultLimit": 25, "maximumLimit": 100,
        "name": CLUSTERS, "value": 25 });
    assert_eq!(named(CLUSTERS), Some(expected.clone()));
    assert_eq!(named(USERS).expect("there")["currentUsage"], 0);
    let one = world.get(&owner, &format!("{path}/{CLUSTERS}")).await.expect(200);
    assert_eq!(one.json, expected);
}

#[tokio::test]
async fn a_limit_that_is_set_is_in_force_until_it_is_reset() {
    let world = World::new().await;
    let owner = world.owner();
    let group = world.project("P").await;
    let path = format!("/groups/{group}/limits/{CLUSTERS}");
    // The Go SDK repeats the read-only fields.
    let body = json!({ "name": "", "value": 1, "currentUsage": 0 });
    let set = world.patch(&owner, &path, body).await.expect(200);
    assert_eq!((&set.json["value"], &set.json["defaultLimit"]), (&json!(1), &json!(25)));
    let clusters = format!("/groups/{group}/clusters");
    world.post(&owner, &clusters, json!({ "name": "A" })).await.expect(201);
    let full = world.post(&owner, &clusters, json!({ "name": "B" })).await;
    assert_eq!(full.refusal(), (400, "VALIDATION_ERROR"));
    assert!(full.text.contains("maximum of 1 clusters"), "{}", full.text);
    world.delete(&owner, &path).await.expect(204);
    world.delete(&owner, &path).await.expect(204);
    assert_eq!(world.get(&owner, &path).await.expect(200).json["value"], 25);
    world.post(&owner, &clusters, json!({ "name": "B" })).await.expect(201);
}

#[tokio::test]
async fn users_and_network_entries_are_limited_too() {
    let world = World::new().await;
    let owner = world.owner();
    let group = world.project("P").await;
    for name in [USERS, ENTRIES] {
        let path = format!("/groups/{group}/limits/{name}");
        world.patch(&owner, &path, json!({ "value": 0 })).await.expect(200);
    }
    let user = json!({ "username": "ann", "password": "correct horse",
        "roles": [{ "roleName": "read", "databaseName": "sales" }] });
    let refused = world.post(&owner, &format!("/groups/{group}/databaseUsers"), user).await;
    assert_eq!(refused.refusal(), (400, "VALIDATION_ERROR"));
    let entry = json!([{ "ipAddress": "192.0.2.1" }]);
    let refused = world.post(&owner, &format!("/groups/{group}/accessList"), entry).await;
    assert_eq!(refused.refusal(), (400, "VALIDATION_ERROR"));
}

#[tokio::test]
async fn wrong_names_and_values_change_nothing() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/groups/{}/limits", world.project("P").await);
    let before = world.get(&owner, &path).await.expect(200).json;
    let set = async |name: &str, body: Value| {
        let answer = world.patch(&owner, &format!("{path}/{name}"), body).await;
        (answer.status, answer.code().to_owned())
    };
    let wrong = |status: u16, code: &str| (status, code.to_owned());
    let unknown = world.get(&owner, &format!("{path}/incorrect.limit")).await;
    assert_eq!(unknown.refusal(), (404, "RESOURCE_NOT_FOUND"));
    assert_eq!(unknown.json["reason"], "Not Found");
    assert_eq!(set("nonsense", json!({ "value": 1 })).await, wrong(404, "RESOURCE_NOT_FOUND"));
    assert_eq!(set(CLUSTERS, json!({})).await, wrong(400, "MISSING_ATTRIBUTE"));
    assert_eq!(set(CLUSTERS, json!({ "value": 101 })).await, wrong(400, "VALIDATION_ERROR"));
    assert_eq!(set(CLUSTERS, json!({ "value": -1 })).await, wrong(400, "VALIDATION_ERROR"));
    assert_eq!(set(CLUSTERS, json!({ "value": "1" })).await, wrong(400, "INVALID_JSON_ATTRIBUTE"));
    let bytes = "dataFederation.bytesProcessed.daily";
    assert_eq!(set(bytes, json!({ "value": 1 })).await, wrong(403, "FEATURE_UNSUPPORTED"));
    let unset = world.get(&owner, &format!("{path}/{bytes}")).await;
    assert_eq!(unset.refusal(), (404, "RESOURCE_NOT_FOUND"));
    assert_eq!(world.get(&owner, &path).await.expect(200).json, before);
}
