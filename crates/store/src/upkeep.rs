//! Upkeep: when the data of each archive is looked after next. Table `archive_upkeep`.

use portolan_auth::{Authorized, Instance};
use portolan_model::{ArchiveId, EpochMs};

use crate::{FromRow, Row, StoreError, Tx, args};

/// The upkeep of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upkeep {
    /// Its archive.
    pub archive_id: ArchiveId,
    /// When to look next.
    pub due_at: EpochMs,
    /// Failures in a row.
    pub failures: i64,
    /// The last failure, until it succeeds.
    pub last_error: Option<String>,
}

impl FromRow for Upkeep {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            archive_id: row.parse("archive_id")?,
            due_at: row.int("due_at")?,
            failures: row.int("failures")?,
            last_error: row.opt_text("last_error")?,
        })
    }
}

/// The upkeep of a new archive: due at once, for there is little to look at.
///
/// # Errors
/// The database's.
pub(crate) async fn add(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<(), StoreError> {
    save(tx, &Upkeep { archive_id, due_at: 0, failures: 0, last_error: None }).await
}

/// Those whose time has come by `now_ms`, the longest due first. The data of deleted archives is purged
/// instead, and suspended ones wait for the operator.
///
/// # Errors
/// The database's.
pub async fn due(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    now_ms: EpochMs,
) -> Result<Vec<Upkeep>, StoreError> {
    let sql = "SELECT u.archive_id, u.due_at, u.failures, u.last_error FROM archive_upkeep u \
               JOIN online_archives a ON a.id = u.archive_id \
               WHERE u.due_at <= $1 AND a.state NOT IN ('DELETED', 'SUSPENDED') \
               ORDER BY u.due_at, u.archive_id";
    tx.fetch_all(sql, args![now_ms]).await
}

/// The upkeep of one archive.
///
/// # Errors
/// The database's.
pub async fn get(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<Option<Upkeep>, StoreError> {
    let sql = "SELECT archive_id, due_at, failures, last_error FROM archive_upkeep \
               WHERE archive_id = $1";
    tx.fetch_optional(sql, args![archive_id]).await
}

/// Writes one, new or known.
///
/// # Errors
/// The database's.
pub async fn save(tx: &mut Tx<'_>, upkeep: &Upkeep) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO archive_upkeep (archive_id, due_at, failures, last_error, updated_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (archive_id) DO UPDATE SET \
         due_at = excluded.due_at, failures = excluded.failures, \
         last_error = excluded.last_error, updated_at = excluded.updated_at",
        args![upkeep.archive_id, upkeep.due_at, upkeep.failures, upkeep.last_error, now_ms],
    )
    .await?;
    Ok(())
}

/// Forgets the upkeep of an archive whose data is gone.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM archive_upkeep WHERE archive_id = $1", args![archive_id]).await?;
    Ok(())
}
