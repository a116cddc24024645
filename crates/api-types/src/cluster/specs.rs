//! `replicationSpecs` in the newest form: the hardware that a client describes.

use serde_json::{Map, Value, json};

use super::{Form, hardware};
use crate::{Fields, Problem};

const NAME: &str = "replicationSpecs";
const PROVIDERS: [&str; 4] = ["AWS", "AZURE", "GCP", "TENANT"];
const HARDWARE: [&str; 3] = ["analyticsSpecs", "electableSpecs", "readOnlySpecs"];

/// Reads the specs; `None` where a client names none.
pub(super) fn read(fields: &mut Fields, form: Form) -> Result<Option<Vec<Value>>, Problem> {
    let Some(mut objects) = fields.objects(NAME)? else { return Ok(None) };
    match objects.len() {
        0 => Err(Problem::validation(NAME, "must not be empty")),
        1 => Ok(Some(vec![spec(objects.remove(0), form)?])),
        _ => Err(Problem::unsupported("sharded clusters").at(NAME, "must have one entry")),
    }
}

/// The smallest dedicated tier.
pub(super) fn default_spec() -> Value {
    json!({
        "regionConfigs": [{
            "electableSpecs": { "instanceSize": "M10", "nodeCount": 3 },
            "priority": 7,
            "providerName": "AWS",
            "regionName": "US_EAST_1",
        }],
        "zoneName": "Zone 1",
    })
}

/// Refuses more than one shard.
pub(super) fn one_shard(fields: &mut Fields) -> Result<(), Problem> {
    match fields.int("numShards", 1, 50)? {
        None | Some(1) => Ok(()),
        Some(_) => {
            let path = fields.path_of("numShards");
            Err(Problem::unsupported("sharded clusters").at(path, "must be 1"))
        }
    }
}

fn spec(mut object: Fields, form: Form) -> Result<Value, Problem> {
    object.ignore(&["id", "zoneId"]);
    if form == Form::Advanced {
        one_shard(&mut object)?;
    }
    let path = object.path_of("regionConfigs");
    let configs = object.objects("regionConfigs")?.unwrap_or_default();
    if configs.is_empty() {
        return Err(object.missing("regionConfigs"));
    }
    let zone = object.text("zoneName", 1, 64)?.unwrap_or_else(|| "Zone 1".to_owned());
    object.finish()?;
    let configs: Vec<Value> = configs.into_iter().map(region_config).collect::<Result<_, _>>()?;
    check_nodes(&path, &configs)?;
    Ok(json!({ "regionConfigs": configs, "zoneName": zone }))
}

/// A replica set has 3, 5 or 7 members that can be elected.
pub(super) fn check_nodes(path: &str, configs: &[Value]) -> Result<(), Problem> {
    if configs.iter().all(|config| config["providerName"] == "TENANT") {
        return match configs.len() {
            1 => Ok(()),
            _ => Err(Problem::validation(path, "must have one entry for provider TENANT")),
        };
    }
    let count = |config: &Value| config["electableSpecs"]["nodeCount"].as_i64().unwrap_or(0);
    let electable: i64 = configs.iter().map(count).sum();
    if matches!(electable, 3 | 5 | 7) {
        return Ok(());
    }
    let rule = format!("must have 3, 5 or 7 electable nodes in all, not {electable}");
    Err(Problem::validation(path, rule))
}

fn region_config(mut object: Fields) -> Result<Value, Problem> {
    object.ignore(&[
        "effectiveAnalyticsSpecs",
        "effectiveElectableSpecs",
        "effectiveReadOnlySpecs",
    ]);
    let provider = object
        .one_of("providerName", |text| PROVIDERS.into_iter().find(|known| *known == text))?
        .ok_or_else(|| object.missing("providerName"))?;
    let mut shown = Map::new();
    for name in ["analyticsAutoScaling", "autoScaling"] {
        if let Some(scaling) = object.object(name)? {
            shown.insert(name.to_owned(), auto_scaling(scaling, provider)?);
        }
    }
    for name in HARDWARE {
        if let Some(described) = object.object(name)? {
            shown.insert(name.to_owned(), hardware_spec(described, provider)?);
        }
    }
    if !shown.contains_key("electableSpecs") && !shown.contains_key("readOnlySpecs") {
        shown.insert("electableSpecs".to_owned(), json!({ "nodeCount": 3 }));
    }
    let cloud = backing(&mut object, provider, &mut shown)?;
    let region = object.required_text("regionName", 1, 64)?;
    hardware::check_region(&object.path_of("regionName"), &cloud, &region)?;
    let priority = object.int("priority", 0, 7)?.unwrap_or(7);
    object.finish()?;
    shown.insert("priority".to_owned(), Value::from(priority));
    shown.insert("providerName".to_owned(), Value::from(provider));
    shown.insert("regionName".to_owned(), Value::from(region));
    Ok(Value::Object(shown))
}

