//! Tests of the planner: whatever way it takes, the same documents come.

use bson::{Bson, Document, doc};
use proptest::prelude::*;

use crate::testing::{Fields, World, field};

fn value() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        (-3..4_i32).prop_map(Bson::Int32),
        (-3..4_i64).prop_map(Bson::Int64),
        (-6..7_i32).prop_map(|n| Bson::Double(f64::from(n) / 2.0)),
        Just(Bson::Double(f64::NAN)),
        "[abA]{0,2}".prop_map(Bson::String),
        Just(Bson::Null),
        any::<bool>().prop_map(Bson::Boolean),
        (-2..3_i64).prop_map(|ms| Bson::DateTime(bson::DateTime::from_millis(ms))),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Bson::Array),
            inner.prop_map(|value| Bson::Document(doc! { "b": value })),
        ]
    })
}

fn condition() -> impl Strategy<Value = Bson> {
    let operator = prop::sample::select(vec!["$eq", "$gt", "$gte", "$lt", "$lte", "$ne"]);
    prop_oneof![
        value(),
        (operator.clone(), value()).prop_map(|(op, value)| Bson::Document(doc! { op: value })),
        (value(), value()).prop_map(|(a, b)| Bson::Document(doc! { "$gte": a, "$lte": b })),
        prop::collection::vec(value(), 0..3).prop_map(|all| Bson::Document(doc! { "$in": all })),
    ]
}

fn filter() -> impl Strategy<Value = Document> {
    let path = prop::sample::select(vec!["a", "a.b", "c", "h", "_id"]);
    let whole = (path.clone(), value()).prop_map(|(path, value)| {
        doc! { "$expr": { "$eq": [format!("${path}"), { "$literal": value }] } }
    });
    let plain = (path, condition()).prop_map(|(path, condition)| doc! { path: condition });
    let one = prop_oneof![4 => plain, 1 => whole];
    prop::collection::vec(one, 1..3).prop_map(|all| doc! { "$and": all })
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
    prop::collection::vec((value(), value()), 1..12).prop_map(|values| {
        let numbered = values.into_iter().enumerate();
        let whole = |value: &Bson| match value {
            Bson::Array(all) => Bson::Int32(all.len() as i32),
            other => other.clone(),
        };
        // A hashed index takes no arrays.
        let document = |n, a: Bson, c| doc! { "_id": n, "h": whole(&a), "a": a, "c": c };
        numbered.map(|(n, (a, c))| document(n as i32 - 3, a, c)).collect()
    })
}

