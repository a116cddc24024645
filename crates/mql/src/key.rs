//! Order-preserving keys. (Skeleton.)
use bson::RawBsonRef;

/// A key whose byte order is the order of values and whose equality is equality of values.
pub fn encode(value: RawBsonRef<'_>) -> Vec<u8> {
    format!("{value:?}").into_bytes()
}

/// The key of a descending index field: byte order is the reverse order of values.
pub fn encode_descending(value: RawBsonRef<'_>) -> Vec<u8> {
    encode(value).into_iter().map(|byte| !byte).collect()
}

/// The key of a missing field: the same as that of null.
pub fn missing() -> Vec<u8> {
    encode(RawBsonRef::Null)
}

/// A short, monotone, lossy key in hex for pruning; `None` for arrays.
pub fn prune_key(value: Option<RawBsonRef<'_>>) -> Option<String> {
    value.map(|_| String::new())
}
