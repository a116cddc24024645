//! From a document to its row: identity, hash, keys, typed columns, month. The verifier computes the
//! same things again from the stored bytes, with this code.

use bson::RawDocument;

/// Identity of a document: its `_id` under MongoDB equality. `None`-less: a document without `_id`
/// has the identity of a missing value and is refused by staging.
#[must_use]
pub fn identity(doc: &RawDocument) -> Vec<u8> {
    match doc.get("_id") {
        Ok(Some(id)) => portolan_mql::key::encode(id),
        _ => portolan_mql::key::missing(),
    }
}

/// BLAKE3 of a document's bytes.
#[must_use]
pub fn hash(doc: &RawDocument) -> [u8; 32] {
    *blake3::hash(doc.as_bytes()).as_bytes()
}
