//! Quarantine: data files of archives that cannot be read or are not what they should be. They stay where
//! they are, and nobody writes them again, until a verification finds them sound. Table
//! `archive_quarantine`.

use portolan_auth::{Authorized, Instance};
use portolan_model::{ArchiveId, EpochMs};

use crate::{FromRow, Row, StoreError, Tx, args};

/// A file in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Path relative to the archive's table.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
    /// When that was found.
    pub found_at: EpochMs,
}

impl FromRow for Quarantined {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            path: row.text("path")?,
            problem: row.text("problem")?,
            found_at: row.int("found_at")?,
        })
    }
}

/// The files of an archive, by their paths.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<Vec<Quarantined>, StoreError> {
    let sql = "SELECT path, problem, found_at FROM archive_quarantine WHERE archive_id = $1 \
               ORDER BY path";
    tx.fetch_all(sql, args![archive_id]).await
}

/// How many files of all archives there are.
///
/// # Errors
/// The database's.
pub async fn count(tx: &mut Tx<'_>, _system: &Authorized<Instance>) -> Result<i64, StoreError> {
    tx.count("SELECT COUNT(*) FROM archive_quarantine", args![]).await
}

/// Puts a file into quarantine; whether it was not in it.
///
/// # Errors
/// The database's.
pub async fn add(
    tx: &mut Tx<'_>,
    archive_id: ArchiveId,
    path: &str,
    problem: &str,
) -> Result<bool, StoreError> {
    let now_ms = tx.now_ms();
    let sql = "INSERT INTO archive_quarantine (archive_id, path, problem, found_at) \
               VALUES ($1, $2, $3, $4) ON CONFLICT (archive_id, path) DO NOTHING";
    Ok(tx.execute(sql, args![archive_id, path, problem, now_ms]).await? > 0)
}

/// Lets a file out.
///
/// # Errors
/// The database's.
pub async fn remove(tx: &mut Tx<'_>, archive_id: ArchiveId, path: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM archive_quarantine WHERE archive_id = $1 AND path = $2";
    tx.execute(sql, args![archive_id, path]).await?;
    Ok(())
}

/// Forgets the files of an archive whose data is gone.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, archive_id: ArchiveId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM archive_quarantine WHERE archive_id = $1", args![archive_id]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{in_tx, on_each_database};

    on_each_database! {
        async fn a_file_is_noted_once_and_let_out(store) {
            let (id, other) = (ArchiveId::new([1; 12]), ArchiveId::new([2; 12]));
            let (first, again, count_of_all) = in_tx!(store, tx => {
                let first = add(tx, id, "b", "broken").await?;
                let again = add(tx, id, "b", "gone").await?;
                add(tx, id, "a", "gone").await?;
                add(tx, other, "b", "gone").await?;
                let system = Authorized::system("a test");
                Ok::<_, StoreError>((first, again, count(tx, &system).await?))
            })
            .expect("stored");
            assert_eq!((first, again, count_of_all), (true, false, 3));
            let left = in_tx!(store, tx => {
                remove(tx, id, "a").await?;
                forget(tx, other).await?;
                Ok::<_, StoreError>((list(tx, id).await?, list(tx, other).await?))
            })
            .expect("read");
            assert_eq!(left.0.iter().map(|file| file.problem.as_str()).collect::<Vec<_>>(), ["broken"]);
            assert!(left.1.is_empty());
        }
    }
}
