//! The shard key of a collection: the fields that decide on which shard a document lies.
//!
//! `_id` is unique on each shard and no further, so on a sharded collection a document is known by its
//! `_id` and its shard-key values together (MongoDB manual, "Shard Keys", "Unique Indexes").

use std::fmt;

/// One field of a shard key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardField {
    /// Dotted path.
    pub path: String,
    /// Whether a hash of its value decides, and not the value.
    pub hashed: bool,
}

/// The pattern of a shard key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardKey {
    /// Its fields, in order.
    pub fields: Vec<ShardField>,
}

impl ShardKey {
    /// A key of fields that are not hashed.
    #[must_use]
    pub fn ranged(paths: &[&str]) -> Self {
        let field = |path: &&str| ShardField { path: (*path).to_owned(), hashed: false };
        Self { fields: paths.iter().map(field).collect() }
    }

    /// Paths of its fields but `_id`: what tells documents with one `_id` apart. None: `_id` does it
    /// alone.
    pub fn beside_id(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.path.as_str()).filter(|path| *path != "_id")
    }

    /// Whether documents are told apart alike under both; `None` is a collection that is not sharded.
    #[must_use]
    pub fn tell_alike(one: Option<&Self>, other: Option<&Self>) -> bool {
        let one = one.into_iter().flat_map(Self::beside_id);
        one.eq(other.into_iter().flat_map(Self::beside_id))
    }
}

impl fmt::Display for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |field: &ShardField| {
            let kind = if field.hashed { "\"hashed\"" } else { "1" };
            format!("{}: {kind}", field.path)
        };
        let fields: Vec<String> = self.fields.iter().map(text).collect();
        write!(f, "{{ {} }}", fields.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_id_alone_changes_nothing() {
        let id = ShardKey { fields: vec![ShardField { path: "_id".into(), hashed: true }] };
        let pair = ShardKey::ranged(&["customer", "_id"]);
        assert!(ShardKey::tell_alike(None, Some(&id)));
        assert!(ShardKey::tell_alike(Some(&pair), Some(&ShardKey::ranged(&["customer"]))));
        assert!(!ShardKey::tell_alike(None, Some(&pair)));
        assert_eq!(id.to_string(), "{ _id: \"hashed\" }");
        assert_eq!(pair.to_string(), "{ customer: 1, _id: 1 }");
    }
}
