//! Functions of one number: `$abs`, rounding, roots, logarithms, powers.

use bson::RawBsonRef;

use super::arithmetic::{decimal_value, integer_value};
use super::decimal_math::{Rounding, round_to};
use super::value::Value;
use crate::decimal::{Decimal, Finite};
use crate::number::Number;
use crate::{MqlError, Result};

/// The single numeric argument, or the null to answer.
pub(super) fn number(operator: &str, arg: &Value<'_>) -> Result<Option<Number>> {
    if arg.is_nullish() {
        return Ok(None);
    }
    arg.as_number().map(Some).ok_or_else(|| {
        let message = format!("{operator} only supports numeric types, not {}", arg.type_name());
        MqlError::new(28765, message)
    })
}

fn is_long(value: &Value<'_>) -> bool {
    matches!(value.get(), Some(RawBsonRef::Int64(_)))
}

pub(super) fn abs<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    Ok(match number("$abs", &args[0])? {
        None => Value::NULL,
        Some(Number::Int(i64::MIN)) => {
            return Err(MqlError::new(28680, "can't take $abs of long long min"));
        }
        Some(Number::Int(v)) => integer_value(i128::from(v.abs()), is_long(&args[0])),
        Some(Number::Double(v)) => Value::double(v.abs()),
        Some(Number::Decimal(Decimal::Finite(n))) => {
            decimal_value(Decimal::Finite(Finite { negative: false, ..n }))
        }
        Some(Number::Decimal(Decimal::Infinity { .. })) => {
            decimal_value(Decimal::Infinity { negative: false })
        }
        Some(Number::Decimal(nan)) => decimal_value(nan),
    })
}

fn whole<'e>(
    operator: &str,
    args: Vec<Value<'e>>,
    of_double: fn(f64) -> f64,
    rounding: Rounding,
) -> Result<Value<'e>> {
    Ok(match number(operator, &args[0])? {
        None => Value::NULL,
        Some(Number::Int(_)) => args.into_iter().next().unwrap_or(Value::NULL),
        Some(Number::Double(v)) => Value::double(of_double(v)),
        Some(Number::Decimal(v)) => decimal_value(round_to(v, 0, rounding)),
    })
}

pub(super) fn ceil<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    whole("$ceil", args, f64::ceil, Rounding::Ceiling)
}

pub(super) fn floor<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    whole("$floor", args, f64::floor, Rounding::Floor)
}

pub(super) fn round<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    to_places("$round", args, Rounding::HalfEven)
}

pub(super) fn trunc<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    to_places("$trunc", args, Rounding::Truncate)
}

/// Rounds to a number of decimal places, half to even; the type stays.
fn to_places<'e>(operator: &str, args: Vec<Value<'e>>, rounding: Rounding) -> Result<Value<'e>> {
    let Some(value) = number(operator, &args[0])? else { return Ok(Value::NULL) };
    let places = match args.get(1) {
        None => 0,
        Some(places) if places.is_nullish() => return Ok(Value::NULL),
        Some(places) => match places.as_integer() {
            Some(places) if (-20..=100).contains(&places) => places as i32,
            Some(_) => {
                let message =
                    format!("cannot apply {operator} with precision value outside -20..100");
                return Err(MqlError::new(51083, message));
            }
            None => {
                let message = format!("precision argument to {operator} must be an integral value");
                return Err(MqlError::new(51082, message));
            }
        },
    };
    Ok(match value {
        Number::Int(_) if places >= 0 => args.into_iter().next().unwrap_or(Value::NULL),
        Number::Int(v) => {
            let exact = round_to(Decimal::Finite(Finite::of_int(v)), places, rounding);
            integer_value(integer_of(exact), is_long(&args[0]))
        }
        Number::Double(v) => Value::double(round_double(v, places, rounding)),
        Number::Decimal(v) => decimal_value(round_to(v, places, rounding)),
    })
}

fn integer_of(value: Decimal) -> i128 {
    let Decimal::Finite(n) = value else { return 0 };
    let magnitude = n.coefficient as i128 * 10i128.pow(n.exponent.max(0) as u32);
    if n.negative { -magnitude } else { magnitude }
}

