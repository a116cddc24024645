//! The total order over all BSON values. (Skeleton.)
use bson::RawBsonRef;
use std::cmp::Ordering;

/// MongoDB's order of two values of any types.
pub fn compare(a: RawBsonRef<'_>, b: RawBsonRef<'_>) -> Ordering {
    crate::key::encode(a).cmp(&crate::key::encode(b))
}

/// Whether two values are equal for MongoDB: numbers by value, documents in field order.
pub fn equal(a: RawBsonRef<'_>, b: RawBsonRef<'_>) -> bool {
    compare(a, b) == Ordering::Equal
}
