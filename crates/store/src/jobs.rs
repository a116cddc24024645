//! Jobs: when each archive is looked at next, and how the last look went. Table `archive_jobs`.

use portolan_auth::{Authorized, Instance};
use portolan_model::{ArchiveId, ArchiveState, EpochMs, GuardLevel};

use crate::{FromRow, Row, StoreError, Tx, archives, args};

/// The job of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveJob {
    /// Its archive.
    pub archive_id: ArchiveId,
    /// When to look next.
    pub due_at: EpochMs,
    /// Distance to the look after that.
    pub interval_ms: i64,
    /// Failures in a row.
    pub failures: i64,
    /// The last failure, until a look succeeds.
    pub last_error: Option<String>,
    /// The cluster's level when it was last probed.
    pub level: Option<GuardLevel>,
    /// When its table was removed.
    pub purged_at: Option<EpochMs>,
    /// An operator asked for a run, whatever the schedule says and however little there is.
    pub run_requested: bool,
    /// The index that the last look missed, as a line to paste into mongosh.
    pub create_index: Option<String>,
    /// Windows of its schedule, in a row, that closed before all that was cold was moved.
    pub full_windows: i64,
}

impl FromRow for ArchiveJob {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            archive_id: row.parse("archive_id")?,
            due_at: row.int("due_at")?,
            interval_ms: row.int("interval_ms")?,
            failures: row.int("failures")?,
            last_error: row.opt_text("last_error")?,
            level: row.opt_parse("level")?,
            purged_at: row.opt_int("purged_at")?,
            run_requested: row.int("run_requested")? != 0,
            create_index: row.opt_text("create_index")?,
            full_windows: row.int("full_windows")?,
        })
    }
}

const COLUMNS: &str = "archive_id, due_at, interval_ms, failures, last_error, level, purged_at, \
     run_requested, create_index, full_windows";

/// The job of a new archive: due at once, its distance not set yet.
///
/// # Errors
/// The database's.
pub(crate) async fn add(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO archive_jobs (archive_id, due_at, interval_ms, failures, updated_at) \
         VALUES ($1, 0, 0, 0, $2)",
        args![archive_id, now_ms],
    )
    .await?;
    Ok(())
}

struct Id(ArchiveId);

impl FromRow for Id {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.parse("archive_id")?))
    }
}

/// The archives whose time has come by `now_ms` and that want a worker, the longest due first: those that
/// may run, those with an unfinished move, and those that were deleted by `purge_before_ms`.
///
/// # Errors
/// The database's.
pub async fn due(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    now_ms: EpochMs,
    purge_before_ms: EpochMs,
) -> Result<Vec<ArchiveId>, StoreError> {
    let sql = "SELECT j.archive_id FROM archive_jobs j JOIN online_archives a ON a.id = j.archive_id \
               WHERE j.due_at <= $1 AND (a.state IN ('PENDING', 'ARCHIVING', 'IDLE', 'PAUSING') \
               OR a.deleted_at <= $2 OR (a.state <> 'SUSPENDED' AND EXISTS (SELECT 1 FROM moves m \
               WHERE m.archive_id = a.id AND m.state NOT IN ('CONFIRMED', 'ABANDONED')))) \
               ORDER BY j.due_at, j.archive_id";
    let found: Vec<Id> = tx.fetch_all(sql, args![now_ms, purge_before_ms]).await?;
    Ok(found.into_iter().map(|Id(id)| id).collect())
}

/// The job of one archive.
///
/// # Errors
/// The database's.
pub async fn get(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<Option<ArchiveJob>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM archive_jobs WHERE archive_id = $1");
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![archive_id]).await
}

