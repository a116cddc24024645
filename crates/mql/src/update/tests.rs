//! Updates by table.

use bson::{Bson, Document, bson, doc};

use super::Update;
use crate::testing::{decimal, raw};
use crate::{Context, Filter, MqlError, Result};

const NOW_MS: i64 = 86_400_000;

fn parse(update: Bson, filters: Vec<Document>) -> Result<Update> {
    let holder = raw(doc! {"u": update});
    let filters: Vec<_> = filters.into_iter().map(raw).collect();
    Update::parse(holder.get("u").unwrap().unwrap(), &filters, &Context::new(NOW_MS))
}

fn apply_with(update: Bson, filters: Vec<Document>, doc: Document) -> Result<Document> {
    let changed = parse(update, filters)?.apply(&raw(doc.clone()), false)?;
    Ok(changed.map_or(doc, |raw| Document::try_from(raw).unwrap()))
}

fn apply(update: Bson, doc: Document) -> Result<Document> {
    apply_with(update, vec![], doc)
}

#[track_caller]
fn check(cases: Vec<(Bson, Document, Document)>) {
    for (update, doc, expected) in cases {
        let found =
            apply(update.clone(), doc.clone()).unwrap_or_else(|e| panic!("{update}: {e:?}"));
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{update} on {doc}");
    }
}

#[track_caller]
fn check_codes(cases: Vec<(Bson, Document, i32)>) {
    for (update, doc, code) in cases {
        let found = apply(update.clone(), doc.clone()).map_or_else(|e: MqlError| e.code, |_| 0);
        assert_eq!(found, code, "{update} on {doc}");
    }
}

#[test]
fn set_and_unset_make_and_remove_paths() {
    check(vec![
        (bson!({"$set": {"a": 1}}), doc! {"_id": 0}, doc! {"_id": 0, "a": 1}),
        (bson!({"$set": {"a.b.c": 1}}), doc! {}, doc! {"a": {"b": {"c": 1}}}),
        (bson!({"$set": {"b": 9}}), doc! {"a": 1, "b": 2, "c": 3}, doc! {"a": 1, "b": 9, "c": 3}),
        (bson!({"$set": {"l.1": 9}}), doc! {"l": [1, 2]}, doc! {"l": [1, 9]}),
        (bson!({"$set": {"l.3": 9}}), doc! {"l": [1]}, doc! {"l": [1, null, null, 9]}),
        (bson!({"$set": {"l.0.x": 9}}), doc! {"l": [{}]}, doc! {"l": [{"x": 9}]}),
        (
            bson!({"$set": {"z": 1, "y": 2, "10": 3, "9": 4}}),
            doc! {},
            doc! {"9": 4, "10": 3, "y": 2, "z": 1},
        ),
        (bson!({"$unset": {"a": ""}}), doc! {"a": 1, "b": 2}, doc! {"b": 2}),
        (bson!({"$unset": {"a.b": ""}}), doc! {"a": {"b": 1, "c": 2}}, doc! {"a": {"c": 2}}),
        (bson!({"$unset": {"l.0": ""}}), doc! {"l": [1, 2]}, doc! {"l": [null, 2]}),
        (
            bson!({"$unset": {"x.y": "", "l.q": ""}}),
            doc! {"x": 5, "l": [1]},
            doc! {"x": 5, "l": [1]},
        ),
        (bson!({"$set": {}}), doc! {"a": 1}, doc! {"a": 1}),
    ]);
    check_codes(vec![
        (bson!({"$set": {"a.b": 1}}), doc! {"a": 5}, 28),
        (bson!({"$set": {"a.b": 1}}), doc! {"a": [1]}, 28),
        (bson!({"$set": {"a..b": 1}}), doc! {}, 56),
        (bson!({"$set": {"$a": 1}}), doc! {}, 52),
        (bson!({"$set": {"l.9999999": 1}}), doc! {"l": []}, 2),
    ]);
}

