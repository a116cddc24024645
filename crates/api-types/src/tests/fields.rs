//! Strict reading, names, roles and tags.

use serde_json::json;

use crate::error::Problem;
use crate::fields::Fields;
use crate::organization::CreateOrganization;
use crate::project::{CreateProject, MoveProject};
use crate::{names, tags};

fn fields(value: &serde_json::Value) -> Fields {
    Fields::parse(value.to_string().as_bytes()).expect("an object")
}

fn named(problem: &Problem) -> (&'static str, Vec<&str>) {
    (problem.code.as_str(), problem.fields.iter().map(|field| field.field.as_str()).collect())
}

#[test]
fn what_is_left_over_is_named() {
    let mut given = fields(&json!({ "a": 1, "id": "x", "b": { "c": true } }));
    given.ignore(&["id"]);
    let mut inner = given.object("b").expect("an object").expect("there");
    assert_eq!(inner.bool("c"), Ok(Some(true)));
    inner.finish().expect("all read");
    let problem = given.finish().expect_err("a is unknown");
    assert_eq!(named(&problem), ("INVALID_ATTRIBUTE", vec!["a"]));
    assert_eq!(problem.detail, "Invalid attribute a specified.");
}

#[test]
fn wrong_types_name_the_path() {
    let mut given = fields(&json!({ "criteria": { "expireAfterDays": "7" }, "list": [1] }));
    let mut inner = given.object("criteria").expect("an object").expect("there");
    let problem = inner.int32("expireAfterDays", 0, i32::MAX).expect_err("a string");
    assert_eq!(named(&problem), ("INVALID_JSON_ATTRIBUTE", vec!["criteria.expireAfterDays"]));
    assert_eq!(problem.body()["error"], 400);
    let problem = given.objects("list").expect_err("a number inside");
    assert_eq!(named(&problem), ("INVALID_JSON_ATTRIBUTE", vec!["list"]));
}

#[test]
fn bodies_that_are_no_objects_are_refused() {
    assert_eq!(Fields::parse(b"{").expect_err("cut").code.as_str(), "MALFORMED_JSON");
    assert_eq!(Fields::parse(b"[]").expect_err("array").code.as_str(), "INVALID_JSON");
    assert!(Fields::parse(b" ").expect("nothing").is_empty());
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert_eq!(Fields::parse(deep.as_bytes()).expect_err("deep").code.as_str(), "MALFORMED_JSON");
}

#[test]
fn the_go_sdk_sends_required_read_only_fields() {
    let body = json!({
        "clusterCount": 0, "created": "0001-01-01T00:00:00Z", "name": "p",
        "orgId": "0123456789abcdef01234567",
    });
    let create = CreateProject::read(fields(&body)).expect("accepted");
    assert!(create.with_default_alerts_settings);
}

#[test]
fn names_allow_inner_spaces_and_letters_of_any_script() {
    for good in ["Atlas CLI E2E", "Größe (1), a:b&c@d+e'f", "日本"] {
        assert!(names::is_name(good), "{good}");
    }
    for bad in ["", " a", "a/b", "a\n", &"x".repeat(65)] {
        assert!(!names::is_name(bad), "{bad}");
    }
}

#[test]
fn unknown_roles_say_invalid_role() {
    let problem = names::project_roles("roles", &["GROUP_KING".into()]).expect_err("no such role");
    assert!(problem.detail.contains("Invalid role"), "{problem}");
}

#[test]
fn tags_are_refused_in_the_words_that_clients_look_for() {
    let take = |value| tags::take(&mut fields(&json!({ "tags": [value] })), "tags");
    let problem = take(json!({ "key": "a\u{1}", "value": "b" })).expect_err("control character");
    assert!(problem.detail.contains("contains invalid characters"));
    assert!(problem.detail.contains("Allowable characters include"));
    let problem = take(json!({ "key": "k", "value": "v".repeat(256) })).expect_err("too long");
    assert!(problem.detail.contains("exceeded the maximum allowed length of 255 characters"));
}

#[test]
fn a_key_and_an_account_exclude_each_other() {
    let body = json!({
        "name": "o",
        "apiKey": { "desc": "d", "roles": ["ORG_OWNER"] },
        "serviceAccount": {
            "name": "n", "description": "d", "roles": ["ORG_OWNER"], "secretExpiresAfterHours": 8,
        },
    });
    let problem = CreateOrganization::read(fields(&body)).expect_err("both");
    assert_eq!(named(&problem), ("INVALID_ATTRIBUTE", vec!["serviceAccount"]));
}

#[test]
fn missing_keys_of_a_move_name_both_fields() {
    let problem = MoveProject::missing_keys();
    assert_eq!(problem.fields.len(), 2);
    assert!(problem.detail.contains("destinationOrgPublicApiKey"));
    assert!(problem.detail.contains("destinationOrgPrivateApiKey"));
}

#[test]
fn a_repeated_name_is_refused_at_any_depth() {
    for body in [r#"{"a":1,"a":1}"#, r#"{"a":[{"b":1,"c":2,"b":null}]}"#, r#"{"a":1,"\u0061":2}"#] {
        let problem = Fields::parse(body.as_bytes()).expect_err(body);
        assert_eq!(problem.code.as_str(), "MALFORMED_JSON", "{body}");
        assert!(problem.detail.contains("occurs twice"), "{}", problem.detail);
    }
    let body = r#"{"a":{"b":-1},"b":[18446744073709551615,1.5,true,null,"\u0061"]}"#;
    let mut given = Fields::parse(body.as_bytes()).expect("sound");
    assert_eq!(given.take("b"), Some(json!([u64::MAX, 1.5, true, null, "a"])));
    assert!(Fields::parse("[".repeat(100_000).as_bytes()).is_err());
    assert!(Fields::parse(b"{} {}").is_err());
}

#[test]
fn errors_repeat_long_values_in_part() {
    let long = "ä".repeat(3_000_000);
    let problem = Problem::invalid_enum("kind", &long);
    assert!(problem.body().to_string().len() < 10_000);
    assert!(problem.body()["detail"].as_str().is_some_and(|detail| detail.ends_with('…')));
}
