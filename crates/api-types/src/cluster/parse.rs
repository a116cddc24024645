//! From the body of a create request to a checked draft.

use serde_json::{Map, Value, json};

use super::{ClusterDraft, NAME_CHARS_MAX, specs};
use crate::{ErrorCode, Fields, Problem, tags};

/// Fields that only the server writes, and hints that change nothing here.
const IGNORED: [&str; 16] = [
    "acceptDataRisksAndForceReplicaSetReconfig",
    "configServerType",
    "connectionStrings",
    "createDate",
    "effectiveReplicationSpecs",
    "featureCompatibilityVersion",
    "featureCompatibilityVersionExpirationDate",
    "groupId",
    "id",
    "internalClusterRole",
    "links",
    "mongoDBEmployeeAccessGrant",
    "mongoDBVersion",
    "retainBackups",
    "stateName",
    "useAwsTimeBasedSnapshotCopyForFastInitialSync",
];

/// Enumerations that are shown as set, with their defaults.
const CHOICES: [(&str, &[&str]); 5] = [
    ("configServerManagementMode", &["ATLAS_MANAGED", "FIXED_TO_DEDICATED"]),
    ("diskWarmingMode", &["FULLY_WARMED", "VISIBLE_EARLIER", "ENHANCED_FULLY_WARMED"]),
    ("replicaSetScalingStrategy", &["WORKLOAD_TYPE", "SEQUENTIAL", "NODE_TYPE"]),
    ("rootCertType", &["ISRGROOTX1"]),
    ("versionReleaseSystem", &["LTS", "CONTINUOUS"]),
];

/// Switches that a cluster here cannot have on.
const OFF: [(&str, &str); 4] = [
    ("backupEnabled", "backups of clusters"),
    ("globalClusterSelfManagedSharding", "global clusters"),
    ("paused", "paused clusters"),
    ("pitEnabled", "point-in-time restore"),
];

/// Reads `ClusterDescription20240805` as a create request.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_create(mut fields: Fields) -> Result<ClusterDraft, Problem> {
    fields.ignore(&IGNORED);
    let draft = ClusterDraft {
        name: read_name(&mut fields)?,
        tags: tags::take(&mut fields, "tags")?.unwrap_or_default(),
        termination_protection_enabled: fields
            .bool("terminationProtectionEnabled")?
            .unwrap_or_default(),
        replication_specs: specs::read(&mut fields)?,
        settings: settings(&mut fields)?,
    };
    fields.finish()?;
    Ok(draft)
}

/// The settings of a cluster for which a client set none: an attached one.
///
/// # Panics
/// Never: an empty body is right.
#[must_use]
pub fn default_settings() -> Map<String, Value> {
    let mut empty = Fields::parse(b"").expect("an empty body is an empty object");
    settings(&mut empty).expect("nothing is refused where nothing is set")
}

/// The name of a new cluster, attached ones included.
pub(crate) fn read_name(fields: &mut Fields) -> Result<String, Problem> {
    let name = fields.required_string("name")?;
    let mut bytes = name.bytes();
    let good = name.len() <= NAME_CHARS_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if good {
        return Ok(name);
    }
    let rule = "must be 1 to 64 letters, digits and hyphens, not starting with a hyphen";
    let detail = format!("Cluster name {name:?} is invalid. It {rule}.");
    Err(Problem::new(ErrorCode::ClusterNameInvalid, detail).with(name).at("name", rule))
}

fn settings(fields: &mut Fields) -> Result<Map<String, Value>, Problem> {
    let mut settings = Map::new();
    let mut keep = |name: &str, value: Value| settings.insert(name.to_owned(), value);
    for (name, what) in OFF {
        switched_off(fields, name, what)?;
        keep(name, Value::Bool(false));
    }
    for (name, values) in CHOICES {
        let known = |text: &str| values.iter().find(|value| **value == text).copied();
        keep(name, Value::from(fields.one_of(name, known)?.unwrap_or(values[0])));
    }
    keep("clusterType", replica_set_only(fields)?);
    keep("encryptionAtRestProvider", no_encryption(fields)?);
    keep("advancedConfiguration", advanced_configuration(fields)?);
    keep("biConnector", bi_connector(fields)?);
    keep("labels", labels(fields)?);
    keep("redactClientLogData", Value::Bool(fields.bool("redactClientLogData")?.unwrap_or(false)));
    if let Some(version) = major_version(fields)? {
        keep("mongoDBMajorVersion", Value::from(version));
    }
    if let Some(mode) = adaptive_capacity(fields)? {
        keep("adaptiveCapacity", Value::from(mode));
    }
    Ok(settings)
}

