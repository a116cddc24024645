//! Making a document fit to be stored: sound, not too large, with an `_id` in the first place.

use std::borrow::Cow;

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use portolan_runtime::Runtime;

use crate::error::{Failure, codes, refuse};
use crate::store::DOCUMENT_BYTES_MAX;

/// A document as it is stored. Its bytes are those that came, except that a missing `_id` is made
/// and an `_id` further behind moves to the front, as the MongoDB manual's page on documents says.
pub(crate) fn prepare_document<'d>(
    document: &'d RawDocument,
    runtime: &Runtime,
) -> Result<Cow<'d, RawDocument>, Failure> {
    let prepared = match document.iter().next().transpose()? {
        Some((first, _)) if first.as_str() == "_id" => Cow::Borrowed(document),
        _ => Cow::Owned(with_id_first(document, runtime)?),
    };
    check_size(&prepared)?;
    if let Some(id) = prepared.get("_id")? {
        check_id(id)?;
    }
    Ok(prepared)
}

fn with_id_first(document: &RawDocument, runtime: &Runtime) -> Result<RawDocumentBuf, Failure> {
    let generated;
    let id = match document.get("_id")? {
        Some(id) => id,
        None => {
            generated = bson::oid::ObjectId::from_bytes(runtime.object_id());
            RawBsonRef::ObjectId(generated)
        }
    };
    with_id(document, id)
}

/// The document with `id` in the first place and nowhere else.
pub(crate) fn with_id(
    document: &RawDocument,
    id: RawBsonRef<'_>,
) -> Result<RawDocumentBuf, Failure> {
    let mut fronted = RawDocumentBuf::new();
    fronted.append(cstr!("_id"), id);
    for element in document {
        let (name, value) = element?;
        if name.as_str() != "_id" {
            fronted.append(name, value);
        }
    }
    Ok(fronted)
}

/// Refuses a document that is too large to be stored.
pub(crate) fn check_size(document: &RawDocument) -> Result<(), Failure> {
    let size_bytes = document.as_bytes().len();
    if size_bytes > DOCUMENT_BYTES_MAX {
        let message = format!(
            "object to insert too large. size in bytes: {size_bytes}, max size: {DOCUMENT_BYTES_MAX}"
        );
        return Err(refuse(codes::BSON_OBJECT_TOO_LARGE, message));
    }
    Ok(())
}

fn check_id(id: RawBsonRef<'_>) -> Result<(), Failure> {
    let kind = match id {
        RawBsonRef::Array(_) => "array",
        RawBsonRef::RegularExpression(_) => "regex",
        RawBsonRef::Undefined => "undefined",
        RawBsonRef::Document(inner) => return check_id_fields(inner),
        _ => return Ok(()),
    };
    let message = format!("The '_id' value cannot be of type {kind}");
    Err(refuse(codes::INVALID_ID_FIELD, message))
}

fn check_id_fields(id: &RawDocument) -> Result<(), Failure> {
    for element in id {
        let (name, _) = element?;
        if name.as_str().starts_with('$') {
            let message = format!(
                "_id fields may not contain '$'-prefixed fields: {name} is not valid for storage."
            );
            return Err(refuse(DOLLAR_PREFIXED_FIELD_NAME, message));
        }
    }
    Ok(())
}

const DOLLAR_PREFIXED_FIELD_NAME: i32 = 52;
