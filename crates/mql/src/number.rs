//! The four numeric types as one: exact comparison, and conversions that lose nothing silently.

use std::cmp::Ordering;

use bson::RawBsonRef;

use crate::decimal::{Decimal, Finite};

/// 2^63, the first double above every `i64`.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// A number of any BSON type; 32-bit integers are widened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Double(f64),
    Decimal(Decimal),
}

impl Number {
    /// The number in a value, if it is one.
    pub(crate) fn of(value: RawBsonRef<'_>) -> Option<Self> {
        match value {
            RawBsonRef::Int32(v) => Some(Self::Int(i64::from(v))),
            RawBsonRef::Int64(v) => Some(Self::Int(v)),
            RawBsonRef::Double(v) => Some(Self::Double(v)),
            RawBsonRef::Decimal128(v) => Some(Self::Decimal(Decimal::decode(v))),
            _ => None,
        }
    }

    pub(crate) fn is_nan(self) -> bool {
        match self {
            Self::Int(_) => false,
            Self::Double(v) => v.is_nan(),
            Self::Decimal(v) => v == Decimal::NaN,
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        match self {
            Self::Int(v) => v == 0,
            Self::Double(v) => v == 0.0,
            Self::Decimal(Decimal::Finite(v)) => v.is_zero(),
            Self::Decimal(_) => false,
        }
    }

    /// The nearest double.
    pub(crate) fn to_f64(self) -> f64 {
        match self {
            Self::Int(v) => v as f64,
            Self::Double(v) => v,
            Self::Decimal(v) => v.to_f64(),
        }
    }

    /// The integer part, towards zero, if it fits in 64 bits.
    pub(crate) fn truncated(self) -> Option<i64> {
        match self {
            Self::Int(v) => Some(v),
            Self::Double(v) => truncate_double(v),
            Self::Decimal(Decimal::Finite(v)) => truncate_decimal(v),
            Self::Decimal(_) => None,
        }
    }

    /// The integer this is exactly, if it is one that fits in 64 bits.
    pub(crate) fn as_integer(self) -> Option<i64> {
        let whole = self.truncated()?;
        (compare(self, Self::Int(whole)) == Ordering::Equal).then_some(whole)
    }
}

fn truncate_double(value: f64) -> Option<i64> {
    (-TWO_TO_63..TWO_TO_63).contains(&value).then_some(value as i64)
}

fn truncate_decimal(value: Finite) -> Option<i64> {
    let magnitude = match value.exponent {
        e if e >= 0 => {
            if value.is_zero() {
                return Some(0);
            }
            value.coefficient.checked_mul(10u128.checked_pow(e as u32)?)?
        }
        e => 10u128.checked_pow(e.unsigned_abs()).map_or(0, |scale| value.coefficient / scale),
    };
    let signed = i128::try_from(magnitude).ok()?;
    i64::try_from(if value.negative { -signed } else { signed }).ok()
}

/// The order of two numbers by mathematical value. NaN equals NaN and is smaller than all others.
pub(crate) fn compare(a: Number, b: Number) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        (false, false) => {}
    }
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a.cmp(&b),
        (Number::Double(a), Number::Double(b)) => doubles(a, b),
        (Number::Int(a), Number::Double(b)) => int_double(a, b),
        (Number::Double(a), Number::Int(b)) => int_double(b, a).reverse(),
        (Number::Decimal(a), Number::Decimal(b)) => decimals(a, b),
        (Number::Decimal(a), Number::Int(b)) => decimals(a, Decimal::Finite(Finite::of_int(b))),
        (Number::Int(a), Number::Decimal(b)) => decimals(Decimal::Finite(Finite::of_int(a)), b),
        (Number::Decimal(a), Number::Double(b)) => decimal_double(a, b),
        (Number::Double(a), Number::Decimal(b)) => decimal_double(b, a).reverse(),
    }
}

/// NaN was ruled out before.
fn doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

fn int_double(int: i64, double: f64) -> Ordering {
    if double >= TWO_TO_63 {
        return Ordering::Less;
    }
    if double < -TWO_TO_63 {
        return Ordering::Greater;
    }
    int.cmp(&(double.trunc() as i64)).then_with(|| doubles(0.0, double.fract()))
}

fn decimals(a: Decimal, b: Decimal) -> Ordering {
    match (a, b) {
        (Decimal::Finite(a), Decimal::Finite(b)) => a.compare(b),
        _ => doubles(infinity_rank(a), infinity_rank(b)),
    }
}

fn decimal_double(decimal: Decimal, double: f64) -> Ordering {
    match decimal {
        Decimal::Finite(finite) => finite.compare_f64(double),
        infinite => doubles(infinite.to_f64(), double),
    }
}

/// Infinities around every finite number, which all rank as zero.
fn infinity_rank(value: Decimal) -> f64 {
    match value {
        Decimal::Finite(_) => 0.0,
        other => other.to_f64(),
    }
}
