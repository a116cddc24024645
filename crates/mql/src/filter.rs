//! Filters. (Skeleton.)
use crate::{Context, MqlError, Result};
use bson::{Bson, RawDocument, RawDocumentBuf};

/// An inclusive range of prune keys; an absent bound is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The smallest key, inclusive.
    pub low: Option<String>,
    /// The largest key, inclusive.
    pub high: Option<String>,
}

/// An inclusive range of full keys, as made by [`crate::key::encode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// The smallest key, inclusive.
    pub low: Vec<u8>,
    /// The largest key, inclusive; every key that starts with it is inside too.
    pub high: Vec<u8>,
}

/// A parsed filter.
#[derive(Debug, Clone)]
pub struct Filter {
    raw: RawDocumentBuf,
}

impl Filter {
    /// Parses a filter document.
    pub fn parse(filter: &RawDocument, _context: &Context) -> Result<Self> {
        Ok(Self { raw: filter.to_owned() })
    }
    /// Whether a document matches.
    pub fn matches(&self, _doc: &RawDocument) -> Result<bool> {
        Err(MqlError::not_implemented("filter"))
    }
    /// Key ranges of the value at `path` in matching documents; `None` is no restriction.
    pub fn ranges(&self, _path: &str) -> Option<Vec<KeyRange>> {
        None
    }
    /// Full-key ranges for an index on `path`; `multikey` when the index holds array elements.
    pub fn intervals(&self, _path: &str, _multikey: bool) -> Option<Vec<Interval>> {
        None
    }
    /// The value that `path` must equal, if the filter says so.
    pub fn equality_on(&self, _path: &str) -> Option<Bson> {
        None
    }
    /// The values of which `path` must equal one (`$eq` or `$in`), if the filter says so.
    pub fn values_on(&self, _path: &str) -> Option<Vec<Bson>> {
        None
    }
    /// Whether every document matches.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
    /// The filter as it was given.
    pub fn raw(&self) -> &RawDocument {
        &self.raw
    }
}
