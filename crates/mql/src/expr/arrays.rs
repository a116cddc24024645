//! Arrays: size, elements, slices, ranges, joins.

use bson::{RawArray, RawArrayBuf, RawBsonRef};

use super::arithmetic::integer_value;
use super::value::{Value, check_size, elements};
use crate::compare::{compare, equal};
use crate::{MqlError, Result, Sort};

/// Elements that one expression may create out of nothing.
const RANGE_MAX: i64 = 1_000_000;

/// The array argument, or an error naming what was found.
fn array<'v>(value: &'v Value<'_>, code: i32, operator: &str) -> Result<&'v RawArray> {
    value.as_array().ok_or_else(|| {
        let found = value.type_name();
        MqlError::new(
            code,
            format!("The argument to {operator} must be an array, but was of type: {found}"),
        )
    })
}

pub(super) fn size<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let array = array(&args[0], 17124, "$size")?;
    Ok(Value::int(array.iter_elements().count() as i32))
}

pub(super) fn is_array<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    Ok(Value::boolean(args[0].as_array().is_some()))
}

fn at<'e>(value: Value<'e>, index: i64) -> Result<Value<'e>> {
    value.within(|array| {
        let mut items = array.into_iter();
        let found = if let Ok(index) = usize::try_from(index) {
            items.nth(index)
        } else {
            let length = array.iter_elements().count() as i64;
            let Ok(index) = usize::try_from(length + index) else { return Ok(None) };
            items.nth(index)
        };
        Ok(found.transpose()?)
    })
}

/// Takes the array out of the arguments; null answers null.
fn first_array<'e>(args: Vec<Value<'e>>, operator: &str) -> Result<Option<Value<'e>>> {
    let Some(value) = args.into_iter().next().filter(|value| !value.is_nullish()) else {
        return Ok(None);
    };
    if value.as_array().is_none() {
        let message =
            format!("{operator}'s argument must be an array, but is {}", value.type_name());
        return Err(MqlError::new(28689, message));
    }
    Ok(Some(value))
}

pub(super) fn array_elem_at<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args.iter().any(Value::is_nullish) {
        return Ok(Value::NULL);
    }
    let Some(index) = args[1].as_integer() else {
        let message = format!(
            "$arrayElemAt's second argument must be representable as a 32-bit integer, not {}",
            args[1].type_name()
        );
        return Err(MqlError::new(28691, message));
    };
    match first_array(args, "$arrayElemAt")? {
        Some(value) => at(value, index),
        None => Ok(Value::NULL),
    }
}

pub(super) fn first<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    first_array(args, "$first")?.map_or(Ok(Value::NULL), |value| at(value, 0))
}

pub(super) fn last<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    first_array(args, "$last")?.map_or(Ok(Value::NULL), |value| at(value, -1))
}

pub(super) fn contains<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let Some(array) = args[1].as_array() else {
        let found = args[1].type_name();
        let message = format!("$in requires an array as a second argument, found: {found}");
        return Err(MqlError::new(40081, message));
    };
    let Some(wanted) = args[0].get() else { return Ok(Value::boolean(false)) };
    Ok(Value::boolean(elements(array)?.into_iter().any(|element| equal(element, wanted))))
}

pub(super) fn concat_arrays<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut out = RawArrayBuf::new();
    for arg in &args {
        if arg.is_nullish() {
            return Ok(Value::NULL);
        }
        let Some(array) = arg.as_array() else {
            let message = format!("$concatArrays only supports arrays, not {}", arg.type_name());
            return Err(MqlError::new(28664, message));
        };
        for element in array {
            out.push(element?);
            check_size(out.as_bytes().len())?;
        }
    }
    Ok(Value::array(out))
}

pub(super) fn slice<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args.iter().any(Value::is_nullish) {
        return Ok(Value::NULL);
    }
    let Some(array) = args[0].as_array() else {
        let found = args[0].type_name();
        let message = format!("First argument to $slice must be an array, but is of type: {found}");
        return Err(MqlError::new(28724, message));
    };
    let number = |value: &Value<'_>| {
        value.as_integer().ok_or_else(|| {
            let message = "Arguments to $slice must be representable as 32-bit integers";
            MqlError::new(28726, message)
        })
    };
    let (position, count) = match args.len() {
        2 => (None, number(&args[1])?),
        _ => (Some(number(&args[1])?), number(&args[2])?),
    };
    if position.is_some() && count <= 0 {
        return Err(MqlError::new(28729, "Third argument to $slice must be positive"));
    }
    sliced(array, position, count).map(Value::array)
}

