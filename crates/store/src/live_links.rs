//! Links between organizations of two instances. Owns tables `live_sources` (this instance is the
//! destination) and `live_exports` (this instance is the source).

use portolan_auth::{Authorized, Instance, OrgScope};
use portolan_model::{EpochMs, OrgId};
use portolan_security::{Place, SecretString};

use crate::{FromRow, Row, StoreError, Tx, args};

/// An organization elsewhere that registered itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSource {
    /// Its id there.
    pub source_org_id: OrgId,
    /// Its name there.
    pub source_org_name: String,
    /// What it offers: the JSON that it sent, checked.
    pub projects: serde_json::Value,
    /// When it sent it.
    pub synced_at: EpochMs,
}

impl FromRow for LiveSource {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            source_org_id: row.parse("source_org_id")?,
            source_org_name: row.text("source_org_name")?,
            projects: row.json("projects")?,
            synced_at: row.int("synced_at")?,
        })
    }
}

/// Records what a source offers, in place of what it offered before; whether it is new.
///
/// # Errors
/// [`StoreError::Conflict`] when the organization has no link, and the database's.
pub async fn put_source(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    source: &LiveSource,
) -> Result<bool, StoreError> {
    let is_new = !remove_source(tx, authorized, source.source_org_id).await?;
    tx.execute(
        "INSERT INTO live_sources (org_id, source_org_id, source_org_name, projects, synced_at) \
         VALUES ($1, $2, $3, $4, $5)",
        args![
            authorized.org_id(),
            source.source_org_id,
            source.source_org_name,
            source.projects.to_string(),
            source.synced_at,
        ],
    )
    .await?;
    Ok(is_new)
}

/// Forgets a source; false when there was none.
///
/// # Errors
/// The database's.
pub async fn remove_source(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    source_org_id: OrgId,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM live_sources WHERE org_id = $1 AND source_org_id = $2";
    Ok(tx.execute(sql, args![authorized.org_id(), source_org_id]).await? > 0)
}

/// The sources of an organization, by id.
///
/// # Errors
/// The database's.
pub async fn sources(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<Vec<LiveSource>, StoreError> {
    let sql = "SELECT source_org_id, source_org_name, projects, synced_at FROM live_sources \
               WHERE org_id = $1 ORDER BY source_org_id";
    tx.fetch_all(sql, args![authorized.org_id()]).await
}

/// The link of an organization of ours to one elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveExport {
    /// Ours.
    pub org_id: OrgId,
    /// The link token.
    pub token: SecretString,
    /// When the other side was last told what there is.
    pub synced_at: EpochMs,
}

struct Sealed {
    org_id: OrgId,
    token: Vec<u8>,
    synced_at: EpochMs,
}

impl FromRow for Sealed {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            org_id: row.parse("org_id")?,
            token: row.blob("token_sealed")?,
            synced_at: row.int("synced_at")?,
        })
    }
}

fn place(org_id: &str) -> Place<'_> {
    Place { table: "live_exports", row: org_id, column: "token_sealed" }
}

fn open(tx: &Tx<'_>, sealed: Sealed) -> Result<LiveExport, StoreError> {
    let opened = tx.open(&place(&sealed.org_id.to_string()), &sealed.token)?;
    let text = String::from_utf8(opened.expose().to_vec());
    let text = text.map_err(|error| StoreError::corrupt("token_sealed", error))?;
    let token = SecretString::new(text);
    Ok(LiveExport { org_id: sealed.org_id, token, synced_at: sealed.synced_at })
}

/// Sets the link of an organization, in place of the one before.
///
/// # Errors
/// The database's.
pub async fn put_export(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    token: &SecretString,
) -> Result<(), StoreError> {
    remove_export(tx, authorized).await?;
    let (org_id, now_ms) = (authorized.org_id(), tx.now_ms());
    let sealed = tx.seal(&place(&org_id.to_string()), token.expose().as_bytes());
    tx.execute(
        "INSERT INTO live_exports (org_id, token_sealed, created_at, synced_at) \
         VALUES ($1, $2, $3, $3)",
        args![org_id, sealed, now_ms],
    )
    .await?;
    Ok(())
}

/// The link of an organization.
///
/// # Errors
/// The database's.
pub async fn export(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<Option<LiveExport>, StoreError> {
    let sql = "SELECT org_id, token_sealed, synced_at FROM live_exports WHERE org_id = $1";
    let sealed: Option<Sealed> = tx.fetch_optional(sql, args![authorized.org_id()]).await?;
    sealed.map(|sealed| open(tx, sealed)).transpose()
}

/// Every link, for the worker that keeps them in step.
///
/// # Errors
/// The database's.
pub async fn exports(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
) -> Result<Vec<LiveExport>, StoreError> {
    let sql = "SELECT org_id, token_sealed, synced_at FROM live_exports ORDER BY org_id";
    let sealed: Vec<Sealed> = tx.fetch_all(sql, args![]).await?;
    sealed.into_iter().map(|sealed| open(tx, sealed)).collect()
}

/// Records that the other side was told.
///
/// # Errors
/// The database's.
pub async fn note_synced(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    let sql = "UPDATE live_exports SET synced_at = $2 WHERE org_id = $1";
    tx.execute(sql, args![authorized.org_id(), now_ms]).await?;
    Ok(())
}

/// Removes the link of an organization; false when it had none.
///
/// # Errors
/// The database's.
pub async fn remove_export(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM live_exports WHERE org_id = $1";
    Ok(tx.execute(sql, args![authorized.org_id()]).await? > 0)
}

#[cfg(test)]
mod tests;
