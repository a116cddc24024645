//! Predicates on one value that a path led to.

use std::cmp::Ordering;

use bson::spec::ElementType;
use bson::{RawArray, RawBson, RawBsonRef, RawDocument};

use super::{Node, Pattern};
use crate::Collation;
use crate::Result;
use crate::compare::{as_document, compare, compare_in};
use crate::number::Number;
use crate::types::bracket_of;

/// Predicates joined on one value: needed where there is no path, as inside `$elemMatch`.
#[derive(Debug)]
pub(crate) enum Clause {
    Is(Test),
    All(Vec<Clause>),
    Not(Box<Clause>),
}

impl Clause {
    /// Whether a single value satisfies the clause, without looking into it if it is an array.
    pub(crate) fn holds(&self, value: RawBsonRef<'_>) -> Result<bool> {
        match self {
            Self::Is(test) => test.holds(Some(value)),
            Self::Not(clause) => Ok(!clause.holds(value)?),
            Self::All(clauses) => {
                for clause in clauses {
                    if !clause.holds(value)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

/// A comparison operator of the filter language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Gt,
    Gte,
    Lt,
    Lte,
}

impl Operator {
    /// Whether a value with this order to the operand passes.
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order == Ordering::Equal,
            Self::Gt => order == Ordering::Greater,
            Self::Gte => order != Ordering::Less,
            Self::Lt => order == Ordering::Less,
            Self::Lte => order != Ordering::Greater,
        }
    }
}

/// One predicate.
#[derive(Debug)]
pub(crate) enum Test {
    Never,
    Exists,
    Compare(Operator, RawBson),
    /// A comparison with a string, or with what may hold strings, under a collation.
    Collated(Operator, RawBson, Collation),
    In(Membership),
    Regex(Pattern),
    Mod {
        divisor: i64,
        remainder: i64,
    },
    Type(Vec<ElementType>),
    Bits {
        want: BitsWanted,
        mask: Vec<u8>,
    },
    Size(i64),
    /// Some element is a document that matches.
    ElementMatches(Box<Node>),
    /// Some element satisfies all clauses.
    ElementHolds(Box<Clause>),
}

/// Which of the masked bits must be as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BitsWanted {
    AllSet,
    AllClear,
    AnySet,
    AnyClear,
}

impl Test {
    /// Whether an array at the end of the path stands for its elements as well as itself.
    pub(crate) fn expands(&self) -> bool {
        !matches!(self, Self::Size(_) | Self::ElementMatches(_) | Self::ElementHolds(_))
    }

    /// Whether a value (`None`: missing) passes.
    pub(crate) fn holds(&self, value: Option<RawBsonRef<'_>>) -> Result<bool> {
        let Some(value) = value else { return Ok(self.holds_for_missing()) };
        match self {
            Self::Never => Ok(false),
            Self::Exists => Ok(true),
            Self::Compare(operator, operand) => {
                Ok(compares(*operator, value, operand.as_raw_bson_ref()))
            }
            Self::Collated(operator, operand, collation) => {
                Ok(collated(*operator, value, operand.as_raw_bson_ref(), collation))
            }
            Self::In(list) => list.contains(value),
            Self::Regex(pattern) => pattern.matches(value),
            Self::Mod { divisor, remainder } => Ok(leaves(value, *divisor, *remainder)),
            Self::Type(kinds) => Ok(kinds.contains(&value.element_type())),
            Self::Bits { want, mask } => Ok(bits_hold(value, *want, mask)),
            Self::Size(size) => Ok(array_of(value).is_some_and(|a| length(a) == *size)),
            Self::ElementMatches(_) | Self::ElementHolds(_) => {
                Ok(self.element_index(Some(value))?.is_some())
            }
        }
    }

    /// Missing fields equal null (and MongoDB lets minKey and maxKey compare with everything).
    fn holds_for_missing(&self) -> bool {
        match self {
            Self::Compare(operator, operand) => {
                compares(*operator, RawBsonRef::Undefined, operand.as_raw_bson_ref())
            }
            Self::In(list) => list.has_null,
            _ => false,
        }
    }

