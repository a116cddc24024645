//! `$inc`, `$mul` and `$bit`: integers widen to 64 bits, anything with a double is a double.

use bson::{RawBson, RawBsonRef};

use crate::{MqlError, Result};

/// What is done with two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Multiply,
}

impl Arithmetic {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "$inc",
            Self::Multiply => "$mul",
        }
    }

    fn integers(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Multiply => a.checked_mul(b),
        }
    }

    fn doubles(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Multiply => a * b,
        }
    }
}

/// Whether an operand is a number that this product can calculate with.
pub(super) fn check(name: &str, operand: RawBsonRef<'_>) -> Result<()> {
    match operand {
        RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Double(_) => Ok(()),
        RawBsonRef::Decimal128(_) => Err(MqlError::not_implemented(format!("{name} of a decimal"))),
        _ => {
            let message = format!("Cannot {name} with non-numeric argument");
            Err(MqlError::type_mismatch(message))
        }
    }
}

/// The result; a field that is not there counts as zero.
pub(super) fn apply(
    arithmetic: Arithmetic,
    old: Option<RawBsonRef<'_>>,
    operand: RawBsonRef<'_>,
) -> Result<RawBson> {
    let name = arithmetic.name();
    let Some(old) = old else {
        return Ok(match (arithmetic, operand) {
            (Arithmetic::Add, operand) => operand.into(),
            (Arithmetic::Multiply, RawBsonRef::Double(_)) => RawBson::Double(0.0),
            (Arithmetic::Multiply, RawBsonRef::Int64(_)) => RawBson::Int64(0),
            (Arithmetic::Multiply, _) => RawBson::Int32(0),
        });
    };
    if let RawBsonRef::Decimal128(_) = old {
        return Err(MqlError::not_implemented(format!("{name} of a decimal")));
    }
    match (integer(old), integer(operand)) {
        (Some(a), Some(b)) => {
            let sum = arithmetic.integers(a, b).ok_or_else(|| {
                MqlError::bad_value(format!("Failed to apply {name} operations: integer overflow"))
            })?;
            let is_short = matches!((old, operand), (RawBsonRef::Int32(_), RawBsonRef::Int32(_)));
            Ok(match i32::try_from(sum) {
                Ok(short) if is_short => RawBson::Int32(short),
                _ => RawBson::Int64(sum),
            })
        }
        _ => match (double(old), double(operand)) {
            (Some(a), Some(b)) => Ok(RawBson::Double(arithmetic.doubles(a, b))),
            _ => {
                let kind = crate::types::name_of(old);
                let message = format!("Cannot apply {name} to a value of non-numeric type {kind}");
                Err(MqlError::type_mismatch(message))
            }
        },
    }
}

pub(super) fn integer(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(value) => Some(i64::from(value)),
        RawBsonRef::Int64(value) => Some(value),
        _ => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "as MongoDB: a long beside a double becomes a double"
)]
fn double(value: RawBsonRef<'_>) -> Option<f64> {
    match value {
        RawBsonRef::Double(value) => Some(value),
        other => integer(other).map(|value| value as f64),
    }
}
