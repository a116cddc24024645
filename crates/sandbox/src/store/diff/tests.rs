//! Tests of the difference of two documents.

use bson::{Bson, Document, RawDocumentBuf, doc};
use proptest::prelude::*;

use super::Diff;

fn diff(old: &Document, new: &Document) -> (Document, bool) {
    let raw = |document| RawDocumentBuf::try_from(document).expect("a document");
    let diff = Diff::of(&raw(old), &raw(new)).expect("a difference");
    let moved = diff.moved;
    (Document::try_from(&diff.into_document()).expect("a description"), moved)
}

fn description(old: Document, new: Document) -> (Document, Vec<Bson>, Vec<Bson>, Document) {
    let (diff, _) = diff(&old, &new);
    let list = |name| diff.get_array(name).expect("a list").clone();
    let part = |name| diff.get_document(name).expect("a part").clone();
    (
        part("updatedFields"),
        list("removedFields"),
        list("truncatedArrays"),
        part("disambiguatedPaths"),
    )
}

#[test]
fn fields_are_updated_removed_and_added_by_their_paths() {
    let long = "a text that is longer than any path";
    let (updated, removed, truncated, ambiguous) = description(
        doc! { "_id": 1, "a": { "b": 1, "c": long, "d": 4 }, "gone": true },
        doc! { "_id": 1, "a": { "b": 2, "c": long }, "new": "x" },
    );
    assert_eq!(updated, doc! { "a.b": 2, "new": "x" });
    assert_eq!(removed, ["gone".into(), "a.d".into()]);
    assert!(truncated.is_empty() && ambiguous.is_empty());
}

#[test]
fn arrays_are_changed_in_place_extended_and_truncated() {
    let (updated, removed, truncated, _) = description(
        doc! { "a": [1, 2, 3], "b": [10, 20, 30, 40], "c": [{ "x": 1, "y": "long enough" }] },
        doc! { "a": [1, 2, 3, 4], "b": [10, 20], "c": [{ "x": 2, "y": "long enough" }] },
    );
    assert_eq!(updated, doc! { "a.3": 4, "c.0.x": 2 });
    assert!(removed.is_empty());
    assert_eq!(truncated, [doc! { "field": "b", "newSize": 2 }.into()]);
}

#[test]
fn what_has_little_in_common_is_given_whole() {
    let (updated, removed, ..) =
        description(doc! { "a": { "x": 1, "y": 2, "z": 3 } }, doc! { "a": { "q": 1 } });
    assert_eq!((updated, removed.len()), (doc! { "a": { "q": 1 } }, 0));
}

#[test]
fn paths_that_could_be_read_in_two_ways_are_given_by_their_parts() {
    let (updated, _, _, ambiguous) = description(
        doc! { "home.town": "x", "a": [{ "1": 1 }] },
        doc! { "home.town": "y", "a": [{ "1": 2 }] },
    );
    assert_eq!(updated, doc! { "home.town": "y", "a.0.1": 2 });
    assert_eq!(ambiguous, doc! { "home.town": ["home.town"], "a.0.1": ["a", 0, "1"] });
}

#[test]
fn fields_that_moved_are_noticed() {
    assert!(!diff(&doc! { "a": 1, "b": 2 }, &doc! { "a": 1, "b": 3, "c": 4 }).1);
    assert!(diff(&doc! { "a": 1, "b": 2 }, &doc! { "b": 2, "a": 1 }).1);
    assert!(diff(&doc! { "a": 1 }, &doc! { "new": 1, "a": 1 }).1);
    assert!(diff(&doc! { "a": 1, "b": 2 }, &doc! { "new": 1, "a": 1, "b": 2 }).1);
}

#[test]
fn negative_zero_is_another_value() {
    let (updated, ..) = description(doc! { "a": 0.0 }, doc! { "a": -0.0 });
    assert_eq!(updated.len(), 1);
}

fn value() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        (0..3).prop_map(Bson::Int32),
        "[ab]{0,12}".prop_map(Bson::String),
        any::<bool>().prop_map(Bson::Boolean),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            fields_of(inner).prop_map(Bson::Document),
        ]
    })
}

fn fields_of(value: impl Strategy<Value = Bson>) -> impl Strategy<Value = Document> {
    proptest::collection::vec(("[a-d]", value), 0..4).prop_map(|fields| {
        let mut document = Document::new();
        for (name, value) in fields {
            document.insert(name, value);
        }
        document
    })
}

proptest! {
    #[test]
    fn applying_the_difference_gives_the_new_document(
        old in fields_of(value()),
        new in fields_of(value()),
    ) {
        let (diff, moved) = diff(&old, &new);
        let mut made = old.clone();
        crate::testing::apply_diff(&mut made, &diff);
        if moved {
            // Beside the order of fields.
            prop_assert_eq!(crate::testing::sorted(&made), crate::testing::sorted(&new));
        } else {
            let raw = |document| RawDocumentBuf::try_from(document).expect("a document");
            prop_assert_eq!(raw(&made), raw(&new));
        }
    }
}
