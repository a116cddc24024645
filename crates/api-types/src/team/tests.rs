//! Tests of the bodies of teams.

use super::*;
use crate::ErrorCode;

fn fields(body: Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

#[test]
fn a_new_team_names_each_user_once() {
    let body = json!({ "name": "T", "usernames": ["A@b", "a@b", "c@d"], "links": [] });
    let read = NewTeam::read(fields(body)).expect("a team");
    assert_eq!(read.usernames, ["a@b", "c@d"]);
}

#[test]
fn what_is_wrong_is_named() {
    for (body, code, field) in [
        (json!({ "usernames": [] }), ErrorCode::MissingAttribute, "name"),
        (json!({ "name": "T" }), ErrorCode::MissingAttribute, "usernames"),
        (json!({ "name": "", "usernames": [] }), ErrorCode::ValidationError, "name"),
        (json!({ "name": "x".repeat(65), "usernames": [] }), ErrorCode::ValidationError, "name"),
        (json!({ "name": "T", "usernames": ["x"] }), ErrorCode::InvalidUsername, "usernames[0]"),
        (json!({ "name": "T", "usernames": [1] }), ErrorCode::InvalidJsonAttribute, "usernames"),
    ] {
        let problem = NewTeam::read(fields(body.clone())).expect_err("wrong");
        assert_eq!((problem.code, problem.fields[0].field.as_str()), (code, field), "{body}");
    }
}

#[test]
fn assignments_name_a_team_and_roles() {
    let read = |text: &str| TeamAssignment::read_all(Fields::parse_array(text.as_bytes())?);
    let id = "0123456789abcdef01234567";
    let good = read(&format!(r#"[{{"teamId":"{id}","roleNames":["GROUP_OWNER"]}}]"#));
    assert_eq!(good.expect("a list")[0].1, [ProjectRole::Owner]);
    for (body, code) in [
        (r#"[{"roleNames":["GROUP_OWNER"]}]"#.to_owned(), ErrorCode::MissingAttribute),
        (format!(r#"[{{"teamId":"{id}"}}]"#), ErrorCode::MissingAttribute),
        (format!(r#"[{{"teamId":"{id}","roleNames":[]}}]"#), ErrorCode::ValidationError),
        (
            format!(r#"[{{"teamId":"{id}","roleNames":["ORG_OWNER"]}}]"#),
            ErrorCode::InvalidRoleForGroup,
        ),
        (format!(r#"{{"teamId":"{id}"}}"#), ErrorCode::InvalidJson),
    ] {
        assert_eq!(read(&body).expect_err("wrong").code, code, "{body}");
    }
}
