//! `$dateAdd`, `$dateSubtract`, `$dateDiff`, `$dateTrunc`, `$dateToString`, `$dateFromString`.

use super::calendar::{Civil, DAY_MS, Zone, day_of_date, days_in_month};
use super::convert::{parse_date, text_of_date};
use super::date_parts::{date_ms, zone};
use super::value::Value;
use crate::{MqlError, Result, code};

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Months(i64),
    Week,
    Fixed(i64),
}

fn unit(operator: &str, value: &Value<'_>) -> Result<Unit> {
    match value.as_str() {
        Some("year") => Ok(Unit::Months(12)),
        Some("quarter") => Ok(Unit::Months(3)),
        Some("month") => Ok(Unit::Months(1)),
        Some("week") => Ok(Unit::Week),
        Some("day") => Ok(Unit::Fixed(DAY_MS)),
        Some("hour") => Ok(Unit::Fixed(3_600_000)),
        Some("minute") => Ok(Unit::Fixed(60_000)),
        Some("second") => Ok(Unit::Fixed(1_000)),
        Some("millisecond") => Ok(Unit::Fixed(1)),
        Some(other) => {
            let message = format!("{operator} parameter 'unit': unknown time unit value: {other}");
            Err(MqlError::failed_to_parse(message))
        }
        None => Err(MqlError::new(5439013, format!("{operator} requires 'unit' to be a string"))),
    }
}

/// 0 is Sunday.
fn weekday(value: &Value<'_>) -> Result<i64> {
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    const FULL: [&str; 7] =
        ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let Some(text) = value.as_str() else { return Ok(0) };
    let lower = text.to_ascii_lowercase();
    let found = DAYS.iter().zip(FULL).position(|(short, full)| lower == *short || lower == full);
    found
        .map(|day| day as i64)
        .ok_or_else(|| MqlError::failed_to_parse(format!("unknown day of week value: {text}")))
}

fn overflow() -> MqlError {
    MqlError::new(code::OVERFLOW, "date overflow")
}

pub(super) fn date_add<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    shift("$dateAdd", args, 1)
}

pub(super) fn date_subtract<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    shift("$dateSubtract", args, -1)
}

/// `{startDate, unit, amount, timezone}`.
fn shift<'e>(operator: &str, args: Vec<Value<'e>>, sign: i64) -> Result<Value<'e>> {
    let zone = zone(&args[3])?;
    if zone.is_none() || args[..3].iter().any(Value::is_nullish) {
        return Ok(Value::NULL);
    }
    let zone = zone.unwrap_or(Zone::UTC);
    let unit = unit(operator, &args[1])?;
    let Some(amount) = args[2].as_integer().and_then(|amount| amount.checked_mul(sign)) else {
        let message = format!("{operator} expects integer amount of time units");
        return Err(MqlError::new(5166405, message));
    };
    let start = date_ms(&args[0])?;
    let shifted = match unit {
        Unit::Fixed(ms) => amount.checked_mul(ms).and_then(|by| start.checked_add(by)),
        Unit::Week => amount.checked_mul(7 * DAY_MS).and_then(|by| start.checked_add(by)),
        Unit::Months(each) => {
            let months = amount.checked_mul(each);
            months
                .and_then(|months| add_months(zone.to_local(start), months))
                .and_then(|local| zone.to_utc(local))
        }
    };
    Ok(Value::date(shifted.ok_or_else(overflow)?))
}

/// The same day of another month, or its last day.
fn add_months(local: i64, months: i64) -> Option<i64> {
    let civil = Civil::of(local);
    let index = civil.year.checked_mul(12)?.checked_add(civil.month - 1)?.checked_add(months)?;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
    if year.abs() > 300_000_000 {
        return None;
    }
    let day = civil.day.min(days_in_month(year, month));
    Civil { year, month, day, ..civil }.to_ms()
}

/// `{startDate, endDate, unit, timezone, startOfWeek}`: the unit boundaries between the dates.
pub(super) fn date_diff<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let zone = zone(&args[3])?;
    let week_is_null = matches!(args[4].get(), Some(bson::RawBsonRef::Null));
    if zone.is_none() || week_is_null || args[..3].iter().any(Value::is_nullish) {
        return Ok(Value::NULL);
    }
    let zone = zone.unwrap_or(Zone::UTC);
    let unit = unit("$dateDiff", &args[2])?;
    let (start, end) = (zone.to_local(date_ms(&args[0])?), zone.to_local(date_ms(&args[1])?));
    let difference = match unit {
        Unit::Months(each) => {
            let index = |ms| {
                let civil = Civil::of(ms);
                (civil.year * 12 + civil.month - 1).div_euclid(each)
            };
            index(end) - index(start)
        }
        Unit::Week => {
            let first = weekday(&args[4])?;
            // Day 0 was a Thursday, weekday 4.
            let index = |ms: i64| (ms.div_euclid(DAY_MS) + 4 - first).div_euclid(7);
            index(end) - index(start)
        }
        Unit::Fixed(ms) => end.div_euclid(ms) - start.div_euclid(ms),
    };
    Ok(Value::Ref(bson::RawBsonRef::Int64(difference)))
}

