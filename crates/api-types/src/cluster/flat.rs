//! The flat form of 2023-01-01: `providerSettings`, `replicationSpec` by region name, `autoScaling`
//! beside them. It is read as changes of the newest form, and written from it.

use serde_json::{Map, Value, json};

use super::{hardware, specs};
use crate::{Fields, Problem};

/// What a flat body says about hardware.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flat {
    provider: Option<String>,
    backing: Option<String>,
    size: Option<&'static str>,
    region: Option<String>,
    /// `diskIOPS` and `ebsVolumeType`.
    volume: Map<String, Value>,
    /// Limits of compute scaling, and its switches.
    compute: Map<String, Value>,
    disk_scaling: Option<bool>,
    nodes: Option<i64>,
    regions: Option<Vec<Region>>,
    zone: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Region {
    name: String,
    electable: Option<i64>,
    read_only: i64,
    analytics: i64,
    priority: i64,
}

impl Flat {
    /// Takes the fields of the flat form.
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        let mut flat = Self::default();
        specs::one_shard(fields)?;
        if fields.has("deleteAfterCreationHours") {
            let field = "deleteAfterCreationHours";
            return Err(
                Problem::unsupported("clusters that delete themselves").at(field, "must be absent")
            );
        }
        flat.nodes = match fields.int("replicationFactor", 3, 7)? {
            Some(even) if even % 2 == 0 => {
                return Err(Problem::validation("replicationFactor", "must be 3, 5 or 7"));
            }
            nodes => nodes,
        };
        if let Some(object) = fields.object("providerSettings")? {
            flat.read_provider(object)?;
        }
        flat.read_regions(fields)?;
        if let Some(object) = fields.object("autoScaling")? {
            flat.read_scaling(object)?;
        }
        Ok(flat)
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn read_provider(&mut self, mut object: Fields) -> Result<(), Problem> {
        object.ignore(&["effectiveInstanceSizeName"]);
        // Taken and forgotten.
        object.string("diskTypeName")?;
        object.bool("encryptEBSVolume")?;
        let provider = object.required_string("providerName")?;
        if provider == "FLEX" {
            let what = "flex clusters in this body; use flexClusters";
            return Err(Problem::unsupported(what).at("providerSettings.providerName", "is FLEX"));
        }
        if !hardware::CLOUDS.contains(&provider.as_str()) && provider != "TENANT" {
            return Err(Problem::invalid_enum("providerSettings.providerName", &provider));
        }
        let cloud = |text: &str| hardware::CLOUDS.iter().find(|cloud| **cloud == text);
        self.backing = object.one_of("backingProviderName", cloud)?.map(ToString::to_string);
        self.size = hardware::take_size(&mut object, "instanceSizeName", &provider)?;
        self.region = object.string("regionName")?;
        if let Some(iops) = object.int("diskIOPS", 0, i64::from(i32::MAX))? {
            self.volume.insert("diskIOPS".to_owned(), json!(iops));
        }
        let volumes = ["STANDARD", "PROVISIONED", "HIGH_PERFORMANCE"];
        let known = |text: &str| volumes.into_iter().find(|known| *known == text);
        if let Some(volume) = object.one_of("volumeType", known)? {
            self.volume.insert("ebsVolumeType".to_owned(), json!(volume));
        }
        if let Some(mut scaling) = object.object("autoScaling")? {
            if let Some(mut compute) = scaling.object("compute")? {
                for name in ["minInstanceSize", "maxInstanceSize"] {
                    if let Some(size) = hardware::take_size(&mut compute, name, &provider)? {
                        self.compute.insert(name.to_owned(), json!(size));
                    }
                }
                compute.finish()?;
            }
            scaling.finish()?;
        }
        self.provider = Some(provider);
        object.finish()
    }

    fn read_scaling(&mut self, mut object: Fields) -> Result<(), Problem> {
        self.disk_scaling = object.bool("diskGBEnabled")?;
        if let Some(mut compute) = object.object("compute")? {
            for name in ["enabled", "scaleDownEnabled"] {
                if let Some(value) = compute.bool(name)? {
                    self.compute.insert(name.to_owned(), json!(value));
                }
            }
            compute.finish()?;
        }
        object.finish()
    }

