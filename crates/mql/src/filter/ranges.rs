//! What a filter implies about the key of the value at one path, for pruning and index scans.
//!
//! Only weakening: every matching document lies inside the intervals; the filter itself always
//! decides. Strict bounds are relaxed to inclusive ones, because keys may be cut.

use std::cmp::Ordering;

use bson::{RawBson, RawBsonRef};

use super::Node;
use super::test::{Membership, Operator, Test, is_nan, is_null, may_hold_strings};
use crate::Collation;
use crate::expr::Expr;
use crate::key;
use crate::types::{bracket, bracket_of};

/// An inclusive range of prune keys; an absent bound is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The smallest key, inclusive.
    pub low: Option<String>,
    /// The largest key, inclusive.
    pub high: Option<String>,
}

impl KeyRange {
    /// The range of prune keys of an interval of full keys.
    pub(super) fn of(interval: Interval) -> Self {
        let low = key::hex(key::cut(&interval.low));
        let mut high = key::hex(key::cut(&interval.high));
        if interval.high.len() == 1 {
            // A whole bracket: above every payload.
            high.extend(std::iter::repeat_n('f', 2 * (key::PRUNE_BYTES - 1)));
        }
        Self { low: Some(low), high: Some(high) }
    }

    /// Whether a prune key lies inside.
    pub fn contains(&self, key: &str) -> bool {
        self.low.as_deref().is_none_or(|low| low <= key)
            && self.high.as_deref().is_none_or(|high| key <= high)
    }
}

/// An inclusive range of full keys, as made by [`crate::key::encode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// The smallest key, inclusive.
    pub low: Vec<u8>,
    /// The largest key, inclusive; every key that starts with it is inside too.
    pub high: Vec<u8>,
}

impl Interval {
    /// Whether a full key lies inside.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.low.as_slice() <= key && is_below(key, &self.high)
    }

    fn point(value: RawBsonRef<'_>, collation: Option<&Collation>) -> Self {
        let key = key::encode_in(value, collation);
        Self { low: key.clone(), high: key }
    }

    /// Null and undefined, which filters take for the same; missing fields have the key of null.
    fn null() -> Self {
        Self { low: vec![bracket::UNDEFINED], high: vec![bracket::NULL] }
    }
}

/// What the keys are of.
#[derive(Clone, Copy)]
struct Keys<'k> {
    path: &'k str,
    multikey: bool,
    collation: Option<&'k Collation>,
}

/// Intervals of the key at `path`, or `None` when the filter does not restrict it.
pub(super) fn intervals(
    node: &Node,
    path: &str,
    multikey: bool,
    collation: Option<&Collation>,
) -> Option<Vec<Interval>> {
    of_node(node, Keys { path, multikey, collation })
}

fn of_node(node: &Node, keys: Keys<'_>) -> Option<Vec<Interval>> {
    match node {
        Node::Always(true) | Node::Not(_) | Node::Schema(_) => None,
        Node::Always(false) => Some(Vec::new()),
        Node::And(nodes) => {
            let mut restrictions = nodes.iter().filter_map(|n| of_node(n, keys));
            let first = restrictions.next()?;
            // Two conditions may be met by two elements of an array: then only one may be used.
            if keys.multikey { Some(first) } else { Some(restrictions.fold(first, intersect)) }
        }
        Node::Or(nodes) => {
            let parts: Option<Vec<_>> = nodes.iter().map(|n| of_node(n, keys)).collect();
            Some(parts?.into_iter().flatten().collect())
        }
        Node::Path(found, test) if found.text == keys.path => of_test(test, keys),
        Node::Path(..) => None,
        Node::Expr(expr) => of_expression(expr, keys),
    }
}

fn of_test(test: &Test, keys: Keys<'_>) -> Option<Vec<Interval>> {
    match test {
        Test::Never => Some(Vec::new()),
        Test::Compare(operator, operand) => {
            let operand = operand.as_raw_bson_ref();
            // The keys of a collation tell less apart than the test does, and in another order.
            let comparable = keys.collation.is_none() || !may_hold_strings(operand);
            if comparable { of_comparison(*operator, operand, keys) } else { None }
        }
        Test::Collated(operator, operand, collation) if keys.collation == Some(collation) => {
            of_comparison(*operator, operand.as_raw_bson_ref(), keys)
        }
        Test::In(list) => of_list(list, keys),
        _ => None,
    }
}

