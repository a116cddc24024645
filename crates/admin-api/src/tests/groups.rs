//! `/groups`, `/groups/{groupId}`, `/groups/byName/{groupName}`, users and keys of projects.

use serde_json::json;

use super::world::{Caller, World};

#[tokio::test]
async fn a_new_project_on_the_wire() {
    let world = World::new().await;
    let body = json!({
        "name": "P", "orgId": world.org(), "clusterCount": 0, "created": "0001-01-01T00:00:00Z",
    });
    let made = world.post(&world.owner(), "/groups", body).await.expect(201);
    let keys: Vec<&String> = made.json.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        ["clusterCount", "created", "id", "links", "name", "orgId", "withDefaultAlertsSettings"]
    );
    assert_eq!(made.json["created"], "2026-08-10T03:02:46Z");
    let id = made.str("/id");
    assert_eq!(made.header("location"), format!("http://portolan.test/api/atlas/v2/groups/{id}"));
    assert_eq!(made.str("/links/1/rel"), "https://cloud.mongodb.com/containers");
    let users = world.get(&world.owner(), &format!("/groups/{id}/users")).await.expect(200);
    assert_eq!(users.json["results"][0]["roles"], json!(["GROUP_OWNER"]));
    let again = json!({ "name": "P", "orgId": world.org() });
    let refused = world.post(&world.owner(), "/groups", again).await;
    assert_eq!(refused.refusal(), (409, "GROUP_ALREADY_EXISTS"));
    assert_eq!(refused.json["detail"], "A group with name \"P\" already exists.");
}

#[tokio::test]
async fn projects_are_found_renamed_and_closed() {
    let world = World::new().await;
    let (owner, id) = (world.owner(), world.project("P 1").await);
    let found = world.get(&owner, "/groups/byName/P%201").await.expect(200);
    assert_eq!(found.str("/id"), id);
    let absent = world.get(&owner, "/groups/byName/none").await;
    assert_eq!(absent.refusal(), (404, "GROUP_NAME_NOT_FOUND"));
    let path = format!("/groups/{id}");
    let body = json!({ "name": "Q", "tags": [{ "key": "a", "value": "b" }] });
    let changed = world.patch(&owner, &path, body).await.expect(200);
    assert_eq!(changed.json["tags"], json!([{ "key": "a", "value": "b" }]));
    let body = json!({ "orgId": "0123456789abcdef01234567" });
    assert_eq!(world.patch(&owner, &path, body).await.refusal(), (400, "INVALID_ATTRIBUTE"));
    world.project("R").await;
    let clash = world.patch(&owner, &path, json!({ "name": "R" })).await;
    assert_eq!(clash.refusal(), (409, "GROUP_ALREADY_EXISTS"));
    let list = world.get(&owner, &format!("/orgs/{}/groups?name=q", world.org())).await;
    assert_eq!(list.expect(200).json["totalCount"], 1);
    let closed = world.delete(&owner, &path).await;
    assert_eq!((closed.status, closed.json), (202, json!({})));
    assert_eq!(world.get(&owner, &path).await.refusal(), (404, "GROUP_NOT_FOUND"));
}

#[tokio::test]
async fn members_see_their_projects_only() {
    let world = World::new().await;
    let (owner, mine, other) =
        (world.owner(), world.project("mine").await, world.project("other").await);
    let member = world.key(&owner, &world.org(), &["ORG_MEMBER"]).await;
    let list = world.get(&owner, &format!("/orgs/{}/apiKeys", world.org())).await.expect(200);
    let Caller::Key(public, _) = &member else { panic!("a key") };
    let keys = list.json["results"].as_array().expect("keys");
    let id = keys.iter().find(|key| key["publicKey"] == **public).expect("the key")["id"].clone();
    let id = id.as_str().expect("an id");
    let path = format!("/groups/{mine}/apiKeys/{id}");
    let body = json!([{ "roles": ["GROUP_READ_ONLY"] }]);
    world.post(&owner, &path, body).await.expect(204);
    let seen = world.get(&member, "/groups").await.expect(200);
    assert_eq!(seen.json["totalCount"], 1);
    assert_eq!(seen.str("/results/0/id"), mine);
    let refused = world.get(&member, &format!("/groups/{other}")).await;
    assert_eq!(refused.refusal(), (404, "GROUP_NOT_FOUND"));
    let refused = world.patch(&member, &format!("/groups/{mine}"), json!({ "name": "x" })).await;
    assert_eq!(refused.refusal(), (401, "USER_UNAUTHORIZED"));
    let keys = world.get(&member, &format!("/groups/{mine}/apiKeys")).await.expect(200);
    assert_eq!(keys.json["totalCount"], 1);
    world.delete(&owner, &path).await.expect(204);
    assert_eq!(world.get(&member, "/groups").await.json["totalCount"], 0);
    assert_eq!(world.delete(&owner, &path).await.refusal(), (400, "API_KEY_NOT_FOUND"));
}

