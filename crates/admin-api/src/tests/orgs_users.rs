//! `/orgs/{orgId}/users`.

use serde_json::json;

use super::world::World;

const OLD: &str = "application/vnd.atlas.2023-01-01+json";

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
    assert_eq!(made.json["orgMembershipStatus"], "PENDING");
    assert_eq!(made.str("/inviterUsername"), world.founded.public_key);
    assert_eq!(made.str("/invitationCreatedAt"), "2026-08-10T03:02:46Z");
    assert_eq!(made.str("/invitationExpiresAt"), "2026-09-09T03:02:46Z");
    assert_eq!(made.json["roles"]["groupRoleAssignments"][0]["groupId"], group);
    assert_eq!(world.post(&owner, &path, body).await.refusal(), (409, "USER_ALREADY_EXISTS"));
    let one = format!("{path}/{}", made.str("/id"));
    let joined = world.accept("new@example.org").await.expect(200);
    assert_eq!(joined.json["orgMembershipStatus"], "ACTIVE");
    assert_eq!(joined.json["id"], made.json["id"]);
    assert_eq!(world.get(&owner, &one).await.expect(200).json, joined.json);
    let types = world.event_types(&format!("/orgs/{}", world.org())).await;
    assert_eq!(types[..2], ["JOINED_ORG", "INVITED_TO_ORG"]);
    let types = world.event_types(&format!("/groups/{group}")).await;
    assert_eq!(types[..2], ["JOINED_GROUP", "INVITED_TO_GROUP"]);
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
    let owner = world.owner();
    let one = format!("/orgs/{}/users/{}", world.org(), world.founded.owner_id);
    let body = json!({ "username": "next@example.org", "roles": { "orgRoles": ["ORG_OWNER"] } });
    world.post(&owner, &format!("/orgs/{}/users", world.org()), body).await.expect(201);
    // An owner who is only invited does not count.
    let refused = world.delete(&owner, &one).await;
    assert_eq!(refused.refusal(), (403, "CANNOT_DELETE_LAST_ADMIN"));
    let body = json!({ "roles": { "orgRoles": ["ORG_MEMBER"] } });
    let refused = world.patch(&owner, &one, body).await;
    assert_eq!(refused.refusal(), (403, "CANNOT_DEMOTE_LAST_ORG_OWNER"));
    let body = json!({ "orgRoles": ["ORG_MEMBER"] });
    let refused = world.put(&owner, &format!("{one}/roles"), body).await;
    assert_eq!(refused.refusal(), (403, "CANNOT_DEMOTE_LAST_ORG_OWNER"));
    let more = json!({ "orgRole": "ORG_MEMBER" });
    world.post(&owner, &format!("{one}:addRole"), more).await.expect(200);
    let less = json!({ "orgRole": "ORG_OWNER" });
    let refused = world.post(&owner, &format!("{one}:removeRole"), less).await;
    assert_eq!(refused.refusal(), (403, "CANNOT_DEMOTE_LAST_ORG_OWNER"));
    world.accept("next@example.org").await.expect(200);
    world.delete(&owner, &one).await.expect(204);
}

#[tokio::test]
async fn roles_are_replaced_the_deprecated_way() {
    let world = World::new().await;
    let id = world.member("a@example.org", &["ORG_MEMBER"]).await;
    let path = format!("/orgs/{}/users/{id}/roles", world.org());
    let body = json!({ "orgRoles": ["ORG_READ_ONLY", "ORG_GROUP_CREATOR"], "links": [] });
    let changed = world.put(&world.owner(), &path, body).await.expect(200);
    assert_eq!(changed.json["orgRoles"], json!(["ORG_GROUP_CREATOR", "ORG_READ_ONLY"]));
    assert_eq!(changed.header("deprecation"), "Wed, 19 Feb 2025 00:00:00 GMT");
    for body in [json!({}), json!({ "orgRoles": [] }), json!({ "orgRoles": ["GROUP_OWNER"] })] {
        world.put(&world.owner(), &path, body).await.expect(400);
    }
}

#[tokio::test]
async fn lists_are_filtered() {
    let world = World::new().await;
    let owner = world.owner();
    world.member("in@example.org", &["ORG_MEMBER"]).await;
    let path = format!("/orgs/{}/users", world.org());
    let body = json!({ "username": "out@example.org", "roles": { "orgRoles": ["ORG_MEMBER"] } });
    world.post(&owner, &path, body).await.expect(201);
    for (query, count) in [
        ("", 3),
        ("?orgMembershipStatus=ACTIVE", 2),
        ("?orgMembershipStatus=PENDING", 1),
        ("?orgMembershipStatuses=PENDING&orgMembershipStatuses=ACTIVE", 3),
        ("?orgMembershipStatuses=PENDING,ACTIVE", 3),
        ("?orgMembershipStatus=INVITATION_EXPIRED", 0),
        ("?username=OUT@example.org&orgMembershipStatus=PENDING", 1),
        ("?username=out@example.org&orgMembershipStatus=ACTIVE", 0),
    ] {
        let list = world.get(&owner, &format!("{path}{query}")).await.expect(200);
        assert_eq!(list.json["totalCount"], count, "{query}");
    }
    let wrong = world.get(&owner, &format!("{path}?orgMembershipStatus=LATE")).await;
    assert_eq!(wrong.refusal(), (400, "INVALID_ENUM_VALUE"));
    let target = format!("/api/atlas/v2{path}");
    let old = world.call_as(&owner, "GET", &target, None, OLD).await.expect(200);
    assert_eq!(old.json["totalCount"], 2);
}

#[tokio::test]
async fn an_invitation_ends_after_thirty_days() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/orgs/{}/users", world.org());
    let body = json!({ "username": "late@example.org", "roles": { "orgRoles": ["ORG_MEMBER"] } });
    let made = world.post(&owner, &path, body.clone()).await.expect(201);
    let one = format!("{path}/{}", made.str("/id"));
    let day_ms = 24 * 3600 * 1000;
    world.clock.advance_ms(30 * day_ms - 1);
    world.get(&owner, &one).await.expect(200);
    world.clock.advance_ms(1);
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "USER_NOT_FOUND"));
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 1);
    let again = world.post(&owner, &path, body).await.expect(201);
    assert_eq!(again.json["id"], made.json["id"]);
}

#[tokio::test]
async fn the_older_shape_of_users() {
    let world = World::new().await;
    let target = format!("/api/atlas/v2/orgs/{}/users", world.org());
    let answer = world.call_as(&world.owner(), "GET", &target, None, OLD).await.expect(200);
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
            400,
            "VALIDATION_ERROR",
        ),
        (
            json!({ "username": "a@b", "roles": { "orgRoles": ["ORG_MEMBER"] },
                "teamIds": ["0123456789abcdef01234567"] }),
            404,
            "TEAM_NOT_FOUND",
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
    let list = world.get(&world.owner(), &path).await.expect(200);
    assert_eq!(list.json["totalCount"], 1, "a refusal changes nothing");
}
