//! Projections of `find`. (Skeleton.)
use crate::{Context, Result};
use bson::{RawDocument, RawDocumentBuf};

/// A parsed projection.
#[derive(Debug, Clone)]
pub struct Projection {
    raw: RawDocumentBuf,
}

impl Projection {
    /// Parses the projection of a `find` command.
    pub fn parse(projection: &RawDocument, _context: &Context) -> Result<Self> {
        Ok(Self { raw: projection.to_owned() })
    }
    /// The projected document.
    pub fn apply(&self, doc: &RawDocument) -> Result<RawDocumentBuf> {
        Ok(doc.to_owned())
    }
    /// Whether documents pass unchanged.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}
