//! Updates: operators, replacements and pipelines, parsed once and applied to raw documents.
//!
//! `parse` builds [`steps::Step`]s, `paths` follows their paths through a lazily opened [`tree`],
//! `fields` and `arrays` hold the operators. What an update does not touch keeps its bytes. The
//! caller finds documents, stores results and makes `_id`s; the order of the fields that an update
//! adds is that of their names, as documented since MongoDB 5.0.

mod arrays;
mod fields;
mod filters;
mod parse;
mod paths;
mod steps;
mod tree;

#[cfg(test)]
pub(crate) use parse::OPERATORS;

use std::sync::Arc;

use bson::raw::cstr;
use bson::spec::ElementType;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

use crate::compare::{as_document, equal};
use crate::expr::append;
use crate::{Context, Filter, MqlError, Pipeline, Result, code};
use filters::ArrayFilters;
use steps::Step;
use tree::Tree;

/// Levels of nesting of a document that an update may make.
const DEPTH_MAX: usize = 180;
/// The largest document, in bytes.
const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A parsed update: operators, a replacement or a pipeline. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Update {
    kind: Arc<Kind>,
}

#[derive(Debug)]
enum Kind {
    Operators { steps: Vec<Step>, filters: ArrayFilters, positional: bool },
    Replacement(RawDocumentBuf),
    Pipeline(Pipeline),
}

/// Under which circumstances steps are applied.
pub(crate) struct Circumstances<'c> {
    /// Whether the document is being inserted, which `$setOnInsert` waits for.
    pub(crate) inserting: bool,
    /// The array index that the query matched, for the positional `$`.
    pub(crate) matched: Option<usize>,
    pub(crate) filters: &'c ArrayFilters,
}

impl Update {
    /// Parses the `u` of an update command: a document or an array of stages.
    ///
    /// # Errors
    /// MongoDB's codes for malformed and conflicting operators.
    pub fn parse(
        update: RawBsonRef<'_>,
        array_filters: &[RawDocumentBuf],
        context: &Context,
    ) -> Result<Self> {
        let kind = match update {
            RawBsonRef::Array(stages) => Kind::Pipeline(parse::pipeline(stages, context)?),
            RawBsonRef::Document(doc) if parse::is_operators(doc)? => {
                let filters = ArrayFilters::parse(array_filters, context)?;
                let steps = parse::steps(doc, &filters, context)?;
                let positional = steps.iter().any(|step| step.path.has_positional());
                Kind::Operators { steps, filters, positional }
            }
            RawBsonRef::Document(doc) => Kind::Replacement(parse::replacement(doc)?),
            _ => {
                let message = "Update argument must be either an object or an array";
                return Err(MqlError::failed_to_parse(message));
            }
        };
        if !matches!(kind, Kind::Operators { .. }) && !array_filters.is_empty() {
            let message = "arrayFilters may only be specified with update operators";
            return Err(MqlError::failed_to_parse(message));
        }
        Ok(Self { kind: Arc::new(kind) })
    }

    /// The changed document, or `None` when nothing changes. With `upsert` the document counts as
    /// being inserted.
    ///
    /// # Errors
    /// Operators that do not fit the values they meet; code 66 when `_id` would change.
    pub fn apply(&self, doc: &RawDocument, upsert: bool) -> Result<Option<RawDocumentBuf>> {
        let changed = self.changed(doc, upsert, None)?;
        self.checked(doc, changed)
    }

    /// As [`Update::apply`], for updates that may hold the positional `$`: it stands for the index
    /// by which `filter` matched.
    ///
    /// # Errors
    /// As for `apply`.
    pub fn apply_matched(
        &self,
        doc: &RawDocument,
        filter: &Filter,
    ) -> Result<Option<RawDocumentBuf>> {
        let positional = matches!(&*self.kind, Kind::Operators { positional: true, .. });
        let matched = if positional { filter.matched_index(doc)? } else { None };
        let changed = self.changed(doc, false, matched)?;
        self.checked(doc, changed)
    }

    /// The document an upsert inserts: what the filter's equalities demand, then the update. It
    /// lacks `_id` unless filter or update gave one; if there, `_id` comes first.
    ///
    /// # Errors
    /// As for `apply`; code 54 when the filter demands two values of one field.
    pub fn upsert_from(&self, filter: &Filter) -> Result<RawDocumentBuf> {
        let only_id = self.is_replacement();
        let base = filters::demanded(filter, only_id)?;
        let made = self.changed(&base, true, None)?;
        let made = if only_id || matches!(&*self.kind, Kind::Pipeline(_)) {
            keep_id(&base, made)?
        } else {
            id_first(made)?
        };
        if let Some(id) = base.get("_id")?
            && !made.get("_id")?.is_some_and(|new| equal(id, new))
        {
            return Err(immutable());
        }
        within_size(made)
    }

