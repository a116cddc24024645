//! Service accounts of organizations, their secrets and their assignment to projects.
//!
//! Table `service_accounts`: the primary key is the client id. Table `service_account_secrets`: the
//! SHA-256 of each secret (240 random bits need no slow hash) and its mask. Access tokens made with a
//! secret go with it.

use std::collections::HashMap;

use portolan_auth::{Authorized, OrgScope, ProjectScope};
use portolan_model::{EpochMs, OrgId, OrgRole, ProjectRole, SecretId, ServiceAccountId};
use sqlx::AssertSqlSafe;

use crate::roles::{self, Assignment, Kind};
use crate::{FromRow, Listed, Page, Row, StoreError, ToValue, Tx, args, in_list};

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Client id.
    pub id: ServiceAccountId,
    /// Its organization.
    pub org_id: OrgId,
    /// Name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: EpochMs,
    /// Roles in the organization.
    pub org_roles: Vec<OrgRole>,
    /// Roles in its projects.
    pub assignments: Vec<Assignment>,
    /// Its secrets, oldest first.
    pub secrets: Vec<Secret>,
}

/// A secret, which cannot be shown again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Id.
    pub id: SecretId,
    /// What may be shown.
    pub masked: String,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it ends.
    pub expires_at: EpochMs,
    /// When it was last used.
    pub last_used_at: Option<EpochMs>,
}

/// A service account to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewServiceAccount<'a> {
    /// Client id.
    pub id: ServiceAccountId,
    /// Name.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// Roles in the organization.
    pub org_roles: &'a [OrgRole],
}

/// A secret to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewSecret<'a> {
    /// Id.
    pub id: SecretId,
    /// SHA-256 of the secret.
    pub hash: &'a [u8; 32],
    /// What may be shown.
    pub masked: &'a str,
    /// When it ends.
    pub expires_at: EpochMs,
}

impl FromRow for ServiceAccount {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            org_id: row.parse("org_id")?,
            name: row.text("name")?,
            description: row.text("description")?,
            created_at: row.int("created_at")?,
            org_roles: Vec::new(),
            assignments: Vec::new(),
            secrets: Vec::new(),
        })
    }
}

impl FromRow for Secret {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            masked: row.text("masked")?,
            created_at: row.int("created_at")?,
            expires_at: row.int("expires_at")?,
            last_used_at: row.opt_int("last_used_at")?,
        })
    }
}

struct OwnedSecret(String, Secret);

impl FromRow for OwnedSecret {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.text("account_id")?, Secret::from_row(row)?))
    }
}

const COLUMNS: &str = "a.id, a.org_id, a.name, a.description, a.created_at";
const IN_PROJECT: &str = "FROM service_accounts a WHERE a.org_id = $1 AND a.id IN \
                          (SELECT principal_id FROM project_roles WHERE project_id = $2)";

/// Makes a service account. It has no secret yet.
///
/// # Errors
/// The database's.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    account: &NewServiceAccount<'_>,
) -> Result<(), StoreError> {
    let (org_id, now_ms) = (authorized.org_id(), tx.now_ms());
    tx.execute(
        "INSERT INTO service_accounts (id, org_id, name, description, created_at) \
         VALUES ($1, $2, $3, $4, $5)",
        args![account.id, org_id, account.name, account.description, now_ms],
    )
    .await?;
    let id = account.id.to_string();
    roles::set_org_roles(tx, Kind::ServiceAccount, &id, org_id, account.org_roles).await
}

async fn complete(
    tx: &mut Tx<'_>,
    org_id: OrgId,
    mut accounts: Vec<ServiceAccount>,
) -> Result<Vec<ServiceAccount>, StoreError> {
    let ids: Vec<String> = accounts.iter().map(|account| account.id.to_string()).collect();
    let mut org_roles = roles::in_org(tx, org_id, &ids).await?;
    let mut assignments = roles::assignments(tx, org_id, &ids).await?;
    let mut secrets = secrets_of(tx, &ids).await?;
    for (account, id) in accounts.iter_mut().zip(&ids) {
        account.org_roles = org_roles.remove(id).unwrap_or_default();
        account.assignments = assignments.remove(id).unwrap_or_default();
        account.secrets = secrets.remove(id).unwrap_or_default();
    }
    Ok(accounts)
}

