//! The cluster as clients read it, in each form.

use portolan_model::{Cluster, ClusterState, FcvPin};
use serde_json::{Map, Value, json};

use super::{Form, flat};
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
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
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
    /// Whether it is paused, or about to be.
    pub paused: bool,
    /// Its pinned feature compatibility version.
    pub fcv_pin: Option<&'a FcvPin>,
    /// How it is reached; empty until it is.
    pub connection_strings: ConnectionStringsView,
    /// Links, as JSON.
    pub links: Value,
}

/// The cluster in a form.
#[must_use]
pub fn cluster_json(picture: &ClusterPicture<'_>, form: Form) -> Value {
    let mut shown = newest(picture);
    match form {
        Form::PerShard => {
            let specs = shown.get("replicationSpecs").cloned().unwrap_or_default();
            shown.insert("effectiveReplicationSpecs".to_owned(), specs);
        }
        Form::Advanced => advance(&mut shown),
        Form::Flat => flat::flatten(&mut shown),
    }
    Value::Object(shown)
}

fn newest(picture: &ClusterPicture<'_>) -> Map<String, Value> {
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
    set("paused", Value::from(picture.paused));
    let specs = serde_json::from_str(&cluster.replication_specs_json);
    set("replicationSpecs", specs.unwrap_or_else(|_| json!([])));
    set("stateName", Value::from(cluster.state.as_str()));
    set("tags", tags::json(&cluster.tags));
    set("terminationProtectionEnabled", Value::from(cluster.termination_protection_enabled));
    if let Some(version) = &cluster.version {
        set("featureCompatibilityVersion", Value::from(version.major()));
        set("mongoDBVersion", Value::from(version.0.clone()));
    }
    if let Some(pin) = picture.fcv_pin {
        set("featureCompatibilityVersion", Value::from(pin.version.clone()));
        set("featureCompatibilityVersionExpirationDate", Value::from(iso8601(pin.until)));
    }
    if let Some(version) = &cluster.version {
        shown.entry("mongoDBMajorVersion").or_insert_with(|| Value::from(version.major()));
    }
    shown
}

/// One disk size at the top, a number of shards in each spec, and nothing of what came later.
fn advance(shown: &mut Map<String, Value>) {
    let mut disk = None;
    let specs = shown.get_mut("replicationSpecs").and_then(Value::as_array_mut);
    for spec in specs.into_iter().flatten() {
        spec["numShards"] = json!(1);
        for config in spec["regionConfigs"].as_array_mut().into_iter().flatten() {
            for name in ["analyticsSpecs", "electableSpecs", "readOnlySpecs"] {
                let hardware = config.get_mut(name).and_then(Value::as_object_mut);
                let size = hardware.and_then(|hardware| hardware.remove("diskSizeGB"));
                disk = disk.or(size);
            }
        }
    }
    for name in ["adaptiveCapacity", "redactClientLogData"] {
        shown.remove(name);
    }
    shown.insert("diskSizeGB".to_owned(), disk.unwrap_or_else(|| json!(10.0)));
}

/// `status`: whether what was asked for has been done.
#[must_use]
pub fn status_json(state: ClusterState) -> Value {
    let applied = state == ClusterState::Idle;
    json!({ "changeStatus": if applied { "APPLIED" } else { "PENDING" } })
}
