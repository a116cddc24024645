//! `$jsonSchema`: the draft 4 keywords that MongoDB documents ("$jsonSchema" in the manual), with
//! `bsonType`. `parse` builds the rules, `explain` says which of them a document breaks.

mod explain;
mod parse;

use std::collections::HashSet;

use bson::spec::ElementType;
use bson::{RawArray, RawBson, RawBsonRef, RawDocument};

use super::Pattern;
use crate::compare::{compare, equal};
use crate::number::Number;
use crate::{Context, Result, key};

/// A parsed schema.
#[derive(Debug)]
pub(crate) struct Schema {
    /// `title` and `description`, which explanations repeat.
    notes: Vec<(&'static str, String)>,
    rules: Vec<Rule>,
}

/// One keyword.
#[derive(Debug)]
struct Rule {
    name: String,
    /// The keyword's value as given.
    specified: RawBson,
    demand: Demand,
}

/// What a keyword demands. Keywords for one type let values of other types pass.
#[derive(Debug)]
enum Demand {
    Types(Vec<ElementType>),
    Enum(Vec<RawBson>),
    AllOf(Vec<Schema>),
    AnyOf(Vec<Schema>),
    OneOf(Vec<Schema>),
    Not(Box<Schema>),
    Bound {
        limit: RawBson,
        upper: bool,
        exclusive: bool,
    },
    MultipleOf(Number),
    Length {
        limit: usize,
        upper: bool,
    },
    Pattern(Pattern),
    Items {
        limit: usize,
        upper: bool,
    },
    UniqueItems,
    EachItem(Box<Schema>),
    ItemsInTurn(Vec<Schema>),
    /// Of the items from this one on; `None` forbids them.
    FurtherItems(usize, Option<Box<Schema>>),
    Required(Vec<String>),
    Properties {
        limit: usize,
        upper: bool,
    },
    Named(Vec<(String, Schema)>),
    Matching(Vec<(Pattern, Schema)>),
    Additional(Additional),
    Dependencies(Vec<(String, Dependency)>),
}

/// `additionalProperties`: of the fields that no other keyword speaks of.
#[derive(Debug)]
struct Additional {
    named: Vec<String>,
    matching: Vec<Pattern>,
    /// `None` forbids them.
    schema: Option<Box<Schema>>,
}

/// What a field brings with it.
#[derive(Debug)]
enum Dependency {
    Fields(Vec<String>),
    Schema(Schema),
}

impl Schema {
    /// Parses the argument of `$jsonSchema`.
    pub(super) fn parse(value: RawBsonRef<'_>, context: &Context) -> Result<Self> {
        parse::schema(value, context)
    }

    /// Whether a document keeps all rules.
    pub(super) fn accepts(&self, doc: &RawDocument) -> Result<bool> {
        self.holds(RawBsonRef::Document(doc))
    }

