//! The accumulators of `$group`: what is parsed of each, and what one group knows so far.

use std::collections::HashSet;

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::several::{Keep, Several};
use crate::expr::{Deviation, Expr, Extreme, Sum, Value, append, wanted};
use crate::number::Number;
use crate::operators::{self, Kind};
use crate::{Collation, Context, MqlError, Result, Sort, key};

/// A parsed accumulator.
#[derive(Debug, Clone)]
pub(super) struct Accumulator {
    name: &'static str,
    /// For those that keep several values.
    count: usize,
    /// For those that keep what comes first or last in an order.
    sort: Option<Sort>,
    /// For percentiles.
    shares: Vec<f64>,
    collation: Option<Collation>,
}

pub(crate) const NAMES: &[&str] = &[
    "$sum",
    "$avg",
    "$min",
    "$max",
    "$first",
    "$last",
    "$push",
    "$addToSet",
    "$count",
    "$mergeObjects",
    "$stdDevPop",
    "$stdDevSamp",
    "$firstN",
    "$lastN",
    "$minN",
    "$maxN",
    "$top",
    "$topN",
    "$bottom",
    "$bottomN",
    "$median",
    "$percentile",
];

impl Accumulator {
    /// Whether there is an accumulator of this name.
    pub(super) fn has(name: &str) -> bool {
        NAMES.contains(&name)
    }

    /// An accumulator without arguments of its own.
    pub(super) fn plain(name: &'static str, collation: Option<Collation>) -> Self {
        Self { name, count: 1, sort: None, shares: Vec::new(), collation }
    }

    /// Parses `{operator: argument}`; also gives the expression of the values that it takes.
    pub(super) fn parse(
        operator: &str,
        argument: RawBsonRef<'_>,
        context: &Context,
    ) -> Result<(Self, Expr)> {
        let Some(name) = NAMES.iter().copied().find(|name| *name == operator) else {
            return Err(operators::refuse(Kind::Accumulator, operator, || {
                MqlError::new(15952, format!("unknown group operator '{operator}'"))
            }));
        };
        let mut parsed = Self::plain(name, context.collation.clone());
        let input = match name {
            "$count" => {
                if argument.as_document().is_none_or(|document| !document.is_empty()) {
                    return Err(MqlError::bad_value("$count takes no arguments, i.e. $count:{}"));
                }
                return Ok((parsed, Expr::Constant(RawBson::Null)));
            }
            "$firstN" | "$lastN" | "$minN" | "$maxN" => {
                let [n, input] = named(name, argument, ["n", "input"])?;
                parsed.count = constant_count(name, n, context)?;
                input
            }
            "$top" | "$bottom" => {
                let [sort, output] = named(name, argument, ["sortBy", "output"])?;
                parsed.sort = Some(order(name, sort, context)?);
                output
            }
            "$topN" | "$bottomN" => {
                let [n, sort, output] = named(name, argument, ["n", "sortBy", "output"])?;
                parsed.count = constant_count(name, n, context)?;
                parsed.sort = Some(order(name, sort, context)?);
                output
            }
            "$median" => {
                let [input, method] = named(name, argument, ["input", "method"])?;
                check_method(name, method)?;
                parsed.shares = vec![0.5];
                input
            }
            "$percentile" => {
                let [input, p, method] = named(name, argument, ["input", "p", "method"])?;
                check_method(name, method)?;
                parsed.shares = shares(p)?;
                input
            }
            _ => argument,
        };
        Ok((parsed, Expr::parse(input, context)?))
    }

    pub(super) fn start(&self) -> State {
        let collation = || self.collation.clone();
        let several = |keep| State::Several(Several::new(keep, self.count, self.single()));
        let sort = || self.sort.clone().unwrap_or_default();
        match self.name {
            "$sum" => State::Sum(Sum::default()),
            "$avg" => State::Avg(Sum::default()),
            "$min" => State::Extreme(Extreme::smallest(collation())),
            "$max" => State::Extreme(Extreme::largest(collation())),
            "$first" => State::First(None),
            "$last" => State::Last(RawBson::Null),
            "$push" => State::Push(RawArrayBuf::new()),
            "$addToSet" => State::Set(HashSet::new(), RawArrayBuf::new(), collation()),
            "$count" => State::Count(0),
            "$mergeObjects" => State::Merge(RawDocumentBuf::new()),
            "$stdDevPop" => State::Deviation(Deviation::default(), false),
            "$stdDevSamp" => State::Deviation(Deviation::default(), true),
            "$firstN" => several(Keep::First),
            "$lastN" => several(Keep::Last),
            "$minN" => several(Keep::Smallest(collation())),
            "$maxN" => several(Keep::Largest(collation())),
            "$top" | "$topN" => several(Keep::Top(sort())),
            "$bottom" | "$bottomN" => several(Keep::Bottom(sort())),
            _ => State::Percentiles(Vec::new(), self.shares.clone(), self.name == "$median"),
        }
    }

