//! Users of organizations and projects, in the shapes of 2025-02-19 and of 2023-01-01.

use portolan_model::{EpochMs, OrgId, OrgRole, ProjectId, ProjectRole, TeamId, UserId};
use serde_json::{Value, json};

use crate::error::Problem;
use crate::fields::Fields;
use crate::links::Base;
use crate::names::{check_email, org_roles, project_roles};
use crate::time::iso8601;

/// Roles of a user in an organization and its projects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserRoles {
    /// Roles in the organization.
    pub org_roles: Vec<OrgRole>,
    /// Roles in projects.
    pub project_roles: Vec<(ProjectId, ProjectRole)>,
}

/// The body of `POST /orgs/{orgId}/users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOrgUser {
    /// An e-mail address.
    pub username: String,
    /// Its roles.
    pub roles: UserRoles,
    /// Teams to be in.
    pub team_ids: Vec<TeamId>,
}

impl CreateOrgUser {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let username = fields.required_string("username")?;
        check_email("username", &username)?;
        let roles = fields.object("roles")?.ok_or_else(|| fields.missing("roles"))?;
        let team_ids = read_team_ids(&mut fields)?.unwrap_or_default();
        fields.finish()?;
        Ok(Self { username, roles: read_roles(roles)?, team_ids })
    }
}

/// The body of `PATCH /orgs/{orgId}/users/{userId}`. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateOrgUser {
    /// All roles.
    pub roles: Option<UserRoles>,
    /// All teams.
    pub team_ids: Option<Vec<TeamId>>,
}

impl UpdateOrgUser {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let roles = fields.object("roles")?;
        let team_ids = read_team_ids(&mut fields)?;
        fields.finish()?;
        Ok(Self { roles: roles.map(read_roles).transpose()?, team_ids })
    }
}

/// Reads `teamIds`, each once.
pub(crate) fn read_team_ids(fields: &mut Fields) -> Result<Option<Vec<TeamId>>, Problem> {
    let path = fields.path_of("teamIds");
    let Some(texts) = fields.strings("teamIds")? else { return Ok(None) };
    let parse = |(at, text): (usize, String)| {
        let rule = "must be 24 lower-case hexadecimal digits";
        text.parse().map_err(|_| Problem::validation(&format!("{path}[{at}]"), rule))
    };
    let ids = texts.into_iter().enumerate().map(parse).collect::<Result<Vec<TeamId>, _>>();
    ids.map(|mut ids| {
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    })
}

/// Reads a list of project roles per project; `roles_name` is what each entry calls its roles.
pub(crate) fn read_assignments(
    fields: &mut Fields,
    roles_name: &str,
) -> Result<Option<Vec<(ProjectId, ProjectRole)>>, Problem> {
    let Some(entries) = fields.objects("groupRoleAssignments")? else { return Ok(None) };
    let mut all = Vec::new();
    for mut entry in entries {
        let project = entry.id("groupId")?.ok_or_else(|| entry.missing("groupId"))?;
        let path = entry.path_of(roles_name);
        let names = entry.strings(roles_name)?.unwrap_or_default();
        entry.finish()?;
        all.extend(project_roles(&path, &names)?.into_iter().map(|role| (project, role)));
    }
    Ok(Some(all))
}

fn read_roles(mut fields: Fields) -> Result<UserRoles, Problem> {
    let path = fields.path_of("orgRoles");
    let names = fields.strings("orgRoles")?.unwrap_or_default();
    let mut roles = UserRoles { org_roles: org_roles(&path, &names)?, ..UserRoles::default() };
    roles.project_roles = read_assignments(&mut fields, "groupRoles")?.unwrap_or_default();
    fields.finish()?;
    Ok(roles)
}

/// The body of `POST /groups/{groupId}/users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddProjectUser {
    /// An e-mail address.
    pub username: String,
    /// Roles in the project, at least one.
    pub roles: Vec<ProjectRole>,
}

