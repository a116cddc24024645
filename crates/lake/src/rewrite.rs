//! Rewriting files without some rows, for confirm: what stays keeps its place in the move protocol.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;

use crate::prune::Select;
use crate::read::StoredRow;
use crate::row::{FileRow, derive};
use crate::stage::{sort, split};
use crate::{DataFile, DeclaredRow, LakeError, Staged, Table, Version};

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
        self.rewrite_flagging(version, files, drop, &HashMap::new()).await
    }

    /// The same, and flags the rows of `flag` as superseded by a move instead of dropping them: a
    /// hold keeps them, and readers hide them.
    ///
    /// # Errors
    /// Those of [`Table::rewrite_without`].
    pub async fn rewrite_flagging(
        &self,
        version: &Version,
        files: &[DataFile],
        drop: &HashSet<(i64, Vec<u8>)>,
        flag: &HashMap<(i64, Vec<u8>), i64>,
    ) -> Result<Staged, LakeError> {
        let mut staged = Staged::default();
        for file in files {
            let fate = |row: &mut StoredRow| {
                let key = (row.place.seq, self.spec().identity(&row.doc));
                row.place.superseded_by = flag.get(&key).copied().or(row.place.superseded_by);
                !drop.contains(&key)
            };
            self.rewrite_file(version, file, fate, &mut staged).await?;
        }
        Ok(staged)
    }

    /// Writes again what `stays` of one file, unless nothing does.
    pub(crate) async fn rewrite_file(
        &self,
        version: &Version,
        file: &DataFile,
        stays: impl Fn(&mut StoredRow) -> bool,
        staged: &mut Staged,
    ) -> Result<(), LakeError> {
        if !version.files.iter().any(|known| known.path == file.path) {
            return Err(LakeError::InputGone { path: file.path.clone() });
        }
        let mut rows = self.all_rows(file).await?;
        rows.retain_mut(stays);
        self.write_rows(version, rows, staged).await
    }

    /// Writes rows of one month to a file and declares them.
    pub(crate) async fn write_rows(
        &self,
        version: &Version,
        rows: Vec<StoredRow>,
        staged: &mut Staged,
    ) -> Result<(), LakeError> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows = rows.into_iter().map(|row| self.declared_again(row, staged));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let written = self.write_file(version.committed, version.fence, rows).await?;
        staged.files.push(written);
        Ok(())
    }

    /// Writes rows of one month in the order of files, cut where a file would be too large.
    pub(crate) async fn write_sorted(
        &self,
        version: &Version,
        rows: Vec<StoredRow>,
        staged: &mut Staged,
    ) -> Result<(), LakeError> {
        let rows = rows.into_iter().map(|row| self.declared_again(row, staged));
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        sort(&mut rows, self.spec());
        for group in split(rows) {
            let written = self.write_file(version.committed, version.fence, group).await?;
            staged.files.push(written);
        }
        Ok(())
    }

    fn declared_again(&self, row: StoredRow, staged: &mut Staged) -> Result<FileRow, LakeError> {
        let StoredRow { doc, hash, place } = row;
        staged.documents += 1;
        staged.bytes_raw += doc.as_bytes().len() as u64;
        staged.batches = staged.batches.max(place.batch + 1);
        let (seq, batch) = (place.seq, place.batch);
        let identity = self.spec().identity(&doc);
        staged.declared.add(DeclaredRow { identity, hash, seq, batch });
        let derived = derive(&doc, self.spec())?;
        Ok(FileRow { doc, hash, derived, place })
    }

    /// Every row of a file; it must be as many as the log says.
    pub(crate) async fn all_rows(&self, file: &DataFile) -> Result<Vec<StoredRow>, LakeError> {
        let plan = self.plan(std::slice::from_ref(file), Select::default());
        let rows: Vec<StoredRow> = plan.stored_rows().map_ok(|(_, row)| row).try_collect().await?;
        if rows.len() as u64 != file.rows {
            let (path, declared, seen) = (&file.path, file.rows, rows.len());
            return Err(LakeError::Internal(format!(
                "{path} has {seen} rows instead of {declared}"
            )));
        }
        Ok(rows)
    }
}
