//! `/groups/{groupId}:migrate` and its preview.

use portolan_auth::{Authorized, Instance};
use portolan_model::{OrgId, ProjectId};
use portolan_store::events::{self, Event, EventFilter};
use portolan_store::{Listed, Page};
use serde_json::{Value, json};

use super::world::{Answer, Caller, World};

fn request(destination: &str, key: &Caller) -> Value {
    let Caller::Key(public, private) = key else { panic!("a key") };
    json!({
        "destinationOrgId": destination,
        "destinationOrgPublicApiKey": public,
        "destinationOrgPrivateApiKey": private,
    })
}

async fn migrate(world: &World, caller: &Caller, group: &str, body: Value) -> Answer {
    world.post(caller, &format!("/groups/{group}:migrate"), body).await
}

#[tokio::test]
async fn users_and_roles_move_and_keys_do_not() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let (destination, other) = world.second_org().await;
    world.member("dev@example.org", &["ORG_MEMBER"]).await;
    let body = json!({ "username": "dev@example.org", "roles": ["GROUP_DATA_ACCESS_ADMIN"] });
    world.post(&owner, &format!("/groups/{group}/users"), body).await.expect(201);
    let body = json!({ "desc": "d", "roles": ["GROUP_OWNER"] });
    let path = format!("/groups/{group}/apiKeys");
    let key = world.post(&owner, &path, body).await.expect(200);
    let lost = Caller::Key(key.str("/publicKey"), key.str("/privateKey"));
    let preview = format!("/api/portolan/v1/groups/{group}:migratePreview");
    let body = request(&destination, &other);
    let told = world.call(&owner, "POST", &preview, Some(&body)).await.expect(200);
    assert_eq!(told.json["canMigrate"], true);
    assert_eq!(told.json["moves"]["users"].as_array().map(Vec::len), Some(2));
    assert_eq!(told.json["lost"]["apiKeys"][0]["publicKey"], key.json["publicKey"]);

    let moved = migrate(&world, &owner, &group, body).await.expect(200);
    assert_eq!(moved.str("/orgId"), destination);
    assert_eq!(moved.header("content-type"), "application/vnd.atlas.2024-05-30+json;charset=utf-8");
    assert_eq!(world.get(&owner, &format!("/groups/{group}")).await.status, 404);
    assert_eq!(world.get(&lost, &format!("/groups/{group}")).await.status, 404);
    let users = world.get(&other, &format!("/groups/{group}/users")).await.expect(200);
    assert_eq!(users.json["totalCount"], 2);
    let members = world.get(&other, &format!("/orgs/{destination}/users")).await.expect(200);
    assert_eq!(members.json["totalCount"], 2);
    assert_eq!(world.get(&other, &path).await.expect(200).json["totalCount"], 0);
    tell_of_the_move(&world, &group, &destination).await;
}

async fn tell_of_the_move(world: &World, group: &str, destination: &str) {
    let project: ProjectId = group.parse().expect("an id");
    let destination: OrgId = destination.parse().expect("an id");
    let system = Authorized::<Instance>::system("test");
    let here = &system.in_project(destination, project);
    let (to, from) = (&system.in_org(destination), &system.in_org(world.founded.org_id));
    let filter = &EventFilter::default();
    let store = &world.control.store;
    let types = |listed: Listed<Event>| -> Vec<String> {
        listed.items.into_iter().map(|event| event.type_name).collect()
    };
    let in_project = store
        .read_tx("test.events", |tx| Box::pin(events::list_of_project(tx, here, filter, Page::ALL)))
        .await;
    assert!(types(in_project.expect("events")).contains(&"GROUP_MOVED".to_owned()));
    for (witness, event) in [(to, "GROUP_MOVED"), (from, "GROUP_MOVED_FROM_ORG")] {
        let in_org = store
            .read_tx("test.events", |tx| {
                Box::pin(events::list_of_org(tx, witness, filter, Page::ALL))
            })
            .await;
        assert!(types(in_org.expect("events")).contains(&event.to_owned()), "{event}");
    }
}