    /// `replicationSpecs[0].regionsConfig`, or the older `replicationSpec` in its place.
    fn read_regions(&mut self, fields: &mut Fields) -> Result<(), Problem> {
        let older = fields.take("replicationSpec");
        if let Some(mut list) = fields.objects("replicationSpecs")? {
            let rule = "must have one entry";
            let (Some(mut spec), true) = (list.pop(), list.is_empty()) else {
                return Err(Problem::unsupported("sharded clusters").at("replicationSpecs", rule));
            };
            spec.ignore(&["id"]);
            specs::one_shard(&mut spec)?;
            self.zone = spec.text("zoneName", 1, 64)?;
            let path = spec.path_of("regionsConfig");
            if let Some(regions) = spec.take("regionsConfig") {
                self.regions = Some(regions_of(&path, &regions)?);
            }
            return spec.finish();
        }
        if let Some(regions) = older {
            self.regions = Some(regions_of("replicationSpec", &regions)?);
        }
        Ok(())
    }

    /// The specs with these changes.
    pub(super) fn apply(&self, mut stored: Vec<Value>) -> Result<Vec<Value>, Problem> {
        if stored.is_empty() {
            stored.push(specs::default_spec());
        }
        let spec = &mut stored[0];
        if let Some(zone) = &self.zone {
            spec["zoneName"] = json!(zone);
        }
        let mut configs = spec["regionConfigs"].as_array().cloned().unwrap_or_default();
        for config in &mut configs {
            self.apply_to(config);
        }
        if let Some(regions) = &self.regions {
            let pattern = configs.first().cloned().unwrap_or_default();
            configs = regions.iter().map(|region| region.of(&pattern)).collect();
        }
        if let ([config], Some(name)) = (&mut configs[..], &self.region) {
            config["regionName"] = json!(name);
        }
        for config in &configs {
            let text = |name: &str| config[name].as_str().unwrap_or_default();
            let tenant = text("providerName") == "TENANT";
            let cloud = text(if tenant { "backingProviderName" } else { "providerName" });
            hardware::check_region("providerSettings.regionName", cloud, text("regionName"))?;
        }
        specs::check_nodes("replicationSpec", &configs)?;
        spec["regionConfigs"] = Value::Array(configs);
        Ok(stored)
    }

    fn apply_to(&self, config: &mut Value) {
        if let Some(provider) = &self.provider {
            if config["providerName"] != provider.as_str() {
                // Another provider's hardware is described anew, but for the number of nodes.
                let nodes = config["electableSpecs"]["nodeCount"].as_i64().unwrap_or(3);
                *config = json!({
                    "electableSpecs": { "nodeCount": nodes },
                    "priority": config["priority"],
                    "regionName": config["regionName"],
                });
            }
            config["providerName"] = json!(provider);
            if provider == "TENANT" {
                let backing = self.backing.clone().unwrap_or_else(|| "AWS".to_owned());
                config["backingProviderName"] = json!(backing);
            }
        }
        for name in ["electableSpecs", "readOnlySpecs", "analyticsSpecs"] {
            let Some(described) = config[name].as_object_mut() else { continue };
            if let Some(size) = self.size {
                if described.get("instanceSize").is_some_and(|old| old != size) {
                    described.remove("diskSizeGB");
                }
                described.insert("instanceSize".to_owned(), json!(size));
            }
            described.extend(self.volume.clone());
        }
        if let Some(nodes) = self.nodes {
            config["electableSpecs"]["nodeCount"] = json!(nodes);
        }
        self.apply_scaling(config);
    }

