//! Parts of dates: `$year` to `$millisecond`, weeks, `$dateToParts`, `$dateFromParts`.

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocumentBuf};

use super::calendar::{Civil, Zone};
use super::parse::{Parser, missing_argument, named_fields};
use super::value::Value;
use super::{Env, Expr, Special};
use crate::{MqlError, Result};

/// The milliseconds of a date, a timestamp or an ObjectId.
pub(super) fn date_ms(value: &Value<'_>) -> Result<i64> {
    match value.get() {
        Some(RawBsonRef::DateTime(date)) => Ok(date.timestamp_millis()),
        Some(RawBsonRef::Timestamp(stamp)) => Ok(i64::from(stamp.time) * 1_000),
        Some(RawBsonRef::ObjectId(id)) => Ok(id.timestamp().timestamp_millis()),
        _ => {
            let message = format!("can't convert from BSON type {} to Date", value.type_name());
            Err(MqlError::new(16006, message))
        }
    }
}

/// The zone argument; `None` when it is null, which makes the result null.
pub(super) fn zone(value: &Value<'_>) -> Result<Option<Zone>> {
    match value.get() {
        None => Ok(Some(Zone::UTC)),
        Some(RawBsonRef::String(text)) => Zone::parse(text).map(Some),
        Some(RawBsonRef::Null | RawBsonRef::Undefined) => Ok(None),
        Some(_) => {
            let message =
                format!("timezone must evaluate to a string, found {}", value.type_name());
            Err(MqlError::new(40533, message))
        }
    }
}

#[derive(Debug)]
struct Part {
    date: Expr,
    timezone: Option<Expr>,
    part: fn(Civil) -> i64,
    long: bool,
}

impl Special for Part {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        let date = self.date.eval(env)?;
        let zone = match &self.timezone {
            None => Some(Zone::UTC),
            Some(timezone) => match timezone.eval(env)? {
                Value::Missing => None,
                given => zone(&given)?,
            },
        };
        let (Some(zone), false) = (zone, date.is_nullish()) else { return Ok(Value::NULL) };
        let part = (self.part)(Civil::of(zone.to_local(date_ms(&date)?)));
        Ok(if self.long { Value::Ref(RawBsonRef::Int64(part)) } else { Value::int(part as i32) })
    }
}

fn part_of(operator: &str) -> fn(Civil) -> i64 {
    match operator {
        "$year" => |c| c.year,
        "$month" => |c| c.month,
        "$dayOfMonth" => |c| c.day,
        "$hour" => Civil::hour,
        "$minute" => Civil::minute,
        "$second" => Civil::second,
        "$millisecond" => Civil::millisecond,
        "$dayOfWeek" => |c| c.weekday() + 1,
        "$dayOfYear" => Civil::day_of_year,
        "$week" => Civil::week,
        "$isoWeek" => |c| c.iso_week().0,
        "$isoWeekYear" => |c| c.iso_week().1,
        _ => |c| (c.weekday() + 6) % 7 + 1,
    }
}

pub(super) fn part(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let named = matches!(value, RawBsonRef::Document(doc) if doc.get("date")?.is_some());
    let (date, timezone) = if named {
        let given = named_fields(name, value, &["date", "timezone"])?;
        let date = given[0].ok_or_else(|| missing_argument(name, "date"))?;
        (parser.parse(date)?, given[1].map(|zone| parser.parse(zone)).transpose()?)
    } else {
        (parser.arguments(name, value, 1, 1)?.remove(0), None)
    };
    let long = name == "$isoWeekYear";
    Ok(Expr::Special(Box::new(Part { date, timezone, part: part_of(name), long })))
}

/// `$dateToParts {date, timezone, iso8601}`.
pub(super) fn date_to_parts<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let (Some(zone), false) = (zone(&args[1])?, args[0].is_nullish()) else {
        return Ok(Value::NULL);
    };
    let civil = Civil::of(zone.to_local(date_ms(&args[0])?));
    let mut out = RawDocumentBuf::new();
    if args[2].is_truthy() {
        let (week, year) = civil.iso_week();
        out.append(cstr!("isoWeekYear"), year as i32);
        out.append(cstr!("isoWeek"), week as i32);
        out.append(cstr!("isoDayOfWeek"), ((civil.weekday() + 6) % 7 + 1) as i32);
    } else {
        out.append(cstr!("year"), civil.year as i32);
        out.append(cstr!("month"), civil.month as i32);
        out.append(cstr!("day"), civil.day as i32);
    }
    out.append(cstr!("hour"), civil.hour() as i32);
    out.append(cstr!("minute"), civil.minute() as i32);
    out.append(cstr!("second"), civil.second() as i32);
    out.append(cstr!("millisecond"), civil.millisecond() as i32);
    Ok(Value::document(out))
}

/// `$dateFromParts {year, month, day, hour, minute, second, millisecond, timezone}`, or with the
/// ISO week date.
pub(super) fn date_from_parts<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let iso = !matches!(args[8], Value::Missing);
    if !iso && matches!(args[0], Value::Missing) {
        let message = "$dateFromParts requires either 'year' or 'isoWeekYear' to be present";
        return Err(MqlError::new(40516, message));
    }
    let mut numbers = [0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1];
    for (index, (number, arg)) in numbers.iter_mut().zip(&args).enumerate() {
        if index == 7 || matches!(arg, Value::Missing) {
            continue;
        }
        if arg.is_nullish() {
            return Ok(Value::NULL);
        }
        *number = arg.as_integer().ok_or_else(|| {
            MqlError::new(40515, "$dateFromParts must evaluate to an integer for each part")
        })?;
    }
    let Some(zone) = zone(&args[7])? else { return Ok(Value::NULL) };
    let [year, month, day, hour, minute, second, ms, _, week_year, week, weekday] = numbers;
    let overflow = || MqlError::new(40517, "$dateFromParts: the date is out of range");
    let small = |n: i64| n.abs() < 10_000_000;
    if !numbers[..6].iter().copied().all(small) || !numbers[8..].iter().copied().all(small) {
        return Err(overflow());
    }
    let time_ms = ((hour * 60 + minute) * 60 + second) * 1_000 + ms;
    let local = if iso {
        let fourth = Civil { year: week_year, month: 1, day: 4, time_ms: 0 };
        let monday = 4 - (fourth.weekday() + 6) % 7;
        Civil { day: monday + (week - 1) * 7 + weekday - 1, time_ms, ..fourth }.to_ms()
    } else {
        Civil { year, month, day, time_ms }.to_ms()
    };
    let utc = local.and_then(|local| zone.to_utc(local)).ok_or_else(overflow)?;
    Ok(Value::date(utc))
}

fn stamp<'e>(
    operator: &str,
    value: &Value<'_>,
    part: fn(bson::Timestamp) -> u32,
) -> Result<Value<'e>> {
    match value.get() {
        _ if value.is_nullish() => Ok(Value::NULL),
        Some(RawBsonRef::Timestamp(stamp)) => {
            Ok(Value::Ref(RawBsonRef::Int64(i64::from(part(stamp)))))
        }
        _ => {
            let message = format!("{operator} requires a timestamp, found {}", value.type_name());
            Err(MqlError::new(5687301, message))
        }
    }
}

pub(super) fn ts_second<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    stamp("$tsSecond", &args[0], |stamp| stamp.time)
}

pub(super) fn ts_increment<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    stamp("$tsIncrement", &args[0], |stamp| stamp.increment)
}
