//! The way to other collections, for the stages that read them: `$lookup`, `$graphLookup` and
//! `$unionWith`. What is not here: where the documents come from; the caller implements
//! [`Collections`] over one consistent view, so that a pipeline sees one moment.

use std::fmt;
use std::sync::Arc;

use bson::RawDocumentBuf;

use crate::{Filter, Result};

/// Documents, read as they are asked for.
pub type Documents = Box<dyn Iterator<Item = Result<RawDocumentBuf>> + Send>;

/// The collections of the database that a command runs on.
pub trait Collections: Send + Sync {
    /// The documents of a collection or view that match; none when there is no such collection.
    ///
    /// # Errors
    /// What the reader refuses, and failures of the store.
    fn read(&self, collection: &str, filter: &Filter) -> Result<Documents>;

    /// Whether an index finds documents by equality on `path`.
    ///
    /// # Errors
    /// Failures of the store.
    fn is_indexed(&self, collection: &str, path: &str) -> Result<bool>;
}

/// A shared way to other collections.
#[derive(Clone)]
pub struct Others(Arc<dyn Collections>);

impl Others {
    /// Shares a way to other collections.
    pub fn new(collections: impl Collections + 'static) -> Self {
        Self(Arc::new(collections))
    }

    pub(crate) fn read(&self, collection: &str, filter: &Filter) -> Result<Documents> {
        self.0.read(collection, filter)
    }

    pub(crate) fn is_indexed(&self, collection: &str, path: &str) -> Result<bool> {
        self.0.is_indexed(collection, path)
    }
}

impl fmt::Debug for Others {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Others")
    }
}

impl PartialEq for Others {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
