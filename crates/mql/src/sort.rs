//! Sort orders: `{a: 1, "b.c": -1}`.
//!
//! A document's sort key is a string of bytes, so that sorting many documents compares bytes. Of an
//! array counts its smallest element when ascending and its largest when descending; an empty array
//! sorts before null, a missing field as null (MongoDB manual, "Comparison/Sort Order").

mod keys;

use std::cmp::Ordering;

use bson::{RawBsonRef, RawDocument};

use crate::number::Number;
use crate::path::Path;
use crate::{Collation, MqlError, Result, key};

/// Most fields of a sort order.
const FIELDS_MAX: usize = 32;

/// A parsed sort order.
#[derive(Debug, Clone, Default)]
pub struct Sort {
    fields: Vec<(String, bool)>,
    paths: Vec<Path>,
    collation: Option<Collation>,
}

impl Sort {
    /// Parses a sort document such as `{a: 1, "b.c": -1}`.
    ///
    /// # Errors
    /// A direction that is neither 1 nor -1, an empty name, too many fields, `$meta`.
    pub fn parse(sort: &RawDocument) -> Result<Self> {
        let mut parsed = Self::default();
        for field in sort {
            let (name, direction) = field?;
            let name = name.as_str();
            if name == "$natural" {
                return Err(MqlError::not_implemented("$natural in this sort order"));
            }
            if name.is_empty() || name.starts_with('$') {
                let message = format!("FieldPath '{name}' cannot be sorted by");
                return Err(MqlError::failed_to_parse(message));
            }
            parsed.fields.push((name.to_owned(), ascending(name, direction)?));
            parsed.paths.push(Path::new(name));
        }
        if parsed.fields.len() > FIELDS_MAX {
            let message = format!("a sort order has at most {FIELDS_MAX} fields");
            return Err(MqlError::bad_value(message));
        }
        Ok(parsed)
    }

    /// The same order, with strings in that of a collation.
    #[must_use]
    pub fn collated(self, collation: Option<Collation>) -> Self {
        Self { collation, ..self }
    }

    /// The collation of the strings.
    #[must_use]
    pub fn collation(&self) -> Option<&Collation> {
        self.collation.as_ref()
    }

    /// The order of two documents. Documents that cannot be sorted (two arrays in one order) count as
    /// equal; [`Sort::key`] refuses them.
    #[must_use]
    pub fn compare(&self, a: &RawDocument, b: &RawDocument) -> Ordering {
        match (self.key(a), self.key(b)) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        }
    }

    /// The bytes by which documents sort: compare them instead of documents when sorting many.
    ///
    /// # Errors
    /// Two of the fields are arrays; bytes that are not BSON.
    pub fn key(&self, doc: &RawDocument) -> Result<Vec<u8>> {
        keys::smallest(doc, &self.paths, &self.fields, self.collation.as_ref())
    }

    /// The key of an array's element, which sorts by its fields when it is a document.
    pub(crate) fn element_key(&self, value: RawBsonRef<'_>) -> Result<Vec<u8>> {
        if let RawBsonRef::Document(doc) = value {
            return self.key(doc);
        }
        let mut key = Vec::new();
        for (_, ascending) in &self.fields {
            push(&mut key, key::missing(), *ascending);
        }
        Ok(key)
    }

    /// Whether there is nothing to sort by.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The paths sorted by, each with `true` for ascending.
    #[must_use]
    pub fn paths(&self) -> &[(String, bool)] {
        &self.fields
    }
}

fn push(key: &mut Vec<u8>, part: Vec<u8>, ascending: bool) {
    if ascending {
        key.extend(part);
    } else {
        key.extend(part.into_iter().map(|byte| !byte));
    }
}

fn ascending(name: &str, direction: RawBsonRef<'_>) -> Result<bool> {
    if let RawBsonRef::Document(doc) = direction {
        if doc.get("$meta")?.is_some() {
            return Err(MqlError::not_implemented("$meta in a sort order"));
        }
        return Err(MqlError::bad_value(format!("Illegal key in $sort specification: {name}")));
    }
    match Number::of(direction).and_then(Number::as_integer) {
        Some(1) => Ok(true),
        Some(-1) => Ok(false),
        _ => {
            let message = "$sort key ordering must be 1 (for ascending) or -1 (for descending)";
            Err(MqlError::new(15975, message))
        }
    }
}

#[cfg(test)]
mod tests;
