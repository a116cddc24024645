//! Link tokens on a store: the key that they carry lives and dies with the link.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portolan_api_types::ErrorCode;
use portolan_auth::Action;
use portolan_model::MigrationId;
use portolan_store::StoreError;
use portolan_store::link_tokens::{MigrationRow, insert_migration};
use serde_json::Value;

use crate::clusters::fixture::{House, login};

async fn token(house: &House) -> Value {
    let addresses = vec!["10.0.0.1".parse().expect("an address")];
    let control = &house.control;
    let token = control.create_link_token(&house.owner, house.org_id, addresses).await;
    let bytes = URL_SAFE_NO_PAD.decode(token.expect("a token").expose()).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn a_token_carries_an_owner_key_until_the_link_goes() {
    let house = House::build().await;
    let (control, owner, org_id) = (&house.control, &house.owner, house.org_id);
    let first = token(&house).await;
    assert_eq!(first["baseUrl"], "http://127.0.0.1:8080");
    assert_eq!(first["orgId"], org_id.to_string());
    assert!(first["privateKey"].is_string());
    let public_key = first["publicKey"].as_str().expect("a key");
    let principal = login(&control.store, public_key).await.expect("a real key");
    assert!(principal.owns(org_id));
    let second = token(&house).await;
    assert!(login(&control.store, public_key).await.is_none(), "replaced");
    let public_key = second["publicKey"].as_str().expect("a key");
    control.delete_link_tokens(owner, org_id).await.expect("deleted");
    assert!(login(&control.store, public_key).await.is_none(), "gone with its link");
    let none = control.delete_link_tokens(owner, org_id).await.expect_err("nothing is left");
    assert_eq!(none.code(), ErrorCode::OrgLinkNotFound);
    assert_eq!(none.problem().parameters, None);
}

#[tokio::test]
async fn a_running_migration_holds_the_link() {
    let house = House::build().await;
    let (control, owner, org_id) = (&house.control, &house.owner, house.org_id);
    let public_key = token(&house).await["publicKey"].as_str().expect("a key").to_owned();
    let witness = control.org(&owner.principal, Action::LinkTokensWrite, org_id).await;
    let witness = &witness.expect("a witness");
    let row = &MigrationRow {
        id: MigrationId::new([1; 12]),
        project_id: house.project_id,
        status: "WORKING".to_owned(),
    };
    let written: Result<(), StoreError> =
        control.store.run_tx("test.row", |tx| Box::pin(insert_migration(tx, witness, row))).await;
    written.expect("a row");
    let refused = control.delete_link_tokens(owner, org_id).await.expect_err("in use");
    assert_eq!(refused.code(), ErrorCode::CannotDeleteOrgActiveMigration);
    assert!(refused.problem().detail.contains(&house.project_id.to_string()));
    let replaced = control.create_link_token(owner, org_id, Vec::new()).await;
    assert_eq!(replaced.expect_err("in use").code(), ErrorCode::CannotDeleteOrgActiveMigration);
    assert!(login(&control.store, &public_key).await.is_some(), "a refusal changes nothing");
}

#[tokio::test]
async fn only_owners_make_links() {
    let house = House::build().await;
    let stranger = house.stranger();
    let made = house.control.create_link_token(&stranger, house.org_id, Vec::new()).await;
    assert_eq!(made.expect_err("invisible").code(), ErrorCode::OrgNotFound);
}
