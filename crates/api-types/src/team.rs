//! Teams, their members, and their roles in projects.

use portolan_model::{OrgId, ProjectId, ProjectRole, TeamId, UserId};
use serde_json::{Value, json};

use crate::error::Problem;
use crate::fields::Fields;
use crate::links::Base;
use crate::names::{NAME_CHARS_MAX, check_email, project_roles};

/// The body of `POST /orgs/{orgId}/teams`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTeam {
    /// Its name, unique in the organization.
    pub name: String,
    /// User names of its first members, each once.
    pub usernames: Vec<String>,
}

impl NewTeam {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let name = fields.required_text("name", 1, NAME_CHARS_MAX)?;
        let usernames = fields.strings("usernames")?.ok_or_else(|| fields.missing("usernames"))?;
        fields.ignore(&["id", "links"]);
        fields.finish()?;
        for (at, username) in usernames.iter().enumerate() {
            check_email(&format!("usernames[{at}]"), username)?;
        }
        let mut distinct: Vec<String> = Vec::with_capacity(usernames.len());
        for username in usernames.iter().map(|username| username.to_lowercase()) {
            if !distinct.contains(&username) {
                distinct.push(username);
            }
        }
        Ok(Self { name, usernames: distinct })
    }
}

/// Reads the body of `PATCH /orgs/{orgId}/teams/{teamId}`: the new name.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_name(mut fields: Fields) -> Result<String, Problem> {
    let name = fields.required_text("name", 1, NAME_CHARS_MAX)?;
    fields.ignore(&["id", "links"]);
    fields.finish()?;
    Ok(name)
}

/// Reads one user to add or to take out: `{id}`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_user(mut fields: Fields) -> Result<UserId, Problem> {
    let id = fields.id("id")?.ok_or_else(|| fields.missing("id"))?;
    fields.finish()?;
    Ok(id)
}

/// Reads the body of `POST /orgs/{orgId}/teams/{teamId}/users`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_users(items: Vec<Fields>) -> Result<Vec<UserId>, Problem> {
    items.into_iter().map(read_user).collect()
}

/// The roles that a team gets in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamAssignment {
    /// The team; `None` where the path names it.
    pub team_id: Option<TeamId>,
    /// At least one role.
    pub roles: Vec<ProjectRole>,
}

impl TeamAssignment {
    /// Reads one.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        // The Go SDK writes the required field even where the path names the team.
        fields.forget_empty(&["teamId"]);
        let team_id = fields.id("teamId")?;
        let path = fields.path_of("roleNames");
        let names = fields.strings("roleNames")?.ok_or_else(|| fields.missing("roleNames"))?;
        fields.ignore(&["links"]);
        fields.finish()?;
        Ok(Self { team_id, roles: project_roles(&path, &names)? })
    }

    /// Reads the body of `POST /groups/{groupId}/teams`.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read_all(items: Vec<Fields>) -> Result<Vec<(TeamId, Vec<ProjectRole>)>, Problem> {
        let read = |item: Fields| {
            let missing = item.missing("teamId");
            let read = Self::read(item)?;
            Ok((read.team_id.ok_or(missing)?, read.roles))
        };
        items.into_iter().map(read).collect()
    }
}

/// A team on the wire.
#[must_use]
pub fn json(base: &Base, org_id: OrgId, id: TeamId, name: &str) -> Value {
    json!({
        "id": id.to_string(),
        "links": base.links(&format!("/orgs/{org_id}/teams/{id}"), &[]),
        "name": name,
    })
}

/// A team's roles in a project on the wire.
#[must_use]
pub fn roles_json(base: &Base, project_id: ProjectId, id: TeamId, roles: &[ProjectRole]) -> Value {
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    json!({
        "links": base.links(&format!("/groups/{project_id}/teams/{id}"), &[]),
        "roleNames": names,
        "teamId": id.to_string(),
    })
}

#[cfg(test)]
mod tests;
