//! The accumulators of `$group`.

use std::collections::HashSet;

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf};

use crate::expr::{Deviation, Extreme, Sum, Value, append};
use crate::operators::{Kind, is_refused};
use crate::{MqlError, Result, key};

/// Which accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accumulator {
    Sum,
    Avg,
    Min,
    Max,
    First,
    Last,
    Push,
    AddToSet,
    Count,
    MergeObjects,
    StdDevPop,
    StdDevSamp,
}

impl Accumulator {
    pub(super) fn by_name(name: &str) -> Result<Self> {
        Ok(match name {
            "$sum" => Self::Sum,
            "$avg" => Self::Avg,
            "$min" => Self::Min,
            "$max" => Self::Max,
            "$first" => Self::First,
            "$last" => Self::Last,
            "$push" => Self::Push,
            "$addToSet" => Self::AddToSet,
            "$count" => Self::Count,
            "$mergeObjects" => Self::MergeObjects,
            "$stdDevPop" => Self::StdDevPop,
            "$stdDevSamp" => Self::StdDevSamp,
            _ if is_refused(Kind::Accumulator, name) => {
                return Err(MqlError::not_implemented(name));
            }
            _ => return Err(MqlError::new(15952, format!("unknown group operator '{name}'"))),
        })
    }

    pub(super) fn start(self) -> State {
        match self {
            Self::Sum => State::Sum(Sum::default()),
            Self::Avg => State::Avg(Sum::default()),
            Self::Min => State::Extreme(Extreme::smallest()),
            Self::Max => State::Extreme(Extreme::largest()),
            Self::First => State::First(None),
            Self::Last => State::Last(RawBson::Null),
            Self::Push => State::Push(RawArrayBuf::new()),
            Self::AddToSet => State::Set(HashSet::new(), RawArrayBuf::new()),
            Self::Count => State::Count(0),
            Self::MergeObjects => State::Merge(RawDocumentBuf::new()),
            Self::StdDevPop => State::Deviation(Deviation::default(), false),
            Self::StdDevSamp => State::Deviation(Deviation::default(), true),
        }
    }
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
    Set(HashSet<Vec<u8>>, RawArrayBuf),
    Count(i64),
    Merge(RawDocumentBuf),
    Deviation(Deviation, bool),
}

impl State {
    /// Takes a value in; gives the bytes that are held because of it.
    pub(super) fn add(&mut self, value: Value<'_>) -> Result<usize> {
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
            _ => {
                let added = borrowed.map_or(Ok(0), |value| self.take(value))?;
                return Ok(added + self.single_bytes().saturating_sub(before));
            }
        }
        Ok(self.single_bytes().saturating_sub(before))
    }

    /// The bytes of the one value that is held, where one is.
    fn single_bytes(&self) -> usize {
        match self {
            Self::First(first) => first.as_ref().map_or(0, size),
            Self::Last(last) => size(last),
            Self::Extreme(extreme) => extreme.best().map_or(0, size),
            Self::Merge(merged) => merged.as_bytes().len(),
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
            Self::Push(array) => {
                let before = array.as_bytes().len();
                array.push(value);
                return Ok(array.as_bytes().len() - before);
            }
            Self::Set(known, array) => {
                let key = key::encode(value);
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
            Self::Push(array) | Self::Set(_, array) => Value::array(array),
            Self::Count(count) => Value::Owned(narrow(count)),
            Self::Merge(merged) => Value::document(merged),
        };
        value.into_raw().unwrap_or(RawBson::Null)
    }
}

/// The bytes of a value that can be large.
fn size(value: &RawBson) -> usize {
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