    /// Whether this is a whole-document replacement.
    #[must_use]
    pub fn is_replacement(&self) -> bool {
        matches!(&*self.kind, Kind::Replacement(_))
    }

    fn changed(
        &self,
        doc: &RawDocument,
        inserting: bool,
        matched: Option<usize>,
    ) -> Result<RawDocumentBuf> {
        match &*self.kind {
            Kind::Replacement(new) => keep_id(doc, new.clone()),
            Kind::Pipeline(pipeline) => {
                let mut run = pipeline.start();
                let out = run.push(doc.to_owned())?.pop();
                keep_id(doc, out.unwrap_or_default())
            }
            Kind::Operators { steps, filters, .. } => {
                let circumstances = Circumstances { inserting, matched, filters };
                let mut tree = Tree::of(doc)?;
                for step in steps {
                    step.apply(&mut tree, &circumstances)?;
                }
                tree.into_document()
            }
        }
    }

    /// Refuses a changed `_id` and documents beyond the limit; tells when nothing changed.
    fn checked(&self, old: &RawDocument, new: RawDocumentBuf) -> Result<Option<RawDocumentBuf>> {
        if old.as_bytes() == new.as_bytes() {
            return Ok(None);
        }
        let same = match (old.get("_id")?, new.get("_id")?) {
            (Some(before), Some(after)) => equal(before, after),
            (before, after) => before.is_none() && after.is_none() || before.is_none(),
        };
        if !same {
            return Err(immutable());
        }
        within_size(new).map(Some)
    }
}

fn immutable() -> MqlError {
    let message = "Performing an update on the path '_id' would modify the immutable field '_id'";
    MqlError::new(code::IMMUTABLE_FIELD, message)
}

fn within_size(doc: RawDocumentBuf) -> Result<RawDocumentBuf> {
    if is_deeper(&doc, DEPTH_MAX)? {
        let message = format!("Resulting document after update is nested deeper than {DEPTH_MAX}");
        return Err(MqlError::new(code::OVERFLOW, message));
    }
    if doc.as_bytes().len() <= DOCUMENT_BYTES_MAX {
        return Ok(doc);
    }
    let message = format!("Resulting document after update is larger than {DOCUMENT_BYTES_MAX}");
    Err(MqlError::new(17419, message))
}

/// Whether a document is nested deeper than a number of levels.
fn is_deeper(doc: &RawDocument, levels: usize) -> Result<bool> {
    if levels == 0 {
        return Ok(true);
    }
    for element in doc.iter_elements() {
        let element = element?;
        let deeper = match element.element_type() {
            ElementType::EmbeddedDocument | ElementType::Array => match element.value()? {
                RawBsonRef::Document(inner) => is_deeper(inner, levels - 1)?,
                RawBsonRef::Array(inner) => as_document(inner)
                    .is_some_and(|inner| is_deeper(inner, levels - 1) != Ok(false)),
                _ => false,
            },
            _ => false,
        };
        if deeper {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The new document with the `_id` of the old one, in front, unless it has one of its own.
fn keep_id(old: &RawDocument, new: RawDocumentBuf) -> Result<RawDocumentBuf> {
    if new.get("_id")?.is_some() {
        return id_first(new);
    }
    let Some(id) = old.get("_id")? else { return Ok(new) };
    let mut out = RawDocumentBuf::new();
    out.append(cstr!("_id"), id);
    for element in &new {
        let (name, value) = element?;
        out.append(name, value);
    }
    Ok(out)
}

fn id_first(doc: RawDocumentBuf) -> Result<RawDocumentBuf> {
    let first = doc.iter().next().transpose()?.map(|(name, _)| name.as_str());
    if first == Some("_id") {
        return Ok(doc);
    }
    let Some(id) = doc.get("_id")? else { return Ok(doc) };
    let mut out = RawDocumentBuf::new();
    out.append(cstr!("_id"), id);
    for element in &doc {
        let (name, value) = element?;
        if name.as_str() != "_id" {
            append(&mut out, name.as_str(), value)?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
