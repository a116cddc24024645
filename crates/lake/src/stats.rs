//! Statistics of a data file: bounds and null counts of each column, as the log carries them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::row::Cell;
use crate::{LakeError, text};

/// Longest text that is a bound as it is; longer ones are cut, the upper bound rounded up.
const BOUND_CHARS: usize = 32;

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

    /// The JSON of an add action.
    pub(crate) fn to_json(&self) -> String {
        let (mut min, mut max, mut nulls) = (Map::new(), Map::new(), Map::new());
        for (name, column) in &self.columns {
            if let (Some(low), Some(high)) = (&column.min, &column.max) {
                min.insert(name.clone(), low.clone());
                max.insert(name.clone(), high.clone());
            }
            if let Some(count) = column.nulls {
                nulls.insert(name.clone(), count.into());
            }
        }
        json!({"numRecords": self.rows, "minValues": min, "maxValues": max, "nullCount": nulls})
            .to_string()
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

    /// Both bounds of a column of times, in milliseconds since the epoch.
    pub(crate) fn times_ms(&self, name: &str) -> Option<(i64, i64)> {
        let (min, max) = self.texts(name)?;
        let ms = |text: &str| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond());
        Some((ms(min)?, ms(max)?))
    }

    /// Whether a column may hold anything but NULL.
    pub(crate) fn may_be_set(&self, name: &str) -> bool {
        let nulls = self.columns.get(name).and_then(|column| column.nulls);
        nulls.is_none() || nulls != self.rows
    }

    /// Whether a column may hold NULL.
    pub(crate) fn may_be_null(&self, name: &str) -> bool {
        self.columns.get(name).and_then(|column| column.nulls) != Some(0)
    }

    /// Whether the statistics allow a row with this value. `rows` is not looked at.
    pub(crate) fn contain(&self, name: &str, cell: &Cell) -> bool {
        let Some(column) = self.columns.get(name) else { return false };
        if *cell == Cell::Null {
            return column.nulls.is_none_or(|count| count > 0);
        }
        column.min.as_ref().is_none_or(|min| at_or_below(min, cell))
            && column.max.as_ref().is_none_or(|max| at_or_above(max, cell))
    }
}

/// Collects the statistics of a file while its rows go by.
#[derive(Debug, Default)]
pub(crate) struct StatsBuilder {
    rows: u64,
    columns: BTreeMap<String, Bounds>,
}

#[derive(Debug, Default)]
struct Bounds {
    min: Option<Cell>,
    max: Option<Cell>,
    nulls: u64,
}

impl StatsBuilder {
    pub(crate) fn row(&mut self) {
        self.rows += 1;
    }

    pub(crate) fn cell(&mut self, name: &str, cell: &Cell) {
        if !self.columns.contains_key(name) {
            self.columns.insert(name.to_owned(), Bounds::default());
        }
        let Some(bounds) = self.columns.get_mut(name) else { return };
        if *cell == Cell::Null {
            bounds.nulls += 1;
            return;
        }
        if bounds.min.as_ref().is_none_or(|min| cell < min) {
            bounds.min = Some(cell.clone());
        }
        if bounds.max.as_ref().is_none_or(|max| cell > max) {
            bounds.max = Some(cell.clone());
        }
    }

    pub(crate) fn finish(self) -> FileStats {
        let columns = self.columns.into_iter().map(|(name, bounds)| {
            let min = bounds.min.as_ref().and_then(|cell| bound(cell, false));
            let max = bounds.max.as_ref().and_then(|cell| bound(cell, true));
            // One bound without the other helps nobody and confuses some readers.
            let (min, max) = min.zip(max).unzip();
            (name, ColumnStats { min, max, nulls: Some(bounds.nulls) })
        });
        FileStats { rows: Some(self.rows), columns: columns.collect() }
    }
}

/// A value as a bound, rounded outward where the log cannot hold it exactly.
fn bound(cell: &Cell, upper: bool) -> Option<Value> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Text(text) => text_bound(text, upper)?.into(),
        Cell::Int(number) => (*number).into(),
        Cell::Long(number) => (*number).into(),
        Cell::Timestamp(us) => {
            let ms = us.div_euclid(1_000) + i64::from(upper && us.rem_euclid(1_000) != 0);
            text::date_time(ms)?.into()
        }
    })
}

fn text_bound(text: &str, upper: bool) -> Option<String> {
    let Some((cut, next)) = text.char_indices().nth(BOUND_CHARS) else {
        return Some(text.to_owned());
    };
    let mut bound = text[..cut].to_owned();
    if upper {
        if next == char::MAX {
            return None;
        }
        bound.push(char::MAX);
    }
    Some(bound)
}

fn at_or_below(bound: &Value, cell: &Cell) -> bool {
    compare(bound, cell).is_some_and(std::cmp::Ordering::is_le)
}

fn at_or_above(bound: &Value, cell: &Cell) -> bool {
    compare(bound, cell).is_some_and(std::cmp::Ordering::is_ge)
}

/// A bound compared with a value; `None` when they cannot be compared.
fn compare(bound: &Value, cell: &Cell) -> Option<std::cmp::Ordering> {
    match cell {
        Cell::Null => None,
        Cell::Text(text) => Some(bound.as_str()?.cmp(text.as_str())),
        Cell::Int(number) => Some(bound.as_i64()?.cmp(&i64::from(*number))),
        Cell::Long(number) => Some(bound.as_i64()?.cmp(number)),
        Cell::Timestamp(us) => {
            let bound: jiff::Timestamp = bound.as_str()?.parse().ok()?;
            Some(bound.as_microsecond().cmp(us))
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null())
}

#[cfg(test)]
mod tests;
