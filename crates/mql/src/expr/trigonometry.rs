//! Trigonometry: functions of doubles. Decimals would need more digits and are refused.

use super::Value;
use super::rounding::{number, real};
use crate::{MqlError, Result};

/// A function without a limited domain.
macro_rules! functions {
    ($($name:ident, $operator:literal, $function:expr;)*) => {
        $(pub(super) fn $name<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
            real($operator, &args[0], |v| Ok($function(v)))
        })*
    };
}

functions! {
    sinh, "$sinh", f64::sinh;
    cosh, "$cosh", f64::cosh;
    tanh, "$tanh", f64::tanh;
    atan, "$atan", f64::atan;
    asinh, "$asinh", f64::asinh;
    degrees_to_radians, "$degreesToRadians", f64::to_radians;
    radians_to_degrees, "$radiansToDegrees", f64::to_degrees;
}

/// A function whose argument must lie in a range.
macro_rules! limited {
    ($($name:ident, $operator:literal, $function:expr, $allowed:expr, $range:literal;)*) => {
        $(pub(super) fn $name<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
            real($operator, &args[0], |v: f64| {
                if v.is_nan() || $allowed(v) {
                    return Ok($function(v));
                }
                let message = format!("cannot apply {} to {v}, value must be in {}", $operator, $range);
                Err(MqlError::new(50989, message))
            })
        })*
    };
}

limited! {
    sin, "$sin", f64::sin, |v: f64| v.is_finite(), "(-inf,inf)";
    cos, "$cos", f64::cos, |v: f64| v.is_finite(), "(-inf,inf)";
    tan, "$tan", f64::tan, |v: f64| v.is_finite(), "(-inf,inf)";
    asin, "$asin", f64::asin, |v: f64| v.abs() <= 1.0, "[-1,1]";
    acos, "$acos", f64::acos, |v: f64| v.abs() <= 1.0, "[-1,1]";
    acosh, "$acosh", f64::acosh, |v: f64| v >= 1.0, "[1,inf]";
    atanh, "$atanh", f64::atanh, |v: f64| v.abs() <= 1.0, "[-1,1]";
}

pub(super) fn atan2<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let Some(x) = number("$atan2", &args[1])? else { return Ok(Value::NULL) };
    real("$atan2", &args[0], |y| Ok(y.atan2(x.to_f64())))
}
