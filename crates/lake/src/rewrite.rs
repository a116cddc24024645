//! Rewriting files without some rows, for confirm: what stays keeps its place in the move protocol.

use std::collections::HashSet;

use crate::{DataFile, LakeError, Staged, Table, Version};

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
        let _ = (version, files, drop);
        Err(LakeError::Unsupported("rewriting is not built yet".into()))
    }
}
