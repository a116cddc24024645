//! What can go wrong at a cluster. `Unknown` is a kind of its own: a write whose reply was lost is
//! resolved by reading, never by assuming.

use portolan_model::Namespace;
use portolan_runtime::InjectedFault;

/// An error of a cluster.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    /// The request cannot be right whatever the cluster holds.
    #[error("{0}")]
    Invalid(String),
    /// The address policy or the cluster's access control refused.
    #[error("{0}")]
    Denied(String),
    /// The collection does not exist. Not an outcome of a delete: nothing follows for its documents.
    #[error("collection {0} does not exist")]
    NamespaceMissing(Namespace),
    /// The name stands for another collection than the pinned one. Not an outcome of a delete.
    #[error("collection {0} is not the one that was pinned: its UUID changed")]
    CollectionReplaced(Namespace),
    /// The cluster could not be asked; nothing was done.
    #[error("the cluster is unavailable: {0}")]
    Unavailable(String),
    /// A transaction came to nothing because somebody else wrote the same; nothing was done.
    #[error("the transaction was aborted: {0}")]
    Aborted(String),
    /// The fence of the collection is not ours, or not where we left it; nothing was done.
    #[error("the fence of the collection is held by another epoch, or has moved on")]
    Fenced,
    /// A write may or may not have happened.
    #[error("the outcome is not known: {0}")]
    Unknown(String),
    /// The server does not know how.
    #[error("{0}")]
    Unsupported(String),
    /// The server refused for a reason of its own.
    #[error("the cluster answered {name} ({code}): {message}")]
    Server {
        /// MongoDB error code.
        code: i32,
        /// Its name.
        name: String,
        /// The server's words.
        message: String,
    },
    /// A defect here, or an answer that makes no sense.
    #[error("{0}")]
    Internal(String),
}

/// Coarse kinds, for callers that decide what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Wrong request.
    Invalid,
    /// Not allowed.
    Denied,
    /// Not there.
    Missing,
    /// There, but another one.
    Conflict,
    /// Nothing was done; worth another attempt later.
    Retry,
    /// Perhaps done.
    Unknown,
    /// Not supported.
    Unsupported,
    /// Defect.
    Internal,
}

impl ClusterError {
    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Denied(_) => ErrorKind::Denied,
            Self::NamespaceMissing(_) => ErrorKind::Missing,
            Self::CollectionReplaced(_) | Self::Fenced => ErrorKind::Conflict,
            Self::Unavailable(_) | Self::Aborted(_) => ErrorKind::Retry,
            Self::Unknown(_) => ErrorKind::Unknown,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::Server { .. } | Self::Internal(_) => ErrorKind::Internal,
        }
    }

    /// Whether the collection is gone or another one stands in its place.
    #[must_use]
    pub const fn is_collection_lost(&self) -> bool {
        matches!(self, Self::NamespaceMissing(_) | Self::CollectionReplaced(_))
    }
}

impl From<InjectedFault> for ClusterError {
    fn from(fault: InjectedFault) -> Self {
        Self::Unknown(fault.to_string())
    }
}

impl From<bson::error::Error> for ClusterError {
    fn from(error: bson::error::Error) -> Self {
        Self::Internal(format!("malformed BSON: {error}"))
    }
}
