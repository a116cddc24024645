//! Database users on the wire: `CloudDatabaseUser`. Passwords come in and never go out.
//!
//! Users authenticate by SCRAM alone: certificates, LDAP, OIDC and AWS IAM are refused by name.

use std::fmt;

use portolan_model::{DatabaseRole, DatabaseUser, EpochMs, ScopeKind, Tag, UserScope};
use serde_json::{Value, json};

use crate::links::Base;
use crate::paging::encode;
use crate::time::{iso8601, parse_iso8601};
use crate::{ErrorCode, Fields, Problem, tags};

/// Most characters of a name.
pub const USERNAME_CHARS_MAX: usize = 1024;
/// Fewest characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Most characters of a password: deriving keys from more would be work for an attacker's sake.
pub const PASSWORD_CHARS_MAX: usize = 1024;
/// The one authentication database.
pub const AUTH_DATABASE: &str = "admin";

/// Ways to authenticate that are not SCRAM, with their values.
const OTHER_WAYS: [(&str, &[&str]); 4] = [
    ("awsIAMType", &["USER", "ROLE"]),
    ("ldapAuthType", &["GROUP", "USER"]),
    ("oidcAuthType", &["IDP_GROUP", "USER"]),
    ("x509Type", &["CUSTOMER", "MANAGED"]),
];

/// Roles about one database.
const DATABASE_ROLES: [&str; 3] = ["dbAdmin", "read", "readWrite"];
/// Roles about all databases, given on `admin`.
const CLUSTER_ROLES: [&str; 7] = [
    "atlasAdmin",
    "backup",
    "clusterMonitor",
    "dbAdminAnyDatabase",
    "enableSharding",
    "readAnyDatabase",
    "readWriteAnyDatabase",
];

/// A password on its way to key derivation.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A checked create body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUserDraft {
    /// Authentication database.
    pub database: String,
    /// Name.
    pub username: String,
    /// Password.
    pub password: Password,
    /// At least one.
    pub roles: Vec<DatabaseRole>,
    /// Empty is everywhere.
    pub scopes: Vec<UserScope>,
    /// Labels.
    pub labels: Vec<Tag>,
    /// Up to 100 characters.
    pub description: Option<String>,
    /// When it ends by itself.
    pub delete_after: Option<EpochMs>,
}

/// A checked update body; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatabaseUserPatch {
    /// May be repeated, not changed.
    pub database: Option<String>,
    /// May be repeated, not changed.
    pub username: Option<String>,
    /// A new password.
    pub password: Option<Password>,
    /// Replace all roles.
    pub roles: Option<Vec<DatabaseRole>>,
    /// Replace all scopes.
    pub scopes: Option<Vec<UserScope>>,
    /// Replace all labels.
    pub labels: Option<Vec<Tag>>,
    /// A new description.
    pub description: Option<String>,
    /// A new end.
    pub delete_after: Option<EpochMs>,
}

/// Reads `CloudDatabaseUser` as a create request.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_create(fields: Fields) -> Result<DatabaseUserDraft, Problem> {
    let patch = parse_update(fields)?;
    let missing = Problem::missing_attribute;
    Ok(DatabaseUserDraft {
        database: patch.database.unwrap_or_else(|| AUTH_DATABASE.to_owned()),
        username: patch.username.ok_or_else(|| missing("username"))?,
        password: patch.password.ok_or_else(|| missing("password"))?,
        roles: patch.roles.ok_or_else(|| missing("roles"))?,
        scopes: patch.scopes.unwrap_or_default(),
        labels: patch.labels.unwrap_or_default(),
        description: patch.description,
        delete_after: patch.delete_after,
    })
}

/// Reads `CloudDatabaseUser` as a partial update.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_update(mut fields: Fields) -> Result<DatabaseUserPatch, Problem> {
    fields.ignore(&["groupId", "links"]);
    scram_only(&mut fields)?;
    let patch = DatabaseUserPatch {
        database: database(&mut fields)?,
        username: username(&mut fields)?,
        password: password(&mut fields)?,
        roles: roles(&mut fields)?,
        scopes: scopes(&mut fields)?,
        labels: tags::take(&mut fields, "labels")?,
        description: fields.text("description", 0, 100)?,
        delete_after: delete_after(&mut fields)?,
    };
    fields.finish()?;
    Ok(patch)
}

fn scram_only(fields: &mut Fields) -> Result<(), Problem> {
    for (name, values) in OTHER_WAYS {
        let known =
            |text: &str| (text == "NONE" || values.contains(&text)).then(|| text.to_owned());
        if fields.one_of(name, known)?.is_some_and(|text| text != "NONE") {
            let problem = Problem::unsupported("authentication other than SCRAM");
            return Err(problem.at(name, "must be NONE"));
        }
    }
    Ok(())
}

