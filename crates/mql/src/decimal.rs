//! Decimal128 as a sign, 34 digits and an exponent: decoding, encoding and exact comparison.
//!
//! The 16 bytes are the binary integer decimal (BID) encoding of IEEE 754-2008, as described in the
//! BSON Decimal128 specification. Arithmetic lives in `expr::decimal_math`.

use std::cmp::Ordering;

use bson::Decimal128;

/// The largest coefficient, 34 nines, plus one.
pub(crate) const COEFFICIENT_LIMIT: u128 = 10u128.pow(34);
/// What is subtracted from the stored exponent.
pub(crate) const BIAS: i32 = 6176;
/// The largest exponent of a full coefficient.
pub(crate) const EXPONENT_MAX: i32 = 6111;

/// A decoded Decimal128.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Decimal {
    /// Not a number, quiet or signalling.
    NaN,
    /// An infinity.
    Infinity {
        /// Whether it is below all numbers.
        negative: bool,
    },
    /// An ordinary number.
    Finite(Finite),
}

/// `coefficient * 10^exponent`, negated when `negative`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Finite {
    pub(crate) negative: bool,
    pub(crate) coefficient: u128,
    pub(crate) exponent: i32,
}

impl Decimal {
    /// Decodes the 16 bytes; non-canonical coefficients count as zero, as the standard says.
    pub(crate) fn decode(value: Decimal128) -> Self {
        let bits = u128::from_le_bytes(value.bytes());
        let negative = bits >> 127 == 1;
        let combination = (bits >> 122) & 0x1f;
        match combination {
            0x1f => Self::NaN,
            0x1e => Self::Infinity { negative },
            _ if combination >> 3 == 0b11 => {
                // A coefficient of the large form always exceeds 34 digits: non-canonical zero.
                let exponent = ((bits >> 111) & 0x3fff) as i32 - BIAS;
                Self::Finite(Finite { negative, coefficient: 0, exponent })
            }
            _ => {
                let exponent = ((bits >> 113) & 0x3fff) as i32 - BIAS;
                let raw = bits & ((1u128 << 113) - 1);
                let coefficient = if raw < COEFFICIENT_LIMIT { raw } else { 0 };
                Self::Finite(Finite { negative, coefficient, exponent })
            }
        }
    }

    /// Encodes into 16 bytes. Finite numbers must be in range (see [`Finite::fit`]).
    pub(crate) fn encode(self) -> Decimal128 {
        let bits = match self {
            Self::NaN => 0x1fu128 << 122,
            Self::Infinity { negative } => (u128::from(negative) << 127) | (0x1eu128 << 122),
            Self::Finite(n) => {
                let exponent = (n.exponent + BIAS) as u128 & 0x3fff;
                (u128::from(n.negative) << 127) | (exponent << 113) | n.coefficient
            }
        };
        Decimal128::from_bytes(bits.to_le_bytes())
    }

    /// The nearest double.
    pub(crate) fn to_f64(self) -> f64 {
        match self {
            Self::NaN => f64::NAN,
            Self::Infinity { negative: true } => f64::NEG_INFINITY,
            Self::Infinity { negative: false } => f64::INFINITY,
            Self::Finite(n) => n.to_f64(),
        }
    }
}

impl Finite {
    /// An integer.
    pub(crate) fn of_int(value: i64) -> Self {
        let coefficient = u128::from(value.unsigned_abs());
        Self { negative: value < 0, coefficient, exponent: 0 }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.coefficient == 0
    }

    /// Without trailing zeros, so that equal numbers have one form. Zero is `0 * 10^0`, positive.
    pub(crate) fn stripped(mut self) -> Self {
        if self.is_zero() {
            return Self { negative: false, coefficient: 0, exponent: 0 };
        }
        while self.coefficient.is_multiple_of(10) {
            self.coefficient /= 10;
            self.exponent += 1;
        }
        self
    }

    /// The exponent of the first digit.
    pub(crate) fn adjusted(self) -> i32 {
        self.exponent + digits(self.coefficient) - 1
    }

    /// The nearest double.
    pub(crate) fn to_f64(self) -> f64 {
        let n = self.stripped();
        let magnitude = if n.coefficient < 1 << 53 && (-22..=22).contains(&n.exponent) {
            // Both factors are exact doubles, so one operation rounds correctly.
            let power = 10f64.powi(n.exponent.abs());
            if n.exponent < 0 { n.coefficient as f64 / power } else { n.coefficient as f64 * power }
        } else {
            format!("{}e{}", n.coefficient, n.exponent).parse().unwrap_or(f64::NAN)
        };
        if self.negative { -magnitude } else { magnitude }
    }