#[test]
fn arithmetic_keeps_or_widens_types() {
    check(vec![
        (bson!({"$inc": {"n": 2}}), doc! {"n": 1}, doc! {"n": 3}),
        (bson!({"$inc": {"n": 1}}), doc! {"n": i32::MAX}, doc! {"n": 2_147_483_648i64}),
        (bson!({"$inc": {"n": 1.5}}), doc! {"n": 1}, doc! {"n": 2.5}),
        (bson!({"$inc": {"n": decimal("0.1")}}), doc! {"n": 1}, doc! {"n": decimal("1.1")}),
        (bson!({"$inc": {"n": 5i64}}), doc! {}, doc! {"n": 5i64}),
        (bson!({"$mul": {"n": 3}}), doc! {"n": 2}, doc! {"n": 6}),
        (bson!({"$mul": {"n": 3.0}}), doc! {}, doc! {"n": 0.0}),
        (bson!({"$min": {"n": 1}}), doc! {"n": 2}, doc! {"n": 1}),
        (bson!({"$min": {"n": 3}}), doc! {"n": 2}, doc! {"n": 2}),
        (bson!({"$max": {"n": "a"}}), doc! {"n": 2}, doc! {"n": "a"}),
        (bson!({"$max": {"n": 7}}), doc! {}, doc! {"n": 7}),
        (bson!({"$bit": {"n": {"and": 6, "or": 8}}}), doc! {"n": 5}, doc! {"n": 12}),
        (bson!({"$bit": {"n": {"xor": 1i64}}}), doc! {"n": 3}, doc! {"n": 2i64}),
    ]);
    check_codes(vec![
        (bson!({"$inc": {"n": 1}}), doc! {"n": i64::MAX}, 2),
        (bson!({"$inc": {"n": 1}}), doc! {"n": "x"}, 14),
        (bson!({"$inc": {"n": 1}}), doc! {"n": Bson::Null}, 14),
        (bson!({"$inc": {"n": "x"}}), doc! {}, 14),
        (bson!({"$bit": {"n": {"and": 1.5}}}), doc! {}, 2),
    ]);
}

#[test]
fn push_inserts_then_sorts_then_slices() {
    check(vec![
        (bson!({"$push": {"l": 3}}), doc! {"l": [1]}, doc! {"l": [1, 3]}),
        (bson!({"$push": {"l": [3]}}), doc! {"l": [1]}, doc! {"l": [1, [3]]}),
        (bson!({"$push": {"l": 3}}), doc! {}, doc! {"l": [3]}),
        (bson!({"$push": {"l": {"$each": [3, 4]}}}), doc! {"l": [1]}, doc! {"l": [1, 3, 4]}),
        (
            bson!({"$push": {"l": {"$each": [9], "$position": 0}}}),
            doc! {"l": [1, 2]},
            doc! {"l": [9, 1, 2]},
        ),
        (
            bson!({"$push": {"l": {"$each": [9], "$position": -1}}}),
            doc! {"l": [1, 2]},
            doc! {"l": [1, 9, 2]},
        ),
        (
            bson!({"$push": {"l": {"$each": [2], "$sort": -1, "$slice": 2}}}),
            doc! {"l": [1, 3]},
            doc! {"l": [3, 2]},
        ),
        (bson!({"$push": {"l": {"$each": [], "$slice": -1}}}), doc! {"l": [1, 3]}, doc! {"l": [3]}),
        (
            bson!({"$push": {"l": {"$each": [{"s": 1}], "$sort": {"s": 1}}}}),
            doc! {"l": [{"s": 2}, 5]},
            doc! {"l": [5, {"s": 1}, {"s": 2}]},
        ),
        (bson!({"$addToSet": {"l": 1.0}}), doc! {"l": [1]}, doc! {"l": [1]}),
        (bson!({"$addToSet": {"l": {"$each": [2, 2, 1]}}}), doc! {"l": [1]}, doc! {"l": [1, 2]}),
        (bson!({"$addToSet": {"l": {"$each": []}}}), doc! {}, doc! {"l": []}),
        (bson!({"$pop": {"l": 1}}), doc! {"l": [1, 2]}, doc! {"l": [1]}),
        (bson!({"$pop": {"l": -1}}), doc! {"l": [1, 2]}, doc! {"l": [2]}),
        (bson!({"$pop": {"x": 1}}), doc! {"l": [1]}, doc! {"l": [1]}),
    ]);
    check_codes(vec![
        (bson!({"$push": {"l": 1}}), doc! {"l": 1}, 2),
        (bson!({"$push": {"l": {"$each": 1}}}), doc! {}, 2),
        (bson!({"$push": {"l": {"$each": [], "$nope": 1}}}), doc! {}, 2),
        (bson!({"$addToSet": {"l": 1}}), doc! {"l": 1}, 2),
        (bson!({"$pop": {"l": 2}}), doc! {"l": [1]}, 9),
        (bson!({"$pop": {"l": 1}}), doc! {"l": 1}, 14),
    ]);
}

