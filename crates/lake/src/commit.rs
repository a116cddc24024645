//! The commit loop: compare-and-swap on the table's log, decided by reading, never by the answer.

use crate::{CommitError, DataFile, LakeError, StagedFile, Table};

/// One change of a table.
#[derive(Debug, Clone)]
pub enum Change {
    /// Raises the fence: from then on only this epoch may commit.
    Fence {
        /// The epoch's number.
        epoch: i64,
        /// Its random token.
        token: String,
    },
    /// Commits a move.
    Append {
        /// Number of the move.
        seq: i64,
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
        /// The verified files.
        files: Vec<StagedFile>,
        /// Criteria version that the move froze.
        config_version: i64,
    },
    /// Confirms a move: kept and superseded rows leave the table.
    Confirm {
        /// Number of the move.
        seq: i64,
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
        /// Files to leave the table.
        removes: Vec<DataFile>,
        /// Verified files that replace them.
        adds: Vec<StagedFile>,
    },
    /// Replaces files outside a move, such as superseded rows in another table of the namespace.
    Rewrite {
        /// A random id by which the commit is found again.
        id: String,
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
        /// Files to leave the table.
        removes: Vec<DataFile>,
        /// Verified files that replace them.
        adds: Vec<StagedFile>,
    },
}

/// A change that was found in the table's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The newest version of the table when it was found.
    pub version: i64,
    /// Attempts made by this call; 0: it was there already.
    pub attempts: u32,
}

impl Table {
    /// Commits a change, at most once, and returns when it was found in the table's log.
    ///
    /// # Errors
    /// [`LakeError::Fenced`], [`LakeError::OpenMove`], [`LakeError::InputGone`],
    /// [`LakeError::ForeignWriter`] and [`LakeError::Stale`]: it is not in the table and this call will
    /// not put it there. [`LakeError::Unknown`]: it may be or may still get there; ask again.
    pub async fn commit(&self, change: &Change) -> Result<Committed, CommitError> {
        let _ = change;
        Err(LakeError::Unsupported("commits are not built yet".into()))
    }

    /// The check that permits deleting at the source: from a fresh load, every file is part of the
    /// table and its object has the length and tag that were verified.
    ///
    /// # Errors
    /// [`LakeError::Missing`] naming the first file that is not as it was; storage errors.
    pub async fn check_present(&self, files: &[StagedFile]) -> Result<(), LakeError> {
        let _ = files;
        Err(LakeError::Unsupported("commits are not built yet".into()))
    }
}
