//! The move protocol as a pure state machine: given the journal, the table's log and what the archive
//! permits, what is the next step?
//!
//! Before the commit every stop leads to ABANDONED and nothing is resumed, because documents may have
//! changed since they were read. From the commit on every stop leads to CLOSING: rows whose documents
//! stayed leave the table. The table's log decides what is committed and confirmed; the journal only
//! says what to do next.

use portolan_model::ArchiveState;
use portolan_store::archives::StoredArchive;
use portolan_store::moves::{Move, MoveState};

/// What comes next for a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Read documents and write files.
    Stage,
    /// Upload the files.
    Upload,
    /// Read the files back.
    Verify,
    /// Add the files to the table.
    Commit,
    /// Make sure that deleting is safe, and get permission.
    Publish,
    /// Delete one batch from the cluster.
    Delete {
        /// Its number.
        batch: i32,
    },
    /// Journal that no further batch is deleted.
    Close,
    /// Remove kept and superseded rows and confirm.
    Confirm,
    /// Nothing.
    End,
}

/// The next step of a move that this worker drives.
#[must_use]
pub fn next_step(item: &Move) -> Step {
    match item.state {
        MoveState::Planned => Step::Stage,
        MoveState::Staged => Step::Upload,
        MoveState::Uploaded => Step::Verify,
        MoveState::Verified => Step::Commit,
        MoveState::Committed => Step::Publish,
        MoveState::Published | MoveState::Deleting if item.done + 1 < item.batches => {
            Step::Delete { batch: item.done + 1 }
        }
        MoveState::Published | MoveState::Deleting => Step::Close,
        MoveState::Closing => Step::Confirm,
        MoveState::Confirmed | MoveState::Abandoned => Step::End,
    }
}

/// What a worker must know of an archive before it deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: ArchiveState,
    /// Version of its criteria.
    pub criteria_version: i64,
}

impl Standing {
    /// The standing of a stored archive.
    #[must_use]
    pub const fn of(stored: &StoredArchive) -> Self {
        Self { state: stored.archive.state, criteria_version: stored.archive.criteria_version }
    }
}

/// Whether deleting may begin or go on. `Err` says why not.
///
/// # Errors
/// The reason, in words for people.
pub fn permission(item: &Move, standing: Option<Standing>) -> Result<(), String> {
    let Some(standing) = standing else { return Err("the archive is gone".to_owned()) };
    if standing.criteria_version != item.criteria_version {
        return Err("the criteria changed".to_owned());
    }
    match standing.state {
        ArchiveState::Pending
        | ArchiveState::Archiving
        | ArchiveState::Idle
        | ArchiveState::Pausing => Ok(()),
        other => Err(format!("the archive is {other}")),
    }
}

/// Whether a run may begin another move.
#[must_use]
pub fn may_begin(state: ArchiveState) -> bool {
    matches!(state, ArchiveState::Pending | ArchiveState::Archiving | ArchiveState::Idle)
}

/// What the table's log says about moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableNumbers {
    /// Last committed move.
    pub committed: i64,
    /// Last confirmed move.
    pub confirmed: i64,
}

/// What becomes of a journalled move at takeover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It never reached the table, and cannot any more: the fence was raised.
    Abandon,
    /// It is open: go on from this state.
    Resume(MoveState),
    /// It was confirmed, and only the journal does not know.
    Confirmed,
    /// The journal saw it in the table, and the table does not hold it: the table is older.
    TableOlder,
}

/// Judges an unfinished move of the journal by the table, after the fence commit.
#[must_use]
pub fn reconcile(item: &Move, table: TableNumbers) -> Verdict {
    let was_committed = item.state >= MoveState::Committed;
    if item.seq > table.committed {
        return if was_committed { Verdict::TableOlder } else { Verdict::Abandon };
    }
    if item.seq <= table.confirmed {
        return Verdict::Confirmed;
    }
    // The permission to delete was another worker's: this one loads the table and asks for its own.
    let closing = item.state == MoveState::Closing;
    Verdict::Resume(if closing { item.state } else { MoveState::Committed })
}

#[cfg(test)]
mod tests;
