//! Environment variables over the file: `PORTOLAN__SERVER__LISTEN=…` sets `server.listen`.

use anyhow::{Result, ensure};
use toml::{Table, Value};

const PREFIX: &str = "PORTOLAN__";

/// Sets one key for each variable with the prefix.
pub(super) fn apply(
    mut table: Table,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Table> {
    for (name, text) in environment {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        ensure!(keys.iter().all(|key| !key.is_empty()), "{name} names no configuration key");
        set(&mut table, &keys, value_of(&text), &name)?;
    }
    Ok(table)
}

fn set(table: &mut Table, keys: &[String], value: Value, name: &str) -> Result<()> {
    let Some((key, rest)) = keys.split_first() else { return Ok(()) };
    if rest.is_empty() {
        table.insert(key.clone(), value);
        return Ok(());
    }
    let entry = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
    match entry {
        Value::Table(inner) => set(inner, rest, value, name),
        _ => anyhow::bail!("{name}: `{key}` is not a section"),
    }
}

/// A number, boolean or array where the text reads as one, else the text itself.
fn value_of(text: &str) -> Value {
    let parsed: Option<Table> = format!("value = {text}").parse().ok();
    let value = parsed.and_then(|mut table| table.remove("value"));
    value
        .filter(|value| !matches!(value, Value::Datetime(_) | Value::Table(_)))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}
