//! From a schema document to rules.

use bson::spec::ElementType;
use bson::{RawArray, RawBson, RawBsonRef, RawDocument};

use super::{Additional, Demand, Dependency, Rule, Schema};
use crate::filter::Pattern;
use crate::number::Number;
use crate::{Context, MqlError, Result, types};

/// Keywords of the draft that MongoDB refuses, too.
const UNSUPPORTED: &[&str] = &["$ref", "$schema", "default", "definitions", "format", "id"];

pub(super) fn schema(value: RawBsonRef<'_>, context: &Context) -> Result<Schema> {
    let Some(doc) = value.as_document() else {
        return Err(MqlError::type_mismatch("$jsonSchema must be an object"));
    };
    parse(doc, context, context.limits.depth)
}

fn parse(doc: &RawDocument, context: &Context, depth: usize) -> Result<Schema> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(MqlError::bad_value("the schema is nested too deeply"));
    };
    let parser = Parser { doc, context, depth };
    let mut schema = Schema { notes: Vec::new(), rules: Vec::new() };
    for element in doc {
        let (name, value) = element?;
        let name = name.as_str();
        match name {
            "title" => schema.notes.push(("title", text(name, value)?.to_owned())),
            "description" => schema.notes.push(("description", text(name, value)?.to_owned())),
            // Said together with the keyword that they qualify.
            "exclusiveMaximum" | "exclusiveMinimum" => parser.qualifier(name, value)?,
            _ => {
                if let Some(demand) = parser.demand(name, value)? {
                    let specified = value.into();
                    schema.rules.push(Rule { name: name.to_owned(), specified, demand });
                }
            }
        }
    }
    Ok(schema)
}

struct Parser<'p> {
    doc: &'p RawDocument,
    context: &'p Context,
    depth: usize,
}