async fn same_documents(documents: Vec<Document>, filters: Vec<Document>) {
    let world = World::new().await;
    let indexes = vec![
        doc! { "key": { "a": 1 }, "name": "a" },
        doc! { "key": { "a.b": -1 }, "name": "ab" },
        doc! { "key": { "c": -1, "_id": 1 }, "name": "c" },
        doc! { "key": { "a": 1 }, "name": "unused", "hidden": true, "sparse": true },
        doc! { "key": { "c": 1 }, "name": "sparse", "sparse": true },
        doc! {
            "key": { "a": -1 }, "name": "partial",
            "partialFilterExpression": { "c": { "$gte": 0 } },
        },
        doc! { "key": { "h": "hashed", "c": -1 }, "name": "hashed" },
        doc! { "key": { "a": 1 }, "name": "collated", "collation": { "locale": "en", "strength": 1 } },
    ];
    world.run(doc! { "createIndexes": "c", "indexes": indexes }).await;
    for document in documents {
        world.insert("c", vec![document]).await;
    }
    for filter in filters {
        let natural = doc! { "find": "c", "filter": filter.clone(), "hint": { "$natural": 1 } };
        let expected = field(&world.documents(natural).await, "_id");
        for hint in ["a", "ab", "c", "hashed", "_id_"] {
            let hinted = doc! { "find": "c", "filter": filter.clone(), "hint": hint };
            let mut found = field(&world.documents(hinted).await, "_id");
            found.sort_unstable();
            assert_eq!(found, expected, "{filter} by {hint}");
        }
        let mut chosen = field(&world.find("c", filter.clone()).await, "_id");
        chosen.sort_unstable();
        assert_eq!(chosen, expected, "{filter}");
        let collated = |hint: Document| {
            doc! {
                "find": "c", "filter": filter.clone(), "hint": hint,
                "collation": { "locale": "en", "strength": 1 },
            }
        };
        let expected = field(&world.documents(collated(doc! { "$natural": 1 })).await, "_id");
        let mut chosen = field(&world.documents(collated(doc! {})).await, "_id");
        chosen.sort_unstable();
        assert_eq!(chosen, expected, "{filter} collated");
    }
    world.assert_sound("c").await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_way_gives_the_same_documents(
        documents in documents(),
        filters in prop::collection::vec(filter(), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(same_documents(documents, filters));
    }
}

#[tokio::test]
async fn an_index_gives_the_order_where_it_can() {
    let world = World::new().await;
    world.insert("c", (0..30).map(|n| doc! { "_id": n, "a": n % 3, "b": n }).collect()).await;
    world.run(doc! { "createIndexes": "c", "indexes": [{ "key": { "a": 1, "b": -1 }, "name": "ab" }] }).await;
    let sorts = |sort: Document| doc! { "explain": { "find": "c", "sort": sort }, "verbosity": "queryPlanner" };
    let stage = |reply: Document| {
        let plan = reply.sub("queryPlanner").and_then(|plan| plan.sub("winningPlan"));
        plan.and_then(|plan| plan.text("stage").map(str::to_owned)).expect("a stage")
    };
    assert_eq!(stage(world.run(sorts(doc! { "a": 1, "b": -1 })).await), "FETCH");
    assert_eq!(stage(world.run(sorts(doc! { "a": -1, "b": 1 })).await), "FETCH");
    assert_eq!(stage(world.run(sorts(doc! { "a": 1, "b": 1 })).await), "SORT");
    assert_eq!(stage(world.run(sorts(doc! { "_id": -1 })).await), "FETCH");
    let backwards = doc! { "find": "c", "sort": { "a": -1, "b": 1 }, "limit": 2 };
    assert_eq!(field(&world.documents(backwards).await, "_id"), [2, 5]);
}

async fn winning(world: &World, find: Document) -> Document {
    let reply = world.run(doc! { "explain": find, "verbosity": "queryPlanner" }).await;
    reply.sub("queryPlanner").and_then(|plan| plan.sub("winningPlan")).expect("a plan").clone()
}

#[tokio::test]
async fn what_is_equal_leaves_the_order_to_the_next_field() {
    let world = World::new().await;
    world
        .insert("c", (0..30).map(|n| doc! { "_id": n, "a": n % 3, "b": n % 5, "d": -n }).collect())
        .await;
    world.run(doc! { "createIndexes": "c", "indexes": [{ "key": { "a": 1, "b": 1, "d": -1 }, "name": "abd" }] }).await;
    let stage = async |filter: Document, sort: Document| {
        let find = doc! { "find": "c", "filter": filter, "sort": sort };
        winning(&world, find).await.text("stage").expect("a stage").to_owned()
    };
    assert_eq!(stage(doc! { "a": 1 }, doc! { "b": -1, "d": 1 }).await, "FETCH");
    assert_eq!(stage(doc! { "a": 1 }, doc! { "b": 1, "a": -1, "d": -1 }).await, "FETCH");
    assert_eq!(stage(doc! { "a": 1, "b": 2 }, doc! { "d": 1 }).await, "FETCH");
    assert_eq!(stage(doc! { "a": 1, "b": 2 }, doc! { "b": 1, "a": 1 }).await, "FETCH");
    assert_eq!(stage(doc! { "a": 1 }, doc! { "d": 1 }).await, "SORT");
    assert_eq!(stage(doc! { "a": { "$in": [1, 2] } }, doc! { "b": 1 }).await, "SORT");
    assert_eq!(stage(doc! { "a": { "$gt": 1 } }, doc! { "b": 1 }).await, "SORT");
    let find = doc! { "find": "c", "filter": { "a": 1 }, "sort": { "b": -1, "d": 1 }, "limit": 3 };
    assert_eq!(field(&world.documents(find).await, "_id"), [19, 4, 28]);
}

#[tokio::test]
async fn a_hashed_index_finds_what_is_equal_and_nothing_else() {
    let world = World::new().await;
    world.insert("c", (0..40).map(|n| doc! { "_id": n, "a": n % 8, "b": n }).collect()).await;
    let key = doc! { "a": "hashed", "b": -1 };
    world.run(doc! { "createIndexes": "c", "indexes": [{ "key": key, "name": "h" }] }).await;
    let scan = async |filter: Document, sort: Document| {
        let plan = winning(&world, doc! { "find": "c", "filter": filter, "sort": sort }).await;
        let index = plan.sub("inputStage").and_then(|stage| stage.text("indexName")).is_ok();
        (index, plan.text("stage").expect("a stage").to_owned())
    };
    let found = |used, stage: &str| (used, stage.to_owned());
    assert_eq!(scan(doc! { "a": 3.0 }, doc! { "b": 1 }).await, found(true, "FETCH"));
    assert_eq!(scan(doc! { "a": { "$gt": 3 } }, doc! {}).await, found(false, "COLLSCAN"));
    assert_eq!(scan(doc! {}, doc! { "a": 1 }).await, found(false, "SORT"));
    let find = doc! { "find": "c", "filter": { "a": 3.0 }, "sort": { "b": 1 } };
    assert_eq!(field(&world.documents(find).await, "_id"), [3, 11, 19, 27, 35]);
    let array = world.run(doc! { "insert": "c", "documents": [{ "a": [1] }] }).await;
    let error = array.list("writeErrors").expect("errors")[0].as_document().expect("one");
    assert_eq!(error.int("code"), Ok(16_766));
    let make = |key: Document, unique: bool| {
        doc! { "createIndexes": "c", "indexes": [{ "key": key, "name": "x", "unique": unique }] }
    };
    assert_eq!(world.fails(make(doc! { "b": "hashed" }, true)).await.code, 16_764);
    assert_eq!(world.fails(make(doc! { "b": "hashed", "c": "hashed" }, false)).await.code, 31_303);
    assert_eq!(world.fails(make(doc! { "b": "2dsphere" }, false)).await.code, 238);
    world.assert_sound("c").await;
}
