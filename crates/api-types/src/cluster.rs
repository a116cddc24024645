//! Clusters on the wire: `ClusterDescription20240805`, and its older form of 2023-02-01 for reading.
//!
//! A sandbox or attached cluster has no such hardware as `replicationSpecs` describes, but API clients
//! plan by it: what a client sets is kept and shown again. What would promise something that is not
//! there (backups, encryption keys, shards, a paused cluster) is refused by name.

mod parse;
mod specs;
mod view;

use portolan_model::Tag;
use serde_json::{Map, Value};

pub(crate) use parse::read_name;
pub use parse::{default_settings, parse_create};
pub use specs::{provider_of, with_ids};
pub use view::{ClusterPicture, ConnectionStringsView, cluster_json, cluster_json_20230201};

/// Most characters of a cluster's name.
pub const NAME_CHARS_MAX: usize = 64;

/// A checked create body.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterDraft {
    /// Letters, digits and hyphens, starting with no hyphen.
    pub name: String,
    /// Labels.
    pub tags: Vec<Tag>,
    /// Refuses deletion while set.
    pub termination_protection_enabled: bool,
    /// The hardware described, without ids.
    pub replication_specs: Vec<Value>,
    /// What else is shown as it was set.
    pub settings: Map<String, Value>,
}

#[cfg(test)]
mod tests;
