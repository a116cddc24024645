//! Database and collection names.

use std::fmt;

/// A database and one of its collections.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    /// Database name.
    pub database: String,
    /// Collection name; may hold dots.
    pub collection: String,
}

/// Why a namespace was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNamespace {
    /// The database name breaks a rule of the MongoDB manual's naming restrictions.
    #[error(
        "database name {0:?} is empty, longer than 64 bytes, or holds one of / \\ . \" $ space NUL"
    )]
    Database(String),
    /// The collection name breaks a rule of the MongoDB manual's naming restrictions.
    #[error("collection name {0:?} is empty, starts with a dot, or holds $ or NUL")]
    Collection(String),
    /// The whole is longer than 255 bytes.
    #[error("namespace {0} is longer than 255 bytes")]
    TooLong(String),
}

impl Namespace {
    /// Checks the naming restrictions of the MongoDB manual ("Naming Restrictions").
    ///
    /// # Errors
    /// [`InvalidNamespace`] naming the part.
    pub fn new(database: &str, collection: &str) -> Result<Self, InvalidNamespace> {
        check_database(database)?;
        let bad = collection.is_empty()
            || collection.starts_with('.')
            || collection.contains(['$', '\0']);
        if bad {
            return Err(InvalidNamespace::Collection(collection.to_owned()));
        }
        let namespace = Self { database: database.to_owned(), collection: collection.to_owned() };
        if database.len() + 1 + collection.len() > 255 {
            return Err(InvalidNamespace::TooLong(namespace.to_string()));
        }
        Ok(namespace)
    }
}

fn check_database(name: &str) -> Result<(), InvalidNamespace> {
    let bad =
        name.is_empty() || name.len() > 64 || name.contains(['/', '\\', '.', '"', '$', ' ', '\0']);
    if bad { Err(InvalidNamespace::Database(name.to_owned())) } else { Ok(()) }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.collection)
    }
}