async fn secrets_of(
    tx: &mut Tx<'_>,
    accounts: &[String],
) -> Result<HashMap<String, Vec<Secret>>, StoreError> {
    let sql = format!(
        "SELECT account_id, id, masked, created_at, expires_at, last_used_at \
         FROM service_account_secrets WHERE account_id IN {} ORDER BY created_at, id",
        in_list(0, accounts.len())
    );
    let values = accounts.iter().map(ToValue::to_value).collect();
    let rows: Vec<OwnedSecret> = tx.fetch_all(AssertSqlSafe(sql), values).await?;
    let mut found: HashMap<String, Vec<Secret>> = HashMap::new();
    for OwnedSecret(account_id, secret) in rows {
        found.entry(account_id).or_default().push(secret);
    }
    Ok(found)
}

/// One service account of the organization.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn get(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ServiceAccountId,
) -> Result<ServiceAccount, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM service_accounts a WHERE a.id = $1 AND a.org_id = $2");
    let ids = args![id, authorized.org_id()];
    let account = tx.fetch_one(AssertSqlSafe(sql), ids, "service account").await?;
    let mut accounts = complete(tx, authorized.org_id(), vec![account]).await?;
    accounts.pop().ok_or(StoreError::missing("service account"))
}

/// The service accounts of an organization, oldest first.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    page: Page,
) -> Result<Listed<ServiceAccount>, StoreError> {
    let tail = "FROM service_accounts a WHERE a.org_id = $1";
    let values = args![authorized.org_id()];
    let rows = tx.fetch_page(COLUMNS, tail, "a.created_at, a.id", values, page).await?;
    let items = complete(tx, authorized.org_id(), rows.items).await?;
    Ok(Listed { items, total: rows.total })
}

/// One service account of the project.
///
/// # Errors
/// [`StoreError::Missing`] when it has no role in it, and the database's.
pub async fn get_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: ServiceAccountId,
) -> Result<ServiceAccount, StoreError> {
    let sql = format!("SELECT {COLUMNS} {IN_PROJECT} AND a.id = $3");
    let ids = args![authorized.org_id(), authorized.project_id(), id];
    let account = tx.fetch_one(AssertSqlSafe(sql), ids, "service account").await?;
    let mut accounts = complete(tx, authorized.org_id(), vec![account]).await?;
    accounts.pop().ok_or(StoreError::missing("service account"))
}

/// The service accounts with a role in the project, oldest first.
///
/// # Errors
/// The database's.
pub async fn list_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    page: Page,
) -> Result<Listed<ServiceAccount>, StoreError> {
    let values = args![authorized.org_id(), authorized.project_id()];
    let rows = tx.fetch_page(COLUMNS, IN_PROJECT, "a.created_at, a.id", values, page).await?;
    let items = complete(tx, authorized.org_id(), rows.items).await?;
    Ok(Listed { items, total: rows.total })
}

/// Changes name and description.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn update(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ServiceAccountId,
    name: &str,
    description: &str,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE service_accounts SET name = $1, description = $2 WHERE id = $3 AND org_id = $4",
        args![name, description, id, authorized.org_id()],
        "service account",
    )
    .await
}

async fn require(tx: &mut Tx<'_>, org_id: OrgId, id: ServiceAccountId) -> Result<(), StoreError> {
    let sql = "SELECT COUNT(*) FROM service_accounts WHERE id = $1 AND org_id = $2";
    match tx.count(sql, args![id, org_id]).await? {
        0 => Err(StoreError::missing("service account")),
        _ => Ok(()),
    }
}

/// Replaces the roles in the organization.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn set_org_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ServiceAccountId,
    org_roles: &[OrgRole],
) -> Result<(), StoreError> {
    let org_id = authorized.org_id();
    require(tx, org_id, id).await?;
    roles::set_org_roles(tx, Kind::ServiceAccount, &id.to_string(), org_id, org_roles).await
}

