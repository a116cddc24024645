//! Database users on a store: their secrets, names, ends.

use portolan_api_types::ErrorCode;
use portolan_api_types::database_user::{parse_create, parse_update};
use portolan_api_types::time::iso8601;
use portolan_model::{DatabaseUser, Limits};
use portolan_store::StoreError;
use portolan_store::database_users::{self, DatabaseAccount};
use serde_json::{Value, json};

use crate::ControlError;
use crate::clusters::fixture::{House, fields};

fn body() -> Value {
    json!({
        "username": "ann",
        "password": "correct horse",
        "roles": [{ "roleName": "readWrite", "databaseName": "sales" }],
    })
}

async fn create(house: &House, body: &Value) -> Result<DatabaseUser, ControlError> {
    let draft = parse_create(fields(body)).expect("a right body");
    house.control.create_database_user(&house.owner, house.project_id, draft).await
}

async fn update(house: &House, name: &str, body: Value) -> Result<DatabaseUser, ControlError> {
    let patch = parse_update(fields(&body)).expect("a right body");
    let (owner, id) = (&house.owner, house.project_id);
    house.control.update_database_user(owner, id, "admin", name, patch).await
}

async fn account(house: &House) -> Option<DatabaseAccount> {
    let id = house.project_id;
    let found: Result<_, StoreError> = house
        .control
        .store
        .read_tx("test.account", |tx| {
            Box::pin(database_users::account(tx, id, "C", "admin", "ann"))
        })
        .await;
    found.expect("a look-up")
}

fn code<T: std::fmt::Debug>(result: Result<T, ControlError>) -> ErrorCode {
    result.expect_err("must be refused").code()
}

#[tokio::test]
async fn a_user_can_log_in_until_it_is_deleted() {
    let house = House::build().await;
    create(&house, &body()).await.expect("created");
    assert_eq!(code(create(&house, &body()).await), ErrorCode::UserAlreadyExists);
    let before = account(&house).await.expect("may log in").credentials;
    update(&house, "ann", json!({ "description": "reads" })).await.expect("changed");
    assert_eq!(account(&house).await.expect("may log in").credentials, before);
    update(&house, "ann", json!({ "password": "another one" })).await.expect("changed");
    assert_ne!(account(&house).await.expect("may log in").credentials, before);
    let delete = || {
        let (control, owner) = (&house.control, &house.owner);
        control.delete_database_user(owner, house.project_id, "admin", "ann")
    };
    delete().await.expect("deleted");
    assert!(account(&house).await.is_none());
    assert_eq!(code(delete().await), ErrorCode::UsernameNotFound);
}

#[tokio::test]
async fn names_stay_and_ends_are_near() {
    let house = House::build().await;
    create(&house, &body()).await.expect("created");
    let renamed = update(&house, "ann", json!({ "username": "bob" })).await;
    assert_eq!(code(renamed), ErrorCode::AttributeReadOnly);
    assert!(update(&house, "ann", json!({ "username": "ann" })).await.is_ok());
    assert_eq!(code(update(&house, "bob", json!({})).await), ErrorCode::UsernameNotFound);
    let now_ms = house.control.runtime.now_ms();
    for (distance_ms, right) in [(-1_000, false), (3_600_000, true), (8 * 86_400_000, false)] {
        let end = json!({ "deleteAfterDate": iso8601(now_ms + distance_ms) });
        assert_eq!(update(&house, "ann", end).await.is_ok(), right, "{distance_ms}");
    }
}

#[tokio::test]
async fn passwords_that_saslprep_forbids_and_a_full_project() {
    let limits = Limits { database_users_per_project: 1, ..Limits::default() };
    let house = House::with_limits(limits).await;
    let mut odd = body();
    odd["password"] = json!("correct\u{7}horse");
    let refused = create(&house, &odd).await.expect_err("a control character");
    assert_eq!(refused.problem().fields[0].field, "password");
    create(&house, &body()).await.expect("created");
    let mut second = body();
    second["username"] = json!("bob");
    assert_eq!(code(create(&house, &second).await), ErrorCode::ValidationError);
}
