//! `/groups/{groupId}/invites`, and accepting them.

use serde_json::{Value, json};

use super::world::{Caller, World};

#[tokio::test]
async fn somebody_from_outside_is_invited_into_both() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/invites");
    let body = json!({ "username": "new@example.org", "roles": ["GROUP_READ_ONLY"] });
    let made = world.post(&owner, &path, body.clone()).await.expect(200);
    let keys: Vec<&String> = made.json.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "createdAt",
            "expiresAt",
            "groupId",
            "groupName",
            "id",
            "inviterUsername",
            "roles",
            "username",
        ]
    );
    assert_eq!(
        (made.str("/groupName"), made.str("/expiresAt")),
        ("P".into(), "2026-09-09T03:02:46Z".into())
    );
    assert_eq!(world.post(&owner, &path, body).await.refusal(), (409, "USER_ALREADY_EXISTS"));
    let list = world.get(&owner, &format!("{path}?username=new@example.org")).await.expect(200);
    assert_eq!(list.json, Value::Array(vec![made.json.clone()]));
    let org = world.get(&owner, &format!("/orgs/{}/invites", world.org())).await.expect(200);
    assert_eq!(org.str("/0/id"), made.str("/id"));
    let one = format!("{path}/{}", made.str("/id"));
    let body = json!({ "roles": ["GROUP_OWNER"] });
    let changed = world.patch(&owner, &one, body).await.expect(200);
    assert_eq!(changed.json["roles"], json!(["GROUP_OWNER"]));
    let body = json!({ "username": "new@example.org", "roles": ["GROUP_BACKUP_MANAGER"] });
    let changed = world.patch(&owner, &path, body).await.expect(200);
    assert_eq!(changed.json["roles"], json!(["GROUP_BACKUP_MANAGER"]));
    let joined = world.call(&owner, "POST", &format!("/api/portolan/v1{one}:accept"), None).await;
    assert_eq!(joined.expect(200).json["orgMembershipStatus"], "ACTIVE");
    assert_eq!(world.get(&owner, &one).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
}

#[tokio::test]
async fn a_member_has_the_roles_once_it_is_accepted() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let id = world.member("in@example.org", &["ORG_MEMBER"]).await;
    let (path, user) = (format!("/groups/{group}/invites"), format!("/groups/{group}/users/{id}"));
    let body = json!({ "username": "in@example.org", "roles": ["GROUP_READ_ONLY"] });
    let made = world.post(&owner, &path, body.clone()).await.expect(200);
    assert_eq!(world.get(&owner, &user).await.refusal(), (404, "USER_NOT_FOUND"));
    assert_eq!(world.post(&owner, &path, body).await.refusal(), (409, "USER_ALREADY_EXISTS"));
    let one = format!("{path}/{}", made.str("/id"));
    let body = json!({ "roles": ["GROUP_BACKUP_MANAGER"] });
    world.patch(&owner, &one, body).await.expect(200);
    let joined = world.call(&owner, "POST", &format!("/api/portolan/v1{one}:accept"), None).await;
    assert_eq!(joined.expect(200).json["roles"], json!(["GROUP_BACKUP_MANAGER"]));
    world.get(&owner, &user).await.expect(200);
    assert_eq!(world.get(&owner, &path).await.expect(200).json, json!([]));
    let types = world.event_types(&format!("/groups/{group}")).await;
    assert_eq!(types[..3], ["JOINED_GROUP", "USER_ROLES_CHANGED_AUDIT", "INVITED_TO_GROUP"]);
}

#[tokio::test]
async fn withdrawing_takes_out_this_project_alone() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/invites");
    let body = json!({
        "username": "both@example.org", "roles": ["ORG_MEMBER"],
        "groupRoleAssignments": [{ "groupId": group, "roles": ["GROUP_READ_ONLY"] }],
    });
    let org = format!("/orgs/{}/invites", world.org());
    let made = world.post(&owner, &org, body).await.expect(200);
    world.delete(&owner, &format!("{path}/{}", made.str("/id"))).await.expect(204);
    let left = world.get(&owner, &format!("{org}/{}", made.str("/id"))).await.expect(200);
    assert_eq!(left.json["groupRoleAssignments"], json!([]));
    let body = json!({ "username": "one@example.org", "roles": ["GROUP_READ_ONLY"] });
    let made = world.post(&owner, &path, body).await.expect(200);
    world.delete(&owner, &format!("{path}/{}", made.str("/id"))).await.expect(204);
    let gone = world.get(&owner, &format!("{org}/{}", made.str("/id"))).await;
    assert_eq!(gone.refusal(), (404, "RESOURCE_NOT_FOUND"));
    world.member("in@example.org", &["ORG_MEMBER"]).await;
    let body = json!({ "username": "in@example.org", "roles": ["GROUP_READ_ONLY"] });
    let made = world.post(&owner, &path, body).await.expect(200);
    let one = format!("{path}/{}", made.str("/id"));
    world.delete(&owner, &one).await.expect(204);
    assert_eq!(world.delete(&owner, &one).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
}

#[tokio::test]
async fn a_deleted_project_takes_its_invitations_along() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    world.member("in@example.org", &["ORG_MEMBER"]).await;
    for username in ["in@example.org", "out@example.org"] {
        let body = json!({ "username": username, "roles": ["GROUP_READ_ONLY"] });
        world.post(&owner, &format!("/groups/{group}/invites"), body).await.expect(200);
    }
    world.delete(&owner, &format!("/groups/{group}")).await.expect(202);
    let org = world.get(&owner, &format!("/orgs/{}/invites", world.org())).await.expect(200);
    assert_eq!(org.json, json!([]));
    let users = world.get(&owner, &format!("/orgs/{}/users", world.org())).await.expect(200);
    assert_eq!(users.json["totalCount"], 2);
}

/// A project's owner invites, but does not make members of the organization.
#[tokio::test]
async fn project_owners_invite_and_organization_owners_let_in() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let body = json!({ "desc": "d", "roles": ["GROUP_OWNER"] });
    let key = world.post(&owner, &format!("/groups/{group}/apiKeys"), body).await.expect(200);
    let key = Caller::Key(key.str("/publicKey"), key.str("/privateKey"));
    let path = format!("/groups/{group}/invites");
    let body = json!({ "username": "new@example.org", "roles": ["GROUP_READ_ONLY"] });
    let made = world.post(&key, &path, body).await.expect(200);
    let target = format!("/api/portolan/v1{path}/{}:accept", made.str("/id"));
    let refused = world.call(&key, "POST", &target, None).await;
    assert_eq!(refused.refusal(), (401, "NOT_ORG_OWNER"));
    world.call(&owner, "POST", &target, None).await.expect(200);
    for (body, code) in [
        (json!({ "username": "x", "roles": ["GROUP_OWNER"] }), "INVALID_USERNAME"),
        (json!({ "username": "a@b" }), "MISSING_ATTRIBUTE"),
        (json!({ "username": "a@b", "roles": [] }), "VALIDATION_ERROR"),
        (json!({ "username": "a@b", "roles": ["ORG_OWNER"] }), "INVALID_ROLE_FOR_GROUP"),
    ] {
        assert_eq!(world.post(&key, &path, body).await.refusal(), (400, code));
    }
    assert_eq!(world.get(&key, &path).await.expect(200).json, json!([]));
}
