//! Sums as MongoDB makes them: exact for integers, compensated for doubles, widened by type.

use bson::RawBsonRef;

use super::Value;
use super::decimal_math;
use crate::decimal::{Decimal, Finite};
use crate::number::Number;

/// A running sum of numbers of any types; other values are the caller's matter.
#[derive(Debug, Clone)]
pub(crate) struct Sum {
    integers: i128,
    high: f64,
    low: f64,
    decimal: Option<Decimal>,
    has_long: bool,
    has_double: bool,
    /// How many numbers were added.
    pub(crate) count: i64,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            integers: 0,
            high: 0.0,
            low: 0.0,
            decimal: None,
            has_long: false,
            has_double: false,
            count: 0,
        }
    }
}

impl Sum {
    /// Adds a value if it is a number; says whether it was.
    pub(crate) fn add(&mut self, value: RawBsonRef<'_>) -> bool {
        let Some(number) = Number::of(value) else { return false };
        self.count += 1;
        self.has_long |= matches!(value, RawBsonRef::Int64(_));
        match number {
            Number::Int(v) => self.integers += i128::from(v),
            Number::Double(v) => {
                self.has_double = true;
                self.add_double(v);
            }
            Number::Decimal(v) => {
                let before = self.decimal.unwrap_or(Decimal::Finite(Finite::of_int(0)));
                self.decimal = Some(decimal_math::add(before, v));
            }
        }
        true
    }

    /// Knuth's two-sum: what rounding loses is kept in `low`.
    fn add_double(&mut self, value: f64) {
        let sum = self.high + value;
        let part = sum - self.high;
        let lost = (self.high - (sum - part)) + (value - part);
        self.high = sum;
        if lost.is_finite() {
            self.low += lost;
        }
    }

    /// The sum in the widest type that was added; integers widen when they do not fit.
    pub(crate) fn total<'e>(&self) -> Value<'e> {
        if self.decimal.is_some() {
            return Value::Ref(RawBsonRef::Decimal128(self.as_decimal().encode()));
        }
        if self.has_double {
            return Value::double(self.as_double());
        }
        super::arithmetic::integer_value(self.integers, self.has_long)
    }

    /// The mean of what was added, a double or a decimal; `None` when nothing was.
    pub(crate) fn mean<'e>(&self) -> Option<Value<'e>> {
        if self.count == 0 {
            return None;
        }
        if self.decimal.is_some() {
            let count = Decimal::Finite(Finite::of_int(self.count));
            let mean = decimal_math::divide(self.as_decimal(), count);
            return Some(Value::Ref(RawBsonRef::Decimal128(mean.encode())));
        }
        Some(Value::double(self.as_double() / self.count as f64))
    }

    fn as_double(&self) -> f64 {
        let mut sum = self.clone();
        // In two parts, because a long need not be a double.
        let whole = self.integers as f64;
        sum.add_double(whole);
        sum.add_double((self.integers - whole as i128) as f64);
        sum.high + sum.low
    }

    fn as_decimal(&self) -> Decimal {
        let whole = Decimal::Finite(Finite {
            negative: self.integers < 0,
            coefficient: self.integers.unsigned_abs(),
            exponent: 0,
        });
        let mut total = self.decimal.unwrap_or(Decimal::NaN);
        if self.integers != 0 {
            total = decimal_math::add(total, whole);
        }
        if self.has_double {
            total = decimal_math::add(total, decimal_math::from_f64(self.high + self.low));
        }
        total
    }
}
