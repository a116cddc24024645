//! Work on archives beside their runs: expiry, clean-up, and what operators ask for. Table
//! `archive_operations`. It is the work queue and the record of what was done; what is true of the
//! data stands in the archive's table.

use portolan_auth::{Authorized, Instance};
use portolan_model::{ArchiveId, EpochMs, JobId};

use crate::{FromRow, Listed, Page, Row, StoreError, Tx, args};

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its id.
    pub id: JobId,
    /// Its archive.
    pub archive_id: ArchiveId,
    /// What kind.
    pub kind: OperationKind,
    /// How far it is.
    pub state: OperationState,
    /// What was asked for (JSON object).
    pub request: String,
    /// How far it is, and what it found (JSON object).
    pub progress: String,
    /// Why it failed, or last failed.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: EpochMs,
    /// When it was written last.
    pub updated_at: EpochMs,
    /// When it ended.
    pub ended_at: Option<EpochMs>,
    /// Which taking of it this is: each one counts one more, and only the newest may write it.
    pub claim: i64,
    /// Attempts in a row that failed for a reason that may pass.
    pub failures: i64,
    /// When the next attempt may begin.
    pub not_before: EpochMs,
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(format!("{text:?} is not known")),
                }
            }
        }
    };
}

names! {
    /// Kind of an operation.
    OperationKind {
        /// Expired documents leave the archive.
        Expiry = "EXPIRY",
        /// Small files become few.
        Compaction = "COMPACTION",
        /// Objects that nothing needs are removed.
        CleanUp = "CLEAN_UP",
        /// Everything is read back and compared.
        Verify = "VERIFY",
        /// What a run would move is counted, and nothing is moved.
        Estimate = "ESTIMATE",
        /// Documents return to a cluster.
        Restore = "RESTORE",
        /// One document leaves the archives of a collection for good.
        Redact = "REDACT",
    }
}

names! {
    /// How far an operation is.
    OperationState {
        /// Nobody began yet.
        Queued = "QUEUED",
        /// Under way, or interrupted and to be gone on with.
        Running = "RUNNING",
        /// Done.
        Done = "DONE",
        /// Given up; see its error.
        Failed = "FAILED",
    }
}

impl OperationState {
    /// Whether nothing more happens.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

impl Operation {
    /// One that nobody began yet.
    #[must_use]
    pub fn new(
        id: JobId,
        archive_id: ArchiveId,
        kind: OperationKind,
        request: String,
        now_ms: EpochMs,
    ) -> Self {
        Self {
            id,
            archive_id,
            kind,
            state: OperationState::Queued,
            request,
            progress: "{}".to_owned(),
            error: None,
            created_at: now_ms,
            updated_at: now_ms,
            ended_at: None,
            claim: 0,
            failures: 0,
            not_before: 0,
        }
    }
}

pub(crate) const COLUMNS: &str = "id, archive_id, kind, state, request, progress, error, created_at, \
     updated_at, ended_at, claim, failures, not_before";

impl FromRow for Operation {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            archive_id: row.parse("archive_id")?,
            kind: row.parse("kind")?,
            state: row.parse("state")?,
            request: row.text("request")?,
            progress: row.text("progress")?,
            error: row.opt_text("error")?,
            created_at: row.int("created_at")?,
            updated_at: row.int("updated_at")?,
            ended_at: row.opt_int("ended_at")?,
            claim: row.int("claim")?,
            failures: row.int("failures")?,
            not_before: row.int("not_before")?,
        })
    }
}

/// Writes an operation as it now is, new or known.
///
/// # Errors
/// The database's.
pub async fn save(tx: &mut Tx<'_>, operation: &Operation) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO archive_operations (id, archive_id, kind, state, request, progress, error, \
         created_at, updated_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, request = excluded.request, \
         progress = excluded.progress, error = excluded.error, \
         updated_at = excluded.updated_at, ended_at = excluded.ended_at",
        args![
            operation.id,
            operation.archive_id,
            operation.kind.as_str(),
            operation.state.as_str(),
            operation.request,
            operation.progress,
            operation.error,
            operation.created_at,
            now_ms,
            operation.ended_at,
        ],
    )
    .await?;
    Ok(())
}

