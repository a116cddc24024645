//! Delete statements that remove a document only while it is still equal to the one that was
//! archived.
//!
//! A list of per-field conditions would be open-world: it cannot see a field that was added since.
//! At level L1 the whole document is therefore compared inside the server, together with its size,
//! because `$eq` takes `1` and `1.0` for equal. What is left is documented: a change to an equal
//! value of equal size (long to double, sign of zero, NaN payload, exponent of a decimal). At level
//! L0 the server cannot evaluate such a condition (FerretDB 1.x knows almost no `$expr`), so the best
//! that can be asked is equality per field.

use bson::raw::CString;
use bson::raw::{RawArrayBuf, cstr};
use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::{GuardLevel, ShardKey};
use portolan_mql::path;

use crate::ClusterError;

/// Largest document that fits into a delete statement beside its guard. MongoDB refuses a statement
/// over 16 MiB and 16 KiB (manual, "MongoDB Limits and Thresholds").
const GUARDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Deepest nesting that still fits: the guard adds five levels of its own to the documented limit of
/// one hundred for documents.
const GUARDED_DEPTH_MAX: usize = 100;

/// Deepest nesting that is read at all; no server takes so much.
const READ_DEPTH_MAX: usize = 250;

/// Why a document cannot be read to its last value: nothing sure can be said about it, and every reader
/// of an archive would stumble over it. `None`: it can.
#[must_use]
pub fn unreadable(document: &RawDocument) -> Option<String> {
    read_fields(document, 1).err()
}

fn read_fields(document: &RawDocument, depth: usize) -> Result<(), String> {
    if depth > READ_DEPTH_MAX {
        return Err(format!("it is nested deeper than {READ_DEPTH_MAX} levels"));
    }
    for element in document {
        let (_, value) = element.map_err(|_| malformed())?;
        match value {
            RawBsonRef::Document(inner) => read_fields(inner, depth + 1)?,
            RawBsonRef::Array(inner) => {
                // An array is a document whose names are its places.
                let fields = RawDocument::from_bytes(inner.as_bytes()).map_err(|_| malformed())?;
                read_fields(fields, depth + 1)?;
            }
            RawBsonRef::JavaScriptCodeWithScope(code) => read_fields(code.scope, depth + 1)?,
            _ => {}
        }
    }
    Ok(())
}

fn malformed() -> String {
    "it holds text that is not UTF-8, or other malformed BSON".to_owned()
}

/// Why a document cannot be deleted under a guard of this level, so that it must not be archived.
/// `None`: it can.
#[must_use]
pub fn unguardable(document: &RawDocument, level: GuardLevel) -> Option<String> {
    if let Some(reason) = unreadable(document) {
        return Some(reason);
    }
    match document.get("_id") {
        Ok(Some(RawBsonRef::Undefined | RawBsonRef::Array(_))) => {
            return Some("nobody can ask for an _id of its type".to_owned());
        }
        Ok(Some(_)) => {}
        _ => return Some("it has no _id".to_owned()),
    }
    if level >= GuardLevel::L2 {
        return None;
    }
    if document.as_bytes().len() > GUARDED_BYTES_MAX {
        return Some("it is too large for a delete statement with a guard".to_owned());
    }
    let mut reason = None;
    check_fields(document, level, 1, &mut reason);
    reason
}

fn check_fields(
    document: &RawDocument,
    level: GuardLevel,
    depth: usize,
    reason: &mut Option<String>,
) {
    if depth > GUARDED_DEPTH_MAX {
        *reason = Some(format!("it is nested deeper than {GUARDED_DEPTH_MAX} levels"));
        return;
    }
    let mut names: Vec<&str> = Vec::new();
    for element in document {
        let Ok((name, value)) = element else {
            *reason = Some(malformed());
            return;
        };
        *reason = bad_name(name.as_str(), &names, level).or_else(|| bad_value(value));
        names.push(name.as_str());
        match value {
            RawBsonRef::Document(inner) if reason.is_none() => {
                check_fields(inner, level, depth + 1, reason);
            }
            RawBsonRef::Array(inner) if reason.is_none() => {
                check_array(inner, level, depth + 1, reason);
            }
            _ => {}
        }
        if reason.is_some() {
            return;
        }
    }
}

fn check_array(
    array: &bson::RawArray,
    level: GuardLevel,
    depth: usize,
    reason: &mut Option<String>,
) {
    for value in array {
        let Ok(value) = value else {
            *reason = Some(malformed());
            return;
        };
        *reason = bad_value(value);
        match value {
            RawBsonRef::Document(inner) => check_fields(inner, level, depth + 1, reason),
            RawBsonRef::Array(inner) if depth < GUARDED_DEPTH_MAX => {
                check_array(inner, level, depth + 1, reason);
            }
            RawBsonRef::Array(_) => {
                *reason = Some(format!("it is nested deeper than {GUARDED_DEPTH_MAX} levels"));
            }
            _ => {}
        }
        if reason.is_some() {
            return;
        }
    }
}

/// Duplicate names are compared differently by different servers. Names that a filter would read as
/// an operator or a path cannot be guarded field by field.
fn bad_name(name: &str, before: &[&str], level: GuardLevel) -> Option<String> {
    if before.contains(&name) {
        return Some(format!("it has the field {name:?} twice"));
    }
    let unwritable = level == GuardLevel::L0 && (name.starts_with('$') || name.contains('.'));
    unwritable.then(|| format!("the field name {name:?} cannot be written in a filter"))
}

fn bad_value(value: RawBsonRef<'_>) -> Option<String> {
    matches!(value, RawBsonRef::Undefined)
        .then(|| "it holds a value of the deprecated type undefined".to_owned())
}

