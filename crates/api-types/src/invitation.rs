//! Invitations into organizations and projects: the shapes of 2023-01-01, which later versions of the
//! API replaced by pending users.

use portolan_model::{EpochMs, InvitationId, OrgId, OrgRole, ProjectId, ProjectRole, TeamId};
use serde_json::{Value, json};

use crate::error::Problem;
use crate::fields::Fields;
use crate::names::{check_email, org_roles, project_roles};
use crate::time::iso8601;
use crate::user::{CreateOrgUser, UserRoles, read_assignments, read_team_ids};

/// Fields that only the server writes; clients send an invitation back as they got it.
const READ_ONLY: &[&str] = &[
    "createdAt",
    "expiresAt",
    "groupId",
    "groupName",
    "id",
    "inviterUsername",
    "links",
    "orgId",
    "orgName",
];

/// Reads the body of `POST /orgs/{orgId}/invites`: the same wish as that of
/// `POST /orgs/{orgId}/users`, otherwise written.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_org_invite(fields: Fields) -> Result<CreateOrgUser, Problem> {
    let missing = fields.missing("roles");
    let (username, changes) = read_org_changes(fields)?;
    let username = username.ok_or_else(|| Problem::missing_attribute("username"))?;
    let roles = UserRoles {
        org_roles: changes.org_roles.ok_or(missing)?,
        project_roles: changes.project_roles.unwrap_or_default(),
    };
    Ok(CreateOrgUser { username, roles, team_ids: changes.team_ids.unwrap_or_default() })
}

/// What changes of an invitation into an organization. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrgInviteChanges {
    /// All roles in the organization.
    pub org_roles: Option<Vec<OrgRole>>,
    /// All roles in its projects.
    pub project_roles: Option<Vec<(ProjectId, ProjectRole)>>,
    /// All teams.
    pub team_ids: Option<Vec<TeamId>>,
}

/// Reads the body of `PATCH /orgs/{orgId}/invites` or of one of them, with the user name in it.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_org_changes(mut fields: Fields) -> Result<(Option<String>, OrgInviteChanges), Problem> {
    let username = read_username(&mut fields)?;
    let names = fields.strings("roles")?;
    let changes = OrgInviteChanges {
        org_roles: names.map(|names| org_roles("roles", &names)).transpose()?,
        project_roles: read_assignments(&mut fields, "roles")?,
        team_ids: read_team_ids(&mut fields)?,
    };
    fields.ignore(READ_ONLY);
    fields.finish()?;
    Ok((username, changes))
}

fn read_username(fields: &mut Fields) -> Result<Option<String>, Problem> {
    let username = fields.string("username")?;
    if let Some(username) = &username {
        check_email("username", username)?;
    }
    Ok(username)
}

/// Reads the body of `PATCH /groups/{groupId}/invites` or of one of them: user name and roles.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_project_changes(
    mut fields: Fields,
) -> Result<(Option<String>, Vec<ProjectRole>), Problem> {
    let username = read_username(&mut fields)?;
    let names = fields.strings("roles")?.ok_or_else(|| fields.missing("roles"))?;
    fields.ignore(READ_ONLY);
    fields.finish()?;
    Ok((username, project_roles("roles", &names)?))
}

/// The user name that a request must bring.
///
/// # Errors
/// `MISSING_ATTRIBUTE`.
pub fn required_username(username: Option<String>) -> Result<String, Problem> {
    username.ok_or_else(|| Problem::missing_attribute("username"))
}

/// No invitation with this id, or for this user name.
#[must_use]
pub fn not_found(which: impl std::fmt::Display) -> Problem {
    Problem::resource_not_found(format!("Invitation {which}"))
}

/// What every invitation tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteView<'a> {
    /// Its id.
    pub id: InvitationId,
    /// Who is invited.
    pub username: &'a str,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it ends.
    pub expires_at: EpochMs,
    /// Who made it.
    pub inviter_username: &'a str,
}

impl InviteView<'_> {
    fn common(&self) -> Value {
        json!({
            "createdAt": iso8601(self.created_at),
            "expiresAt": iso8601(self.expires_at),
            "id": self.id.to_string(),
            "inviterUsername": self.inviter_username,
            "username": self.username,
        })
    }

    /// Into an organization, with its name, the roles and the teams to be had.
    #[must_use]
    pub fn org_json(
        &self,
        (org_id, org_name): (OrgId, &str),
        roles: &UserRoles,
        team_ids: &[TeamId],
    ) -> Value {
        let assigned = roles.project_roles.iter();
        let assignments: Vec<Value> = assigned
            .map(|(id, role)| json!({ "groupId": id.to_string(), "groupRole": role.as_str() }))
            .collect();
        let names: Vec<&str> = roles.org_roles.iter().map(|role| role.as_str()).collect();
        let teams: Vec<String> = team_ids.iter().map(ToString::to_string).collect();
        let mut body = self.common();
        body["groupRoleAssignments"] = assignments.into();
        body["orgId"] = org_id.to_string().into();
        body["orgName"] = org_name.into();
        body["roles"] = names.into();
        body["teamIds"] = teams.into();
        body
    }

    /// Into a project, with its name and the roles to be had.
    #[must_use]
    pub fn project_json(
        &self,
        (project_id, name): (ProjectId, &str),
        roles: &[ProjectRole],
    ) -> Value {
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let mut body = self.common();
        body["groupId"] = project_id.to_string().into();
        body["groupName"] = name.into();
        body["roles"] = names.into();
        body
    }
}

#[cfg(test)]
mod tests;