/// `count` elements from `position`; without a position, from the front or, negative, the back.
pub(crate) fn sliced(array: &RawArray, position: Option<i64>, count: i64) -> Result<RawArrayBuf> {
    let items = elements(array)?;
    let length = items.len() as i64;
    let (start, end) = match position {
        None if count >= 0 => (0, count),
        None => (length.saturating_add(count).max(0), length),
        Some(position) if position >= 0 => (position, position.saturating_add(count)),
        Some(position) => {
            let start = length.saturating_add(position).max(0);
            (start, start.saturating_add(count))
        }
    };
    let (start, end) = (start.min(length) as usize, end.min(length) as usize);
    Ok(items[start..end.max(start)].iter().copied().collect())
}

pub(super) fn reverse_array<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args[0].is_nullish() {
        return Ok(Value::NULL);
    }
    let array = array(&args[0], 34435, "$reverseArray")?;
    Ok(Value::array(elements(array)?.into_iter().rev().collect()))
}

pub(super) fn range<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut parts = [0, 0, 1];
    for (index, (part, arg)) in parts.iter_mut().zip(&args).enumerate() {
        let code = [34443, 34445, 34447][index];
        let fits = |n: &i64| i32::try_from(*n).is_ok();
        *part = arg.as_integer().filter(fits).ok_or_else(|| {
            MqlError::new(code, "$range requires arguments that are 32-bit integers")
        })?;
    }
    let [start, end, step] = parts;
    if step == 0 {
        return Err(MqlError::new(34449, "$range requires a non-zero step value"));
    }
    let count = (end - start + step - step.signum()) / step;
    if count > RANGE_MAX {
        let message = format!("$range of {count} elements exceeds the limit of {RANGE_MAX}");
        return Err(MqlError::new(crate::code::MEMORY_LIMIT, message));
    }
    let items =
        (0..count.max(0)).map(|index| integer_value(i128::from(start + index * step), false));
    let mut out = RawArrayBuf::new();
    for item in items {
        if let Some(item) = item.get() {
            out.push(item);
        }
    }
    Ok(Value::array(out))
}

pub(super) fn index_of_array<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args[0].is_nullish() {
        return Ok(Value::NULL);
    }
    let items = elements(array(&args[0], 40090, "$indexOfArray")?)?;
    let Some((start, end)) = super::strings::bounds("$indexOfArray", &args, items.len())? else {
        return Ok(Value::int(-1));
    };
    let Some(wanted) = args[1].get() else { return Ok(Value::int(-1)) };
    let found = items[start..end].iter().position(|element| equal(*element, wanted));
    Ok(Value::int(found.map_or(-1, |index| (index + start) as i32)))
}

/// `$zip {inputs, useLongestLength, defaults}`.
pub(super) fn zip<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let Some(inputs) = args[0].as_array() else {
        return Err(MqlError::new(34461, "inputs must be an array of expressions"));
    };
    let longest = args[1].is_truthy();
    let mut lists = Vec::new();
    for input in elements(inputs)? {
        match input {
            RawBsonRef::Array(array) => lists.push(elements(array)?),
            RawBsonRef::Null | RawBsonRef::Undefined => return Ok(Value::NULL),
            _ => return Err(MqlError::new(34468, "$zip found a non-array expression in input")),
        }
    }
    let defaults = match args[2].as_array() {
        Some(defaults) => elements(defaults)?,
        None => Vec::new(),
    };
    if !defaults.is_empty() && (!longest || defaults.len() != lists.len()) {
        let message = "defaults and inputs must have the same length, and need useLongestLength";
        return Err(MqlError::new(34467, message));
    }
    let lengths = lists.iter().map(Vec::len);
    let count = if longest { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let row = |index: usize| -> RawArrayBuf {
        lists
            .iter()
            .enumerate()
            .map(|(column, list)| {
                let default = defaults.get(column).copied().unwrap_or(RawBsonRef::Null);
                list.get(index).copied().unwrap_or(default)
            })
            .collect()
    };
    Ok(Value::array((0..count).map(row).collect()))
}

/// `$sortArray {input, sortBy}`: by the elements themselves or by their fields.
pub(super) fn sort_array<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    if args[0].is_nullish() {
        return Ok(Value::NULL);
    }
    let array = array(&args[0], 2942504, "$sortArray")?;
    let mut items = elements(array)?;
    match args[1].get() {
        Some(RawBsonRef::Document(spec)) => {
            let sort = Sort::parse(spec)?;
            let mut keyed = Vec::with_capacity(items.len());
            for item in items {
                keyed.push((sort.element_key(item)?, item));
            }
            keyed.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(Value::array(keyed.into_iter().map(|(_, item)| item).collect()))
        }
        _ => {
            let direction = args[1].as_integer();
            items.sort_by(|a, b| match direction {
                Some(-1) => compare(*b, *a),
                _ => compare(*a, *b),
            });
            match direction {
                Some(1 | -1) => Ok(Value::array(items.into_iter().collect())),
                _ => Err(MqlError::new(2942507, "sortBy must be 1, -1 or a sort specification")),
            }
        }
    }
}
