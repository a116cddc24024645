//! Clusters: sandbox clusters that Portolan runs, and attached ones that it only dials.

use std::fmt;
use std::str::FromStr;

use crate::{ClusterId, EpochMs, ProjectId, Tag};

/// A cluster of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its name, unique in the project.
    pub name: String,
    /// What stands behind it.
    pub kind: ClusterKind,
    /// Where it is in its life.
    pub state: ClusterState,
    /// The server's version, as far as known.
    pub version: Option<ServerVersion>,
    /// What its deletes can guarantee.
    pub level: GuardLevel,
    /// Refuses deletion while set.
    pub termination_protection_enabled: bool,
    /// Labels.
    pub tags: Vec<Tag>,
    /// The `replicationSpecs` of the create request as JSON text, echoed to clients: a sandbox or
    /// attached cluster has no such hardware, but API clients plan by it.
    pub replication_specs_json: String,
    /// When it was created or attached.
    pub created_at: EpochMs,
}

/// A pinned feature compatibility version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FcvPin {
    /// Such as `7.0`.
    pub version: String,
    /// When the pin ends by itself.
    pub until: EpochMs,
}

/// What stands behind a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterKind {
    /// Embedded in this instance, listening on its own port for life.
    Sandbox {
        /// TCP port.
        port: u16,
    },
    /// A user's own deployment.
    Attached(AttachedCluster),
}

/// A user's own deployment. Its connection string is a secret and lives in the store, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedCluster {
    /// The hosts of the connection string, for display: no user, no password.
    pub hosts: Vec<String>,
    /// The operator states that documents that match an archive's criteria are no longer written.
    /// Demanded for clusters of level L0.
    pub writes_quiesced: bool,
}

/// Where a cluster is in its life (`stateName` on the wire).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterState {
    /// Being made.
    Creating,
    /// Ready.
    Idle,
    /// Being changed.
    Updating,
    /// Being removed.
    Deleting,
}

impl ClusterState {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Idle => "IDLE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        }
    }
}

impl FromStr for ClusterState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Creating, Self::Idle, Self::Updating, Self::Deleting]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| text.to_owned())
    }
}

/// What the deletes of a cluster can guarantee; probed, shown, recorded in each run. See
/// docs/explanation/safety.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuardLevel {
    /// No atomic guard: the operator must state that matching documents are not written.
    L0,
    /// One atomic delete refuses every changed document.
    L1,
    /// Transactions.
    L2,
    /// Transactions and a fence document.
    L3,
}

/// A text that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no guard level")]
pub struct UnknownLevel(String);

impl GuardLevel {
    /// `L0` to `L3`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::L0 => "L0",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        }
    }
}

impl fmt::Display for GuardLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GuardLevel {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        [Self::L0, Self::L1, Self::L2, Self::L3]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

/// A server version such as `7.0.0`, as the server reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion(pub String);

impl ServerVersion {
    /// The first two numbers, such as `7.0`; the whole text when it has no two.
    #[must_use]
    pub fn major(&self) -> String {
        self.0.split('.').take(2).collect::<Vec<_>>().join(".")
    }
}
