//! `/groups/{groupId}/teams`, and what they bring into `/groups/{groupId}/users`.

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn teams_have_roles_in_projects() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let teams = format!("/orgs/{}/teams", world.org());
    let body = json!({ "name": "T", "usernames": [] });
    let id = world.post(&owner, &teams, body).await.expect(201).str("/id");
    let path = format!("/groups/{group}/teams");
    let body = json!([{ "teamId": id, "roleNames": ["GROUP_READ_ONLY", "GROUP_OWNER"] }]);
    let added = world.post(&owner, &path, body).await.expect(200);
    assert_eq!(added.json["totalCount"], 1);
    assert_eq!(added.json["results"][0]["roleNames"], json!(["GROUP_OWNER", "GROUP_READ_ONLY"]));
    let one = format!("{path}/{id}");
    assert_eq!(world.get(&owner, &one).await.expect(200).json, added.json["results"][0]);
    let body = json!({ "teamId": id, "roleNames": ["GROUP_READ_ONLY"], "links": [] });
    let changed = world.patch(&owner, &one, body).await.expect(200);
    assert_eq!(changed.json["results"][0]["roleNames"], json!(["GROUP_READ_ONLY"]));
    let refused = world.delete(&owner, &format!("{teams}/{id}")).await;
    assert_eq!(refused.refusal(), (404, "CANNOT_DELETE_TEAM_ASSIGNED_TO_PROJECT"));
    world.delete(&owner, &one).await.expect(204);
    assert_eq!(world.delete(&owner, &one).await.refusal(), (404, "TEAM_NOT_FOUND"));
    world.delete(&owner, &format!("{teams}/{id}")).await.expect(204);
    let types = world.event_types(&format!("/groups/{group}")).await;
    assert_eq!(
        types[..3],
        ["TEAM_REMOVED_FROM_GROUP", "TEAM_ROLES_MODIFIED", "TEAM_ADDED_TO_GROUP"]
    );
}

#[tokio::test]
async fn bodies_are_checked_and_nothing_is_done_by_halves() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let (other, stranger) = world.second_org().await;
    let body = json!({ "name": "T", "usernames": [] });
    let path = format!("/orgs/{other}/teams");
    let foreign = world.post(&stranger, &path, body.clone()).await.expect(201).str("/id");
    let teams = format!("/orgs/{}/teams", world.org());
    let id = world.post(&owner, &teams, body).await.expect(201).str("/id");
    let path = format!("/groups/{group}/teams");
    for (body, status, code) in [
        (json!([{ "teamId": id }]), 400, "MISSING_ATTRIBUTE"),
        (json!([{ "teamId": id, "roleNames": ["KING"] }]), 400, "INVALID_ROLE_FOR_GROUP"),
        (json!({ "teamId": id, "roleNames": ["GROUP_OWNER"] }), 400, "INVALID_JSON"),
        (
            json!([
                { "teamId": id, "roleNames": ["GROUP_OWNER"] },
                { "teamId": foreign, "roleNames": ["GROUP_OWNER"] },
            ]),
            404,
            "TEAM_NOT_FOUND",
        ),
    ] {
        assert_eq!(world.post(&owner, &path, body).await.refusal(), (status, code));
    }
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
    let body = json!({ "roleNames": ["GROUP_OWNER"] });
    let absent = world.patch(&owner, &format!("{path}/{id}"), body).await;
    assert_eq!(absent.refusal(), (404, "TEAM_NOT_FOUND"));
    let body = json!({ "roleNames": ["GROUP_OWNER"], "teamId": foreign });
    let other = world.patch(&owner, &format!("{path}/{id}"), body).await;
    assert_eq!(other.refusal(), (400, "INVALID_ATTRIBUTE"));
}

#[tokio::test]
async fn users_are_listed_with_those_of_teams_and_of_the_organization() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    world.member("mate@example.org", &["ORG_MEMBER"]).await;
    world.member("reader@example.org", &["ORG_READ_ONLY"]).await;
    let body = json!({ "name": "T", "usernames": ["mate@example.org"] });
    let teams = format!("/orgs/{}/teams", world.org());
    let id = world.post(&owner, &teams, body).await.expect(201).str("/id");
    let body = json!([{ "teamId": id, "roleNames": ["GROUP_BACKUP_MANAGER"] }]);
    world.post(&owner, &format!("/groups/{group}/teams"), body).await.expect(200);
    let path = format!("/groups/{group}/users");
    for (query, names) in [
        ("", vec!["owner@example.org"]),
        ("?flattenTeams=true", vec!["owner@example.org", "mate@example.org"]),
        ("?includeOrgUsers=true", vec!["owner@example.org", "reader@example.org"]),
        ("?flattenTeams=true&username=mate@example.org", vec!["mate@example.org"]),
        ("?orgMembershipStatus=PENDING&flattenTeams=true", vec![]),
    ] {
        let list = world.get(&owner, &format!("{path}{query}")).await.expect(200);
        let found = list.json["results"].as_array().expect("a list");
        let found: Vec<&str> = found.iter().filter_map(|user| user["username"].as_str()).collect();
        assert_eq!(found, names, "{query}");
    }
    let flat = world.get(&owner, &format!("{path}?flattenTeams=true")).await.expect(200);
    assert_eq!(flat.json["results"][1]["roles"], json!(["GROUP_BACKUP_MANAGER"]));
    assert!(flat.str("/links/0/href").contains("users?flattenTeams=true&"));
    let org = world.get(&owner, &format!("{path}?includeOrgUsers=true")).await.expect(200);
    assert_eq!(org.json["results"][1]["roles"], json!(["GROUP_READ_ONLY"]));
    let wrong = world.get(&owner, &format!("{path}?flattenTeams=perhaps")).await;
    assert_eq!(wrong.refusal(), (400, "INVALID_QUERY_PARAMETER"));
}
