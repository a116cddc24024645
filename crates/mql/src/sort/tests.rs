//! Tests of sort orders.

use bson::rawdoc;

use super::*;

fn sorted(order: &RawDocument, mut docs: Vec<bson::RawDocumentBuf>) -> Vec<i32> {
    let sort = Sort::parse(order).unwrap();
    docs.sort_by_key(|doc| sort.key(doc).unwrap());
    docs.iter().map(|doc| doc.get_i32("_id").unwrap()).collect()
}

#[test]
fn types_sort_in_the_documented_order_and_missing_as_null() {
    let docs = vec![
        rawdoc! { "_id": 1, "a": true },
        rawdoc! { "_id": 2, "a": "x" },
        rawdoc! { "_id": 3, "a": 5 },
        rawdoc! { "_id": 4 },
        rawdoc! { "_id": 5, "a": [] },
        rawdoc! { "_id": 6, "a": { "b": 1 } },
    ];
    assert_eq!(sorted(&rawdoc! { "a": 1 }, docs.clone()), [5, 4, 3, 2, 6, 1]);
    assert_eq!(sorted(&rawdoc! { "a": -1 }, docs), [1, 6, 2, 3, 4, 5]);
}

#[test]
fn arrays_sort_by_their_smallest_or_largest_element() {
    let docs = vec![
        rawdoc! { "_id": 1, "a": [5, 1] },
        rawdoc! { "_id": 2, "a": 3 },
        rawdoc! { "_id": 3, "a": [2, 4] },
    ];
    assert_eq!(sorted(&rawdoc! { "a": 1 }, docs.clone()), [1, 3, 2]);
    assert_eq!(sorted(&rawdoc! { "a": -1 }, docs), [1, 3, 2]);
}

#[test]
fn several_fields_and_dotted_paths() {
    let docs = vec![
        rawdoc! { "_id": 1, "a": "ab", "b": { "c": 1 } },
        rawdoc! { "_id": 2, "a": "a", "b": { "c": 9 } },
        rawdoc! { "_id": 3, "a": "ab", "b": { "c": 2 } },
    ];
    assert_eq!(sorted(&rawdoc! { "a": 1, "b.c": -1 }, docs.clone()), [2, 3, 1]);
    assert_eq!(sorted(&rawdoc! { "a": -1, "b.c": 1 }, docs), [1, 3, 2]);
}

#[test]
fn numbers_of_all_types_sort_by_value() {
    let docs = vec![
        rawdoc! { "_id": 1, "a": 2.5 },
        rawdoc! { "_id": 2, "a": 2_i64 },
        rawdoc! { "_id": 3, "a": f64::NAN },
        rawdoc! { "_id": 4, "a": -1 },
    ];
    assert_eq!(sorted(&rawdoc! { "a": 1 }, docs), [3, 4, 2, 1]);
}

#[test]
fn what_cannot_be_sorted_is_refused() {
    for order in [rawdoc! { "a": 2 }, rawdoc! { "a": "x" }, rawdoc! { "": 1 }] {
        assert!(Sort::parse(&order).is_err(), "{order:?}");
    }
    let meta = Sort::parse(&rawdoc! { "a": { "$meta": "textScore" } }).unwrap_err();
    assert_eq!(meta.code, crate::code::NOT_IMPLEMENTED);
    let sort = Sort::parse(&rawdoc! { "a": 1, "b": 1 }).unwrap();
    assert!(sort.key(&rawdoc! { "a": [1], "b": [2] }).is_err());
}

#[test]
fn fields_of_one_array_are_taken_from_one_element() {
    let docs = vec![
        rawdoc! { "_id": 1, "a": [{ "x": 1, "y": 9 }, { "x": 2, "y": 0 }] },
        rawdoc! { "_id": 2, "a": [{ "x": 1, "y": 5 }] },
    ];
    assert_eq!(sorted(&rawdoc! { "a.x": 1, "a.y": 1 }, docs.clone()), [2, 1]);
    assert_eq!(sorted(&rawdoc! { "a.x": -1, "a.y": 1 }, docs), [1, 2]);
    let sort = Sort::parse(&rawdoc! { "a.b": 1, "a.c": 1 }).unwrap();
    assert!(sort.key(&rawdoc! { "a": { "b": [1], "c": [2] } }).is_err(), "parallel arrays");
}

#[test]
fn paths_through_arrays_sort_by_what_they_find() {
    let docs = vec![
        rawdoc! { "_id": 1, "a": [{ "b": 5 }, { "b": [1, 9] }] },
        rawdoc! { "_id": 2, "a": [1, 2] },
        rawdoc! { "_id": 3, "a": [{ "b": 0 }] },
        rawdoc! { "_id": 4, "a": [[{ "b": 0 }]] },
        rawdoc! { "_id": 5, "a": [{ "b": [] }] },
    ];
    assert_eq!(sorted(&rawdoc! { "a.b": 1 }, docs.clone()), [5, 2, 4, 3, 1]);
    // An index enters an array in an array, which names do not.
    assert_eq!(sorted(&rawdoc! { "a.0.b": 1 }, docs), [5, 2, 3, 4, 1]);
}
