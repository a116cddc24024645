//! Programmatic API keys of organizations and their assignment to projects.
//!
//! Table `api_keys`: the public key is unique on the instance; `ha1`, which is as good as the private
//! key (RFC 7616 needs it in the clear), is sealed; of the private key itself only the mask is kept.

use portolan_auth::{Authorized, OrgScope, ProjectScope};
use portolan_model::{ApiKeyId, EpochMs, OrgId, OrgRole, ProjectRole};
use portolan_security::{Place, SecretString};
use sqlx::AssertSqlSafe;

use crate::roles::{self, Assignment, Kind};
use crate::{FromRow, Listed, Page, Row, StoreError, Tx, args};

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// Its organization.
    pub org_id: OrgId,
    /// Eight lower-case letters.
    pub public_key: String,
    /// `********-****-****-` and the last twelve digits.
    pub private_key_masked: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it was last used.
    pub last_used_at: Option<EpochMs>,
    /// From where it was last used.
    pub last_used_address: Option<String>,
    /// Roles in the organization.
    pub org_roles: Vec<OrgRole>,
    /// Roles in its projects.
    pub assignments: Vec<Assignment>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey<'a> {
    /// Id.
    pub id: ApiKeyId,
    /// Eight lower-case letters.
    pub public_key: &'a str,
    /// `********-****-****-` and the last twelve digits.
    pub private_key_masked: &'a str,
    /// HA1 of HTTP Digest.
    pub ha1: &'a SecretString,
    /// What it is for.
    pub description: &'a str,
    /// Roles in the organization.
    pub org_roles: &'a [OrgRole],
}

impl FromRow for ApiKey {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            org_id: row.parse("org_id")?,
            public_key: row.text("public_key")?,
            private_key_masked: row.text("private_key_masked")?,
            description: row.text("description")?,
            created_at: row.int("created_at")?,
            last_used_at: row.opt_int("last_used_at")?,
            last_used_address: row.opt_text("last_used_address")?,
            org_roles: Vec::new(),
            assignments: Vec::new(),
        })
    }
}

const COLUMNS: &str = "k.id, k.org_id, k.public_key, k.private_key_masked, k.description, \
                       k.created_at, k.last_used_at, k.last_used_address";

fn ha1_place(id: &str) -> Place<'_> {
    Place { table: "api_keys", row: id, column: "ha1" }
}

/// Makes a key.
///
/// # Errors
/// [`StoreError::Conflict`] when the public key is taken, and the database's.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    key: &NewApiKey<'_>,
) -> Result<(), StoreError> {
    let id = key.id.to_string();
    let ha1 = tx.seal(&ha1_place(&id), key.ha1.expose().as_bytes());
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO api_keys (id, org_id, public_key, ha1, private_key_masked, description, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![
            id,
            authorized.org_id(),
            key.public_key,
            ha1,
            key.private_key_masked,
            key.description,
            now_ms,
        ],
    )
    .await?;
    roles::set_org_roles(tx, Kind::ApiKey, &id, authorized.org_id(), key.org_roles).await
}

async fn with_roles(
    tx: &mut Tx<'_>,
    org_id: OrgId,
    mut keys: Vec<ApiKey>,
) -> Result<Vec<ApiKey>, StoreError> {
    let ids: Vec<String> = keys.iter().map(|key| key.id.to_string()).collect();
    let mut org_roles = roles::in_org(tx, org_id, &ids).await?;
    let mut assignments = roles::assignments(tx, org_id, &ids).await?;
    for (key, id) in keys.iter_mut().zip(&ids) {
        key.org_roles = org_roles.remove(id).unwrap_or_default();
        key.assignments = assignments.remove(id).unwrap_or_default();
    }
    Ok(keys)
}

/// One key of the organization.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn get(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ApiKeyId,
) -> Result<ApiKey, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM api_keys k WHERE k.id = $1 AND k.org_id = $2");
    let ids = args![id, authorized.org_id()];
    let key = tx.fetch_one(AssertSqlSafe(sql), ids, "API key").await?;
    let mut keys = with_roles(tx, authorized.org_id(), vec![key]).await?;
    keys.pop().ok_or(StoreError::missing("API key"))
}

/// The keys of an organization, oldest first.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    page: Page,
) -> Result<Listed<ApiKey>, StoreError> {
    let tail = "FROM api_keys k WHERE k.org_id = $1";
    let values = args![authorized.org_id()];
    let keys = tx.fetch_page(COLUMNS, tail, "k.created_at, k.id", values, page).await?;
    let items = with_roles(tx, authorized.org_id(), keys.items).await?;
    Ok(Listed { items, total: keys.total })
}

/// How many keys an organization has.
///
/// # Errors
/// The database's.
pub async fn count(tx: &mut Tx<'_>, authorized: &Authorized<OrgScope>) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM api_keys WHERE org_id = $1";
    tx.count(sql, args![authorized.org_id()]).await
}

const IN_PROJECT: &str = "FROM api_keys k WHERE k.org_id = $1 AND k.id IN \
                          (SELECT principal_id FROM project_roles WHERE project_id = $2)";