impl AddProjectUser {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let username = fields.required_string("username")?;
        check_email("username", &username)?;
        let names = fields.strings("roles")?.ok_or_else(|| fields.missing("roles"))?;
        fields.finish()?;
        Ok(Self { username, roles: project_roles("roles", &names)? })
    }
}

/// Reads the body of `POST /orgs/{orgId}/users/{userId}:addRole` and `:removeRole`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_org_role(mut fields: Fields) -> Result<OrgRole, Problem> {
    let name = fields.required_string("orgRole")?;
    fields.finish()?;
    Ok(org_roles("orgRole", &[name])?[0])
}

/// Reads the body of `POST /groups/{groupId}/users/{userId}:addRole` and `:removeRole`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_project_role(mut fields: Fields) -> Result<ProjectRole, Problem> {
    let name = fields.required_string("groupRole")?;
    fields.finish()?;
    Ok(project_roles("groupRole", &[name])?[0])
}

/// Reads the body of `PUT /orgs/{orgId}/users/{userId}/roles`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_org_roles(mut fields: Fields) -> Result<Vec<OrgRole>, Problem> {
    let names = fields.strings("orgRoles")?.ok_or_else(|| fields.missing("orgRoles"))?;
    fields.ignore(&["links"]);
    fields.finish()?;
    org_roles("orgRoles", &names)
}

/// Reads the body of `PUT /groups/{groupId}/users/{userId}/roles`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_project_roles(mut fields: Fields) -> Result<Vec<ProjectRole>, Problem> {
    let names = fields.strings("groupRoles")?.ok_or_else(|| fields.missing("groupRoles"))?;
    fields.ignore(&["links"]);
    fields.finish()?;
    project_roles("groupRoles", &names)
}

/// Which users a list is asked for by their status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusFilter {
    /// Members.
    pub active: bool,
    /// Invited people.
    pub pending: bool,
}

impl StatusFilter {
    /// Reads `orgMembershipStatus` and `orgMembershipStatuses` (repeated, or one list with commas).
    /// Expired and rejected invitations are statuses that nobody here has: expired ones are gone, and
    /// there is no mailbox to reject one from.
    ///
    /// # Errors
    /// `INVALID_ENUM_VALUE` for other words.
    pub fn read(query: &[(String, String)]) -> Result<Self, Problem> {
        let mut asked = query
            .iter()
            .filter(|(name, _)| {
                matches!(name.as_str(), "orgMembershipStatus" | "orgMembershipStatuses")
            })
            .flat_map(|(name, value)| value.split(',').map(move |word| (name.as_str(), word)))
            .filter(|(_, word)| !word.is_empty())
            .peekable();
        if asked.peek().is_none() {
            return Ok(Self { active: true, pending: true });
        }
        let mut filter = Self { active: false, pending: false };
        for (name, word) in asked {
            match word {
                "ACTIVE" => filter.active = true,
                "PENDING" => filter.pending = true,
                "INVITATION_EXPIRED" | "INVITATION_REJECTED" => {}
                _ => return Err(Problem::invalid_enum(name, word)),
            }
        }
        Ok(filter)
    }
}

/// An invitation that was not accepted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationView<'a> {
    /// When it was made.
    pub created_at: EpochMs,
    /// When it ends.
    pub expires_at: EpochMs,
    /// Who made it.
    pub inviter_username: &'a str,
}

/// A user as its answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView<'a> {
    /// Its id.
    pub id: UserId,
    /// An e-mail address.
    pub username: &'a str,
    /// Given name.
    pub first_name: Option<&'a str>,
    /// Family name.
    pub last_name: Option<&'a str>,
    /// Two capital letters.
    pub country: Option<&'a str>,
    /// Telephone number.
    pub mobile_number: Option<&'a str>,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it last authenticated.
    pub last_auth_at: Option<EpochMs>,
    /// Set while it is only invited.
    pub invitation: Option<InvitationView<'a>>,
    /// The organization that the answer is about.
    pub org_id: OrgId,
    /// Its roles there and in that organization's projects.
    pub roles: &'a UserRoles,
    /// Its teams there.
    pub team_ids: &'a [TeamId],
}

