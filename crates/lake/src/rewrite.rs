//! Rewriting files without some rows, for confirm: what stays keeps its place in the move protocol.

use std::collections::HashSet;

use futures::TryStreamExt;

use crate::prune::Select;
use crate::read::StoredRow;
use crate::row::{FileRow, derive};
use crate::{DataFile, DeclaredRow, LakeError, Staged, Table, Version, identity};

impl Table {
    /// Writes the rows of `files` again, without those named by `drop` (move number, identity).
    /// `_seq`, `_batch` and `_archived_at` stay as they are. A file that loses all its rows gets no
    /// successor. The result must pass [`Table::verify`] before it is committed.
    ///
    /// # Errors
    /// Storage errors; [`LakeError::InputGone`] when a file is not in `version`.
    pub async fn rewrite_without(
        &self,
        version: &Version,
        files: &[DataFile],
        drop: &HashSet<(i64, Vec<u8>)>,
    ) -> Result<Staged, LakeError> {
        let mut staged = Staged::default();
        for file in files {
            if !version.files.iter().any(|known| known.path == file.path) {
                return Err(LakeError::InputGone { path: file.path.clone() });
            }
            let rows = self.remaining_rows(file, drop, &mut staged).await?;
            if !rows.is_empty() {
                let written = self.write_file(version.committed, version.fence, rows).await?;
                staged.files.push(written);
            }
        }
        Ok(staged)
    }

    /// The rows of a file that stay, declared in `staged`.
    async fn remaining_rows(
        &self,
        file: &DataFile,
        drop: &HashSet<(i64, Vec<u8>)>,
        staged: &mut Staged,
    ) -> Result<Vec<FileRow>, LakeError> {
        let plan = self.plan(std::slice::from_ref(file), Select::default());
        let mut stored = plan.stored_rows();
        let mut rows = Vec::new();
        let mut seen = 0;
        while let Some((_, row)) = stored.try_next().await? {
            seen += 1;
            let StoredRow { doc, hash, place } = row;
            let key = (place.seq, identity(&doc));
            if drop.contains(&key) {
                continue;
            }
            staged.documents += 1;
            staged.bytes_raw += doc.as_bytes().len() as u64;
            staged.batches = staged.batches.max(place.batch + 1);
            let (seq, identity) = key;
            staged.declared.add(DeclaredRow { identity, hash, seq, batch: place.batch });
            let derived = derive(&doc, self.spec())?;
            rows.push(FileRow { doc, hash, derived, place });
        }
        if seen != file.rows {
            let (path, rows) = (&file.path, file.rows);
            return Err(LakeError::Internal(format!("{path} has {seen} rows instead of {rows}")));
        }
        Ok(rows)
    }
}