    /// The first element of an array value that satisfies an `$elemMatch`.
    pub(crate) fn element_index(&self, value: Option<RawBsonRef<'_>>) -> Result<Option<usize>> {
        let Some(array) = value.and_then(array_of) else { return Ok(None) };
        for (index, element) in array.into_iter().enumerate() {
            if self.element_holds(element?)? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn element_holds(&self, element: RawBsonRef<'_>) -> Result<bool> {
        match self {
            Self::ElementHolds(clause) => clause.holds(element),
            Self::ElementMatches(node) => match fields_of(element) {
                Some(doc) => node.matches(doc),
                None => Ok(false),
            },
            _ => Ok(false),
        }
    }
}

fn array_of(value: RawBsonRef<'_>) -> Option<&RawArray> {
    value.as_array()
}

/// A document, or an array as the document it is stored as.
fn fields_of(value: RawBsonRef<'_>) -> Option<&RawDocument> {
    match value {
        RawBsonRef::Document(doc) => Some(doc),
        RawBsonRef::Array(array) => as_document(array),
        _ => None,
    }
}

fn length(array: &RawArray) -> i64 {
    array.iter_elements().count() as i64
}

/// A comparison inside one type bracket, with the documented exceptions: null equals undefined,
/// minKey and maxKey compare with everything, NaN is only ever equal to NaN.
pub(crate) fn compares(operator: Operator, value: RawBsonRef<'_>, operand: RawBsonRef<'_>) -> bool {
    if is_null(value) && is_null(operand) {
        return matches!(operator, Operator::Eq | Operator::Lte | Operator::Gte);
    }
    if bracket_of(value) != bracket_of(operand) {
        return match operand {
            RawBsonRef::MaxKey => matches!(operator, Operator::Lt | Operator::Lte),
            RawBsonRef::MinKey => matches!(operator, Operator::Gt | Operator::Gte),
            _ => false,
        };
    }
    if is_nan(value) || is_nan(operand) {
        let both = is_nan(value) && is_nan(operand);
        return both && !matches!(operator, Operator::Lt | Operator::Gt);
    }
    operator.accepts(compare(value, operand))
}

/// A comparison with a value that holds strings, inside its type bracket.
fn collated(
    operator: Operator,
    value: RawBsonRef<'_>,
    operand: RawBsonRef<'_>,
    collation: &Collation,
) -> bool {
    bracket_of(value) == bracket_of(operand)
        && operator.accepts(compare_in(value, operand, Some(collation)))
}

/// Whether a collation can matter for a value: it is a string or may hold some.
pub(crate) fn may_hold_strings(value: RawBsonRef<'_>) -> bool {
    matches!(
        value,
        RawBsonRef::String(_)
            | RawBsonRef::Symbol(_)
            | RawBsonRef::Document(_)
            | RawBsonRef::Array(_)
    )
}

/// Until MongoDB 8.0 undefined is null to filters.
pub(crate) fn is_null(value: RawBsonRef<'_>) -> bool {
    matches!(value, RawBsonRef::Null | RawBsonRef::Undefined)
}

pub(crate) fn is_nan(value: RawBsonRef<'_>) -> bool {
    Number::of(value).is_some_and(Number::is_nan)
}

/// The operand of `$in`: values in order, and patterns.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) values: Vec<RawBson>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) has_null: bool,
    pub(crate) collation: Option<Collation>,
}

impl Membership {
    pub(crate) fn new(
        mut values: Vec<RawBson>,
        patterns: Vec<Pattern>,
        collation: Option<Collation>,
    ) -> Self {
        let collation =
            collation.filter(|_| values.iter().any(|v| may_hold_strings(v.as_raw_bson_ref())));
        let order = |a: &RawBson, b: &RawBson| {
            compare_in(a.as_raw_bson_ref(), b.as_raw_bson_ref(), collation.as_ref())
        };
        values.sort_by(order);
        values.dedup_by(|a, b| order(a, b).is_eq());
        let has_null = values.iter().any(|value| is_null(value.as_raw_bson_ref()));
        Self { values, patterns, has_null, collation }
    }

    fn contains(&self, value: RawBsonRef<'_>) -> Result<bool> {
        if self.has_null && is_null(value) {
            return Ok(true);
        }
        let order = |v: &RawBson| compare_in(v.as_raw_bson_ref(), value, self.collation.as_ref());
        if self.values.binary_search_by(order).is_ok() {
            return Ok(true);
        }
        for pattern in &self.patterns {
            if pattern.matches(value)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The values, when they say everything: no pattern, no null.
    pub(crate) fn plain_values(&self) -> Option<Vec<&RawBson>> {
        let plain = self.patterns.is_empty() && !self.has_null && self.collation.is_none();
        plain.then(|| self.values.iter().collect())
    }
}

/// Both sides are cut towards zero; what is no number or does not fit never matches.
fn leaves(value: RawBsonRef<'_>, divisor: i64, remainder: i64) -> bool {
    let whole = Number::of(value).and_then(Number::truncated);
    whole.is_some_and(|whole| whole.wrapping_rem(divisor) == remainder)
}

/// `mask` is little-endian: bit 0 is the lowest bit of the first byte.
fn bits_hold(value: RawBsonRef<'_>, want: BitsWanted, mask: &[u8]) -> bool {
    let (bytes, fill) = match value {
        RawBsonRef::Binary(binary) => (binary.bytes.to_vec(), 0),
        other => match Number::of(other).and_then(Number::as_integer) {
            Some(whole) => (whole.to_le_bytes().to_vec(), if whole < 0 { 0xff } else { 0 }),
            None => return false,
        },
    };
    let mut pairs = mask.iter().enumerate().map(|(i, m)| (bytes.get(i).unwrap_or(&fill), m));
    match want {
        BitsWanted::AllSet => pairs.all(|(byte, mask)| byte & mask == *mask),
        BitsWanted::AllClear => pairs.all(|(byte, mask)| byte & mask == 0),
        BitsWanted::AnySet => pairs.any(|(byte, mask)| byte & mask != 0),
        BitsWanted::AnyClear => pairs.any(|(byte, mask)| !byte & mask != 0),
    }
}