impl UserView<'_> {
    fn teams(&self) -> Vec<String> {
        self.team_ids.iter().map(ToString::to_string).collect()
    }

    fn common(&self) -> Value {
        let mut body = json!({
            "id": self.id.to_string(),
            "teamIds": self.teams(),
            "username": self.username,
        });
        match &self.invitation {
            Some(invitation) => {
                body["orgMembershipStatus"] = "PENDING".into();
                body["invitationCreatedAt"] = iso8601(invitation.created_at).into();
                body["invitationExpiresAt"] = iso8601(invitation.expires_at).into();
                body["inviterUsername"] = invitation.inviter_username.into();
            }
            None => self.active(&mut body),
        }
        body
    }

    /// First and last name are required in answers; unknown ones are empty.
    fn active(&self, body: &mut Value) {
        body["orgMembershipStatus"] = "ACTIVE".into();
        body["createdAt"] = iso8601(self.created_at).into();
        body["firstName"] = self.first_name.unwrap_or_default().into();
        body["lastName"] = self.last_name.unwrap_or_default().into();
        body["mobileNumber"] = json!(self.mobile_number);
        if let Some(country) = self.country {
            body["country"] = country.into();
        }
        if let Some(at) = self.last_auth_at {
            body["lastAuth"] = iso8601(at).into();
        }
    }

    /// In an organization, 2025-02-19.
    #[must_use]
    pub fn org_json(&self) -> Value {
        let mut projects: Vec<(ProjectId, Vec<&str>)> = Vec::new();
        for (id, role) in &self.roles.project_roles {
            match projects.iter_mut().find(|(known, _)| known == id) {
                Some((_, roles)) => roles.push(role.as_str()),
                None => projects.push((*id, vec![role.as_str()])),
            }
        }
        let assignments: Vec<Value> = projects
            .iter()
            .map(|(id, roles)| json!({ "groupId": id.to_string(), "groupRoles": roles }))
            .collect();
        let org_roles: Vec<&str> = self.roles.org_roles.iter().map(|role| role.as_str()).collect();
        let mut body = self.common();
        body["roles"] = json!({ "groupRoleAssignments": assignments, "orgRoles": org_roles });
        body
    }

    /// In a project, 2025-02-19: the roles are a flat list.
    #[must_use]
    pub fn project_json(&self, project_id: ProjectId) -> Value {
        let here = self.roles.project_roles.iter().filter(|(id, _)| *id == project_id);
        let roles: Vec<&str> = here.map(|(_, role)| role.as_str()).collect();
        let mut body = self.common();
        body["roles"] = roles.into();
        if let Value::Object(map) = &mut body {
            map.remove("teamIds");
        }
        body
    }

    /// Its roles, each with its scope: the list of 2023-01-01.
    #[must_use]
    pub fn scoped_roles(&self) -> Vec<Value> {
        let in_org = self
            .roles
            .org_roles
            .iter()
            .map(|role| json!({ "orgId": self.org_id.to_string(), "roleName": role.as_str() }));
        let in_projects = self
            .roles
            .project_roles
            .iter()
            .map(|(id, role)| json!({ "groupId": id.to_string(), "roleName": role.as_str() }));
        in_org.chain(in_projects).collect()
    }

    /// In either, 2023-01-01: one list of roles, each with its scope, and a link.
    #[must_use]
    pub fn legacy_json(&self, base: &Base) -> Value {
        let mut body = json!({
            "country": self.country.unwrap_or_default(),
            "createdAt": iso8601(self.created_at),
            "emailAddress": self.username,
            "firstName": self.first_name.unwrap_or_default(),
            "id": self.id.to_string(),
            "lastName": self.last_name.unwrap_or_default(),
            "links": base.links(&format!("/users/{}", self.id), &[]),
            "mobileNumber": self.mobile_number,
            "roles": self.scoped_roles(),
            "teamIds": self.teams(),
            "username": self.username,
        });
        if let Some(at) = self.last_auth_at {
            body["lastAuth"] = iso8601(at).into();
        }
        body
    }
}