fn switched_off(fields: &mut Fields, name: &str, what: &str) -> Result<(), Problem> {
    if fields.bool(name)?.unwrap_or(false) {
        return Err(Problem::unsupported(what).at(fields.path_of(name), "must be false"));
    }
    Ok(())
}

fn replica_set_only(fields: &mut Fields) -> Result<Value, Problem> {
    let known = ["REPLICASET", "SHARDED", "GEOSHARDED"];
    let kind = fields.one_of("clusterType", |text| known.into_iter().find(|kind| *kind == text))?;
    match kind {
        None | Some("REPLICASET") => Ok(Value::from("REPLICASET")),
        Some(_) => {
            Err(Problem::unsupported("sharded clusters").at("clusterType", "must be REPLICASET"))
        }
    }
}

fn no_encryption(fields: &mut Fields) -> Result<Value, Problem> {
    let name = "encryptionAtRestProvider";
    let known = ["NONE", "AWS", "AZURE", "GCP"];
    match fields.one_of(name, |text| known.into_iter().find(|kind| *kind == text))? {
        None | Some("NONE") => Ok(Value::from("NONE")),
        Some(_) => {
            Err(Problem::unsupported("encryption at rest with customer keys")
                .at(name, "must be NONE"))
        }
    }
}

fn adaptive_capacity(fields: &mut Fields) -> Result<Option<&'static str>, Problem> {
    let known = ["ENABLED", "DISABLED"];
    fields.one_of("adaptiveCapacity", |text| known.into_iter().find(|mode| *mode == text))
}

/// The version that a client asks for, such as `7.0`. What the server really is stands in
/// `mongoDBVersion`.
fn major_version(fields: &mut Fields) -> Result<Option<String>, Problem> {
    let Some(text) = fields.string("mongoDBMajorVersion")? else { return Ok(None) };
    let numbers = text.split('.').all(|part| {
        (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    });
    if numbers && text.split('.').count() == 2 {
        return Ok(Some(text));
    }
    Err(Problem::validation("mongoDBMajorVersion", "must be two numbers such as 7.0"))
}

fn advanced_configuration(fields: &mut Fields) -> Result<Value, Problem> {
    let mut shown = json!({
        "customOpensslCipherConfigTls12": [],
        "minimumEnabledTlsProtocol": "TLS1_2",
        "tlsCipherConfigMode": "DEFAULT",
    });
    let Some(mut object) = fields.object("advancedConfiguration")? else { return Ok(shown) };
    for name in ["customOpensslCipherConfigTls12", "customOpensslCipherConfigTls13"] {
        if let Some(list) = object.strings(name)? {
            shown[name] = json!(list);
        }
    }
    for name in ["minimumEnabledTlsProtocol", "tlsCipherConfigMode"] {
        if let Some(text) = object.string(name)? {
            shown[name] = Value::from(text);
        }
    }
    object.finish()?;
    Ok(shown)
}

fn bi_connector(fields: &mut Fields) -> Result<Value, Problem> {
    let mut preference = None;
    if let Some(mut object) = fields.object("biConnector")? {
        switched_off(&mut object, "enabled", "the BI connector")?;
        preference = object.string("readPreference")?;
        object.finish()?;
    }
    let preference = preference.unwrap_or_else(|| "secondary".to_owned());
    Ok(json!({ "enabled": false, "readPreference": preference }))
}

fn labels(fields: &mut Fields) -> Result<Value, Problem> {
    Ok(tags::json(&tags::take(fields, "labels")?.unwrap_or_default()))
}
