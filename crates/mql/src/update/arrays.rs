//! Operators on arrays: `$push` with its modifiers, `$addToSet`, `$pop`, `$pull`, `$pullAll`.

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::operator::Outcome;
use crate::compare::compare;
use crate::filter::Clause;
use crate::number::Number;
use crate::{Context, Filter, MqlError, Result, Sort};

/// A parsed `$push`.
#[derive(Debug, Clone)]
pub(super) struct Push {
    each: Vec<RawBson>,
    position: Option<i64>,
    slice: Option<i64>,
    sort: Option<Order>,
}

#[derive(Debug, Clone)]
enum Order {
    /// Whole elements, ascending or descending.
    Elements(bool),
    Fields(Sort),
}

impl Push {
    pub(super) fn parse(operand: RawBsonRef<'_>) -> Result<Self> {
        let plain = |value: RawBsonRef<'_>| Self {
            each: vec![value.into()],
            position: None,
            slice: None,
            sort: None,
        };
        let RawBsonRef::Document(spec) = operand else { return Ok(plain(operand)) };
        let Some(each) = spec.get("$each")? else { return Ok(plain(operand)) };
        let mut push = Self { each: all("$each", each)?, position: None, slice: None, sort: None };
        for modifier in spec {
            let (name, value) = modifier?;
            match name.as_str() {
                "$each" => {}
                "$position" => push.position = Some(whole("$position", value)?),
                "$slice" => push.slice = Some(whole("$slice", value)?),
                "$sort" => push.sort = Some(order(value)?),
                other => {
                    let message = format!("Unrecognized clause in $push: {other}");
                    return Err(MqlError::bad_value(message));
                }
            }
        }
        Ok(push)
    }

    pub(super) fn apply(&self, old: Option<RawBsonRef<'_>>) -> Result<RawBson> {
        let mut elements = elements_of("$push", old)?;
        let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
        let at = match self.position {
            None => length,
            Some(position) if position < 0 => (length + position).max(0),
            Some(position) => position.min(length),
        };
        let at = usize::try_from(at).unwrap_or(elements.len());
        elements.splice(at..at, self.each.iter().cloned());
        if let Some(order) = &self.sort {
            order.sort(&mut elements)?;
        }
        if let Some(slice) = self.slice {
            cut(&mut elements, slice);
        }
        Ok(array(elements))
    }
}

fn order(value: RawBsonRef<'_>) -> Result<Order> {
    match value {
        RawBsonRef::Document(spec) => Ok(Order::Fields(Sort::parse(spec)?)),
        other => match whole("$sort", other)? {
            1 => Ok(Order::Elements(true)),
            -1 => Ok(Order::Elements(false)),
            _ => Err(MqlError::bad_value("The $sort element value must be either 1 or -1")),
        },
    }
}

impl Order {
    fn sort(&self, elements: &mut Vec<RawBson>) -> Result<()> {
        match self {
            Self::Elements(ascending) => elements.sort_by(|a, b| {
                let order = compare(a.as_raw_bson_ref(), b.as_raw_bson_ref());
                if *ascending { order } else { order.reverse() }
            }),
            Self::Fields(sort) => {
                let mut keyed = Vec::with_capacity(elements.len());
                for element in std::mem::take(elements) {
                    keyed.push((sort.element_key(element.as_raw_bson_ref())?, element));
                }
                keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
                *elements = keyed.into_iter().map(|(_, element)| element).collect();
            }
        }
        Ok(())
    }
}

/// The first `slice` elements, or the last when negative.
fn cut(elements: &mut Vec<RawBson>, slice: i64) {
    let keep = usize::try_from(slice.unsigned_abs()).unwrap_or(usize::MAX);
    if keep >= elements.len() {
        return;
    }
    if slice < 0 {
        elements.drain(..elements.len() - keep);
    } else {
        elements.truncate(keep);
    }
}

/// What `$addToSet` may add: one value, or each of `$each`.
pub(super) fn to_add(operand: RawBsonRef<'_>) -> Result<Vec<RawBson>> {
    if let RawBsonRef::Document(spec) = operand
        && let Some(each) = spec.get("$each")?
    {
        return all("$each", each);
    }
    Ok(vec![operand.into()])
}

pub(super) fn add_to_set(old: Option<RawBsonRef<'_>>, values: &[RawBson]) -> Result<RawBson> {
    let mut elements = elements_of("$addToSet", old)?;
    for value in values {
        let known =
            |element: &RawBson| compare(element.as_raw_bson_ref(), value.as_raw_bson_ref()).is_eq();
        if !elements.iter().any(known) {
            elements.push(value.clone());
        }
    }
    Ok(array(elements))
}

