//! Times on the wire: ISO 8601, UTC, whole seconds, `Z`.

use jiff::Timestamp;
use portolan_model::EpochMs;

/// Writes a time; the part below the second is cut off.
#[must_use]
pub fn iso8601(ms: EpochMs) -> String {
    let time = Timestamp::from_second(ms.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_string()
}

/// Reads an RFC 3339 time.
#[must_use]
pub fn parse_iso8601(text: &str) -> Option<EpochMs> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// The date of an HTTP header such as `Sunset`: `Thu, 1 Jul 2027 00:00:00 GMT`. The day of the month
/// is not padded with a zero there.
#[must_use]
pub fn header_date(date: crate::VersionDate) -> String {
    let text = date.to_string();
    let parsed: Option<jiff::civil::Date> = text.parse().ok();
    parsed.map_or(text, |day| {
        format!("{}, {} {} {} 00:00:00 GMT", weekday(day), day.day(), month(day), day.year())
    })
}

fn weekday(day: jiff::civil::Date) -> &'static str {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let index = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0);
    NAMES[index % 7]
}

fn month(day: jiff::civil::Date) -> &'static str {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let index = usize::try_from(day.month() - 1).unwrap_or(0);
    NAMES[index % 12]
}
