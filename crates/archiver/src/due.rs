//! Whether an archive whose time has come wants a worker, and what for.

use portolan_model::ArchiveState;
use portolan_store::archives::StoredArchive;
use portolan_store::jobs::ArchiveJob;

use crate::journal::Standby;
use crate::{ArchiverOptions, purge};

/// An archive that is to be worked on.
pub(crate) struct Due {
    pub(crate) stored: StoredArchive,
    pub(crate) siblings: Vec<StoredArchive>,
    pub(crate) job: ArchiveJob,
    pub(crate) purge: bool,
}

impl Due {
    /// `None`: there is nothing to do for it.
    pub(crate) fn of(found: Standby, options: &ArchiverOptions, now_ms: i64) -> Option<Self> {
        let Standby { stored, siblings, job, unfinished } = found;
        let purge = purge::is_due(&stored.archive, &job, options, now_ms) && !unfinished;
        let wanted = purge || wants_attention(stored.archive.state, unfinished);
        wanted.then_some(Self { stored, siblings, job, purge })
    }
}

/// A suspended archive waits for the operator, whatever is open. Orphaned and deleted ones are only looked
/// at to close what is open; of a paused one, too, it is noticed that its collection is gone.
fn wants_attention(state: ArchiveState, unfinished: bool) -> bool {
    match state {
        ArchiveState::Pending
        | ArchiveState::Archiving
        | ArchiveState::Idle
        | ArchiveState::Pausing
        | ArchiveState::Paused => true,
        ArchiveState::Orphaned | ArchiveState::Deleted => unfinished,
        ArchiveState::Suspended(_) => false,
    }
}
