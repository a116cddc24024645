//! Sort orders. (Skeleton.)
use crate::Result;
use bson::RawDocument;
use std::cmp::Ordering;

/// A parsed sort order.
#[derive(Debug, Clone, Default)]
pub struct Sort {
    fields: Vec<(String, bool)>,
}

impl Sort {
    /// Parses a sort document such as `{a: 1, "b.c": -1}`.
    pub fn parse(_sort: &RawDocument) -> Result<Self> {
        Ok(Self::default())
    }
    /// The order of two documents.
    pub fn compare(&self, _a: &RawDocument, _b: &RawDocument) -> Ordering {
        Ordering::Equal
    }
    /// The bytes by which documents sort: compare them instead of documents when sorting many.
    pub fn key(&self, _doc: &RawDocument) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
    /// Whether there is nothing to sort by.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
    /// The paths sorted by, each with `true` for ascending.
    pub fn paths(&self) -> &[(String, bool)] {
        &self.fields
    }
}