/// Rounds the exact decimal expansion of a double, so that 2.675 (which is a little less) rounds
/// down.
fn round_double(value: f64, places: i32, rounding: Rounding) -> f64 {
    if !value.is_finite() {
        return value;
    }
    if places == 0 {
        return match rounding {
            Rounding::HalfEven => value.round_ties_even(),
            _ => value.trunc(),
        };
    }
    if places < 0 {
        let scale = 10f64.powi(-places);
        let scaled = value / scale;
        let rounded = match rounding {
            Rounding::HalfEven => scaled.round_ties_even(),
            _ => scaled.trunc(),
        };
        return rounded * scale;
    }
    let text = match rounding {
        Rounding::HalfEven => format!("{value:.*}", places as usize),
        _ => cut_expansion(value, places as usize),
    };
    text.parse().unwrap_or(value)
}

/// The exact expansion of a double, cut behind a number of places.
fn cut_expansion(value: f64, places: usize) -> String {
    let exact = format!("{value:.1080}");
    let end = exact.find('.').map_or(exact.len(), |dot| (dot + 1 + places).min(exact.len()));
    exact[..end].to_owned()
}

pub(super) fn sqrt<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let check = |v: f64| {
        if v < 0.0 {
            let message = "$sqrt's argument must be greater than or equal to 0";
            return Err(MqlError::new(28714, message));
        }
        Ok(v.sqrt())
    };
    real("$sqrt", &args[0], check)
}

pub(super) fn exp<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    real("$exp", &args[0], |v| Ok(v.exp()))
}

pub(super) fn ln<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    real("$ln", &args[0], |v| positive("$ln", 28766, v).map(f64::ln))
}

pub(super) fn log10<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    real("$log10", &args[0], |v| positive("$log10", 28761, v).map(f64::log10))
}

pub(super) fn log<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let Some(base) = number("$log", &args[1])? else { return Ok(Value::NULL) };
    let base = base.to_f64();
    if base <= 0.0 || base == 1.0 {
        let message = "$log's base must be a positive number not equal to 1";
        return Err(MqlError::new(28759, message));
    }
    real("$log", &args[0], |v| positive("$log", 28758, v).map(|v| v.ln() / base.ln()))
}

fn positive(operator: &str, code: i32, value: f64) -> Result<f64> {
    if value > 0.0 || value.is_nan() {
        return Ok(value);
    }
    Err(MqlError::new(code, format!("{operator}'s argument must be a positive number")))
}

/// A function of doubles; the same of decimals needs more digits and is refused.
pub(super) fn real<'e>(
    operator: &str,
    arg: &Value<'_>,
    function: impl Fn(f64) -> Result<f64>,
) -> Result<Value<'e>> {
    match number(operator, arg)? {
        None => Ok(Value::NULL),
        Some(Number::Decimal(_)) => {
            Err(MqlError::not_implemented(format!("{operator} of a decimal")))
        }
        Some(value) => Ok(Value::double(function(value.to_f64())?)),
    }
}

pub(super) fn pow<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let base = number("$pow", &args[0])?;
    let exponent = number("$pow", &args[1])?;
    let (Some(base), Some(exponent)) = (base, exponent) else { return Ok(Value::NULL) };
    if base.is_zero() && exponent.to_f64() < 0.0 {
        return Err(MqlError::new(28764, "$pow cannot take a base of 0 and a negative exponent"));
    }
    match (base, exponent) {
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => {
            Err(MqlError::not_implemented("$pow of a decimal"))
        }
        (Number::Int(base), Number::Int(exponent)) if exponent >= 0 => {
            let long = is_long(&args[0]) || is_long(&args[1]);
            let exact = u32::try_from(exponent).ok().and_then(|e| i128::from(base).checked_pow(e));
            Ok(match exact {
                Some(value) => integer_value(value, long),
                None => Value::double((base as f64).powf(exponent as f64)),
            })
        }
        _ => Ok(Value::double(base.to_f64().powf(exponent.to_f64()))),
    }
}
