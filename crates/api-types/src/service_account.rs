//! Service accounts and their secrets: create, update, assign, and the answers.

use portolan_model::{EpochMs, OrgRole, ProjectId, ProjectRole, SecretId, ServiceAccountId};
use serde_json::{Value, json};

use crate::error::Problem;
use crate::fields::Fields;
use crate::names::{NAME_CHARS_MAX, check_service_account_text, org_roles, project_roles};
use crate::time::iso8601;

const DESCRIPTION_CHARS_MAX: usize = 250;

/// A service account to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServiceAccount<R = OrgRole> {
    /// Its name, 1 to 64 characters.
    pub name: String,
    /// What it is for, 1 to 250 characters.
    pub description: String,
    /// Its roles, at least one.
    pub roles: Vec<R>,
    /// Lifetime of its first secret in hours.
    pub secret_expires_after_hours: i32,
}

impl NewServiceAccount<OrgRole> {
    /// Reads the body of `POST /orgs/{orgId}/serviceAccounts`.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let path = fields.path_of("roles");
        let names = required_roles(&mut fields)?;
        read_new(fields, org_roles(&path, &names)?)
    }
}

impl NewServiceAccount<ProjectRole> {
    /// Reads the body of `POST /groups/{groupId}/serviceAccounts`.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read_for_project(mut fields: Fields) -> Result<Self, Problem> {
        let names = required_roles(&mut fields)?;
        read_new(fields, project_roles("roles", &names)?)
    }
}

fn required_roles(fields: &mut Fields) -> Result<Vec<String>, Problem> {
    fields.strings("roles")?.ok_or_else(|| fields.missing("roles"))
}

fn read_new<R>(mut fields: Fields, roles: Vec<R>) -> Result<NewServiceAccount<R>, Problem> {
    let (name_path, description_path) = (fields.path_of("name"), fields.path_of("description"));
    let account = NewServiceAccount {
        name: fields.required_text("name", 1, NAME_CHARS_MAX)?,
        description: fields.required_text("description", 1, DESCRIPTION_CHARS_MAX)?,
        roles,
        secret_expires_after_hours: take_hours(&mut fields)?,
    };
    check_service_account_text(&name_path, &account.name)?;
    check_service_account_text(&description_path, &account.description)?;
    fields.finish()?;
    Ok(account)
}

fn take_hours(fields: &mut Fields) -> Result<i32, Problem> {
    let hours = fields.int32("secretExpiresAfterHours", 1, i32::MAX)?;
    hours.ok_or_else(|| fields.missing("secretExpiresAfterHours"))
}

/// A change of a service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateServiceAccount<R> {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// New roles, replacing all of its roles in the organization or project.
    pub roles: Option<Vec<R>>,
}

/// Reads the body of `PATCH /orgs/{orgId}/serviceAccounts/{clientId}`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_org_update(mut fields: Fields) -> Result<UpdateServiceAccount<OrgRole>, Problem> {
    let names = fields.strings("roles")?;
    read_update(fields, names.map(|names| org_roles("roles", &names)).transpose()?)
}

/// Reads the body of `PATCH /groups/{groupId}/serviceAccounts/{clientId}`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_project_update(
    mut fields: Fields,
) -> Result<UpdateServiceAccount<ProjectRole>, Problem> {
    let names = fields.strings("roles")?;
    read_update(fields, names.map(|names| project_roles("roles", &names)).transpose()?)
}

fn read_update<R>(
    mut fields: Fields,
    roles: Option<Vec<R>>,
) -> Result<UpdateServiceAccount<R>, Problem> {
    let name = fields.text("name", 1, NAME_CHARS_MAX)?;
    let description = fields.text("description", 1, DESCRIPTION_CHARS_MAX)?;
    name.as_deref().map_or(Ok(()), |text| check_service_account_text("name", text))?;
    description
        .as_deref()
        .map_or(Ok(()), |text| check_service_account_text("description", text))?;
    fields.finish()?;
    Ok(UpdateServiceAccount { name, description, roles })
}

/// Reads the body of `POST …/secrets`: hours.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_secret(mut fields: Fields) -> Result<i32, Problem> {
    let hours = take_hours(&mut fields)?;
    fields.finish()?;
    Ok(hours)
}

/// Reads the body of `POST …/serviceAccounts/{clientId}:invite`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_invite(mut fields: Fields) -> Result<Vec<ProjectRole>, Problem> {
    let names = required_roles(&mut fields)?;
    fields.finish()?;
    project_roles("roles", &names)
}

/// A secret as its answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretView<'a> {
    /// Its id.
    pub id: SecretId,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it stops working.
    pub expires_at: EpochMs,
    /// When it last gave a token.
    pub last_used_at: Option<EpochMs>,
    /// Its prefix and last characters.
    pub masked: &'a str,
    /// The secret itself, only in the answer that creates it.
    pub secret: Option<&'a str>,
}

impl SecretView<'_> {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut body = json!({
            "createdAt": iso8601(self.created_at),
            "expiresAt": iso8601(self.expires_at),
            "id": self.id.to_string(),
        });
        if let Some(at) = self.last_used_at {
            body["lastUsedAt"] = iso8601(at).into();
        }
        match self.secret {
            Some(secret) => body["secret"] = secret.into(),
            None => body["maskedSecretValue"] = self.masked.into(),
        }
        body
    }
}

/// A service account as its answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountView<'a> {
    /// Its client id.
    pub id: ServiceAccountId,
    /// Its name.
    pub name: &'a str,
    /// Its description.
    pub description: &'a str,
    /// Its roles in the organization or project, whichever asks.
    pub roles: Vec<&'static str>,
    /// When it was made.
    pub created_at: EpochMs,
    /// Its secrets.
    pub secrets: Vec<SecretView<'a>>,
}

impl ServiceAccountView<'_> {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "clientId": self.id.to_string(),
            "createdAt": iso8601(self.created_at),
            "description": self.description,
            "name": self.name,
            "roles": self.roles,
            "secrets": self.secrets.iter().map(SecretView::json).collect::<Vec<_>>(),
        })
    }
}

/// A project that a service account was assigned to.
#[must_use]
pub fn assignment_json(project_id: ProjectId, roles: &[ProjectRole]) -> Value {
    let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    json!({ "groupId": project_id.to_string(), "roles": roles })
}
