//! What stops a run. Most errors end it and leave the rest to the next run, which reads what is true
//! before it does anything: nothing here is ever concluded from an error.

use portolan_cluster::ClusterError;
use portolan_lake::LakeError;
use portolan_model::{ArchiveId, SuspendReason};
use portolan_runtime::InjectedFault;
use portolan_store::StoreError;

/// Why a run, or a part of it, stopped.
#[derive(Debug, thiserror::Error)]
pub enum ArchiverError {
    /// Invalid: criteria that cannot be evaluated.
    #[error("{0}")]
    Invalid(String),
    /// Denied: the cluster may not be archived from as it is.
    #[error("{0}")]
    Denied(String),
    /// Retry: our clock and the cluster's are too far apart for a cut-off.
    #[error(
        "the clocks of this host ({own_ms}) and of the cluster ({cluster_ms}) differ by more than \
         five minutes"
    )]
    ClocksDisagree {
        /// Ours, in milliseconds since the epoch.
        own_ms: i64,
        /// The cluster's.
        cluster_ms: i64,
    },
    /// Retry: the clocks of this host, the control database and the storage are too far apart for
    /// anything that time decides.
    #[error(
        "the clocks of this host ({own_ms}), the control database ({database_ms}) and the storage \
         ({storage_ms}) differ by more than five minutes"
    )]
    ClocksSpread {
        /// Ours, in milliseconds since the epoch.
        own_ms: i64,
        /// The control database's.
        database_ms: i64,
        /// The storage location's.
        storage_ms: i64,
    },
    /// Conflict: the lease is not ours any more, or we can no longer be sure of it.
    #[error("the lease of the collection was lost")]
    LeaseLost,
    /// Conflict: another worker took the operation.
    #[error("another worker took the operation")]
    Overtaken,
    /// Conflict: the collection is gone, or another one stands in its place.
    #[error("the collection is gone or was replaced by another one")]
    CollectionLost,
    /// Internal: a file that a run has to read is damaged. It stands still until the file is whole again.
    #[error(
        "file {path} of archive {archive_id} is damaged and in quarantine; bring its object back as it \
         was, and have the archive verified: until then nothing more is moved"
    )]
    Damaged {
        /// The archive.
        archive_id: ArchiveId,
        /// The file, in the archive's table.
        path: String,
    },
    /// Conflict: a system is older than the others, or somebody else writes; the operator decides.
    #[error("archive {archive_id} is suspended, {reason:?}: {detail}")]
    Suspended {
        /// The archive.
        archive_id: ArchiveId,
        /// The reason.
        reason: SuspendReason,
        /// What was found.
        detail: String,
    },
    /// Retry: the cluster has no room for more, for longer than a run waits.
    #[error("the cluster has no room for more: {0}")]
    Overburdened(String),
    /// Retry: this process is going down and hands its work back.
    #[error("the worker is stopping")]
    Stopping,
    /// From the cluster.
    #[error("cluster: {0}")]
    Cluster(#[from] ClusterError),
    /// From the archive's table.
    #[error("table: {0}")]
    Lake(#[from] LakeError),
    /// From the control database.
    #[error("control database: {0}")]
    Store(#[from] StoreError),
    /// Unknown: an injected fault.
    #[error(transparent)]
    Fault(#[from] InjectedFault),
    /// Internal: a journal that cannot be what we wrote.
    #[error("{0}")]
    Internal(String),
}

impl ArchiverError {
    /// Whether the collection was lost.
    #[must_use]
    pub fn is_collection_lost(&self) -> bool {
        match self {
            Self::CollectionLost => true,
            Self::Cluster(error) => error.is_collection_lost(),
            _ => false,
        }
    }

    /// Whether the same work may succeed later without anybody doing anything.
    pub(crate) fn may_pass(&self) -> bool {
        use portolan_cluster::ErrorKind as Cluster;
        use portolan_lake::ErrorKind as Lake;
        use portolan_store::ErrorKind as Store;
        match self {
            Self::ClocksDisagree { .. }
            | Self::ClocksSpread { .. }
            | Self::LeaseLost
            | Self::Overburdened(_)
            | Self::Stopping
            | Self::Lake(LakeError::Fenced { .. } | LakeError::InputGone { .. })
            | Self::Fault(_) => true,
            Self::Cluster(error) => matches!(error.kind(), Cluster::Retry | Cluster::Unknown),
            Self::Lake(error) => matches!(error.kind(), Lake::Retry | Lake::Unknown),
            Self::Store(error) => matches!(error.kind(), Store::Retry | Store::Unknown),
            Self::Invalid(_)
            | Self::Denied(_)
            | Self::Overtaken
            | Self::CollectionLost
            | Self::Suspended { .. }
            | Self::Damaged { .. }
            | Self::Internal(_) => false,
        }
    }

    /// Whether a file of a table may be to blame.
    pub(crate) fn tells_of_damage(&self) -> bool {
        matches!(self, Self::Lake(error) if error.tells_of_damage())
    }

    pub(crate) fn suspended(
        archive_id: ArchiveId,
        reason: SuspendReason,
        detail: impl Into<String>,
    ) -> Self {
        Self::Suspended { archive_id, reason, detail: detail.into() }
    }
}
