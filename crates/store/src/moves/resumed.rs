//! What an operator's word changes about the moves of an archive.

use portolan_model::ArchiveId;

use super::{COLUMNS, Move};
use crate::{StoreError, Tx, args};

/// The moves of an archive that the journal knows as committed or more and that a table which has
/// confirmed `seq` does not show as done.
///
/// # Errors
/// The database's.
pub async fn beyond(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    seq: i64,
) -> Result<Vec<Move>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM moves WHERE archive_id = $1 AND seq > $2 AND state IN \
         ('COMMITTED', 'PUBLISHED', 'DELETING', 'CLOSING', 'CONFIRMED') ORDER BY seq"
    );
    tx.fetch_all(sqlx::AssertSqlSafe(sql), args![archive_id, seq]).await
}

/// From now on the fence at the cluster is asked about no move of the archive until now: what it says of
/// them is not to be relied on.
///
/// # Errors
/// The database's.
pub async fn unfence(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<(), StoreError> {
    let sql = "UPDATE moves SET level = 'L2' WHERE archive_id = $1 AND level = 'L3'";
    tx.execute(sql, args![archive_id]).await?;
    Ok(())
}

/// Says which collection the moves of the archive emptied.
///
/// # Errors
/// The database's.
pub async fn pin(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    uuid: Option<[u8; 16]>,
) -> Result<(), StoreError> {
    let sql = "UPDATE moves SET collection_uuid = $2 WHERE archive_id = $1";
    tx.execute(sql, args![archive_id, uuid.map(hex::encode)]).await?;
    Ok(())
}
