//! Tests of pipelines.

mod others;

use bson::rawdoc;

use super::*;
use crate::{Limits, code};

fn run(stages: &[RawDocumentBuf], docs: &[RawDocumentBuf]) -> Vec<RawDocumentBuf> {
    let pipeline = Pipeline::parse(stages, &Context::new(0)).unwrap();
    pipeline.run(docs.iter().cloned().map(Ok)).collect::<Result<_>>().unwrap()
}

fn refused(stage: RawDocumentBuf) -> i32 {
    Pipeline::parse(&[stage], &Context::new(0)).unwrap_err().code
}

fn flights() -> Vec<RawDocumentBuf> {
    vec![
        rawdoc! { "_id": 1, "carrier": "UA", "miles": 10, "tags": ["a", "b"] },
        rawdoc! { "_id": 2, "carrier": "AA", "miles": 20_i64, "tags": [] },
        rawdoc! { "_id": 3, "carrier": "UA", "miles": 30, "tags": "c" },
        rawdoc! { "_id": 4, "miles": 1.5 },
        rawdoc! { "_id": 5, "carrier": bson::RawBson::Null, "miles": 2 },
    ]
}

#[test]
fn groups_by_key_with_accumulators() {
    let group = rawdoc! { "$group": {
        "_id": "$carrier", "n": { "$sum": 1 }, "miles": { "$sum": "$miles" },
        "longest": { "$max": "$miles" }, "ids": { "$push": "$_id" }, "first": { "$first": "$_id" },
        "c": { "$count": {} },
    } };
    let found = run(&[group, rawdoc! { "$sort": { "_id": 1 } }], &flights());
    assert_eq!(found.len(), 3);
    let none = rawdoc! {
        "_id": bson::RawBson::Null, "n": 2, "miles": 3.5, "longest": 2, "ids": [4, 5], "first": 4,
        "c": 2,
    };
    assert_eq!(found[0], none, "null and missing are one group");
    let ua = rawdoc! {
        "_id": "UA", "n": 2, "miles": 40, "longest": 30, "ids": [1, 3], "first": 1, "c": 2,
    };
    assert_eq!(found[2], ua);
}

#[test]
fn group_keys_are_equal_across_numeric_types() {
    let docs = [rawdoc! { "a": 1 }, rawdoc! { "a": 1_i64 }, rawdoc! { "a": 1.0 }];
    let group = rawdoc! { "$group": { "_id": "$a", "n": { "$sum": 1 } } };
    assert_eq!(run(&[group], &docs), [rawdoc! { "_id": 1, "n": 3 }]);
}

#[test]
fn averages_sets_and_merged_objects() {
    let docs = [
        rawdoc! { "v": 1, "o": { "a": 1 } },
        rawdoc! { "v": 2, "o": { "b": 2 } },
        rawdoc! { "v": 2, "o": { "a": 3 } },
        rawdoc! { "v": "text" },
    ];
    let group = rawdoc! { "$group": {
        "_id": bson::RawBson::Null, "avg": { "$avg": "$v" }, "set": { "$addToSet": "$v" },
        "merged": { "$mergeObjects": "$o" }, "none": { "$avg": "$nothing" },
    } };
    let found = run(&[group], &docs);
    let expected = rawdoc! {
        "_id": bson::RawBson::Null, "avg": 5.0 / 3.0, "set": [1, 2, "text"],
        "merged": { "a": 3, "b": 2 }, "none": bson::RawBson::Null,
    };
    assert_eq!(found, [expected]);
}

#[test]
fn sort_skip_limit_and_count() {
    let by_miles = rawdoc! { "$sort": { "miles": -1 } };
    let stages = [by_miles, rawdoc! { "$skip": 1 }, rawdoc! { "$limit": 2 }];
    let ids = |docs: &[RawDocumentBuf]| -> Vec<i32> {
        docs.iter().map(|doc| doc.get_i32("_id").unwrap()).collect()
    };
    assert_eq!(ids(&run(&stages, &flights())), [2, 1]);
    let count = rawdoc! { "$count": "n" };
    assert_eq!(run(std::slice::from_ref(&count), &flights()), [rawdoc! { "n": 5 }]);
    assert!(run(&[rawdoc! { "$match": { "_id": 9 } }, count], &flights()).is_empty());
}

#[test]
fn a_limited_sort_keeps_only_what_is_wanted() {
    let docs: Vec<_> = (0..1000).map(|n| rawdoc! { "_id": (n * 7919) % 1000 }).collect();
    let stages = [rawdoc! { "$sort": { "_id": 1 } }, rawdoc! { "$limit": 3 }];
    let expected = [rawdoc! { "_id": 0 }, rawdoc! { "_id": 1 }, rawdoc! { "_id": 2 }];
    assert_eq!(run(&stages, &docs), expected);
}

#[test]
fn a_full_limit_ends_the_reading() {
    let pipeline = Pipeline::parse(&[rawdoc! { "$limit": 1 }], &Context::new(0)).unwrap();
    let mut run = pipeline.start();
    assert!(!run.is_done());
    assert_eq!(run.push(rawdoc! { "a": 1 }).unwrap().len(), 1);
    assert!(run.is_done());
}

#[test]
fn unwind_drops_or_preserves() {
    let plain = run(&[rawdoc! { "$unwind": "$tags" }], &flights());
    let tags: Vec<_> = plain.iter().map(|doc| doc.get_str("tags").unwrap()).collect();
    assert_eq!(tags, ["a", "b", "c"]);
    let spec =
        rawdoc! { "path": "$tags", "preserveNullAndEmptyArrays": true, "includeArrayIndex": "i" };
    let kept = run(&[rawdoc! { "$unwind": spec }], &flights());
    assert_eq!(kept.len(), 6);
    assert_eq!(kept[1].get_i64("i").unwrap(), 1);
    assert!(kept[2].get("tags").unwrap().is_none(), "an empty array leaves nothing");
}

