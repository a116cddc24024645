//! Applying a projection to a document.

use bson::{RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use super::{Inner, Node, Tree};
use crate::Result;
use crate::expr::append;
use crate::mutate::set;

pub(super) fn document(projection: &Inner, doc: &RawDocument) -> Result<RawDocumentBuf> {
    let mut out = RawDocumentBuf::new();
    for field in doc {
        let (name, value) = field?;
        if name.as_str() == "_id" && projection.fields.get("_id").is_none() {
            if projection.id {
                append(&mut out, "_id", value)?;
            }
            continue;
        }
        if let Some(value) = field_of(projection, &projection.fields, name.as_str(), value)? {
            append(&mut out, name.as_str(), &value)?;
        }
    }
    for (path, expr) in &projection.computed {
        let value = expr.evaluate(doc)?;
        if let Some(value) = value.get() {
            out = set(&out, path, Some(value))?;
        }
    }
    Ok(out)
}

/// What passes of one field; `None`: nothing.
fn field_of(
    projection: &Inner,
    tree: &Tree,
    name: &str,
    value: RawBsonRef<'_>,
) -> Result<Option<RawBson>> {
    let passes = |passes: bool| passes.then(|| RawBson::from(value));
    match tree.get(name) {
        None => Ok(passes(!projection.inclusion)),
        Some(Node::Named) => Ok(passes(projection.inclusion)),
        Some(Node::Computed) => Ok(None),
        Some(Node::Slice(skip, take)) => Ok(Some(slice(value, *skip, *take)?)),
        Some(Node::ElemMatch(filter)) => match value {
            RawBsonRef::Array(array) => first_match(array, filter),
            _ => Ok(None),
        },
        Some(Node::Inside(tree)) => inside(projection, tree, value),
    }
}

fn inside(projection: &Inner, tree: &Tree, value: RawBsonRef<'_>) -> Result<Option<RawBson>> {
    match value {
        RawBsonRef::Document(doc) => {
            let mut out = RawDocumentBuf::new();
            for field in doc {
                let (name, value) = field?;
                if let Some(value) = field_of(projection, tree, name.as_str(), value)? {
                    append(&mut out, name.as_str(), &value)?;
                }
            }
            Ok(Some(RawBson::Document(out)))
        }
        RawBsonRef::Array(array) => {
            let mut out = RawArrayBuf::new();
            for element in array {
                if let Some(element) = inside(projection, tree, element?)? {
                    out.push(element);
                }
            }
            Ok(Some(RawBson::Array(out)))
        }
        // What is computed below a scalar takes its place.
        _ if tree.computes() => Ok(Some(RawBson::Document(RawDocumentBuf::new()))),
        // A path that goes on below a scalar names nothing: nothing passes, and nothing goes.
        other => Ok((!projection.inclusion).then(|| RawBson::from(other))),
    }
}

/// Something other than an array passes as it is.
fn slice(value: RawBsonRef<'_>, skip: Option<i64>, take: i64) -> Result<RawBson> {
    let RawBsonRef::Array(array) = value else { return Ok(RawBson::from(value)) };
    let elements = array.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
    let (start, count) = match skip {
        None if take < 0 => ((length + take).max(0), -take),
        None => (0, take),
        Some(skip) if skip < 0 => ((length + skip).max(0), take),
        Some(skip) => (skip, take),
    };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut out = RawArrayBuf::new();
    for element in elements.into_iter().skip(start).take(count) {
        out.push(element);
    }
    Ok(RawBson::Array(out))
}

fn first_match(array: &RawArray, filter: &crate::Filter) -> Result<Option<RawBson>> {
    for element in array {
        let element = RawBson::from(element?);
        if filter.matches(&rawdoc! { "e": [element.clone()] })? {
            let mut found = RawArrayBuf::new();
            found.push(element);
            return Ok(Some(RawBson::Array(found)));
        }
    }
    Ok(None)
}