    /// Whether the result is a value and not an array of them.
    fn single(&self) -> bool {
        matches!(self.name, "$top" | "$bottom")
    }
}

/// The values of exactly these arguments.
fn named<'v, const N: usize>(
    operator: &str,
    argument: RawBsonRef<'v>,
    names: [&str; N],
) -> Result<[RawBsonRef<'v>; N]> {
    let Some(given) = argument.as_document() else {
        let message = format!("specification must be an object; found {operator}");
        return Err(MqlError::new(5_787_900, message));
    };
    for field in given {
        let (name, _) = field?;
        if !names.contains(&name.as_str()) {
            let message = format!("Unknown argument to {operator} '{}'", name.as_str());
            return Err(MqlError::new(5_787_901, message));
        }
    }
    let mut found = [RawBsonRef::Null; N];
    for (place, name) in found.iter_mut().zip(names) {
        let missing =
            || MqlError::new(5_787_906, format!("Missing value for '{name}' in {operator}"));
        *place = given.get(name)?.ok_or_else(missing)?;
    }
    Ok(found)
}

/// `n` may be computed, but not from documents.
fn constant_count(operator: &str, n: RawBsonRef<'_>, context: &Context) -> Result<usize> {
    let expr = Expr::parse(n, context)?;
    let nothing = RawDocumentBuf::new();
    wanted(operator, &expr.evaluate(&nothing)?)
}

fn order(operator: &str, sort: RawBsonRef<'_>, context: &Context) -> Result<Sort> {
    let Some(sort) = sort.as_document() else {
        let message = format!("expected 'sortBy' of {operator} to be an object");
        return Err(MqlError::new(10065, message));
    };
    Ok(Sort::parse(sort)?.collated(context.collation.clone()))
}

fn check_method(operator: &str, method: RawBsonRef<'_>) -> Result<()> {
    if method.as_str() == Some("approximate") {
        return Ok(());
    }
    let message = format!("{operator} only supports 'approximate' as the method");
    Err(MqlError::bad_value(message))
}

fn shares(value: RawBsonRef<'_>) -> Result<Vec<f64>> {
    let wrong = || MqlError::new(7_750_301, "'p' must be a non-empty array of numbers from 0 to 1");
    let array = value.as_array().filter(|array| !array.is_empty()).ok_or_else(wrong)?;
    let mut found = Vec::new();
    for share in array {
        let share = Number::of(share?).map(Number::to_f64);
        found.push(share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(wrong)?);
    }
    Ok(found)
}

/// What one accumulator of one group knows so far.
#[derive(Debug)]
pub(super) enum State {
    Sum(Sum),
    Avg(Sum),
    Extreme(Extreme),
    First(Option<RawBson>),
    Last(RawBson),
    Push(RawArrayBuf),
    Set(HashSet<Vec<u8>>, RawArrayBuf, Option<Collation>),
    Count(i64),
    Merge(RawDocumentBuf),
    Deviation(Deviation, bool),
    Several(Several),
    /// Numbers, the shares wanted, and whether one value is the result.
    Percentiles(Vec<f64>, Vec<f64>, bool),
}

impl State {
    /// Takes the value of a document in; gives the bytes that are held because of it.
    pub(super) fn add(&mut self, value: Value<'_>, doc: &RawDocument) -> Result<usize> {
        let before = self.single_bytes();
        let borrowed = value.get();
        match self {
            Self::Count(count) => *count += 1,
            Self::First(first) => {
                if first.is_none() {
                    *first = Some(value.into_raw().unwrap_or(RawBson::Null));
                }
            }
            Self::Last(last) => *last = value.into_raw().unwrap_or(RawBson::Null),
            Self::Merge(merged) => merge(merged, borrowed)?,
            Self::Several(several) => several.add(borrowed, doc)?,
            _ => {
                let added = borrowed.map_or(Ok(0), |value| self.take(value))?;
                return Ok(added + self.single_bytes().saturating_sub(before));
            }
        }
        Ok(self.single_bytes().saturating_sub(before))
    }