#[test]
fn fields_are_added_replaced_and_removed() {
    let docs = [rawdoc! { "_id": 1, "a": { "b": 2 }, "c": 3 }];
    let stages = [
        rawdoc! { "$addFields": { "a.d": { "$add": ["$a.b", "$c"] }, "e": { "f": "$c" } } },
        rawdoc! { "$unset": ["c"] },
    ];
    assert_eq!(
        run(&stages, &docs),
        [rawdoc! { "_id": 1, "a": { "b": 2, "d": 5 }, "e": { "f": 3 } }]
    );
    let removed = run(&[rawdoc! { "$set": { "c": "$$REMOVE" } }], &docs);
    assert_eq!(removed, [rawdoc! { "_id": 1, "a": { "b": 2 } }]);
    assert_eq!(run(&[rawdoc! { "$replaceWith": "$a" }], &docs), [rawdoc! { "b": 2 }]);
    let projected = run(&[rawdoc! { "$project": { "_id": 0, "x": "$c" } }], &docs);
    assert_eq!(projected, [rawdoc! { "x": 3 }]);
}

#[test]
fn sort_by_count_and_sample() {
    let found = run(&[rawdoc! { "$sortByCount": "$carrier" }], &flights());
    assert_eq!(found.len(), 3);
    assert_eq!(found[2], rawdoc! { "_id": "AA", "count": 1 });
    assert_eq!(run(&[rawdoc! { "$sample": { "size": 2 } }], &flights()).len(), 2);
}

#[test]
fn the_leading_match_can_be_pushed_down() {
    let stages = [rawdoc! { "$match": { "a": 1 } }, rawdoc! { "$limit": 1 }];
    let pipeline = Pipeline::parse(&stages, &Context::new(0)).unwrap();
    let (filter, rest) = pipeline.leading_match().unwrap();
    assert_eq!(filter, rawdoc! { "a": 1 });
    assert!(rest.leading_match().is_none() && !rest.is_empty());
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for stage in [rawdoc! { "$lookup": {} }, rawdoc! { "$densify": {} }, rawdoc! { "$out": "x" }] {
        assert_eq!(refused(stage), code::NOT_IMPLEMENTED);
    }
    assert_eq!(refused(rawdoc! { "$nonsense": {} }), 40324);
    assert_eq!(refused(rawdoc! { "$match": {}, "$limit": 1 }), 40323);
    assert_eq!(refused(rawdoc! { "$limit": 0 }), 15958);
    assert_eq!(refused(rawdoc! { "$skip": -1 }), 5_107_200);
    assert_eq!(refused(rawdoc! { "$set": { "a": 1, "a.b": 2 } }), 40176);
    assert_eq!(refused(rawdoc! { "$sort": { "$natural": 1 } }), code::NOT_IMPLEMENTED);
    assert_eq!(refused(rawdoc! { "$group": {} }), 15955);
    assert_eq!(refused(rawdoc! { "$sort": {} }), 15976);
    assert_eq!(refused(rawdoc! { "$group": { "_id": 1, "a": { "$nope": 1 } } }), 15952);
    // An operator of windows is no accumulator to MongoDB either.
    assert_eq!(refused(rawdoc! { "$group": { "_id": 1, "a": { "$rank": 1 } } }), 15952);
    assert_eq!(
        refused(rawdoc! { "$group": { "_id": 1, "a": { "$accumulator": {} } } }),
        code::NOT_IMPLEMENTED
    );
}

#[test]
fn values_that_groups_hold_count_as_memory() {
    let mut context = Context::new(0);
    context.limits = Limits { memory_bytes: 100_000, ..Limits::default() };
    let docs: Vec<_> = (0..100).map(|n| rawdoc! { "_id": n, "pad": "x".repeat(5_000) }).collect();
    for accumulator in ["$first", "$last", "$max", "$mergeObjects"] {
        let operator = bson::doc! { accumulator: "$$ROOT" };
        let stage = bson::doc! { "$group": { "_id": "$_id", "v": operator } };
        let stage = RawDocumentBuf::try_from(&stage).unwrap();
        let pipeline = Pipeline::parse(&[stage], &context).unwrap();
        let error = pipeline.run(docs.iter().cloned().map(Ok)).find_map(Result::err).unwrap();
        assert_eq!(error.code, code::MEMORY_LIMIT, "{accumulator}");
    }
}

#[test]
fn memory_is_bounded() {
    let mut context = Context::new(0);
    context.limits = Limits { memory_bytes: 1000, ..Limits::default() };
    let docs: Vec<_> = (0..100).map(|n| rawdoc! { "_id": n, "pad": "x".repeat(50) }).collect();
    for stage in [
        rawdoc! { "$sort": { "_id": 1 } },
        rawdoc! { "$group": { "_id": "$_id" } },
        rawdoc! { "$group": { "_id": 1, "all": { "$push": "$$ROOT" } } },
        rawdoc! { "$sample": { "size": 99 } },
    ] {
        let pipeline = Pipeline::parse(&[stage], &context).unwrap();
        let error = pipeline.run(docs.iter().cloned().map(Ok)).find_map(Result::err).unwrap();
        assert_eq!(error.code, code::MEMORY_LIMIT);
    }
}
