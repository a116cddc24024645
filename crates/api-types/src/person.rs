//! The deprecated `POST /users`: a person with names and their first roles.

use portolan_model::{OrgId, OrgRole, ProjectId, ProjectRole};

use crate::error::{ErrorCode, Problem};
use crate::fields::Fields;
use crate::names::{check_email, org_roles, project_roles};

const NAME_CHARS_MAX: usize = 128;
const MOBILE_CHARS_MAX: usize = 32;
const PASSWORD_CHARS_MIN: usize = 8;
const PASSWORD_CHARS_MAX: usize = 1024;

/// A role with its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopedRole {
    /// In an organization.
    Org(OrgId, OrgRole),
    /// In a project.
    Project(ProjectId, ProjectRole),
}

/// The body of `POST /users`. Its password is checked for its length and not kept: people do not log
/// in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// An e-mail address.
    pub username: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Two capital letters.
    pub country: String,
    /// Telephone number.
    pub mobile_number: String,
    /// At least one.
    pub roles: Vec<ScopedRole>,
}

impl NewPerson {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field; it never repeats the password.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let username = fields.required_string("username")?;
        check_email("username", &username)?;
        fields.required_text("password", PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX)?;
        let country = fields.required_string("country")?;
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Problem::validation("country", "must be two capital letters"));
        }
        let person = Self {
            username,
            first_name: fields.required_text("firstName", 1, NAME_CHARS_MAX)?,
            last_name: fields.required_text("lastName", 1, NAME_CHARS_MAX)?,
            country,
            mobile_number: fields.required_text("mobileNumber", 0, MOBILE_CHARS_MAX)?,
            roles: read_roles(&mut fields)?,
        };
        fields.ignore(&["createdAt", "emailAddress", "id", "lastAuth", "links", "teamIds"]);
        fields.finish()?;
        Ok(person)
    }
}

fn read_roles(fields: &mut Fields) -> Result<Vec<ScopedRole>, Problem> {
    let items = fields.objects("roles")?.ok_or_else(|| fields.missing("roles"))?;
    if items.is_empty() {
        return Err(Problem::validation("roles", "must name at least one role"));
    }
    items.into_iter().map(read_role).collect()
}

/// Clients send the id that does not apply as an empty string.
fn read_role(mut fields: Fields) -> Result<ScopedRole, Problem> {
    let path = fields.path_of("roleName");
    let names = [fields.required_string("roleName")?];
    fields.forget_empty(&["orgId", "groupId"]);
    let (org_id, project_id) = (fields.id("orgId")?, fields.id("groupId")?);
    let (in_org, in_project) = (fields.path_of("orgId"), fields.path_of("groupId"));
    fields.finish()?;
    let needs = |code, field: &str| {
        let detail = format!("Role {} requires {field}.", names[0]);
        Problem::new(code, detail).with(names[0].clone()).at(field, "is required for this role")
    };
    if names[0].starts_with("ORG_") {
        let id = org_id.ok_or_else(|| needs(ErrorCode::RoleNeedsOrgId, &in_org))?;
        return Ok(ScopedRole::Org(id, org_roles(&path, &names)?[0]));
    }
    let role = project_roles(&path, &names)?[0];
    let id = project_id.ok_or_else(|| needs(ErrorCode::RoleNeedsGroupId, &in_project))?;
    Ok(ScopedRole::Project(id, role))
}

#[cfg(test)]
mod tests;
