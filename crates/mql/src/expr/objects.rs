//! Documents: merging, single fields, conversion to and from arrays, sizes.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};

use super::parse::{Parser, missing_argument, named_fields};
use super::value::{Value, append, check_size, elements};
use super::{Env, Expr, Special};
use crate::{MqlError, Result};

/// Fields by name in order of first appearance; later values win.
#[derive(Debug, Default)]
pub(crate) struct Fields<'v>(Vec<(String, RawBsonRef<'v>)>);

impl<'v> Fields<'v> {
    pub(crate) fn set(&mut self, name: &str, value: RawBsonRef<'v>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn set_all(&mut self, doc: &'v RawDocument) -> Result<()> {
        for element in doc {
            let (name, value) = element?;
            self.set(name.as_str(), value);
        }
        Ok(())
    }

    pub(crate) fn into_document(self) -> Result<RawDocumentBuf> {
        let mut out = RawDocumentBuf::new();
        for (name, value) in self.0 {
            append(&mut out, &name, value)?;
        }
        Ok(out)
    }
}

pub(super) fn merge_objects<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut fields = Fields::default();
    let parts = match args.as_slice() {
        [only] if only.as_array().is_some() => {
            only.as_array().map(elements).transpose()?.unwrap_or_default()
        }
        many => many.iter().filter_map(Value::get).collect(),
    };
    for part in parts {
        match part {
            RawBsonRef::Null | RawBsonRef::Undefined => {}
            RawBsonRef::Document(doc) => fields.set_all(doc)?,
            other => return Err(not_an_object(other)),
        }
    }
    Ok(Value::document(fields.into_document()?))
}

pub(crate) fn not_an_object(value: RawBsonRef<'_>) -> MqlError {
    let found = crate::types::name_of(value);
    MqlError::new(
        40400,
        format!("$mergeObjects requires object inputs, but input is of type {found}"),
    )
}

pub(super) fn object_to_array<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args[0].is_nullish() {
        return Ok(Value::NULL);
    }
    let Some(doc) = args[0].as_document() else {
        let found = args[0].type_name();
        let message = format!("$objectToArray requires a document input, found: {found}");
        return Err(MqlError::new(40390, message));
    };
    let mut out = RawArrayBuf::new();
    for element in doc {
        let (name, value) = element?;
        let mut pair = RawDocumentBuf::new();
        pair.append(cstr!("k"), name.as_str());
        pair.append(cstr!("v"), value);
        out.push(pair);
        check_size(out.as_bytes().len())?;
    }
    Ok(Value::array(out))
}

pub(super) fn array_to_object<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args[0].is_nullish() {
        return Ok(Value::NULL);
    }
    let Some(array) = args[0].as_array() else {
        let found = args[0].type_name();
        let message = format!("$arrayToObject requires an array input, found: {found}");
        return Err(MqlError::new(40386, message));
    };
    let mut fields = Fields::default();
    for element in elements(array)? {
        let (name, value) = pair(element)?;
        fields.set(name, value);
    }
    Ok(Value::document(fields.into_document()?))
}

/// `[name, value]` or `{k: name, v: value}`.
fn pair(element: RawBsonRef<'_>) -> Result<(&str, RawBsonRef<'_>)> {
    let malformed = || {
        MqlError::new(
            40391,
            "$arrayToObject requires elements [name, value] or {k: name, v: value}",
        )
    };
    let (name, value) = match element {
        RawBsonRef::Array(array) => match elements(array)?.as_slice() {
            [name, value] => (*name, *value),
            _ => return Err(malformed()),
        },
        RawBsonRef::Document(doc) if doc.iter_elements().count() == 2 => {
            match (doc.get("k")?, doc.get("v")?) {
                (Some(name), Some(value)) => (name, value),
                _ => return Err(malformed()),
            }
        }
        _ => return Err(malformed()),
    };
    name.as_str().map(|name| (name, value)).ok_or_else(malformed)
}

pub(super) fn bson_size<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    match args[0].get() {
        _ if args[0].is_nullish() => Ok(Value::NULL),
        Some(RawBsonRef::Document(doc)) => Ok(Value::int(doc.as_bytes().len() as i32)),
        _ => {
            let message =
                format!("$bsonSize requires a document input, found: {}", args[0].type_name());
            Err(MqlError::new(31393, message))
        }
    }
}

