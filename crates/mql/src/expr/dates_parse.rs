//! Dates out of text, by the specifiers of `$dateFromString`'s `format`.

use super::calendar::{Civil, Zone};
use super::dates::MONTHS;
use crate::{MqlError, Result, code};

/// What a format string found in the text.
struct Found {
    year: Option<i64>,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    time_ms: i64,
    offset_minutes: Option<i64>,
}

/// Parses text by a format; text and format must both be used up.
pub(super) fn by_format(text: &str, format: &str, zone: Zone) -> Result<i64> {
    let failed = || {
        let message = format!("Error parsing date string '{text}' with format '{format}'");
        MqlError::new(code::CONVERSION_FAILURE, message)
    };
    let mut found =
        Found { year: None, month: 1, day: 1, day_of_year: None, time_ms: 0, offset_minutes: None };
    let mut rest = text;
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        rest = match c {
            '%' => part(chars.next().ok_or_else(failed)?, rest, &mut found)?.ok_or_else(failed)?,
            literal => rest.strip_prefix(literal).ok_or_else(failed)?,
        };
    }
    if !rest.is_empty() {
        return Err(failed());
    }
    assemble(&found, zone).ok_or_else(failed)
}

fn assemble(found: &Found, zone: Zone) -> Option<i64> {
    let (month, day) = match found.day_of_year {
        Some(day) => (1, day),
        None => (found.month, found.day),
    };
    let civil = Civil { year: found.year?, month, day, time_ms: found.time_ms };
    let zone = found.offset_minutes.map_or(zone, |offset_minutes| Zone { offset_minutes });
    zone.to_utc(civil.to_ms()?)
}

/// Reads one specifier; gives the rest of the text, or none when it does not fit.
fn part<'t>(specifier: char, text: &'t str, found: &mut Found) -> Result<Option<&'t str>> {
    let digits = |max: usize| -> Option<(i64, &'t str)> {
        let end = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
        Some((text.get(..end)?.parse().ok()?, &text[end..]))
    };
    let ranged = |max: usize, range: std::ops::RangeInclusive<i64>| {
        digits(max).filter(|(n, _)| range.contains(n))
    };
    let time = |unit: i64, read: Option<(i64, &'t str)>, found: &mut Found| {
        read.map(|(n, rest)| {
            found.time_ms += n * unit;
            rest
        })
    };
    Ok(match specifier {
        '%' => text.strip_prefix('%'),
        'Y' => digits(4).map(|(n, rest)| {
            found.year = Some(n);
            rest
        }),
        'm' => ranged(2, 1..=12).map(|(n, rest)| {
            found.month = n;
            rest
        }),
        'd' => ranged(2, 1..=31).map(|(n, rest)| {
            found.day = n;
            rest
        }),
        'j' => ranged(3, 1..=366).map(|(n, rest)| {
            found.day_of_year = Some(n);
            rest
        }),
        'H' => time(3_600_000, ranged(2, 0..=24), found),
        'M' => time(60_000, ranged(2, 0..=59), found),
        'S' => time(1_000, ranged(2, 0..=60), found),
        'L' => time(1, digits(3), found),
        'b' => month_name(text, 3, found),
        'B' => month_name(text, usize::MAX, found),
        'z' | 'Z' => offset(specifier, text, found),
        'G' | 'V' | 'u' => {
            return Err(MqlError::not_implemented(format!("%{specifier} in $dateFromString")));
        }
        other => {
            let message = format!("Invalid format character '%{other}' in format string");
            return Err(MqlError::new(18536, message));
        }
    })
}

fn month_name<'t>(text: &'t str, length: usize, found: &mut Found) -> Option<&'t str> {
    for (index, name) in MONTHS.iter().enumerate() {
        let name = &name[..length.min(name.len())];
        let head = text.get(..name.len());
        if head.is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            found.month = index as i64 + 1;
            return Some(&text[name.len()..]);
        }
    }
    None
}

fn offset<'t>(specifier: char, text: &'t str, found: &mut Found) -> Option<&'t str> {
    if specifier == 'z'
        && let Some(rest) = text.strip_prefix('Z')
    {
        found.offset_minutes = Some(0);
        return Some(rest);
    }
    let body = text.strip_prefix(['+', '-'])?;
    let end = 1 + body.bytes().take_while(|b| b.is_ascii_digit() || *b == b':').count();
    found.offset_minutes = Some(match specifier {
        'z' => Zone::parse(&text[..end]).ok()?.offset_minutes,
        _ => text[..end].parse().ok()?,
    });
    Some(&text[end..])
}