#[test]
fn pull_removes_by_value_condition_or_query() {
    check(vec![
        (bson!({"$pull": {"l": 1}}), doc! {"l": [1, 2, 1.0]}, doc! {"l": [2]}),
        (bson!({"$pull": {"l": {"$gte": 2}}}), doc! {"l": [1, 2, 3]}, doc! {"l": [1]}),
        (bson!({"$pull": {"l": {"$in": [1, 3]}}}), doc! {"l": [1, 2, 3]}, doc! {"l": [2]}),
        (
            bson!({"$pull": {"l": {"a": 1, "b": {"$gt": 5}}}}),
            doc! {"l": [{"a": 1, "b": 6}, {"a": 1, "b": 1}, 7]},
            doc! {"l": [{"a": 1, "b": 1}, 7]},
        ),
        (
            bson!({"$pull": {"l": {"a": {"$elemMatch": {"$gt": 1}}}}}),
            doc! {"l": [{"a": [2]}, {"a": [1]}]},
            doc! {"l": [{"a": [1]}]},
        ),
        (bson!({"$pull": {"x": 1}}), doc! {"l": [1]}, doc! {"l": [1]}),
        (bson!({"$pullAll": {"l": [1, 3]}}), doc! {"l": [1, 2, 3, 1]}, doc! {"l": [2]}),
    ]);
    check_codes(vec![
        (bson!({"$pull": {"l": 1}}), doc! {"l": 1}, 2),
        (bson!({"$pullAll": {"l": 1}}), doc! {"l": [1]}, 2),
    ]);
}

#[test]
fn rename_moves_a_value() {
    check(vec![
        (bson!({"$rename": {"a": "b"}}), doc! {"a": 1, "c": 2}, doc! {"c": 2, "b": 1}),
        (bson!({"$rename": {"a": "b"}}), doc! {"a": 1, "b": 2}, doc! {"b": 1}),
        (bson!({"$rename": {"a.x": "b.y"}}), doc! {"a": {"x": 1}}, doc! {"a": {}, "b": {"y": 1}}),
        (bson!({"$rename": {"nope": "b"}}), doc! {"a": 1}, doc! {"a": 1}),
    ]);
    check_codes(vec![
        (bson!({"$rename": {"a": "a"}}), doc! {}, 2),
        (bson!({"$rename": {"a": 1}}), doc! {}, 2),
        (bson!({"$rename": {"l.0": "b"}}), doc! {"l": [1]}, 2),
        (bson!({"$rename": {"a": "b"}, "$set": {"a": 1}}), doc! {"a": 1}, 40),
    ]);
}

#[test]
fn current_date_is_the_commands_time() {
    let date = bson::DateTime::from_millis(NOW_MS);
    let stamp = bson::Timestamp { time: 86_400, increment: 1 };
    check(vec![
        (bson!({"$currentDate": {"d": true}}), doc! {}, doc! {"d": date}),
        (bson!({"$currentDate": {"d": {"$type": "timestamp"}}}), doc! {}, doc! {"d": stamp}),
    ]);
    check_codes(vec![(bson!({"$currentDate": {"d": 1}}), doc! {}, 2)]);
}

#[test]
fn conflicting_paths_are_refused() {
    check_codes(vec![
        (bson!({"$set": {"a": 1}, "$inc": {"a": 1}}), doc! {}, 40),
        (bson!({"$set": {"a": 1, "a.b": 1}}), doc! {}, 40),
        (bson!({"$set": {"a.b": 1, "a.c": 1}}), doc! {}, 0),
        (bson!({"$set": {"a.b": 1, "a.b!": 1, "a.b.c": 1}}), doc! {}, 40),
    ]);
}

#[test]
fn id_is_immutable() {
    check_codes(vec![
        (bson!({"$set": {"_id": 2}}), doc! {"_id": 1}, 66),
        (bson!({"$set": {"_id": 1}}), doc! {"_id": 1}, 0),
        (bson!({"$unset": {"_id": 1}}), doc! {"_id": 1}, 66),
        (bson!({"_id": 2, "a": 1}), doc! {"_id": 1}, 66),
        (bson!([{"$set": {"_id": 2}}]), doc! {"_id": 1}, 66),
    ]);
}

