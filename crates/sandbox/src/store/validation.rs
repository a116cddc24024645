//! Document validation: the collection's validator, when it is asked, and what a refusal says
//! (MongoDB manual, "Schema Validation").

use bson::raw::cstr;
use bson::{RawDocument, RawDocumentBuf};
use portolan_mql::{Context, Filter};

use super::CollectionEntry;
use crate::error::{Failure, codes, refuse};

/// The rules of a collection.
#[derive(Debug)]
pub(crate) struct Validation {
    filter: Filter,
    /// Documents that break the rules may go on breaking them (`validationLevel: moderate`).
    moderate: bool,
    /// What breaks the rules is logged, not refused (`validationAction: warn`).
    warns: bool,
}

impl Validation {
    /// The rules of a collection, if it has any that apply.
    pub(super) fn of(entry: &CollectionEntry) -> Result<Option<Self>, Failure> {
        let options = &entry.options;
        let level = options.text("validationLevel").unwrap_or("strict");
        let Some(validator) = options.validator().filter(|_| level != "off") else {
            return Ok(None);
        };
        let context = Context::new(0).with_collation(options.collation().cloned());
        Ok(Some(Self {
            filter: Filter::parse(validator, &context)?,
            moderate: level == "moderate",
            warns: options.text("validationAction") == Some("warn"),
        }))
    }

    /// Refuses a document that breaks the rules; `old` is what stood in its place.
    pub(super) fn check(
        &self,
        new: &RawDocument,
        old: Option<&RawDocument>,
    ) -> Result<(), Failure> {
        if self.filter.matches(new)? {
            return Ok(());
        }
        if self.moderate && old.is_some_and(|old| !self.filter.matches(old).unwrap_or(false)) {
            return Ok(());
        }
        if self.warns {
            tracing::warn!("a document failed validation");
            return Ok(());
        }
        Err(self.refusal(new)?)
    }

    fn refusal(&self, new: &RawDocument) -> Result<Failure, Failure> {
        let mut info = RawDocumentBuf::new();
        if let Some(id) = new.get("_id")? {
            info.append(cstr!("failingDocumentId"), id);
        }
        if let Some(details) = self.filter.explain_mismatch(new)? {
            info.append(cstr!("details"), details);
        }
        let mut extra = RawDocumentBuf::new();
        extra.append(cstr!("errInfo"), info);
        let failure = refuse(codes::DOCUMENT_VALIDATION_FAILURE, "Document failed validation");
        Ok(failure.with_extra(extra))
    }
}
