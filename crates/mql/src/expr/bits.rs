//! Bitwise operators on integers of both widths.

use bson::RawBsonRef;

use super::Value;
use crate::{MqlError, Result};

fn wrong(operator: &str, value: &Value<'_>) -> MqlError {
    let message =
        format!("{operator} only supports int and long operands, not {}", value.type_name());
    MqlError::type_mismatch(message)
}

/// Joins all arguments; a long makes the result a long, null makes it null.
fn join<'e>(
    operator: &str,
    args: &[Value<'e>],
    start: i64,
    step: fn(i64, i64) -> i64,
) -> Result<Value<'e>> {
    let (mut bits, mut long) = (start, false);
    for arg in args {
        match arg.get() {
            None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => return Ok(Value::NULL),
            Some(RawBsonRef::Int32(value)) => bits = step(bits, i64::from(value)),
            Some(RawBsonRef::Int64(value)) => {
                bits = step(bits, value);
                long = true;
            }
            Some(_) => return Err(wrong(operator, arg)),
        }
    }
    // Sign extension commutes with all of the operators.
    Ok(Value::Ref(if long { RawBsonRef::Int64(bits) } else { RawBsonRef::Int32(bits as i32) }))
}

pub(super) fn and<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    join("$bitAnd", &args, -1, |a, b| a & b)
}

pub(super) fn or<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    join("$bitOr", &args, 0, |a, b| a | b)
}

pub(super) fn xor<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    join("$bitXor", &args, 0, |a, b| a ^ b)
}

pub(super) fn not<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    match args[0].get() {
        None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => Ok(Value::NULL),
        Some(RawBsonRef::Int32(value)) => Ok(Value::Ref(RawBsonRef::Int32(!value))),
        Some(RawBsonRef::Int64(value)) => Ok(Value::Ref(RawBsonRef::Int64(!value))),
        Some(_) => Err(wrong("$bitNot", &args[0])),
    }
}
