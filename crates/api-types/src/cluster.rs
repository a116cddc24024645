//! Clusters on the wire, in the three forms of their bodies: flat (2023-01-01), with one disk size and a
//! number of shards (2023-02-01), and one entry per shard (2024-08-05 and later).
//!
//! A sandbox or attached cluster has no such hardware as `replicationSpecs` describes, but API clients
//! plan by it: what a client sets is checked, kept and shown again, in the newest form. What would
//! promise something that is not there (backups, encryption keys, shards) is refused by name. Which is
//! which stands in docs/reference/clusters.md.

mod change;
mod check;
mod details;
mod flat;
mod hardware;
mod process_args;
mod settings;
mod specs;
mod view;

use portolan_model::Tag;
use serde_json::{Map, Value};

use crate::VersionDate;
use crate::version::{V2023_02_01, V2024_08_05};

pub(crate) use change::read_name;
pub use change::{ClusterChange, HardwareChange, parse_create, parse_update};
pub use check::ConfigurationCheck;
pub use details::{ClusterSummary, containers, project_clusters_json, provider_regions};
pub use flat::{Flat, parse_tenant_upgrade};
pub(crate) use hardware::check_region;
pub use process_args::{ProcessArgsChange, ServerArgs, process_args_json};
pub use settings::{default_settings, merge_settings, minimum_tls};
pub use specs::{auto_scaling_mode, is_tenant, provider_of, with_ids};
pub use view::{ClusterPicture, ConnectionStringsView, cluster_json, status_json};

/// Most characters of a cluster's name.
pub const NAME_CHARS_MAX: usize = 64;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// 2023-01-01: flat `providerSettings`.
    Flat,
    /// 2023-02-01: `diskSizeGB` at the top, `numShards` in each spec.
    Advanced,
    /// 2024-08-05 and later: one spec for each shard.
    PerShard,
}

impl Form {
    /// The form of a version.
    #[must_use]
    pub fn of(version: VersionDate) -> Self {
        if version >= V2024_08_05 {
            Self::PerShard
        } else if version >= V2023_02_01 {
            Self::Advanced
        } else {
            Self::Flat
        }
    }
}

/// A checked create body.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterDraft {
    /// Letters, digits and hyphens, starting with no hyphen.
    pub name: String,
    /// Labels.
    pub tags: Vec<Tag>,
    /// Refuses deletion while set.
    pub termination_protection_enabled: bool,
    /// The hardware described, in the newest form, without ids.
    pub replication_specs: Vec<Value>,
    /// What else is shown as it was set.
    pub settings: Map<String, Value>,
}

#[cfg(test)]
mod tests;
