//! Flex clusters on the wire (2024-11-13). Behind one stands a sandbox cluster like any other.

use portolan_model::{Cluster, Tag};
use serde_json::{Value, json};

use crate::cluster::{ConnectionStringsView, check_region, read_name};
use crate::{Fields, Problem, tags, time::iso8601};

/// The disk of every flex cluster, in GB.
const DISK_GB: f64 = 5.0;

/// A checked create body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlexDraft {
    /// Its name.
    pub name: String,
    /// Labels.
    pub tags: Vec<Tag>,
    /// Refuses deletion while set.
    pub termination_protection_enabled: bool,
    /// `AWS`, `AZURE` or `GCP`.
    pub backing_provider: String,
    /// One of its regions.
    pub region: String,
}

/// A checked update body: a merge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlexChange {
    /// Labels, all of them.
    pub tags: Option<Vec<Tag>>,
    /// Refuses deletion while set.
    pub termination_protection_enabled: Option<bool>,
}

impl FlexDraft {
    /// Reads the body of a create request.
    ///
    /// # Errors
    /// A [`Problem`] that names the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        fields.ignore(&["links"]);
        let name = read_name(&mut fields)?;
        let provider = fields.object("providerSettings")?;
        let mut provider = provider.ok_or_else(|| fields.missing("providerSettings"))?;
        provider.ignore(&["diskSizeGB"]);
        let known = |text: &str| ["AWS", "AZURE", "GCP"].into_iter().find(|known| *known == text);
        let backing = provider.one_of("backingProviderName", known)?;
        let backing = backing.ok_or_else(|| provider.missing("backingProviderName"))?;
        provider.one_of("providerName", |text| (text == "FLEX").then_some(()))?;
        let region = provider.required_string("regionName")?;
        check_region(&provider.path_of("regionName"), backing, &region)?;
        provider.finish()?;
        let draft = Self {
            name,
            tags: tags::take(&mut fields, "tags")?.unwrap_or_default(),
            termination_protection_enabled: fields
                .bool("terminationProtectionEnabled")?
                .unwrap_or_default(),
            backing_provider: backing.to_owned(),
            region,
        };
        fields.finish()?;
        Ok(draft)
    }

    /// `replicationSpecs` as the store keeps them.
    #[must_use]
    pub fn replication_specs(&self) -> Vec<Value> {
        vec![json!({
            "regionConfigs": [{
                "backingProviderName": self.backing_provider,
                "priority": 7,
                "providerName": "FLEX",
                "regionName": self.region,
            }],
            "zoneName": "Zone 1",
        })]
    }
}

impl FlexChange {
    /// Reads the body of an update request.
    ///
    /// # Errors
    /// A [`Problem`] that names the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        fields.ignore(&["links"]);
        let change = Self {
            tags: tags::take(&mut fields, "tags")?,
            termination_protection_enabled: fields.bool("terminationProtectionEnabled")?,
        };
        fields.finish()?;
        Ok(change)
    }
}

/// `FlexClusterDescription20241113`. It knows no paused or described hardware.
#[must_use]
pub fn flex_json(cluster: &Cluster, strings: &ConnectionStringsView, links: Value) -> Value {
    let specs: Value = serde_json::from_str(&cluster.replication_specs_json).unwrap_or_default();
    let config = specs.pointer("/0/regionConfigs/0").cloned().unwrap_or_default();
    // After an upgrade the same picture is answered once more, with the provider it has then.
    let backing = [&config["backingProviderName"], &config["providerName"]];
    let backing = backing.into_iter().find(|value| value.is_string()).cloned().unwrap_or_default();
    let mut shown = json!({
        "backupSettings": { "enabled": false },
        "clusterType": "REPLICASET",
        "connectionStrings": strings.json(),
        "createDate": iso8601(cluster.created_at),
        "groupId": cluster.project_id.to_string(),
        "id": cluster.id.to_string(),
        "links": links,
        "name": cluster.name,
        "providerSettings": {
            "backingProviderName": backing,
            "diskSizeGB": DISK_GB,
            "providerName": "FLEX",
            "regionName": config["regionName"],
        },
        "stateName": cluster.state.as_str(),
        "tags": tags::json(&cluster.tags),
        "terminationProtectionEnabled": cluster.termination_protection_enabled,
        "versionReleaseSystem": "LTS",
    });
    if let Some(version) = &cluster.version {
        shown["mongoDBVersion"] = Value::from(version.0.clone());
    }
    shown
}

#[cfg(test)]
mod tests;
