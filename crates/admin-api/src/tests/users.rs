//! The deprecated `/users`.

use serde_json::{Value, json};

use super::world::{Caller, World};

fn person(username: &str, roles: Value) -> Value {
    json!({
        "username": username, "password": "a long password", "firstName": "Ada",
        "lastName": "Byron", "country": "PT", "mobileNumber": "5551234567", "roles": roles,
        "emailAddress": username,
    })
}

#[tokio::test]
async fn a_person_is_made_invited_and_found() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let roles = json!([
        { "orgId": world.org(), "roleName": "ORG_READ_ONLY" },
        { "groupId": group, "roleName": "GROUP_OWNER" },
    ]);
    let body = person("ada@example.org", roles.clone());
    let made = world.post(&owner, "/users", body.clone()).await.expect(201);
    assert_eq!(made.json["roles"], roles);
    assert_eq!((made.str("/firstName"), made.str("/country")), ("Ada".into(), "PT".into()));
    assert!(!made.text.contains("password"));
    assert_eq!(world.post(&owner, "/users", body).await.refusal(), (409, "USER_ALREADY_EXISTS"));
    let users = format!("/orgs/{}/users/{}", world.org(), made.str("/id"));
    assert_eq!(world.get(&owner, &users).await.expect(200).json["orgMembershipStatus"], "PENDING");
    let by_id = world.get(&owner, &format!("/users/{}", made.str("/id"))).await.expect(200);
    assert_eq!(by_id.json, made.json);
    assert_eq!(by_id.header("deprecation"), "Wed, 19 Feb 2025 00:00:00 GMT");
    let by_name = world.get(&owner, "/users/byName/Ada%40example.org").await.expect(200);
    assert_eq!(by_name.json, made.json);
    world.accept("ada@example.org").await.expect(200);
    assert_eq!(world.get(&owner, &users).await.expect(200).str("/firstName"), "Ada");
}

#[tokio::test]
async fn foreign_people_and_absent_ones_look_the_same() {
    let world = World::new().await;
    let (other, stranger) = world.second_org().await;
    let id = world.member("mine@example.org", &["ORG_MEMBER"]).await;
    let foreign = world.get(&stranger, &format!("/users/{id}")).await;
    assert_eq!(foreign.refusal(), (404, "USER_NOT_FOUND"));
    let foreign = world.get(&stranger, "/users/byName/mine@example.org").await;
    assert_eq!(foreign.refusal(), (404, "USERNAME_NOT_FOUND"));
    // To invite somebody tells nothing of who they are elsewhere.
    let roles = json!([{ "orgId": world.org(), "roleName": "ORG_MEMBER" }]);
    world.post(&world.owner(), "/users", person("ada@example.org", roles)).await.expect(201);
    world.accept("ada@example.org").await.expect(200);
    let roles = json!([{ "orgId": other, "roleName": "ORG_MEMBER" }]);
    let mut body = person("ada@example.org", roles);
    body["firstName"] = "Eve".into();
    let made = world.post(&stranger, "/users", body).await.expect(201);
    assert_eq!(made.str("/firstName"), "Eve");
    let seen = world.get(&stranger, &format!("/users/{}", made.str("/id"))).await.expect(200);
    assert_eq!((seen.str("/firstName"), seen.str("/country")), (String::new(), String::new()));
    let own = world.get(&world.owner(), "/users/byName/ada@example.org").await.expect(200);
    assert_eq!(own.str("/firstName"), "Ada");
}

#[tokio::test]
async fn nobody_gives_what_is_not_theirs_to_give() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let (other, _) = world.second_org().await;
    let body = json!({ "desc": "d", "roles": ["GROUP_OWNER"] });
    let key = world.post(&owner, &format!("/groups/{group}/apiKeys"), body).await.expect(200);
    let key = Caller::Key(key.str("/publicKey"), key.str("/privateKey"));
    let in_org = json!({ "orgId": world.org(), "roleName": "ORG_MEMBER" });
    let in_project = json!({ "groupId": group, "roleName": "GROUP_OWNER" });
    let elsewhere = json!({ "orgId": other, "roleName": "ORG_OWNER" });
    for (roles, status, code) in [
        (json!([in_project, in_org]), 401, "NOT_ORG_OWNER"),
        (json!([in_project, elsewhere]), 404, "ORG_NOT_FOUND"),
        (json!([{ "roleName": "ORG_OWNER" }]), 400, "ROLE_NEEDS_ORG_ID"),
        (json!([{ "roleName": "GROUP_OWNER" }]), 400, "ROLE_NEEDS_GROUP_ID"),
    ] {
        let refused = world.post(&key, "/users", person("a@example.org", roles)).await;
        assert_eq!(refused.refusal(), (status, code));
    }
    let absent = world.get(&owner, "/users/byName/a@example.org").await;
    assert_eq!(absent.refusal(), (404, "USERNAME_NOT_FOUND"));
    let made = world.post(&key, "/users", person("a@example.org", json!([in_project]))).await;
    let roles = json!([{ "orgId": world.org(), "roleName": "ORG_MEMBER" }, in_project]);
    assert_eq!(made.expect(201).json["roles"], roles);
}
