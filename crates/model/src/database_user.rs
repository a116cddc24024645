//! Database users of a project: who may log in to its clusters and endpoints, and what for.

use crate::{EpochMs, ProjectId, Tag};

/// A database user. Its SCRAM secrets live in the store alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUser {
    /// Its project.
    pub project_id: ProjectId,
    /// Authentication database: `admin`.
    pub database: String,
    /// Name, unique in project and database.
    pub username: String,
    /// What it may do.
    pub roles: Vec<DatabaseRole>,
    /// Where it may log in; empty is everywhere.
    pub scopes: Vec<UserScope>,
    /// Labels.
    pub labels: Vec<Tag>,
    /// Free text.
    pub description: Option<String>,
    /// It can no longer log in from then on.
    pub delete_after: Option<EpochMs>,
    /// When it was created.
    pub created_at: EpochMs,
}

/// A role on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseRole {
    /// Its name, such as `readWrite`.
    pub role: String,
    /// The database that it is about; `admin` for roles on all of them.
    pub database: String,
    /// The one collection that it is about; `None`: all of them.
    pub collection: Option<String>,
}

/// A place where a user may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserScope {
    /// Name of the cluster or federated instance.
    pub name: String,
    /// What it names.
    pub kind: ScopeKind,
}

/// What a scope names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeKind {
    /// A cluster, and the read endpoints of its archives.
    Cluster,
    /// A federated database instance.
    DataLake,
    /// A stream processing instance.
    Stream,
}

impl ScopeKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Cluster, Self::DataLake, Self::Stream];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "CLUSTER",
            Self::DataLake => "DATA_LAKE",
            Self::Stream => "STREAM",
        }
    }

    /// By the name on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl DatabaseUser {
    /// Whether it may log in to this cluster at this time.
    #[must_use]
    pub fn may_log_in(&self, cluster_name: &str, now_ms: EpochMs) -> bool {
        let in_scope = self.scopes.is_empty()
            || self
                .scopes
                .iter()
                .any(|scope| scope.kind == ScopeKind::Cluster && scope.name == cluster_name);
        in_scope && self.delete_after.is_none_or(|end| now_ms < end)
    }
}
