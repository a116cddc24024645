//! Random BSON for property tests, biased to where orders and brackets are easy to get wrong.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, RawDocumentBuf, Regex, Timestamp, doc};
use proptest::prelude::*;

/// Raw bytes of a document literal.
pub(crate) fn raw(doc: Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(&doc).unwrap()
}

/// A value as the only field of a raw document.
pub(crate) fn holder(value: &Bson) -> RawDocumentBuf {
    raw(doc! { "v": value.clone() })
}

pub(crate) fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse().unwrap())
}

/// Decimals at the edges of their range and of the other types.
const DECIMALS: &[&str] = &[
    "0",
    "-0",
    "1",
    "1.0",
    "0.1",
    "-0.1",
    "1E3",
    "1000",
    "9007199254740993",
    "NaN",
    "Infinity",
    "-Infinity",
    "1E6111",
    "-1E6111",
    "1E-6176",
    "-1E-6176",
    "9223372036854775807",
    "9223372036854775808",
    "0.5",
    "2.5",
    "1.7976931348623157E308",
    "5E-324",
    "19.99",
    "9.999999999999999999999999999999999E6144",
];

/// Numbers around the places where types and precision meet.
pub(crate) fn number() -> impl Strategy<Value = Bson> {
    let edges = prop::sample::select(vec![
        0i64,
        1,
        -1,
        2,
        5,
        1 << 53,
        (1 << 53) + 1,
        (1 << 53) - 1,
        -(1 << 53) - 1,
        i64::MAX,
        i64::MIN,
        i64::MAX - 1,
        1 << 62,
        (1 << 62) + 1,
    ]);
    let decimals = prop::sample::select(DECIMALS);
    let doubles = prop::sample::select(vec![
        0.0,
        -0.0,
        1.0,
        0.1,
        -0.1,
        0.5,
        2.5,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        9_007_199_254_740_992.0,
        9_223_372_036_854_775_808.0,
        19.99,
        1000.0,
    ]);
    prop_oneof![
        (-3i32..4).prop_map(Bson::Int32),
        edges.prop_map(Bson::Int64),
        any::<i64>().prop_map(Bson::Int64),
        doubles.prop_map(Bson::Double),
        any::<f64>().prop_map(Bson::Double),
        decimals.prop_map(decimal),
        (any::<i64>(), -30i32..30).prop_map(|(c, e)| decimal(&format!("{c}E{e}"))),
    ]
}

fn scalar() -> impl Strategy<Value = Bson> {
    let text = prop::sample::select(vec![
        "",
        "a",
        "b",
        "ab",
        "a\0b",
        "a\0",
        "A",
        "é",
        "\u{ff}",
        "longer than sixteen bytes",
        "longer than sixteen bytes too",
    ]);
    prop_oneof![
        4 => number(),
        2 => text.clone().prop_map(|t| Bson::String(t.to_owned())),
        1 => text.prop_map(|t| Bson::Symbol(t.to_owned())),
        2 => Just(Bson::Null),
        1 => Just(Bson::Undefined),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => (-2i64..3).prop_map(|ms| Bson::DateTime(DateTime::from_millis(ms * 86_400_000))),
        1 => (0u32..3, 0u32..3).prop_map(|(time, increment)| {
            Bson::Timestamp(Timestamp { time, increment })
        }),
        1 => (0u8..3).prop_map(|b| Bson::ObjectId(ObjectId::from_bytes([b; 12]))),
        1 => (prop::collection::vec(0u8..3, 0..4), prop::bool::ANY).prop_map(|(bytes, old)| {
            let subtype = if old { BinarySubtype::BinaryOld } else { BinarySubtype::Generic };
            Bson::Binary(Binary { subtype, bytes })
        }),
        1 => prop::sample::select(vec!["a", "b"]).prop_map(|p| Bson::RegularExpression(Regex {
            pattern: bson::raw::CString::try_from(p).unwrap(),
            options: bson::raw::CString::try_from("i").unwrap(),
        })),
        1 => prop::sample::select(vec!["f()", "g()"])
            .prop_map(|c| Bson::JavaScriptCode(c.to_owned())),
        1 => prop_oneof![Just(Bson::MinKey), Just(Bson::MaxKey)],
    ]
}

pub(crate) fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "0", "1"]).prop_map(str::to_owned)
}

/// Any value, nested a few levels.
pub(crate) fn value() -> impl Strategy<Value = Bson> {
    scalar().prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            prop::collection::vec((name(), inner), 0..3)
                .prop_map(|fields| { Bson::Document(fields.into_iter().collect()) }),
        ]
    })
}

/// A document with few field names, so that paths of random filters hit.
pub(crate) fn document() -> impl Strategy<Value = Document> {
    prop::collection::vec((name(), value()), 0..4).prop_map(|fields| fields.into_iter().collect())
}
