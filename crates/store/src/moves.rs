//! The journal of the move protocol: tables `moves` and `kept_rows`.
//!
//! It may lag behind the archive's table, or be lost, without losing a document: it says what is to be
//! done next, never what is true.

mod attached;
mod of_cluster;
mod resumed;

use std::collections::HashSet;

use portolan_model::{ArchiveId, ClusterId, EpochMs, GuardLevel, JobId, Namespace};

pub use attached::of_table;
pub use of_cluster::{abandon_of_cluster, open_of_cluster};
pub use resumed::{beyond, pin, unfence};

use crate::leases::LeaseKey;
use crate::{FromRow, Row, StoreError, Tx, args};

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MoveState {
    /// Cut-off, criteria, UUID and level are frozen.
    Planned,
    /// Documents were read and are being written to files.
    Staged,
    /// All files are uploaded.
    Uploaded,
    /// All files were read back and are what they should be.
    Verified,
    /// The table's log holds the files.
    Committed,
    /// Deleting is permitted.
    Published,
    /// Batches are being deleted.
    Deleting,
    /// No further batch is deleted; kept rows leave the table.
    Closing,
    /// Done.
    Confirmed,
    /// Given up before the commit.
    Abandoned,
}

impl MoveState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Planned,
        Self::Staged,
        Self::Uploaded,
        Self::Verified,
        Self::Committed,
        Self::Published,
        Self::Deleting,
        Self::Closing,
        Self::Confirmed,
        Self::Abandoned,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "PLANNED",
            Self::Staged => "STAGED",
            Self::Uploaded => "UPLOADED",
            Self::Verified => "VERIFIED",
            Self::Committed => "COMMITTED",
            Self::Published => "PUBLISHED",
            Self::Deleting => "DELETING",
            Self::Closing => "CLOSING",
            Self::Confirmed => "CONFIRMED",
            Self::Abandoned => "ABANDONED",
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Confirmed | Self::Abandoned)
    }
}

impl std::str::FromStr for MoveState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no state of a move"))
    }
}

/// A move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Its id.
    pub id: JobId,
    /// The archive that it fills.
    pub archive_id: ArchiveId,
    /// The run that it belongs to.
    pub run_id: JobId,
    /// The collection that it empties.
    pub key: LeaseKey,
    /// Its number in the collection.
    pub seq: i64,
    /// Epoch under which it was planned.
    pub epoch: i64,
    /// How far it is.
    pub state: MoveState,
    /// Criteria version, frozen.
    pub criteria_version: i64,
    /// Cut-off, frozen; `None` for custom criteria.
    pub cutoff_ms: Option<EpochMs>,
    /// The cluster's level, frozen.
    pub level: GuardLevel,
    /// The collection's UUID, frozen.
    pub collection_uuid: Option<[u8; 16]>,
    /// The uploaded files as JSON, in the words of `lake`, until the move is confirmed or abandoned: their
    /// bounds may be an `_id`, and nobody needs them afterwards.
    pub files: String,
    /// Number of batches.
    pub batches: i32,
    /// Last batch that is done; -1: none.
    pub done: i32,
    /// Documents in it.
    pub documents: i64,
    /// Their bytes.
    pub bytes_raw: i64,
    /// Bytes of the files.
    pub bytes_stored: i64,
    /// Documents deleted by us.
    pub deleted: i64,
    /// Documents that stayed in the cluster.
    pub kept: i64,
    /// Documents that were gone before we deleted them.
    pub vanished: i64,
    /// Epoch that sent a delete whose answer is not known.
    pub unanswered_epoch: Option<i64>,
    /// The cluster's clock from which on that delete can have no effect.
    pub quiet_at_ms: Option<EpochMs>,
    /// Why no further batch is deleted.
    pub closed_because: Option<String>,
    /// When it was planned.
    pub created_at: EpochMs,
}

impl Move {
    /// A move of which nothing is known but its place: its archive and run, the collection, and its number
    /// and epoch. No document is in it, and nothing is guaranteed.
    #[must_use]
    pub fn new(
        id: JobId,
        (archive_id, run_id): (ArchiveId, JobId),
        key: LeaseKey,
        (seq, epoch): (i64, i64),
        created_at: EpochMs,
    ) -> Self {
        Self {
            id,
            archive_id,
            run_id,
            key,
            seq,
            epoch,
            state: MoveState::Planned,
            criteria_version: 0,
            cutoff_ms: None,
            level: GuardLevel::L0,
            collection_uuid: None,
            files: "[]".to_owned(),
            batches: 0,
            done: -1,
            documents: 0,
            bytes_raw: 0,
            bytes_stored: 0,
            deleted: 0,
            kept: 0,
            vanished: 0,
            unanswered_epoch: None,
            quiet_at_ms: None,
            closed_because: None,
            created_at,
        }
    }
}

