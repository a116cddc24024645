//! Archive runs and their progress, as users see them: tables `archive_runs` and
//! `archive_run_documents`. Nothing here steers the archiver.

use std::collections::BTreeMap;

use portolan_model::{ArchiveId, EpochMs, GuardLevel, JobId};

use crate::{FromRow, Listed, Page, Row, StoreError, Tx, args};

/// Most documents listed per run.
pub const RUN_DOCUMENTS_MAX: i64 = 1000;

/// One run of an archive: a series of moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveRun {
    /// Its id.
    pub id: JobId,
    /// Its archive.
    pub archive_id: ArchiveId,
    /// The cluster's level during the run.
    pub level: GuardLevel,
    /// What is being done; `DONE`, `STOPPED` or `FAILED` at the end.
    pub phase: String,
    /// Moves begun.
    pub moves: i64,
    /// Documents read from the cluster.
    pub documents_read: i64,
    /// Documents in confirmed files.
    pub documents_moved: i64,
    /// Documents deleted from the cluster by us.
    pub documents_deleted: i64,
    /// Documents that changed meanwhile and stayed in the cluster.
    pub documents_kept: i64,
    /// Documents that somebody else deleted meanwhile; their rows stay.
    pub documents_vanished: i64,
    /// Documents that cannot be archived.
    pub documents_skipped: i64,
    /// Bytes of BSON read.
    pub bytes_read: i64,
    /// Bytes of the files.
    pub bytes_stored: i64,
    /// Number of files.
    pub files: i64,
    /// Milliseconds that it waited for its cluster.
    pub waited_ms: i64,
    /// What of the cluster it waits for now.
    pub waiting_for: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it began.
    pub started_at: EpochMs,
    /// When it ended.
    pub ended_at: Option<EpochMs>,
    /// Milliseconds that it spent in each phase that it left.
    pub phases: BTreeMap<String, i64>,
    /// When the phase that it is in began.
    pub phase_since: EpochMs,
}

impl ArchiveRun {
    /// A run that begins.
    #[must_use]
    pub fn begin(id: JobId, archive_id: ArchiveId, level: GuardLevel, now_ms: EpochMs) -> Self {
        Self {
            id,
            archive_id,
            level,
            phase: "STARTING".to_owned(),
            moves: 0,
            documents_read: 0,
            documents_moved: 0,
            documents_deleted: 0,
            documents_kept: 0,
            documents_vanished: 0,
            documents_skipped: 0,
            bytes_read: 0,
            bytes_stored: 0,
            files: 0,
            waited_ms: 0,
            waiting_for: None,
            error: None,
            started_at: now_ms,
            ended_at: None,
            phases: BTreeMap::new(),
            phase_since: now_ms,
        }
    }

    /// Lets a phase begin: the time since the last one began was that one's.
    pub fn enter(&mut self, phase: &str, now_ms: EpochMs) {
        let spent_ms = now_ms.saturating_sub(self.phase_since).max(0);
        let last = std::mem::replace(&mut self.phase, phase.to_owned());
        *self.phases.entry(last).or_default() += spent_ms;
        self.phase_since = now_ms;
    }
}

/// A document that a run names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDocument {
    /// Why it is named.
    pub kind: DocumentKind,
    /// Its `_id` as extended JSON.
    pub document: String,
    /// The reason in words.
    pub reason: String,
}

/// Why a run names a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// It cannot be archived.
    Skipped,
    /// It changed and stayed in the cluster.
    Kept,
    /// Somebody else deleted it; its row stays.
    Vanished,
}

impl DocumentKind {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "SKIPPED",
            Self::Kept => "KEPT",
            Self::Vanished => "VANISHED",
        }
    }
}

impl std::str::FromStr for DocumentKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Skipped, Self::Kept, Self::Vanished]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no kind of document"))
    }
}

const COLUMNS: &str = "id, archive_id, level, phase, moves, documents_read, documents_moved, \
     documents_deleted, documents_kept, documents_vanished, documents_skipped, bytes_read, \
     bytes_stored, files, waited_ms, waiting_for, error, started_at, ended_at, phases, phase_since";

impl FromRow for ArchiveRun {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            archive_id: row.parse("archive_id")?,
            level: row.parse("level")?,
            phase: row.text("phase")?,
            moves: row.int("moves")?,
            documents_read: row.int("documents_read")?,
            documents_moved: row.int("documents_moved")?,
            documents_deleted: row.int("documents_deleted")?,
            documents_kept: row.int("documents_kept")?,
            documents_vanished: row.int("documents_vanished")?,
            documents_skipped: row.int("documents_skipped")?,
            bytes_read: row.int("bytes_read")?,
            bytes_stored: row.int("bytes_stored")?,
            files: row.int("files")?,
            waited_ms: row.int("waited_ms")?,
            waiting_for: row.opt_text("waiting_for")?,
            error: row.opt_text("error")?,
            started_at: row.int("started_at")?,
            ended_at: row.opt_int("ended_at")?,
            phases: serde_json::from_str(&row.text("phases")?).unwrap_or_default(),
            phase_since: row.int("phase_since")?,
        })
    }
}

