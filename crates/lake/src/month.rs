//! The partition value `month`, the only value of user documents that appears in paths.
//!
//! `YYYY-MM` in UTC. A date that is missing, of another type, below an array or outside the years 1
//! to 9999 gives [`NO_MONTH`]: such rows are archived all the same, and never expire by date.

use bson::{RawBsonRef, RawDocument};
use portolan_model::DateFormat;
use portolan_mql::path;

use crate::MonthSpec;

/// The month of rows without a usable date.
pub(crate) const NO_MONTH: &str = "0000-00";

/// The month of a document, `0000-00` without a usable date: the partition that it belongs to.
#[must_use]
pub fn month(doc: &RawDocument, spec: &MonthSpec) -> String {
    raw_date_ms(doc, spec).and_then(month_of_ms).unwrap_or_else(|| NO_MONTH.to_owned())
}

/// The date of a document, if it is one that has a month: milliseconds since the epoch.
#[must_use]
pub fn date_ms(doc: &RawDocument, spec: &MonthSpec) -> Option<i64> {
    raw_date_ms(doc, spec).filter(|&ms| month_of_ms(ms).is_some())
}

/// First and last millisecond of a month; `None` for [`NO_MONTH`] and for what is no month.
pub(crate) fn bounds_ms(month: &str) -> Option<(i64, i64)> {
    let (year, month) = month.split_once('-')?;
    let first = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
    if first.year() < 1 {
        return None;
    }
    let start_ms = |date: jiff::civil::Date| {
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp().as_millisecond())
    };
    let next = first.checked_add(jiff::Span::new().months(1)).ok();
    Some((start_ms(first)?, next.and_then(start_ms).map_or(i64::MAX, |ms| ms - 1)))
}

fn raw_date_ms(doc: &RawDocument, spec: &MonthSpec) -> Option<i64> {
    if path::has_array_on_path(doc, &spec.path) {
        return None;
    }
    path::get(doc, &spec.path).and_then(|value| epoch_ms(value, spec.format))
}

/// The time that a date field holds, in milliseconds since the epoch.
fn epoch_ms(value: RawBsonRef<'_>, format: DateFormat) -> Option<i64> {
    let number = || match value {
        RawBsonRef::Int64(number) => Some(number),
        RawBsonRef::Int32(number) => Some(i64::from(number)),
        _ => None,
    };
    match (format, value) {
        (DateFormat::IsoDate, RawBsonRef::DateTime(date)) => Some(date.timestamp_millis()),
        (DateFormat::EpochSeconds, _) => number()?.checked_mul(1_000),
        (DateFormat::EpochMillis, _) => number(),
        (DateFormat::EpochNanos, _) => Some(number()?.div_euclid(1_000_000)),
        (DateFormat::ObjectId, RawBsonRef::ObjectId(id)) => {
            let seconds = u32::from_be_bytes(id.bytes()[..4].try_into().ok()?);
            Some(i64::from(seconds) * 1_000)
        }
        _ => None,
    }
}

fn month_of_ms(ms: i64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    (1..=9999).contains(&time.year()).then(|| format!("{:04}-{:02}", time.year(), time.month()))
}

#[cfg(test)]
mod tests;