    fn holds(&self, value: RawBsonRef<'_>) -> Result<bool> {
        all(&self.rules, |rule| rule.demand.holds(value))
    }
}

/// Whether all of them hold; the first that does not ends it.
fn all<T>(items: &[T], mut holds: impl FnMut(&T) -> Result<bool>) -> Result<bool> {
    for item in items {
        if !holds(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn count(schemas: &[Schema], value: RawBsonRef<'_>) -> Result<usize> {
    let mut count = 0;
    for schema in schemas {
        count += usize::from(schema.holds(value)?);
    }
    Ok(count)
}

impl Demand {
    fn holds(&self, value: RawBsonRef<'_>) -> Result<bool> {
        match self {
            Self::Types(kinds) => Ok(kinds.contains(&value.element_type())),
            Self::Enum(values) => Ok(values.iter().any(|v| equal(v.as_raw_bson_ref(), value))),
            Self::AllOf(schemas) => Ok(count(schemas, value)? == schemas.len()),
            Self::AnyOf(schemas) => Ok(count(schemas, value)? > 0),
            Self::OneOf(schemas) => Ok(count(schemas, value)? == 1),
            Self::Not(schema) => Ok(!schema.holds(value)?),
            Self::Bound { .. } | Self::MultipleOf(_) => Ok(self.number(value)),
            Self::Length { .. } | Self::Pattern(_) => match value {
                RawBsonRef::String(text) => self.text(text),
                _ => Ok(true),
            },
            _ => match value {
                RawBsonRef::Array(array) => self.array(array),
                RawBsonRef::Document(doc) => self.document(doc),
                _ => Ok(true),
            },
        }
    }

    fn number(&self, value: RawBsonRef<'_>) -> bool {
        let Some(number) = Number::of(value) else { return true };
        match self {
            Self::Bound { limit, upper, exclusive } => {
                let order = compare(value, limit.as_raw_bson_ref());
                let inside = if *upper { order.is_lt() } else { order.is_gt() };
                inside || order.is_eq() && !exclusive
            }
            Self::MultipleOf(divisor) => match (number.as_integer(), divisor.as_integer()) {
                (Some(number), Some(divisor)) => number.checked_rem(divisor).unwrap_or(0) == 0,
                _ => (number.to_f64() % divisor.to_f64()) == 0.0,
            },
            _ => true,
        }
    }

    fn text(&self, text: &str) -> Result<bool> {
        match self {
            Self::Length { limit, upper } => Ok(within(text.chars().count(), *limit, *upper)),
            Self::Pattern(pattern) => pattern.is_match(text),
            _ => Ok(true),
        }
    }

    fn array(&self, array: &RawArray) -> Result<bool> {
        let items = array.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
        match self {
            Self::Items { limit, upper } => Ok(within(items.len(), *limit, *upper)),
            Self::UniqueItems => {
                let mut seen = HashSet::new();
                Ok(items.into_iter().all(|item| seen.insert(key::encode(item))))
            }
            Self::EachItem(schema) => all(&items, |item| schema.holds(*item)),
            Self::ItemsInTurn(schemas) => {
                let pairs: Vec<_> = schemas.iter().zip(items).collect();
                all(&pairs, |(schema, item)| schema.holds(*item))
            }
            Self::FurtherItems(first, schema) => match (items.get(*first..), schema) {
                (Some(further), Some(schema)) => all(further, |item| schema.holds(*item)),
                (further, _) => Ok(further.is_none_or(<[_]>::is_empty)),
            },
            _ => Ok(true),
        }
    }

    fn document(&self, doc: &RawDocument) -> Result<bool> {
        let has = |name: &String| Ok(doc.get(name)?.is_some());
        match self {
            Self::Required(names) => all(names, has),
            Self::Properties { limit, upper } => {
                Ok(within(doc.iter_elements().count(), *limit, *upper))
            }
            Self::Named(schemas) => all(schemas, |(name, schema)| match doc.get(name)? {
                Some(value) => schema.holds(value),
                None => Ok(true),
            }),
            Self::Matching(schemas) => all(schemas, |(pattern, schema)| {
                for field in doc {
                    let (name, value) = field?;
                    if pattern.is_match(name.as_str())? && !schema.holds(value)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }),
            Self::Additional(additional) => Ok(additional.offenders(doc)?.is_empty()),
            Self::Dependencies(list) => {
                all(list, |(name, dependency)| match (doc.get(name)?, dependency) {
                    (None, _) => Ok(true),
                    (Some(_), Dependency::Fields(names)) => all(names, has),
                    (Some(_), Dependency::Schema(schema)) => schema.accepts(doc),
                })
            }
            _ => Ok(true),
        }
    }
}

impl Additional {
    /// The fields that are not allowed.
    fn offenders<'d>(&self, doc: &'d RawDocument) -> Result<Vec<&'d str>> {
        let mut found = Vec::new();
        for field in doc {
            let (name, value) = field?;
            let name = name.as_str();
            let known = self.named.iter().any(|known| known == name)
                || !all(&self.matching, |pattern| Ok(!pattern.is_match(name)?))?;
            let allowed = match &self.schema {
                _ if known => true,
                Some(schema) => schema.holds(value)?,
                None => false,
            };
            if !allowed {
                found.push(name);
            }
        }
        Ok(found)
    }
}

fn within(count: usize, limit: usize, upper: bool) -> bool {
    if upper { count <= limit } else { count >= limit }
}

#[cfg(test)]
mod tests;
