//! Whole runs against a simulated cluster, a real table in a folder and a real journal in SQLite.

mod attach;
mod door;
mod faults;
mod fenced;
mod foreign;
mod inputs;
mod levels;
mod load;
mod locked;
mod operations;
mod purge;
mod quarantine;
mod races;
mod recover;
mod redact;
mod restore;
mod rules;
mod runs;
mod schedules;
mod sharded;
mod trouble;
mod unfit;
mod upkeep;
mod verify;
mod world;

use portolan_model::{ArchiveId, OnlineArchive};

/// An archive, for tests of single rules.
pub(crate) fn archive() -> OnlineArchive {
    world::archive(ArchiveId::new([1; 12]), world::criteria(), "file:///archives/1".into())
}
