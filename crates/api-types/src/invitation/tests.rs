//! Tests of the bodies of invitations.

use super::*;
use crate::ErrorCode;

fn fields(body: Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

const GROUP: &str = "0123456789abcdef01234567";

#[test]
fn an_invitation_into_an_organization_is_read() {
    let read = read_org_invite(fields(json!({
        "username": "A@example.org",
        "roles": ["ORG_MEMBER", "ORG_MEMBER"],
        "teamIds": [GROUP, GROUP],
        "groupRoleAssignments": [{ "groupId": GROUP, "roles": ["GROUP_READ_ONLY"] }],
        "links": [], "orgName": "x", "id": "y",
    })))
    .expect("a request");
    assert_eq!(read.roles.org_roles, [OrgRole::Member]);
    assert_eq!(read.team_ids.len(), 1);
    assert_eq!(read.roles.project_roles[0].1, ProjectRole::ReadOnly);
}

#[test]
fn what_is_wrong_is_named() {
    for (body, code, field) in [
        (json!({ "roles": ["ORG_MEMBER"] }), ErrorCode::MissingAttribute, "username"),
        (json!({ "username": "a@b" }), ErrorCode::MissingAttribute, "roles"),
        (json!({ "username": "a", "roles": [] }), ErrorCode::InvalidUsername, "username"),
        (json!({ "username": "a@b", "roles": [] }), ErrorCode::ValidationError, "roles"),
        (
            json!({ "username": "a@b", "roles": ["GROUP_OWNER"] }),
            ErrorCode::InvalidRoleForOrg,
            "roles",
        ),
        (
            json!({ "username": "a@b", "roles": ["ORG_MEMBER"], "teamIds": ["x"] }),
            ErrorCode::ValidationError,
            "teamIds[0]",
        ),
        (
            json!({ "username": "a@b", "roles": ["ORG_MEMBER"],
                "groupRoleAssignments": [{ "roles": ["GROUP_OWNER"] }] }),
            ErrorCode::MissingAttribute,
            "groupRoleAssignments[0].groupId",
        ),
        (
            json!({ "username": "a@b", "roles": ["ORG_MEMBER"], "more": 1 }),
            ErrorCode::InvalidAttribute,
            "more",
        ),
    ] {
        let problem = read_org_invite(fields(body.clone())).expect_err("wrong");
        assert_eq!((problem.code, problem.fields[0].field.as_str()), (code, field), "{body}");
    }
}

#[test]
fn changes_leave_out_what_stays() {
    let (username, changes) = read_org_changes(fields(json!({ "teamIds": [] }))).expect("read");
    assert_eq!((username, &changes.org_roles), (None, &None));
    assert_eq!(changes.team_ids, Some(vec![]));
    let problem = read_project_changes(fields(json!({ "username": "a@b" }))).expect_err("wrong");
    assert_eq!(problem.code, ErrorCode::MissingAttribute);
}
