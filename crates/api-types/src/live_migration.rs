//! Live migrations on the wire: requests in both versions, validations, migrations, the projects that
//! linked sources offer, and how a source describes itself to the instance that it is linked to.

mod request;
mod source;

use portolan_model::{MigrationId, ProjectId};
use serde_json::{Value, json};

pub use request::{
    DestinationCluster, HostnameSchema, MigrationRequest, ShardEntry, SourceCluster, parse_request,
};
pub use source::{Deployment, OfferedProject, SourceView, parse_source};

/// A validation as its answers show it (`LiveImportValidation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidationView<'a> {
    /// Its id.
    pub id: MigrationId,
    /// The project of the destination.
    pub project_id: ProjectId,
    /// The project of the source.
    pub source_project_id: ProjectId,
    /// `PENDING`, `SUCCESS` or `FAILED`.
    pub status: &'a str,
    /// Why it failed.
    pub error_message: Option<&'a str>,
}

impl ValidationView<'_> {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "_id": self.id.to_string(),
            "errorMessage": self.error_message,
            "groupId": self.project_id.to_string(),
            "sourceGroupId": self.source_project_id.to_string(),
            "status": self.status,
        })
    }
}

/// A migration as its answers show it (`LiveMigrationResponse`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationView<'a> {
    /// Its id.
    pub id: MigrationId,
    /// `NEW`, `WORKING`, `FAILED`, `COMPLETE` or `EXPIRED`.
    pub status: &'a str,
    /// Whether cutover may be asked for.
    pub ready_for_cutover: bool,
    /// How far it is behind, while it runs.
    pub lag_time_s: Option<i64>,
    /// Where it runs.
    pub migration_hosts: &'a [String],
}

impl MigrationView<'_> {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "_id": self.id.to_string(),
            "lagTimeSeconds": self.lag_time_s,
            "migrationHosts": self.migration_hosts,
            "readyForCutover": self.ready_for_cutover,
            "status": self.status,
        })
    }
}

#[cfg(test)]
mod tests;
