//! Decimal128 arithmetic: exact results rounded half to even to 34 digits.

use crate::decimal::{COEFFICIENT_LIMIT, Decimal, Finite};

/// A decimal digit string with its sign and exponent, of any length; digits are most significant
/// first.
struct Long {
    negative: bool,
    digits: Vec<u8>,
    exponent: i32,
    /// Whether non-zero digits follow that are not kept.
    sticky: bool,
}

/// Further apart than this, the smaller number only decides the direction of rounding.
const APART_MAX: i32 = 80;

pub(crate) fn add(a: Decimal, b: Decimal) -> Decimal {
    match (a, b) {
        (Decimal::Finite(a), Decimal::Finite(b)) => add_finite(a, b),
        (Decimal::NaN, _) | (_, Decimal::NaN) => Decimal::NaN,
        (Decimal::Infinity { negative: x }, Decimal::Infinity { negative: y }) if x != y => {
            Decimal::NaN
        }
        (Decimal::Infinity { negative }, _) | (_, Decimal::Infinity { negative }) => {
            Decimal::Infinity { negative }
        }
    }
}

pub(crate) fn negate(value: Decimal) -> Decimal {
    match value {
        Decimal::NaN => Decimal::NaN,
        Decimal::Infinity { negative } => Decimal::Infinity { negative: !negative },
        Decimal::Finite(n) => Decimal::Finite(Finite { negative: !n.negative, ..n }),
    }
}

pub(crate) fn multiply(a: Decimal, b: Decimal) -> Decimal {
    let zero = |d: Decimal| matches!(d, Decimal::Finite(n) if n.is_zero());
    match (a, b) {
        (Decimal::NaN, _) | (_, Decimal::NaN) => Decimal::NaN,
        (Decimal::Finite(a), Decimal::Finite(b)) => {
            let digits = times(&digits_of(a.coefficient), &digits_of(b.coefficient));
            let exponent = a.exponent + b.exponent;
            let negative = a.negative != b.negative;
            rounded(Long { negative, digits, exponent, sticky: false })
        }
        _ if zero(a) || zero(b) => Decimal::NaN,
        _ => Decimal::Infinity { negative: is_negative(a) != is_negative(b) },
    }
}

/// The quotient; dividing by zero is the caller's error.
pub(crate) fn divide(a: Decimal, b: Decimal) -> Decimal {
    let negative = is_negative(a) != is_negative(b);
    match (a, b) {
        (Decimal::Finite(a), Decimal::Finite(b)) if !b.is_zero() => quotient(a, b, negative),
        (Decimal::Finite(_), Decimal::Infinity { .. }) => {
            Decimal::Finite(Finite { negative, coefficient: 0, exponent: 0 })
        }
        (Decimal::Infinity { .. }, Decimal::Finite(_)) => Decimal::Infinity { negative },
        _ => Decimal::NaN,
    }
}

/// The remainder with the sign of the dividend.
pub(crate) fn remainder(a: Decimal, b: Decimal) -> Decimal {
    match (a, b) {
        (Decimal::Finite(a), Decimal::Finite(b)) if !b.is_zero() => remainder_finite(a, b),
        (Decimal::Finite(_), Decimal::Infinity { .. }) => a,
        _ => Decimal::NaN,
    }
}

/// A double as a decimal of 15 digits, as MongoDB converts.
pub(crate) fn from_f64(value: f64) -> Decimal {
    if value.is_nan() {
        return Decimal::NaN;
    }
    if value.is_infinite() {
        return Decimal::Infinity { negative: value < 0.0 };
    }
    let text = format!("{:.14e}", value.abs());
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let coefficient = digits.replace('.', "").parse().unwrap_or(0);
    let exponent = exponent.parse::<i32>().unwrap_or(0) - 14;
    let exact = Finite { negative: value < 0.0, coefficient, exponent }.stripped();
    Decimal::Finite(Finite { negative: value.is_sign_negative(), ..exact })
}

