//! Refusals and the answer of database users.

use portolan_model::{DatabaseUser, ProjectId};
use serde_json::{Value, json};

use super::{DatabaseUserDraft, database_user_json, parse_create, parse_update};
use crate::links::Base;
use crate::{ErrorCode, Fields, Problem};

fn fields(body: &Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

fn create(body: &Value) -> Result<DatabaseUserDraft, Problem> {
    parse_create(fields(body))
}

fn body() -> Value {
    json!({
        "databaseName": "admin",
        "username": "reporter",
        "password": "correct horse",
        "groupId": "ignored",
        "roles": [{ "roleName": "read", "databaseName": "sales", "collectionName": "orders" }],
        "scopes": [{ "name": "Cluster0", "type": "CLUSTER" }],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut body = body();
    body[name] = value;
    body
}

#[track_caller]
fn refused(body: &Value, code: ErrorCode, field: &str) {
    let problem = create(body).expect_err("must be refused");
    assert_eq!(problem.code, code, "{problem}");
    assert!(problem.fields.iter().any(|violation| violation.field == field), "{problem:?}");
}

#[test]
fn a_user_in_and_out_without_its_password() {
    let draft = create(&body()).unwrap();
    assert!(!format!("{draft:?}").contains("horse"));
    let user = DatabaseUser {
        project_id: ProjectId::new([2; 12]),
        database: draft.database,
        username: "a/b c".into(),
        roles: draft.roles,
        scopes: draft.scopes,
        labels: draft.labels,
        description: None,
        delete_after: None,
        created_at: 0,
    };
    let shown = database_user_json(&user, &Base::new("http://h"));
    assert!(shown.get("password").is_none());
    assert_eq!(shown["x509Type"], "NONE");
    assert_eq!(shown["roles"][0]["collectionName"], "orders");
    let href = shown["links"][0]["href"].as_str().unwrap();
    assert!(href.ends_with("/databaseUsers/admin/a%2Fb%20c"), "{href}");
}

#[test]
fn refusals_name_the_field() {
    use ErrorCode::{
        FeatureUnsupported, InvalidAttribute, InvalidEnumValue, MissingAttribute, UnsupportedRole,
        ValidationError,
    };
    for name in ["username", "password", "roles"] {
        refused(&with(name, Value::Null), MissingAttribute, name);
    }
    refused(&with("username", json!("")), ValidationError, "username");
    refused(&with("password", json!("short")), ValidationError, "password");
    refused(&with("databaseName", json!("$external")), FeatureUnsupported, "databaseName");
    refused(&with("databaseName", json!("sales")), InvalidEnumValue, "databaseName");
    refused(&with("x509Type", json!("MANAGED")), FeatureUnsupported, "x509Type");
    refused(&with("x509Type", json!("PAPER")), InvalidEnumValue, "x509Type");
    refused(&with("roles", json!([])), ValidationError, "roles");
    let role = |role: &str, database: &str| json!([{ "roleName": role, "databaseName": database }]);
    let at = "roles[0].roleName";
    refused(&with("roles", role("myRole", "sales")), UnsupportedRole, at);
    let at = "roles[0].databaseName";
    refused(&with("roles", role("atlasAdmin", "sales")), ValidationError, at);
    let narrow = json!([{ "roleName": "dbAdmin", "databaseName": "a", "collectionName": "b" }]);
    refused(&with("roles", narrow), ValidationError, "roles[0].collectionName");
    let scope = json!([{ "name": "c", "type": "GALAXY" }]);
    refused(&with("scopes", scope), InvalidEnumValue, "scopes[0].type");
    refused(&with("deleteAfterDate", json!("soon")), ValidationError, "deleteAfterDate");
    refused(&with("colour", json!(1)), InvalidAttribute, "colour");
}

#[test]
fn updates_may_hold_little() {
    let patch = parse_update(fields(&json!({ "password": "another one" }))).unwrap();
    assert!(patch.password.is_some() && patch.roles.is_none());
}
