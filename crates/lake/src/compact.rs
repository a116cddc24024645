//! Compaction: many small files of a month become few. No row changes: `_doc` is copied bit for bit,
//! `_seq`, `_batch`, `_archived_at` and `_superseded_by` stay, and the result is verified like any
//! staged file. The commit says `dataChange: false`, so that readers of changes pass over it.
//!
//! Only files of confirmed moves take part. Files are put together with others of like size, so that a
//! byte is written again once for each step in size, not once for each run. The commit fails when an
//! input has left the table meanwhile: what was redacted or has expired never comes back.

use std::collections::BTreeMap;

use crate::{DataFile, LakeError, Staged, Table, Version};

/// A step in size: files within one are alike.
const STEP: u64 = 8;

/// Which files are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionRule {
    /// Files of at least this size are left alone, in bytes.
    pub large_bytes: u64,
    /// So many files of like size make it worth while.
    pub files_min: usize,
    /// Files of one group at most.
    pub files_max: usize,
    /// Bytes of documents that are held in memory, about.
    pub raw_bytes_max: u64,
}

impl Default for CompactionRule {
    /// Eight files below 64 MiB; 256 MiB of documents at a time.
    fn default() -> Self {
        Self { large_bytes: 64 << 20, files_min: 8, files_max: 256, raw_bytes_max: 256 << 20 }
    }
}

/// Files that were put together, to be committed by [`crate::Change::Compact`].
#[derive(Debug, Clone, Default)]
pub struct Compacted {
    /// Files to leave the table.
    pub removes: Vec<DataFile>,
    /// Uploaded files that hold the same rows; to be verified before they are committed.
    pub staged: Staged,
}

impl Table {
    /// Groups of small files, by statistics alone: each of one month, of like size, confirmed, and
    /// large enough to be worth while. The groups with most files come first.
    #[must_use]
    pub fn compaction_plan(&self, version: &Version, rule: &CompactionRule) -> Vec<Vec<DataFile>> {
        let mut alike: BTreeMap<(Option<&str>, u32), Vec<&DataFile>> = BTreeMap::new();
        for file in &version.files {
            if file.seq_max <= version.confirmed && file.size_bytes < rule.large_bytes {
                let step = file.size_bytes.max(1).ilog(STEP);
                alike.entry((file.month.as_deref(), step)).or_default().push(file);
            }
        }
        let mut groups: Vec<Vec<DataFile>> = Vec::new();
        for mut files in alike.into_values() {
            // Oldest first: what was archived together stays together.
            files.sort_by_key(|file| (file.seq_min, file.batch_min));
            let chunks = files.chunks(rule.files_max.max(2));
            let worth_while = chunks.filter(|chunk| chunk.len() >= rule.files_min.max(2));
            groups.extend(worth_while.map(|chunk| chunk.iter().copied().cloned().collect()));
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        groups
    }

    /// Writes the rows of a group again, as one file or a few, and stops early when they would be too
    /// many bytes at a time; at least two files are always taken. The result must pass
    /// [`Table::verify`] before it is committed.
    ///
    /// # Errors
    /// Storage errors; [`LakeError::InputGone`] when a file is not in `version`,
    /// [`LakeError::Invalid`] when the files are not of one month.
    pub async fn compact(
        &self,
        version: &Version,
        group: &[DataFile],
        rule: &CompactionRule,
    ) -> Result<Compacted, LakeError> {
        let mut compacted = Compacted::default();
        let (mut rows, mut raw_bytes) = (Vec::new(), 0_u64);
        for file in group {
            check_input(version, file, group)?;
            if compacted.removes.len() >= 2 && raw_bytes >= rule.raw_bytes_max {
                break;
            }
            let more = self.all_rows(file).await?;
            raw_bytes += more.iter().map(|row| row.doc.as_bytes().len() as u64).sum::<u64>();
            rows.extend(more);
            compacted.removes.push(file.clone());
        }
        self.write_sorted(version, rows, &mut compacted.staged).await?;
        Ok(compacted)
    }
}

fn check_input(version: &Version, file: &DataFile, group: &[DataFile]) -> Result<(), LakeError> {
    if !version.files.iter().any(|known| known.path == file.path) {
        return Err(LakeError::InputGone { path: file.path.clone() });
    }
    if group.iter().any(|other| other.month != file.month) {
        return Err(LakeError::Invalid("files of more than one month".into()));
    }
    Ok(())
}
