//! Reading a committed file back in full, with memory that does not grow with it: every document
//! against its hash, every key, month and typed column against the document, every bound in the log
//! against every row. The same checks that a file passes before it is committed.

use futures::TryStreamExt;

use crate::prune::Select;
use crate::read::stored_rows;
use crate::row::derive;
use crate::verify::check_columns;
use crate::{DataFile, LakeError, Table};

/// What was found in one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileAudit {
    /// Rows that were read.
    pub rows: u64,
    /// Bytes of their documents.
    pub bytes_raw: u64,
    /// The first thing that is wrong; the rest of the file was not looked at.
    pub problem: Option<Problem>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The object is not there.
    Missing,
    /// It cannot be read, or a document does not have its hash.
    Broken(String),
    /// It holds other things than the log says.
    Content(String),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("the object is not there"),
            Self::Broken(detail) | Self::Content(detail) => f.write_str(detail),
        }
    }
}

impl Table {
    /// Reads a file back. A fault of the storage is an error; what is wrong with the file is not.
    ///
    /// # Errors
    /// [`LakeError::Retry`] when the storage cannot be asked.
    pub async fn audit_file(&self, file: &DataFile) -> Result<FileAudit, LakeError> {
        let mut audit = FileAudit::default();
        let problem = match self.audit_rows(file, &mut audit).await {
            Ok(()) if audit.rows != file.rows => {
                let (rows, declared) = (audit.rows, file.rows);
                Some(Problem::Content(format!("{rows} rows instead of {declared}")))
            }
            Ok(()) => None,
            Err(LakeError::Missing(_)) => Some(Problem::Missing),
            Err(LakeError::Unverified(what)) => Some(Problem::Content(what)),
            Err(error @ (LakeError::Internal(_) | LakeError::Invalid(_))) => {
                Some(Problem::Broken(error.to_string()))
            }
            Err(error) => return Err(error),
        };
        audit.problem = problem;
        Ok(audit)
    }

    async fn audit_rows(&self, file: &DataFile, audit: &mut FileAudit) -> Result<(), LakeError> {
        let mut batches = self.files().open(&file.path, file.size_bytes).await?.batches()?;
        while let Some(batch) = batches.try_next().await? {
            for (index, row) in stored_rows(&batch, &file.path)?.into_iter().enumerate() {
                let derived = derive(&row.doc, self.spec())?;
                if derived.month != file.month {
                    let path = &file.path;
                    return Err(LakeError::Unverified(format!("{path}: a row of another month")));
                }
                let at = (&batch, index);
                let expected = (&derived, &row.place.cells());
                check_columns(at, expected, &file.stats, self.layout(), &file.path)?;
                audit.rows += 1;
                audit.bytes_raw += row.doc.as_bytes().len() as u64;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Fingerprints (128 bits) of the identities of a file's rows, of those whose first byte lies in
    /// `share`. Rows that a hold keeps although newer ones took their places are left out.
    ///
    /// # Errors
    /// Storage errors, and [`LakeError::Internal`] for a broken file.
    pub async fn fingerprints(
        &self,
        file: &DataFile,
        share: std::ops::RangeInclusive<u8>,
    ) -> Result<Vec<u128>, LakeError> {
        let plan = self.plan(std::slice::from_ref(file), Select::default());
        let mut rows = plan.stored_rows();
        let mut found = Vec::new();
        while let Some((_, row)) = rows.try_next().await? {
            if row.place.superseded_by.is_some() {
                continue;
            }
            let hash = blake3::hash(&self.spec().identity(&row.doc));
            let bytes = hash.as_bytes();
            if share.contains(&bytes[0]) {
                let mut half = [0; 16];
                half.copy_from_slice(&bytes[..16]);
                found.push(u128::from_be_bytes(half));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Fixture, fence, orders, spec};

    #[tokio::test]
    async fn a_sound_file_passes_and_a_changed_byte_does_not() {
        let fixture = Fixture::new(spec()).await;
        fixture.table.commit(&fence(1)).await.unwrap();
        fixture.archive(1, orders(0, 60)).await;
        let version = fixture.table.load().await.unwrap();
        for file in &version.files {
            let audit = fixture.table.audit_file(file).await.unwrap();
            assert_eq!((audit.rows, audit.problem), (file.rows, None));
            assert!(audit.bytes_raw > 0);
        }
        let path = fixture.path(&version.files[0].path);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[200] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let audit = fixture.table.audit_file(&version.files[0]).await.unwrap();
        assert!(matches!(audit.problem, Some(Problem::Broken(_))), "{audit:?}");
        std::fs::remove_file(&path).unwrap();
        let audit = fixture.table.audit_file(&version.files[0]).await.unwrap();
        assert_eq!(audit.problem, Some(Problem::Missing));
    }

    #[tokio::test]
    async fn bounds_that_leave_out_a_row_and_wrong_counts_are_found() {
        let fixture = Fixture::new(spec()).await;
        fixture.table.commit(&fence(1)).await.unwrap();
        fixture.archive(1, orders(0, 30)).await;
        let version = fixture.table.load().await.unwrap();
        let mut file = version.files[0].clone();
        file.rows += 1;
        let audit = fixture.table.audit_file(&file).await.unwrap();
        assert!(matches!(audit.problem, Some(Problem::Content(_))), "{audit:?}");
        let mut file = version.files[0].clone();
        let bounds = file.stats.columns.get_mut("_id_key").unwrap();
        bounds.max.clone_from(&bounds.min);
        let audit = fixture.table.audit_file(&file).await.unwrap();
        assert!(matches!(audit.problem, Some(Problem::Content(_))), "{audit:?}");
    }

    #[tokio::test]
    async fn fingerprints_are_shared_out_and_complete() {
        let fixture = Fixture::new(spec()).await;
        fixture.table.commit(&fence(1)).await.unwrap();
        fixture.archive(1, orders(0, 30)).await;
        let file = &fixture.table.load().await.unwrap().files[0];
        let all = fixture.table.fingerprints(file, 0..=255).await.unwrap();
        let low = fixture.table.fingerprints(file, 0..=127).await.unwrap();
        let high = fixture.table.fingerprints(file, 128..=255).await.unwrap();
        assert_eq!(all.len() as u64, file.rows);
        assert_eq!(low.len() + high.len(), all.len());
    }
}
