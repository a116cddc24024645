//! `$sum`, `$avg`, `$min`, `$max` and the standard deviations, as expressions over their arguments
//! and as parts of accumulators.

use std::cmp::Ordering;

use bson::{RawBson, RawBsonRef};

use super::sum::Sum;
use super::value::{Value, elements};
use crate::compare::compare_in;
use crate::number::Number;
use crate::{Collation, Result};

/// The smallest or the largest value; null and missing values count for nothing.
#[derive(Debug, Clone)]
pub(crate) struct Extreme {
    wanted: Ordering,
    best: Option<RawBson>,
    collation: Option<Collation>,
}

impl Extreme {
    pub(crate) fn smallest(collation: Option<Collation>) -> Self {
        Self { wanted: Ordering::Less, best: None, collation }
    }

    pub(crate) fn largest(collation: Option<Collation>) -> Self {
        Self { wanted: Ordering::Greater, best: None, collation }
    }

    pub(crate) fn add(&mut self, value: RawBsonRef<'_>) {
        if matches!(value, RawBsonRef::Null | RawBsonRef::Undefined) {
            return;
        }
        let order =
            |best: &RawBson| compare_in(value, best.as_raw_bson_ref(), self.collation.as_ref());
        if self.best.as_ref().is_none_or(|best| order(best) == self.wanted) {
            self.best = Some(value.into());
        }
    }

    pub(crate) fn into_value<'e>(self) -> Value<'e> {
        self.best.map_or(Value::NULL, Value::Owned)
    }

    /// The bytes held, roughly.
    pub(crate) fn best(&self) -> Option<&RawBson> {
        self.best.as_ref()
    }
}

/// Welford's running variance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deviation {
    count: i64,
    mean: f64,
    squares: f64,
}

impl Deviation {
    pub(crate) fn add(&mut self, value: RawBsonRef<'_>) {
        let Some(number) = Number::of(value) else { return };
        let value = number.to_f64();
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
    }

    /// The deviation of a whole population, or of a sample of one; null when there is none.
    pub(crate) fn value<'e>(&self, sample: bool) -> Value<'e> {
        let divisor = self.count - i64::from(sample);
        if divisor <= 0 {
            return Value::NULL;
        }
        Value::double((self.squares / divisor as f64).sqrt())
    }
}

/// Calls back with each argument; a single array argument stands for its elements.
fn each(args: &[Value<'_>], mut visit: impl FnMut(RawBsonRef<'_>)) -> Result<()> {
    if let [only] = args
        && let Some(array) = only.as_array()
    {
        elements(array)?.into_iter().for_each(visit);
        return Ok(());
    }
    args.iter().filter_map(Value::get).for_each(&mut visit);
    Ok(())
}

pub(super) fn sum<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut sum = Sum::default();
    each(&args, |value| {
        sum.add(value);
    })?;
    Ok(sum.total())
}

pub(super) fn avg<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut sum = Sum::default();
    each(&args, |value| {
        sum.add(value);
    })?;
    Ok(sum.mean().unwrap_or(Value::NULL))
}

pub(super) fn min<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut extreme = Extreme::smallest(None);
    each(&args, |value| extreme.add(value))?;
    Ok(extreme.into_value())
}

pub(super) fn max<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut extreme = Extreme::largest(None);
    each(&args, |value| extreme.add(value))?;
    Ok(extreme.into_value())
}

pub(super) fn std_dev_pop<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut deviation = Deviation::default();
    each(&args, |value| deviation.add(value))?;
    Ok(deviation.value(false))
}

pub(super) fn std_dev_samp<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    let mut deviation = Deviation::default();
    each(&args, |value| deviation.add(value))?;
    Ok(deviation.value(true))
}
