//! Whether one filter implies another: then a partial index on the other holds all of its matches.
//!
//! Says no in doubt. Predicates are existential over arrays: when every value that passes one test
//! passes another, every document that satisfies the one on a path satisfies the other on it.

use std::cmp::Ordering;

use bson::{RawBson, RawBsonRef};

use super::Node;
use super::test::{Operator, Test, is_nan, is_null};
use crate::compare::{compare, equal};
use crate::types::bracket_of;

/// Whether `node` implies `wanted`.
pub(super) fn by(node: &Node, wanted: &Node) -> bool {
    match (node, wanted) {
        (_, Node::Always(true)) | (Node::Always(false), _) => true,
        (_, Node::And(parts)) => parts.iter().all(|part| by(node, part)),
        (Node::Or(nodes), _) => nodes.iter().all(|node| by(node, wanted)),
        (Node::And(nodes), Node::Or(parts)) => {
            parts.iter().any(|part| by(node, part)) || nodes.iter().any(|node| by(node, wanted))
        }
        (_, Node::Or(parts)) => parts.iter().any(|part| by(node, part)),
        (Node::And(nodes), _) => nodes.iter().any(|node| by(node, wanted)),
        (Node::Path(path, test), Node::Path(other, wanted)) => {
            path.text == other.text && passes(test, wanted)
        }
        _ => false,
    }
}

/// Whether every value that passes `test` passes `wanted`.
fn passes(test: &Test, wanted: &Test) -> bool {
    match (test, wanted) {
        (Test::Never, _) => true,
        (_, Test::Exists) => exists(test),
        (Test::Compare(operator, value), Test::Compare(other, bound)) => {
            let (value, bound) = (value.as_raw_bson_ref(), bound.as_raw_bson_ref());
            narrower(*operator, value, *other, bound)
        }
        (Test::Collated(operator, value, one), Test::Collated(other, bound, two)) => {
            operator == other && one == two && same(value, bound)
        }
        (Test::In(list), _) if list.patterns.is_empty() && list.collation.is_none() => {
            let each =
                |value: &RawBson| passes(&Test::Compare(Operator::Eq, value.clone()), wanted);
            list.values.iter().all(each)
        }
        (Test::Compare(Operator::Eq, value), Test::In(list)) if list.collation.is_none() => {
            list.values.iter().any(|listed| same(listed, value))
        }
        (Test::Compare(..), Test::Type(kinds)) => match test {
            // A comparison stays in its bracket, which may hold several types.
            Test::Compare(Operator::Eq, RawBson::Boolean(_)) => {
                kinds.contains(&bson::spec::ElementType::Boolean)
            }
            _ => false,
        },
        (Test::Type(kinds), Test::Type(wanted)) => kinds.iter().all(|kind| wanted.contains(kind)),
        _ => false,
    }
}

fn same(a: &RawBson, b: &RawBson) -> bool {
    equal(a.as_raw_bson_ref(), b.as_raw_bson_ref())
}

/// Whether a value that passes is there.
fn exists(test: &Test) -> bool {
    match test {
        Test::Compare(_, value) => !matches_missing(value.as_raw_bson_ref()),
        Test::In(list) => !list.has_null,
        Test::Exists
        | Test::Collated(..)
        | Test::Regex(_)
        | Test::Mod { .. }
        | Test::Type(_)
        | Test::Bits { .. }
        | Test::Size(_)
        | Test::ElementMatches(_)
        | Test::ElementHolds(_) => true,
        Test::Never => true,
    }
}

/// Missing fields count as null, and the ends of the order compare with everything.
fn matches_missing(value: RawBsonRef<'_>) -> bool {
    is_null(value) || matches!(value, RawBsonRef::MinKey | RawBsonRef::MaxKey)
}

/// Whether `operator value` holds for fewer values than `other bound`.
fn narrower(
    operator: Operator,
    value: RawBsonRef<'_>,
    other: Operator,
    bound: RawBsonRef<'_>,
) -> bool {
    use Operator::{Eq, Gt, Gte, Lt, Lte};
    if operator == other && equal(value, bound) {
        return true;
    }
    let special =
        |v: RawBsonRef<'_>| matches_missing(v) || is_nan(v) || matches!(v, RawBsonRef::Array(_));
    if special(value) || special(bound) || bracket_of(value) != bracket_of(bound) {
        return false;
    }
    let order = compare(value, bound);
    match (operator, other) {
        (Eq, Eq) => order == Ordering::Equal,
        (Eq | Gt | Gte, Gte) | (Gt, Gt) => order != Ordering::Less,
        (Eq | Gte, Gt) => order == Ordering::Greater,
        (Eq | Lt | Lte, Lte) | (Lt, Lt) => order != Ordering::Greater,
        (Eq | Lte, Lt) => order == Ordering::Less,
        _ => false,
    }
}