/// One key of the project.
///
/// # Errors
/// [`StoreError::Missing`] when it has no role in it, and the database's.
pub async fn get_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: ApiKeyId,
) -> Result<ApiKey, StoreError> {
    let sql = format!("SELECT {COLUMNS} {IN_PROJECT} AND k.id = $3");
    let ids = args![authorized.org_id(), authorized.project_id(), id];
    let key = tx.fetch_one(AssertSqlSafe(sql), ids, "API key").await?;
    let mut keys = with_roles(tx, authorized.org_id(), vec![key]).await?;
    keys.pop().ok_or(StoreError::missing("API key"))
}

/// The keys with a role in the project, oldest first.
///
/// # Errors
/// The database's.
pub async fn list_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    page: Page,
) -> Result<Listed<ApiKey>, StoreError> {
    let values = args![authorized.org_id(), authorized.project_id()];
    let keys = tx.fetch_page(COLUMNS, IN_PROJECT, "k.created_at, k.id", values, page).await?;
    let items = with_roles(tx, authorized.org_id(), keys.items).await?;
    Ok(Listed { items, total: keys.total })
}

/// Changes the description.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn set_description(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ApiKeyId,
    description: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE api_keys SET description = $1 WHERE id = $2 AND org_id = $3";
    tx.execute_one(sql, args![description, id, authorized.org_id()], "API key").await
}

/// Replaces the roles in the organization.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn set_org_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ApiKeyId,
    org_roles: &[OrgRole],
) -> Result<(), StoreError> {
    let org_id = authorized.org_id();
    require(tx, org_id, id).await?;
    roles::set_org_roles(tx, Kind::ApiKey, &id.to_string(), org_id, org_roles).await
}

async fn require(tx: &mut Tx<'_>, org_id: OrgId, id: ApiKeyId) -> Result<(), StoreError> {
    let sql = "SELECT COUNT(*) FROM api_keys WHERE id = $1 AND org_id = $2";
    match tx.count(sql, args![id, org_id]).await? {
        0 => Err(StoreError::missing("API key")),
        _ => Ok(()),
    }
}

/// Replaces the roles of a key of the project's organization in the project.
///
/// # Errors
/// [`StoreError::Missing`] when the organization has no such key, and the database's.
pub async fn set_project_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: ApiKeyId,
    project_roles: &[ProjectRole],
) -> Result<(), StoreError> {
    require(tx, authorized.org_id(), id).await?;
    let id = id.to_string();
    roles::set_project_roles(tx, Kind::ApiKey, &id, authorized, project_roles).await.map(|_| ())
}

/// Takes a key out of the project; it stays in the organization.
///
/// # Errors
/// [`StoreError::Missing`] when it had no role in it, and the database's.
pub async fn unassign(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: ApiKeyId,
) -> Result<(), StoreError> {
    require(tx, authorized.org_id(), id).await?;
    let id = id.to_string();
    match roles::set_project_roles(tx, Kind::ApiKey, &id, authorized, &[]).await? {
        0 => Err(StoreError::missing("API key")),
        _ => Ok(()),
    }
}

/// Deletes a key: from the commit on it does not work.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn delete(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: ApiKeyId,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM api_keys WHERE id = $1 AND org_id = $2";
    tx.execute_one(sql, args![id, authorized.org_id()], "API key").await?;
    roles::forget(tx, &id.to_string()).await
}

/// What authentication needs of a key.
#[derive(Debug, Clone)]
pub struct ApiKeyLogin {
    /// Id.
    pub id: ApiKeyId,
    /// Its organization.
    pub org_id: OrgId,
    /// HA1 of HTTP Digest.
    pub ha1: SecretString,
}

struct LoginRow {
    id: ApiKeyId,
    org_id: OrgId,
    ha1: Vec<u8>,
}

impl FromRow for LoginRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.parse("id")?, org_id: row.parse("org_id")?, ha1: row.blob("ha1")? })
    }
}

/// Finds a key by its public half.
///
/// # Errors
/// [`StoreError::Secret`] when its secret does not open, and the database's.
pub async fn login(tx: &mut Tx<'_>, public_key: &str) -> Result<Option<ApiKeyLogin>, StoreError> {
    let sql = "SELECT id, org_id, ha1 FROM api_keys WHERE public_key = $1";
    let Some(row) = tx.fetch_optional::<LoginRow>(sql, args![public_key]).await? else {
        return Ok(None);
    };
    let ha1 = tx.open(&ha1_place(&row.id.to_string()), &row.ha1)?;
    let ha1 = ha1.to_text().ok_or_else(|| StoreError::corrupt("ha1", "not text"))?;
    Ok(Some(ApiKeyLogin { id: row.id, org_id: row.org_id, ha1 }))
}

/// How old the memory of a use may be before it is refreshed.
const USE_MEMORY_MS: i64 = 60_000;

/// Remembers when and from where a key was used, once a minute: a busy key must not cost a disk write
/// per request.
///
/// # Errors
/// The database's.
pub async fn record_use(tx: &mut Tx<'_>, id: ApiKeyId, address: &str) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "UPDATE api_keys SET last_used_at = $1, last_used_address = $2 WHERE id = $3 AND \
         (last_used_at IS NULL OR last_used_at < $4 OR last_used_address <> $2)",
        args![now_ms, address, id, now_ms - USE_MEMORY_MS],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
