//! Field paths of expressions: `$a.b`. Arrays on the way are mapped over, numbers are only names.

use bson::{RawArray, RawArrayBuf, RawBsonRef, RawDocument};

use super::Value;
use crate::{MqlError, Result};

/// The parts of a field path; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath(Vec<String>);

impl FieldPath {
    /// Parses a dotted path without its dollar sign.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        for part in &parts {
            if part.is_empty() {
                let message = "FieldPath must not end with a '.' or contain empty parts.";
                return Err(MqlError::new(
                    if text.ends_with('.') { 40353 } else { 15998 },
                    message,
                ));
            }
            // The three names of a database reference are ordinary fields.
            if part.starts_with('$') && !matches!(part.as_str(), "$ref" | "$id" | "$db") {
                let message = "FieldPath field names may not start with '$'. \
                               Consider using $getField or $setField.";
                return Err(MqlError::new(16410, message));
            }
            if part.contains('\0') {
                return Err(MqlError::new(16411, "FieldPath field names may not contain '\\0'."));
            }
        }
        Ok(Self(parts))
    }

    /// The path as text.
    pub(crate) fn text(&self) -> String {
        self.0.join(".")
    }

    pub(crate) fn of_document<'e>(&self, doc: &'e RawDocument) -> Result<Value<'e>> {
        follow(doc, &self.0)
    }

    /// The path inside a value; scalars have no fields.
    pub(crate) fn of_value<'e>(&self, value: Value<'e>) -> Result<Value<'e>> {
        match value {
            Value::Ref(RawBsonRef::Document(doc)) => follow(doc, &self.0),
            Value::Ref(RawBsonRef::Array(array)) => map(array, &self.0),
            Value::Owned(owned) => {
                let borrowed = Value::Ref(owned.as_raw_bson_ref());
                Ok(self.of_value(borrowed)?.into_owned())
            }
            _ => Ok(Value::Missing),
        }
    }
}

fn follow<'e>(doc: &'e RawDocument, parts: &[String]) -> Result<Value<'e>> {
    let Some(value) = doc.get(&parts[0])? else { return Ok(Value::Missing) };
    match (value, &parts[1..]) {
        (value, []) => Ok(Value::Ref(value)),
        (RawBsonRef::Document(inner), rest) => follow(inner, rest),
        (RawBsonRef::Array(array), rest) => map(array, rest),
        _ => Ok(Value::Missing),
    }
}

/// The path in every embedded document of an array; other elements count for nothing.
fn map<'e>(array: &RawArray, parts: &[String]) -> Result<Value<'e>> {
    let mut out = RawArrayBuf::new();
    for element in array {
        if let RawBsonRef::Document(inner) = element?
            && let Some(value) = follow(inner, parts)?.get()
        {
            out.push(value);
        }
    }
    Ok(Value::array(out))
}
