//! Filters: the query language of `find`, compiled once and evaluated on raw documents.
//!
//! `parse` builds a tree of [`Node`]s; `node` evaluates it; `test` holds the predicates on one
//! value; `ranges` derives what an index or a file's statistics can skip, `implied` whether a partial
//! index holds all matches. Semantics are those of
//! MongoDB 7.0: each predicate on a path is existential over arrays on its own.

mod implied;
mod node;
mod parse;
mod ranges;
mod regex;
mod schema;
mod test;

use std::sync::Arc;

use bson::{Bson, RawBson, RawDocument, RawDocumentBuf};

pub(crate) use node::Node;
#[cfg(test)]
pub(crate) use parse::names;
pub use ranges::{Interval, KeyRange};
pub(crate) use regex::{Pattern, failed as regex_failed};
pub(crate) use schema::Schema;
pub(crate) use test::{Clause, Operator, Test};

use crate::{Collation, Context, Result};

/// A parsed filter. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Filter {
    raw: Arc<RawDocumentBuf>,
    root: Arc<Node>,
}

impl Filter {
    /// Parses a filter document.
    pub fn parse(filter: &RawDocument, context: &Context) -> Result<Self> {
        let root = parse::document(filter, context)?;
        Ok(Self { raw: Arc::new(filter.to_owned()), root: Arc::new(root) })
    }

    /// Whether a document matches.
    pub fn matches(&self, doc: &RawDocument) -> Result<bool> {
        self.root.matches(doc)
    }

    /// Key ranges of the value at `path` in matching documents; `None` is no restriction.
    ///
    /// A matching document's value at the path has a prune key inside one of the ranges, or no
    /// prune key at all (an array on the path).
    pub fn ranges(&self, path: &str) -> Option<Vec<KeyRange>> {
        let intervals = ranges::intervals(&self.root, path, false, None)?;
        Some(intervals.into_iter().map(KeyRange::of).collect())
    }

    /// Full-key ranges for an index on `path`; `multikey` when some document has an array there, so
    /// that two conditions may be met by two different elements.
    pub fn intervals(&self, path: &str, multikey: bool) -> Option<Vec<Interval>> {
        self.intervals_in(path, multikey, None)
    }

    /// As [`Filter::intervals`], for an index whose keys are in a collation: comparisons of
    /// strings under another one do not restrict it.
    pub fn intervals_in(
        &self,
        path: &str,
        multikey: bool,
        collation: Option<&Collation>,
    ) -> Option<Vec<Interval>> {
        ranges::intervals(&self.root, path, multikey, collation)
    }

    /// Whether every document that matches this filter is sure to match `other`. Says no in doubt.
    #[must_use]
    pub fn implies(&self, other: &Self) -> bool {
        implied::by(&self.root, &other.root)
    }

    /// Why a document does not match, in the form that failed validations have; `None` when it
    /// does match.
    ///
    /// # Errors
    /// As [`Filter::matches`].
    pub fn explain_mismatch(&self, doc: &RawDocument) -> Result<Option<RawDocumentBuf>> {
        if self.matches(doc)? {
            Ok(None)
        } else {
            self.root.explain_mismatch(&self.raw, doc).map(Some)
        }
    }

    /// The value that `path` must equal, if the filter says so.
    pub fn equality_on(&self, path: &str) -> Option<Bson> {
        let mut values = self.values_on(path)?;
        if values.len() == 1 { values.pop() } else { None }
    }

    /// The values of which `path` must equal one (`$eq`, `$in`), if the filter says so. Never
    /// contains null, which missing fields equal too.
    pub fn values_on(&self, path: &str) -> Option<Vec<Bson>> {
        let values = self.root.values_on(path)?;
        values.into_iter().map(|value| Bson::try_from(value.clone()).ok()).collect()
    }

    /// The equalities from which an upsert starts: path and value, conjunctions only.
    pub(crate) fn equalities(&self) -> Vec<(&str, &RawBson)> {
        let mut out = Vec::new();
        self.root.equalities(&mut out);
        out
    }

    /// The array index that matched, for the positional `$`: of the last condition that went
    /// through an array.
    pub(crate) fn matched_index(&self, doc: &RawDocument) -> Result<Option<usize>> {
        self.root.matched_index(doc)
    }

    /// Whether every document matches because nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The filter as it was given.
    pub fn raw(&self) -> &RawDocument {
        &self.raw
    }
}

#[cfg(test)]
mod tests;
