//! Tests of projections.

use bson::rawdoc;

use super::*;
use crate::code;

fn project(projection: &RawDocument, doc: &RawDocument) -> RawDocumentBuf {
    Projection::parse(projection, &Context::new(0)).unwrap().apply(doc).unwrap()
}

fn refused(projection: &RawDocument) -> i32 {
    Projection::parse(projection, &Context::new(0)).unwrap_err().code
}

#[test]
fn inclusion_keeps_the_documents_order_and_id() {
    let doc = rawdoc! { "_id": 1, "b": 2, "a": 3, "c": 4 };
    assert_eq!(project(&rawdoc! { "a": 1, "b": true }, &doc), rawdoc! { "_id": 1, "b": 2, "a": 3 });
    assert_eq!(project(&rawdoc! { "a": 1, "_id": 0 }, &doc), rawdoc! { "a": 3 });
    assert_eq!(project(&rawdoc! { "_id": 1 }, &doc), rawdoc! { "_id": 1 });
}

#[test]
fn exclusion_leaves_the_rest() {
    let doc = rawdoc! { "_id": 1, "b": { "x": 1, "y": 2 }, "a": 3 };
    assert_eq!(project(&rawdoc! { "b.x": 0 }, &doc), rawdoc! { "_id": 1, "b": { "y": 2 }, "a": 3 });
    assert_eq!(project(&rawdoc! { "_id": 0 }, &doc), rawdoc! { "b": { "x": 1, "y": 2 }, "a": 3 });
    assert_eq!(project(&rawdoc! {}, &doc), doc);
}

#[test]
fn paths_run_through_arrays() {
    let doc = rawdoc! { "_id": 1, "a": [{ "b": 1, "c": 2 }, 5, [{ "b": 3 }], { "c": 4 }] };
    let included = rawdoc! { "_id": 1, "a": [{ "b": 1 }, [{ "b": 3 }], {}] };
    assert_eq!(project(&rawdoc! { "a.b": 1 }, &doc), included);
    let excluded = rawdoc! { "_id": 1, "a": [{ "c": 2 }, 5, [{}], { "c": 4 }] };
    assert_eq!(project(&rawdoc! { "a": { "b": 0 } }, &doc), excluded);
}

#[test]
fn slices_and_matching_elements() {
    let doc = rawdoc! { "_id": 1, "a": [1, 2, 3, 4], "b": 5 };
    let all = |a: bson::RawBson| rawdoc! { "_id": 1, "a": a, "b": 5 };
    let array = |values: &[i32]| {
        let mut array = bson::RawArrayBuf::new();
        values.iter().for_each(|value| array.push(*value));
        bson::RawBson::Array(array)
    };
    assert_eq!(project(&rawdoc! { "a": { "$slice": 2 } }, &doc), all(array(&[1, 2])));
    assert_eq!(project(&rawdoc! { "a": { "$slice": -1 } }, &doc), all(array(&[4])));
    assert_eq!(project(&rawdoc! { "a": { "$slice": [1, 2] } }, &doc), all(array(&[2, 3])));
    assert_eq!(project(&rawdoc! { "a": { "$slice": [-3, 2] } }, &doc), all(array(&[2, 3])));
    let matching = rawdoc! { "a": { "$elemMatch": { "$gt": 2 } } };
    assert_eq!(project(&matching, &doc), rawdoc! { "_id": 1, "a": [3] });
}

#[test]
fn computed_fields_are_appended() {
    let doc = rawdoc! { "_id": 1, "a": 2, "b": { "c": 3 } };
    let projection = rawdoc! { "sum": { "$add": ["$a", "$b.c"] }, "a": 1, "b.d": "$a" };
    let expected = rawdoc! { "_id": 1, "a": 2, "b": {}, "sum": 5 };
    let found = project(&projection, &doc);
    assert_eq!(found.get_i32("sum").unwrap(), 5);
    assert_eq!(found.get_document("b").unwrap(), &*rawdoc! { "d": 2 });
    assert_eq!(found.get("a").unwrap(), expected.get("a").unwrap());
}

#[test]
fn what_is_computed_inside_arrays_is_in_every_element() {
    let doc = rawdoc! { "_id": 1, "l": [1, { "c": 2 }], "s": 5 };
    let found = project(&rawdoc! { "_id": 0, "l.x": "$s", "s.y": { "$literal": 7 } }, &doc);
    assert_eq!(found, rawdoc! { "l": [{ "x": 5 }, { "x": 5 }], "s": { "y": 7 } });
}

#[test]
fn contradictions_are_refused_with_their_codes() {
    assert_eq!(refused(&rawdoc! { "a": 1, "b": 0 }), 31254);
    assert_eq!(refused(&rawdoc! { "a": 0, "b": 1 }), 31253);
    assert_eq!(refused(&rawdoc! { "a": 1, "a.b": 1 }), 31249);
    assert_eq!(refused(&rawdoc! { "a.$": 1 }), code::NOT_IMPLEMENTED);
    assert_eq!(refused(&rawdoc! { "a": { "$meta": "textScore" } }), code::NOT_IMPLEMENTED);
}
