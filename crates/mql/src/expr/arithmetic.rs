//! `$add`, `$subtract`, `$multiply`, `$divide`, `$mod`: int widens to long, long to double; a
//! decimal anywhere makes the result decimal.

use bson::RawBsonRef;

use super::decimal_math;
use super::sum::Sum;
use super::value::Value;
use crate::decimal::{Decimal, Finite};
use crate::number::Number;
use crate::{MqlError, Result};

/// An integer result: int if it may be one and fits, else long, else double.
pub(super) fn integer_value<'e>(value: i128, long: bool) -> Value<'e> {
    match (i32::try_from(value), i64::try_from(value)) {
        (Ok(small), _) if !long => Value::int(small),
        (_, Ok(wide)) => Value::Ref(RawBsonRef::Int64(wide)),
        _ => Value::double(value as f64),
    }
}

pub(super) fn decimal_value<'e>(value: Decimal) -> Value<'e> {
    Value::Ref(RawBsonRef::Decimal128(value.encode()))
}

pub(super) fn to_decimal(number: Number) -> Decimal {
    match number {
        Number::Int(v) => Decimal::Finite(Finite::of_int(v)),
        Number::Double(v) => decimal_math::from_f64(v),
        Number::Decimal(v) => v,
    }
}

fn is_long(value: &Value<'_>) -> bool {
    matches!(value.get(), Some(RawBsonRef::Int64(_)))
}

fn date_ms(value: &Value<'_>) -> Option<i64> {
    match value.get() {
        Some(RawBsonRef::DateTime(date)) => Some(date.timestamp_millis()),
        _ => None,
    }
}

pub(super) fn add<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut sum = Sum::default();
    let mut date = None;
    for arg in &args {
        match arg.get() {
            _ if arg.is_nullish() => return Ok(Value::NULL),
            Some(RawBsonRef::DateTime(value)) if date.is_none() => {
                date = Some(value.timestamp_millis());
            }
            Some(RawBsonRef::DateTime(_)) => {
                return Err(MqlError::new(16612, "only one date allowed in an $add expression"));
            }
            Some(value) if sum.add(value) => {}
            _ => {
                let message =
                    format!("$add only supports numeric or date types, not {}", arg.type_name());
                return Err(MqlError::type_mismatch(message));
            }
        }
    }
    match date {
        Some(start) => shifted(start, &sum.total()),
        None => Ok(sum.total()),
    }
}

/// A date moved by a number of milliseconds, rounded.
fn shifted<'e>(start: i64, by: &Value<'_>) -> Result<Value<'e>> {
    let overflow = || MqlError::new(crate::code::OVERFLOW, "date overflow");
    let by = match by.as_number() {
        Some(Number::Double(v)) => Number::Double(v.round()).truncated(),
        Some(other) => other.truncated(),
        None => None,
    };
    Ok(Value::date(by.and_then(|by| start.checked_add(by)).ok_or_else(overflow)?))
}

pub(super) fn subtract<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let (a, b) = (&args[0], &args[1]);
    if a.is_nullish() || b.is_nullish() {
        return Ok(Value::NULL);
    }
    if let Some(start) = date_ms(a) {
        if let Some(end) = date_ms(b) {
            return Ok(integer_value(i128::from(start) - i128::from(end), true));
        }
        if b.as_number().is_some() {
            let negated = subtract(vec![Value::int(0), b.clone()])?;
            return shifted(start, &negated);
        }
    }
    let (Some(x), Some(y)) = (a.as_number(), b.as_number()) else {
        let message = format!("can't $subtract {} from {}", b.type_name(), a.type_name());
        return Err(MqlError::type_mismatch(message));
    };
    Ok(match (x, y) {
        (Number::Int(x), Number::Int(y)) => {
            integer_value(i128::from(x) - i128::from(y), is_long(a) || is_long(b))
        }
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => {
            decimal_value(decimal_math::add(to_decimal(x), decimal_math::negate(to_decimal(y))))
        }
        _ => Value::double(x.to_f64() - y.to_f64()),
    })
}

pub(super) fn multiply<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut product = Value::int(1);
    for arg in &args {
        if arg.is_nullish() {
            return Ok(Value::NULL);
        }
        if arg.as_number().is_none() {
            let message = format!("$multiply only supports numeric types, not {}", arg.type_name());
            return Err(MqlError::type_mismatch(message));
        }
        product = times(&product, arg);
    }
    Ok(product)
}

/// The product of two numbers.
pub(super) fn times<'e>(a: &Value<'_>, b: &Value<'_>) -> Value<'e> {
    match (a.as_number(), b.as_number()) {
        (Some(Number::Int(x)), Some(Number::Int(y))) => {
            integer_value(i128::from(x) * i128::from(y), is_long(a) || is_long(b))
        }
        (Some(x), Some(y))
            if matches!(x, Number::Decimal(_)) || matches!(y, Number::Decimal(_)) =>
        {
            decimal_value(decimal_math::multiply(to_decimal(x), to_decimal(y)))
        }
        (Some(x), Some(y)) => Value::double(x.to_f64() * y.to_f64()),
        _ => Value::NULL,
    }
}

pub(super) fn divide<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let (a, b) = (&args[0], &args[1]);
    if a.is_nullish() || b.is_nullish() {
        return Ok(Value::NULL);
    }
    let (Some(x), Some(y)) = (a.as_number(), b.as_number()) else {
        let message = format!(
            "$divide only supports numeric types, not {} and {}",
            a.type_name(),
            b.type_name()
        );
        return Err(MqlError::type_mismatch(message));
    };
    if y.is_zero() {
        return Err(MqlError::bad_value("can't $divide by zero"));
    }
    Ok(match (x, y) {
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => {
            decimal_value(decimal_math::divide(to_decimal(x), to_decimal(y)))
        }
        _ => Value::double(x.to_f64() / y.to_f64()),
    })
}

pub(super) fn modulo<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let (a, b) = (&args[0], &args[1]);
    if a.is_nullish() || b.is_nullish() {
        return Ok(Value::NULL);
    }
    let (Some(x), Some(y)) = (a.as_number(), b.as_number()) else {
        let message = format!(
            "$mod only supports numeric types, not {} and {}",
            a.type_name(),
            b.type_name()
        );
        return Err(MqlError::new(16611, message));
    };
    if y.is_zero() {
        return Err(MqlError::new(16610, "can't $mod by zero"));
    }
    Ok(match (x, y) {
        (Number::Int(x), Number::Int(y)) => {
            integer_value(i128::from(x) % i128::from(y), is_long(a) || is_long(b))
        }
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => {
            decimal_value(decimal_math::remainder(to_decimal(x), to_decimal(y)))
        }
        _ => Value::double(x.to_f64() % y.to_f64()),
    })
}

/// What an update calculates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Multiply,
}

/// The result for two numbers; `None` when an integer result does not fit in 64 bits. Unlike
/// expressions, updates do not widen long to double.
pub(crate) fn calculate(
    operation: Operation,
    a: RawBsonRef<'_>,
    b: RawBsonRef<'_>,
) -> Option<bson::RawBson> {
    if let (Some(Number::Int(x)), Some(Number::Int(y))) = (Number::of(a), Number::of(b)) {
        let fits = match operation {
            Operation::Add => x.checked_add(y),
            Operation::Multiply => x.checked_mul(y),
        };
        fits?;
    }
    let (a, b) = (Value::Ref(a), Value::Ref(b));
    match operation {
        Operation::Add => add(vec![a, b]).ok()?.into_raw(),
        Operation::Multiply => times(&a, &b).into_raw(),
    }
}
