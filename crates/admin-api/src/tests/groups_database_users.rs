//! `/groups/{groupId}/databaseUsers`, and one user below it.

use serde_json::{Value, json};

use super::world::World;

fn body(name: &str) -> Value {
    json!({
        "databaseName": "admin",
        "username": name,
        "password": "correct horse",
        "roles": [{ "databaseName": "admin", "roleName": "atlasAdmin" }],
    })
}

#[tokio::test]
async fn a_user_on_the_wire() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/databaseUsers");
    let made = world.post(&owner, &path, body("a/b")).await.expect(201);
    let keys: Vec<&String> = made.json.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "awsIAMType",
            "databaseName",
            "groupId",
            "labels",
            "ldapAuthType",
            "links",
            "oidcAuthType",
            "roles",
            "scopes",
            "username",
            "x509Type"
        ]
    );
    assert!(!made.text.contains("horse"));
    let one = format!("{path}/admin/a%2Fb");
    let found = world.get(&owner, &one).await.expect(200);
    assert_eq!(found.text, made.text);
    let twin = world.post(&owner, &path, body("a/b")).await;
    assert_eq!(twin.refusal(), (409, "USER_ALREADY_EXISTS"));
    let roles = json!({ "roles": [{ "databaseName": "sales", "roleName": "read" }] });
    let changed = world.patch(&owner, &one, roles).await.expect(200);
    assert_eq!(changed.json["roles"][0]["roleName"], "read");
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 1);
    assert_eq!(world.delete(&owner, &one).await.expect(204).text, "");
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "USERNAME_NOT_FOUND"));
}

#[tokio::test]
async fn refusals_never_repeat_a_password() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/databaseUsers");
    for (name, value) in [
        ("password", json!("horse")),
        ("x509Type", json!("MANAGED")),
        ("databaseName", json!("$external")),
        ("roles", json!([{ "databaseName": "sales", "roleName": "mine" }])),
        ("colour", json!("red")),
    ] {
        let mut body = body("ann");
        body[name] = value;
        let refused = world.post(&owner, &path, body).await;
        assert!((400..404).contains(&refused.status), "{}", refused.text);
        let field = refused.str("/badRequestDetail/fields/0/field");
        assert!(field.starts_with(name), "{field}");
        assert!(!refused.text.contains("horse"), "{}", refused.text);
    }
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
}
