//! Collations by what they call equal and by what they put first.

use bson::{Document, doc};

use super::Collation;
use crate::testing::raw;

fn collation(spec: Document) -> Collation {
    Collation::parse(&raw(spec)).unwrap().expect("not the simple one")
}

fn code(spec: Document) -> i32 {
    Collation::parse(&raw(spec)).unwrap_err().code
}

#[test]
fn strength_decides_what_is_equal() {
    let equal = |strength: i32, a: &str, b: &str| {
        let collation = collation(doc! { "locale": "en_US", "strength": strength });
        collation.key(a) == collation.key(b)
    };
    assert!(equal(1, "cote", "Côte") && equal(2, "cote", "COTE") && !equal(2, "cote", "côte"));
    assert!(!equal(3, "cote", "Cote") && equal(3, "cote", "cote"));
}

#[test]
fn locales_and_options_decide_the_order() {
    let sorted = |spec: Document, words: &[&'static str]| {
        let collation = collation(spec);
        let mut words = words.to_vec();
        words.sort_by_key(|word| collation.key(word));
        words
    };
    assert_eq!(sorted(doc! { "locale": "sv" }, &["ö", "z", "a"]), ["a", "z", "ö"]);
    assert_eq!(sorted(doc! { "locale": "de" }, &["ö", "z", "a"]), ["a", "ö", "z"]);
    let numeric = doc! { "locale": "en", "numericOrdering": true };
    assert_eq!(sorted(numeric, &["10", "9", "1"]), ["1", "9", "10"]);
    let upper = doc! { "locale": "en", "caseFirst": "upper" };
    assert_eq!(sorted(upper, &["a", "A", "b"]), ["A", "a", "b"]);
    assert_eq!(sorted(doc! { "locale": "en" }, &["a", "A", "b"]), ["a", "A", "b"]);
}

#[test]
fn what_is_not_a_collation_is_refused() {
    assert!(Collation::parse(&raw(doc! { "locale": "simple" })).unwrap().is_none());
    assert_eq!(code(doc! {}), 40414);
    assert_eq!(code(doc! { "locale": "xx" }), 2);
    assert_eq!(code(doc! { "locale": "en", "strength": 6 }), 2);
    assert_eq!(code(doc! { "locale": "en", "wat": 1 }), 40415);
    assert_eq!(code(doc! { "locale": "en", "backwards": true }), 238);
    assert_eq!(code(doc! { "locale": "de@collation=phonebook" }), 238);
    assert_eq!(code(doc! { "locale": 1 }), 14);
}
