//! The options of a collection, as `create` takes, `collMod` changes and `listCollections` shows
//! them: a view's definition, the limits of a capped collection, the validator, the collation.
//!
//! They are kept as the document that `listCollections` shows. What is not here: whether change
//! streams keep images, which the catalog holds, and what options a client may give (`commands`).

use bson::raw::BindRawBsonRef;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use portolan_mql::Collation;

use crate::commands::fields::as_f64;
use crate::error::{Failure, codes, refuse};

/// Options, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CollectionOptions {
    raw: RawDocumentBuf,
    /// The default of all commands and indexes; `None` is the simple one.
    collation: Option<Collation>,
}

/// The limits of a capped collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capped {
    /// Bytes of documents, at most.
    pub(crate) size_bytes: u64,
    /// Documents, at most.
    pub(crate) documents_max: Option<u64>,
}

/// The definition of a view.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// The collection or view that it reads.
    pub(crate) on: String,
    pub(crate) stages: Vec<RawDocumentBuf>,
}

impl CollectionOptions {
    /// Reads options as they are kept.
    pub(crate) fn read(raw: &RawDocument) -> Result<Self, Failure> {
        let collation = match raw.get("collation")? {
            Some(RawBsonRef::Document(spec)) => Collation::parse(spec)?,
            _ => None,
        };
        Ok(Self { raw: raw.to_owned(), collation })
    }

    /// The options as `listCollections` shows them.
    pub(crate) fn raw(&self) -> &RawDocument {
        &self.raw
    }

    pub(crate) fn collation(&self) -> Option<&Collation> {
        self.collation.as_ref()
    }

    pub(crate) fn is_view(&self) -> bool {
        self.text("viewOn").is_some()
    }

    /// What a view shows.
    pub(crate) fn view(&self) -> Result<Option<View>, Failure> {
        let Some(on) = self.text("viewOn") else { return Ok(None) };
        let stages = match self.raw.get("pipeline")? {
            Some(RawBsonRef::Array(stages)) => crate::commands::fields::documents(Some(stages))?,
            _ => Vec::new(),
        };
        Ok(Some(View { on: on.to_owned(), stages }))
    }

    pub(crate) fn capped(&self) -> Option<Capped> {
        let number = |name| self.value(name).and_then(as_f64).filter(|number| *number > 0.0);
        self.flag("capped").then(|| Capped {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates"
            )]
            size_bytes: number("size").map_or(u64::MAX, |size| size as u64),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates"
            )]
            documents_max: number("max").map(|max| max as u64),
        })
    }

    /// Whether documents are kept in the order of their `_id`.
    pub(crate) fn is_clustered(&self) -> bool {
        self.value("clusteredIndex").is_some()
    }

    /// The name of a clustered index.
    pub(crate) fn clustered_name(&self) -> Option<&str> {
        let index = self.value("clusteredIndex")?.as_document()?;
        index.get("name").ok().flatten()?.as_str()
    }

    pub(crate) fn validator(&self) -> Option<&RawDocument> {
        let validator = self.value("validator")?.as_document()?;
        (!validator.is_empty()).then_some(validator)
    }

    /// Text of an option, such as `validationLevel`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    pub(crate) fn value(&self, name: &str) -> Option<RawBsonRef<'_>> {
        self.raw.get(name).ok().flatten()
    }

    fn flag(&self, name: &str) -> bool {
        self.value(name) == Some(RawBsonRef::Boolean(true))
    }

    /// Gives an option a value, in its place if it has one.
    pub(crate) fn set(
        &mut self,
        name: &str,
        value: Option<impl BindRawBsonRef>,
    ) -> Result<(), Failure> {
        let mut changed = RawDocumentBuf::new();
        let mut value = value;
        let field: &bson::raw::CStr = name
            .try_into()
            .map_err(|_| refuse(codes::INTERNAL_ERROR, "an option's name holds a zero byte"))?;
        for element in &self.raw {
            let (known, old) = element?;
            if known.as_str() != name {
                changed.append(known, old);
            } else if let Some(new) = value.take() {
                changed.append(field, new);
            }
        }
        if let Some(new) = value {
            changed.append(field, new);
        }
        *self = Self::read(&changed)?;
        Ok(())
    }
}
