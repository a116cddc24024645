//! Order-preserving keys: bytes that sort as MongoDB sorts values and are equal when values are.
//!
//! A key is a bracket byte (the type's place in the comparison order) and a payload that depends on
//! the bracket. Keys are prefix-free, so they can be concatenated for compound indexes; inverted
//! bytes sort descending. Numbers of all four types share one form: the largest double not above
//! the value, then a residual when the value is not that double. The numeric type is therefore lost
//! and must be read from the document.

use bson::{RawBsonRef, RawDocument};

use crate::collation::Collation;
use crate::compare::{DEPTH_MAX, as_document, binary_length, db_pointer_bytes};
use crate::decimal::{Decimal, Finite, digits};
use crate::number::Number;
use crate::types::{bracket, bracket_of};

/// The bytes of a prune key: one bracket byte and fifteen of payload.
pub(crate) const PRUNE_BYTES: usize = 16;
/// Stands before a document whose bytes do not parse: they are its key as they are.
const UNREADABLE: u8 = 0xfe;

/// A key whose byte order is the order of values and whose equality is equality of values.
pub fn encode(value: RawBsonRef<'_>) -> Vec<u8> {
    encode_in(value, None)
}

/// As [`encode`], with strings in the order of a collation.
pub fn encode_in(value: RawBsonRef<'_>, collation: Option<&Collation>) -> Vec<u8> {
    let mut writer = Writer { out: Vec::with_capacity(16), collation };
    writer.value(value, 0);
    writer.out
}

/// The key of a descending index field: byte order is the reverse order of values.
pub fn encode_descending(value: RawBsonRef<'_>) -> Vec<u8> {
    let mut out = encode(value);
    for byte in &mut out {
        *byte = !*byte;
    }
    out
}

/// The key of a missing field, which sorts as null.
pub fn missing() -> Vec<u8> {
    vec![bracket::NULL]
}

/// A short key for pruning: at most 32 hex characters, monotone in the order of values, lossy.
///
/// A missing value has the key of null. An array has none: what it matches depends on its elements,
/// so pruning must keep it.
pub fn prune_key(value: Option<RawBsonRef<'_>>) -> Option<String> {
    match value {
        None => Some(hex(&missing())),
        Some(RawBsonRef::Array(_)) => None,
        Some(RawBsonRef::String(text) | RawBsonRef::Symbol(text)) => Some(hex(&text_prefix(text))),
        Some(other) => Some(hex(cut(&encode(other)))),
    }
}

/// The prune key of a full key.
pub(crate) fn cut(key: &[u8]) -> &[u8] {
    &key[..key.len().min(PRUNE_BYTES)]
}

/// Lower-case hex, whose character order is the order of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)] as char);
        out.push(DIGITS[usize::from(byte & 15)] as char);
    }
    out
}

/// The cut key of a string, without encoding more of a long one than is kept.
fn text_prefix(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = vec![bracket::STRING];
    write_bytes(&bytes[..bytes.len().min(PRUNE_BYTES)], &mut out);
    out.truncate(PRUNE_BYTES);
    out
}

/// Writes one key.
struct Writer<'c> {
    out: Vec<u8>,
    collation: Option<&'c Collation>,
}

