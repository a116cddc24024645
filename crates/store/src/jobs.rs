//! Jobs: when each archive is looked at next, and how the last look went. Table `archive_jobs`.

use portolan_auth::{Authorized, Instance};
use portolan_model::{ArchiveId, ArchiveState, EpochMs, GuardLevel};

use crate::{FromRow, Row, StoreError, Tx, archives, args};

/// What is cold and was left in the cluster. A look counts no further than it has to: of much that is cold
/// this is the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cold {
    /// Documents.
    pub documents: i64,
    /// Their bytes as BSON.
    pub bytes: i64,
}

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
    /// What was cold and stayed when the last look or run ended; `None`: it is not known.
    pub cold: Option<Cold>,
    /// Why no run begins now, when the last look found that the cluster may not be burdened.
    pub waiting_for: Option<String>,
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
            cold: match (row.opt_int("cold_documents")?, row.opt_int("cold_bytes")?) {
                (Some(documents), Some(bytes)) => Some(Cold { documents, bytes }),
                _ => None,
            },
            waiting_for: row.opt_text("waiting_for")?,
        })
    }
}

const COLUMNS: &str = "archive_id, due_at, interval_ms, failures, last_error, level, purged_at, \
     run_requested, create_index, full_windows, cold_documents, cold_bytes, waiting_for";

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
/// may run, paused ones, whose collection is looked after, those with an unfinished move, and those that were deleted by `purge_before_ms`.
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
               WHERE j.due_at <= $1 AND (a.state IN ('PENDING', 'ARCHIVING', 'IDLE', 'PAUSING', 'PAUSED') \
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
         purged_at, run_requested, create_index, updated_at, full_windows, cold_documents, \
         cold_bytes, waiting_for) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (archive_id) DO UPDATE SET due_at = excluded.due_at, \
         interval_ms = excluded.interval_ms, failures = excluded.failures, \
         last_error = excluded.last_error, level = excluded.level, \
         purged_at = excluded.purged_at, run_requested = excluded.run_requested, \
         create_index = excluded.create_index, full_windows = excluded.full_windows, \
         cold_documents = excluded.cold_documents, cold_bytes = excluded.cold_bytes, \
         waiting_for = excluded.waiting_for, \
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
            job.full_windows,
            job.cold.map(|cold| cold.documents),
            job.cold.map(|cold| cold.bytes),
            job.waiting_for
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
    /// Documents of moves that are not finished.
    pub in_moves: i64,
    /// Archives whose last upkeep failed.
    pub failing_upkeep: i64,
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
    /// Those whose look is due and that no run works on.
    pub due: i64,
    /// Of these, the earliest time that nobody set by waking.
    pub due_at_min: Option<EpochMs>,
    /// What they left cold in their clusters, as far as it is known.
    pub cold: Cold,
}

/// A run that was written last so long ago works no more: waiting for a cluster ends sooner.
const RUN_SILENT_MS: i64 = 15 * 60_000;

/// Counts how all archives stand.
///
/// # Errors
/// The database's.
pub async fn standing(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
) -> Result<Standing, StoreError> {
    let now_ms = tx.now_ms();
    let values = args![now_ms, now_ms.saturating_sub(RUN_SILENT_MS)];
    let states = tx.fetch_all(STATES, values).await?;
    let sql = "SELECT COUNT(*) FROM archive_operations WHERE state IN ('QUEUED', 'RUNNING')";
    let operations = tx.count(sql, args![]).await?;
    let sql = "SELECT CAST(COALESCE(SUM(documents), 0) AS BIGINT) FROM moves \
               WHERE state IN ('PLANNED', 'STAGED', 'UPLOADED', 'VERIFIED', 'COMMITTED', \
               'PUBLISHED', 'DELETING', 'CLOSING')";
    let in_moves = tx.count(sql, args![]).await?;
    let sql = "SELECT COUNT(*) FROM archive_upkeep u JOIN online_archives a ON a.id = u.archive_id \
               WHERE u.failures > 0 AND a.state <> 'DELETED'";
    let failing_upkeep = tx.count(sql, args![]).await?;
    Ok(Standing { states, operations, in_moves, failing_upkeep })
}

/// `$1`: now; `$2`: a run that was not written since is over.
const STATES: &str = "SELECT state, suspend_reason, COUNT(*) AS archives, \
    SUM(CASE WHEN failures > 0 THEN 1 ELSE 0 END) AS failing, \
    SUM(CASE WHEN create_index IS NOT NULL THEN 1 ELSE 0 END) AS without_index, \
    SUM(CASE WHEN full_windows >= 3 THEN 1 ELSE 0 END) AS full_windows, \
    SUM(unfinished) AS unfinished, SUM(due) AS due, \
    MIN(CASE WHEN due = 1 AND due_at > 0 THEN due_at END) AS due_at_min, \
    CAST(SUM(COALESCE(cold_documents, 0)) AS BIGINT) AS cold_documents, \
    CAST(SUM(COALESCE(cold_bytes, 0)) AS BIGINT) AS cold_bytes \
    FROM (SELECT a.state, a.suspend_reason, j.failures, j.create_index, j.full_windows, j.due_at, \
    j.cold_documents, j.cold_bytes, \
    CASE WHEN EXISTS (SELECT 1 FROM moves m WHERE m.archive_id = a.id \
    AND m.state NOT IN ('CONFIRMED', 'ABANDONED')) THEN 1 ELSE 0 END AS unfinished, \
    CASE WHEN j.due_at <= $1 AND NOT EXISTS (SELECT 1 FROM archive_runs r \
    WHERE r.archive_id = a.id AND r.ended_at IS NULL AND r.updated_at > $2) \
    THEN 1 ELSE 0 END AS due \
    FROM online_archives a JOIN archive_jobs j ON j.archive_id = a.id) AS standing \
    GROUP BY state, suspend_reason";

impl FromRow for StateFigures {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            state: archives::codec::state(row)?,
            archives: row.int("archives")?,
            failing: row.int("failing")?,
            without_index: row.int("without_index")?,
            full_windows: row.int("full_windows")?,
            unfinished: row.int("unfinished")?,
            due: row.int("due")?,
            due_at_min: row.opt_int("due_at_min")?,
            cold: Cold { documents: row.int("cold_documents")?, bytes: row.int("cold_bytes")? },
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
