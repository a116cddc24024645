//! Index entries of a document: which keys an index holds for it.
//!
//! A key is the concatenation of the order-preserving encodings of the indexed values, inverted
//! for descending fields, so that byte order is index order. An array gives one key per element;
//! an empty array counts as undefined and a missing field as null, as the MongoDB manual's pages
//! on multikey and sparse indexes describe. What is not here: bounds, which are in `plan`.

use bson::{RawBsonRef, RawDocument};
use portolan_mql::key;

use super::catalog::IndexEntry;
use super::paths::{Found, values_at};
use crate::error::{Failure, codes, refuse};

/// The keys of one document in one index.
pub(crate) struct DocumentKeys {
    /// Sorted, without duplicates.
    pub(crate) keys: Vec<Vec<u8>>,
    /// An array lay on an indexed path.
    pub(crate) multikey: bool,
}

/// The keys that `index` holds for `document`.
pub(crate) fn document_keys(
    index: &IndexEntry,
    document: &RawDocument,
) -> Result<DocumentKeys, Failure> {
    let mut combined = vec![Vec::new()];
    let mut array: Option<(&str, &str)> = None;
    for field in &index.fields {
        let (mut keys, array_at) = path_keys(document, &field.path)?;
        if field.descending {
            keys.iter_mut().for_each(|key| invert(key));
        }
        if let Some(prefix) = array_at {
            match array {
                Some((other, path)) if other != prefix => {
                    return Err(parallel_arrays(path, &field.path));
                }
                _ => array = Some((prefix, &field.path)),
            }
        }
        combined = product(combined, &keys);
    }
    combined.sort_unstable();
    combined.dedup();
    Ok(DocumentKeys { keys: combined, multikey: array.is_some() })
}

fn parallel_arrays(first: &str, second: &str) -> Failure {
    let message = format!("cannot index parallel arrays [{second}] [{first}]");
    refuse(codes::CANNOT_INDEX_PARALLEL_ARRAYS, message)
}

fn product(prefixes: Vec<Vec<u8>>, suffixes: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if let [suffix] = suffixes {
        return prefixes.into_iter().map(|prefix| joined(prefix, suffix)).collect();
    }
    prefixes
        .iter()
        .flat_map(|prefix| suffixes.iter().map(|suffix| joined(prefix.clone(), suffix)))
        .collect()
}

fn joined(mut prefix: Vec<u8>, suffix: &[u8]) -> Vec<u8> {
    prefix.extend_from_slice(suffix);
    prefix
}

/// Turns ascending order into descending order.
pub(crate) fn invert(key: &mut [u8]) {
    for byte in key {
        *byte = !*byte;
    }
}

/// The keys at one path, and the part of it at which an array lies.
fn path_keys<'p>(
    document: &RawDocument,
    path: &'p str,
) -> Result<(Vec<Vec<u8>>, Option<&'p str>), Failure> {
    let mut keys = Vec::with_capacity(1);
    let array_at = values_at(document, path, &mut |found| {
        keys.push(match found {
            Found::Missing => key::missing(),
            Found::EmptyArray => key::encode(RawBsonRef::Undefined),
            Found::Value(value) => key::encode(value),
        });
    })?;
    Ok((keys, array_at))
}

/// The least key that is greater than every key that begins with `prefix`; `None` when there is
/// no such key.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if last < u8::MAX {
            next.push(last + 1);
            return Some(next);
        }
    }
    None
}