/// `$expr` compares whole values: only an equality with a value that is no array restricts a path,
/// and a path that leads through no array has that value's key there.
fn of_expression(expr: &Expr, keys: Keys<'_>) -> Option<Vec<Interval>> {
    let mut demanded = Vec::new();
    expr.demanded_equalities(&mut demanded);
    let usable = |(path, value): &(String, &RawBson)| {
        let value = value.as_raw_bson_ref();
        let plain = !is_null(value) && !matches!(value, RawBsonRef::Array(_));
        let comparable = keys.collation.is_none() || !may_hold_strings(value);
        plain && comparable && *path == keys.path
    };
    let (_, value) = demanded.into_iter().find(usable)?;
    Some(vec![Interval::point(value.as_raw_bson_ref(), keys.collation)])
}

fn of_comparison(
    operator: Operator,
    operand: RawBsonRef<'_>,
    keys: Keys<'_>,
) -> Option<Vec<Interval>> {
    let strict = matches!(operator, Operator::Gt | Operator::Lt);
    match operand {
        // Only arrays equal or exceed arrays, and those have no prune key.
        RawBsonRef::Array(_) => (!keys.multikey).then(Vec::new),
        RawBsonRef::MinKey | RawBsonRef::MaxKey if operator != Operator::Eq => None,
        _ if is_null(operand) && strict => Some(Vec::new()),
        _ if is_null(operand) => Some(vec![Interval::null()]),
        _ if is_nan(operand) && strict => Some(Vec::new()),
        _ if is_nan(operand) => Some(vec![Interval::point(operand, keys.collation)]),
        _ => Some(vec![half_bracket(operator, operand, keys.collation)]),
    }
}

/// From the operand to the end of its type bracket.
fn half_bracket(
    operator: Operator,
    operand: RawBsonRef<'_>,
    collation: Option<&Collation>,
) -> Interval {
    let whole = vec![bracket_of(operand)];
    let key = key::encode_in(operand, collation);
    match operator {
        Operator::Eq => Interval { low: key.clone(), high: key },
        Operator::Gt | Operator::Gte => Interval { low: key, high: whole },
        Operator::Lt | Operator::Lte => Interval { low: whole, high: key },
    }
}

fn of_list(list: &Membership, keys: Keys<'_>) -> Option<Vec<Interval>> {
    let holds_strings = list.values.iter().any(|v| may_hold_strings(v.as_raw_bson_ref()));
    let comparable = !holds_strings || list.collation.as_ref() == keys.collation;
    if !list.patterns.is_empty() || !comparable {
        return None;
    }
    let of_value = |value: &RawBson| of_comparison(Operator::Eq, value.as_raw_bson_ref(), keys);
    let parts: Option<Vec<_>> = list.values.iter().map(of_value).collect();
    Some(parts?.into_iter().flatten().collect())
}

fn intersect(left: Vec<Interval>, right: Vec<Interval>) -> Vec<Interval> {
    let mut out = Vec::new();
    for a in &left {
        for b in &right {
            let low = a.low.clone().max(b.low.clone());
            let high = match compare_high(&a.high, &b.high) {
                Ordering::Greater => b.high.clone(),
                _ => a.high.clone(),
            };
            if is_below(&low, &high) {
                out.push(Interval { low, high });
            }
        }
    }
    out
}

/// Whether a key is at most an upper bound, which stands for everything that starts with it.
fn is_below(key: &[u8], high: &[u8]) -> bool {
    key <= high || key.starts_with(high)
}

/// The order of upper bounds: a bound stands for everything that starts with it, so a prefix of
/// another bound is the larger.
fn compare_high(a: &[u8], b: &[u8]) -> Ordering {
    let shared = a.len().min(b.len());
    match a[..shared].cmp(&b[..shared]) {
        Ordering::Equal if a.len() == b.len() => Ordering::Equal,
        Ordering::Equal if a.len() < b.len() => Ordering::Greater,
        Ordering::Equal => Ordering::Less,
        order => order,
    }
}