    /// The bytes of values of which not all are kept.
    fn single_bytes(&self) -> usize {
        match self {
            Self::First(first) => first.as_ref().map_or(0, size),
            Self::Last(last) => size(last),
            Self::Extreme(extreme) => extreme.best().map_or(0, size),
            Self::Merge(merged) => merged.as_bytes().len(),
            Self::Several(several) => several.bytes(),
            _ => 0,
        }
    }

    fn take(&mut self, value: RawBsonRef<'_>) -> Result<usize> {
        match self {
            Self::Sum(sum) | Self::Avg(sum) => {
                sum.add(value);
            }
            Self::Extreme(extreme) => extreme.add(value),
            Self::Deviation(deviation, _) => deviation.add(value),
            Self::Percentiles(numbers, ..) => {
                if let Some(number) = Number::of(value).filter(|number| !number.is_nan()) {
                    numbers.push(number.to_f64());
                    return Ok(size_of::<f64>());
                }
            }
            Self::Push(array) => {
                let before = array.as_bytes().len();
                array.push(value);
                return Ok(array.as_bytes().len() - before);
            }
            Self::Set(known, array, collation) => {
                let key = key::encode_in(value, collation.as_ref());
                let bytes = key.len();
                if known.insert(key) {
                    let before = array.as_bytes().len();
                    array.push(value);
                    return Ok(bytes + array.as_bytes().len() - before);
                }
            }
            _ => {}
        }
        Ok(0)
    }

    /// The accumulator's value.
    pub(super) fn finish(self) -> RawBson {
        let value = match self {
            Self::Sum(sum) => sum.total(),
            Self::Avg(sum) => sum.mean().unwrap_or(Value::NULL),
            Self::Extreme(extreme) => extreme.into_value(),
            Self::Deviation(deviation, sample) => deviation.value(sample),
            Self::First(first) => Value::Owned(first.unwrap_or(RawBson::Null)),
            Self::Last(last) => Value::Owned(last),
            Self::Push(array) | Self::Set(_, array, _) => Value::array(array),
            Self::Count(count) => Value::Owned(narrow(count)),
            Self::Merge(merged) => Value::document(merged),
            Self::Several(several) => Value::Owned(several.finish()),
            Self::Percentiles(numbers, shares, single) => percentiles(numbers, &shares, single),
        };
        value.into_raw().unwrap_or(RawBson::Null)
    }
}

/// The smallest number that at least this share of all numbers does not exceed.
fn percentiles<'e>(mut numbers: Vec<f64>, shares: &[f64], single: bool) -> Value<'e> {
    numbers.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let rank = (share * numbers.len() as f64).ceil().max(1.0) as usize;
        numbers.get(rank - 1).map_or(RawBson::Null, |number| RawBson::Double(*number))
    };
    if single {
        return Value::Owned(at(shares.first().copied().unwrap_or(0.5)));
    }
    Value::array(shares.iter().map(|share| at(*share)).collect())
}

/// The bytes of a value that can be large.
pub(super) fn size(value: &RawBson) -> usize {
    match value {
        RawBson::Document(doc) => doc.as_bytes().len(),
        RawBson::Array(array) => array.as_bytes().len(),
        RawBson::String(text) | RawBson::Symbol(text) => text.len(),
        RawBson::Binary(binary) => binary.bytes.len(),
        _ => 0,
    }
}

/// A count is a 32-bit integer as long as it fits.
pub(super) fn narrow(count: i64) -> RawBson {
    i32::try_from(count).map_or(RawBson::Int64(count), RawBson::Int32)
}

/// Fields of later documents replace those of earlier ones, in place.
fn merge(merged: &mut RawDocumentBuf, value: Option<RawBsonRef<'_>>) -> Result<()> {
    let new = match value {
        None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => return Ok(()),
        Some(RawBsonRef::Document(doc)) => doc,
        Some(_) => return Err(MqlError::new(40400, "$mergeObjects requires object inputs")),
    };
    let mut out = RawDocumentBuf::new();
    for field in merged.iter() {
        let (name, old) = field?;
        append(&mut out, name.as_str(), new.get(name.as_str())?.unwrap_or(old))?;
    }
    for field in new {
        let (name, value) = field?;
        if merged.get(name.as_str())?.is_none() {
            append(&mut out, name.as_str(), value)?;
        }
    }
    *merged = out;
    Ok(())
}
