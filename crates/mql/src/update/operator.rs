//! The operators of updates, and what each makes of the value at its path.

use bson::{DateTime, RawBson, RawBsonRef, RawDocument, Timestamp};

use super::arrays::{self, Pull, Push};
use super::numbers::{self, Arithmetic};
use crate::compare::compare;
use crate::{Context, MqlError, Result};

/// A parsed operator.
#[derive(Debug, Clone)]
pub(super) enum Operator {
    Set(RawBson),
    SetOnInsert(RawBson),
    Unset,
    Calculate(Arithmetic, RawBson),
    /// The smaller of the two values, or the larger.
    Extreme {
        smallest: bool,
        value: RawBson,
    },
    /// A date, or a timestamp.
    CurrentDate {
        timestamp: bool,
    },
    Rename(String),
    Push(Push),
    AddToSet(Vec<RawBson>),
    Pop {
        first: bool,
    },
    Pull(Pull),
    PullAll(Vec<RawBson>),
}

/// What becomes of a value.
#[derive(Debug)]
pub(super) enum Outcome {
    Same,
    Value(RawBson),
    Gone,
}

impl Operator {
    /// Every name that is known.
    pub(super) const NAMES: &'static [&'static str] = &[
        "$set",
        "$setOnInsert",
        "$unset",
        "$inc",
        "$mul",
        "$min",
        "$max",
        "$currentDate",
        "$rename",
        "$push",
        "$addToSet",
        "$pop",
        "$pull",
        "$pullAll",
    ];

    pub(super) fn parse(name: &str, operand: RawBsonRef<'_>, context: &Context) -> Result<Self> {
        Ok(match name {
            "$set" => Self::Set(operand.into()),
            "$setOnInsert" => Self::SetOnInsert(operand.into()),
            "$unset" => Self::Unset,
            "$inc" | "$mul" => {
                numbers::check(name, operand)?;
                let kind = if name == "$inc" { Arithmetic::Add } else { Arithmetic::Multiply };
                Self::Calculate(kind, operand.into())
            }
            "$min" | "$max" => Self::Extreme { smallest: name == "$min", value: operand.into() },
            "$currentDate" => Self::CurrentDate { timestamp: is_timestamp(operand)? },
            "$rename" => Self::Rename(target(operand)?),
            "$push" => Self::Push(Push::parse(operand)?),
            "$addToSet" => Self::AddToSet(arrays::to_add(operand)?),
            "$pop" => Self::Pop { first: arrays::pops_first(operand)? },
            "$pull" => Self::Pull(Pull::parse(operand, context)?),
            "$pullAll" => Self::PullAll(arrays::all("$pullAll", operand)?),
            _ => return Err(MqlError::failed_to_parse(format!("Unknown modifier: {name}"))),
        })
    }

    /// Whether the path is made when it is not there.
    pub(super) fn creates(&self) -> bool {
        !matches!(
            self,
            Self::Unset | Self::Pop { .. } | Self::Pull(_) | Self::PullAll(_) | Self::Rename(_)
        )
    }

    /// What becomes of the value at the path. `$rename` is not here: it has two paths.
    pub(super) fn apply(
        &self,
        old: Option<RawBsonRef<'_>>,
        now_ms: i64,
        upsert: bool,
    ) -> Result<Outcome> {
        match self {
            Self::Set(value) => Ok(set(old, value.clone())),
            Self::SetOnInsert(value) if upsert => Ok(set(old, value.clone())),
            Self::SetOnInsert(_) | Self::Rename(_) => Ok(Outcome::Same),
            Self::Unset => Ok(if old.is_some() { Outcome::Gone } else { Outcome::Same }),
            Self::Calculate(arithmetic, operand) => {
                Ok(set(old, numbers::apply(*arithmetic, old, operand.as_raw_bson_ref())?))
            }
            Self::Extreme { smallest, value } => Ok(extreme(old, value, *smallest)),
            Self::CurrentDate { timestamp: false } => {
                Ok(set(old, RawBson::DateTime(DateTime::from_millis(now_ms))))
            }
            Self::CurrentDate { timestamp: true } => Ok(set(old, timestamp(now_ms))),
            Self::Push(push) => Ok(set(old, push.apply(old)?)),
            Self::AddToSet(values) => Ok(set(old, arrays::add_to_set(old, values)?)),
            Self::Pop { first } => arrays::pop(old, *first),
            Self::Pull(pull) => arrays::pull(old, |element| pull.holds(element)),
            Self::PullAll(values) => arrays::pull(old, |element| {
                Ok(values.iter().any(|v| compare(v.as_raw_bson_ref(), element).is_eq()))
            }),
        }
    }
}

/// The same bytes are no change.
fn set(old: Option<RawBsonRef<'_>>, value: RawBson) -> Outcome {
    if old.is_some_and(|old| RawBson::from(old) == value) {
        return Outcome::Same;
    }
    Outcome::Value(value)
}

fn extreme(old: Option<RawBsonRef<'_>>, value: &RawBson, smallest: bool) -> Outcome {
    let wins = old.is_none_or(|old| {
        let order = compare(value.as_raw_bson_ref(), old);
        if smallest { order.is_lt() } else { order.is_gt() }
    });
    if wins { Outcome::Value(value.clone()) } else { Outcome::Same }
}

fn timestamp(now_ms: i64) -> RawBson {
    let time = u32::try_from(now_ms / 1000).unwrap_or(u32::MAX);
    RawBson::Timestamp(Timestamp { time, increment: 1 })
}

fn is_timestamp(operand: RawBsonRef<'_>) -> Result<bool> {
    let wrong = || {
        let message = "$currentDate takes true or {$type: 'date'} or {$type: 'timestamp'}";
        MqlError::bad_value(message)
    };
    match operand {
        RawBsonRef::Boolean(_) => Ok(false),
        RawBsonRef::Document(spec) => match type_of(spec)? {
            Some("date") => Ok(false),
            Some("timestamp") => Ok(true),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn type_of(spec: &RawDocument) -> Result<Option<&str>> {
    Ok(spec.get("$type")?.and_then(RawBsonRef::as_str))
}

fn target(operand: RawBsonRef<'_>) -> Result<String> {
    let target = operand.as_str().filter(|text| !text.is_empty() && !text.contains('$'));
    target.map(str::to_owned).ok_or_else(|| {
        MqlError::bad_value("The 'to' field for $rename must be a string and not dynamic")
    })
}
