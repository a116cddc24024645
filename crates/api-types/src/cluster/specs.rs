//! `replicationSpecs`: the hardware that a client describes.

use serde_json::{Map, Value, json};

use crate::{Fields, Problem};

const NAME: &str = "replicationSpecs";
const PROVIDERS: [&str; 4] = ["AWS", "AZURE", "GCP", "TENANT"];

/// Reads the specs; the smallest dedicated tier where a client names none.
pub(super) fn read(fields: &mut Fields) -> Result<Vec<Value>, Problem> {
    let Some(mut objects) = fields.objects(NAME)? else { return Ok(vec![default_spec()]) };
    match objects.len() {
        0 => Err(Problem::validation(NAME, "must not be empty")),
        1 => Ok(vec![spec(objects.remove(0))?]),
        _ => Err(Problem::unsupported("sharded clusters").at(NAME, "must have one entry")),
    }
}

fn default_spec() -> Value {
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

fn spec(mut object: Fields) -> Result<Value, Problem> {
    object.ignore(&["id", "zoneId"]);
    let configs = object.objects("regionConfigs")?.unwrap_or_default();
    if configs.is_empty() {
        return Err(object.missing("regionConfigs"));
    }
    let zone = object.string("zoneName")?.unwrap_or_else(|| "Zone 1".to_owned());
    object.finish()?;
    let configs: Vec<Value> = configs.into_iter().map(region_config).collect::<Result<_, _>>()?;
    Ok(json!({ "regionConfigs": configs, "zoneName": zone }))
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
        keep_object(&mut object, &mut shown, name)?;
    }
    for name in ["analyticsSpecs", "electableSpecs", "readOnlySpecs"] {
        if let Some(hardware) = object.object(name)? {
            shown.insert(name.to_owned(), hardware_spec(hardware)?);
        }
    }
    if let Some(backing) = object.string("backingProviderName")? {
        shown.insert("backingProviderName".to_owned(), Value::from(backing));
    }
    let region = object.required_text("regionName", 1, 64)?;
    let priority = object.int("priority", 0, 7)?.unwrap_or(7);
    object.finish()?;
    shown.insert("priority".to_owned(), Value::from(priority));
    shown.insert("providerName".to_owned(), Value::from(provider));
    shown.insert("regionName".to_owned(), Value::from(region));
    Ok(Value::Object(shown))
}

fn keep_object(
    object: &mut Fields,
    shown: &mut Map<String, Value>,
    name: &str,
) -> Result<(), Problem> {
    match object.take(name) {
        None => Ok(()),
        Some(value @ Value::Object(_)) => {
            shown.insert(name.to_owned(), value);
            Ok(())
        }
        Some(_) => Err(Problem::validation(&object.path_of(name), "must be an object")),
    }
}

fn hardware_spec(mut object: Fields) -> Result<Value, Problem> {
    object.ignore(&["diskThroughput"]);
    let mut shown = Map::new();
    for name in ["diskIOPS", "nodeCount"] {
        if let Some(number) = object.int(name, 0, i64::from(i32::MAX))? {
            shown.insert(name.to_owned(), Value::from(number));
        }
    }
    for name in ["ebsVolumeType", "instanceSize"] {
        if let Some(text) = object.text(name, 1, 64)? {
            shown.insert(name.to_owned(), Value::from(text));
        }
    }
    match object.take("diskSizeGB") {
        None => {}
        Some(size) if size.is_number() => {
            shown.insert("diskSizeGB".to_owned(), size);
        }
        Some(_) => {
            let path = object.path_of("diskSizeGB");
            return Err(Problem::validation(&path, "must be a number"));
        }
    }
    object.finish()?;
    Ok(Value::Object(shown))
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

/// The provider of the first region of stored `replicationSpecs`; `None` for attached clusters.
#[must_use]
pub fn provider_of(replication_specs_json: &str) -> Option<String> {
    let specs: Value = serde_json::from_str(replication_specs_json).ok()?;
    let provider = specs.pointer("/0/regionConfigs/0/providerName")?;
    provider.as_str().map(str::to_owned)
}