#[test]
fn replacements_keep_the_id_in_front() {
    check(vec![
        (bson!({"b": 2}), doc! {"_id": 1, "a": 1}, doc! {"_id": 1, "b": 2}),
        (bson!({"b": 2, "_id": 1}), doc! {"_id": 1}, doc! {"_id": 1, "b": 2}),
        (bson!({}), doc! {"_id": 1, "a": 1}, doc! {"_id": 1}),
    ]);
    check_codes(vec![(bson!({"a": 1, "$b": 1}), doc! {"_id": 1}, 52)]);
    assert!(parse(bson!({"a": 1}), vec![]).unwrap().is_replacement());
}

#[test]
fn pipelines_compute_from_the_document() {
    check(vec![
        (
            bson!([{"$set": {"b": {"$add": ["$a", 1]}}}, {"$unset": "a"}]),
            doc! {"_id": 1, "a": 1},
            doc! {"_id": 1, "b": 2},
        ),
        (
            bson!([{"$replaceWith": {"x": "$$NOW"}}]),
            doc! {"_id": 1},
            doc! {"_id": 1, "x": bson::DateTime::from_millis(NOW_MS)},
        ),
    ]);
    check_codes(vec![
        (bson!([{"$match": {}}]), doc! {"_id": 1}, 72),
        (bson!([1]), doc! {"_id": 1}, 14),
    ]);
}

#[test]
fn array_filters_and_all_elements() {
    let by = |update, filters, doc| apply_with(update, filters, doc);
    let found = by(bson!({"$inc": {"l.$[]": 10}}), vec![], doc! {"l": [1, 2]}).unwrap();
    assert_eq!(found, doc! {"l": [11, 12]});
    let found = by(
        bson!({"$set": {"l.$[e].x": 0}}),
        vec![doc! {"e.g": {"$gte": 5}}],
        doc! {"l": [{"g": 9}, {"g": 1}]},
    );
    assert_eq!(found.unwrap(), doc! {"l": [{"g": 9, "x": 0}, {"g": 1}]});
    let found =
        by(bson!({"$set": {"l.$[e]": 0}}), vec![doc! {"e": {"$lt": 2}}], doc! {"l": [1, 2]});
    assert_eq!(found.unwrap(), doc! {"l": [0, 2]});
    let codes = [
        (bson!({"$set": {"l.$[x]": 0}}), vec![], 2),
        (bson!({"$set": {"l": 0}}), vec![doc! {"e": 1}], 9),
        (bson!({"$set": {"l.$[e]": 0}}), vec![doc! {"e": 1, "f": 1}], 9),
        (bson!({"$set": {"n.$[]": 0}}), vec![], 2),
        (bson!({"$set": {"s.$[]": 0}}), vec![], 2),
    ];
    for (update, filters, code) in codes {
        let error = by(update.clone(), filters, doc! {"l": [1], "s": 1}).unwrap_err();
        assert_eq!(error.code, code, "{update}");
    }
}

#[test]
fn the_positional_operator_takes_the_index_that_matched() {
    let cases = [
        (doc! {"l": 2}, bson!({"$set": {"l.$": 9}}), doc! {"l": [1, 2]}, doc! {"l": [1, 9]}),
        (
            doc! {"l": {"$gt": 1}},
            bson!({"$inc": {"l.$": 1}}),
            doc! {"l": [1, 2, 3]},
            doc! {"l": [1, 3, 3]},
        ),
        (
            doc! {"l.a": 2},
            bson!({"$set": {"l.$.b": 9}}),
            doc! {"l": [{"a": 1}, {"a": 2}]},
            doc! {"l": [{"a": 1}, {"a": 2, "b": 9}]},
        ),
        (
            doc! {"l": {"$elemMatch": {"a": 2}}},
            bson!({"$set": {"l.$.a": 3}}),
            doc! {"l": [{"a": 1}, {"a": 2}]},
            doc! {"l": [{"a": 1}, {"a": 3}]},
        ),
    ];
    for (filter, update, doc, expected) in cases {
        let filter = Filter::parse(&raw(filter), &Context::new(0)).unwrap();
        let update = parse(update, vec![]).unwrap();
        let found = update.apply_matched(&raw(doc), &filter).unwrap().unwrap();
        assert_eq!(Document::try_from(found).unwrap(), expected);
    }
    check_codes(vec![
        (bson!({"$set": {"l.$": 1}}), doc! {"l": [1]}, 2),
        (bson!({"$set": {"$": 1}}), doc! {}, 2),
        (bson!({"$set": {"l.$.m.$": 1}}), doc! {}, 2),
    ]);
}