/// The cloud whose regions count: for clusters on shared hardware the one behind them.
fn backing(
    object: &mut Fields,
    provider: &str,
    shown: &mut Map<String, Value>,
) -> Result<String, Problem> {
    let known = |text: &str| hardware::CLOUDS.into_iter().find(|cloud| *cloud == text);
    let backing = object.one_of("backingProviderName", known)?;
    if provider != "TENANT" {
        // Terraform sends an explicit null; a value would mean nothing here.
        return Ok(provider.to_owned());
    }
    let backing = backing.ok_or_else(|| object.missing("backingProviderName"))?;
    shown.insert("backingProviderName".to_owned(), Value::from(backing));
    Ok(backing.to_owned())
}

/// What a client sets is shown; nothing here scales by itself.
fn auto_scaling(mut object: Fields, provider: &str) -> Result<Value, Problem> {
    let mut shown = hardware::no_auto_scaling();
    if let Some(mut compute) = object.object("compute")? {
        compute.ignore(&["predictiveEnabled"]);
        for name in ["enabled", "scaleDownEnabled"] {
            if let Some(value) = compute.bool(name)? {
                shown["compute"][name] = Value::from(value);
            }
        }
        for name in ["minInstanceSize", "maxInstanceSize"] {
            if let Some(size) = hardware::take_size(&mut compute, name, provider)? {
                shown["compute"][name] = Value::from(size);
            }
        }
        compute.finish()?;
    }
    if let Some(mut disk) = object.object("diskGB")? {
        if let Some(value) = disk.bool("enabled")? {
            shown["diskGB"]["enabled"] = Value::from(value);
        }
        disk.finish()?;
    }
    object.finish()?;
    Ok(shown)
}

fn hardware_spec(mut object: Fields, provider: &str) -> Result<Value, Problem> {
    object.ignore(&["diskThroughput", "effectiveInstanceSize"]);
    let mut shown = Map::new();
    if let Some(size) = hardware::take_size(&mut object, "instanceSize", provider)? {
        shown.insert("instanceSize".to_owned(), Value::from(size));
    }
    for (name, max) in [("diskIOPS", i64::from(i32::MAX)), ("nodeCount", 50)] {
        if let Some(number) = object.int(name, 0, max)? {
            shown.insert(name.to_owned(), Value::from(number));
        }
    }
    let volumes = ["STANDARD", "PROVISIONED", "HIGH_PERFORMANCE"];
    let volume = |text: &str| volumes.into_iter().find(|known| *known == text);
    if let Some(volume) = object.one_of("ebsVolumeType", volume)? {
        shown.insert("ebsVolumeType".to_owned(), Value::from(volume));
    }
    if provider == "TENANT" {
        object.ignore(&["diskSizeGB"]);
    } else if let Some(size) = hardware::take_disk(&mut object, "diskSizeGB")? {
        shown.insert("diskSizeGB".to_owned(), size);
    }
    object.finish()?;
    Ok(Value::Object(shown))
}

/// Fills in what the client left out, and one disk size for all where it names one at the top.
pub(super) fn complete(specs: &mut [Value], disk: Option<&Value>) {
    for config in region_configs(specs) {
        if let Some(size) = disk.filter(|_| config["providerName"] != "TENANT") {
            for name in HARDWARE {
                if let Some(described) = config[name].as_object_mut() {
                    described.insert("diskSizeGB".to_owned(), size.clone());
                }
            }
        }
        hardware::fill(config);
    }
}

/// Every region of every spec.
pub(super) fn region_configs(specs: &mut [Value]) -> impl Iterator<Item = &mut Value> {
    specs.iter_mut().flat_map(|spec| spec["regionConfigs"].as_array_mut().into_iter().flatten())
}

/// Gives each spec its ids, as the server does at creation.
#[must_use]
pub fn with_ids(specs: Vec<Value>, mut next_id: impl FnMut() -> String) -> Value {
    let identified = |mut spec: Value| {
        spec["id"] = Value::from(next_id());
        spec["zoneId"] = Value::from(next_id());
        spec
    };
    Value::Array(specs.into_iter().map(identified).collect())
}

fn first_config(replication_specs_json: &str) -> Option<Value> {
    let specs: Value = serde_json::from_str(replication_specs_json).ok()?;
    specs.pointer("/0/regionConfigs/0").cloned()
}

/// The provider of the first region of stored `replicationSpecs`; `None` for attached clusters.
#[must_use]
pub fn provider_of(replication_specs_json: &str) -> Option<String> {
    let config = first_config(replication_specs_json)?;
    config["providerName"].as_str().map(str::to_owned)
}

/// Whether stored `replicationSpecs` describe shared hardware (M0, M2, M5).
#[must_use]
pub fn is_tenant(replication_specs_json: &str) -> bool {
    provider_of(replication_specs_json).as_deref() == Some("TENANT")
}

/// `autoScalingConfiguration`: with one shard there is nothing to scale apart.
#[must_use]
pub fn auto_scaling_mode() -> Value {
    json!({ "autoScalingMode": "CLUSTER_WIDE_SCALING" })
}
