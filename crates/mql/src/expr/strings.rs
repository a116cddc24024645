//! Strings: by UTF-8 bytes, by code points, case for ASCII letters only as MongoDB has it.

use bson::{RawArrayBuf, RawBsonRef};

use super::convert::text_of_date;
use super::value::{Value, check_size};
use crate::{MqlError, Result};

/// An argument where strings, numbers, dates and null are taken as text.
fn coerced(value: &Value<'_>) -> Result<String> {
    match value.get() {
        None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => Ok(String::new()),
        Some(RawBsonRef::String(text) | RawBsonRef::Symbol(text)) => Ok(text.to_owned()),
        Some(RawBsonRef::Int32(v)) => Ok(v.to_string()),
        Some(RawBsonRef::Int64(v)) => Ok(v.to_string()),
        Some(RawBsonRef::Double(v)) => Ok(super::convert::text_of_double(v)),
        Some(RawBsonRef::Decimal128(v)) => Ok(v.to_string()),
        Some(RawBsonRef::DateTime(date)) => Ok(text_of_date(date.timestamp_millis())),
        Some(RawBsonRef::Timestamp(stamp)) => {
            Ok(format!("Timestamp({}, {})", stamp.time, stamp.increment))
        }
        Some(RawBsonRef::JavaScriptCode(code)) => Ok(code.to_owned()),
        Some(_) => {
            let message = format!("can't convert from BSON type {} to String", value.type_name());
            Err(MqlError::new(16007, message))
        }
    }
}

/// A string argument, or an error in MongoDB's words.
fn text<'v>(value: &'v Value<'_>, code: i32, operator: &str) -> Result<&'v str> {
    value.as_str().ok_or_else(|| {
        let message =
            format!("{operator} requires a string argument, found: {}", value.type_name());
        MqlError::new(code, message)
    })
}

pub(super) fn concat<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut out = String::new();
    for arg in &args {
        if arg.is_nullish() {
            return Ok(Value::NULL);
        }
        let Some(part) = arg.as_str() else {
            let message = format!("$concat only supports strings, not {}", arg.type_name());
            return Err(MqlError::new(16702, message));
        };
        out.push_str(part);
        check_size(out.len())?;
    }
    Ok(Value::string(out))
}

pub(super) fn to_lower<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    Ok(Value::string(coerced(&args[0])?.to_ascii_lowercase()))
}

pub(super) fn to_upper<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    Ok(Value::string(coerced(&args[0])?.to_ascii_uppercase()))
}

pub(super) fn case_compare<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let left = coerced(&args[0])?.to_ascii_uppercase();
    let right = coerced(&args[1])?.to_ascii_uppercase();
    Ok(Value::int(left.cmp(&right) as i32))
}

fn position(value: &Value<'_>, code: i32, operator: &str) -> Result<i64> {
    value.as_number().and_then(|number| number.truncated()).ok_or_else(|| {
        let message = format!(
            "{operator} must have a numeric position and length, found: {}",
            value.type_name()
        );
        MqlError::new(code, message)
    })
}

pub(super) fn substr_bytes<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let text = coerced(&args[0])?;
    let start = position(&args[1], 16034, "$substrBytes")?;
    let length = position(&args[2], 16035, "$substrBytes")?;
    let Ok(start) = usize::try_from(start) else {
        let message = "$substrBytes: starting index must be non-negative";
        return Err(MqlError::new(50752, message));
    };
    if start >= text.len() {
        return Ok(Value::string(""));
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let end = start.saturating_add(length).min(text.len());
    match text.get(start..end) {
        Some(part) => Ok(Value::string(part)),
        None => {
            let message = "$substrBytes: Invalid range, starting or ending index is in the middle \
                           of a UTF-8 character.";
            Err(MqlError::new(28656, message))
        }
    }
}

pub(super) fn substr_cp<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let text = coerced(&args[0])?;
    let start = position(&args[1], 34450, "$substrCP")?;
    let length = position(&args[2], 34452, "$substrCP")?;
    let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length)) else {
        return Err(MqlError::new(34455, "$substrCP: arguments must be nonnegative integers"));
    };
    Ok(Value::string(text.chars().skip(start).take(length).collect::<String>()))
}

pub(super) fn str_len_bytes<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    Ok(Value::int(text(&args[0], 34473, "$strLenBytes")?.len() as i32))
}

pub(super) fn str_len_cp<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    Ok(Value::int(text(&args[0], 34471, "$strLenCP")?.chars().count() as i32))
}

