//! The one error of this crate. "Unknown" is an outcome of its own and never folded into failure.

use portolan_runtime::InjectedFault;

/// What went wrong in a table.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The caller's input cannot be stored.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Something that must exist does not.
    #[error("missing: {0}")]
    Missing(String),
    /// Something else is already there.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Storage answered with an error that may pass.
    #[error("storage: {0}")]
    Retry(String),
    /// Whether it happened is not known; only reading the table again can tell.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// The table uses something that this version does not.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// A store is not fit for tables.
    #[error("{step}: {cause}; {remedy}")]
    Unfit {
        /// What was tried.
        step: &'static str,
        /// What happened.
        cause: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A bug or a broken file.
    #[error("internal: {0}")]
    Internal(String),
    /// The table's fence is not ours: another worker took over, or we never wrote our fence.
    #[error("fenced: the table's epoch is {fence}, ours is {epoch}")]
    Fenced {
        /// The epoch in the table.
        fence: i64,
        /// The epoch that the change named.
        epoch: i64,
    },
    /// Another move of the table is committed and not confirmed, or its number is not below ours.
    #[error("move {committed} is open or not older than {seq} (confirmed: {confirmed})")]
    OpenMove {
        /// Number of the last committed move.
        committed: i64,
        /// Number of the last confirmed move.
        confirmed: i64,
        /// The number that the change named.
        seq: i64,
    },
    /// A file that the change replaces is no longer in the table.
    #[error("{path} is no longer in the table")]
    InputGone {
        /// The file.
        path: String,
    },
    /// A commit that is not ours changed data.
    #[error("version {version} was written by another engine and changed data")]
    ForeignWriter {
        /// The version that did it.
        version: i64,
    },
    /// A hold stands: nothing that is archived may leave the table.
    #[error("the archive is held: {0}")]
    Held(String),
    /// A staged file is not what it should be; it must not be committed.
    #[error("verification failed: {0}")]
    Unverified(String),
    /// A staged file or a commit attempt is too old to be committed.
    #[error("too old to commit: {0}")]
    Stale(String),
}

/// The error of [`crate::Table::commit`].
pub type CommitError = LakeError;

/// The error of [`crate::Table::verify`].
pub type VerifyError = LakeError;

/// Kinds of errors, the same in every crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Bad input.
    Invalid,
    /// Not there.
    Missing,
    /// Somebody else's state is in the way.
    Conflict,
    /// May succeed later.
    Retry,
    /// Outcome not known.
    Unknown,
    /// Not offered.
    Unsupported,
    /// A bug or damage.
    Internal,
}

impl LakeError {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Missing(_) => ErrorKind::Missing,
            Self::Conflict(_)
            | Self::Fenced { .. }
            | Self::OpenMove { .. }
            | Self::InputGone { .. }
            | Self::ForeignWriter { .. }
            | Self::Held(_)
            | Self::Stale(_) => ErrorKind::Conflict,
            Self::Retry(_) => ErrorKind::Retry,
            Self::Unknown(_) => ErrorKind::Unknown,
            Self::Unsupported(_) | Self::Unfit { .. } => ErrorKind::Unsupported,
            Self::Internal(_) | Self::Unverified(_) => ErrorKind::Internal,
        }
    }

    /// Whether a file may be to blame that cannot be read, or is not what the log says: not the storage, nor
    /// the order of things.
    #[must_use]
    pub const fn tells_of_damage(&self) -> bool {
        matches!(
            self,
            Self::Missing(_) | Self::Unverified(_) | Self::Internal(_) | Self::Invalid(_)
        )
    }

    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<InjectedFault> for LakeError {
    fn from(fault: InjectedFault) -> Self {
        Self::Unknown(fault.to_string())
    }
}

impl From<object_store::Error> for LakeError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { path, .. } => Self::Missing(path),
            object_store::Error::AlreadyExists { path, .. } => Self::Conflict(path),
            object_store::Error::NotSupported { .. }
            | object_store::Error::NotImplemented { .. } => Self::Unsupported(error.to_string()),
            other => Self::Retry(other.to_string()),
        }
    }
}

impl From<parquet::errors::ParquetError> for LakeError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Internal(format!("parquet: {error}"))
    }
}

impl From<arrow::error::ArrowError> for LakeError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Internal(format!("arrow: {error}"))
    }
}

impl From<deltalake_core::DeltaTableError> for LakeError {
    fn from(error: deltalake_core::DeltaTableError) -> Self {
        use deltalake_core::DeltaTableError as Delta;
        match error {
            Delta::ObjectStore { source } => source.into(),
            Delta::NotATable(what) => Self::Missing(what),
            Delta::VersionAlreadyExists(version) => Self::Conflict(format!("version {version}")),
            other => Self::Retry(format!("table log: {other}")),
        }
    }
}

impl From<tokio::task::JoinError> for LakeError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(format!("a task ended early: {error}"))
    }
}
