//! `/orgs/{orgId}/invites`, and accepting them.

use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn an_invitation_on_the_wire() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/orgs/{}/invites", world.org());
    let body = json!({
        "username": "New@example.org", "roles": ["ORG_MEMBER"], "teamIds": [],
        "groupRoleAssignments": [{ "groupId": group, "roles": ["GROUP_READ_ONLY"] }],
    });
    let made = world.post(&owner, &path, body.clone()).await.expect(200);
    let keys: Vec<&String> = made.json.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "createdAt",
            "expiresAt",
            "groupRoleAssignments",
            "id",
            "inviterUsername",
            "orgId",
            "orgName",
            "roles",
            "teamIds",
            "username",
        ]
    );
    assert_eq!(made.str("/createdAt"), "2026-08-10T03:02:46Z");
    assert_eq!(made.str("/expiresAt"), "2026-09-09T03:02:46Z");
    assert_eq!(made.str("/inviterUsername"), world.founded.public_key);
    assert_eq!(made.str("/orgName"), "First");
    let assigned = json!([{ "groupId": group, "groupRole": "GROUP_READ_ONLY" }]);
    assert_eq!(made.json["groupRoleAssignments"], assigned);
    assert_eq!(made.header("deprecation"), "Wed, 19 Feb 2025 00:00:00 GMT");
    assert_eq!(made.header("sunset"), "Thu, 1 Jul 2027 00:00:00 GMT");
    assert_eq!(world.post(&owner, &path, body).await.refusal(), (409, "USER_ALREADY_EXISTS"));
    let list = world.get(&owner, &path).await.expect(200);
    assert_eq!(list.json, Value::Array(vec![made.json.clone()]));
    let one = format!("{path}/{}", made.str("/id"));
    assert_eq!(world.get(&owner, &one).await.expect(200).json, made.json);
    let none = world.get(&owner, &format!("{path}?username=other@example.org")).await.expect(200);
    assert_eq!(none.json, json!([]));
    let users = format!("/orgs/{}/users?orgMembershipStatus=PENDING", world.org());
    let users = world.get(&owner, &users).await.expect(200);
    assert_eq!(users.str("/results/0/username"), "new@example.org");
}

#[tokio::test]
async fn invitations_are_changed_by_id_and_by_name() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/orgs/{}/invites", world.org());
    let teams = format!("/orgs/{}/teams", world.org());
    let body = json!({ "name": "T", "usernames": [] });
    let team = world.post(&owner, &teams, body).await.expect(201).str("/id");
    let body = json!({ "username": "new@example.org", "roles": ["ORG_MEMBER"] });
    let made = world.post(&owner, &path, body).await.expect(200);
    let one = format!("{path}/{}", made.str("/id"));
    let changed = world.patch(&owner, &one, json!({ "roles": ["ORG_OWNER"] })).await.expect(200);
    assert_eq!(changed.json["roles"], json!(["ORG_OWNER"]));
    let body = json!({ "username": "new@example.org", "teamIds": [team] });
    let changed = world.patch(&owner, &path, body).await.expect(200);
    assert_eq!(changed.json["roles"], json!(["ORG_OWNER"]));
    assert_eq!(changed.json["teamIds"], json!([team]));
    let refused = world.patch(&owner, &path, json!({ "roles": ["ORG_OWNER"] })).await;
    assert_eq!(refused.refusal(), (400, "MISSING_ATTRIBUTE"));
    let body = json!({ "username": "nobody@example.org", "roles": ["ORG_OWNER"] });
    assert_eq!(world.patch(&owner, &path, body).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let wrong = world.get(&owner, &format!("{path}/xyz")).await;
    assert_eq!(wrong.refusal(), (400, "INVALID_INVITATION_ID"));
    world.delete(&owner, &one).await.expect(204);
    assert_eq!(world.delete(&owner, &one).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let types = world.event_types(&format!("/orgs/{}", world.org())).await;
    assert_eq!(types[0], "ORG_INVITATION_DELETED");
}

#[tokio::test]
async fn an_owner_accepts_for_the_person() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/orgs/{}/invites", world.org());
    let body = json!({ "username": "new@example.org", "roles": ["ORG_MEMBER"] });
    let made = world.post(&owner, &path, body).await.expect(200);
    let target = format!("/api/portolan/v1{path}/{}:accept", made.str("/id"));
    let reader = world.key(&owner, &world.org(), &["ORG_READ_ONLY"]).await;
    let refused = world.call(&reader, "POST", &target, None).await;
    assert_eq!(refused.refusal(), (401, "NOT_ORG_OWNER"));
    let (_, stranger) = world.second_org().await;
    let refused = world.call(&stranger, "POST", &target, None).await;
    assert_eq!(refused.refusal(), (404, "ORG_NOT_FOUND"));
    let joined = world.call(&owner, "POST", &target, None).await.expect(200);
    assert_eq!(joined.json["orgMembershipStatus"], "ACTIVE");
    assert_eq!(world.get(&owner, &path).await.expect(200).json, json!([]));
    let twice = world.call(&owner, "POST", &target, None).await;
    assert_eq!(twice.refusal(), (404, "RESOURCE_NOT_FOUND"));
}
