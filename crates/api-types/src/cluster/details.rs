//! Clusters across projects, and what clients ask about providers: regions, network containers.

use portolan_model::{Cluster, ClusterState, Project};
use serde_json::{Map, Value, json};

use super::hardware;
use crate::Problem;

/// A cluster among those of all projects.
#[derive(Debug, Clone)]
pub struct ClusterSummary<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Whether it is paused.
    pub paused: bool,
    /// Its members.
    pub nodes: usize,
    /// Bytes of its data on disk, where this instance knows.
    pub data_bytes: Option<u64>,
    /// Whether it speaks TLS, where this instance knows.
    pub tls: Option<bool>,
}

impl ClusterSummary<'_> {
    fn json(&self) -> Value {
        let cluster = self.cluster;
        let ready = matches!(cluster.state, ClusterState::Idle | ClusterState::Updating);
        let available = ready && !self.paused;
        let versions: Vec<&str> =
            cluster.version.iter().map(|version| version.0.as_str()).collect();
        let mut shown = json!({
            "alertCount": 0,
            "authEnabled": true,
            "availability": if available { "available" } else { "unavailable" },
            "backupEnabled": false,
            "clusterId": cluster.id.to_string(),
            "name": cluster.name,
            "nodeCount": self.nodes,
            "type": "REPLICA_SET",
            "versions": versions,
        });
        if let Some(bytes) = self.data_bytes {
            shown["dataSizeBytes"] = json!(bytes);
        }
        if let Some(tls) = self.tls {
            shown["sslEnabled"] = json!(tls);
        }
        shown
    }
}

/// A project with its clusters (`OrgGroup`).
#[must_use]
pub fn project_clusters_json(
    project: &Project,
    org_name: &str,
    clusters: &[ClusterSummary<'_>],
) -> Value {
    let labels: Vec<String> =
        project.tags.iter().map(|tag| format!("{}:{}", tag.key, tag.value)).collect();
    json!({
        "clusters": clusters.iter().map(ClusterSummary::json).collect::<Vec<_>>(),
        "groupId": project.id.to_string(),
        "groupName": project.name,
        "orgId": project.org_id.to_string(),
        "orgName": org_name,
        "planType": "Self-hosted",
        "tags": labels,
    })
}

/// The providers with the sizes and regions that clusters may name. `providers` and `tier` narrow the
/// list.
///
/// # Errors
/// `INVALID_ENUM_VALUE` for a provider or a size that nobody has.
pub fn provider_regions(providers: &[&str], tier: Option<&str>) -> Result<Vec<Value>, Problem> {
    for provider in providers {
        if !hardware::CLOUDS.contains(provider) {
            return Err(Problem::invalid_enum("providers", provider));
        }
    }
    let asked = |provider: &&str| providers.is_empty() || providers.contains(provider);
    let all_sizes = |provider: &str| {
        let dedicated: Vec<&str> = hardware::sizes(provider).collect();
        hardware::TENANT_SIZES.into_iter().chain(dedicated).collect::<Vec<_>>()
    };
    if let Some(tier) = tier
        && !hardware::CLOUDS.iter().any(|provider| all_sizes(provider).contains(&tier))
    {
        return Err(Problem::invalid_enum("tier", tier));
    }
    let provider = |provider: &str| {
        let regions: Vec<Value> = hardware::regions(provider)
            .enumerate()
            .map(|(at, name)| json!({ "default": at == 0, "name": name }))
            .collect();
        let sizes: Vec<Value> = all_sizes(provider)
            .into_iter()
            .filter(|size| tier.is_none_or(|tier| tier == *size))
            .map(|size| json!({ "availableRegions": regions, "name": size }))
            .collect();
        json!({ "instanceSizes": sizes, "provider": provider })
    };
    Ok(hardware::CLOUDS.into_iter().filter(asked).map(provider).collect())
}

/// The network containers of a project: one for each provider and region that its clusters name, because
/// clients look theirs up. None is provisioned: there is no such network. `id_of` makes an id that stays
/// the same for the same provider and region.
#[must_use]
pub fn containers(
    replication_specs: &[&str],
    provider: Option<&str>,
    id_of: impl Fn(&str, &str) -> String,
) -> Vec<Value> {
    let mut found: Vec<(String, String)> = Vec::new();
    for text in replication_specs {
        let specs: Value = serde_json::from_str(text).unwrap_or_default();
        let configs = specs.as_array().into_iter().flatten();
        for config in configs.flat_map(|spec| spec["regionConfigs"].as_array()).flatten() {
            let text = |name: &str| config[name].as_str().unwrap_or_default().to_owned();
            let pair = (text("providerName"), text("regionName"));
            if hardware::CLOUDS.contains(&pair.0.as_str()) && !found.contains(&pair) {
                found.push(pair);
            }
        }
    }
    found.retain(|(cloud, _)| provider.is_none_or(|asked| asked == cloud));
    found.iter().map(|(cloud, region)| container(cloud, region, &id_of(cloud, region))).collect()
}

/// Each provider names the region in its own way.
fn container(cloud: &str, region: &str, id: &str) -> Value {
    let mut shown = Map::from_iter([
        ("id".to_owned(), json!(id)),
        ("providerName".to_owned(), json!(cloud)),
        ("provisioned".to_owned(), json!(false)),
    ]);
    match cloud {
        "AWS" => shown.insert("regionName".to_owned(), json!(region)),
        "AZURE" => shown.insert("region".to_owned(), json!(region)),
        _ => shown.insert("regions".to_owned(), json!([region])),
    };
    Value::Object(shown)
}