pub(super) fn binary_size<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    match args[0].get() {
        _ if args[0].is_nullish() => Ok(Value::NULL),
        Some(RawBsonRef::String(text)) => Ok(Value::int(text.len() as i32)),
        Some(RawBsonRef::Binary(binary)) => Ok(Value::int(binary.bytes.len() as i32)),
        _ => {
            let found = args[0].type_name();
            let message =
                format!("$binarySize requires a string or BinData argument, found: {found}");
            Err(MqlError::new(51276, message))
        }
    }
}

/// One field of a document by a constant name, which may contain dots and dollars.
#[derive(Debug)]
struct OneField {
    name: String,
    input: Expr,
}

impl Special for OneField {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        match self.input.eval(env)? {
            Value::Ref(RawBsonRef::Document(doc)) => {
                Ok(doc.get(&self.name)?.map_or(Value::Missing, Value::Ref))
            }
            owned => match owned.as_document() {
                Some(doc) => {
                    Ok(doc.get(&self.name)?.map_or(Value::Missing, |v| Value::Owned(v.into())))
                }
                None if owned.is_nullish() && owned.get().is_some() => Ok(Value::NULL),
                None => Ok(Value::Missing),
            },
        }
    }
}

pub(super) fn get_field(
    name: &str,
    value: RawBsonRef<'_>,
    parser: &mut Parser<'_>,
) -> Result<Expr> {
    let (field, input) = match value {
        RawBsonRef::Document(doc) if doc.get("field")?.is_some() || doc.get("input")?.is_some() => {
            let given = named_fields(name, value, &["field", "input"])?;
            let field = given[0].ok_or_else(|| missing_argument(name, "field"))?;
            let input = given[1].ok_or_else(|| missing_argument(name, "input"))?;
            (parser.parse(field)?, parser.parse(input)?)
        }
        other => (parser.parse(other)?, Expr::Root),
    };
    Ok(Expr::Special(Box::new(OneField { name: constant_name(name, &field)?, input })))
}

fn constant_name(operator: &str, field: &Expr) -> Result<String> {
    match field.constant() {
        Some(bson::RawBson::String(name)) => Ok(name.clone()),
        _ => {
            let message = format!("{operator} requires 'field' to evaluate to a constant string");
            Err(MqlError::new(5654602, message))
        }
    }
}

/// A document with one field set or, with a missing value, removed.
#[derive(Debug)]
struct WithField {
    name: String,
    input: Expr,
    value: Expr,
}

impl Special for WithField {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        let input = self.input.eval(env)?;
        if input.is_nullish() {
            return Ok(Value::NULL);
        }
        let Some(doc) = input.as_document() else {
            let message =
                format!("$setField requires 'input' to be an object, found: {}", input.type_name());
            return Err(MqlError::new(4161105, message));
        };
        let value = self.value.eval(env)?;
        let mut out = RawDocumentBuf::new();
        let mut placed = false;
        for element in doc {
            let (name, old) = element?;
            if name.as_str() != self.name {
                out.append(name, old);
            } else if let Some(new) = value.get() {
                placed = true;
                out.append(name, new);
            }
        }
        if let (false, Some(new)) = (placed, value.get()) {
            append(&mut out, &self.name, new)?;
        }
        Ok(Value::document(out))
    }
}

pub(super) fn set_field(
    name: &str,
    value: RawBsonRef<'_>,
    parser: &mut Parser<'_>,
) -> Result<Expr> {
    let names: &[&str] =
        if name == "$setField" { &["field", "input", "value"] } else { &["field", "input"] };
    let given = named_fields(name, value, names)?;
    let field = given[0].ok_or_else(|| missing_argument(name, "field"))?;
    let input = given[1].ok_or_else(|| missing_argument(name, "input"))?;
    let field = parser.parse(field)?;
    let input = parser.parse(input)?;
    let value = match given.get(2) {
        None => Expr::Missing,
        Some(value) => parser.parse(value.ok_or_else(|| missing_argument(name, "value"))?)?,
    };
    Ok(Expr::Special(Box::new(WithField { name: constant_name(name, &field)?, input, value })))
}
