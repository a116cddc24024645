//! Tests of the body of `POST /users`.

use serde_json::{Value, json};

use super::*;

const ID: &str = "0123456789abcdef01234567";

fn body() -> Value {
    json!({
        "username": "a@b", "password": "secret word", "firstName": "A", "lastName": "B",
        "country": "PT", "mobileNumber": "", "emailAddress": "a@b",
        "roles": [{ "orgId": ID, "groupId": "", "roleName": "ORG_MEMBER" }],
    })
}

fn read(body: &Value) -> Result<NewPerson, Problem> {
    NewPerson::read(Fields::parse(body.to_string().as_bytes()).expect("an object"))
}

#[test]
fn a_person_is_read() {
    let person = read(&body()).expect("a person");
    assert_eq!(person.roles, [ScopedRole::Org(ID.parse().expect("an id"), OrgRole::Member)]);
}

#[test]
fn what_is_wrong_is_named_and_passwords_are_not_repeated() {
    for (name, value, code) in [
        ("username", json!("x"), ErrorCode::InvalidUsername),
        ("password", json!("short"), ErrorCode::ValidationError),
        ("country", json!("pt"), ErrorCode::ValidationError),
        ("firstName", json!(null), ErrorCode::MissingAttribute),
        ("roles", json!([]), ErrorCode::ValidationError),
        ("roles", json!([{ "roleName": "ORG_MEMBER" }]), ErrorCode::RoleNeedsOrgId),
        ("roles", json!([{ "roleName": "GROUP_OWNER" }]), ErrorCode::RoleNeedsGroupId),
        ("roles", json!([{ "roleName": "KING" }]), ErrorCode::InvalidRoleForGroup),
        ("colour", json!(1), ErrorCode::InvalidAttribute),
    ] {
        let mut wrong = body();
        wrong[name] = value;
        let problem = read(&wrong).expect_err("wrong");
        assert_eq!(problem.code, code, "{name}");
        assert!(!problem.to_string().contains("short"), "{problem}");
    }
}
