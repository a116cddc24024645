//! Tests of updates.

use bson::{RawBson, rawdoc};

use super::*;

fn parse(update: &RawDocument, filters: &[RawDocumentBuf]) -> Result<Update> {
    Update::parse(RawBsonRef::Document(update), filters, &Context::new(1_000))
}

/// The document after the update; the document itself when nothing changes.
fn updated(update: &RawDocument, doc: &RawDocument) -> RawDocumentBuf {
    parse(update, &[]).unwrap().apply(doc, false).unwrap().unwrap_or_else(|| doc.to_owned())
}

fn refused(update: &RawDocument, doc: &RawDocument) -> i32 {
    match parse(update, &[]) {
        Err(error) => error.code,
        Ok(update) => update.apply(doc, false).unwrap_err().code,
    }
}

#[test]
fn fields_are_set_made_and_removed() {
    let doc = rawdoc! { "_id": 1, "a": { "b": 1 }, "z": 9 };
    let set = rawdoc! { "$set": { "a.c": 2, "d.e": 3, "z": 0 } };
    let expected = rawdoc! { "_id": 1, "a": { "b": 1, "c": 2 }, "z": 0, "d": { "e": 3 } };
    assert_eq!(updated(&set, &doc), expected);
    let unset = rawdoc! { "$unset": { "a.b": "", "nothing.here": 1 } };
    assert_eq!(updated(&unset, &doc), rawdoc! { "_id": 1, "a": {}, "z": 9 });
}

#[test]
fn what_is_the_same_is_no_change() {
    let doc = rawdoc! { "_id": 1, "a": 5 };
    for update in [
        rawdoc! { "$set": { "a": 5 } },
        rawdoc! { "$unset": { "b": 1 } },
        rawdoc! { "$min": { "a": 7 } },
        rawdoc! { "$setOnInsert": { "a": 1 } },
        rawdoc! { "a": 5 },
    ] {
        assert!(parse(&update, &[]).unwrap().apply(&doc, false).unwrap().is_none(), "{update:?}");
    }
}

#[test]
fn numbers_widen_and_do_not_overflow_silently() {
    let doc = rawdoc! { "_id": 1, "i": i32::MAX, "l": 1_i64, "d": 1.5 };
    let inc = rawdoc! { "$inc": { "i": 1, "l": 2, "d": 1, "new": 4 } };
    let expected =
        rawdoc! { "_id": 1, "i": i64::from(i32::MAX) + 1, "l": 3_i64, "d": 2.5, "new": 4 };
    assert_eq!(updated(&inc, &doc), expected);
    assert_eq!(refused(&rawdoc! { "$inc": { "l": i64::MAX } }, &doc), code::BAD_VALUE);
    assert_eq!(refused(&rawdoc! { "$inc": { "l": "x" } }, &doc), code::TYPE_MISMATCH);
    assert_eq!(updated(&rawdoc! { "$mul": { "l": 5, "m": 2 } }, &doc).get_i32("m").unwrap(), 0);
}

#[test]
fn smaller_larger_and_current_date() {
    let doc = rawdoc! { "_id": 1, "a": 5, "b": 5 };
    let update = rawdoc! { "$min": { "a": 3 }, "$max": { "b": 9 }, "$currentDate": { "at": true } };
    let found = updated(&update, &doc);
    assert_eq!((found.get_i32("a").unwrap(), found.get_i32("b").unwrap()), (3, 9));
    assert_eq!(found.get_datetime("at").unwrap().timestamp_millis(), 1_000);
}

#[test]
fn rename_moves_a_value() {
    let doc = rawdoc! { "_id": 1, "a": { "b": 1 }, "c": 2 };
    let rename = rawdoc! { "$rename": { "a.b": "d", "nothing": "x" } };
    assert_eq!(updated(&rename, &doc), rawdoc! { "_id": 1, "a": {}, "c": 2, "d": 1 });
}