pub(super) fn split<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args.iter().any(Value::is_nullish) {
        return Ok(Value::NULL);
    }
    let separator = text(&args[1], 40086, "$split")?;
    if separator.is_empty() {
        return Err(MqlError::new(40087, "$split requires a non-empty separator"));
    }
    let mut out = RawArrayBuf::new();
    for part in text(&args[0], 40085, "$split")?.split(separator) {
        out.push(part);
    }
    Ok(Value::array(out))
}

/// What `$trim` takes off: white space (and NUL) unless characters are given.
fn trimmed<'e>(operator: &str, args: &[Value<'e>], front: bool, back: bool) -> Result<Value<'e>> {
    if args[0].is_nullish() || matches!(args[1].get(), Some(RawBsonRef::Null)) {
        return Ok(Value::NULL);
    }
    let mut rest = text(&args[0], 50699, operator)?;
    let chars = match args[1].get() {
        None => None,
        Some(_) => Some(text(&args[1], 50700, operator)?),
    };
    let strip = |c: char| match chars {
        Some(chars) => chars.contains(c),
        None => c.is_whitespace() || c == '\0' || c == '\u{feff}',
    };
    if front {
        rest = rest.trim_start_matches(strip);
    }
    if back {
        rest = rest.trim_end_matches(strip);
    }
    Ok(Value::string(rest))
}

pub(super) fn trim<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    trimmed("$trim", &args, true, true)
}

pub(super) fn ltrim<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    trimmed("$ltrim", &args, true, false)
}

pub(super) fn rtrim<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    trimmed("$rtrim", &args, false, true)
}

/// The bounds of a search, as given or the whole.
pub(super) fn bounds(
    operator: &str,
    args: &[Value<'_>],
    length: usize,
) -> Result<Option<(usize, usize)>> {
    let bound = |index: usize, default: usize| match args.get(index) {
        None => Ok(default),
        Some(value) => match value.as_integer() {
            Some(n) if n >= 0 => Ok(n as usize),
            Some(_) => {
                let message = format!("{operator} requires nonnegative indexes");
                Err(MqlError::new(40097, message))
            }
            None => {
                let message = format!("{operator} requires integral indexes");
                Err(MqlError::new(40096, message))
            }
        },
    };
    let (start, end) = (bound(2, 0)?, bound(3, length)?.min(length));
    Ok((start <= end).then_some((start, end)))
}

pub(super) fn index_of_bytes<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args[0].is_nullish() {
        return Ok(Value::NULL);
    }
    let haystack = text(&args[0], 40091, "$indexOfBytes")?;
    let needle = text(&args[1], 40092, "$indexOfBytes")?;
    let Some((start, end)) = bounds("$indexOfBytes", &args, haystack.len())? else {
        return Ok(Value::int(-1));
    };
    let found = find_bytes(&haystack.as_bytes()[start..end], needle.as_bytes());
    Ok(Value::int(found.map_or(-1, |index| (index + start) as i32)))
}

fn find_bytes(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}

pub(super) fn index_of_cp<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args[0].is_nullish() {
        return Ok(Value::NULL);
    }
    let haystack: Vec<char> = text(&args[0], 40093, "$indexOfCP")?.chars().collect();
    let needle: Vec<char> = text(&args[1], 40094, "$indexOfCP")?.chars().collect();
    let Some((start, end)) = bounds("$indexOfCP", &args, haystack.len())? else {
        return Ok(Value::int(-1));
    };
    let within = &haystack[start..end];
    let found = if needle.is_empty() {
        Some(0)
    } else {
        within.windows(needle.len()).position(|window| window == needle)
    };
    Ok(Value::int(found.map_or(-1, |index| (index + start) as i32)))
}

/// Replaces so many occurrences at most.
fn replaced<'e>(operator: &str, args: &[Value<'e>], most: usize) -> Result<Value<'e>> {
    let mut texts = [""; 3];
    for (slot, arg) in texts.iter_mut().zip(args) {
        if !arg.is_nullish() {
            *slot = text(arg, 51746, operator)?;
        }
    }
    if args.iter().any(Value::is_nullish) {
        return Ok(Value::NULL);
    }
    let [input, find, new] = texts;
    let times = input.matches(find).take(most).count();
    check_size(input.len().saturating_add(times.saturating_mul(new.len())))?;
    Ok(Value::string(input.replacen(find, new, most)))
}

pub(super) fn replace_one<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    replaced("$replaceOne", &args, 1)
}

pub(super) fn replace_all<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    replaced("$replaceAll", &args, usize::MAX)
}
