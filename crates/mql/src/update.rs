//! Updates: operators, or a replacement.
//!
//! An update is parsed once and applied to raw documents; what it does not touch keeps its bytes.
//! Fields are set in the lexicographic order of their paths, as MongoDB does since 5.0. Updates given as
//! pipelines are refused by name.

mod apply;
mod arrays;
mod numbers;
mod operator;
mod parse;
mod path;

use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::{Context, Filter, MqlError, Result, code, expr, mutate};
use apply::Matched;
use operator::Operator;
use path::{ArrayFilters, Part};

/// A parsed update: operators or a replacement.
#[derive(Debug, Clone)]
pub struct Update {
    kind: Kind,
    array_filters: ArrayFilters,
    now_ms: i64,
}

#[derive(Debug, Clone)]
enum Kind {
    Replacement(RawDocumentBuf),
    Operators(Vec<Change>),
}

/// One operator on one path.
#[derive(Debug, Clone)]
struct Change {
    text: String,
    path: Vec<Part>,
    operator: Operator,
}

impl Update {
    /// Parses the `u` of an update command: a document or an array of stages.
    ///
    /// # Errors
    /// MongoDB's codes for unknown modifiers, conflicting paths and wrong operands; code 238 for
    /// pipelines.
    pub fn parse(
        update: RawBsonRef<'_>,
        array_filters: &[RawDocumentBuf],
        context: &Context,
    ) -> Result<Self> {
        let kind = parse::update(update, context)?;
        let array_filters = ArrayFilters::parse(array_filters, context)?;
        if let Kind::Operators(changes) = &kind {
            let used = changes.iter().flat_map(|change| &change.path);
            array_filters.check(used)?;
        }
        Ok(Self { kind, array_filters, now_ms: context.now_ms })
    }

    /// The changed document, or `None` when nothing changes. `upsert`: the document is being inserted.
    ///
    /// # Errors
    /// The operators', and code 66 when `_id` would change.
    pub fn apply(&self, doc: &RawDocument, upsert: bool) -> Result<Option<RawDocumentBuf>> {
        self.change(doc, upsert, None)
    }

    /// As `apply`, for updates with the positional `$`, which needs the filter that matched.
    ///
    /// # Errors
    /// As [`Update::apply`].
    pub fn apply_matched(
        &self,
        doc: &RawDocument,
        filter: &Filter,
    ) -> Result<Option<RawDocumentBuf>> {
        let position = if self.is_positional() { filter.matched_index(doc)? } else { None };
        self.change(doc, false, position)
    }

    /// The document an upsert inserts; it lacks `_id` unless filter or update gave one.
    ///
    /// # Errors
    /// As [`Update::apply`].
    pub fn upsert_from(&self, filter: &Filter) -> Result<RawDocumentBuf> {
        let mut doc = RawDocumentBuf::new();
        for (path, value) in filter.equalities() {
            if path == "_id" || matches!(self.kind, Kind::Operators(_)) {
                doc = mutate::set(&doc, &mutate::split(path), Some(value.as_raw_bson_ref()))?;
            }
        }
        let changed = match &self.kind {
            Kind::Replacement(new) => replacement(&doc, new)?,
            Kind::Operators(_) => self.change(&doc, true, None)?.unwrap_or(doc),
        };
        id_first(&changed)
    }

    /// Whether this is a whole-document replacement.
    #[must_use]
    pub fn is_replacement(&self) -> bool {
        matches!(self.kind, Kind::Replacement(_))
    }

    fn is_positional(&self) -> bool {
        match &self.kind {
            Kind::Replacement(_) => false,
            Kind::Operators(changes) => {
                changes.iter().any(|change| change.path.contains(&Part::Matched))
            }
        }
    }

    fn change(
        &self,
        doc: &RawDocument,
        upsert: bool,
        position: Option<usize>,
    ) -> Result<Option<RawDocumentBuf>> {
        let changes = match &self.kind {
            Kind::Replacement(new) => {
                let new = replacement(doc, new)?;
                return Ok((new.as_bytes() != doc.as_bytes()).then_some(new));
            }
            Kind::Operators(changes) => changes,
        };
        let matched =
            Matched { position, filters: &self.array_filters, now_ms: self.now_ms, upsert };
        let mut current = doc.to_owned();
        for change in changes {
            if let Some(new) = apply::change(&current, change, &matched)? {
                current = new;
            }
        }
        check_id(doc, &current)?;
        Ok((current.as_bytes() != doc.as_bytes()).then_some(current))
    }
}

/// The new document with the old `_id`, first.
fn replacement(old: &RawDocument, new: &RawDocument) -> Result<RawDocumentBuf> {
    let mut out = RawDocumentBuf::new();
    if let Some(id) = old.get("_id")? {
        expr::append(&mut out, "_id", id)?;
    } else if let Some(id) = new.get("_id")? {
        expr::append(&mut out, "_id", id)?;
    }
    for field in new {
        let (name, value) = field?;
        if name.as_str() != "_id" {
            expr::append(&mut out, name.as_str(), value)?;
        } else if !old.get("_id")?.is_none_or(|id| crate::compare::equal(id, value)) {
            return Err(immutable());
        }
    }
    Ok(out)
}

fn check_id(old: &RawDocument, new: &RawDocument) -> Result<()> {
    match (old.get("_id")?, new.get("_id")?) {
        (None, _) => Ok(()),
        (Some(old), Some(new)) if RawBson::from(old) == RawBson::from(new) => Ok(()),
        _ => Err(immutable()),
    }
}

fn immutable() -> MqlError {
    let message = "Performing an update on the path '_id' would modify the immutable field '_id'";
    MqlError::new(code::IMMUTABLE_FIELD, message)
}

/// `_id` stands first in what is inserted.
fn id_first(doc: &RawDocument) -> Result<RawDocumentBuf> {
    let Some(id) = doc.get("_id")? else { return Ok(doc.to_owned()) };
    let mut out = RawDocumentBuf::new();
    expr::append(&mut out, "_id", id)?;
    for field in doc {
        let (name, value) = field?;
        if name.as_str() != "_id" {
            expr::append(&mut out, name.as_str(), value)?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
