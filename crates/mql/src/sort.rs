//! Sort orders: `{a: 1, "b.c": -1}`.
//!
//! A document's sort key is a string of bytes, so that sorting many documents compares bytes. Of an
//! array counts its smallest element when ascending and its largest when descending; an empty array
//! sorts before null, a missing field as null (MongoDB manual, "Comparison/Sort Order").

use std::cmp::Ordering;

use bson::{RawBsonRef, RawDocument};

use crate::number::Number;
use crate::path::{Path, visit};
use crate::types::bracket;
use crate::{MqlError, Result, key};

/// Most fields of a sort order.
const FIELDS_MAX: usize = 32;
/// The key of an empty array: below null, above minKey.
const EMPTY_ARRAY: u8 = bracket::NULL - 1;

/// A parsed sort order.
#[derive(Debug, Clone, Default)]
pub struct Sort {
    fields: Vec<(String, bool)>,
    paths: Vec<Path>,
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
            if name.is_empty() || name.starts_with('$') && name != "$natural" {
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
        let mut key = Vec::with_capacity(16 * self.paths.len());
        let mut arrays: Vec<&str> = Vec::new();
        for ((name, ascending), path) in self.fields.iter().zip(&self.paths) {
            let (part, is_array) = extreme(doc, path, *ascending)?;
            if is_array {
                arrays.push(name.split('.').next().unwrap_or(name));
            }
            push(&mut key, part, *ascending);
        }
        if arrays.iter().any(|root| *root != arrays[0]) {
            return Err(MqlError::bad_value("cannot sort with keys that are parallel arrays"));
        }
        Ok(key)
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

/// The smallest or largest key of what a path means in a document, and whether an array had a say.
fn extreme(doc: &RawDocument, path: &Path, smallest: bool) -> Result<(Vec<u8>, bool)> {
    let mut best: Option<Vec<u8>> = None;
    let mut is_array = false;
    let mut offer = |candidate: Vec<u8>| {
        let better = best.as_ref().is_none_or(|best| (candidate < *best) == smallest);
        if better {
            best = Some(candidate);
        }
    };
    visit(doc, path, false, &mut |value, outer| {
        is_array |= outer.is_some();
        match value {
            Some(RawBsonRef::Array(array)) => {
                is_array = true;
                let mut elements = array.into_iter().peekable();
                if elements.peek().is_none() {
                    offer(vec![EMPTY_ARRAY]);
                }
                for element in elements {
                    offer(key::encode(element?));
                }
            }
            Some(value) => offer(key::encode(value)),
            None => offer(key::missing()),
        }
        Ok(false)
    })?;
    Ok((best.unwrap_or_else(key::missing), is_array))
}

#[cfg(test)]
mod tests;
