//! Setting and removing values at dotted paths of raw documents, as `$addFields` and computed fields of
//! projections do: arrays on the way are mapped over. Updates have rules of their own (`update`).

use bson::raw::BindRawBsonRef;
use bson::{RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::Result;
use crate::expr::append;

/// The document with the value at the path; `None` removes what is there.
pub(crate) fn set(
    doc: &RawDocument,
    path: &[String],
    value: Option<RawBsonRef<'_>>,
) -> Result<RawDocumentBuf> {
    let Some((first, rest)) = path.split_first() else { return Ok(doc.to_owned()) };
    let mut out = RawDocumentBuf::new();
    let mut found = false;
    for field in doc {
        let (name, old) = field?;
        if name.as_str() != first {
            append(&mut out, name.as_str(), old)?;
            continue;
        }
        found = true;
        put(&mut out, first, inside(Some(old), rest, value)?)?;
    }
    if !found {
        put(&mut out, first, inside(None, rest, value)?)?;
    }
    Ok(out)
}

fn put(out: &mut RawDocumentBuf, name: &str, value: Option<impl BindRawBsonRef>) -> Result<()> {
    value.map_or(Ok(()), |value| append(out, name, value))
}

/// What stands at a field after the rest of the path was set inside it.
fn inside(
    old: Option<RawBsonRef<'_>>,
    rest: &[String],
    value: Option<RawBsonRef<'_>>,
) -> Result<Option<RawBson>> {
    if rest.is_empty() {
        return Ok(value.map(RawBson::from));
    }
    match old {
        Some(RawBsonRef::Document(doc)) => Ok(Some(RawBson::Document(set(doc, rest, value)?))),
        Some(RawBsonRef::Array(array)) => Ok(Some(RawBson::Array(each(array, rest, value)?))),
        other if value.is_none() => Ok(other.map(RawBson::from)),
        _ => Ok(Some(RawBson::Document(set(&RawDocumentBuf::new(), rest, value)?))),
    }
}

fn each(array: &RawArray, rest: &[String], value: Option<RawBsonRef<'_>>) -> Result<RawArrayBuf> {
    let mut out = RawArrayBuf::new();
    for element in array {
        if let Some(element) = inside(Some(element?), rest, value)? {
            out.push(element);
        }
    }
    Ok(out)
}

/// The parts of a dotted path.
pub(crate) fn split(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}
