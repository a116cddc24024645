//! Bounds turned back into values hold every value that they were made from.

use bson::{RawBson, rawdoc};
use portolan_mql::compare;

use super::*;

fn range(values: &[RawBson]) -> Option<IdRange> {
    let keys: Vec<_> =
        values.iter().map(|value| key::prune_key(Some(value.as_raw_bson_ref())).unwrap()).collect();
    of_keys(keys.iter().min().unwrap(), keys.iter().max().unwrap())
}

fn holds(values: &[RawBson]) {
    let IdRange { low, high } = range(values).unwrap_or_else(|| panic!("no range: {values:?}"));
    for value in values {
        let value = value.as_raw_bson_ref();
        assert!(compare::compare(low.as_raw_bson_ref(), value).is_le(), "{low:?} {value:?}");
        assert!(compare::compare(value, high.as_raw_bson_ref()).is_le(), "{value:?} {high:?}");
    }
}

#[test]
fn ranges_hold_their_values() {
    let id = |byte| RawBson::ObjectId(ObjectId::from_bytes([byte; 12]));
    holds(&[id(1), id(2), id(255)]);
    let date = |ms| RawBson::DateTime(DateTime::from_millis(ms));
    holds(&[date(-5), date(0), date(1_700_000_000_000), date(i64::MIN), date(i64::MAX)]);
    holds(&[RawBson::Int32(-7), RawBson::Int64(i64::MAX), RawBson::Double(0.1)]);
    holds(&[RawBson::Int64(9_007_199_254_740_993), RawBson::Int64(-9_007_199_254_740_993)]);
    let decimal = |text: &str| RawBson::Decimal128(text.parse().unwrap());
    holds(&[decimal("0.1"), decimal("-123456789.123456789"), RawBson::Double(-0.0)]);
    holds(&[RawBson::Double(f64::INFINITY), RawBson::Double(f64::NEG_INFINITY)]);
}

#[test]
fn object_ids_and_dates_come_back_exactly() {
    let id = |byte| RawBson::ObjectId(ObjectId::from_bytes([byte; 12]));
    assert_eq!(range(&[id(1), id(3)]), Some(IdRange { low: id(1), high: id(3) }));
    let date = |ms| RawBson::DateTime(DateTime::from_millis(ms));
    assert_eq!(range(&[date(-1), date(9)]), Some(IdRange { low: date(-1), high: date(9) }));
}

#[test]
fn there_is_no_range_for_other_types_or_mixed_ones() {
    let text = |text: &str| RawBson::String(text.into());
    assert_eq!(range(&[text("a"), text("b")]), None);
    assert_eq!(range(&[RawBson::Int32(1), RawBson::ObjectId(ObjectId::from_bytes([1; 12]))]), None);
    assert_eq!(range(&[RawBson::Double(f64::NAN), RawBson::Int32(1)]), None);
    assert_eq!(range(&[RawBson::Document(rawdoc! { "a": 1 })]), None);
    assert_eq!(of_keys("", ""), None);
    assert_eq!(of_keys("zz", "zz"), None);
}
