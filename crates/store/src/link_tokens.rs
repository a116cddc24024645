//! Link tokens of organizations, and the migrations that use their links. Owns tables `link_tokens`
//! and `live_migrations`.
//!
//! An organization has at most one link. The token itself is not stored: it is made of the API key,
//! whose secret is shown once.

use std::net::IpAddr;

use portolan_auth::{Authorized, OrgScope, ProjectScope};
use portolan_model::{ApiKeyId, MigrationId, OrgId, ProjectId};

use crate::clusters::json_text;
use crate::{FromRow, Row, StoreError, Tx, args};

/// The link of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgLink {
    /// The organization.
    pub org_id: OrgId,
    /// The key that the token carries; it lives and dies with the link.
    pub api_key_id: ApiKeyId,
    /// Addresses that may use the link.
    pub access_list_ips: Vec<IpAddr>,
    /// When it was made.
    pub created_at: i64,
}

impl FromRow for OrgLink {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            org_id: row.parse("org_id")?,
            api_key_id: row.parse("api_key_id")?,
            access_list_ips: row.json("access_list_ips")?,
            created_at: row.int("created_at")?,
        })
    }
}

/// The organization's link.
///
/// # Errors
/// The database's.
pub async fn fetch(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<Option<OrgLink>, StoreError> {
    let sql = "SELECT org_id, api_key_id, access_list_ips, created_at FROM link_tokens \
               WHERE org_id = $1";
    tx.fetch_optional(sql, args![authorized.org_id()]).await
}

/// Sets the organization's link. Replaces the one before; its key is the caller's to remove.
///
/// # Errors
/// The database's.
pub async fn replace(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    link: &OrgLink,
) -> Result<(), StoreError> {
    remove(tx, authorized).await?;
    tx.execute(
        "INSERT INTO link_tokens (org_id, api_key_id, access_list_ips, created_at) \
         VALUES ($1, $2, $3, $4)",
        args![
            authorized.org_id(),
            link.api_key_id,
            json_text(&link.access_list_ips),
            link.created_at,
        ],
    )
    .await?;
    Ok(())
}

/// Removes the organization's link; false when it has none.
///
/// # Errors
/// The database's.
pub async fn remove(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM link_tokens WHERE org_id = $1";
    Ok(tx.execute(sql, args![authorized.org_id()]).await? > 0)
}

/// A live migration, as far as its organization's link is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationRow {
    /// Its id.
    pub id: MigrationId,
    /// The project that it migrates into.
    pub project_id: ProjectId,
    /// `NEW`, `WORKING`, `FAILED`, `COMPLETE` or `EXPIRED`.
    pub status: String,
}

impl FromRow for MigrationRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            project_id: row.parse("project_id")?,
            status: row.text("status")?,
        })
    }
}

/// A live migration as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationDetails {
    /// Id, project, status.
    pub row: MigrationRow,
    /// Where it runs.
    pub migration_hosts: Vec<String>,
    /// Whether cutover may be asked for.
    pub ready_for_cutover: bool,
    /// Seconds that it is behind, while it runs.
    pub lag_time_s: Option<i64>,
}

impl FromRow for MigrationDetails {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            row: MigrationRow::from_row(row)?,
            migration_hosts: row.json("migration_hosts")?,
            ready_for_cutover: row.flag("ready_for_cutover")?,
            lag_time_s: row.opt_int("lag_time_s")?,
        })
    }
}

/// A migration into the project.
///
/// # Errors
/// The database's.
pub async fn migration(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: MigrationId,
) -> Result<Option<MigrationDetails>, StoreError> {
    let sql = "SELECT id, project_id, status, migration_hosts, ready_for_cutover, lag_time_s \
               FROM live_migrations WHERE id = $1 AND project_id = $2";
    tx.fetch_optional(sql, args![id, authorized.project_id()]).await
}

/// Records how far a migration is.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such migration, and the database's.
pub async fn update_migration(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    details: &MigrationDetails,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE live_migrations SET status = $3, migration_hosts = $4, ready_for_cutover = $5, \
         lag_time_s = $6 WHERE id = $1 AND project_id = $2",
        args![
            details.row.id,
            authorized.project_id(),
            details.row.status,
            json_text(&details.migration_hosts),
            details.ready_for_cutover,
            details.lag_time_s,
        ],
        "live migration",
    )
    .await
}

/// Records that cutover was asked for.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such migration, and the database's.
pub async fn request_cutover(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: MigrationId,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute_one(
        "UPDATE live_migrations SET cutover_requested_at = $3 WHERE id = $1 AND project_id = $2",
        args![id, authorized.project_id(), now_ms],
        "live migration",
    )
    .await
}

/// Records a migration on the organization's link.
///
/// # Errors
/// The database's.
pub async fn insert_migration(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    migration: &MigrationRow,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO live_migrations (id, org_id, project_id, status, created_at) \
         VALUES ($1, $2, $3, $4, $5)",
        args![migration.id, authorized.org_id(), migration.project_id, migration.status, now_ms],
    )
    .await?;
    Ok(())
}

/// The migrations that still need the organization's link: new or working.
///
/// # Errors
/// The database's.
pub async fn running_migrations(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<Vec<MigrationRow>, StoreError> {
    let sql = "SELECT id, project_id, status FROM live_migrations \
               WHERE org_id = $1 AND status IN ('NEW', 'WORKING') ORDER BY created_at, id";
    tx.fetch_all(sql, args![authorized.org_id()]).await
}

#[cfg(test)]
mod tests;
