//! The N-family: `$firstN`, `$lastN`, `$minN`, `$maxN` of an array.

use bson::RawBsonRef;

use super::Value;
use super::value::elements;
use crate::compare::compare;
use crate::{MqlError, Result};

/// The elements and how many of them are wanted.
fn arguments<'v>(operator: &str, args: &'v [Value<'_>]) -> Result<(Vec<RawBsonRef<'v>>, usize)> {
    let count = wanted(operator, &args[0])?;
    let Some(array) = args[1].as_array() else {
        let found = args[1].type_name();
        let message = format!("{operator} needs an array as its input, found {found}");
        return Err(MqlError::new(5_788_200, message));
    };
    Ok((elements(array)?, count))
}

/// The `n` of an operator: a whole number above zero.
pub(crate) fn wanted(operator: &str, value: &Value<'_>) -> Result<usize> {
    match value.as_integer() {
        Some(count) if count > 0 => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        Some(count) => {
            let message = format!("'n' must be greater than 0, found {count} for {operator}");
            Err(MqlError::new(5_787_908, message))
        }
        None => {
            let message = format!("Value for 'n' must be of integral type for {operator}");
            Err(MqlError::new(5_787_902, message))
        }
    }
}

pub(super) fn first_n<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let (items, count) = arguments("$firstN", &args)?;
    Ok(Value::array(items.into_iter().take(count).collect()))
}

pub(super) fn last_n<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let (items, count) = arguments("$lastN", &args)?;
    let skip = items.len().saturating_sub(count);
    Ok(Value::array(items.into_iter().skip(skip).collect()))
}

/// Null and missing values are not compared.
fn extremes<'e>(operator: &str, args: &[Value<'e>], descending: bool) -> Result<Value<'e>> {
    let (mut items, count) = arguments(operator, args)?;
    items.retain(|item| !matches!(item, RawBsonRef::Null | RawBsonRef::Undefined));
    items.sort_by(|a, b| if descending { compare(*b, *a) } else { compare(*a, *b) });
    Ok(Value::array(items.into_iter().take(count).collect()))
}

pub(super) fn min_n<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    extremes("$minN", &args, false)
}

pub(super) fn max_n<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    extremes("$maxN", &args, true)
}
