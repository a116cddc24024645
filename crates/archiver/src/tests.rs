//! Whole runs against a simulated cluster, a real table in a folder and a real journal in SQLite.

mod attach;
mod faults;
mod fenced;
mod load;
mod operations;
mod races;
mod redact;
mod restore;
mod runs;
mod schedules;
mod sharded;
mod upkeep;
mod world;

use portolan_model::{ArchiveId, OnlineArchive};

/// An archive, for tests of single rules.
pub(crate) fn archive() -> OnlineArchive {
    world::archive(ArchiveId::new([1; 12]), world::criteria(), "file:///archives/1".into())
}
mod verify;