/// An operation of an archive.
///
/// # Errors
/// The database's.
pub async fn get(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    id: JobId,
) -> Result<Option<Operation>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM archive_operations WHERE archive_id = $1 AND id = $2");
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![archive_id, id]).await
}

/// The operations of an archive, newest first.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    page: Page,
) -> Result<Listed<Operation>, StoreError> {
    let tail = "FROM archive_operations WHERE archive_id = $1";
    tx.fetch_page(COLUMNS, tail, "created_at DESC, id DESC", args![archive_id], page).await
}

/// The operations of an archive that are queued or under way, oldest first.
///
/// # Errors
/// The database's.
pub async fn unfinished(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
) -> Result<Vec<Operation>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM archive_operations WHERE archive_id = $1 \
         AND state IN ('QUEUED', 'RUNNING') ORDER BY created_at, id"
    );
    tx.fetch_all(sqlx::AssertSqlSafe(sql), args![archive_id]).await
}

/// Operations that somebody asked for and nobody works on: those whose time has come, and those whose last
/// writer was silent since `silent_since_ms`. One that could not begin was written just now and comes
/// last, so that it holds up no other.
///
/// # Errors
/// The database's.
pub async fn waiting(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    silent_since_ms: EpochMs,
) -> Result<Vec<Operation>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM archive_operations WHERE state IN ('QUEUED', 'RUNNING') \
         AND kind NOT IN ('EXPIRY', 'COMPACTION', 'CLEAN_UP') \
         AND ((state = 'QUEUED' AND not_before <= $2) OR (state = 'RUNNING' AND updated_at <= $1)) \
         ORDER BY updated_at, created_at, id LIMIT 100"
    );
    let now_ms = tx.now_ms();
    tx.fetch_all(sqlx::AssertSqlSafe(sql), args![silent_since_ms, now_ms]).await
}

/// Takes an operation that nobody began, or whose last writer was silent since `silent_since_ms`, and
/// gives it as it now is. `None`: of several workers another one took it.
///
/// # Errors
/// The database's.
pub async fn claim(
    tx: &mut Tx<'_>,
    id: JobId,
    silent_since_ms: EpochMs,
) -> Result<Option<Operation>, StoreError> {
    let now_ms = tx.now_ms();
    let changed = tx
        .execute(
            "UPDATE archive_operations SET state = 'RUNNING', claim = claim + 1, updated_at = $2 \
             WHERE id = $1 AND ((state = 'QUEUED' AND not_before <= $2) \
             OR (state = 'RUNNING' AND updated_at <= $3))",
            args![id, now_ms, silent_since_ms],
        )
        .await?;
    if changed != 1 {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM archive_operations WHERE id = $1");
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![id]).await
}

/// Writes how far an operation is, for the worker that took it. Whether it still has it: another worker
/// may have taken it since, and nothing is written then.
///
/// # Errors
/// The database's.
pub async fn save_claimed(tx: &mut Tx<'_>, operation: &Operation) -> Result<bool, StoreError> {
    let now_ms = tx.now_ms();
    let changed = tx
        .execute(
            "UPDATE archive_operations SET state = $3, request = $4, progress = $5, error = $6, \
             ended_at = $7, failures = $8, not_before = $9, updated_at = $10 \
             WHERE id = $1 AND claim = $2 AND state = 'RUNNING'",
            args![
                operation.id,
                operation.claim,
                operation.state.as_str(),
                operation.request,
                operation.progress,
                operation.error,
                operation.ended_at,
                operation.failures,
                operation.not_before,
                now_ms,
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// Ends the operations of a kind that were cut off: the next one starts from what is true.
///
/// # Errors
/// The database's.
pub async fn end_interrupted(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    kind: OperationKind,
) -> Result<u64, StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "UPDATE archive_operations SET state = 'FAILED', error = 'interrupted', ended_at = $3, \
         updated_at = $3 WHERE archive_id = $1 AND kind = $2 AND state IN ('QUEUED', 'RUNNING')",
        args![archive_id, kind.as_str(), now_ms],
    )
    .await
}

/// Forgets the operations of an archive whose data is gone.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM archive_operations WHERE archive_id = $1", args![archive_id]).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
