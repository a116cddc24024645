//! The moves of a cluster that is to be deleted.

use portolan_model::{ArchiveId, ClusterId};

use crate::{FromRow, Row, StoreError, Tx, args};

struct Id(ArchiveId);

impl FromRow for Id {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.parse("archive_id")?))
    }
}

/// An archive of the cluster with a move that is committed and not confirmed, deleted or not: closing it
/// needs the cluster.
///
/// # Errors
/// The database's.
pub async fn open_of_cluster(
    tx: &mut Tx<'_>,
    cluster_id: ClusterId,
) -> Result<Option<ArchiveId>, StoreError> {
    let sql = "SELECT m.archive_id FROM moves m JOIN online_archives a ON a.id = m.archive_id \
               WHERE m.cluster_id = $1 AND a.cluster_id = $1 AND a.purging_at IS NULL \
               AND m.state IN ('COMMITTED', 'PUBLISHED', 'DELETING', 'CLOSING') \
               ORDER BY m.archive_id LIMIT 1";
    let found: Option<Id> = tx.fetch_optional(sql, args![cluster_id]).await?;
    Ok(found.map(|Id(id)| id))
}

/// Gives up the moves of the cluster that did not reach their tables. No document was deleted for them,
/// and none can be: their leases were revoked. Their files go with those that nothing names.
///
/// # Errors
/// The database's.
pub async fn abandon_of_cluster(tx: &mut Tx<'_>, cluster_id: ClusterId) -> Result<u64, StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "UPDATE moves SET state = 'ABANDONED', files = '[]', \
         closed_because = 'the cluster was deleted', updated_at = $2 WHERE cluster_id = $1 \
         AND state IN ('PLANNED', 'STAGED', 'UPLOADED', 'VERIFIED')",
        args![cluster_id, now_ms],
    )
    .await
}