impl Parser<'_> {
    fn inner(&self, name: &str, value: RawBsonRef<'_>) -> Result<Schema> {
        match value.as_document() {
            Some(doc) => parse(doc, self.context, self.depth),
            None => Err(wrong_type(name, "an object")),
        }
    }

    fn inners(&self, name: &str, value: RawBsonRef<'_>) -> Result<Vec<Schema>> {
        let array = array(name, value)?;
        let schemas: Result<Vec<_>> = array.into_iter().map(|one| self.inner(name, one?)).collect();
        let schemas = schemas?;
        if schemas.is_empty() {
            let message = format!("$jsonSchema keyword '{name}' must be a nonempty array");
            return Err(MqlError::bad_value(message));
        }
        Ok(schemas)
    }

    /// `exclusiveMaximum` belongs to `maximum`, and the other to the other.
    fn qualifier(&self, name: &str, value: RawBsonRef<'_>) -> Result<()> {
        let owner = if name == "exclusiveMaximum" { "maximum" } else { "minimum" };
        flag(name, value)?;
        if self.doc.get(owner)?.is_some() {
            return Ok(());
        }
        let message =
            format!("$jsonSchema keyword '{owner}' must be a present if {name} is present");
        Err(MqlError::failed_to_parse(message))
    }

    fn demand(&self, name: &str, value: RawBsonRef<'_>) -> Result<Option<Demand>> {
        Ok(Some(match name {
            "bsonType" => Demand::Types(kinds(name, value, bson_kind)?),
            "type" => Demand::Types(kinds(name, value, json_kind)?),
            "enum" => Demand::Enum(values(name, value)?),
            "allOf" => Demand::AllOf(self.inners(name, value)?),
            "anyOf" => Demand::AnyOf(self.inners(name, value)?),
            "oneOf" => Demand::OneOf(self.inners(name, value)?),
            "not" => Demand::Not(Box::new(self.inner(name, value)?)),
            "maximum" | "minimum" => self.bound(name, value)?,
            "multipleOf" => match Number::of(value) {
                Some(number) if number.to_f64() > 0.0 => Demand::MultipleOf(number),
                Some(_) => {
                    let message = "$jsonSchema keyword 'multipleOf' must have a positive value";
                    return Err(MqlError::failed_to_parse(message));
                }
                None => return Err(wrong_type(name, "a number")),
            },
            "maxLength" | "minLength" => {
                Demand::Length { limit: size(name, value)?, upper: name.starts_with("max") }
            }
            "pattern" => Demand::Pattern(Pattern::new(text(name, value)?, "")?),
            "maxItems" | "minItems" => {
                Demand::Items { limit: size(name, value)?, upper: name.starts_with("max") }
            }
            "uniqueItems" if flag(name, value)? => Demand::UniqueItems,
            "uniqueItems" => return Ok(None),
            "items" => match value {
                RawBsonRef::Array(_) => Demand::ItemsInTurn(self.inners(name, value)?),
                _ => Demand::EachItem(Box::new(self.inner(name, value)?)),
            },
            "additionalItems" => return self.further_items(value),
            _ => return self.of_documents(name, value),
        }))
    }

    fn of_documents(&self, name: &str, value: RawBsonRef<'_>) -> Result<Option<Demand>> {
        Ok(Some(match name {
            "required" => Demand::Required(names(name, value)?),
            "maxProperties" | "minProperties" => {
                Demand::Properties { limit: size(name, value)?, upper: name.starts_with("max") }
            }
            "properties" => Demand::Named(self.named(name, value)?),
            "patternProperties" => Demand::Matching(self.matching(name, value)?),
            "additionalProperties" => return self.additional(value),
            "dependencies" => Demand::Dependencies(self.dependencies(name, value)?),
            _ if UNSUPPORTED.contains(&name) => {
                let message = format!("$jsonSchema keyword '{name}' is not currently supported");
                return Err(MqlError::failed_to_parse(message));
            }
            "encrypt" | "encryptMetadata" => {
                return Err(MqlError::not_implemented(format!("the $jsonSchema keyword '{name}'")));
            }
            _ => {
                let message = format!("Unknown $jsonSchema keyword: {name}");
                return Err(MqlError::failed_to_parse(message));
            }
        }))
    }

    fn bound(&self, name: &str, value: RawBsonRef<'_>) -> Result<Demand> {
        if Number::of(value).is_none() {
            return Err(wrong_type(name, "a number"));
        }
        let upper = name == "maximum";
        let qualifier = if upper { "exclusiveMaximum" } else { "exclusiveMinimum" };
        let exclusive = match self.doc.get(qualifier)? {
            Some(value) => flag(qualifier, value)?,
            None => false,
        };
        Ok(Demand::Bound { limit: value.into(), upper, exclusive })
    }

    /// Only an array of schemas leaves further items.
    fn further_items(&self, value: RawBsonRef<'_>) -> Result<Option<Demand>> {
        let schema = match value {
            RawBsonRef::Boolean(true) => return Ok(None),
            RawBsonRef::Boolean(false) => None,
            other => Some(Box::new(self.inner("additionalItems", other)?)),
        };
        Ok(match self.doc.get("items")? {
            Some(RawBsonRef::Array(first)) => {
                Some(Demand::FurtherItems(first.iter_elements().count(), schema))
            }
            _ => None,
        })
    }

    fn additional(&self, value: RawBsonRef<'_>) -> Result<Option<Demand>> {
        let name = "additionalProperties";
        let schema = match value {
            RawBsonRef::Boolean(true) => return Ok(None),
            RawBsonRef::Boolean(false) => None,
            other => Some(Box::new(self.inner(name, other)?)),
        };
        let mut additional = Additional { named: Vec::new(), matching: Vec::new(), schema };
        for field in
            self.doc.get("properties")?.and_then(RawBsonRef::as_document).into_iter().flatten()
        {
            additional.named.push(field?.0.as_str().to_owned());
        }
        let patterns = self.doc.get("patternProperties")?.and_then(RawBsonRef::as_document);
        for field in patterns.into_iter().flatten() {
            additional.matching.push(Pattern::new(field?.0.as_str(), "")?);
        }
        Ok(Some(Demand::Additional(additional)))
    }

    fn named(&self, name: &str, value: RawBsonRef<'_>) -> Result<Vec<(String, Schema)>> {
        let fields = document(name, value)?.into_iter();
        fields
            .map(|field| {
                let (field, value) = field?;
                Ok((field.as_str().to_owned(), self.inner(name, value)?))
            })
            .collect()
    }

    fn matching(&self, name: &str, value: RawBsonRef<'_>) -> Result<Vec<(Pattern, Schema)>> {
        let named = self.named(name, value)?;
        named
            .into_iter()
            .map(|(pattern, schema)| Ok((Pattern::new(&pattern, "")?, schema)))
            .collect()
    }

    fn dependencies(&self, name: &str, value: RawBsonRef<'_>) -> Result<Vec<(String, Dependency)>> {
        let mut found = Vec::new();
        for field in document(name, value)? {
            let (field, value) = field?;
            let dependency = match value {
                RawBsonRef::Array(_) => Dependency::Fields(names(name, value)?),
                _ => Dependency::Schema(self.inner(name, value)?),
            };
            found.push((field.as_str().to_owned(), dependency));
        }
        Ok(found)
    }
}

