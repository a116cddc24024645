//! Redaction: one document leaves an archive for good. Its rows leave the table in a commit that says
//! so; the files that held them are deleted at once, not after a day; and the log is cut, because older
//! entries carry bounds that may be its `_id` or its dates.
//!
//! Readers that still use an older version meet a missing file and fail: they never show the document.
//! What is not here: who may redact, and whether the document is still in the cluster.

use std::collections::HashSet;

use crate::cleanup::Grace;
use crate::read::StoredRow;
use crate::{DataFile, LakeError, Leftovers, Location, Staged, Table, Version};

/// What remains of the files that held rows of a document.
#[derive(Debug, Clone, Default)]
pub struct Redacted {
    /// Files to leave the table.
    pub removes: Vec<DataFile>,
    /// Uploaded files that hold the other rows; to be verified before they are committed.
    pub staged: Staged,
    /// Rows that are left out: one for each version of the document.
    pub rows: u64,
}

impl Table {
    /// Writes the files that hold rows of `redacted` again, without them. Nothing is committed.
    ///
    /// # Errors
    /// [`LakeError::OpenMove`] when a move is not confirmed, [`LakeError::Held`] under a hold; storage
    /// errors.
    pub async fn redact(
        &self,
        version: &Version,
        redacted: &HashSet<Vec<u8>>,
    ) -> Result<Redacted, LakeError> {
        let (committed, confirmed) = (version.committed, version.confirmed);
        if committed != confirmed {
            return Err(LakeError::OpenMove { committed, confirmed, seq: confirmed });
        }
        if let Some(hold) = &version.spec.rules.hold {
            return Err(LakeError::Held(hold.reason.clone()));
        }
        let sought = (redacted, self.spec().shard_key.as_ref());
        let found = self.find_identities(version, sought, i64::MAX).await?;
        let mut left = Redacted { rows: found.len() as u64, ..Redacted::default() };
        let files: HashSet<usize> = found.iter().map(|row| row.file_index).collect();
        for (_, file) in version.files.iter().enumerate().filter(|(index, _)| files.contains(index))
        {
            let stays = |row: &mut StoredRow| !redacted.contains(&self.spec().identity(&row.doc));
            self.rewrite_file(version, file, stays, &mut left.staged).await?;
            left.removes.push(file.clone());
        }
        Ok(left)
    }

    /// Makes what left the table unreadable, under the fence that `token` raised: the log is cut at a
    /// checkpoint of the newest version, and every object that this version does not name is deleted,
    /// also those that a day of grace would keep. Versions before it can no longer be read. Idempotent.
    ///
    /// # Errors
    /// [`LakeError::Fenced`], [`LakeError::Held`]; storage errors. What was removed stays removed, and
    /// the newest version stays whole.
    pub async fn forget_history(
        &self,
        location: &Location,
        under: (i64, &str),
    ) -> Result<Leftovers, LakeError> {
        let forget = async {
            self.checkpoint().await?;
            // By the store's own clock, read after the checkpoint was written.
            let now_ms = location.clock_ms(self.runtime()).await?.saturating_add(CLOCK_STEP_MS);
            self.trim_log(now_ms, 0).await?;
            let none = Grace { objects_ms: 0, versions_ms: 0 };
            self.remove_unneeded(under, now_ms, none).await
        };
        self.runtime().effect("lake.forget", forget).await
    }

    /// Writes a checkpoint of the newest version, so that later loads need not read the whole log.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn checkpoint(&self) -> Result<(), LakeError> {
        let loaded = self.log().load().await?;
        let write = self.log().checkpoint(&loaded);
        self.runtime().effect("lake.checkpoint", write).await
    }
}

/// Stores stamp objects in steps of a second; what was written in this one counts as old, too.
const CLOCK_STEP_MS: i64 = 1_000;