#[tokio::test]
async fn refusals_change_nothing_and_are_never_401() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let (destination, other) = world.second_org().await;
    let missing = migrate(&world, &owner, &group, json!({ "destinationOrgId": destination })).await;
    assert_eq!(missing.refusal(), (400, "MISSING_ATTRIBUTES"));
    assert_eq!(missing.json["badRequestDetail"]["fields"].as_array().map(Vec::len), Some(2));
    let Caller::Key(public, _) = &other else { panic!("a key") };
    let wrong = Caller::Key(public.clone(), "not-the-private-key".into());
    let member = world.key(&other, &destination, &["ORG_MEMBER"]).await;
    for key in [&wrong, &member, &owner] {
        let refused = migrate(&world, &owner, &group, request(&destination, key)).await;
        assert_eq!(refused.refusal(), (403, "ACCESS_FORBIDDEN"));
    }
    let reader = world.key(&owner, &world.org(), &["ORG_READ_ONLY"]).await;
    let refused = migrate(&world, &reader, &group, request(&destination, &other)).await;
    assert_eq!(refused.refusal(), (403, "ACCESS_FORBIDDEN"));
    let foreign = migrate(&world, &other, &group, request(&destination, &other)).await;
    assert_eq!(foreign.refusal(), (404, "GROUP_NOT_FOUND"));
    let body = json!({ "name": "P", "orgId": destination });
    world.post(&other, "/groups", body).await.expect(201);
    let clash = migrate(&world, &owner, &group, request(&destination, &other)).await;
    assert_eq!(clash.refusal(), (409, "GROUP_ALREADY_EXISTS"));
    let still = world.get(&owner, &format!("/groups/{group}")).await.expect(200);
    assert_eq!(still.str("/orgId"), world.org());
    let preview = format!("/api/portolan/v1/groups/{group}:migratePreview");
    let body = request(&destination, &other);
    let told = world.call(&owner, "POST", &preview, Some(&body)).await.expect(200);
    assert_eq!(told.str("/blockers/0/errorCode"), "GROUP_ALREADY_EXISTS");
    let target = format!("{preview}?destinationOrgId={destination}");
    let told = world.call(&owner, "GET", &target, None).await.expect(200);
    assert_eq!(told.json["destinationProven"], false);
}

#[tokio::test]
async fn bodies_and_versions_are_checked() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let body = json!({
        "destinationOrgId": world.org(), "destinationOrgPublicApiKey": "short",
    });
    let refused = migrate(&world, &owner, &group, body).await;
    assert_eq!(refused.refusal(), (400, "VALIDATION_ERROR"));
    let body = json!({ "destinationOrgId": world.org(), "more": true });
    let refused = migrate(&world, &owner, &group, body).await;
    assert_eq!(refused.refusal(), (400, "INVALID_ATTRIBUTE"));
    let target = format!("/api/atlas/v2/groups/{group}:migrate");
    let old = "application/vnd.atlas.2023-01-01+json";
    let refused = world.call_as(&owner, "POST", &target, Some(&json!({})), old).await;
    assert_eq!(refused.refusal(), (406, "INVALID_VERSION_DATE"));
}

#[tokio::test]
async fn a_service_account_brings_the_keys_too() {
    let world = World::new().await;
    let group = world.project("P").await;
    let (destination, other) = world.second_org().await;
    let (account, _) = super::oauth::token(&world).await;
    let missing =
        migrate(&world, &account, &group, json!({ "destinationOrgId": destination })).await;
    assert_eq!(missing.refusal(), (400, "MISSING_ATTRIBUTES"));
    migrate(&world, &account, &group, request(&destination, &other)).await.expect(200);
}

#[tokio::test]
async fn teams_and_invitations_of_members_are_lost_and_invited_people_stay_invited() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let (destination, other) = world.second_org().await;
    world.member("in@example.org", &["ORG_MEMBER"]).await;
    let invites = format!("/groups/{group}/invites");
    for username in ["in@example.org", "out@example.org"] {
        let body = json!({ "username": username, "roles": ["GROUP_READ_ONLY"] });
        world.post(&owner, &invites, body).await.expect(200);
    }
    let body = json!({ "name": "T", "usernames": ["in@example.org"] });
    let path = format!("/orgs/{}/teams", world.org());
    let team = world.post(&owner, &path, body).await.expect(201).str("/id");
    let body = json!([{ "teamId": team, "roleNames": ["GROUP_READ_ONLY"] }]);
    world.post(&owner, &format!("/groups/{group}/teams"), body).await.expect(200);
    let preview = format!("/api/portolan/v1/groups/{group}:migratePreview");
    let body = request(&destination, &other);
    let told = world.call(&owner, "POST", &preview, Some(&body)).await.expect(200);
    assert_eq!(told.json["lost"]["teams"], json!([{ "id": team, "name": "T" }]));
    assert_eq!(told.str("/lost/invitations/0/username"), "in@example.org");
    migrate(&world, &owner, &group, body).await.expect(200);
    let teams = world.get(&other, &format!("/groups/{group}/teams")).await.expect(200);
    assert_eq!(teams.json["totalCount"], 0);
    let left = world.get(&other, &invites).await.expect(200);
    assert_eq!(left.json.as_array().map(Vec::len), Some(1));
    assert_eq!(left.str("/0/username"), "out@example.org");
    let pending = format!("/orgs/{destination}/users?orgMembershipStatus=PENDING");
    assert_eq!(world.get(&other, &pending).await.expect(200).json["totalCount"], 1);
    let pending = format!("/orgs/{}/users?orgMembershipStatus=PENDING", world.org());
    assert_eq!(world.get(&owner, &pending).await.expect(200).json["totalCount"], 0);
    let delete = format!("/orgs/{}/teams/{team}", world.org());
    world.delete(&owner, &delete).await.expect(204);
}
