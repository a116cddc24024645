//! Names of organizations, projects and service accounts, and e-mail addresses.
//!
//! The patterns are those of the public OpenAPI, widened by the space, which occurs in names on the
//! wire although the printed pattern of organizations and projects has none.

use portolan_model::{OrgRole, ProjectRole};

use crate::error::{ErrorCode, Problem};

/// Longest name of an organization, project or service account.
pub const NAME_CHARS_MAX: usize = 64;

/// Whether `name` may be the name of an organization or a project.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let length = name.chars().count();
    let allowed = |c: char| c.is_alphanumeric() || " -_.(),:&@+'".contains(c);
    (1..=NAME_CHARS_MAX).contains(&length) && name.chars().all(allowed) && name.trim() == name
}

/// Checks a name; `code` is `INVALID_ORG_NAME` or `INVALID_GROUP_NAME`.
///
/// # Errors
/// That code, naming the field.
pub fn check_name(field: &str, name: &str, code: ErrorCode) -> Result<(), Problem> {
    if is_name(name) {
        return Ok(());
    }
    let rule = "must have 1 to 64 letters, digits, inner spaces or characters of -_.(),:&@+'";
    Err(Problem::new(code, format!("The {field} {name:?} is not valid: it {rule}."))
        .with(name)
        .at(field, rule))
}

/// Checks name or description of a service account (pattern `^[\p{L}\p{N}\-_.,' ]*$`).
///
/// # Errors
/// `VALIDATION_ERROR` naming the field.
pub fn check_service_account_text(field: &str, text: &str) -> Result<(), Problem> {
    let allowed = |c: char| c.is_alphanumeric() || "-_.,' ".contains(c);
    if text.chars().all(allowed) {
        return Ok(());
    }
    Err(Problem::validation(field, "may hold only letters, digits, spaces and -_.,'"))
}

/// Checks an e-mail address: something, an `@`, a domain, no spaces.
///
/// # Errors
/// `INVALID_USERNAME` naming the field.
pub fn check_email(field: &str, text: &str) -> Result<(), Problem> {
    let (local, domain) = text.rsplit_once('@').unwrap_or(("", ""));
    let clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if clean && !local.is_empty() && !domain.is_empty() && text.len() <= 254 {
        return Ok(());
    }
    let rule = "must be an e-mail address";
    Err(Problem::new(ErrorCode::InvalidUsername, format!("The username {text:?} is not valid."))
        .with(text)
        .at(field, rule))
}

/// Reads organization roles; the text holds `Invalid role`, as clients expect.
///
/// # Errors
/// `INVALID_ROLE_FOR_ORG`, or `VALIDATION_ERROR` when there is none.
pub fn org_roles(field: &str, names: &[String]) -> Result<Vec<OrgRole>, Problem> {
    let parse = |name: &String| {
        name.parse().map_err(|_| invalid_role(ErrorCode::InvalidRoleForOrg, field, name))
    };
    distinct(field, names.iter().map(parse).collect::<Result<_, _>>()?)
}

/// Reads project roles.
///
/// # Errors
/// `INVALID_ROLE_FOR_GROUP`, or `VALIDATION_ERROR` when there is none.
pub fn project_roles(field: &str, names: &[String]) -> Result<Vec<ProjectRole>, Problem> {
    let parse = |name: &String| {
        name.parse().map_err(|_| invalid_role(ErrorCode::InvalidRoleForGroup, field, name))
    };
    distinct(field, names.iter().map(parse).collect::<Result<_, _>>()?)
}

fn invalid_role(code: ErrorCode, field: &str, name: &str) -> Problem {
    Problem::new(code, format!("Invalid role {name} specified."))
        .with(name)
        .at(field, format!("{name} is no role of this kind"))
}

fn distinct<T: Ord>(field: &str, mut roles: Vec<T>) -> Result<Vec<T>, Problem> {
    if roles.is_empty() {
        return Err(Problem::validation(field, "must name at least one role"));
    }
    roles.sort();
    roles.dedup();
    Ok(roles)
}