    fn apply_scaling(&self, config: &mut Value) {
        if self.compute.is_empty() && self.disk_scaling.is_none() {
            return;
        }
        if config["autoScaling"].is_null() {
            config["autoScaling"] = hardware::no_auto_scaling();
        }
        for (name, value) in &self.compute {
            config["autoScaling"]["compute"][name] = value.clone();
        }
        if let Some(enabled) = self.disk_scaling {
            config["autoScaling"]["diskGB"]["enabled"] = json!(enabled);
        }
    }
}

fn regions_of(path: &str, value: &Value) -> Result<Vec<Region>, Problem> {
    let rule = "must be an object of regions";
    let Value::Object(map) = value else { return Err(Problem::validation(path, rule)) };
    if map.is_empty() {
        return Err(Problem::validation(path, "must not be empty"));
    }
    let region = |(name, value): (&String, &Value)| {
        let at = format!("{path}.{name}");
        let known = ["analyticsNodes", "electableNodes", "priority", "readOnlyNodes"];
        let Value::Object(fields) = value else { return Err(Problem::validation(&at, rule)) };
        if let Some(other) = fields.keys().find(|key| !known.contains(&key.as_str())) {
            let field = format!("{at}.{other}");
            return Err(Problem::invalid_attribute(&field, "is not a field of this request"));
        }
        let number = |field: &str, max: i64| match fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_i64().filter(|number| (0..=max).contains(number)) {
                Some(number) => Ok(Some(number)),
                None => {
                    let rule = format!("must be a whole number from 0 to {max}");
                    Err(Problem::validation(&format!("{at}.{field}"), rule))
                }
            },
        };
        Ok(Region {
            name: name.clone(),
            electable: number("electableNodes", 7)?,
            read_only: number("readOnlyNodes", 50)?.unwrap_or(0),
            analytics: number("analyticsNodes", 50)?.unwrap_or(0),
            priority: number("priority", 7)?.unwrap_or(7),
        })
    };
    map.iter().map(region).collect()
}

impl Region {
    /// A region like `pattern`, with these nodes.
    fn of(&self, pattern: &Value) -> Value {
        let mut config = pattern.clone();
        config["regionName"] = json!(self.name);
        config["priority"] = json!(self.priority);
        if let Some(electable) = self.electable {
            config["electableSpecs"]["nodeCount"] = json!(electable);
        }
        for (name, nodes) in [("readOnlySpecs", self.read_only), ("analyticsSpecs", self.analytics)]
        {
            if config[name].is_null() {
                config[name] = config["electableSpecs"].clone();
            }
            config[name]["nodeCount"] = json!(nodes);
        }
        config
    }
}

/// Reads a request to upgrade a cluster on shared hardware: its name, and the hardware it gets.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_tenant_upgrade(fields: Fields) -> Result<(String, super::ClusterChange), Problem> {
    let mut change = super::parse_update(fields, super::Form::Flat)?;
    let name = change.name.take().ok_or_else(|| Problem::missing_attribute("name"))?;
    let described = match &change.hardware {
        super::HardwareChange::Flat(flat) => flat.provider.is_some(),
        _ => false,
    };
    if !described {
        return Err(Problem::missing_attribute("providerSettings"));
    }
    Ok((name, change))
}