fn is_negative(value: Decimal) -> bool {
    match value {
        Decimal::NaN => false,
        Decimal::Infinity { negative } => negative,
        Decimal::Finite(n) => n.negative,
    }
}

fn digits_of(coefficient: u128) -> Vec<u8> {
    coefficient.to_string().bytes().map(|b| b - b'0').collect()
}

fn times(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut columns = vec![0u32; a.len() + b.len()];
    for (i, x) in a.iter().rev().enumerate() {
        for (j, y) in b.iter().rev().enumerate() {
            columns[i + j] += u32::from(*x) * u32::from(*y);
        }
    }
    carry(columns)
}

/// Columns of sums, least significant first, to digits, most significant first.
fn carry(columns: Vec<u32>) -> Vec<u8> {
    let mut over = 0;
    let mut out: Vec<u8> = columns
        .into_iter()
        .map(|column| {
            let sum = column + over;
            over = sum / 10;
            (sum % 10) as u8
        })
        .collect();
    while over > 0 {
        out.push((over % 10) as u8);
        over /= 10;
    }
    out.reverse();
    out
}

fn add_finite(a: Finite, b: Finite) -> Decimal {
    let (high, low) = if a.exponent >= b.exponent { (a, b) } else { (b, a) };
    if high.is_zero() || low.is_zero() {
        return add_zero(high, low);
    }
    let mut gap = high.exponent - low.exponent;
    let mut low_digits = digits_of(low.coefficient);
    let mut exponent = low.exponent;
    if gap > APART_MAX {
        // Below every digit of the result: one non-zero digit far enough down says it all.
        low_digits = vec![1];
        exponent = high.exponent - APART_MAX;
        gap = APART_MAX;
    }
    let mut high_digits = digits_of(high.coefficient);
    high_digits.extend(std::iter::repeat_n(0, gap as usize));
    let width = high_digits.len().max(low_digits.len());
    let (x, y) = (padded(high_digits, width), padded(low_digits, width));
    let (negative, digits) = if high.negative == low.negative {
        let columns = x.iter().zip(&y).rev().map(|(x, y)| u32::from(*x) + u32::from(*y)).collect();
        (high.negative, carry(columns))
    } else if x >= y {
        (high.negative, minus(&x, &y))
    } else {
        (low.negative, minus(&y, &x))
    };
    let zero = digits.iter().all(|digit| *digit == 0);
    rounded(Long { negative: negative && !zero, digits, exponent, sticky: false })
}

/// A sum with a zero keeps the smaller exponent if it can.
fn add_zero(high: Finite, low: Finite) -> Decimal {
    let value = if high.is_zero() { low } else { high };
    let negative = if value.is_zero() { high.negative && low.negative } else { value.negative };
    let mut value = Finite { negative, ..value };
    while value.exponent > low.exponent && value.coefficient * 10 < COEFFICIENT_LIMIT {
        if value.is_zero() {
            value.exponent = low.exponent;
            break;
        }
        value.coefficient *= 10;
        value.exponent -= 1;
    }
    value.fit()
}

fn padded(digits: Vec<u8>, width: usize) -> Vec<u8> {
    let mut out = vec![0; width - digits.len()];
    out.extend(digits);
    out
}

/// `x - y` digit by digit, for `x >= y` of the same length.
fn minus(x: &[u8], y: &[u8]) -> Vec<u8> {
    let mut borrow = 0i8;
    let mut out: Vec<u8> = x
        .iter()
        .zip(y)
        .rev()
        .map(|(x, y)| {
            let mut digit = *x as i8 - *y as i8 - borrow;
            borrow = i8::from(digit < 0);
            if digit < 0 {
                digit += 10;
            }
            digit as u8
        })
        .collect();
    out.reverse();
    out
}

