//! `/orgs/{orgId}/users`.

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn people_join_change_and_leave() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/orgs/{}/users", world.org());
    let body = json!({
        "username": "New@Example.org",
        "roles": {
            "orgRoles": ["ORG_MEMBER"],
            "groupRoleAssignments": [{ "groupId": group, "groupRoles": ["GROUP_READ_ONLY"] }],
        },
    });
    let made = world.post(&owner, &path, body.clone()).await.expect(201);
    assert_eq!(made.json["username"], "new@example.org");
    assert_eq!(made.json["orgMembershipStatus"], "ACTIVE");
    assert_eq!(made.json["roles"]["groupRoleAssignments"][0]["groupId"], group);
    assert_eq!(world.post(&owner, &path, body).await.refusal(), (409, "USER_ALREADY_EXISTS"));
    let one = format!("{path}/{}", made.str("/id"));
    let role = json!({ "orgRole": "ORG_READ_ONLY" });
    let changed = world.post(&owner, &format!("{one}:addRole"), role.clone()).await.expect(200);
    assert_eq!(changed.json["roles"]["orgRoles"], json!(["ORG_READ_ONLY", "ORG_MEMBER"]));
    world.post(&owner, &format!("{one}:removeRole"), role).await.expect(200);
    let body = json!({ "roles": { "orgRoles": ["ORG_OWNER"] } });
    let changed = world.patch(&owner, &one, body).await.expect(200);
    assert_eq!(changed.json["roles"]["groupRoleAssignments"], json!([]));
    let found = world.get(&owner, &format!("{path}?username=new@example.org")).await.expect(200);
    assert_eq!(found.json["totalCount"], 1);
    world.delete(&owner, &one).await.expect(204);
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "USER_NOT_FOUND"));
}

#[tokio::test]
async fn the_last_owner_stays() {
    let world = World::new().await;
    let one = format!("/orgs/{}/users/{}", world.org(), world.founded.owner_id);
    let refused = world.delete(&world.owner(), &one).await;
    assert_eq!(refused.refusal(), (403, "CANNOT_DELETE_LAST_ADMIN"));
    let body = json!({ "roles": { "orgRoles": ["ORG_MEMBER"] } });
    let refused = world.patch(&world.owner(), &one, body).await;
    assert_eq!(refused.refusal(), (403, "CANNOT_DEMOTE_LAST_ORG_OWNER"));
}

#[tokio::test]
async fn the_older_shape_of_users() {
    let world = World::new().await;
    let target = format!("/api/atlas/v2/orgs/{}/users", world.org());
    let old = "application/vnd.atlas.2023-01-01+json";
    let answer = world.call_as(&world.owner(), "GET", &target, None, old).await.expect(200);
    let roles = &answer.json["results"][0]["roles"];
    assert_eq!(*roles, json!([{ "orgId": world.org(), "roleName": "ORG_OWNER" }]));
    assert_eq!(answer.json["results"][0]["emailAddress"], "owner@example.org");
}

#[tokio::test]
async fn bodies_are_checked() {
    let world = World::new().await;
    let path = format!("/orgs/{}/users", world.org());
    for (body, status, code) in [
        (
            json!({ "username": "x", "roles": { "orgRoles": ["ORG_MEMBER"] } }),
            400,
            "INVALID_USERNAME",
        ),
        (json!({ "username": "a@b" }), 400, "MISSING_ATTRIBUTE"),
        (json!({ "username": "a@b", "roles": { "orgRoles": [] } }), 400, "VALIDATION_ERROR"),
        (
            json!({ "username": "a@b", "roles": { "orgRoles": ["ORG_MEMBER"] }, "teamIds": ["x"] }),
            403,
            "FEATURE_UNSUPPORTED",
        ),
        (
            json!({ "username": "a@b", "roles": { "orgRoles": ["ORG_MEMBER"],
            "groupRoleAssignments": [
                { "groupId": "0123456789abcdef01234567", "groupRoles": ["GROUP_OWNER"] },
            ] } }),
            404,
            "GROUP_NOT_FOUND",
        ),
    ] {
        let answer = world.post(&world.owner(), &path, body).await;
        assert_eq!(answer.refusal(), (status, code), "{}", answer.text);
    }
}