#[test]
fn arrays_are_pushed_popped_and_pulled() {
    let doc = rawdoc! { "_id": 1, "a": [3, 1, 2] };
    let after = |update: RawDocumentBuf| updated(&update, &doc);
    assert_eq!(after(rawdoc! { "$push": { "a": 4 } }), rawdoc! { "_id": 1, "a": [3, 1, 2, 4] });
    let sorted = rawdoc! { "$push": { "a": { "$each": [0, 5], "$sort": 1, "$slice": -3 } } };
    assert_eq!(after(sorted), rawdoc! { "_id": 1, "a": [2, 3, 5] });
    let placed = rawdoc! { "$push": { "a": { "$each": [9], "$position": 1 } } };
    assert_eq!(after(placed), rawdoc! { "_id": 1, "a": [3, 9, 1, 2] });
    let set = rawdoc! { "$addToSet": { "a": { "$each": [1_i64, 7] } } };
    assert_eq!(after(set), rawdoc! { "_id": 1, "a": [3, 1, 2, 7] });
    assert_eq!(after(rawdoc! { "$pop": { "a": -1 } }), rawdoc! { "_id": 1, "a": [1, 2] });
    assert_eq!(after(rawdoc! { "$pull": { "a": { "$gt": 1 } } }), rawdoc! { "_id": 1, "a": [1] });
    assert_eq!(after(rawdoc! { "$pullAll": { "a": [1, 3] } }), rawdoc! { "_id": 1, "a": [2] });
    assert_eq!(
        after(rawdoc! { "$push": { "new": 1 } }).get_array("new").unwrap().into_iter().count(),
        1
    );
    assert_eq!(refused(&rawdoc! { "$push": { "_id": 1 } }, &doc), code::BAD_VALUE);
}

#[test]
fn documents_are_pulled_by_their_fields() {
    let doc = rawdoc! { "_id": 1, "a": [{ "n": 1, "x": 1 }, { "n": 2 }, 5] };
    let pull = rawdoc! { "$pull": { "a": { "n": { "$lt": 2 } } } };
    assert_eq!(updated(&pull, &doc), rawdoc! { "_id": 1, "a": [{ "n": 2 }, 5] });
}

#[test]
fn indexes_pad_and_unset_leaves_null() {
    let doc = rawdoc! { "_id": 1, "a": [1] };
    let padded = rawdoc! { "_id": 1, "a": [1, RawBson::Null, 3] };
    assert_eq!(updated(&rawdoc! { "$set": { "a.2": 3 } }, &doc), padded);
    let nulled = rawdoc! { "_id": 1, "a": [RawBson::Null] };
    assert_eq!(updated(&rawdoc! { "$unset": { "a.0": 1 } }, &doc), nulled);
    assert_eq!(refused(&rawdoc! { "$set": { "a.9999999": 3 } }, &doc), code::BAD_VALUE);
    assert_eq!(refused(&rawdoc! { "$set": { "a.x": 3 } }, &doc), code::PATH_NOT_VIABLE);
    assert_eq!(refused(&rawdoc! { "$set": { "_id.x": 3 } }, &doc), code::PATH_NOT_VIABLE);
}

#[test]
fn all_and_filtered_elements() {
    let doc = rawdoc! { "_id": 1, "a": [{ "n": 1 }, { "n": 5 }] };
    let all = rawdoc! { "$inc": { "a.$[].n": 1 } };
    assert_eq!(updated(&all, &doc), rawdoc! { "_id": 1, "a": [{ "n": 2 }, { "n": 6 }] });
    let some = rawdoc! { "$set": { "a.$[big].n": 0 } };
    let update = parse(&some, &[rawdoc! { "big.n": { "$gte": 5 } }]).unwrap();
    let found = update.apply(&doc, false).unwrap().unwrap();
    assert_eq!(found, rawdoc! { "_id": 1, "a": [{ "n": 1 }, { "n": 0 }] });
    assert_eq!(parse(&some, &[]).unwrap_err().code, code::BAD_VALUE);
    assert_eq!(parse(&all, &[rawdoc! { "x": 1 }]).unwrap_err().code, code::FAILED_TO_PARSE);
}