#[test]
fn upserts_start_from_the_filters_equalities() {
    let upsert = |filter, update| -> Result<Document> {
        let filter = Filter::parse(&raw(filter), &Context::new(0)).unwrap();
        let made = parse(update, vec![])?.upsert_from(&filter)?;
        Ok(Document::try_from(made).unwrap())
    };
    let cases = [
        (
            doc! {"a": 1, "b.c": 2, "d": {"$gt": 5}},
            bson!({"$set": {"x": 1}}),
            doc! {"a": 1, "b": {"c": 2}, "x": 1},
        ),
        (
            doc! {"a": 1, "_id": 7},
            bson!({"$setOnInsert": {"x": 1}}),
            doc! {"_id": 7, "a": 1, "x": 1},
        ),
        (doc! {"$and": [{"a": {"$eq": 1}}]}, bson!({"$inc": {"a": 2}}), doc! {"a": 3}),
        (doc! {"a": {"$in": [1]}}, bson!({"$set": {"x": 1}}), doc! {"x": 1}),
        (doc! {"_id": 7, "a": 1}, bson!({"b": 2}), doc! {"_id": 7, "b": 2}),
        (doc! {"a": 1}, bson!({"b": 2, "_id": 9}), doc! {"_id": 9, "b": 2}),
        (
            doc! {"a": 1},
            bson!({"$set": {"b": 2}, "$setOnInsert": {"_id": 9}}),
            doc! {"_id": 9, "a": 1, "b": 2},
        ),
        (
            doc! {"_id": 7},
            bson!([{"$set": {"n": {"$ifNull": ["$n", 1]}}}]),
            doc! {"_id": 7, "n": 1},
        ),
    ];
    for (filter, update, expected) in cases {
        assert_eq!(upsert(filter.clone(), update.clone()).unwrap(), expected, "{filter} {update}");
    }
    assert_eq!(upsert(doc! {"_id": 1}, bson!({"_id": 2})).unwrap_err().code, 66);
    assert_eq!(
        upsert(doc! {"a": 1, "$and": [{"a": 2}]}, bson!({"$set": {"x": 1}})).unwrap_err().code,
        54
    );
}

#[test]
fn nothing_changed_is_told_apart() {
    let unchanged =
        |update| parse(update, vec![]).unwrap().apply(&raw(doc! {"_id": 1, "a": 1}), false);
    assert!(unchanged(bson!({"$set": {"a": 1}})).unwrap().is_none());
    assert!(unchanged(bson!({"$setOnInsert": {"b": 1}})).unwrap().is_none());
    assert!(unchanged(bson!({"$set": {"a": 1i64}})).unwrap().is_some());
}

#[test]
fn what_an_update_does_not_touch_keeps_its_bytes() {
    // A document with one name twice, which a map would lose.
    let mut doc = bson::RawDocumentBuf::new();
    doc.append(bson::raw::cstr!("a"), 1);
    doc.append(bson::raw::cstr!("a"), 2);
    let update = parse(bson!({"$set": {"b": 3}}), vec![]).unwrap();
    let found = update.apply(&doc, false).unwrap().unwrap();
    doc.append(bson::raw::cstr!("b"), 3);
    assert_eq!(found, doc);
}

#[test]
fn documents_do_not_grow_without_end() {
    let wrap = parse(bson!([{"$replaceWith": {"_id": "$_id", "a": "$$ROOT"}}]), vec![]).unwrap();
    let mut doc = raw(doc! {"_id": 1});
    let error = loop {
        match wrap.apply(&doc, false) {
            Ok(next) => doc = next.unwrap(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code, 15);
    let long = "x".repeat(9_000_000);
    let codes = [(bson!([{"$set": {"b": {"$concat": ["$a", "$a"]}}}]), 17419)];
    for (update, code) in codes {
        assert_eq!(apply(update, doc! {"_id": 1, "a": long.as_str()}).unwrap_err().code, code);
    }
}

#[test]
fn unknown_modifiers_and_shapes_are_refused() {
    check_codes(vec![
        (bson!({"$nope": {"a": 1}}), doc! {}, 9),
        (bson!({"$nope": {}}), doc! {}, 9),
        (bson!({"$set": 1}), doc! {}, 9),
        (bson!({"$set": {"a": 1}, "b": 2}), doc! {}, 9),
        (bson!(5), doc! {}, 9),
    ]);
}
