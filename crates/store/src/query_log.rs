//! The log of queries that read endpoints answered. Owns table `query_log`.
//!
//! Workers append batches and drop what is old; downloads read it page by page under a project's
//! witness. A line is finished text: what a query looks like there is decided where it is written.

use portolan_auth::{Authorized, Instance, ProjectScope};
use portolan_model::{ClusterId, EpochMs};

use crate::{FromRow, Row, StoreError, Tx, args};

/// Most rows that one statement of [`prune`] removes: no transaction grows with what piled up.
const PRUNE_ROWS_MAX: i64 = 5_000;

/// A query that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedQuery {
    /// The cluster whose endpoint answered.
    pub cluster_id: ClusterId,
    /// Whether only the archive was asked.
    pub archive_only: bool,
    /// When it ended.
    pub ended_at: EpochMs,
    /// One JSON document without line breaks.
    pub line: String,
    /// Sorts queries by their end; unique. From [`new_id`].
    pub id: String,
}

/// A line of the log, with its place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its place: reading goes on after it.
    pub id: String,
    /// The JSON document.
    pub line: String,
}

impl FromRow for LogLine {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.text("id")?, line: row.text("line")? })
    }
}

/// Which part of a cluster's log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// `Some(true)`: only queries of the archive alone; `Some(false)`: only those of both.
    pub archive_only: Option<bool>,
    /// After this place. [`first_id`] for the beginning.
    pub after: String,
    /// Before this place.
    pub before: String,
}

/// The first place of a millisecond.
#[must_use]
pub fn first_id(ended_at: EpochMs) -> String {
    format!("{:012x}", ended_at.max(0))
}

/// The place of a query: its end, then a number that nobody else has.
#[must_use]
pub fn new_id(ended_at: EpochMs, unique: [u8; 12]) -> String {
    format!("{}{}", first_id(ended_at), hex::encode(unique))
}

/// Appends queries. One that is there already stays as it is, so that a batch may be sent again.
///
/// # Errors
/// The database's.
pub async fn append(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    queries: &[LoggedQuery],
) -> Result<(), StoreError> {
    for query in queries {
        tx.execute(
            "INSERT INTO query_log (cluster_id, id, archive_only, line) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (cluster_id, id) DO NOTHING",
            args![query.cluster_id, query.id, query.archive_only, query.line],
        )
        .await?;
    }
    Ok(())
}

/// The next lines of a part, oldest first. None when the cluster is not of the witness's project.
///
/// # Errors
/// The database's.
pub async fn read(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    part: &LogPart,
    lines_max: i64,
) -> Result<Vec<LogLine>, StoreError> {
    let LogPart { cluster_id, archive_only, after, before } = part;
    // Both ends of the range are there for "either": 0 and 1 are the only values.
    let (least, most) = archive_only.map_or((false, true), |only| (only, only));
    tx.fetch_all(
        "SELECT id, line FROM query_log WHERE cluster_id = $1 AND id > $2 AND id < $3 \
         AND archive_only >= $4 AND archive_only <= $5 \
         AND EXISTS (SELECT 1 FROM clusters WHERE id = $1 AND project_id = $6) \
         ORDER BY id LIMIT $7",
        args![cluster_id, after, before, least, most, authorized.project_id(), lines_max],
    )
    .await
}

/// The clusters that have queries in the log.
///
/// # Errors
/// The database's.
pub async fn clusters(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
) -> Result<Vec<ClusterId>, StoreError> {
    struct Id(ClusterId);
    impl FromRow for Id {
        fn from_row(row: &Row) -> Result<Self, StoreError> {
            row.parse("cluster_id").map(Self)
        }
    }
    let ids: Vec<Id> = tx.fetch_all("SELECT DISTINCT cluster_id FROM query_log", args![]).await?;
    Ok(ids.into_iter().map(|id| id.0).collect())
}

/// Drops queries that ended before a time, a bounded number; how many.
///
/// # Errors
/// The database's.
pub async fn prune(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    before_ms: EpochMs,
) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM query_log WHERE id IN \
         (SELECT id FROM query_log WHERE id < $1 ORDER BY id LIMIT $2)",
        args![first_id(before_ms), PRUNE_ROWS_MAX],
    )
    .await
}

/// Drops a cluster's oldest queries beyond the newest `rows_max`; how many.
///
/// # Errors
/// The database's.
pub async fn trim(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    cluster_id: ClusterId,
    rows_max: i64,
) -> Result<u64, StoreError> {
    let sql = "SELECT id FROM query_log WHERE cluster_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2";
    let last: Option<String> = tx.fetch_optional(sql, args![cluster_id, rows_max]).await?;
    let Some(last) = last else { return Ok(0) };
    let sql = "DELETE FROM query_log WHERE cluster_id = $1 AND id <= $2";
    tx.execute(sql, args![cluster_id, last]).await
}

#[cfg(test)]
mod tests;
