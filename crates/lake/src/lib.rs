//! Documents in open tables on object storage: layout, writer, verifier, scan, commit.
//!
//! One Delta Lake table per archive. The table's log is kept by `deltalake-core`; data files, their
//! statistics and the add and remove actions are written here, so that every column, page and bound
//! is ours to choose and to check. Nothing here knows clusters, HTTP or control state: who may
//! commit what is said by the fence in the table's own log, and a [`Change`] names the epoch that
//! it acts under.
//!
//! Three habits run through the crate. A table is always loaded from its log, never from memory.
//! After *any* answer to a commit the log is read again and decides. What a file claims (keys,
//! month, statistics) is recomputed from the documents in it before the file may be committed.

mod audit;
mod change;
mod cleanup;
mod commit;
mod compact;
mod definition;
mod error;
mod expiry;
mod files;
mod find;
mod folder;
mod layout;
mod location;
mod log;
mod log_care;
mod marker;
mod month;
mod prune;
mod purge;
mod read;
mod redact;
mod rewrite;
mod row;
mod rules;
mod scan;
mod spec;
mod stage;
mod stats;
mod table;
mod text;
mod verify;
mod version;
mod write;

pub use audit::{FileAudit, Problem};
pub use change::Change;
pub use cleanup::{Leftover, Leftovers};
pub use commit::Committed;
pub use compact::{Compacted, CompactionRule};
pub use error::{CommitError, ErrorKind, LakeError, VerifyError};
pub use expiry::{ExpiryCut, ExpiryPlan, Unexpired};
pub use find::{CommittedRow, FoundRow};
pub use location::{
    AzureAccess, AzureSecret, Fitness, GcsAccess, Location, Protocol, Remote, S3Access, S3Key,
};
pub use log_care::LogCare;
pub use month::{date_ms, month};
pub use prune::Predicate;
pub use redact::Redacted;
pub use row::{hash, identity, identity_under};
pub use scan::{Row, ScanPlan};
pub use spec::{MonthSpec, TableSpec};
pub use stage::{Declared, DeclaredRow, StageRequest, Staged, StagedFile};
pub use table::Table;
pub use version::{DataFile, Version};

#[cfg(test)]
mod tests;