/// Replaces the roles of a service account of the project's organization in the project.
///
/// # Errors
/// [`StoreError::Missing`] when the organization has no such account, and the database's.
pub async fn set_project_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: ServiceAccountId,
    project_roles: &[ProjectRole],
) -> Result<(), StoreError> {
    require(tx, authorized.org_id(), id).await?;
    let id = id.to_string();
    let kind = Kind::ServiceAccount;
    roles::set_project_roles(tx, kind, &id, authorized, project_roles).await.map(|_| ())
}

/// Takes a service account out of the project; it stays in the organization.
///
/// # Errors
/// [`StoreError::Missing`] when it had no role in it, and the database's.
pub async fn unassign(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: ServiceAccountId,
) -> Result<(), StoreError> {
    require(tx, authorized.org_id(), id).await?;
    let id = id.to_string();
    match roles::set_project_roles(tx, Kind::ServiceAccount, &id, authorized, &[]).await? {
        0 => Err(StoreError::missing("service account")),
        _ => Ok(()),
    }
}

/// Deletes a service account with its secrets and tokens.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn delete(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ServiceAccountId,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM service_accounts WHERE id = $1 AND org_id = $2";
    tx.execute_one(sql, args![id, authorized.org_id()], "service account").await?;
    roles::forget(tx, &id.to_string()).await
}

/// Adds a secret.
///
/// # Errors
/// [`StoreError::Missing`] when the organization has no such account, and the database's.
pub async fn insert_secret(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ServiceAccountId,
    secret: &NewSecret<'_>,
) -> Result<(), StoreError> {
    require(tx, authorized.org_id(), id).await?;
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO service_account_secrets (id, account_id, secret_hash, masked, created_at, \
         expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        args![secret.id, id, secret.hash, secret.masked, now_ms, secret.expires_at],
    )
    .await?;
    Ok(())
}

/// Deletes a secret with the tokens made with it.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn delete_secret(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ServiceAccountId,
    secret_id: SecretId,
) -> Result<(), StoreError> {
    require(tx, authorized.org_id(), id).await?;
    let sql = "DELETE FROM service_account_secrets WHERE id = $1 AND account_id = $2";
    tx.execute_one(sql, args![secret_id, id], "secret").await
}

/// What authentication needs of a service account.
#[derive(Debug, Clone)]
pub struct AccountLogin {
    /// Its organization.
    pub org_id: OrgId,
    /// Its secrets, ended ones included.
    pub secrets: Vec<SecretLogin>,
}

/// What authentication needs of a secret.
#[derive(Debug, Clone)]
pub struct SecretLogin {
    /// Id.
    pub id: SecretId,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// When it ends.
    pub expires_at: EpochMs,
}

impl FromRow for SecretLogin {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            hash: row.bytes("secret_hash")?,
            expires_at: row.int("expires_at")?,
        })
    }
}

struct Home(OrgId);

impl FromRow for Home {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.parse("org_id")?))
    }
}

/// Finds a service account by its client id.
///
/// # Errors
/// The database's.
pub async fn login(
    tx: &mut Tx<'_>,
    id: ServiceAccountId,
) -> Result<Option<AccountLogin>, StoreError> {
    let sql = "SELECT org_id FROM service_accounts WHERE id = $1";
    let Some(Home(org_id)) = tx.fetch_optional(sql, args![id]).await? else { return Ok(None) };
    let sql = "SELECT id, secret_hash, expires_at FROM service_account_secrets \
               WHERE account_id = $1 ORDER BY created_at, id";
    let secrets = tx.fetch_all(sql, args![id]).await?;
    Ok(Some(AccountLogin { org_id, secrets }))
}

/// Remembers when a secret was used.
///
/// # Errors
/// The database's.
pub async fn record_secret_use(tx: &mut Tx<'_>, id: SecretId) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    let sql = "UPDATE service_account_secrets SET last_used_at = $1 WHERE id = $2";
    tx.execute(sql, args![now_ms, id]).await.map(|_| ())
}

#[cfg(test)]
mod tests;
