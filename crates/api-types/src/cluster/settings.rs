//! What of a cluster is neither its name nor its hardware: switches and choices that are checked, kept
//! and shown.

use serde_json::{Map, Value, json};

use crate::{Fields, Problem, tags};

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
    ("pitEnabled", "point-in-time restore"),
    ("providerBackupEnabled", "backups of clusters"),
];

const TLS_VERSIONS: [&str; 4] = ["TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"];
const TLS12_CIPHERS: [&str; 2] =
    ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
const TLS13_CIPHERS: [&str; 4] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_128_CCM_SHA256",
];

/// The settings of a cluster for which a client set none.
#[must_use]
pub fn default_settings() -> Map<String, Value> {
    let mut settings = Map::new();
    let mut keep = |name: &str, value: Value| settings.insert(name.to_owned(), value);
    for name in ["backupEnabled", "globalClusterSelfManagedSharding", "pitEnabled"] {
        keep(name, json!(false));
    }
    for (name, values) in CHOICES {
        keep(name, json!(values[0]));
    }
    keep("clusterType", json!("REPLICASET"));
    keep("encryptionAtRestProvider", json!("NONE"));
    keep("advancedConfiguration", default_tls());
    keep("biConnector", json!({ "enabled": false, "readPreference": "secondary" }));
    keep("labels", json!([]));
    keep("redactClientLogData", json!(false));
    settings
}

/// TLS as it is where nobody set anything.
pub(super) fn default_tls() -> Value {
    json!({
        "customOpensslCipherConfigTls12": [],
        "minimumEnabledTlsProtocol": "TLS1_2",
        "tlsCipherConfigMode": "DEFAULT",
    })
}

/// Lays a client's settings over known ones; objects are merged field by field.
pub fn merge_settings(known: &mut Map<String, Value>, set: Map<String, Value>) {
    for (name, value) in set {
        match (known.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
            (_, value) => {
                known.insert(name, value);
            }
        }
    }
}

/// The least TLS version in stored settings, such as `TLS1_2`.
#[must_use]
pub fn minimum_tls(settings_json: &str) -> String {
    let settings: Value = serde_json::from_str(settings_json).unwrap_or_default();
    let minimum = settings.pointer("/advancedConfiguration/minimumEnabledTlsProtocol");
    minimum.and_then(Value::as_str).unwrap_or("TLS1_2").to_owned()
}

/// Reads what a client sets, and nothing else.
pub(super) fn read(fields: &mut Fields) -> Result<Map<String, Value>, Problem> {
    let mut settings = Map::new();
    let mut keep = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            settings.insert(name.to_owned(), value);
        }
    };
    for (name, what) in OFF {
        switched_off(fields, name, what)?;
    }
    for (name, values) in CHOICES {
        keep(name, choice(fields, name, values)?);
    }
    replica_set_only(fields)?;
    no_encryption(fields)?;
    if let Some(object) = fields.object("advancedConfiguration")? {
        keep("advancedConfiguration", Some(Value::Object(tls(object)?)));
    }
    keep("biConnector", bi_connector(fields)?);
    keep("labels", tags::take(fields, "labels")?.map(|labels| tags::json(&labels)));
    keep("redactClientLogData", fields.bool("redactClientLogData")?.map(Value::from));
    keep("mongoDBMajorVersion", major_version(fields)?.map(Value::from));
    keep("adaptiveCapacity", choice(fields, "adaptiveCapacity", &["ENABLED", "DISABLED"])?);
    Ok(settings)
}

fn choice(fields: &mut Fields, name: &str, values: &[&str]) -> Result<Option<Value>, Problem> {
    let known = |text: &str| values.iter().find(|value| **value == text).map(|text| json!(text));
    fields.one_of(name, known)
}

fn switched_off(fields: &mut Fields, name: &str, what: &str) -> Result<(), Problem> {
    if fields.bool(name)?.unwrap_or(false) {
        return Err(Problem::unsupported(what).at(fields.path_of(name), "must be false"));
    }
    Ok(())
}

fn replica_set_only(fields: &mut Fields) -> Result<(), Problem> {
    let kind = choice(fields, "clusterType", &["REPLICASET", "SHARDED", "GEOSHARDED"])?;
    if kind.is_none_or(|kind| kind == "REPLICASET") {
        return Ok(());
    }
    Err(Problem::unsupported("sharded clusters").at("clusterType", "must be REPLICASET"))
}

fn no_encryption(fields: &mut Fields) -> Result<(), Problem> {
    let name = "encryptionAtRestProvider";
    let provider = choice(fields, name, &["NONE", "AWS", "AZURE", "GCP"])?;
    if provider.is_none_or(|provider| provider == "NONE") {
        return Ok(());
    }
    Err(Problem::unsupported("encryption at rest with customer keys").at(name, "must be NONE"))
}

/// The version that a client asks for, such as `7.0`. What the server really is stands in
/// `mongoDBVersion`.
fn major_version(fields: &mut Fields) -> Result<Option<String>, Problem> {
    let Some(text) = fields.string("mongoDBMajorVersion")? else { return Ok(None) };
    let digits = |part: &str| {
        (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts: Vec<&str> = text.split('.').collect();
    match parts[..] {
        [major, minor] if digits(major) && digits(minor) => Ok(Some(text)),
        // Clients may leave the zero out.
        [major] if digits(major) => Ok(Some(format!("{major}.0"))),
        _ => Err(Problem::validation("mongoDBMajorVersion", "must be two numbers such as 7.0")),
    }
}

fn bi_connector(fields: &mut Fields) -> Result<Option<Value>, Problem> {
    let Some(mut object) = fields.object("biConnector")? else { return Ok(None) };
    switched_off(&mut object, "enabled", "the BI connector")?;
    let known = |text: &str| {
        let lower = text.to_ascii_lowercase();
        ["primary", "secondary", "analytics"].contains(&lower.as_str()).then_some(lower)
    };
    let mut shown = Map::new();
    if let Some(preference) = object.one_of("readPreference", known)? {
        shown.insert("readPreference".to_owned(), Value::from(preference));
    }
    object.finish()?;
    Ok(Some(Value::Object(shown)))
}

/// Reads `advancedConfiguration`.
fn tls(mut object: Fields) -> Result<Map<String, Value>, Problem> {
    let set = take_tls(&mut object)?;
    object.finish()?;
    Ok(set)
}

/// Takes the TLS fields, which cluster bodies and process arguments share.
pub(super) fn take_tls(object: &mut Fields) -> Result<Map<String, Value>, Problem> {
    let mut set = Map::new();
    let ciphers: [(&str, &[&str]); 2] = [
        ("customOpensslCipherConfigTls12", &TLS12_CIPHERS),
        ("customOpensslCipherConfigTls13", &TLS13_CIPHERS),
    ];
    for (name, known) in ciphers {
        let path = object.path_of(name);
        let Some(list) = object.strings(name)? else { continue };
        if let Some(unknown) = list.iter().find(|cipher| !known.contains(&cipher.as_str())) {
            return Err(Problem::invalid_enum(&path, unknown));
        }
        set.insert(name.to_owned(), json!(list));
    }
    let choices: [(&str, &[&str]); 2] = [
        ("minimumEnabledTlsProtocol", &TLS_VERSIONS),
        ("tlsCipherConfigMode", &["DEFAULT", "CUSTOM"]),
    ];
    for (name, known) in choices {
        if let Some(value) = choice(object, name, known)? {
            set.insert(name.to_owned(), value);
        }
    }
    Ok(set)
}