/// Long division until the remainder is zero or 40 digits are there.
fn quotient(a: Finite, b: Finite, negative: bool) -> Decimal {
    let mut digits = digits_of(a.coefficient / b.coefficient);
    let mut rest = a.coefficient % b.coefficient;
    let mut exponent = a.exponent - b.exponent;
    while rest != 0 && digits.len() < 76 {
        rest *= 10;
        digits.push((rest / b.coefficient) as u8);
        rest %= b.coefficient;
        exponent -= 1;
    }
    rounded(Long { negative, digits, exponent, sticky: rest != 0 })
}

fn remainder_finite(a: Finite, b: Finite) -> Decimal {
    if a.is_zero() || a.adjusted() < b.adjusted() - 1 {
        return Decimal::Finite(a);
    }
    let mut exponent = a.exponent;
    let coefficient = if a.exponent >= b.exponent {
        // a = c * 10^gap in units of b's last digit: reduce while shifting.
        let mut rest = a.coefficient % b.coefficient;
        for _ in 0..a.exponent - b.exponent {
            rest = rest * 10 % b.coefficient;
        }
        exponent = b.exponent;
        rest
    } else {
        let gap = (b.exponent - a.exponent) as u32;
        match 10u128.checked_pow(gap).and_then(|scale| b.coefficient.checked_mul(scale)) {
            Some(divisor) => a.coefficient % divisor,
            None => a.coefficient,
        }
    };
    Finite { negative: a.negative, coefficient, exponent }.fit()
}

/// Rounds half to even to 34 digits and into the range of exponents.
fn rounded(mut value: Long) -> Decimal {
    let leading = value.digits.iter().take_while(|digit| **digit == 0).count();
    value.digits.drain(..leading);
    let drop_low = value.digits.len() as i32 - 34;
    let drop_range = -crate::decimal::BIAS - value.exponent;
    let drop = drop_low.max(drop_range).max(0) as usize;
    let keep = value.digits.len().saturating_sub(drop);
    let up = drop > 0 && rounds_up(&value, keep, drop);
    let mut coefficient =
        value.digits[..keep].iter().fold(0u128, |sum, digit| sum * 10 + u128::from(*digit));
    let mut exponent = value.exponent + drop as i32;
    coefficient += u128::from(up);
    if coefficient == COEFFICIENT_LIMIT {
        coefficient /= 10;
        exponent += 1;
    }
    Finite { negative: value.negative, coefficient, exponent }.fit()
}

fn rounds_up(value: &Long, keep: usize, drop: usize) -> bool {
    if drop > value.digits.len() {
        // All digits and at least one leading zero are dropped: less than half.
        return false;
    }
    let dropped = &value.digits[keep..];
    let rest = dropped[1..].iter().any(|digit| *digit != 0) || value.sticky;
    let odd = keep > 0 && value.digits[keep - 1] % 2 == 1;
    dropped[0] > 5 || (dropped[0] == 5 && (rest || odd))
}

/// How a fraction is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    HalfEven,
    Truncate,
    Floor,
    Ceiling,
}

/// Rounds to a number of decimal places, which may be negative.
pub(crate) fn round_to(value: Decimal, places: i32, rounding: Rounding) -> Decimal {
    let Decimal::Finite(n) = value else { return value };
    let drop = -places - n.exponent;
    if drop <= 0 {
        return value;
    }
    let scale = 10u128.checked_pow(drop as u32);
    let (whole, rest) = match scale {
        Some(scale) => (n.coefficient / scale, n.coefficient % scale),
        None => (0, n.coefficient),
    };
    let up = match rounding {
        _ if rest == 0 => false,
        Rounding::Truncate => false,
        Rounding::Floor => n.negative,
        Rounding::Ceiling => !n.negative,
        Rounding::HalfEven => {
            scale.is_some_and(|scale| rest > scale / 2 || (rest == scale / 2 && whole % 2 == 1))
        }
    };
    Finite { negative: n.negative, coefficient: whole + u128::from(up), exponent: -places }.fit()
}
