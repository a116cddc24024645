//! The nouns of Portolan as pure values: ids, organizations, projects, clusters, online archives,
//! their states and limits.
//!
//! No I/O, no async, no serde: wire shapes live in `api-types`, rows in `store`. Where a rule copies
//! MongoDB Atlas, the doc comment names the public page it comes from.

mod acceptance;
mod archive;
mod archive_reports;
mod archive_rules;
mod cluster;
mod database_user;
mod event_type;
mod ids;
mod limits;
mod namespace;
mod network;
mod organization;
mod project_limit;
mod project_settings;
mod region;
mod role;
mod schedule;
mod shard_key;
mod tenant;

pub use acceptance::Acceptance;
pub use archive::{
    ArchiveEvent, ArchiveState, CollectionType, Criteria, DateFormat, OnlineArchive,
    PartitionField, PartitionFieldType, StateRefused, SuspendReason,
};
pub use archive_reports::{
    ArchiveDefinition, ArchiveStatistics, ExpiryPreview, FoundTable, IndexCheck, OpenMove,
};
pub use archive_rules::{ArchiveRules, ExpiryRule, Hold};
pub use cluster::{
    AttachedCluster, Cluster, ClusterKind, ClusterState, FcvPin, GuardLevel, ServerVersion,
    UnknownLevel,
};
pub use database_user::{DatabaseRole, DatabaseUser, ScopeKind, UserScope};
pub use event_type::EventType;
pub use ids::{
    ApiKeyId, ArchiveId, ClusterId, EventId, InvalidId, InvitationId, JobId, MigrationId, OrgId,
    ProjectId, RequestId, SecretId, ServiceAccountId, TeamId, UserId,
};
pub use limits::Limits;
pub use namespace::{InvalidNamespace, Namespace};
pub use network::NetworkEntry;
pub use organization::{Organization, Project, Tag};
pub use project_limit::{LimitBounds, ProjectLimit, UnknownLimit};
pub use project_settings::ProjectSwitch;
pub use region::{CloudProvider, DataProcessRegion};
pub use role::{OrgRole, ProjectRole, UnknownRole};
pub use schedule::{InvalidSchedule, Schedule, TimeOfDay, Window};
pub use shard_key::{ShardField, ShardKey};
pub use tenant::{ArchiveTenant, OverrunPolicy, QueryLimitName};

/// Milliseconds since the Unix epoch, UTC.
pub type EpochMs = i64;

#[cfg(test)]
mod tests;