    /// The order of two numbers, exactly.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) if other.negative => return Ordering::Greater,
            (true, false) => return Ordering::Less,
            (false, true) if self.negative => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) => other.compare_magnitude(self),
            (false, false) => self.compare_magnitude(other),
        }
    }

    fn compare_magnitude(self, other: Self) -> Ordering {
        self.adjusted().cmp(&other.adjusted()).then_with(|| {
            let (a, b) = (digits(self.coefficient), digits(other.coefficient));
            let width = a.max(b);
            let left = self.coefficient * 10u128.pow((width - a) as u32);
            let right = other.coefficient * 10u128.pow((width - b) as u32);
            left.cmp(&right)
        })
    }

    /// The order against a double, exactly. NaN is the smallest number.
    pub(crate) fn compare_f64(self, double: f64) -> Ordering {
        if double.is_nan() {
            return Ordering::Greater;
        }
        // Rounding is monotone: unless the nearest double is this one, it decides.
        let nearest = self.to_f64();
        if nearest != double {
            return nearest.partial_cmp(&double).unwrap_or(Ordering::Greater);
        }
        if double.is_infinite() || double == 0.0 {
            return self.compare_at_the_edge(double);
        }
        let magnitude = self.compare_exactly(double.abs());
        if self.negative { magnitude.reverse() } else { magnitude }
    }

    /// A finite decimal that rounds to an infinity or to zero.
    fn compare_at_the_edge(self, double: f64) -> Ordering {
        if double == f64::INFINITY {
            Ordering::Less
        } else if double == f64::NEG_INFINITY {
            Ordering::Greater
        } else {
            self.compare(Self { negative: false, coefficient: 0, exponent: 0 })
        }
    }

    /// `|self|` against a positive, finite double: both scaled to integers.
    fn compare_exactly(self, double: f64) -> Ordering {
        let bits = double.to_bits();
        let raw_exponent = ((bits >> 52) & 0x7ff) as i32;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, exponent) = match raw_exponent {
            0 => (fraction, -1074),
            e => (fraction | 1 << 52, e - 1075),
        };
        let n = self.stripped();
        let mut left = Big::new(n.coefficient);
        let mut right = Big::new(u128::from(mantissa));
        if n.exponent >= 0 { &mut left } else { &mut right }.times_power(10, n.exponent.abs());
        if exponent >= 0 { &mut right } else { &mut left }.times_power(2, exponent.abs());
        left.compare(&right)
    }

    /// Brings a number into the range of Decimal128: rounds half to even to 34 digits, clamps the
    /// exponent, overflows to infinity and underflows to zero.
    pub(crate) fn fit(mut self) -> Decimal {
        while self.exponent < -BIAS && self.coefficient != 0 {
            self = self.drop_digit();
        }
        if self.coefficient == 0 {
            self.exponent = self.exponent.clamp(-BIAS, EXPONENT_MAX);
            return Decimal::Finite(self);
        }
        while self.exponent > EXPONENT_MAX && self.coefficient * 10 < COEFFICIENT_LIMIT {
            self.coefficient *= 10;
            self.exponent -= 1;
        }
        if self.exponent > EXPONENT_MAX {
            return Decimal::Infinity { negative: self.negative };
        }
        Decimal::Finite(self)
    }

    fn drop_digit(mut self) -> Self {
        let last = self.coefficient % 10;
        self.coefficient /= 10;
        if last > 5 || (last == 5 && self.coefficient % 2 == 1) {
            self.coefficient += 1;
        }
        self.exponent += 1;
        self
    }
}

/// The number of decimal digits; 1 for zero.
pub(crate) fn digits(coefficient: u128) -> i32 {
    coefficient.checked_ilog10().map_or(1, |log| log as i32 + 1)
}

/// A natural number of any size: just enough for one exact comparison.
struct Big(Vec<u32>);

impl Big {
    fn new(value: u128) -> Self {
        let mut limbs: Vec<u32> = (0..4).map(|i| (value >> (32 * i)) as u32).collect();
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self(limbs)
    }

    /// Multiplies by `base^power`, many powers per pass.
    fn times_power(&mut self, base: u32, power: i32) {
        let (chunk, step) = if base == 10 { (1_000_000_000, 9) } else { (1 << 31, 31) };
        let mut left = power;
        while left >= step {
            self.times(chunk);
            left -= step;
        }
        self.times(base.pow(left as u32));
    }

    fn times(&mut self, factor: u32) {
        let mut carry = 0u64;
        for limb in &mut self.0 {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let lengths = self.0.len().cmp(&other.0.len());
        lengths.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}
