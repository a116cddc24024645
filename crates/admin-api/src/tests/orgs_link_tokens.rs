//! `/orgs/{orgId}/liveMigrations/linkTokens`.

use portolan_auth::Action;
use portolan_model::MigrationId;
use portolan_store::StoreError;
use portolan_store::link_tokens::{MigrationRow, insert_migration};
use serde_json::{Value, json};

use super::world::{Caller, World};

/// Reads base64url without padding, as the receiving side of a link does.
fn decode(token: &str) -> Value {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token);
    serde_json::from_slice(&bytes.expect("base64url")).expect("JSON")
}

#[tokio::test]
async fn a_link_token_and_its_key() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/orgs/{}/liveMigrations/linkTokens", world.org());
    let body = json!({ "accessListIps": ["127.0.0.1"] });
    let made = world.post(&owner, &path, body).await.expect(201);
    let contents = decode(&made.str("/linkToken"));
    assert_eq!(contents["baseUrl"], "http://portolan.test");
    assert_eq!(contents["orgId"], world.org());
    let text = |name: &str| contents[name].as_str().expect("a text").to_owned();
    let carried = Caller::Key(text("publicKey"), text("privateKey"));
    world.get(&carried, &format!("/orgs/{}", world.org())).await.expect(200);
    let deleted = world.delete(&owner, &path).await.expect(204);
    assert_eq!(deleted.text, "");
    let dead = world.get(&carried, &format!("/orgs/{}", world.org())).await;
    assert_eq!(dead.status, 401, "the key stops working at once");
    let again = world.delete(&owner, &path).await;
    assert_eq!(again.refusal(), (404, "UNEXPECTED_ERROR"));
    assert_eq!(
        again.text,
        concat!(
            r#"{"detail":"Could not find the requested external organization link.","error":404,"#,
            r#""errorCode":"UNEXPECTED_ERROR","parameters":null,"reason":"Not Found"}"#
        )
    );
}

#[tokio::test]
async fn a_running_migration_holds_the_link() {
    let world = World::new().await;
    let owner = world.owner();
    let group = world.project("P").await;
    let path = format!("/orgs/{}/liveMigrations/linkTokens", world.org());
    world.post(&owner, &path, json!({})).await.expect(201);
    migration(&world, &group, "WORKING").await;
    let refused = world.delete(&owner, &path).await;
    let code = "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK";
    assert_eq!(refused.refusal(), (409, code));
    assert!(refused.str("/detail").contains(&group), "{}", refused.text);
}

async fn migration(world: &World, group: &str, status: &str) {
    let row = &MigrationRow {
        id: MigrationId::new([1; 12]),
        project_id: group.parse().expect("an id"),
        status: status.to_owned(),
    };
    let control = &world.control;
    let key = world.founded.public_key.clone();
    let principal: Result<_, StoreError> = control
        .store
        .read_tx("test.login", |tx| Box::pin(portolan_store::principals::of_public_key(tx, &key)))
        .await;
    let principal = principal.expect("a look-up").expect("a key").principal;
    let action = Action::LinkTokensWrite;
    let witness = control.org(&principal, action, world.founded.org_id).await;
    let witness = &witness.expect("a witness");
    let written: Result<(), StoreError> =
        control.store.run_tx("test.row", |tx| Box::pin(insert_migration(tx, witness, row))).await;
    written.expect("a row");
}

#[tokio::test]
async fn addresses_are_checked_and_members_refused() {
    let world = World::new().await;
    let path = format!("/orgs/{}/liveMigrations/linkTokens", world.org());
    let body = json!({ "accessListIps": ["not an address"] });
    let refused = world.post(&world.owner(), &path, body).await;
    assert_eq!(refused.refusal(), (400, "VALIDATION_ERROR"));
    assert_eq!(refused.str("/badRequestDetail/fields/0/field"), "accessListIps[0]");
    let member = world.key(&world.owner(), &world.org(), &["ORG_MEMBER"]).await;
    for answer in [world.post(&member, &path, json!({})).await, world.delete(&member, &path).await]
    {
        assert_eq!(answer.refusal(), (401, "NOT_ORG_OWNER"));
    }
}
