//! Identity of a document: what makes two documents of a collection the same one.
//!
//! That is `_id` under MongoDB equality, and on a sharded collection the values of the shard key beside
//! it: `_id` is unique on each shard, not over all of them. Which fields those are is the caller's to
//! know.

use bson::RawDocument;

use crate::{key, path};

/// Bytes that say how long the part of `_id` is.
const LENGTH_BYTES: usize = 4;

/// Identity of a document under `_id` and the values at `beside_id`. What is missing counts as null, as it
/// does for the place of a document on a shard. Without `beside_id` it is the key of `_id`.
pub fn of<'a>(doc: &RawDocument, beside_id: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut identity = match doc.get("_id") {
        Ok(Some(id)) => key::encode(id),
        _ => key::missing(),
    };
    let length = u32::try_from(identity.len()).unwrap_or(u32::MAX);
    let mut is_alone = true;
    for path in beside_id {
        is_alone = false;
        identity.extend(path::get(doc, path).map_or_else(key::missing, key::encode));
    }
    if !is_alone {
        identity.extend(length.to_be_bytes());
    }
    identity
}

/// The key of `_id` in an identity that was made with others beside it.
pub fn id_part(identity: &[u8]) -> &[u8] {
    let Some(end) = identity.len().checked_sub(LENGTH_BYTES) else { return identity };
    let length = identity[end..].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    &identity[..length.min(end)]
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn values_beside_the_id_tell_documents_apart() {
        let paths = ["customer", "place.zone"];
        let one = rawdoc! { "_id": 7, "customer": "a", "place": { "zone": 1 } };
        let same = rawdoc! { "place": { "zone": 1.0 }, "customer": "a", "_id": 7_i64, "x": 1 };
        let other = rawdoc! { "_id": 7, "customer": "b", "place": { "zone": 1 } };
        assert_eq!(of(&one, paths), of(&same, paths));
        assert_ne!(of(&one, paths), of(&other, paths));
        assert_eq!(of(&one, []), of(&other, []));
        assert_eq!(id_part(&of(&one, paths)), of(&one, []));
    }

    #[test]
    fn what_is_missing_is_null() {
        let missing = rawdoc! { "_id": "x" };
        let null = rawdoc! { "_id": "x", "k": bson::RawBson::Null };
        assert_eq!(of(&missing, ["k"]), of(&null, ["k"]));
        assert_ne!(of(&missing, ["k"]), of(&missing, []));
    }
}
