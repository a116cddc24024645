//! Stages that read other collections, and those that hold sub-pipelines.

use bson::{Bson, Document, doc};
use proptest::prelude::*;

use super::super::Pipeline;
use crate::testing::{document, raw};
use crate::{Collation, Collections, Context, Documents, Filter, MqlError, Others, Result, code};

/// Collections in memory; `indexed` says so of every path.
struct Memory {
    collections: Vec<(&'static str, Vec<Document>)>,
    indexed: bool,
}

impl Collections for Memory {
    fn read(&self, collection: &str, filter: &Filter) -> Result<Documents> {
        let found = self.collections.iter().find(|(name, _)| *name == collection);
        let docs: Vec<_> = found.into_iter().flat_map(|(_, docs)| docs.iter().cloned()).collect();
        let filter = filter.clone();
        let docs = docs.into_iter().map(raw);
        Ok(Box::new(docs.filter_map(move |doc| match filter.matches(&doc) {
            Ok(true) => Some(Ok(doc)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })))
    }

    fn is_indexed(&self, _: &str, _: &str) -> Result<bool> {
        Ok(self.indexed)
    }
}

fn context(collections: Vec<(&'static str, Vec<Document>)>, indexed: bool) -> Context {
    Context::new(0).with_others(Others::new(Memory { collections, indexed }))
}

fn run_in(context: &Context, stages: Vec<Document>, docs: Vec<Document>) -> Result<Vec<Document>> {
    let stages: Vec<_> = stages.into_iter().map(raw).collect();
    let pipeline = Pipeline::parse(&stages, context)?;
    let docs = docs.into_iter().map(|doc| Ok(raw(doc)));
    let found = pipeline.run(docs).collect::<Result<Vec<_>>>()?;
    Ok(found.into_iter().map(|doc| Document::try_from(doc).unwrap()).collect())
}

fn shop() -> Vec<(&'static str, Vec<Document>)> {
    vec![
        (
            "stock",
            vec![
                doc! { "_id": 1, "sku": "a", "n": 120 },
                doc! { "_id": 2, "sku": "b", "n": 80 },
                doc! { "_id": 3, "sku": ["a", "c"], "n": 5 },
                doc! { "_id": 4, "n": 0 },
            ],
        ),
        (
            "people",
            vec![
                doc! { "_id": 1, "name": "Dev" },
                doc! { "_id": 2, "name": "Eliot", "boss": "Dev" },
                doc! { "_id": 3, "name": "Ron", "boss": "Eliot" },
                doc! { "_id": 4, "name": "Andrew", "boss": "Eliot" },
            ],
        ),
    ]
}

#[test]
fn lookup_joins_by_equality() {
    for indexed in [false, true] {
        let stage = doc! { "$lookup": {
            "from": "stock", "localField": "item", "foreignField": "sku", "as": "s.found",
        } };
        let orders =
            vec![doc! { "item": "a" }, doc! { "item": ["b", "c"] }, doc! {}, doc! { "item": [] }];
        let found = run_in(&context(shop(), indexed), vec![stage], orders).unwrap();
        let ids = |doc: &Document| -> Vec<Bson> {
            let list = doc.get_document("s").unwrap().get_array("found").unwrap();
            list.iter().map(|one| one.as_document().unwrap().get("_id").unwrap().clone()).collect()
        };
        let found: Vec<_> = found.iter().map(ids).collect();
        let expected: [Vec<i32>; 4] = [vec![1, 3], vec![2, 3], vec![4], vec![]];
        assert_eq!(found, expected.map(|ids| ids.into_iter().map(Bson::Int32).collect::<Vec<_>>()));
    }
}

#[test]
fn lookup_runs_a_sub_pipeline_with_variables() {
    let stage = doc! { "$lookup": {
        "from": "stock", "let": { "want": "$n", "sku": "$item" }, "as": "s",
        "pipeline": [
            { "$match": { "$expr": { "$and": [
                { "$eq": ["$sku", "$$sku"] }, { "$gte": ["$n", "$$want"] },
            ] } } },
            { "$project": { "_id": 0, "n": 1 } },
        ],
    } };
    let orders = vec![doc! { "item": "a", "n": 100 }, doc! { "item": "b", "n": 100 }];
    let found = run_in(&context(shop(), false), vec![stage], orders).unwrap();
    assert_eq!(found[0], doc! { "item": "a", "n": 100, "s": [{ "n": 120 }] });
    assert_eq!(found[1], doc! { "item": "b", "n": 100, "s": [] });
    let both = doc! { "$lookup": {
        "from": "stock", "localField": "item", "foreignField": "sku", "as": "s",
        "pipeline": [{ "$count": "k" }],
    } };
    let found = run_in(&context(shop(), false), vec![both], vec![doc! { "item": "a" }]).unwrap();
    assert_eq!(found, [doc! { "item": "a", "s": [{ "k": 2 }] }]);
    let own = doc! { "$lookup": {
        "pipeline": [{ "$documents": [{ "x": 1 }] }], "as": "s",
    } };
    let found = run_in(&context(shop(), false), vec![own], vec![doc! {}]).unwrap();
    assert_eq!(found, [doc! { "s": [{ "x": 1 }] }]);
}

#[test]
fn graph_lookup_goes_level_by_level() {
    let stage = |more: Document| {
        let mut spec = doc! {
            "from": "people", "startWith": "$boss", "connectFromField": "boss",
            "connectToField": "name", "as": "chain", "depthField": "d",
        };
        spec.extend(more);
        doc! { "$graphLookup": spec }
    };
    let ron = vec![doc! { "boss": "Eliot" }];
    let found = run_in(&context(shop(), true), vec![stage(doc! {})], ron.clone()).unwrap();
    let chain = found[0].get_array("chain").unwrap();
    assert_eq!(
        *chain,
        [
            Bson::from(doc! { "_id": 2, "name": "Eliot", "boss": "Dev", "d": 0_i64 }),
            Bson::from(doc! { "_id": 1, "name": "Dev", "d": 1_i64 }),
        ]
    );
    let near = run_in(&context(shop(), true), vec![stage(doc! { "maxDepth": 0 })], ron.clone());
    assert_eq!(near.unwrap()[0].get_array("chain").unwrap().len(), 1);
    let only = doc! { "restrictSearchWithMatch": { "name": "Dev" } };
    let none = run_in(&context(shop(), true), vec![stage(only)], ron).unwrap();
    assert_eq!(none[0].get_array("chain").unwrap().len(), 0);
}

#[test]
fn union_facets_and_buckets() {
    let stages = vec![
        doc! { "$unionWith": { "coll": "stock", "pipeline": [{ "$match": { "n": { "$gt": 50 } } }] } },
        doc! { "$group": { "_id": Bson::Null, "n": { "$sum": "$n" } } },
    ];
    let found = run_in(&context(shop(), false), stages, vec![doc! { "n": 1 }]).unwrap();
    assert_eq!(found, [doc! { "_id": null, "n": 201 }]);
    let numbers: Vec<_> = (0..10).map(|n| doc! { "_id": n, "n": n }).collect();
    let facet = doc! { "$facet": {
        "few": [{ "$limit": 2 }, { "$project": { "_id": 1 } }], "all": [{ "$count": "k" }],
    } };
    let found = run_in(&Context::new(0), vec![facet], numbers.clone()).unwrap();
    assert_eq!(found, [doc! { "few": [{ "_id": 0 }, { "_id": 1 }], "all": [{ "k": 10 }] }]);
    let bucket = doc! { "$bucket": {
        "groupBy": "$n", "boundaries": [0, 3, 7], "default": "more",
        "output": { "k": { "$sum": 1 }, "max": { "$max": "$n" } },
    } };
    let found = run_in(&Context::new(0), vec![bucket], numbers.clone()).unwrap();
    assert_eq!(
        found,
        [
            doc! { "_id": 0, "k": 3, "max": 2 },
            doc! { "_id": 3, "k": 4, "max": 6 },
            doc! { "_id": "more", "k": 3, "max": 9 },
        ]
    );
    let auto = doc! { "$bucketAuto": { "groupBy": "$n", "buckets": 3 } };
    let found = run_in(&Context::new(0), vec![auto], numbers).unwrap();
    assert_eq!(
        found,
        [
            doc! { "_id": { "min": 0, "max": 3 }, "count": 3 },
            doc! { "_id": { "min": 3, "max": 6 }, "count": 3 },
            doc! { "_id": { "min": 6, "max": 9 }, "count": 4 },
        ]
    );
}

#[test]
fn windows_count_documents_or_measure_the_field() {
    let docs: Vec<_> = [(1, "a", 1), (2, "a", 3), (3, "b", 5), (4, "a", 3), (5, "a", 9)]
        .map(|(id, k, t)| doc! { "_id": id, "k": k, "t": t })
        .to_vec();
    let stage = doc! { "$setWindowFields": {
        "partitionBy": "$k", "sortBy": { "t": 1 }, "output": {
            "sum": { "$sum": "$t", "window": { "documents": ["unbounded", "current"] } },
            "near": { "$push": "$_id", "window": { "range": [-2, 0] } },
            "r": { "$rank": {} }, "d": { "$denseRank": {} }, "n": { "$documentNumber": {} },
            "next": { "$shift": { "output": "$t", "by": 1, "default": -1 } },
            "all": { "$max": "$t" },
        },
    } };
    let found = run_in(&Context::new(0), vec![stage], docs).unwrap();
    let row = |id: i32,
               k: &str,
               t: i32,
               sum: i32,
               near: Vec<i32>,
               r: i32,
               d: i32,
               n: i32,
               next: i32,
               all: i32| {
        doc! {
            "_id": id, "k": k, "t": t, "sum": sum, "near": near, "r": r, "d": d, "n": n,
            "next": next, "all": all,
        }
    };
    assert_eq!(
        found,
        [
            row(1, "a", 1, 1, vec![1], 1, 1, 1, 3, 9),
            row(2, "a", 3, 4, vec![1, 2, 4], 2, 2, 2, 3, 9),
            row(4, "a", 3, 7, vec![1, 2, 4], 2, 2, 3, 9, 9),
            row(5, "a", 9, 16, vec![5], 4, 3, 4, -1, 9),
            row(3, "b", 5, 5, vec![3], 1, 1, 1, -1, 5),
        ]
    );
    let code = |output: Document| {
        let stage = doc! { "$setWindowFields": { "sortBy": { "t": 1 }, "output": output } };
        run_in(&Context::new(0), vec![stage], vec![]).unwrap_err().code
    };
    assert_eq!(code(doc! { "x": { "$derivative": { "input": "$t" } } }), code::NOT_IMPLEMENTED);
    assert_eq!(code(doc! { "x": { "$sum": 1, "window": { "documents": [1, 0] } } }), 5_339_900);
    assert_eq!(code(doc! { "x": { "$rank": {}, "window": { "documents": [0, 0] } } }), 5_371_601);
}

#[test]
fn redact_decides_level_by_level() {
    let stage = doc! { "$redact": { "$cond": [
        { "$gt": [{ "$ifNull": ["$secret", 0] }, 1] }, "$$PRUNE", "$$DESCEND",
    ] } };
    let docs = vec![
        doc! { "_id": 1, "a": { "secret": 2 }, "l": [{ "secret": 1, "x": 1 }, { "secret": 9 }] },
        doc! { "_id": 2, "secret": 5 },
    ];
    let found = run_in(&Context::new(0), vec![stage], docs).unwrap();
    assert_eq!(found, [doc! { "_id": 1, "l": [{ "secret": 1, "x": 1 }] }]);
}

#[test]
fn accumulators_that_keep_several() {
    let group = doc! { "$group": {
        "_id": null, "first": { "$firstN": { "n": 2, "input": "$v" } },
        "last": { "$lastN": { "n": 2, "input": "$v" } }, "min": { "$minN": { "n": 2, "input": "$v" } },
        "max": { "$maxN": { "n": { "$add": [1, 1] }, "input": "$v" } },
        "top": { "$top": { "sortBy": { "v": -1 }, "output": "$k" } },
        "bottom": { "$bottomN": { "n": 2, "sortBy": { "v": 1 }, "output": ["$k", "$v"] } },
        "median": { "$median": { "input": "$v", "method": "approximate" } },
        "p": { "$percentile": { "input": "$v", "p": [0.0, 0.9], "method": "approximate" } },
    } };
    let docs: Vec<_> = [3, 1, 4, 1, 5]
        .iter()
        .zip("abcde".chars())
        .map(|(v, k)| doc! { "v": *v, "k": k.to_string() })
        .collect();
    let found = run_in(&Context::new(0), vec![group], docs).unwrap();
    let expected = doc! {
        "_id": null, "first": [3, 1], "last": [1, 5], "min": [1, 1], "max": [5, 4], "top": "e",
        "bottom": [["c", 4], ["e", 5]], "median": 3.0, "p": [1.0, 5.0],
    };
    assert_eq!(found, [expected]);
}

#[test]
fn a_collation_groups_sorts_and_matches() {
    let spec = raw(doc! { "locale": "en", "strength": 1 });
    let context = Context::new(0).with_collation(Collation::parse(&spec).unwrap());
    let docs = vec![doc! { "v": "PING" }, doc! { "v": "ping" }, doc! { "v": "pong" }];
    let stages = vec![
        doc! { "$match": { "v": { "$in": ["ping", "Pong"] } } },
        doc! { "$group": { "_id": "$v", "n": { "$sum": 1 } } },
        doc! { "$sort": { "_id": 1 } },
    ];
    let found = run_in(&context, stages, docs.clone()).unwrap();
    assert_eq!(found, [doc! { "_id": "PING", "n": 2 }, doc! { "_id": "pong", "n": 1 }]);
    let same = vec![doc! { "$match": { "$expr": { "$eq": ["$v", "PONG"] } } }];
    assert_eq!(run_in(&context, same, docs.clone()).unwrap(), [doc! { "v": "pong" }]);
    let refused = vec![doc! { "$set": { "m": { "$max": ["$v", "x"] } } }];
    assert_eq!(run_in(&context, refused, docs).unwrap_err().code, code::NOT_IMPLEMENTED);
}

#[test]
fn what_is_malformed_or_not_allowed_is_refused() {
    let context = context(shop(), false);
    let code = |stages: Vec<Document>| {
        run_in(&context, stages, vec![doc! { "n": 50 }]).map_or_else(|e: MqlError| e.code, |_| 0)
    };
    let lookup = |spec: Document| vec![doc! { "$lookup": spec }];
    for (stages, expected) in [
        (lookup(doc! { "from": "x", "localField": "a", "as": "b" }), 9),
        (lookup(doc! { "from": "x", "as": "b" }), 9),
        (lookup(doc! { "from": "x", "as": "b", "pipeline": [{ "$nope": 1 }] }), 40324),
        (lookup(doc! { "from": "x", "as": "b", "pipeline": [{ "$out": "y" }] }), 51047),
        (lookup(doc! { "as": "b", "pipeline": [] }), 9),
        (vec![doc! { "$unionWith": {} }], 9),
        (vec![doc! { "$facet": { "a": [{ "$facet": {} }] } }], 40600),
        (vec![doc! { "$facet": {} }], 40169),
        (vec![doc! { "$graphLookup": { "from": "x" } }], 40105),
        (vec![doc! { "$bucket": { "groupBy": "$n", "boundaries": [0, 1] } }], 40066),
        (vec![doc! { "$bucket": { "groupBy": "$n", "boundaries": [1, 0] } }], 40194),
        (vec![doc! { "$bucket": { "groupBy": "$n", "boundaries": [1, "a"] } }], 40193),
        (vec![doc! { "$bucketAuto": { "groupBy": "$n", "buckets": 0 } }], 40243),
        (vec![doc! { "$match": {} }, doc! { "$documents": [] }], 40602),
        (vec![doc! { "$redact": "keep it" }], 17053),
    ] {
        assert_eq!(code(stages.clone()), expected, "{stages:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    /// The hash table finds what the filter finds, document by document.
    #[test]
    fn both_ways_to_join_agree(
        local in prop::collection::vec(document(), 1..4),
        foreign in prop::collection::vec(document(), 0..6),
        paths in prop::sample::select(vec![("a", "a"), ("a", "b.a"), ("a.b", "a.0"), ("b", "b")]),
    ) {
        let stage = doc! { "$lookup": {
            "from": "other", "localField": paths.0, "foreignField": paths.1, "as": "found",
        } };
        let run = |indexed| {
            let context = context(vec![("other", foreign.clone())], indexed);
            run_in(&context, vec![stage.clone()], local.clone())
        };
        match (run(true), run(false)) {
            (Ok(read), Ok(hashed)) => prop_assert_eq!(format!("{read:?}"), format!("{hashed:?}")),
            (Err(error), _) => prop_assert_eq!(error.code, code::NOT_IMPLEMENTED),
            (read, hashed) => prop_assert!(false, "{:?} {:?}", read, hashed),
        }
    }
}

#[test]
fn gaps_are_filled_by_values_lines_and_what_was_last() {
    let context = context(Vec::new(), false);
    let docs = || {
        vec![
            doc! { "_id": 1, "shop": "a", "day": 1, "price": 10 },
            doc! { "_id": 2, "shop": "a", "day": 2, "price": null, "note": "x" },
            doc! { "_id": 3, "shop": "a", "day": 5, "price": 30.0 },
            doc! { "_id": 4, "shop": "b", "day": 1 },
            doc! { "_id": 5, "shop": "a", "day": 7 },
        ]
    };
    let fill = |spec: Document| vec![doc! { "$fill": spec }, doc! { "$sort": { "_id": 1 } }];
    let prices = |spec: Document| -> Vec<Bson> {
        let filled = run_in(&context, fill(spec), docs()).expect("filled");
        filled.iter().map(|one| one.get("price").cloned().unwrap_or(Bson::Undefined)).collect()
    };
    let linear = doc! { "price": { "method": "linear" } };
    let by_shop = doc! { "partitionBy": "$shop", "sortBy": { "day": 1 }, "output": linear.clone() };
    let line = [Bson::Int32(10), Bson::Double(15.0), Bson::Double(30.0), Bson::Null, Bson::Null];
    assert_eq!(prices(by_shop), line);
    let last = doc! { "price": { "method": "locf" } };
    let by_shop = doc! { "partitionByFields": ["shop"], "sortBy": { "day": 1 }, "output": last };
    let kept = [10.into(), 10.into(), Bson::Double(30.0), Bson::Null, Bson::Double(30.0)];
    assert_eq!(prices(by_shop), kept);
    let value = doc! { "output": { "price": { "value": { "$multiply": ["$day", 2] } } } };
    let made = [10.into(), 4.into(), Bson::Double(30.0), 2.into(), 14.into()];
    assert_eq!(prices(value), made);
    for (spec, code) in [
        (doc! { "output": linear.clone() }, 6_050_202),
        (doc! { "output": {} }, 9),
        (doc! { "sortBy": { "day": 1 } }, 40414),
        (doc! { "output": { "price": { "method": "nearest" } } }, 9),
        (doc! { "output": linear.clone(), "sortBy": { "shop": 1 } }, 605_002),
        (doc! { "output": { "note": { "method": "linear" } }, "sortBy": { "day": 1 } }, 605_003),
        (
            doc! { "output": linear, "sortBy": { "day": 1 }, "partitionBy": "$shop", "partitionByFields": ["shop"] },
            6_050_204,
        ),
    ] {
        let refused = run_in(&context, fill(spec.clone()), docs()).expect_err("a refusal");
        assert_eq!(refused.code, code, "{spec}");
    }
}
