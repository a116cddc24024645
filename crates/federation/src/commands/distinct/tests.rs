//! How `distinct` follows a path.

use bson::{RawDocumentBuf, rawdoc};

use super::*;

fn values(documents: &[RawDocumentBuf], path: &str) -> Vec<RawBson> {
    let parts: Vec<_> = path.split('.').collect();
    let mut values = Values::default();
    for document in documents {
        values.collect(RawBsonRef::Document(document), &parts).unwrap();
    }
    values.by_key.into_values().collect()
}

fn numbers(numbers: &[i32]) -> Vec<RawBson> {
    numbers.iter().copied().map(RawBson::Int32).collect()
}

#[test]
fn arrays_count_by_their_elements() {
    let documents = [rawdoc! { "x": [1, 2] }, rawdoc! { "x": 2.0 }, rawdoc! { "x": 3 }, rawdoc! {}];
    assert_eq!(values(&documents, "x"), numbers(&[1, 2, 3]));
    assert_eq!(values(&[rawdoc! { "x": [[1, 2]] }], "x").len(), 1);
}

#[test]
fn paths_go_through_arrays_of_documents() {
    let documents = [rawdoc! { "a": [{ "b": [1, 2] }, { "b": 3 }, { "c": 4 }] }];
    assert_eq!(values(&documents, "a.b"), numbers(&[1, 2, 3]));
    assert_eq!(values(&documents, "a.1.b"), numbers(&[3]));
    assert!(values(&documents, "a.b.c").is_empty());
}

#[test]
fn null_is_a_value_and_missing_is_not() {
    let documents = [rawdoc! { "x": null }, rawdoc! { "y": 1 }];
    assert_eq!(values(&documents, "x"), [RawBson::Null]);
}