fn wrong_type(name: &str, expected: &str) -> MqlError {
    MqlError::type_mismatch(format!("$jsonSchema keyword '{name}' must be {expected}"))
}

fn text<'v>(name: &str, value: RawBsonRef<'v>) -> Result<&'v str> {
    value.as_str().ok_or_else(|| wrong_type(name, "a string"))
}

fn flag(name: &str, value: RawBsonRef<'_>) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong_type(name, "a boolean"))
}

fn array<'v>(name: &str, value: RawBsonRef<'v>) -> Result<&'v RawArray> {
    value.as_array().ok_or_else(|| wrong_type(name, "an array"))
}

fn document<'v>(name: &str, value: RawBsonRef<'v>) -> Result<&'v RawDocument> {
    value.as_document().ok_or_else(|| wrong_type(name, "an object"))
}

fn size(name: &str, value: RawBsonRef<'_>) -> Result<usize> {
    let number = Number::of(value).and_then(Number::as_integer);
    number.and_then(|number| usize::try_from(number).ok()).ok_or_else(|| {
        let message = format!("$jsonSchema keyword '{name}' must be a non-negative integer");
        MqlError::failed_to_parse(message)
    })
}

fn values(name: &str, value: RawBsonRef<'_>) -> Result<Vec<RawBson>> {
    let values: Result<Vec<RawBson>> =
        array(name, value)?.into_iter().map(|one| Ok(RawBson::from(one?))).collect();
    let values = values?;
    if values.is_empty() {
        let message = format!("$jsonSchema keyword '{name}' cannot be an empty array");
        return Err(MqlError::failed_to_parse(message));
    }
    Ok(values)
}

fn names(name: &str, value: RawBsonRef<'_>) -> Result<Vec<String>> {
    let found: Result<Vec<String>> = values(name, value)?
        .iter()
        .map(|one| Ok(text(name, one.as_raw_bson_ref())?.to_owned()))
        .collect();
    found
}

/// One name of a type, or several.
fn kinds(
    name: &str,
    value: RawBsonRef<'_>,
    kind: fn(&str) -> Option<Vec<ElementType>>,
) -> Result<Vec<ElementType>> {
    let given = match value {
        RawBsonRef::Array(_) => names(name, value)?,
        other => vec![text(name, other)?.to_owned()],
    };
    let mut found = Vec::new();
    for alias in given {
        found.extend(
            kind(&alias)
                .ok_or_else(|| MqlError::bad_value(format!("Unknown type name alias: {alias}")))?,
        );
    }
    Ok(found)
}

fn bson_kind(alias: &str) -> Option<Vec<ElementType>> {
    if alias == "number" {
        return Some(types::NUMERIC.to_vec());
    }
    types::by_name(alias).map(|kind| vec![kind])
}

/// The types of JSON; `integer` is not among those that MongoDB knows.
fn json_kind(alias: &str) -> Option<Vec<ElementType>> {
    match alias {
        "number" => Some(types::NUMERIC.to_vec()),
        "boolean" => Some(vec![ElementType::Boolean]),
        "object" | "array" | "string" | "null" => types::by_name(alias).map(|kind| vec![kind]),
        _ => None,
    }
}
