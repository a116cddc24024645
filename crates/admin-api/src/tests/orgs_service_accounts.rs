//! `/orgs/{orgId}/serviceAccounts` and `/groups/{groupId}/serviceAccounts`.

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn an_account_its_secrets_and_its_end() {
    let world = World::new().await;
    let (owner, path) = (world.owner(), format!("/orgs/{}/serviceAccounts", world.org()));
    let body = json!({
        "name": "ci", "description": "builds", "roles": ["ORG_READ_ONLY"],
        "secretExpiresAfterHours": 8,
    });
    let made = world.post(&owner, &path, body).await.expect(201);
    assert_eq!(made.json["secrets"][0]["expiresAt"], "2026-08-10T11:02:46Z");
    let one = format!("{path}/{}", made.str("/clientId"));
    let read = world.get(&owner, &one).await.expect(200);
    assert_eq!(read.json["secrets"][0].get("secret"), None);
    assert!(read.str("/secrets/0/maskedSecretValue").starts_with("mdb_sa_sk_"));
    let body = json!({ "secretExpiresAfterHours": 9000 });
    let refused = world.post(&owner, &format!("{one}/secrets"), body).await;
    assert_eq!(refused.refusal(), (400, "VALIDATION_ERROR"));
    let body = json!({ "secretExpiresAfterHours": 10 });
    let secret = world.post(&owner, &format!("{one}/secrets"), body).await.expect(201);
    assert!(secret.str("/secret").starts_with("mdb_sa_sk_"));
    let secret = format!("{one}/secrets/{}", secret.str("/id"));
    world.delete(&owner, &secret).await.expect(204);
    let gone = world.delete(&owner, &secret).await.expect(404);
    assert_eq!(gone.str("/detail"), "The requested resource does not exist");
    let body = json!({ "name": "renamed", "roles": ["ORG_MEMBER"] });
    let changed = world.patch(&owner, &one, body).await.expect(200);
    assert_eq!(
        (&changed.json["name"], &changed.json["roles"]),
        (&json!("renamed"), &json!(["ORG_MEMBER"]))
    );
    world.delete(&owner, &one).await.expect(204);
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let list = world.get(&owner, &path).await.expect(200);
    assert_eq!(list.json["totalCount"], 1);
}

#[tokio::test]
async fn accounts_in_projects() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/serviceAccounts");
    let id = world.founded.client_id.to_string();
    let one = format!("{path}/{id}");
    let body = json!({ "roles": ["GROUP_READ_ONLY"] });
    let invited = world.post(&owner, &format!("{one}:invite"), body).await.expect(200);
    assert_eq!(invited.json["roles"], json!(["GROUP_READ_ONLY"]));
    let groups = format!("/orgs/{}/serviceAccounts/{id}/groups", world.org());
    let groups = world.get(&owner, &groups).await.expect(200);
    assert_eq!(groups.json["results"], json!([{ "groupId": group, "roles": ["GROUP_READ_ONLY"] }]));
    let body = json!({ "roles": ["GROUP_OWNER"] });
    let changed = world.patch(&owner, &one, body).await.expect(200);
    assert_eq!(changed.json["roles"], json!(["GROUP_OWNER"]));
    world.delete(&owner, &one).await.expect(204);
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let body = json!({
        "name": "p", "description": "d", "roles": ["GROUP_OWNER"], "secretExpiresAfterHours": 8,
    });
    let made = world.post(&owner, &path, body).await.expect(201);
    assert!(made.str("/secrets/0/secret").starts_with("mdb_sa_sk_"));
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 1);
}
