//! The order of values, by table.

use std::cmp::Ordering;

use bson::{Bson, doc};

use crate::testing::{decimal, holder};

fn compare(a: &Bson, b: &Bson) -> Ordering {
    let (a, b) = (holder(a), holder(b));
    super::compare(a.get("v").unwrap().unwrap(), b.get("v").unwrap().unwrap())
}

#[test]
fn equal_numbers_of_different_types_are_equal() {
    let ones = [Bson::Int32(1), Bson::Int64(1), Bson::Double(1.0), decimal("1"), decimal("1.00")];
    for a in &ones {
        for b in &ones {
            assert_eq!(compare(a, b), Ordering::Equal, "{a:?} {b:?}");
        }
    }
}

#[test]
fn numbers_compare_by_value_beyond_double_precision() {
    let cases = [
        (Bson::Int64((1 << 53) + 1), Bson::Double(9_007_199_254_740_992.0), Ordering::Greater),
        (Bson::Int64(i64::MAX), Bson::Double(9_223_372_036_854_775_808.0), Ordering::Less),
        (decimal("0.1"), Bson::Double(0.1), Ordering::Less),
        (decimal("0.5"), Bson::Double(0.5), Ordering::Equal),
        (decimal("9007199254740993"), Bson::Int64((1 << 53) + 1), Ordering::Equal),
        (decimal("1E6111"), Bson::Double(f64::MAX), Ordering::Greater),
        (decimal("1E6111"), Bson::Double(f64::INFINITY), Ordering::Less),
        (decimal("-1E-6176"), Bson::Double(0.0), Ordering::Less),
        (decimal("1E3"), Bson::Int32(1000), Ordering::Equal),
        (Bson::Double(-0.0), Bson::Int32(0), Ordering::Equal),
        (decimal("-0"), Bson::Double(0.0), Ordering::Equal),
        (Bson::Double(f64::NAN), decimal("NaN"), Ordering::Equal),
        (Bson::Double(f64::NAN), Bson::Double(f64::NEG_INFINITY), Ordering::Less),
        (Bson::Double(1.5), Bson::Int32(1), Ordering::Greater),
        (Bson::Double(-1.5), Bson::Int32(-1), Ordering::Less),
    ];
    for (a, b, expected) in cases {
        assert_eq!(compare(&a, &b), expected, "{a:?} {b:?}");
        assert_eq!(compare(&b, &a), expected.reverse(), "{b:?} {a:?}");
    }
}

#[test]
fn types_are_ordered_as_documented() {
    let ladder = [
        Bson::MinKey,
        Bson::Undefined,
        Bson::Null,
        Bson::Int32(7),
        Bson::String("a".into()),
        Bson::Document(doc! {}),
        Bson::Array(vec![]),
        Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![] }),
        Bson::ObjectId(bson::oid::ObjectId::from_bytes([0; 12])),
        Bson::Boolean(false),
        Bson::DateTime(bson::DateTime::from_millis(0)),
        Bson::Timestamp(bson::Timestamp { time: 0, increment: 0 }),
        Bson::JavaScriptCode("f".into()),
        Bson::MaxKey,
    ];
    for pair in ladder.windows(2) {
        assert_eq!(compare(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
    }
}

#[test]
fn documents_compare_type_then_name_then_value() {
    let cases = [
        (doc! {"a": 1}, doc! {"b": -1}, Ordering::Less),
        (doc! {"a": 1}, doc! {"a": 1.0}, Ordering::Equal),
        (doc! {"b": 1}, doc! {"a": "x"}, Ordering::Less),
        (doc! {"a": 1}, doc! {"a": 1, "b": 1}, Ordering::Less),
        (doc! {"a": 1, "b": 2}, doc! {"b": 2, "a": 1}, Ordering::Less),
        (doc! {}, doc! {"a": Bson::MinKey}, Ordering::Less),
    ];
    for (a, b, expected) in cases {
        assert_eq!(compare(&a.clone().into(), &b.clone().into()), expected, "{a} {b}");
    }
}

#[test]
fn binaries_compare_length_subtype_bytes() {
    let binary =
        |subtype, bytes: &[u8]| Bson::Binary(bson::Binary { subtype, bytes: bytes.into() });
    use bson::spec::BinarySubtype as S;
    let cases = [
        (binary(S::Generic, &[9]), binary(S::Generic, &[1, 1]), Ordering::Less),
        (binary(S::Uuid, &[1]), binary(S::Generic, &[2]), Ordering::Greater),
        (binary(S::Generic, &[1]), binary(S::Generic, &[2]), Ordering::Less),
    ];
    for (a, b, expected) in cases {
        assert_eq!(compare(&a, &b), expected, "{a:?} {b:?}");
    }
}

#[test]
fn documents_that_do_not_parse_are_never_equal_to_others() {
    let broken = |last: u8| {
        // {a: <string with a byte that is not UTF-8>, b: <int32>}
        let mut bytes = vec![0u8; 4];
        bytes.extend_from_slice(b"\x02a\0\x02\0\0\0\xff\0");
        bytes.extend_from_slice(b"\x10b\0");
        bytes.extend_from_slice(&[last, 0, 0, 0, 0]);
        let length = bytes.len() as u8;
        bytes[0] = length;
        bson::RawDocumentBuf::from_bytes(bytes).unwrap()
    };
    let (one, two) = (broken(1), broken(2));
    assert!(!super::equal((&one).into(), (&two).into()));
    assert!(super::equal((&one).into(), (&broken(1)).into()));
    assert_ne!(crate::key::encode((&one).into()), crate::key::encode((&two).into()));
}

#[test]
fn nesting_without_end_does_not_exhaust_the_stack() {
    let nested = |levels: usize, leaf: i32| {
        let mut bytes = bson::RawDocumentBuf::try_from(&doc! {"a": leaf}).unwrap().into_bytes();
        // From the inside out, into one buffer: a level is a length, a type, a name and an end.
        for _ in 0..levels {
            let mut outer = ((bytes.len() + 8) as u32).to_le_bytes().to_vec();
            outer.extend_from_slice(b"\x03a\0");
            outer.extend_from_slice(&bytes);
            outer.push(0);
            bytes = outer;
        }
        bson::RawDocumentBuf::from_bytes(bytes).unwrap()
    };
    let (one, two) = (nested(20_000, 1), nested(20_000, 2));
    assert_eq!(super::compare((&one).into(), (&two).into()), Ordering::Less);
    assert!(crate::key::encode((&one).into()) < crate::key::encode((&two).into()));
}