impl Writer<'_> {
    fn value(&mut self, value: RawBsonRef<'_>, depth: usize) {
        self.out.push(bracket_of(value));
        self.payload(value, depth);
    }

    fn payload(&mut self, value: RawBsonRef<'_>, depth: usize) {
        let out = &mut self.out;
        match value {
            RawBsonRef::String(text) | RawBsonRef::Symbol(text) => match self.collation {
                Some(collation) => write_bytes(&collation.key(text), out),
                None => write_bytes(text.as_bytes(), out),
            },
            RawBsonRef::Document(doc) => self.document(doc, depth),
            RawBsonRef::Array(array) => match as_document(array) {
                Some(doc) => self.array(doc, depth),
                None => write_unreadable(array.as_bytes(), out),
            },
            RawBsonRef::Binary(binary) => {
                out.extend_from_slice(&(binary_length(binary) as u32).to_be_bytes());
                out.push(u8::from(binary.subtype));
                out.extend_from_slice(binary.bytes);
            }
            RawBsonRef::ObjectId(id) => out.extend_from_slice(&id.bytes()),
            RawBsonRef::Boolean(flag) => out.push(u8::from(flag) + 1),
            RawBsonRef::DateTime(date) => write_i64(date.timestamp_millis(), out),
            RawBsonRef::Timestamp(stamp) => {
                out.extend_from_slice(&stamp.time.to_be_bytes());
                out.extend_from_slice(&stamp.increment.to_be_bytes());
            }
            RawBsonRef::RegularExpression(regex) => {
                write_bytes(regex.pattern.as_str().as_bytes(), out);
                write_bytes(regex.options.as_str().as_bytes(), out);
            }
            RawBsonRef::DbPointer(pointer) => out.extend_from_slice(&db_pointer_bytes(pointer)),
            RawBsonRef::JavaScriptCode(code) => write_bytes(code.as_bytes(), out),
            RawBsonRef::JavaScriptCodeWithScope(code) => {
                write_bytes(code.code.as_bytes(), out);
                self.document(code.scope, depth);
            }
            other => {
                if let Some(number) = Number::of(other) {
                    write_number(number, out);
                }
            }
        }
    }

    /// Fields as (bracket, name, payload), then zero: the order in which documents compare.
    fn document(&mut self, doc: &RawDocument, depth: usize) {
        if depth >= DEPTH_MAX {
            return write_unreadable(doc.as_bytes(), &mut self.out);
        }
        let start = self.out.len();
        for element in doc.iter() {
            let Ok((name, value)) = element else {
                self.out.truncate(start);
                return write_unreadable(doc.as_bytes(), &mut self.out);
            };
            self.out.push(bracket_of(value));
            write_bytes(name.as_str().as_bytes(), &mut self.out);
            self.payload(value, depth + 1);
        }
        self.out.push(0);
    }

    fn array(&mut self, array: &RawDocument, depth: usize) {
        if depth >= DEPTH_MAX {
            return write_unreadable(array.as_bytes(), &mut self.out);
        }
        let start = self.out.len();
        for element in array.iter() {
            let Ok((_, value)) = element else {
                self.out.truncate(start);
                return write_unreadable(array.as_bytes(), &mut self.out);
            };
            self.value(value, depth + 1);
        }
        self.out.push(0);
    }
}

/// Bytes with zero escaped and a zero at the end, so that no key is a prefix of another.
fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.push(0);
}

fn write_unreadable(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(UNREADABLE);
    write_bytes(bytes, out);
}

fn write_i64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&((value as u64) ^ (1 << 63)).to_be_bytes());
}

/// NaN is 0; any other number is 1, the double at or below it, and its residual.
fn write_number(number: Number, out: &mut Vec<u8>) {
    if number.is_nan() {
        return out.push(0);
    }
    out.push(1);
    let floor = floor_of(number);
    write_double(floor, out);
    match exact_residual(number, floor) {
        None => out.push(0),
        Some(residual) => {
            out.push(1);
            write_residual(residual, out);
        }
    }
}

fn write_double(value: f64, out: &mut Vec<u8>) {
    // Both zeros are one value.
    let bits = if value == 0.0 { 0 } else { value.to_bits() };
    let ordered = if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) };
    out.extend_from_slice(&ordered.to_be_bytes());
}

/// The largest double that is not above the number.
fn floor_of(number: Number) -> f64 {
    let nearest = number.to_f64();
    let above = crate::number::compare(Number::Double(nearest), number).is_gt();
    if above { nearest.next_down() } else { nearest }
}

/// The number itself in decimal, when it is not the double below it.
fn exact_residual(number: Number, floor: f64) -> Option<Finite> {
    if crate::number::compare(number, Number::Double(floor)).is_eq() {
        return None;
    }
    match number {
        Number::Int(value) => Some(Finite::of_int(value)),
        Number::Decimal(Decimal::Finite(value)) => Some(value),
        _ => None,
    }
}

/// A decimal number among those with the same double below them: exponent, digits, end.
fn write_residual(number: Finite, out: &mut Vec<u8>) {
    let start = out.len();
    let number = number.stripped();
    out.extend_from_slice(&((number.adjusted() + 10_000) as u16).to_be_bytes());
    let mut scale = 10u128.pow(digits(number.coefficient) as u32 - 1);
    while scale > 0 {
        out.push((number.coefficient / scale % 10) as u8 + 1);
        scale /= 10;
    }
    out.push(0);
    if number.negative {
        for byte in &mut out[start..] {
            *byte = !*byte;
        }
    }
}

#[cfg(test)]
mod tests;