/// `{date, unit, binSize, timezone, startOfWeek}`: the start of the bin, counted from 2000.
pub(super) fn date_trunc<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let zone = zone(&args[3])?;
    if zone.is_none() || args[..2].iter().any(Value::is_nullish) {
        return Ok(Value::NULL);
    }
    let zone = zone.unwrap_or(Zone::UTC);
    let bin = match &args[2] {
        Value::Missing => 1,
        given if given.is_nullish() => return Ok(Value::NULL),
        given => given.as_integer().filter(|bin| *bin > 0).ok_or_else(|| {
            MqlError::new(5439017, "$dateTrunc requires 'binSize' to be a positive integer")
        })?,
    };
    let local = zone.to_local(date_ms(&args[0])?);
    let truncated = match unit("$dateTrunc", &args[1])? {
        Unit::Months(each) => truncate_months(local, each.checked_mul(bin).ok_or_else(overflow)?),
        Unit::Week => truncate_fixed(local, 7 * DAY_MS, bin, first_week(weekday(&args[4])?)),
        Unit::Fixed(ms) => truncate_fixed(local, ms, bin, day_of_date(2000, 1, 1) * DAY_MS),
    };
    let utc = truncated.and_then(|local| zone.to_utc(local)).ok_or_else(overflow)?;
    Ok(Value::date(utc))
}

fn truncate_months(local: i64, months: i64) -> Option<i64> {
    let civil = Civil::of(local);
    let since = civil.year * 12 + civil.month - 1 - 2000 * 12;
    let start = since.div_euclid(months) * months + 2000 * 12;
    let (year, month) = (start.div_euclid(12), start.rem_euclid(12) + 1);
    Civil { year, month, day: 1, time_ms: 0 }.to_ms()
}

fn truncate_fixed(local: i64, unit_ms: i64, bin: i64, origin: i64) -> Option<i64> {
    let width = unit_ms.checked_mul(bin)?;
    let since = local.checked_sub(origin)?;
    since.div_euclid(width).checked_mul(width)?.checked_add(origin)
}

/// The first given weekday of 2000, which started on a Saturday.
fn first_week(weekday: i64) -> i64 {
    let new_year = day_of_date(2000, 1, 1);
    (new_year + (weekday - 6).rem_euclid(7)) * DAY_MS
}

/// `{date, format, timezone, onNull}`.
pub(super) fn date_to_string<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let Some(zone) = zone(&args[2])? else { return Ok(Value::NULL) };
    if args[0].is_nullish() {
        return Ok(args.into_iter().nth(3).unwrap_or(Value::NULL));
    }
    let ms = date_ms(&args[0])?;
    match args[1].get() {
        None if zone == Zone::UTC => Ok(Value::string(text_of_date(ms))),
        None => format_date(ms, "%Y-%m-%dT%H:%M:%S.%L", zone).map(Value::string),
        Some(bson::RawBsonRef::Null) => Ok(Value::NULL),
        Some(bson::RawBsonRef::String(format)) => format_date(ms, format, zone).map(Value::string),
        Some(_) => {
            let message = "$dateToString requires that 'format' be a string";
            Err(MqlError::new(18533, message))
        }
    }
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn format_date(ms: i64, format: &str, zone: Zone) -> Result<String> {
    let civil = Civil::of(zone.to_local(ms));
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let Some(specifier) = chars.next() else {
            let message = "Unmatched '%' at end of format string";
            return Err(MqlError::new(18535, message));
        };
        out.push_str(&format_part(civil, specifier, zone)?);
    }
    Ok(out)
}

fn format_part(civil: Civil, specifier: char, zone: Zone) -> Result<String> {
    let offset = zone.offset_minutes;
    let year = |year: i64| {
        if (0..=9999).contains(&year) {
            return Ok(format!("{year:04}"));
        }
        Err(MqlError::new(18537, "$dateToString is only defined on year 0-9999"))
    };
    Ok(match specifier {
        '%' => "%".to_owned(),
        'Y' => year(civil.year)?,
        'm' => format!("{:02}", civil.month),
        'd' => format!("{:02}", civil.day),
        'H' => format!("{:02}", civil.hour()),
        'M' => format!("{:02}", civil.minute()),
        'S' => format!("{:02}", civil.second()),
        'L' => format!("{:03}", civil.millisecond()),
        'j' => format!("{:03}", civil.day_of_year()),
        'w' => (civil.weekday() + 1).to_string(),
        'u' => ((civil.weekday() + 6) % 7 + 1).to_string(),
        'U' => format!("{:02}", civil.week()),
        'V' => format!("{:02}", civil.iso_week().0),
        'G' => year(civil.iso_week().1)?,
        'b' => MONTHS[civil.month as usize - 1][..3].to_owned(),
        'B' => MONTHS[civil.month as usize - 1].to_owned(),
        'z' => {
            let sign = if offset < 0 { '-' } else { '+' };
            format!("{sign}{:02}{:02}", offset.abs() / 60, offset.abs() % 60)
        }
        'Z' => format!("{offset:+}"),
        other => {
            let message = format!("Invalid format character '%{other}' in format string");
            return Err(MqlError::new(18536, message));
        }
    })
}

/// `{dateString, format, timezone, onError, onNull}`; with a format only by that format.
pub(super) fn date_from_string<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut args = args;
    if args[0].is_nullish() {
        return Ok(args.swap_remove(4));
    }
    let Some(zone) = zone(&args[2])? else { return Ok(Value::NULL) };
    let zone_given = !matches!(args[2], Value::Missing);
    let parsed = match (args[0].as_str(), args[1].get()) {
        (Some(text), None) => parse_date(text, zone_given.then_some(zone)),
        (Some(text), Some(bson::RawBsonRef::String(format))) => {
            super::dates_parse::by_format(text, format, zone)
        }
        (Some(_), Some(bson::RawBsonRef::Null)) => return Ok(Value::NULL),
        _ => {
            let found = args[0].type_name();
            let message =
                format!("$dateFromString requires that 'dateString' be a string, found: {found}");
            Err(MqlError::new(code::CONVERSION_FAILURE, message))
        }
    };
    match parsed {
        Ok(ms) => Ok(Value::date(ms)),
        Err(_) if !matches!(args[3], Value::Missing) => Ok(args.swap_remove(3)),
        Err(error) => Err(error),
    }
}
