//! Dotted paths into documents.
//!
//! [`get`] is the plain look-up, through embedded documents only. How a *filter* follows a path
//! through arrays is [`visit`]: it calls back with every value that the path can mean. Aggregation
//! expressions follow paths differently (`expr::field`).

use bson::{RawArray, RawBsonRef, RawDocument};

use crate::Result;
use crate::compare::as_document;

/// The value at a dotted path, through embedded documents only: an array on the way ends the search.
pub fn get<'a>(doc: &'a RawDocument, path: &str) -> Option<RawBsonRef<'a>> {
    let mut current = doc;
    let mut rest = path;
    while let Some((first, tail)) = rest.split_once('.') {
        match current.get(first) {
            Ok(Some(RawBsonRef::Document(inner))) => current = inner,
            _ => return None,
        }
        rest = tail;
    }
    current.get(rest).ok().flatten()
}

/// Whether the path runs into an array, at its end included.
pub fn has_array_on_path(doc: &RawDocument, path: &str) -> bool {
    let mut current = doc;
    for part in path.split('.') {
        match current.get(part) {
            Ok(Some(RawBsonRef::Array(_))) => return true,
            Ok(Some(RawBsonRef::Document(inner))) => current = inner,
            _ => return false,
        }
    }
    false
}

/// A path split into parts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// The path as written.
    pub(crate) text: String,
    /// Its parts.
    pub(crate) parts: Vec<Part>,
}

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The field name.
    pub(crate) name: String,
    /// The array index that the name can also mean.
    pub(crate) index: Option<usize>,
}

impl Path {
    /// Splits a path; empty parts are ordinary (empty) names.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), parts: text.split('.').map(Part::new).collect() }
    }
}

impl Part {
    pub(crate) fn new(name: &str) -> Self {
        let plain = name == "0" || !name.starts_with('0');
        let digits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        let index = if plain && digits { name.parse().ok() } else { None };
        Self { name: name.to_owned(), index }
    }
}

/// Gets each value (`None`: missing) and its index in the outermost array; true ends the walk.
pub(crate) type Found<'f, 'a> =
    dyn FnMut(Option<RawBsonRef<'a>>, Option<usize>) -> Result<bool> + 'f;

/// Walks every meaning of a path until the callback answers true.
///
/// Arrays on the way are entered one level deep: the rest of the path is applied to each embedded
/// document, and a numeric part also selects an element. An array at the end yields its elements
/// and then itself, unless a numeric part selected it.
pub(crate) fn visit<'a>(
    doc: &'a RawDocument,
    path: &Path,
    expand: bool,
    found: &mut Found<'_, 'a>,
) -> Result<bool> {
    walk(doc, &path.parts, expand, None, found)
}

fn walk<'a>(
    doc: &'a RawDocument,
    parts: &[Part],
    expand: bool,
    outer: Option<usize>,
    found: &mut Found<'_, 'a>,
) -> Result<bool> {
    let Some((first, rest)) = parts.split_first() else { return Ok(false) };
    match doc.get(&first.name)? {
        None => found(None, outer),
        Some(RawBsonRef::Document(inner)) if !rest.is_empty() => {
            walk(inner, rest, expand, outer, found)
        }
        Some(RawBsonRef::Array(array)) if rest.is_empty() => {
            leaf_array(array, expand, outer, found)
        }
        Some(RawBsonRef::Array(array)) => through_array(array, rest, expand, outer, found),
        Some(value) if rest.is_empty() => found(Some(value), outer),
        Some(_) => found(None, outer),
    }
}

fn leaf_array<'a>(
    array: &'a RawArray,
    expand: bool,
    outer: Option<usize>,
    found: &mut Found<'_, 'a>,
) -> Result<bool> {
    if expand {
        for (index, element) in array.into_iter().enumerate() {
            if found(Some(element?), outer.or(Some(index)))? {
                return Ok(true);
            }
        }
    }
    found(Some(RawBsonRef::Array(array)), outer)
}

fn through_array<'a>(
    array: &'a RawArray,
    rest: &[Part],
    expand: bool,
    outer: Option<usize>,
    found: &mut Found<'_, 'a>,
) -> Result<bool> {
    for (index, element) in array.into_iter().enumerate() {
        let element = element?;
        let outer = outer.or(Some(index));
        if let RawBsonRef::Document(inner) = element
            && walk(inner, rest, expand, outer, found)?
        {
            return Ok(true);
        }
        if rest[0].index == Some(index) && by_index(element, &rest[1..], expand, outer, found)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The element that a numeric part selected, and what the rest of the path finds in it.
fn by_index<'a>(
    element: RawBsonRef<'a>,
    rest: &[Part],
    expand: bool,
    outer: Option<usize>,
    found: &mut Found<'_, 'a>,
) -> Result<bool> {
    match element {
        _ if rest.is_empty() => found(Some(element), outer),
        RawBsonRef::Document(inner) => walk(inner, rest, expand, outer, found),
        RawBsonRef::Array(inner) => match as_document(inner) {
            // A nested array has its indexes as field names.
            Some(fields) => walk(fields, rest, expand, outer, found),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests;
