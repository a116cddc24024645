//! What the control database says of single documents, in tables that belong to several other files. A
//! redaction removes what it says of its document; an archive that is forgotten takes its own along.
//! Which document is meant is for the caller to know.

use portolan_model::{ArchiveId, JobId};

use crate::leases::LeaseKey;
use crate::operations::{self, Operation};
use crate::{FromRow, Row, StoreError, Tx, args};

/// The archives of a collection, those that are being removed included.
const ARCHIVES: &str = "SELECT id FROM online_archives WHERE cluster_id = $1 \
     AND database_name = $2 AND collection_name = $3";

/// A document that a run of the collection names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The run.
    pub run_id: JobId,
    /// Its place in the run's list.
    pub position: i64,
    /// Its `_id` as extended JSON.
    pub document: String,
}

impl FromRow for Named {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            run_id: row.parse("run_id")?,
            position: row.int("position")?,
            document: row.text("document")?,
        })
    }
}

struct Identity(Vec<u8>);

impl FromRow for Identity {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let bytes = hex::decode(row.text("identity")?);
        Ok(Self(bytes.map_err(|error| StoreError::corrupt("identity", error))?))
    }
}

/// What operators asked for in the archives of a collection, oldest first.
///
/// # Errors
/// The database's.
pub async fn asked_for(tx: &mut Tx<'_>, key: &LeaseKey) -> Result<Vec<Operation>, StoreError> {
    let sql = format!(
        "SELECT {} FROM archive_operations WHERE archive_id IN ({ARCHIVES}) \
         AND kind NOT IN ('EXPIRY', 'COMPACTION', 'CLEAN_UP') ORDER BY created_at, id",
        operations::COLUMNS
    );
    tx.fetch_all(
        sqlx::AssertSqlSafe(sql),
        args![key.cluster_id, key.namespace.database, key.namespace.collection],
    )
    .await
}

/// Writes what is said of an operation: what was asked for, what was found, and why it failed. How far it
/// is, and who works on it, stays as it is.
///
/// # Errors
/// The database's.
pub async fn rewrite(tx: &mut Tx<'_>, operation: &Operation) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE archive_operations SET request = $2, progress = $3, error = $4 WHERE id = $1",
        args![operation.id, operation.request, operation.progress, operation.error],
    )
    .await?;
    Ok(())
}

/// The documents that runs of a collection name.
///
/// # Errors
/// The database's.
pub async fn named(tx: &mut Tx<'_>, key: &LeaseKey) -> Result<Vec<Named>, StoreError> {
    let sql = format!(
        "SELECT listed.run_id, listed.position, listed.document FROM archive_runs runs \
         JOIN archive_run_documents listed ON listed.run_id = runs.id \
         WHERE runs.archive_id IN ({ARCHIVES})"
    );
    tx.fetch_all(
        sqlx::AssertSqlSafe(sql),
        args![key.cluster_id, key.namespace.database, key.namespace.collection],
    )
    .await
}

/// A run names that document no more.
///
/// # Errors
/// The database's.
pub async fn forget_named(tx: &mut Tx<'_>, named: &Named) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM archive_run_documents WHERE run_id = $1 AND position = $2",
        args![named.run_id, named.position],
    )
    .await?;
    Ok(())
}

/// Identities of a collection's documents that returned to the cluster, and of those whose rows were kept.
///
/// # Errors
/// The database's.
pub async fn identities(tx: &mut Tx<'_>, key: &LeaseKey) -> Result<Vec<Vec<u8>>, StoreError> {
    let sql = format!(
        "SELECT identity FROM restore_holds WHERE cluster_id = $1 AND database_name = $2 \
         AND collection_name = $3 \
         UNION SELECT identity FROM kept_rows WHERE archive_id IN ({ARCHIVES})"
    );
    let found: Vec<Identity> = tx
        .fetch_all(
            sqlx::AssertSqlSafe(sql),
            args![key.cluster_id, key.namespace.database, key.namespace.collection],
        )
        .await?;
    Ok(found.into_iter().map(|Identity(bytes)| bytes).collect())
}

/// Forgets one of them.
///
/// # Errors
/// The database's.
pub async fn forget_identity(
    tx: &mut Tx<'_>,
    key: &LeaseKey,
    identity: &[u8],
) -> Result<(), StoreError> {
    let holds = "DELETE FROM restore_holds WHERE cluster_id = $1 AND database_name = $2 \
                 AND collection_name = $3 AND identity = $4"
        .to_owned();
    let kept = format!("DELETE FROM kept_rows WHERE archive_id IN ({ARCHIVES}) AND identity = $4");
    for sql in [holds, kept] {
        let values = args![
            key.cluster_id,
            key.namespace.database,
            key.namespace.collection,
            hex::encode(identity)
        ];
        tx.execute(sqlx::AssertSqlSafe(sql), values).await?;
    }
    Ok(())
}

/// Forgets the files of ended moves of a collection and its archives, whose bounds may be an `_id`. Programs
/// before this one kept them.
///
/// # Errors
/// The database's.
pub async fn forget_bounds(tx: &mut Tx<'_>, key: &LeaseKey) -> Result<(), StoreError> {
    let of_collection =
        "cluster_id = $1 AND database_name = $2 AND collection_name = $3".to_owned();
    // An archive may have had another collection before.
    let of_archives = format!("archive_id IN ({ARCHIVES})");
    for place in [of_collection, of_archives] {
        let sql = format!(
            "UPDATE moves SET files = '[]' WHERE {place} \
             AND state IN ('CONFIRMED', 'ABANDONED') AND files <> '[]'"
        );
        let values = args![key.cluster_id, key.namespace.database, key.namespace.collection];
        tx.execute(sqlx::AssertSqlSafe(sql), values).await?;
    }
    Ok(())
}

/// Forgets what is said of the documents of an archive whose table is gone: its moves and its runs.
///
/// # Errors
/// The database's.
pub async fn forget_archive(tx: &mut Tx<'_>, id: ArchiveId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM archive_run_documents WHERE run_id IN \
         (SELECT id FROM archive_runs WHERE archive_id = $1)",
        "DELETE FROM archive_runs WHERE archive_id = $1",
        "DELETE FROM kept_rows WHERE archive_id = $1",
        "DELETE FROM moves WHERE archive_id = $1",
    ] {
        tx.execute(sql, args![id]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