/// A committed row whose document stayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow {
    /// Identity of the document.
    pub identity: Vec<u8>,
    /// Its batch.
    pub batch: i32,
    /// Seen with other bytes while no delete was unanswered.
    pub firm: bool,
}

const COLUMNS: &str = "id, archive_id, run_id, cluster_id, database_name, collection_name, seq, \
     epoch, state, criteria_version, cutoff_ms, level, collection_uuid, files, batches, done, \
     documents, bytes_raw, bytes_stored, deleted, kept, vanished, unanswered_epoch, quiet_at, \
     closed_because, created_at";

fn small(row: &Row, column: &str) -> Result<i32, StoreError> {
    i32::try_from(row.int(column)?).map_err(|error| StoreError::corrupt(column, error))
}

fn uuid(row: &Row) -> Result<Option<[u8; 16]>, StoreError> {
    let Some(text) = row.opt_text("collection_uuid")? else { return Ok(None) };
    let corrupt = || StoreError::corrupt("collection_uuid", "not 32 hexadecimal digits");
    let bytes = hex::decode(text).map_err(|_| corrupt())?;
    bytes.try_into().map(Some).map_err(|_| corrupt())
}

impl FromRow for Move {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let namespace = Namespace {
            database: row.text("database_name")?,
            collection: row.text("collection_name")?,
        };
        let cluster_id: ClusterId = row.parse("cluster_id")?;
        Ok(Self {
            id: row.parse("id")?,
            archive_id: row.parse("archive_id")?,
            run_id: row.parse("run_id")?,
            key: LeaseKey { cluster_id, namespace },
            seq: row.int("seq")?,
            epoch: row.int("epoch")?,
            state: row.parse("state")?,
            criteria_version: row.int("criteria_version")?,
            cutoff_ms: row.opt_int("cutoff_ms")?,
            level: row.parse("level")?,
            collection_uuid: uuid(row)?,
            files: row.text("files")?,
            batches: small(row, "batches")?,
            done: small(row, "done")?,
            documents: row.int("documents")?,
            bytes_raw: row.int("bytes_raw")?,
            bytes_stored: row.int("bytes_stored")?,
            deleted: row.int("deleted")?,
            kept: row.int("kept")?,
            vanished: row.int("vanished")?,
            unanswered_epoch: row.opt_int("unanswered_epoch")?,
            quiet_at_ms: row.opt_int("quiet_at")?,
            closed_because: row.opt_text("closed_because")?,
            created_at: row.int("created_at")?,
        })
    }
}

/// Writes a move as it now is, new or known.
///
/// # Errors
/// The database's.
pub async fn save(tx: &mut Tx<'_>, item: &Move) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    let key = &item.key;
    let files = if item.state.is_final() { "[]" } else { item.files.as_str() };
    tx.execute(
        "INSERT INTO moves (id, archive_id, run_id, cluster_id, database_name, collection_name, \
         seq, epoch, state, criteria_version, cutoff_ms, level, collection_uuid, files, batches, \
         done, documents, bytes_raw, bytes_stored, deleted, kept, vanished, unanswered_epoch, \
         quiet_at, closed_because, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23, $24, $25, $26, $27) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, files = excluded.files, \
         batches = excluded.batches, done = excluded.done, documents = excluded.documents, \
         bytes_raw = excluded.bytes_raw, bytes_stored = excluded.bytes_stored, \
         deleted = excluded.deleted, kept = excluded.kept, vanished = excluded.vanished, \
         unanswered_epoch = excluded.unanswered_epoch, quiet_at = excluded.quiet_at, \
         closed_because = excluded.closed_because, updated_at = excluded.updated_at",
        args![
            item.id,
            item.archive_id,
            item.run_id,
            key.cluster_id,
            key.namespace.database,
            key.namespace.collection,
            item.seq,
            item.epoch,
            item.state.as_str(),
            item.criteria_version,
            item.cutoff_ms,
            item.level.as_str(),
            item.collection_uuid.map(hex::encode),
            files,
            item.batches,
            item.done,
            item.documents,
            item.bytes_raw,
            item.bytes_stored,
            item.deleted,
            item.kept,
            item.vanished,
            item.unanswered_epoch,
            item.quiet_at_ms,
            item.closed_because,
            item.created_at,
            now_ms
        ],
    )
    .await?;
    Ok(())
}

/// The moves of a collection that are neither confirmed nor abandoned, oldest first.
///
/// # Errors
/// The database's.
pub async fn unfinished(tx: &mut Tx<'_>, key: &LeaseKey) -> Result<Vec<Move>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM moves WHERE cluster_id = $1 AND database_name = $2 AND \
         collection_name = $3 AND state NOT IN ('CONFIRMED', 'ABANDONED') ORDER BY created_at, id"
    );
    tx.fetch_all(
        sqlx::AssertSqlSafe(sql),
        args![key.cluster_id, key.namespace.database, key.namespace.collection],
    )
    .await
}