pub(super) fn pops_first(operand: RawBsonRef<'_>) -> Result<bool> {
    match whole("$pop", operand)? {
        1 => Ok(false),
        -1 => Ok(true),
        other => Err(MqlError::failed_to_parse(format!("$pop expects 1 or -1, found: {other}"))),
    }
}

pub(super) fn pop(old: Option<RawBsonRef<'_>>, first: bool) -> Result<Outcome> {
    let Some(old) = old else { return Ok(Outcome::Same) };
    let mut elements = elements_of("$pop", Some(old))?;
    if elements.is_empty() {
        return Ok(Outcome::Same);
    }
    let at = if first { 0 } else { elements.len() - 1 };
    elements.remove(at);
    Ok(Outcome::Value(array(elements)))
}

/// What `$pull` removes.
#[derive(Debug, Clone)]
pub(super) enum Pull {
    /// Documents that match, as a query does.
    Documents(Box<Filter>),
    /// Values that meet a predicate.
    Values(std::sync::Arc<Clause>),
}

impl Pull {
    pub(super) fn parse(operand: RawBsonRef<'_>, context: &Context) -> Result<Self> {
        if let RawBsonRef::Document(spec) = operand
            && !is_predicate(spec)?
        {
            return Ok(Self::Documents(Box::new(Filter::parse(spec, context)?)));
        }
        Ok(Self::Values(std::sync::Arc::new(Filter::parse_clause(operand, context)?)))
    }

    pub(super) fn holds(&self, element: RawBsonRef<'_>) -> Result<bool> {
        match self {
            Self::Documents(filter) => match element {
                RawBsonRef::Document(doc) => filter.matches(doc),
                _ => Ok(false),
            },
            Self::Values(clause) => clause.holds(element),
        }
    }
}

/// `{$gt: 5}` is about the element itself, `{$or: […]}` and `{a: 1}` about its fields.
fn is_predicate(spec: &RawDocument) -> Result<bool> {
    let first = spec.into_iter().next().transpose()?;
    Ok(first.is_some_and(|(name, _)| {
        let name = name.as_str();
        name.starts_with('$') && !matches!(name, "$and" | "$or" | "$nor" | "$expr" | "$comment")
    }))
}

pub(super) fn pull(
    old: Option<RawBsonRef<'_>>,
    goes: impl Fn(RawBsonRef<'_>) -> Result<bool>,
) -> Result<Outcome> {
    let Some(old) = old else { return Ok(Outcome::Same) };
    let elements = elements_of("$pull", Some(old))?;
    let before = elements.len();
    let mut left = Vec::with_capacity(before);
    for element in elements {
        if !goes(element.as_raw_bson_ref())? {
            left.push(element);
        }
    }
    Ok(if left.len() == before { Outcome::Same } else { Outcome::Value(array(left)) })
}

/// The elements of an array operand.
pub(super) fn all(name: &str, operand: RawBsonRef<'_>) -> Result<Vec<RawBson>> {
    let Some(array) = operand.as_array() else {
        return Err(MqlError::bad_value(format!("The argument to {name} must be an array")));
    };
    array.into_iter().map(|element| Ok(RawBson::from(element?))).collect()
}

fn elements_of(name: &str, old: Option<RawBsonRef<'_>>) -> Result<Vec<RawBson>> {
    match old {
        None => Ok(Vec::new()),
        Some(RawBsonRef::Array(array)) => {
            array.into_iter().map(|element| Ok(RawBson::from(element?))).collect()
        }
        Some(other) => {
            let kind = crate::types::name_of(other);
            let message = format!("Cannot apply {name} to a non-array field of type {kind}");
            Err(MqlError::bad_value(message))
        }
    }
}

fn array(elements: Vec<RawBson>) -> RawBson {
    let mut array = RawArrayBuf::new();
    elements.into_iter().for_each(|element| array.push(element));
    RawBson::Array(array)
}

fn whole(name: &str, value: RawBsonRef<'_>) -> Result<i64> {
    Number::of(value)
        .and_then(Number::as_integer)
        .ok_or_else(|| MqlError::bad_value(format!("The value for {name} must be a whole number")))
}

/// A document of one field, for callers that build one.
pub(super) fn single(name: &str, value: &RawBson) -> Result<RawDocumentBuf> {
    let mut doc = RawDocumentBuf::new();
    crate::expr::append(&mut doc, name, value)?;
    Ok(doc)
}