/// Writes a job, new or known.
///
/// # Errors
/// The database's.
pub async fn save(tx: &mut Tx<'_>, job: &ArchiveJob) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO archive_jobs (archive_id, due_at, interval_ms, failures, last_error, level, \
         purged_at, run_requested, create_index, updated_at, full_windows) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (archive_id) DO UPDATE SET due_at = excluded.due_at, \
         interval_ms = excluded.interval_ms, failures = excluded.failures, \
         last_error = excluded.last_error, level = excluded.level, \
         purged_at = excluded.purged_at, run_requested = excluded.run_requested, \
         create_index = excluded.create_index, full_windows = excluded.full_windows, \
         updated_at = excluded.updated_at",
        args![
            job.archive_id,
            job.due_at,
            job.interval_ms,
            job.failures,
            job.last_error,
            job.level.map(GuardLevel::as_str),
            job.purged_at,
            i64::from(job.run_requested),
            job.create_index,
            now_ms,
            job.full_windows
        ],
    )
    .await?;
    Ok(())
}

/// Makes an archive due at once: it was resumed, or its criteria changed. Each call changes the
/// time, so that a worker that is busy with the archive notices when it sets the next one.
///
/// # Errors
/// The database's.
pub async fn wake(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE archive_jobs SET due_at = CASE WHEN due_at > 0 THEN 0 ELSE due_at - 1 END \
         WHERE archive_id = $1",
        args![archive_id],
    )
    .await?;
    Ok(())
}

/// How all archives stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// By state; without those in which there is none.
    pub states: Vec<StateFigures>,
    /// Operations that are queued or under way.
    pub operations: i64,
}

/// The archives in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFigures {
    /// The state.
    pub state: ArchiveState,
    /// How many.
    pub archives: i64,
    /// Those whose last look failed.
    pub failing: i64,
    /// Those whose last look missed an index.
    pub without_index: i64,
    /// Those for which three windows in a row were too short.
    pub full_windows: i64,
    /// Those with a move that is not finished.
    pub unfinished: i64,
    /// The earliest time of a next look that nobody set by waking.
    pub due_at_min: Option<EpochMs>,
}

/// Counts how all archives stand.
///
/// # Errors
/// The database's.
pub async fn standing(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
) -> Result<Standing, StoreError> {
    let sql = "SELECT a.state, a.suspend_reason, COUNT(*) AS archives, \
               SUM(CASE WHEN j.failures > 0 THEN 1 ELSE 0 END) AS failing, \
               SUM(CASE WHEN j.create_index IS NOT NULL THEN 1 ELSE 0 END) AS without_index, \
               SUM(CASE WHEN j.full_windows >= 3 THEN 1 ELSE 0 END) AS full_windows, \
               SUM(CASE WHEN EXISTS (SELECT 1 FROM moves m WHERE m.archive_id = a.id AND \
               m.state NOT IN ('CONFIRMED', 'ABANDONED')) THEN 1 ELSE 0 END) AS unfinished, \
               MIN(CASE WHEN j.due_at > 0 THEN j.due_at END) AS due_at_min \
               FROM online_archives a JOIN archive_jobs j ON j.archive_id = a.id \
               GROUP BY a.state, a.suspend_reason";
    let states = tx.fetch_all(sql, args![]).await?;
    let sql = "SELECT COUNT(*) FROM archive_operations WHERE state IN ('QUEUED', 'RUNNING')";
    Ok(Standing { states, operations: tx.count(sql, args![]).await? })
}

impl FromRow for StateFigures {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            state: archives::codec::state(row)?,
            archives: row.int("archives")?,
            failing: row.int("failing")?,
            without_index: row.int("without_index")?,
            full_windows: row.int("full_windows")?,
            unfinished: row.int("unfinished")?,
            due_at_min: row.opt_int("due_at_min")?,
        })
    }
}

#[cfg(test)]
mod tests;

/// Makes an archive due at once, for a run that an operator asked for.
///
/// # Errors
/// The database's.
pub async fn request_run(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<(), StoreError> {
    wake(tx, archive_id).await?;
    let sql = "UPDATE archive_jobs SET run_requested = 1 WHERE archive_id = $1";
    tx.execute_one(sql, args![archive_id], "job of the archive").await
}