#[tokio::test]
async fn project_creators_own_what_they_create() {
    let world = World::new().await;
    let creator = world.key(&world.owner(), &world.org(), &["ORG_GROUP_CREATOR"]).await;
    let body = json!({ "name": "P", "orgId": world.org() });
    let id = world.post(&creator, "/groups", body).await.expect(201).str("/id");
    world.patch(&creator, &format!("/groups/{id}"), json!({ "name": "Q" })).await.expect(200);
    let member = world.key(&world.owner(), &world.org(), &["ORG_MEMBER"]).await;
    let body = json!({ "name": "R", "orgId": world.org() });
    let refused = world.post(&member, "/groups", body).await;
    assert_eq!(refused.refusal(), (401, "NOT_ORG_GROUP_CREATOR"));
    let foreign = json!({ "name": "R", "orgId": "0123456789abcdef01234567" });
    assert_eq!(world.post(&creator, "/groups", foreign).await.refusal(), (404, "ORG_NOT_FOUND"));
}

#[tokio::test]
async fn keys_made_for_a_project_are_members_of_its_organization() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/apiKeys");
    let body = json!({ "desc": "d", "roles": ["GROUP_OWNER"] });
    let made = world.post(&owner, &path, body).await.expect(200);
    assert_eq!(
        made.json["roles"],
        json!([
            { "orgId": world.org(), "roleName": "ORG_MEMBER" },
            { "groupId": group, "roleName": "GROUP_OWNER" },
        ])
    );
    let key = Caller::Key(made.str("/publicKey"), made.str("/privateKey"));
    world.get(&key, &format!("/groups/{group}")).await.expect(200);
    let body = json!({ "desc": "d", "roles": ["GROUP_KING"] });
    let refused = world.post(&owner, &path, body).await.expect(400);
    assert!(refused.str("/detail").contains("Invalid role"));
    let one = format!("{path}/{}", made.str("/id"));
    let body = json!({ "roles": ["GROUP_READ_ONLY"] });
    let changed = world.patch(&owner, &one, body).await.expect(200);
    assert_eq!(changed.json["roles"][1]["roleName"], "GROUP_READ_ONLY");
    assert!(changed.str("/privateKey").starts_with("********-****-****-"));
}

#[tokio::test]
async fn users_of_a_project() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    world.member("new@example.org", &["ORG_MEMBER"]).await;
    let path = format!("/groups/{group}/users");
    let body = json!({ "username": "new@example.org", "roles": ["GROUP_READ_ONLY"] });
    let made = world.post(&owner, &path, body.clone()).await.expect(201);
    assert_eq!(made.json["roles"], json!(["GROUP_READ_ONLY"]));
    assert_eq!(made.json["orgMembershipStatus"], "ACTIVE");
    assert_eq!(world.event_types(&format!("/groups/{group}")).await[0], "JOINED_GROUP");
    assert_eq!(world.post(&owner, &path, body).await.refusal(), (409, "USER_ALREADY_EXISTS"));
    let one = format!("{path}/{}", made.str("/id"));
    let body = json!({ "groupRole": "GROUP_OWNER" });
    let changed = world.post(&owner, &format!("{one}:addRole"), body.clone()).await.expect(200);
    assert_eq!(changed.json["roles"], json!(["GROUP_OWNER", "GROUP_READ_ONLY"]));
    world.post(&owner, &format!("{one}:removeRole"), body).await.expect(200);
    let body = json!({ "groupRoles": ["GROUP_BACKUP_MANAGER"] });
    let replaced = world.put(&owner, &format!("{one}/roles"), body).await.expect(200);
    assert_eq!(replaced.json["groupRoles"], json!(["GROUP_BACKUP_MANAGER"]));
    let wrong = json!({ "groupRoles": ["ORG_OWNER"] });
    let refused = world.put(&owner, &format!("{one}/roles"), wrong).await;
    assert_eq!(refused.refusal(), (400, "INVALID_ROLE_FOR_GROUP"));
    world.delete(&owner, &one).await.expect(204);
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "USER_NOT_FOUND"));
}

