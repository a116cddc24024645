//! Index entries of a document: which keys an index holds for it.
//!
//! A key is the concatenation of the order-preserving encodings of the indexed values, inverted
//! for descending fields, so that byte order is index order; of hashed fields only a hash of the
//! encoding is kept. An array gives one key per element;
//! an empty array counts as undefined and a missing field as null, as the MongoDB manual's pages
//! on multikey and sparse indexes describe. What is not here: bounds, which are in `plan`.

use bson::{RawBsonRef, RawDocument};
use portolan_mql::{Collation, key};

use super::index::{IndexEntry, IndexField};
use super::paths::{Found, values_at};
use crate::error::{Failure, codes, refuse};

/// The keys of one document in one index.
pub(crate) struct DocumentKeys {
    /// Sorted, without duplicates.
    pub(crate) keys: Vec<Vec<u8>>,
    /// An array lay on an indexed path.
    pub(crate) multikey: bool,
}

/// The keys that `index` holds for `document`: none when the index leaves it out.
pub(crate) fn document_keys(
    index: &IndexEntry,
    document: &RawDocument,
) -> Result<DocumentKeys, Failure> {
    let nothing = DocumentKeys { keys: Vec::new(), multikey: false };
    if let Some(filter) = &index.options.partial
        && !filter.matches(document)?
    {
        return Ok(nothing);
    }
    let mut combined = vec![Vec::new()];
    let mut array: Option<(&str, &str)> = None;
    let mut present = false;
    for field in &index.fields {
        let PathKeys { mut keys, array_at, present: found } =
            path_keys(document, &field.path, index.options.collation.as_ref())?;
        present |= found;
        keys.iter_mut().for_each(|key| as_stored(field, key));
        if let Some(prefix) = array_at {
            if field.hashed {
                return Err(hashed_array(&field.path));
            }
            match array {
                Some((other, path)) if other != prefix => {
                    return Err(parallel_arrays(path, &field.path));
                }
                _ => array = Some((prefix, &field.path)),
            }
        }
        combined = product(combined, &keys);
    }
    if index.options.sparse && !present {
        return Ok(nothing);
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

/// MongoDB gives this refusal a number and no name.
const HASHED_ARRAY: i32 = 16_766;

fn hashed_array(path: &str) -> Failure {
    let message = format!("hashed indexes do not currently support array values: {path}");
    refuse(HASHED_ARRAY, message)
}

/// Turns the encoding of a value into what the index holds for a field: as it is, in descending order,
/// or hashed.
pub(crate) fn as_stored(field: &IndexField, key: &mut Vec<u8>) {
    if field.hashed {
        *key = hash(key).to_be_bytes().to_vec();
    } else if field.descending {
        key.iter_mut().for_each(|byte| *byte = !*byte);
    }
}

/// FNV-1a, which is the same in every build. What collides is told apart by the query's filter.
fn hash(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The keys at one path.
struct PathKeys<'p> {
    keys: Vec<Vec<u8>>,
    /// The part of the path at which an array lies.
    array_at: Option<&'p str>,
    /// Something is there.
    present: bool,
}

fn path_keys<'p>(
    document: &RawDocument,
    path: &'p str,
    collation: Option<&Collation>,
) -> Result<PathKeys<'p>, Failure> {
    let (mut keys, mut present) = (Vec::with_capacity(1), false);
    let array_at = values_at(document, path, &mut |found| {
        present |= !matches!(found, Found::Missing);
        keys.push(match found {
            Found::Missing => key::missing(),
            Found::EmptyArray => key::encode(RawBsonRef::Undefined),
            Found::Value(value) => key::encode_in(value, collation),
        });
    })?;
    Ok(PathKeys { keys, array_at, present })
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
