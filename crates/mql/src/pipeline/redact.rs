//! `$redact`: an expression decides for each level of a document whether it is kept, left out, or
//! looked into.

use bson::{Bson, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::expr::{Expr, append};
use crate::{Context, MqlError, Result};

const KEEP: &str = "keep";
const PRUNE: &str = "prune";
const DESCEND: &str = "descend";

/// A parsed `$redact`.
#[derive(Debug)]
pub(super) struct Redact(Expr);

impl Redact {
    pub(super) fn parse(value: RawBsonRef<'_>, context: &Context) -> Result<Self> {
        if names_root(value)? {
            // The expression sees the level that it decides on, and not the document around it.
            return Err(MqlError::not_implemented("$$ROOT inside $redact"));
        }
        let mut context = context.clone();
        for (name, decision) in [("KEEP", KEEP), ("PRUNE", PRUNE), ("DESCEND", DESCEND)] {
            context.vars.push((name.to_owned(), Bson::String(decision.to_owned())));
        }
        Ok(Self(Expr::parse(value, &context)?))
    }

    /// What is left of a document; `None` when nothing is.
    pub(super) fn apply(&self, doc: &RawDocument) -> Result<Option<RawDocumentBuf>> {
        let decision = self.0.evaluate(doc)?;
        match decision.as_str() {
            Some(KEEP) => Ok(Some(doc.to_owned())),
            Some(PRUNE) => Ok(None),
            Some(DESCEND) => {
                let mut out = RawDocumentBuf::new();
                for field in doc {
                    let (name, value) = field?;
                    if let Some(value) = self.inside(value)? {
                        append(&mut out, name.as_str(), &value)?;
                    }
                }
                Ok(Some(out))
            }
            _ => {
                let message = "$redact's expression should not return anything aside from the \
                               variables $$KEEP, $$DESCEND, and $$PRUNE";
                Err(MqlError::new(17053, message))
            }
        }
    }

    /// Documents are decided on, arrays are looked through, other values stay.
    fn inside(&self, value: RawBsonRef<'_>) -> Result<Option<RawBson>> {
        match value {
            RawBsonRef::Document(doc) => Ok(self.apply(doc)?.map(RawBson::Document)),
            RawBsonRef::Array(array) => {
                let mut out = RawArrayBuf::new();
                for element in array {
                    if let Some(element) = self.inside(element?)? {
                        out.push(element.as_raw_bson_ref());
                    }
                }
                Ok(Some(RawBson::Array(out)))
            }
            other => Ok(Some(other.into())),
        }
    }
}

fn names_root(value: RawBsonRef<'_>) -> Result<bool> {
    let root = |text: &str| text == "$$ROOT" || text.starts_with("$$ROOT.");
    match value {
        RawBsonRef::String(text) => Ok(root(text)),
        RawBsonRef::Document(doc) => {
            for field in doc {
                if names_root(field?.1)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        RawBsonRef::Array(array) => {
            for element in array {
                if names_root(element?)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}