#[tokio::test]
async fn who_is_not_in_the_organization_is_invited() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/users");
    let body = json!({ "username": "new@example.org", "roles": ["GROUP_READ_ONLY"] });
    let made = world.post(&owner, &path, body).await.expect(201);
    assert_eq!(made.json["orgMembershipStatus"], "PENDING");
    let one = format!("/orgs/{}/users/{}", world.org(), made.str("/id"));
    let seen = world.get(&owner, &one).await.expect(200);
    assert_eq!(seen.json["roles"]["orgRoles"], json!(["ORG_MEMBER"]));
    // It was for the sake of the project alone, and goes with it.
    world.delete(&owner, &format!("{path}/{}", made.str("/id"))).await.expect(204);
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "USER_NOT_FOUND"));
    let types = world.event_types(&format!("/orgs/{}", world.org())).await;
    assert_eq!(types[0], "ORG_INVITATION_DELETED");
}

#[tokio::test]
async fn access_is_given_the_deprecated_way() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let id = world.member("in@example.org", &["ORG_MEMBER"]).await;
    let path = format!("/groups/{group}/access");
    let body = json!({ "username": "in@example.org", "roles": ["GROUP_READ_ONLY"] });
    world.post(&owner, &path, body).await.expect(204);
    let body = json!({ "username": "in@example.org", "roles": ["GROUP_BACKUP_MANAGER"] });
    world.post(&owner, &path, body).await.expect(204);
    let user = world.get(&owner, &format!("/groups/{group}/users/{id}")).await.expect(200);
    assert_eq!(user.json["roles"], json!(["GROUP_BACKUP_MANAGER", "GROUP_READ_ONLY"]));
    let body = json!({ "username": "out@example.org", "roles": ["GROUP_READ_ONLY"] });
    let invited = world.post(&owner, &path, body).await.expect(200);
    assert_eq!(
        invited.header("content-type"),
        "application/vnd.atlas.2023-02-01+json;charset=utf-8"
    );
    assert_eq!(invited.json["roles"], json!(["ORG_MEMBER"]));
    let assigned = json!([{ "groupId": group, "groupRole": "GROUP_READ_ONLY" }]);
    assert_eq!(invited.json["groupRoleAssignments"], assigned);
    let body = json!({ "username": "out@example.org", "roles": ["GROUP_BACKUP_MANAGER"] });
    let again = world.post(&owner, &path, body).await.expect(200);
    assert_eq!(again.json["id"], invited.json["id"]);
    assert_eq!(again.json["groupRoleAssignments"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn only_members_own_new_projects_and_organizations() {
    let world = World::new().await;
    let owner = world.owner();
    let body = json!({ "username": "out@example.org", "roles": { "orgRoles": ["ORG_MEMBER"] } });
    let path = format!("/orgs/{}/users", world.org());
    let id = world.post(&owner, &path, body).await.expect(201).str("/id");
    let body = json!({ "name": "P", "orgId": world.org() });
    let refused = world.post(&owner, &format!("/groups?projectOwnerId={id}"), body).await;
    assert_eq!(refused.refusal(), (404, "USER_NOT_FOUND"));
    let refused = world.post(&owner, "/orgs", json!({ "name": "O", "orgOwnerId": id })).await;
    assert_eq!(refused.refusal(), (404, "USER_NOT_FOUND"));
}
