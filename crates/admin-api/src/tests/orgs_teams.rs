//! `/orgs/{orgId}/teams`, and who is in them.

use serde_json::json;

use super::world::World;

const OLD: &str = "application/vnd.atlas.2023-01-01+json";

#[tokio::test]
async fn a_team_on_the_wire() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/orgs/{}/teams", world.org());
    let body = json!({ "name": "Blue / 1", "usernames": ["Owner@example.org"] });
    let made = world.post(&owner, &path, body.clone()).await.expect(201);
    let id = made.str("/id");
    let location = format!("http://portolan.test/api/atlas/v2{path}/{id}");
    assert_eq!(made.header("location"), location);
    assert_eq!(made.json["usernames"], json!(["owner@example.org"]));
    assert_eq!(made.str("/links/0/href"), location);
    let taken = world.post(&owner, &path, body).await;
    assert_eq!(taken.refusal(), (409, "TEAM_NAME_NOT_AVAILABLE"));
    let found = world.get(&owner, &format!("{path}/byName/Blue%20%2F%201")).await.expect(200);
    assert_eq!(found.str("/id"), id);
    let list = world.get(&owner, &path).await.expect(200);
    assert_eq!(
        (&list.json["totalCount"], list.str("/results/0/name")),
        (&json!(1), "Blue / 1".into())
    );
    let one = format!("{path}/{id}");
    let renamed = world.patch(&owner, &one, json!({ "name": "Red" })).await.expect(200);
    assert_eq!(world.get(&owner, &one).await.expect(200).json, renamed.json);
    let member = world.get(&owner, &format!("/orgs/{}/users", world.org())).await.expect(200);
    assert_eq!(member.json["results"][0]["teamIds"], json!([id]));
    world.delete(&owner, &one).await.expect(204);
    for answer in [
        world.get(&owner, &one).await,
        world.delete(&owner, &one).await,
        world.patch(&owner, &one, json!({ "name": "x" })).await,
        world.get(&owner, &format!("{path}/byName/Red")).await,
        world.get(&owner, &format!("{one}/users")).await,
    ] {
        assert_eq!(answer.refusal(), (404, "TEAM_NOT_FOUND"));
    }
    let types = world.event_types(&format!("/orgs/{}", world.org())).await;
    assert_eq!(types[..4], ["TEAM_DELETED", "TEAM_NAME_CHANGED", "JOINED_TEAM", "TEAM_CREATED"]);
}

#[tokio::test]
async fn users_come_into_teams_and_leave_them() {
    let world = World::new().await;
    let owner = world.owner();
    let mate = world.member("in@example.org", &["ORG_MEMBER"]).await;
    let users = format!("/orgs/{}/users", world.org());
    let teams = format!("/orgs/{}/teams", world.org());
    let body = json!({ "name": "T", "usernames": [] });
    let team = format!("{teams}/{}", world.post(&owner, &teams, body).await.expect(201).str("/id"));
    let body = json!({
        "username": "out@example.org", "roles": { "orgRoles": ["ORG_MEMBER"] },
        "teamIds": [&team[team.len() - 24..]],
    });
    let guest = world.post(&owner, &users, body).await.expect(201);
    assert_eq!(guest.json["teamIds"], json!([&team[team.len() - 24..]]));
    let body = json!({ "id": mate });
    let added = world.post(&owner, &format!("{team}:addUser"), body.clone()).await.expect(200);
    assert_eq!(added.json["teamIds"], guest.json["teamIds"]);
    world.post(&owner, &format!("{team}:addUser"), body.clone()).await.expect(200);
    for (query, count) in [
        ("", 2),
        ("?orgMembershipStatus=PENDING", 1),
        ("?username=in@example.org", 1),
        (&format!("?userId={mate}"), 1),
    ] {
        let list = world.get(&owner, &format!("{team}/users{query}")).await.expect(200);
        assert_eq!(list.json["totalCount"], count, "{query}");
    }
    let target = format!("/api/atlas/v2{team}/users");
    let old = world.call_as(&owner, "GET", &target, None, OLD).await.expect(200);
    assert_eq!(old.str("/results/0/emailAddress"), "in@example.org");
    assert_eq!(old.header("sunset"), "Thu, 1 Jul 2027 00:00:00 GMT");
    let removed = world.post(&owner, &format!("{team}:removeUser"), body.clone()).await;
    assert_eq!(removed.expect(200).json["teamIds"], json!([]));
    let twice = world.post(&owner, &format!("{team}:removeUser"), body).await;
    assert_eq!(twice.refusal(), (404, "USER_NOT_FOUND"));
    let both = json!([{ "id": mate }, { "id": guest.str("/id") }]);
    let listed = world.post(&owner, &format!("{team}/users"), both).await.expect(200);
    assert_eq!(listed.json["totalCount"], 1, "the older shape shows members alone");
    world.delete(&owner, &format!("{team}/users/{mate}")).await.expect(204);
    world
        .patch(&owner, &format!("{users}/{}", guest.str("/id")), json!({ "teamIds": [] }))
        .await
        .expect(200);
    let list = world.get(&owner, &format!("{team}/users")).await.expect(200);
    assert_eq!(list.json["totalCount"], 0);
    let types = world.event_types(&format!("/orgs/{}", world.org())).await;
    assert_eq!(types[..3], ["REMOVED_FROM_TEAM", "REMOVED_FROM_TEAM", "JOINED_TEAM"]);
}

#[tokio::test]
async fn bodies_are_checked() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/orgs/{}/teams", world.org());
    for (body, status, code) in [
        (json!({ "name": "T" }), 400, "MISSING_ATTRIBUTE"),
        (json!({ "name": "T", "usernames": ["no@example.org"] }), 404, "USERNAME_NOT_FOUND"),
        (json!({ "name": "T", "usernames": [], "colour": 1 }), 400, "INVALID_ATTRIBUTE"),
    ] {
        assert_eq!(world.post(&owner, &path, body).await.refusal(), (status, code));
    }
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
    let body = json!({ "name": "T", "usernames": [] });
    let team = format!("{path}/{}", world.post(&owner, &path, body).await.expect(201).str("/id"));
    let unknown = json!({ "id": "0123456789abcdef01234567" });
    let refused = world.post(&owner, &format!("{team}:addUser"), unknown.clone()).await;
    assert_eq!(refused.refusal(), (404, "USER_NOT_FOUND"));
    let id = world.founded.owner_id.to_string();
    let some = json!([{ "id": id }, unknown]);
    let refused = world.post(&owner, &format!("{team}/users"), some).await;
    assert_eq!(refused.refusal(), (404, "USER_NOT_FOUND"));
    let list = world.get(&owner, &format!("{team}/users")).await.expect(200);
    assert_eq!(list.json["totalCount"], 0, "all or none");
    let wrong = world.get(&owner, &format!("{team}/users?userId=x")).await;
    assert_eq!(wrong.refusal(), (400, "INVALID_QUERY_PARAMETER"));
}
