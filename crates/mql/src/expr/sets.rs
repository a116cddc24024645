//! Arrays as sets: order and repetition do not count.

use std::collections::BTreeMap;

use bson::{RawArrayBuf, RawBsonRef};

use super::value::{Value, elements};
use crate::{MqlError, Result, key, types};

/// The elements of an array, once each, in their order.
type Set<'v> = BTreeMap<Vec<u8>, RawBsonRef<'v>>;

fn set<'v>(value: &'v Value<'_>, code: i32, operator: &str) -> Result<Set<'v>> {
    let Some(array) = value.as_array() else {
        let message =
            format!("All operands of {operator} must be arrays. One was {}", value.type_name());
        return Err(MqlError::new(code, message));
    };
    let mut out = Set::new();
    for element in elements(array)? {
        out.entry(key::encode(element)).or_insert(element);
    }
    Ok(out)
}

fn collected<'e>(set: Set<'_>) -> Value<'e> {
    Value::array(set.into_values().collect::<RawArrayBuf>())
}

pub(super) fn union<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut all = Set::new();
    for arg in &args {
        if arg.is_nullish() {
            return Ok(Value::NULL);
        }
        for (key, value) in set(arg, 17043, "$setUnion")? {
            all.entry(key).or_insert(value);
        }
    }
    Ok(collected(all))
}

pub(super) fn intersection<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut shared: Option<Set<'_>> = None;
    for arg in &args {
        if arg.is_nullish() {
            return Ok(Value::NULL);
        }
        let mut next = set(arg, 17047, "$setIntersection")?;
        if let Some(before) = &shared {
            next.retain(|key, _| before.contains_key(key));
        }
        shared = Some(next);
    }
    Ok(collected(shared.unwrap_or_default()))
}

pub(super) fn difference<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args.iter().any(Value::is_nullish) {
        return Ok(Value::NULL);
    }
    let mut left = set(&args[0], 17048, "$setDifference")?;
    let right = set(&args[1], 17049, "$setDifference")?;
    left.retain(|key, _| !right.contains_key(key));
    Ok(collected(left))
}

pub(super) fn equals<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let first = set(&args[0], 17044, "$setEquals")?;
    for arg in &args[1..] {
        let other = set(arg, 17044, "$setEquals")?;
        if !first.keys().eq(other.keys()) {
            return Ok(Value::boolean(false));
        }
    }
    Ok(Value::boolean(true))
}

pub(super) fn is_subset<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let left = set(&args[0], 17046, "$setIsSubset")?;
    let right = set(&args[1], 17042, "$setIsSubset")?;
    Ok(Value::boolean(left.keys().all(|key| right.contains_key(key))))
}

fn truths(value: &Value<'_>, code: i32, operator: &str) -> Result<Vec<bool>> {
    let Some(array) = value.as_array() else {
        let message =
            format!("{operator}'s argument must be an array, but is {}", value.type_name());
        return Err(MqlError::new(code, message));
    };
    Ok(elements(array)?.into_iter().map(types::is_truthy).collect())
}

pub(super) fn all_elements_true<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let truths = truths(&args[0], 17040, "$allElementsTrue")?;
    Ok(Value::boolean(truths.into_iter().all(|truth| truth)))
}

pub(super) fn any_element_true<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let truths = truths(&args[0], 17041, "$anyElementTrue")?;
    Ok(Value::boolean(truths.into_iter().any(|truth| truth)))
}