#[test]
fn the_matched_element_is_changed() {
    let doc = rawdoc! { "_id": 1, "a": [1, 7, 3] };
    let update = parse(&rawdoc! { "$set": { "a.$": 0 } }, &[]).unwrap();
    let filter = Filter::parse(&rawdoc! { "a": { "$gt": 5 } }, &Context::new(0)).unwrap();
    let found = update.apply_matched(&doc, &filter).unwrap().unwrap();
    assert_eq!(found, rawdoc! { "_id": 1, "a": [1, 0, 3] });
    assert_eq!(update.apply(&doc, false).unwrap_err().code, code::BAD_VALUE);
}

#[test]
fn the_id_never_changes() {
    let doc = rawdoc! { "_id": 1, "a": 1 };
    assert_eq!(refused(&rawdoc! { "$set": { "_id": 2 } }, &doc), code::IMMUTABLE_FIELD);
    assert_eq!(refused(&rawdoc! { "$unset": { "_id": 1 } }, &doc), code::IMMUTABLE_FIELD);
    assert_eq!(refused(&rawdoc! { "_id": 2 }, &doc), code::IMMUTABLE_FIELD);
    assert_eq!(updated(&rawdoc! { "b": 2 }, &doc), rawdoc! { "_id": 1, "b": 2 });
}

#[test]
fn conflicts_and_unknown_modifiers_are_refused() {
    let doc = rawdoc! { "_id": 1 };
    let conflict = rawdoc! { "$set": { "a": 1 }, "$inc": { "a.b": 1 } };
    assert_eq!(refused(&conflict, &doc), code::CONFLICTING_UPDATE);
    assert_eq!(refused(&rawdoc! { "$nope": { "a": 1 } }, &doc), code::FAILED_TO_PARSE);
    assert_eq!(refused(&rawdoc! { "$bit": { "a": { "or": 1 } } }, &doc), code::NOT_IMPLEMENTED);
    assert_eq!(refused(&rawdoc! { "$set": { "a..b": 1 } }, &doc), code::EMPTY_FIELD_NAME);
    assert_eq!(refused(&rawdoc! { "$set": { "$a": 1 } }, &doc), code::DOLLAR_PREFIXED);
    let pipeline = bson::rawbson!([{ "$set": { "a": 1 } }]);
    let error = Update::parse(pipeline.as_raw_bson_ref(), &[], &Context::new(0)).unwrap_err();
    assert_eq!(error.code, code::NOT_IMPLEMENTED);
}

#[test]
fn upserts_start_from_the_filters_equalities() {
    let filter = rawdoc! { "a": 1, "b": { "$gt": 5 }, "_id": 7 };
    let filter = Filter::parse(&filter, &Context::new(0)).unwrap();
    let update = rawdoc! { "$set": { "c": 2 }, "$setOnInsert": { "d": 3 } };
    let made = parse(&update, &[]).unwrap().upsert_from(&filter).unwrap();
    assert_eq!(made, rawdoc! { "_id": 7, "a": 1, "c": 2, "d": 3 });
    let made = parse(&rawdoc! { "x": 1 }, &[]).unwrap().upsert_from(&filter).unwrap();
    assert_eq!(made, rawdoc! { "_id": 7, "x": 1 });
}

#[test]
fn fields_are_made_in_the_order_of_their_paths() {
    let update = rawdoc! { "$set": { "b": 1, "a": 2, "10": 3, "9": 4 } };
    let expected = rawdoc! { "_id": 1, "9": 4, "10": 3, "a": 2, "b": 1 };
    assert_eq!(updated(&update, &rawdoc! { "_id": 1 }), expected);
}
