//! `$unionWith`: the documents of another collection behind those that come.

use bson::{RawBsonRef, RawDocumentBuf};

use super::{Pipeline, sub};
use crate::{Context, Documents, MqlError, Others, Result};

/// A parsed `$unionWith`.
#[derive(Debug)]
pub(super) struct Union {
    from: Option<String>,
    pipeline: Pipeline,
    others: Others,
}

impl Union {
    pub(super) fn parse(value: RawBsonRef<'_>, context: &Context) -> Result<Self> {
        let Some(others) = context.others.clone() else {
            return Err(MqlError::not_implemented("$unionWith"));
        };
        let (mut from, mut stages): (_, Vec<RawDocumentBuf>) = (None, Vec::new());
        match value {
            RawBsonRef::String(collection) => from = Some(collection.to_owned()),
            RawBsonRef::Document(spec) => {
                for field in spec {
                    let (name, value) = field?;
                    match (name.as_str(), value) {
                        ("coll", RawBsonRef::String(collection)) => {
                            from = Some(collection.to_owned());
                        }
                        ("pipeline", value) => stages = sub::stages("$unionWith", value)?,
                        (name, _) => {
                            let message = format!(
                                "BSON field '$unionWith.{name}' is unknown or of a wrong type"
                            );
                            return Err(MqlError::new(40415, message));
                        }
                    }
                }
            }
            _ => {
                let message = "the $unionWith stage specification must be an object or string";
                return Err(MqlError::failed_to_parse(message));
            }
        }
        if from.is_none() && !sub::begins_with_documents(&stages) {
            let message = "$unionWith stage without explicit collection must have a pipeline with \
                           $documents as first stage";
            return Err(MqlError::failed_to_parse(message));
        }
        Ok(Self { from, pipeline: sub::parse(&stages, context)?, others })
    }

    /// The other documents.
    pub(super) fn read(&self) -> Result<Documents> {
        sub::run(&self.others, self.from.as_deref(), &self.pipeline)
    }
}
