//! A document opened only where an update goes: everything else stays the bytes it was.

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::Result;
use crate::expr::append;

/// A value: unopened, or opened to its fields or elements.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Value(RawBson),
    Document(Vec<(String, Tree)>),
    Array(Vec<Tree>),
}

impl Tree {
    /// A document, opened to its fields.
    pub(super) fn of(doc: &RawDocument) -> Result<Self> {
        Ok(Self::Document(fields(doc)?))
    }

    /// Opens a document or an array.
    pub(super) fn open(&mut self) -> Result<()> {
        let opened = match self {
            Self::Value(RawBson::Document(doc)) => Self::Document(fields(doc)?),
            Self::Value(RawBson::Array(array)) => {
                let mut items = Vec::new();
                for element in &*array {
                    items.push(Self::Value(element?.into()));
                }
                Self::Array(items)
            }
            _ => return Ok(()),
        };
        *self = opened;
        Ok(())
    }

    /// The value as BSON.
    pub(super) fn to_raw(&self) -> Result<RawBson> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Document(fields) => Ok(RawBson::Document(document(fields)?)),
            Self::Array(items) => {
                let mut out = RawArrayBuf::new();
                for item in items {
                    match item {
                        Self::Value(value) => out.push(value.as_raw_bson_ref()),
                        opened => out.push(opened.to_raw()?.as_raw_bson_ref()),
                    }
                }
                Ok(RawBson::Array(out))
            }
        }
    }

    /// The whole document; only the root is asked.
    pub(super) fn into_document(self) -> Result<RawDocumentBuf> {
        match self {
            Self::Document(fields) => document(&fields),
            _ => Ok(RawDocumentBuf::new()),
        }
    }

    /// Whether an embedded document or array of this is an array.
    pub(super) fn is_array(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Value(RawBson::Array(_)))
    }

    /// Calls back with the value, borrowed.
    pub(super) fn with<T>(&self, f: impl FnOnce(RawBsonRef<'_>) -> Result<T>) -> Result<T> {
        match self {
            Self::Value(value) => f(value.as_raw_bson_ref()),
            opened => f(opened.to_raw()?.as_raw_bson_ref()),
        }
    }
}

fn fields(doc: &RawDocument) -> Result<Vec<(String, Tree)>> {
    let mut out = Vec::new();
    for element in doc {
        let (name, value) = element?;
        out.push((name.as_str().to_owned(), Tree::Value(value.into())));
    }
    Ok(out)
}

fn document(fields: &[(String, Tree)]) -> Result<RawDocumentBuf> {
    let mut out = RawDocumentBuf::new();
    for (name, value) in fields {
        match value {
            Tree::Value(value) => append(&mut out, name, value.as_raw_bson_ref())?,
            opened => append(&mut out, name, opened.to_raw()?.as_raw_bson_ref())?,
        }
    }
    Ok(out)
}
