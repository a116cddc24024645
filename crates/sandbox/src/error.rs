//! Errors of the room: [`SandboxError`] for who owns a sandbox, and the internal [`Failure`] that
//! commands return, which becomes a wire error at the edge. The numbers and names are those of
//! MongoDB's public list of error codes.

use std::path::{Path, PathBuf};

use bson::RawDocumentBuf;
use portolan_mql::MqlError;
use portolan_runtime::InjectedFault;
use portolan_wire::CommandError;

/// Why a sandbox could not be opened, loaded or closed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Another process (or another sandbox of this one) has the file open. Kind: Conflict.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not one that we wrote, or not as we wrote it. Kind: Invalid.
    #[error("{} is damaged and was not opened: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file was written by a version with another layout. Kind: Unsupported.
    #[error("{} has layout {found}, this version reads layout {expected}", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// The layout number in the file.
        found: u64,
        /// The layout number that this version reads.
        expected: u64,
    },
    /// The file or its folder could not be read or written. Kind: Internal.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The store failed. Kind: Internal.
    #[error("the sandbox's store failed: {0}")]
    Storage(String),
    /// A document was refused, as a driver would be refused. Kind: Invalid.
    #[error("{name} ({code}): {message}")]
    Refused {
        /// MongoDB's error code.
        code: i32,
        /// Its name.
        name: String,
        /// What was wrong.
        message: String,
    },
    /// The sandbox was closed. Kind: Retry.
    #[error("the sandbox is closed")]
    Closed,
    /// Whether the write took place is not known. Kind: Unknown.
    #[error("whether the write took place is not known: {0}")]
    Unknown(String),
}

impl SandboxError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

impl From<InjectedFault> for SandboxError {
    fn from(fault: InjectedFault) -> Self {
        Self::Unknown(fault.to_string())
    }
}

impl From<CommandError> for SandboxError {
    fn from(error: CommandError) -> Self {
        Self::Refused { code: error.code, name: error.code_name, message: error.message }
    }
}

impl From<Failure> for SandboxError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => (*error).into(),
            Failure::Storage(error) => Self::Storage(error.to_string()),
        }
    }
}

/// Numbers of MongoDB's public list of error codes, with some that only a database needs.
pub(crate) mod codes {
    pub(crate) use portolan_wire::codes::*;

    pub(crate) const NO_MATCHING_DOCUMENT: i32 = 47;
    pub(crate) const INVALID_ID_FIELD: i32 = 53;
    pub(crate) const CAPPED_POSITION_LOST: i32 = 136;
    pub(crate) const COMMAND_NOT_SUPPORTED_ON_VIEW: i32 = 166;
    pub(crate) const QUERY_PLAN_KILLED: i32 = 175;
    pub(crate) const VIEW_DEPTH_LIMIT_EXCEEDED: i32 = 165;
    pub(crate) const OPTION_NOT_SUPPORTED_ON_VIEW: i32 = 167;
    pub(crate) const GRAPH_CONTAINS_CYCLE: i32 = 5;
    pub(crate) const CANNOT_INDEX_PARALLEL_ARRAYS: i32 = 171;
    pub(crate) const SNAPSHOT_TOO_OLD: i32 = 239;
    pub(crate) const INVALID_RESUME_TOKEN: i32 = 260;
    pub(crate) const CHANGE_STREAM_FATAL: i32 = 280;
    pub(crate) const CHANGE_STREAM_HISTORY_LOST: i32 = 286;
    pub(crate) const NO_QUERY_EXECUTION_PLANS: i32 = 291;
    pub(crate) const OUT_OF_DISK_SPACE: i32 = 14031;
    pub(crate) const SEARCH_NOT_ENABLED: i32 = 31082;
    pub(crate) const FIELD_IS_MISSING: i32 = 40414;
    pub(crate) const NOT_FIRST_STAGE: i32 = 40602;
}

/// Why an operation on the store ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing of the refused statement happened; other statements may go on.
    Refused(Box<CommandError>),
    /// The store failed: the whole transaction is given up.
    Storage(Box<redb::Error>),
}

/// A refusal with `code`.
pub(crate) fn refuse(code: i32, message: impl Into<String>) -> Failure {
    CommandError::new(code, message).into()
}

impl Failure {
    /// Adds fields that clients read beside the message.
    pub(crate) fn with_extra(self, extra: RawDocumentBuf) -> Self {
        match self {
            Self::Refused(error) => error.with_extra(extra).into(),
            storage @ Self::Storage(_) => storage,
        }
    }

    /// Adds a label on which drivers act.
    pub(crate) fn with_label(self, label: &str) -> Self {
        match self {
            Self::Refused(error) => error.with_label(label).into(),
            storage @ Self::Storage(_) => storage,
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<MqlError> for Failure {
    fn from(error: MqlError) -> Self {
        refuse(error.code, error.message)
    }
}

/// What the client sees.
impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => *error,
            Failure::Storage(error) => storage_error(&error),
        }
    }
}

/// The reply to a client whose command met a failing store.
pub(crate) fn storage_error(error: &redb::Error) -> CommandError {
    let (code, name) = match error {
        redb::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => {
            (codes::OUT_OF_DISK_SPACE, "OutOfDiskSpace")
        }
        redb::Error::DatabaseClosed => (codes::SHUTDOWN_IN_PROGRESS, "ShutdownInProgress"),
        _ => (codes::INTERNAL_ERROR, "InternalError"),
    };
    let refusal = CommandError::new(code, format!("the store failed: {error}"));
    CommandError { code_name: name.to_owned(), ..refusal }
}

macro_rules! storage_failures {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Storage(Box::new(error.into()))
            }
        })*
    };
}

storage_failures!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError
);

impl From<bson::error::Error> for Failure {
    fn from(error: bson::error::Error) -> Self {
        refuse(codes::INVALID_BSON, error.to_string())
    }
}
