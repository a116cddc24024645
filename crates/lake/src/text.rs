//! Canonical text of a BSON value, for readers that speak SQL. Never read back: `_doc` is the
//! truth.

use bson::RawBsonRef;
use bson::spec::BinarySubtype;

/// A value as text; `None` when it has none (broken bytes).
pub(crate) fn canonical(value: RawBsonRef<'_>) -> Option<String> {
    Some(match value {
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => text.to_owned(),
        RawBsonRef::ObjectId(id) => id.to_hex(),
        RawBsonRef::Int32(number) => number.to_string(),
        RawBsonRef::Int64(number) => number.to_string(),
        RawBsonRef::Double(number) => double(number),
        RawBsonRef::Decimal128(number) => number.to_string(),
        RawBsonRef::Boolean(flag) => flag.to_string(),
        RawBsonRef::Null => "null".to_owned(),
        RawBsonRef::DateTime(date) => {
            let ms = date.timestamp_millis();
            date_time(ms).unwrap_or_else(|| ms.to_string())
        }
        RawBsonRef::Binary(binary) => match uuid(binary.subtype, binary.bytes) {
            Some(uuid) => uuid,
            None => extended_json(value)?,
        },
        other => extended_json(other)?,
    })
}

/// The 8-4-4-4-12 form of a UUID (binary subtype 4).
pub(crate) fn uuid(subtype: BinarySubtype, bytes: &[u8]) -> Option<String> {
    if subtype != BinarySubtype::Uuid || bytes.len() != 16 {
        return None;
    }
    let text = hex::encode(bytes);
    Some(format!(
        "{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    ))
}

/// ISO 8601 with milliseconds, in the years 1 to 9999.
pub(crate) fn date_time(ms: i64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    (1..=9999).contains(&time.year()).then(|| time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn double(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        format!("{number:?}")
    }
}

fn extended_json(value: RawBsonRef<'_>) -> Option<String> {
    let value = bson::Bson::try_from(value).ok()?;
    Some(value.into_canonical_extjson().to_string())
}