/// Until when deletes were sent to a collection whose answer nobody knows, by our clock: the end of the last
/// run that sent one, or now when it has not ended. `None`: every delete was answered.
///
/// # Errors
/// The database's.
pub async fn unanswered_until(
    tx: &mut Tx<'_>,
    key: &LeaseKey,
) -> Result<Option<EpochMs>, StoreError> {
    let now_ms = tx.now_ms();
    let sql = "SELECT COALESCE(MAX(COALESCE(runs.ended_at, $1)), -1) FROM moves \
               LEFT JOIN archive_runs runs ON runs.id = moves.run_id \
               WHERE moves.cluster_id = $2 AND moves.database_name = $3 AND moves.collection_name = $4 \
               AND moves.unanswered_epoch IS NOT NULL";
    let Namespace { database, collection } = &key.namespace;
    let until_ms = tx.count(sql, args![now_ms, key.cluster_id, database, collection]).await?;
    Ok((until_ms >= 0).then_some(until_ms))
}

/// Whether a move of this archive is neither confirmed nor abandoned, whatever became of the archive.
///
/// # Errors
/// The database's.
pub async fn has_unfinished(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<bool, StoreError> {
    let count = tx
        .count(
            "SELECT COUNT(*) FROM moves WHERE archive_id = $1 AND \
             state NOT IN ('CONFIRMED', 'ABANDONED')",
            args![archive_id],
        )
        .await?;
    Ok(count > 0)
}

/// Whether a move of this archive is committed and not confirmed.
///
/// # Errors
/// The database's.
pub async fn has_open(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<bool, StoreError> {
    let count = tx
        .count(
            "SELECT COUNT(*) FROM moves WHERE archive_id = $1 AND \
             state IN ('COMMITTED', 'PUBLISHED', 'DELETING', 'CLOSING')",
            args![archive_id],
        )
        .await?;
    Ok(count > 0)
}

/// The newest move of an archive that reached the table, if any.
///
/// # Errors
/// The database's.
pub async fn newest_committed(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
) -> Result<Option<Move>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM moves WHERE archive_id = $1 AND state IN \
         ('COMMITTED', 'PUBLISHED', 'DELETING', 'CLOSING', 'CONFIRMED') \
         ORDER BY seq DESC LIMIT 1"
    );
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![archive_id]).await
}

/// The last batch that is done of the archive's newest committed move, as readers need it when they cannot
/// ask the cluster: `(seq, done)`. Of a confirmed move it may know less than the table.
///
/// # Errors
/// The database's.
pub async fn position(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
) -> Result<Option<(i64, i32)>, StoreError> {
    Ok(newest_committed(tx, archive_id).await?.map(|item| (item.seq, item.done)))
}

struct KeptOf {
    seq: i64,
    row: KeptRow,
}

impl FromRow for KeptOf {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let identity = hex::decode(row.text("identity")?)
            .map_err(|error| StoreError::corrupt("identity", error))?;
        let kept = KeptRow { identity, batch: small(row, "batch")?, firm: row.flag("firm")? };
        Ok(Self { seq: row.int("seq")?, row: kept })
    }
}

/// Records rows whose documents stayed. A row recorded before keeps what was recorded first.
///
/// # Errors
/// The database's.
pub async fn add_kept(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    seq: i64,
    rows: &[KeptRow],
) -> Result<(), StoreError> {
    for row in rows {
        tx.execute(
            "INSERT INTO kept_rows (archive_id, seq, identity, batch, firm) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (archive_id, seq, identity) DO NOTHING",
            args![archive_id, seq, hex::encode(&row.identity), row.batch, row.firm],
        )
        .await?;
    }
    Ok(())
}

/// The kept rows of one move.
///
/// # Errors
/// The database's.
pub async fn kept_of(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    seq: i64,
) -> Result<Vec<KeptRow>, StoreError> {
    let found: Vec<KeptOf> = tx
        .fetch_all(
            "SELECT seq, identity, batch, firm FROM kept_rows WHERE archive_id = $1 AND seq = $2",
            args![archive_id, seq],
        )
        .await?;
    Ok(found.into_iter().map(|kept| kept.row).collect())
}

/// All kept rows of an archive, as readers need them: `(seq, identity)`.
///
/// # Errors
/// The database's.
pub async fn kept(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
) -> Result<HashSet<(i64, Vec<u8>)>, StoreError> {
    let found: Vec<KeptOf> = tx
        .fetch_all(
            "SELECT seq, identity, batch, firm FROM kept_rows WHERE archive_id = $1",
            args![archive_id],
        )
        .await?;
    Ok(found.into_iter().map(|kept| (kept.seq, kept.row.identity)).collect())
}

/// Forgets the kept rows of moves up to `seq`: confirm removed them from the table.
///
/// # Errors
/// The database's.
pub async fn clear_kept(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    seq: i64,
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM kept_rows WHERE archive_id = $1 AND seq <= $2", args![archive_id, seq])
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
