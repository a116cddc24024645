//! Updates. (Skeleton.)
use crate::{Context, Filter, MqlError, Result};
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

/// A parsed update: operators, a replacement or a pipeline.
#[derive(Debug, Clone)]
pub struct Update {}

impl Update {
    /// Parses the `u` of an update command: a document or an array of stages.
    pub fn parse(
        _update: RawBsonRef<'_>,
        _array_filters: &[RawDocumentBuf],
        _context: &Context,
    ) -> Result<Self> {
        Ok(Self {})
    }
    /// The changed document, or `None` when nothing changes.
    pub fn apply(&self, _doc: &RawDocument, _upsert: bool) -> Result<Option<RawDocumentBuf>> {
        Err(MqlError::not_implemented("update"))
    }
    /// As `apply`, for updates with the positional `$`, which needs the filter that matched.
    pub fn apply_matched(&self, doc: &RawDocument, _filter: &Filter) -> Result<Option<RawDocumentBuf>> {
        self.apply(doc, false)
    }
    /// The document an upsert inserts; it lacks `_id` unless filter or update gave one.
    pub fn upsert_from(&self, _filter: &Filter) -> Result<RawDocumentBuf> {
        Err(MqlError::not_implemented("upsert"))
    }
    /// Whether this is a whole-document replacement.
    pub fn is_replacement(&self) -> bool {
        false
    }
}
