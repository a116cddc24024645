//! The cluster as clients read it.

use portolan_model::Cluster;
use serde_json::{Map, Value, json};

use crate::{tags, time::iso8601};

/// How a cluster is reached. `standardSrv` is left out where there is no DNS record for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionStringsView {
    /// `mongodb://…`
    pub standard: Option<String>,
    /// `mongodb+srv://…`
    pub standard_srv: Option<String>,
}

impl ConnectionStringsView {
    fn json(&self) -> Value {
        let mut object = Map::new();
        for (name, text) in [("standard", &self.standard), ("standardSrv", &self.standard_srv)] {
            if let Some(text) = text {
                object.insert(name.to_owned(), Value::from(text.clone()));
            }
        }
        Value::Object(object)
    }
}

/// Everything that is shown of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterPicture<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Its settings as stored, a JSON object.
    pub settings_json: &'a str,
    /// How it is reached; empty until it is.
    pub connection_strings: ConnectionStringsView,
    /// Links, as JSON.
    pub links: Value,
}

/// `ClusterDescription20240805`.
#[must_use]
pub fn cluster_json(picture: &ClusterPicture<'_>) -> Value {
    let cluster = picture.cluster;
    let mut shown: Map<String, Value> =
        serde_json::from_str(picture.settings_json).unwrap_or_default();
    let mut set = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    set("connectionStrings", picture.connection_strings.json());
    set("createDate", Value::from(iso8601(cluster.created_at)));
    set("groupId", Value::from(cluster.project_id.to_string()));
    set("id", Value::from(cluster.id.to_string()));
    set("links", picture.links.clone());
    set("name", Value::from(cluster.name.clone()));
    let specs = serde_json::from_str(&cluster.replication_specs_json);
    set("replicationSpecs", specs.unwrap_or_else(|_| json!([])));
    set("stateName", Value::from(cluster.state.as_str()));
    set("tags", tags::json(&cluster.tags));
    set("terminationProtectionEnabled", Value::from(cluster.termination_protection_enabled));
    if let Some(version) = &cluster.version {
        set("featureCompatibilityVersion", Value::from(version.major()));
        set("mongoDBVersion", Value::from(version.0.clone()));
        shown.entry("mongoDBMajorVersion").or_insert_with(|| Value::from(version.major()));
    }
    Value::Object(shown)
}

/// `AdvancedClusterDescription` of 2023-02-01: one disk size at the top, a number of shards in each
/// spec, and nothing of what came later.
#[must_use]
pub fn cluster_json_20230201(picture: &ClusterPicture<'_>) -> Value {
    let mut shown = cluster_json(picture);
    let mut disk = None;
    for spec in shown["replicationSpecs"].as_array_mut().into_iter().flatten() {
        spec["numShards"] = json!(1);
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("zoneId");
        }
        for config in spec["regionConfigs"].as_array_mut().into_iter().flatten() {
            for name in ["analyticsSpecs", "electableSpecs", "readOnlySpecs"] {
                let hardware = config.get_mut(name).and_then(Value::as_object_mut);
                let size = hardware.and_then(|hardware| hardware.remove("diskSizeGB"));
                disk = disk.or(size);
            }
        }
    }
    if let Some(object) = shown.as_object_mut() {
        object.remove("redactClientLogData");
        object.insert("diskSizeGB".to_owned(), disk.unwrap_or_else(|| json!(10.0)));
    }
    shown
}