impl FromRow for RunDocument {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.parse("kind")?,
            document: row.text("document")?,
            reason: row.text("reason")?,
        })
    }
}

/// Writes a run as it now is, new or known.
///
/// # Errors
/// The database's.
pub async fn save(tx: &mut Tx<'_>, run: &ArchiveRun) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    let phases = serde_json::json!(run.phases).to_string();
    tx.execute(
        "INSERT INTO archive_runs (id, archive_id, level, phase, moves, documents_read, \
         documents_moved, documents_deleted, documents_kept, documents_vanished, \
         documents_skipped, bytes_read, bytes_stored, files, error, started_at, ended_at, \
         updated_at, waited_ms, waiting_for, phases, phase_since) VALUES ($1, $2, $3, $4, $5, $6, $7, \
         $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) ON CONFLICT (id) DO UPDATE SET level = excluded.level, \
         phase = excluded.phase, moves = excluded.moves, \
         documents_read = excluded.documents_read, documents_moved = excluded.documents_moved, \
         documents_deleted = excluded.documents_deleted, \
         documents_kept = excluded.documents_kept, \
         documents_vanished = excluded.documents_vanished, \
         documents_skipped = excluded.documents_skipped, bytes_read = excluded.bytes_read, \
         bytes_stored = excluded.bytes_stored, files = excluded.files, error = excluded.error, \
         ended_at = excluded.ended_at, updated_at = excluded.updated_at, \
         waited_ms = excluded.waited_ms, waiting_for = excluded.waiting_for, \
         phases = excluded.phases, phase_since = excluded.phase_since",
        args![
            run.id,
            run.archive_id,
            run.level.as_str(),
            run.phase,
            run.moves,
            run.documents_read,
            run.documents_moved,
            run.documents_deleted,
            run.documents_kept,
            run.documents_vanished,
            run.documents_skipped,
            run.bytes_read,
            run.bytes_stored,
            run.files,
            run.error,
            run.started_at,
            run.ended_at,
            now_ms,
            run.waited_ms,
            run.waiting_for,
            phases,
            run.phase_since,
        ],
    )
    .await?;
    Ok(())
}

/// The runs of an archive, newest first.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    page: Page,
) -> Result<Listed<ArchiveRun>, StoreError> {
    tx.fetch_page(
        COLUMNS,
        "FROM archive_runs WHERE archive_id = $1",
        "started_at DESC, id DESC",
        args![archive_id],
        page,
    )
    .await
}

/// The newest run of an archive.
///
/// # Errors
/// The database's.
pub async fn newest(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
) -> Result<Option<ArchiveRun>, StoreError> {
    Ok(list(tx, archive_id, Page::new(1, 0)).await?.items.pop())
}

/// One run.
///
/// # Errors
/// [`StoreError::Missing`] and the database's.
pub async fn get(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    id: JobId,
) -> Result<ArchiveRun, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM archive_runs WHERE id = $1 AND archive_id = $2");
    tx.fetch_one(sqlx::AssertSqlSafe(sql), args![id, archive_id], "archive run").await
}

/// Ends the runs of an archive that no worker works on any more.
///
/// # Errors
/// The database's.
pub async fn end_interrupted(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    except: JobId,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "UPDATE archive_runs SET phase = 'STOPPED', ended_at = $3, updated_at = $3, waiting_for = NULL, \
         error = 'the worker ended before the run did; the next run goes on' \
         WHERE archive_id = $1 AND id <> $2 AND ended_at IS NULL",
        args![archive_id, except, now_ms],
    )
    .await?;
    Ok(())
}

/// Lists documents under a run, as far as there is room.
///
/// # Errors
/// The database's.
pub async fn name_documents(
    tx: &mut Tx<'_>,
    run_id: JobId,
    documents: &[RunDocument],
) -> Result<(), StoreError> {
    if documents.is_empty() {
        return Ok(());
    }
    let mut position = tx
        .count("SELECT COUNT(*) FROM archive_run_documents WHERE run_id = $1", args![run_id])
        .await?;
    for item in documents {
        if position >= RUN_DOCUMENTS_MAX {
            break;
        }
        tx.execute(
            "INSERT INTO archive_run_documents (run_id, position, kind, document, reason) \
             VALUES ($1, $2, $3, $4, $5)",
            args![run_id, position, item.kind.as_str(), item.document, item.reason],
        )
        .await?;
        position += 1;
    }
    Ok(())
}

/// The documents that a run names, in the order in which it met them.
///
/// # Errors
/// The database's.
pub async fn documents(
    tx: &mut Tx<'_>,
    run_id: JobId,
    page: Page,
) -> Result<Listed<RunDocument>, StoreError> {
    let tail = "FROM archive_run_documents WHERE run_id = $1";
    tx.fetch_page("kind, document, reason", tail, "position", args![run_id], page).await
}

#[cfg(test)]
mod tests;
