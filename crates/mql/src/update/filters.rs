//! What an update takes from filters: array filters by identifier, and the equalities of an upsert.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

use super::Circumstances;
use super::fields::Set;
use super::paths::{self, UpdatePath};
use super::tree::Tree;
use crate::expr::append;
use crate::{Context, Filter, MqlError, Result};

/// The filters behind the identifiers of `$[identifier]`.
#[derive(Debug, Default)]
pub(crate) struct ArrayFilters(Vec<(String, Filter)>);

impl ArrayFilters {
    pub(super) fn parse(filters: &[RawDocumentBuf], context: &Context) -> Result<Self> {
        let mut out: Vec<(String, Filter)> = Vec::new();
        for filter in filters {
            let mut name = None;
            identifier(filter, &mut name)?;
            let Some(name) = name else {
                let message = "Cannot use an expression without a top-level field name in \
                               arrayFilters";
                return Err(MqlError::failed_to_parse(message));
            };
            let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_alphanumeric());
            if !plain {
                let message = format!(
                    "The top-level field name must be an alphanumeric string beginning with a \
                     lowercase letter, found '{name}'"
                );
                return Err(MqlError::bad_value(message));
            }
            if out.iter().any(|(known, _)| *known == name) {
                let message = format!(
                    "Found multiple array filters with the same top-level field name {name}"
                );
                return Err(MqlError::failed_to_parse(message));
            }
            out.push((name, Filter::parse(filter, context)?));
        }
        Ok(Self(out))
    }

    /// The place of the filter with an identifier.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known == name)
    }

    /// The identifiers, in the order of their places.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Whether an element passes the filter at a place.
    pub(super) fn passes(&self, place: usize, element: RawBsonRef<'_>) -> Result<bool> {
        let Some((name, filter)) = self.0.get(place) else { return Ok(false) };
        let mut holder = RawDocumentBuf::new();
        append(&mut holder, name, element)?;
        filter.matches(&holder)
    }
}

/// The one name that all conditions of an array filter start with.
fn identifier(filter: &RawDocument, found: &mut Option<String>) -> Result<()> {
    for element in filter {
        let (name, value) = element?;
        let name = name.as_str();
        if name.starts_with('$') {
            for branch in value.as_array().into_iter().flatten() {
                if let RawBsonRef::Document(inner) = branch? {
                    identifier(inner, found)?;
                }
            }
            continue;
        }
        let first = name.split('.').next().unwrap_or(name);
        match found {
            Some(known) if known != first => {
                let message = format!(
                    "Error parsing array filter: Expected a single top-level field name, found \
                     '{known}' and '{first}'"
                );
                return Err(MqlError::failed_to_parse(message));
            }
            _ => *found = Some(first.to_owned()),
        }
    }
    Ok(())
}

/// The document that a filter's equalities demand; of a replacement only `_id` counts.
pub(super) fn demanded(filter: &Filter, only_id: bool) -> Result<RawDocumentBuf> {
    let mut tree = Tree::Document(Vec::new());
    let mut seen: Vec<&str> = Vec::new();
    let mut equalities = filter.equalities();
    equalities.sort_by_key(|(path, _)| *path != "_id");
    let none = ArrayFilters::default();
    let circumstances = Circumstances { inserting: true, matched: None, filters: &none };
    for (path, value) in equalities {
        if only_id && path != "_id" {
            continue;
        }
        if let Some(other) = seen.iter().find(|other| paths::overlap(other, path)) {
            let message = format!(
                "cannot infer query fields to set, both paths '{path}' and '{other}' are matched"
            );
            return Err(MqlError::new(54, message));
        }
        seen.push(path);
        let path = UpdatePath::plain(path);
        path.apply(&mut tree, &Set(value.clone()), &circumstances)?;
    }
    tree.into_document()
}
