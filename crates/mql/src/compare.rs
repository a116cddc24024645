//! The total order over all BSON values, and the equality that follows from it.
//!
//! Values of different types are ordered by type, numbers by mathematical value across their four
//! types, documents field by field as (type, name, value). See "Comparison/Sort Order" in the
//! MongoDB manual. Missing fields are the caller's matter: sorting treats them as null.
//!
//! Nesting is followed to [`DEPTH_MAX`]; what lies deeper compares as bytes. No document that a client
//! sends is nested so deeply, but expressions can build one, and it must not exhaust the stack.

use std::cmp::Ordering;

use bson::raw::cstr;
use bson::spec::BinarySubtype;
use bson::{RawBinaryRef, RawBsonRef, RawDbPointerRef, RawDocument, RawDocumentBuf};

use crate::collation::Collation;
use crate::key::encode_in;
use crate::number::{self, Number};
use crate::types::bracket_of;

/// Levels of nesting that are compared value by value.
pub(crate) const DEPTH_MAX: usize = 250;

/// MongoDB's order of two values of any types.
pub fn compare(a: RawBsonRef<'_>, b: RawBsonRef<'_>) -> Ordering {
    bracket_of(a).cmp(&bracket_of(b)).then_with(|| within_bracket(a, b, 0))
}

/// As [`compare`], with strings in the order of a collation.
pub(crate) fn compare_in(
    a: RawBsonRef<'_>,
    b: RawBsonRef<'_>,
    collation: Option<&Collation>,
) -> Ordering {
    match collation {
        None => compare(a, b),
        Some(_) => encode_in(a, collation).cmp(&encode_in(b, collation)),
    }
}

/// Whether two values are equal for MongoDB: numbers by value, documents in field order.
pub fn equal(a: RawBsonRef<'_>, b: RawBsonRef<'_>) -> bool {
    compare(a, b) == Ordering::Equal
}

fn within_bracket(a: RawBsonRef<'_>, b: RawBsonRef<'_>, depth: usize) -> Ordering {
    use RawBsonRef as R;
    match (a, b) {
        (R::String(a) | R::Symbol(a), R::String(b) | R::Symbol(b)) => a.cmp(b),
        (R::Document(a), R::Document(b)) => documents(a, b, depth),
        (R::Array(a), R::Array(b)) => match (as_document(a), as_document(b)) {
            (Some(left), Some(right)) => documents(left, right, depth),
            _ => a.as_bytes().cmp(b.as_bytes()),
        },
        (R::Binary(a), R::Binary(b)) => binaries(a, b),
        (R::ObjectId(a), R::ObjectId(b)) => a.bytes().cmp(&b.bytes()),
        (R::Boolean(a), R::Boolean(b)) => a.cmp(&b),
        (R::DateTime(a), R::DateTime(b)) => a.timestamp_millis().cmp(&b.timestamp_millis()),
        (R::Timestamp(a), R::Timestamp(b)) => (a.time, a.increment).cmp(&(b.time, b.increment)),
        (R::RegularExpression(a), R::RegularExpression(b)) => {
            let key = |r: bson::RawRegexRef<'_>| {
                (r.pattern.as_str().to_owned(), r.options.as_str().to_owned())
            };
            key(a).cmp(&key(b))
        }
        (R::DbPointer(a), R::DbPointer(b)) => db_pointer_bytes(a).cmp(&db_pointer_bytes(b)),
        (R::JavaScriptCode(a), R::JavaScriptCode(b)) => a.cmp(b),
        (R::JavaScriptCodeWithScope(a), R::JavaScriptCodeWithScope(b)) => {
            a.code.cmp(b.code).then_with(|| documents(a.scope, b.scope, depth))
        }
        _ => numbers(a, b),
    }
}

fn numbers(a: RawBsonRef<'_>, b: RawBsonRef<'_>) -> Ordering {
    match (Number::of(a), Number::of(b)) {
        (Some(a), Some(b)) => number::compare(a, b),
        // Brackets of one value: null, undefined, minKey, maxKey.
        _ => Ordering::Equal,
    }
}

fn binaries(a: RawBinaryRef<'_>, b: RawBinaryRef<'_>) -> Ordering {
    let rank = |v: RawBinaryRef<'_>| (binary_length(v), u8::from(v.subtype));
    rank(a).cmp(&rank(b)).then_with(|| a.bytes.cmp(b.bytes))
}

/// The stored length: the old binary subtype holds a second length of four bytes.
pub(crate) fn binary_length(value: RawBinaryRef<'_>) -> usize {
    let extra = if value.subtype == BinarySubtype::BinaryOld { 4 } else { 0 };
    value.bytes.len() + extra
}

/// Name length, name and id: the order of the deprecated DBPointer type.
pub(crate) fn db_pointer_bytes(value: RawDbPointerRef<'_>) -> Vec<u8> {
    let mut holder = RawDocumentBuf::new();
    holder.append(cstr!(""), RawBsonRef::DbPointer(value));
    let bytes = holder.as_bytes();
    // Document length, type byte and empty name stand before; one zero behind. The length of the
    // name is little-endian, and must compare as a number.
    let mut out = bytes[6..bytes.len() - 1].to_vec();
    out[..4].reverse();
    out
}

/// An array as the document it is stored as.
pub(crate) fn as_document(array: &bson::RawArray) -> Option<&RawDocument> {
    RawDocument::from_bytes(array.as_bytes()).ok()
}

/// Field by field: type, then name, then value. Bytes that do not parse (a string that is not
/// UTF-8, say) compare as bytes, so that different documents are never called equal.
fn documents(a: &RawDocument, b: &RawDocument, depth: usize) -> Ordering {
    if a.as_bytes() == b.as_bytes() {
        return Ordering::Equal;
    }
    if depth >= DEPTH_MAX {
        return a.as_bytes().cmp(b.as_bytes());
    }
    let (mut left, mut right) = (a.iter(), b.iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(Ok(_))) => return Ordering::Less,
            (Some(Ok(_)), None) => return Ordering::Greater,
            (Some(Ok((name, value))), Some(Ok((other_name, other)))) => {
                let order = bracket_of(value)
                    .cmp(&bracket_of(other))
                    .then_with(|| name.as_str().cmp(other_name.as_str()))
                    .then_with(|| within_bracket(value, other, depth + 1));
                if order != Ordering::Equal {
                    return order;
                }
            }
            _ => return a.as_bytes().cmp(b.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests;
