//! Turning the `_id` bounds of a file back into values, so that one question to the cluster can
//! prove that none of the file's documents is there.
//!
//! Bounds are prune keys: monotone, perhaps cut. Only types whose keys give exact or safely widened
//! values are turned back: ObjectId, date, number. For the others (strings above all, which a
//! collation may order differently) there is no proof, and documents are looked up one by one.

use bson::oid::ObjectId;
use bson::{DateTime, RawBson, RawBsonRef};
use portolan_lake::DataFile;
use portolan_mql::key;

/// Inclusive bounds of `_id`, both of one type bracket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IdRange {
    pub(crate) low: RawBson,
    pub(crate) high: RawBson,
}

/// The bounds of one file.
pub(crate) fn of_file(file: &DataFile) -> Option<IdRange> {
    let (low, high) = file.id_range.as_ref()?;
    of_keys(low, high)
}

/// The bounds of all files together. Prune keys are ordered as text.
pub(crate) fn of_files<'a>(files: impl Iterator<Item = &'a DataFile>) -> Option<IdRange> {
    let mut bounds: Option<(&str, &str)> = None;
    for file in files {
        let (low, high) = file.id_range.as_ref()?;
        bounds = Some(match bounds {
            None => (low, high),
            Some((least, greatest)) => (least.min(low), greatest.max(high)),
        });
    }
    let (low, high) = bounds?;
    of_keys(low, high)
}

fn of_keys(low: &str, high: &str) -> Option<IdRange> {
    let (low, high) = (bytes(low)?, bytes(high)?);
    let (bracket, other) = (low.first()?, high.first()?);
    if bracket != other {
        return None;
    }
    let range = |low, high| Some(IdRange { low, high });
    if *bracket == bracket_of(RawBsonRef::ObjectId(ObjectId::from_bytes([0; 12]))) {
        let id = |key: &[u8]| Some(ObjectId::from_bytes(key.get(1..13)?.try_into().ok()?));
        return range(RawBson::ObjectId(id(&low)?), RawBson::ObjectId(id(&high)?));
    }
    if *bracket == bracket_of(RawBsonRef::DateTime(DateTime::from_millis(0))) {
        return range(date(&low)?, date(&high)?);
    }
    if *bracket == bracket_of(RawBsonRef::Int32(0)) {
        // A number's key starts with the greatest double that is not above it.
        let (low, high) = (double(&low)?, double(&high)?.next_up());
        return range(RawBson::Double(low), RawBson::Double(high));
    }
    None
}

fn bracket_of(sample: RawBsonRef<'_>) -> u8 {
    key::encode(sample)[0]
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

fn word(key: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?))
}

fn date(key: &[u8]) -> Option<RawBson> {
    let ms = word(key, 1)? ^ (1 << 63);
    Some(RawBson::DateTime(DateTime::from_millis(ms.cast_signed())))
}

/// The double at the start of a number's key; NaN has none.
fn double(key: &[u8]) -> Option<f64> {
    if *key.get(1)? != 1 {
        return None;
    }
    let ordered = word(key, 2)?;
    let bits = if ordered >> 63 == 1 { ordered ^ (1 << 63) } else { !ordered };
    Some(f64::from_bits(bits))
}

/// Whether two files may share an identity, by their bounds.
pub(crate) fn may_overlap(a: &DataFile, b: &DataFile) -> bool {
    match (&a.id_range, &b.id_range) {
        (Some((a_low, a_high)), Some((b_low, b_high))) => a_low <= b_high && b_low <= a_high,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