/// The statement of a `delete` command that removes `document` under a guard of `level`. It names the whole
/// shard key beside `_id`: the server then asks one shard, and no document of another one can go.
///
/// # Errors
/// [`ClusterError::Invalid`] for a document without `_id`, and [`ClusterError::Internal`] for
/// malformed BSON.
pub fn statement(
    document: &RawDocument,
    level: GuardLevel,
    deadline_ms: i64,
    shard_key: Option<&ShardKey>,
) -> Result<RawDocumentBuf, ClusterError> {
    let id = document
        .get("_id")?
        .ok_or_else(|| ClusterError::Invalid("a document without _id cannot be deleted".into()))?;
    if level == GuardLevel::L0 {
        let mut guard = field_guard(document)?;
        name_shard_key(&mut guard, document, shard_key)?;
        return Ok(rawdoc! { "q": guard, "limit": 1 });
    }
    let mut guard = whole_guard(id, document, deadline_ms);
    name_shard_key(&mut guard, document, shard_key)?;
    Ok(rawdoc! {
        "q": guard,
        "limit": 1,
        "collation": { "locale": "simple" },
        "hint": { "_id": 1 },
    })
}

/// The statement of a `delete` command inside a transaction that compared the document already. With
/// a deadline it does nothing after it.
///
/// # Errors
/// Those of [`statement`].
pub fn batch_statement(
    document: &RawDocument,
    deadline_ms: Option<i64>,
    shard_key: Option<&ShardKey>,
) -> Result<RawDocumentBuf, ClusterError> {
    let id = document
        .get("_id")?
        .ok_or_else(|| ClusterError::Invalid("a document without _id cannot be deleted".into()))?;
    let mut query = RawDocumentBuf::new();
    query.append(cstr!("_id"), eq(id));
    name_shard_key(&mut query, document, shard_key)?;
    if let Some(deadline_ms) = deadline_ms {
        let deadline = bson::DateTime::from_millis(deadline_ms);
        query.append(cstr!("$expr"), rawdoc! { "$lt": ["$$NOW", deadline] });
    }
    Ok(rawdoc! {
        "q": query,
        "limit": 1,
        "collation": { "locale": "simple" },
        "hint": { "_id": 1 },
    })
}

/// Adds equality with the document's shard-key values. Null also holds for what is missing, which lies on
/// the same shard.
fn name_shard_key(
    query: &mut RawDocumentBuf,
    document: &RawDocument,
    shard_key: Option<&ShardKey>,
) -> Result<(), ClusterError> {
    for name in shard_key.into_iter().flat_map(ShardKey::beside_id) {
        if matches!(query.get(name), Ok(Some(_))) {
            continue;
        }
        let value = path::get(document, name).unwrap_or(RawBsonRef::Null);
        let name = CString::try_from(name.to_owned())
            .map_err(|error| ClusterError::Internal(format!("a shard key: {error}")))?;
        query.append(name, eq(value));
    }
    Ok(())
}

fn whole_guard(id: RawBsonRef<'_>, document: &RawDocument, deadline_ms: i64) -> RawDocumentBuf {
    let size = i32::try_from(document.as_bytes().len()).unwrap_or(i32::MAX);
    let mut literal = RawDocumentBuf::new();
    literal.append(cstr!("$literal"), RawBsonRef::Document(document));
    let mut equal = RawArrayBuf::new();
    equal.push("$$ROOT");
    equal.push(literal);
    let deadline = bson::DateTime::from_millis(deadline_ms);
    let mut conditions = RawArrayBuf::new();
    conditions.push(rawdoc! { "$eq": equal });
    conditions.push(rawdoc! { "$eq": [{ "$bsonSize": "$$ROOT" }, size] });
    conditions.push(rawdoc! { "$lt": ["$$NOW", deadline] });
    let mut guard = RawDocumentBuf::new();
    guard.append(cstr!("_id"), eq(id));
    guard.append(cstr!("$expr"), rawdoc! { "$and": conditions });
    guard
}

fn field_guard(document: &RawDocument) -> Result<RawDocumentBuf, ClusterError> {
    let mut guard = RawDocumentBuf::new();
    for element in document {
        let (name, value) = element?;
        if matches!(value, RawBsonRef::Null) {
            // Equality with null also holds for a missing field.
            guard.append(name, rawdoc! { "$eq": RawBson::Null, "$exists": true });
        } else {
            guard.append(name, eq(value));
        }
    }
    Ok(guard)
}

/// `$eq` written out: without it a regular expression as `_id` would be a pattern.
fn eq(value: RawBsonRef<'_>) -> RawDocumentBuf {
    let mut eq = RawDocumentBuf::new();
    eq.append(cstr!("$eq"), value);
    eq
}

/// A filter for the documents with one of these `_id`s. One `_id` is asked for by `$eq`, because a
/// regular expression inside `$in` would be a pattern.
#[must_use]
pub fn ids_filter(ids: &[RawBson]) -> RawDocumentBuf {
    let (patterns, plain): (Vec<_>, Vec<_>) =
        ids.iter().partition(|id| matches!(id, RawBson::RegularExpression(_)));
    let mut list = RawArrayBuf::new();
    plain.iter().for_each(|id| list.push(id.as_raw_bson_ref()));
    let among = rawdoc! { "_id": { "$in": list } };
    if patterns.is_empty() {
        return among;
    }
    let mut any = RawArrayBuf::new();
    any.push(among);
    for id in patterns {
        let mut one = RawDocumentBuf::new();
        one.append(cstr!("_id"), eq(id.as_raw_bson_ref()));
        any.push(one);
    }
    rawdoc! { "$or": any }
}

#[cfg(test)]
mod tests;