/// Rewrites a cluster of the newest form into the flat one.
pub(super) fn flatten(shown: &mut Map<String, Value>) {
    let specs = shown.remove("replicationSpecs").unwrap_or_default();
    for name in ["adaptiveCapacity", "effectiveReplicationSpecs", "redactClientLogData"] {
        shown.remove(name);
    }
    let mut set = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    set("numShards", json!(1));
    set("providerBackupEnabled", json!(false));
    set("replicationSpecs", specs_json(&specs));
    let Some(config) = specs.pointer("/0/regionConfigs/0") else { return };
    let electable = &config["electableSpecs"];
    set("diskSizeGB", electable["diskSizeGB"].clone());
    set("providerSettings", provider_json(&specs, config));
    set("replicationSpec", specs_json(&specs)[0]["regionsConfig"].clone());
    set("replicationFactor", json!(electable_nodes(&specs)));
    let scaling = &config["autoScaling"];
    let switch = |pointer: &str| json!(scaling.pointer(pointer) == Some(&Value::Bool(true)));
    set(
        "autoScaling",
        json!({
            "compute": {
                "enabled": switch("/compute/enabled"),
                "scaleDownEnabled": switch("/compute/scaleDownEnabled"),
            },
            "diskGBEnabled": switch("/diskGB/enabled"),
        }),
    );
    for (from, to) in [("standard", "mongoURI"), ("standardSrv", "srvAddress")] {
        let string = shown.get("connectionStrings").and_then(|strings| strings.get(from));
        let Some(Value::String(text)) = string.cloned() else { continue };
        if to == "mongoURI" {
            let plain = text.split("/?").next().unwrap_or(&text).to_owned();
            let updated = shown.get("createDate").cloned().unwrap_or_default();
            shown.insert("mongoURIUpdated".to_owned(), updated);
            shown.insert("mongoURIWithOptions".to_owned(), json!(text));
            shown.insert(to.to_owned(), json!(plain));
        } else {
            shown.insert(to.to_owned(), json!(text));
        }
    }
}

fn electable_nodes(specs: &Value) -> i64 {
    let configs = specs.pointer("/0/regionConfigs").and_then(Value::as_array);
    let nodes = configs.into_iter().flatten().filter_map(|config| {
        let count = config.pointer("/electableSpecs/nodeCount")?;
        count.as_i64()
    });
    let nodes: i64 = nodes.sum();
    // Shared hardware names no number; it has three.
    if nodes == 0 { 3 } else { nodes }
}

fn provider_json(specs: &Value, config: &Value) -> Value {
    let hardware = &config["electableSpecs"];
    let mut shown = Map::new();
    let mut set = |name: &str, value: &Value| {
        if !value.is_null() {
            shown.insert(name.to_owned(), value.clone());
        }
    };
    set("providerName", &config["providerName"]);
    set("backingProviderName", &config["backingProviderName"]);
    set("instanceSizeName", &hardware["instanceSize"]);
    set("effectiveInstanceSizeName", &hardware["effectiveInstanceSize"]);
    set("diskIOPS", &hardware["diskIOPS"]);
    set("volumeType", &hardware["ebsVolumeType"]);
    if config["providerName"] == "AWS" {
        set("encryptEBSVolume", &json!(true));
    }
    let only = specs.pointer("/0/regionConfigs").and_then(Value::as_array).map(Vec::len);
    if only == Some(1) {
        set("regionName", &config["regionName"]);
    }
    let mut compute = Map::new();
    for name in ["minInstanceSize", "maxInstanceSize"] {
        if let Some(size) = config.pointer(&format!("/autoScaling/compute/{name}")) {
            compute.insert(name.to_owned(), size.clone());
        }
    }
    set("autoScaling", &json!({ "compute": compute }));
    Value::Object(shown)
}

fn specs_json(specs: &Value) -> Value {
    let spec = |spec: &Value| {
        let configs = spec["regionConfigs"].as_array().cloned().unwrap_or_default();
        let count = |config: &Value, name: &str| {
            config.pointer(&format!("/{name}/nodeCount")).and_then(Value::as_i64)
        };
        let tenant_nodes = |config: &Value| if config["providerName"] == "TENANT" { 3 } else { 0 };
        let region = |config: &Value| {
            let name = config["regionName"].as_str().unwrap_or_default().to_owned();
            let electable = count(config, "electableSpecs");
            let nodes = json!({
                "analyticsNodes": count(config, "analyticsSpecs").unwrap_or(0),
                "electableNodes": electable.unwrap_or_else(|| tenant_nodes(config)),
                "priority": config["priority"],
                "readOnlyNodes": count(config, "readOnlySpecs").unwrap_or(0),
            });
            (name, nodes)
        };
        let regions: Map<String, Value> = configs.iter().map(region).collect();
        json!({
            "id": spec["id"],
            "numShards": 1,
            "regionsConfig": regions,
            "zoneName": spec["zoneName"],
        })
    };
    specs.as_array().into_iter().flatten().map(spec).collect()
}
