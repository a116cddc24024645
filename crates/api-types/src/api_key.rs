//! Programmatic API keys: create, update, assign, and the answer.

use portolan_model::{ApiKeyId, OrgId, OrgRole, ProjectId, ProjectRole};
use serde_json::{Value, json};

use crate::error::{ErrorCode, Problem};
use crate::fields::Fields;
use crate::links::Base;
use crate::names::{org_roles, project_roles};

const DESC_CHARS_MAX: usize = 250;

/// A key to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey<R = OrgRole> {
    /// What it is for, 1 to 250 characters.
    pub desc: String,
    /// Its roles, at least one.
    pub roles: Vec<R>,
}

impl NewApiKey<OrgRole> {
    /// Reads the body of `POST /orgs/{orgId}/apiKeys`.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read_for_org(fields: Fields) -> Result<Self, Problem> {
        let (desc, names, path) = read_new(fields)?;
        Ok(Self { desc, roles: org_roles(&path, &names)? })
    }
}

impl NewApiKey<ProjectRole> {
    /// Reads the body of `POST /groups/{groupId}/apiKeys`.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read_for_project(fields: Fields) -> Result<Self, Problem> {
        let (desc, names, path) = read_new(fields)?;
        Ok(Self { desc, roles: project_roles(&path, &names)? })
    }
}

fn read_new(mut fields: Fields) -> Result<(String, Vec<String>, String), Problem> {
    let path = fields.path_of("roles");
    let desc = fields.required_text("desc", 1, DESC_CHARS_MAX)?;
    let roles = fields.strings("roles")?.unwrap_or_default();
    if roles.is_empty() {
        let detail = "At least one role must be specified for an API key.";
        return Err(Problem::new(ErrorCode::MissingApiKeyRoles, detail).at(path, "is required"));
    }
    fields.finish()?;
    Ok((desc, roles, path))
}

/// A change of a key: the roles, when given, replace all of its roles in the organization or project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateApiKey<R> {
    /// A new description.
    pub desc: Option<String>,
    /// New roles.
    pub roles: Option<Vec<R>>,
}

/// Reads the body of `PATCH /orgs/{orgId}/apiKeys/{apiUserId}`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_org_update(fields: Fields) -> Result<UpdateApiKey<OrgRole>, Problem> {
    let (desc, names) = read_update(fields)?;
    let roles = names.map(|names| org_roles("roles", &names)).transpose()?;
    Ok(UpdateApiKey { desc, roles })
}

/// Reads the body of `PATCH /groups/{groupId}/apiKeys/{apiUserId}`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_project_update(fields: Fields) -> Result<UpdateApiKey<ProjectRole>, Problem> {
    let (desc, names) = read_update(fields)?;
    let roles = names.map(|names| project_roles("roles", &names)).transpose()?;
    Ok(UpdateApiKey { desc, roles })
}

fn read_update(mut fields: Fields) -> Result<(Option<String>, Option<Vec<String>>), Problem> {
    let desc = fields.text("desc", 1, DESC_CHARS_MAX)?;
    let roles = fields.strings("roles")?;
    fields.finish()?;
    Ok((desc, roles))
}

/// Reads the body of `POST /groups/{groupId}/apiKeys/{apiUserId}`: an array of `{roles}`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_assignment(items: Vec<Fields>) -> Result<Vec<ProjectRole>, Problem> {
    let mut names = Vec::new();
    for mut fields in items {
        names.extend(fields.strings("roles")?.ok_or_else(|| fields.missing("roles"))?);
        fields.finish()?;
    }
    project_roles("roles", &names)
}

/// A key as its answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyView<'a> {
    /// Its id.
    pub id: ApiKeyId,
    /// The organization that it belongs to.
    pub org_id: OrgId,
    /// Its description.
    pub desc: &'a str,
    /// Its public key.
    pub public_key: &'a str,
    /// The private key: whole in the answer that creates it, masked in all others.
    pub private_key: &'a str,
    /// Roles in the organization.
    pub org_roles: &'a [OrgRole],
    /// Roles in projects.
    pub project_roles: &'a [(ProjectId, ProjectRole)],
}

impl ApiKeyView<'_> {
    /// On the wire. The link leads to the organization's view of the key, also from project routes.
    #[must_use]
    pub fn json(&self, base: &Base) -> Value {
        let in_org = self
            .org_roles
            .iter()
            .map(|role| json!({ "orgId": self.org_id.to_string(), "roleName": role.as_str() }));
        let in_projects = self
            .project_roles
            .iter()
            .map(|(id, role)| json!({ "groupId": id.to_string(), "roleName": role.as_str() }));
        json!({
            "desc": self.desc,
            "id": self.id.to_string(),
            "links": base.links(&format!("/orgs/{}/apiKeys/{}", self.org_id, self.id), &[]),
            "privateKey": self.private_key,
            "publicKey": self.public_key,
            "roles": in_org.chain(in_projects).collect::<Vec<_>>(),
        })
    }
}
