//! Access lists and secrets of service accounts by way of a project.

use serde_json::json;

use super::world::{Caller, World};

/// An owner of the project, who has no more than membership in the organization.
async fn project_owner(world: &World, group: &str) -> Caller {
    let member = world.key(&world.owner(), &world.org(), &["ORG_MEMBER"]).await;
    let Caller::Key(public_key, _) = &member else { panic!("a key") };
    let keys = world.get(&world.owner(), &format!("/orgs/{}/apiKeys", world.org())).await;
    let keys = keys.expect(200).json["results"].as_array().cloned().expect("keys");
    let key = keys.iter().find(|key| key["publicKey"] == public_key.as_str()).expect("it");
    let path = format!("/groups/{group}/apiKeys/{}", key["id"].as_str().expect("an id"));
    let body = json!([{ "roles": ["GROUP_OWNER"] }]);
    world.post(&world.owner(), &path, body).await.expect(204);
    member
}

#[tokio::test]
async fn the_projects_route_shows_and_changes_the_same_list() {
    let world = World::new().await;
    let group = world.project("P").await;
    let owner = project_owner(&world, &group).await;
    let accounts = format!("/groups/{group}/serviceAccounts");
    let body = json!({ "name": "robot", "description": "d", "roles": ["GROUP_READ_ONLY"],
        "secretExpiresAfterHours": 8 });
    let id = world.post(&owner, &accounts, body).await.expect(201).str("/clientId");
    let path = format!("{accounts}/{id}/accessList");
    let list = json!([{ "ipAddress": "192.0.2.7" }]);
    let added = world.post(&owner, &path, list).await.expect(200);
    assert_eq!(added.json["results"][0]["cidrBlock"], "192.0.2.7/32");
    let in_org = format!("/orgs/{}/serviceAccounts/{id}/accessList", world.org());
    let seen = world.get(&world.owner(), &in_org).await.expect(200);
    assert_eq!(seen.json["results"], added.json["results"]);
    world.delete(&owner, &format!("{path}/192.0.2.7")).await.expect(204);
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
    let secrets = format!("{accounts}/{id}/secrets");
    let body = json!({ "secretExpiresAfterHours": 8 });
    let made = world.post(&owner, &secrets, body).await.expect(201);
    assert!(made.str("/secret").starts_with("mdb_sa_sk_"));
    world.delete(&owner, &format!("{secrets}/{}", made.str("/id"))).await.expect(204);
    let gone = world.delete(&owner, &format!("{secrets}/{}", made.str("/id"))).await;
    assert_eq!(gone.refusal(), (404, "RESOURCE_NOT_FOUND"));
}

#[tokio::test]
async fn nobody_becomes_more_than_the_project_by_a_secret() {
    let world = World::new().await;
    let group = world.project("P").await;
    let owner = project_owner(&world, &group).await;
    // The founding account owns the organization.
    let account = format!("/groups/{group}/serviceAccounts/{}", world.founded.client_id);
    let body = json!({ "secretExpiresAfterHours": 8 });
    let absent = world.post(&owner, &format!("{account}/secrets"), body.clone()).await;
    assert_eq!(absent.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let invited = json!({ "roles": ["GROUP_READ_ONLY"] });
    world.post(&world.owner(), &format!("{account}:invite"), invited).await.expect(200);
    let refused = world.post(&owner, &format!("{account}/secrets"), body.clone()).await;
    assert_eq!(refused.refusal(), (401, "USER_UNAUTHORIZED"));
    let list = json!([{ "ipAddress": "192.0.2.7" }]);
    let refused = world.post(&owner, &format!("{account}/accessList"), list.clone()).await;
    assert_eq!(refused.refusal(), (401, "USER_UNAUTHORIZED"));
    world.get(&owner, &format!("{account}/accessList")).await.expect(200);
    world.post(&world.owner(), &format!("{account}/secrets"), body).await.expect(201);
    world.post(&world.owner(), &format!("{account}/accessList"), list).await.expect(200);
}
