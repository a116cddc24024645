//! Statistics of a data file: bounds and null counts of each column, as the log carries them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::LakeError;

/// Statistics of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FileStats {
    /// Rows of the file.
    pub(crate) rows: Option<u64>,
    /// What is known about each column.
    pub(crate) columns: BTreeMap<String, ColumnStats>,
}

/// Statistics of one column. An absent bound means: not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ColumnStats {
    pub(crate) min: Option<Value>,
    pub(crate) max: Option<Value>,
    pub(crate) nulls: Option<u64>,
}

impl FileStats {
    /// Reads the JSON of an add action.
    pub(crate) fn parse(text: &str) -> Result<Self, LakeError> {
        let json: Value = serde_json::from_str(text)
            .map_err(|e| LakeError::Internal(format!("statistics: {e}")))?;
        let mut stats = Self { rows: json["numRecords"].as_u64(), ..Self::default() };
        for (name, value) in members(&json["minValues"]) {
            stats.column(name).min = Some(value.clone());
        }
        for (name, value) in members(&json["maxValues"]) {
            stats.column(name).max = Some(value.clone());
        }
        for (name, value) in members(&json["nullCount"]) {
            stats.column(name).nulls = value.as_u64();
        }
        Ok(stats)
    }

    fn column(&mut self, name: &str) -> &mut ColumnStats {
        self.columns.entry(name.to_owned()).or_default()
    }

    /// Both bounds of an integer column.
    pub(crate) fn integers(&self, name: &str) -> Option<(i64, i64)> {
        let column = self.columns.get(name)?;
        Some((column.min.as_ref()?.as_i64()?, column.max.as_ref()?.as_i64()?))
    }

    /// Both bounds of a text column.
    pub(crate) fn texts(&self, name: &str) -> Option<(&str, &str)> {
        let column = self.columns.get(name)?;
        Some((column.min.as_ref()?.as_str()?, column.max.as_ref()?.as_str()?))
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null())
}
