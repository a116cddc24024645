//! `processArgs`: what clients tune of the server. Which of them a sandbox cluster obeys stands in
//! docs/reference/clusters.md; the others are kept and shown.

use serde_json::{Map, Value, json};

use super::Form;
use super::settings::{default_tls, take_tls};
use crate::{Fields, Problem};

/// Whole numbers, with the least and the greatest value.
const NUMBERS: [(&str, i64, i64); 8] = [
    ("changeStreamOptionsPreAndPostImagesExpireAfterSeconds", -1, i32::MAX as i64),
    ("chunkMigrationConcurrency", 0, i32::MAX as i64),
    ("defaultMaxTimeMS", 0, i32::MAX as i64),
    ("oplogSizeMB", 1, i32::MAX as i64),
    ("queryStatsLogVerbosity", 0, 3),
    ("sampleRefreshIntervalBIConnector", 0, i32::MAX as i64),
    ("sampleSizeBIConnector", 0, i32::MAX as i64),
    ("transactionLifetimeLimitSeconds", 1, i64::MAX),
];

/// Fields that only 2023-01-01 has.
const OLD: [&str; 2] = ["defaultReadConcern", "failIndexKeyTooLong"];

/// A checked update of process arguments: a merge.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProcessArgsChange {
    /// Arguments of their own; `null` takes one back.
    pub arguments: Map<String, Value>,
    /// TLS, which the cluster's `advancedConfiguration` shows too.
    pub tls: Map<String, Value>,
}

impl ProcessArgsChange {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] that names the field; arguments that Atlas has not are refused.
    pub fn read(mut fields: Fields, form: Form) -> Result<Self, Problem> {
        let mut arguments = Map::new();
        for name in ["oplogMinRetentionHours", "oplogSizeMB"] {
            // These two are nullable: null takes the value back.
            if fields.is_null(name) {
                arguments.insert(name.to_owned(), Value::Null);
            }
        }
        for (name, min, max) in NUMBERS {
            if let Some(number) = fields.int(name, min, max)? {
                arguments.insert(name.to_owned(), Value::from(number));
            }
        }
        for name in ["javascriptEnabled", "noTableScan"] {
            if let Some(value) = fields.bool(name)? {
                arguments.insert(name.to_owned(), Value::from(value));
            }
        }
        if let Some(hours) = fields.take("oplogMinRetentionHours") {
            if !hours.as_f64().is_some_and(|hours| (0.0..=1e6).contains(&hours)) {
                let rule = "must be a number of hours";
                return Err(Problem::validation("oplogMinRetentionHours", rule));
            }
            arguments.insert("oplogMinRetentionHours".to_owned(), hours);
        }
        if let Some(concern) = fields.text("defaultWriteConcern", 1, 64)? {
            arguments.insert("defaultWriteConcern".to_owned(), Value::from(concern));
        }
        if form != Form::PerShard {
            read_old(&mut fields, &mut arguments)?;
        }
        let tls = take_tls(&mut fields)?;
        fields.finish()?;
        Ok(Self { arguments, tls })
    }
}

fn read_old(fields: &mut Fields, arguments: &mut Map<String, Value>) -> Result<(), Problem> {
    let known = |text: &str| ["local", "available"].into_iter().find(|known| *known == text);
    if let Some(concern) = fields.one_of("defaultReadConcern", known)? {
        arguments.insert("defaultReadConcern".to_owned(), Value::from(concern));
    }
    if let Some(value) = fields.bool("failIndexKeyTooLong")? {
        arguments.insert("failIndexKeyTooLong".to_owned(), Value::from(value));
    }
    Ok(())
}

/// The arguments as clients read them, from those stored and the cluster's stored settings.
#[must_use]
pub fn process_args_json(arguments_json: &str, settings_json: &str, form: Form) -> Value {
    let mut shown = Map::from_iter([
        ("javascriptEnabled".to_owned(), json!(true)),
        ("noTableScan".to_owned(), json!(false)),
        ("oplogMinRetentionHours".to_owned(), Value::Null),
        ("oplogSizeMB".to_owned(), Value::Null),
        ("queryStatsLogVerbosity".to_owned(), json!(1)),
    ]);
    let settings: Value = serde_json::from_str(settings_json).unwrap_or_default();
    let tls = match &settings["advancedConfiguration"] {
        Value::Object(tls) => tls.clone(),
        _ => default_tls().as_object().cloned().unwrap_or_default(),
    };
    shown.extend(tls);
    let arguments: Map<String, Value> = serde_json::from_str(arguments_json).unwrap_or_default();
    shown.extend(arguments);
    if form == Form::PerShard {
        for name in OLD {
            shown.remove(name);
        }
    }
    Value::Object(shown)
}

/// The arguments that a sandbox cluster obeys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerArgs {
    /// Time limit of reads that name none.
    pub default_max_time_ms: Option<u64>,
    /// Whether queries without an index are refused.
    pub no_table_scan: bool,
    /// How long a transaction may be open, in seconds.
    pub transaction_lifetime_s: Option<u64>,
}

impl ServerArgs {
    /// Reads them out of stored arguments.
    #[must_use]
    pub fn of(arguments_json: &str) -> Self {
        let arguments: Value = serde_json::from_str(arguments_json).unwrap_or_default();
        Self {
            default_max_time_ms: arguments["defaultMaxTimeMS"].as_u64().filter(|ms| *ms > 0),
            no_table_scan: arguments["noTableScan"] == true,
            transaction_lifetime_s: arguments["transactionLifetimeLimitSeconds"].as_u64(),
        }
    }
}