fn database(fields: &mut Fields) -> Result<Option<String>, Problem> {
    match fields.string("databaseName")?.as_deref() {
        None => Ok(None),
        Some(AUTH_DATABASE) => Ok(Some(AUTH_DATABASE.to_owned())),
        Some("$external") => Err(Problem::unsupported("authentication other than SCRAM")
            .at("databaseName", "must be admin")),
        Some(other) => Err(Problem::invalid_enum("databaseName", other)),
    }
}

fn username(fields: &mut Fields) -> Result<Option<String>, Problem> {
    let name = fields.text("username", 1, USERNAME_CHARS_MAX)?;
    if name.as_deref().is_some_and(|name| name.chars().any(char::is_control)) {
        let rule = "must not hold control characters";
        let problem = Problem::new(ErrorCode::InvalidUsername, format!("The username {rule}."));
        return Err(problem.at("username", rule));
    }
    Ok(name)
}

/// The rule, never the value.
fn password(fields: &mut Fields) -> Result<Option<Password>, Problem> {
    let Some(text) = fields.string("password")? else { return Ok(None) };
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&text.chars().count()) {
        let rule = format!("must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters");
        return Err(Problem::validation("password", rule));
    }
    Ok(Some(Password(text)))
}

fn roles(fields: &mut Fields) -> Result<Option<Vec<DatabaseRole>>, Problem> {
    let Some(objects) = fields.objects("roles")? else { return Ok(None) };
    if objects.is_empty() {
        return Err(Problem::validation("roles", "must not be empty"));
    }
    objects.into_iter().map(role).collect::<Result<_, _>>().map(Some)
}

fn role(mut object: Fields) -> Result<DatabaseRole, Problem> {
    let name = object.required_string("roleName")?;
    let database = object.required_text("databaseName", 1, 64)?;
    let collection = object.string("collectionName")?.filter(|name| !name.is_empty());
    let path = |field: &str| object.path_of(field);
    if CLUSTER_ROLES.contains(&name.as_str()) {
        if database != AUTH_DATABASE {
            let rule = format!("{name} is given on database admin");
            return Err(Problem::validation(&path("databaseName"), rule));
        }
    } else if !DATABASE_ROLES.contains(&name.as_str()) {
        let detail = format!("Unsupported role {name}: custom database roles are not supported.");
        let problem = Problem::new(ErrorCode::UnsupportedRole, detail).with(name);
        return Err(problem.at(path("roleName"), "is no built-in role"));
    }
    if collection.is_some() && !matches!(name.as_str(), "read" | "readWrite") {
        let rule = "goes with the roles read and readWrite only";
        return Err(Problem::validation(&path("collectionName"), rule));
    }
    object.finish()?;
    Ok(DatabaseRole { role: name, database, collection })
}

fn scopes(fields: &mut Fields) -> Result<Option<Vec<UserScope>>, Problem> {
    let Some(objects) = fields.objects("scopes")? else { return Ok(None) };
    let scope = |mut object: Fields| {
        let kind = object.one_of("type", ScopeKind::parse)?;
        let kind = kind.ok_or_else(|| object.missing("type"))?;
        let scope = UserScope { name: object.required_text("name", 1, 64)?, kind };
        object.finish()?;
        Ok(scope)
    };
    objects.into_iter().map(scope).collect::<Result<_, _>>().map(Some)
}

fn delete_after(fields: &mut Fields) -> Result<Option<EpochMs>, Problem> {
    let Some(text) = fields.string("deleteAfterDate")? else { return Ok(None) };
    let rule = "must be a time such as 2030-01-31T12:00:00Z";
    parse_iso8601(&text).map(Some).ok_or_else(|| Problem::validation("deleteAfterDate", rule))
}

/// The user as clients read it.
#[must_use]
pub fn database_user_json(user: &DatabaseUser, base: &Base) -> Value {
    let path = format!(
        "/groups/{}/databaseUsers/{}/{}",
        user.project_id,
        encode(&user.database),
        encode(&user.username)
    );
    let mut shown = json!({
        "awsIAMType": "NONE",
        "databaseName": user.database,
        "groupId": user.project_id.to_string(),
        "labels": tags::json(&user.labels),
        "ldapAuthType": "NONE",
        "links": base.links(&path, &[]),
        "oidcAuthType": "NONE",
        "roles": user.roles.iter().map(role_json).collect::<Vec<_>>(),
        "scopes": user.scopes.iter().map(scope_json).collect::<Vec<_>>(),
        "username": user.username,
        "x509Type": "NONE",
    });
    if let Some(end) = user.delete_after {
        shown["deleteAfterDate"] = Value::from(iso8601(end));
    }
    if let Some(text) = &user.description {
        shown["description"] = Value::from(text.clone());
    }
    shown
}

fn role_json(role: &DatabaseRole) -> Value {
    let mut shown = json!({ "databaseName": role.database, "roleName": role.role });
    if let Some(collection) = &role.collection {
        shown["collectionName"] = Value::from(collection.clone());
    }
    shown
}

fn scope_json(scope: &UserScope) -> Value {
    json!({ "name": scope.name, "type": scope.kind.as_str() })
}

#[cfg(test)]
mod tests;
