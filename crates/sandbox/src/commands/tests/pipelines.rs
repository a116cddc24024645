//! Pipelines over several collections, and those that write.

use bson::{Document, doc};

use crate::testing::{Fields, World, field};

async fn aggregate(world: &World, collection: &str, pipeline: Vec<Document>) -> Vec<Document> {
    world.documents(doc! { "aggregate": collection, "pipeline": pipeline, "cursor": {} }).await
}

#[tokio::test]
async fn other_collections_are_joined_by_their_indexes_or_without() {
    let world = World::new().await;
    world.insert("orders", (0..20).map(|n| doc! { "_id": n, "sku": n % 5 }).collect()).await;
    world
        .insert("stock", (0..5).map(|n| doc! { "_id": n + 10, "sku": n, "left": n * 7 }).collect())
        .await;
    let pipeline = || {
        vec![
            doc! { "$match": { "_id": { "$lt": 3 } } },
            doc! { "$lookup": { "from": "stock", "localField": "sku", "foreignField": "sku", "as": "s" } },
            doc! { "$unwind": "$s" },
            doc! { "$project": { "left": "$s.left" } },
        ]
    };
    let expected =
        [doc! { "_id": 0, "left": 0 }, doc! { "_id": 1, "left": 7 }, doc! { "_id": 2, "left": 14 }];
    assert_eq!(aggregate(&world, "orders", pipeline()).await, expected);
    world
        .run(doc! { "createIndexes": "stock", "indexes": [{ "key": { "sku": 1 }, "name": "sku" }] })
        .await;
    assert_eq!(aggregate(&world, "orders", pipeline()).await, expected);
    world.run(doc! { "create": "low", "viewOn": "stock", "pipeline": [{ "$match": { "left": { "$lt": 10 } } }] }).await;
    let union = vec![doc! { "$unionWith": "low" }, doc! { "$count": "n" }];
    assert_eq!(aggregate(&world, "orders", union).await, [doc! { "n": 22 }]);
}

#[tokio::test]
async fn a_user_reads_only_what_the_roles_allow() {
    let mut world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    world.acting_as(&[("read", "other")]);
    let pipeline = vec![doc! { "$unionWith": "c" }];
    let command = doc! { "aggregate": "x", "pipeline": pipeline, "cursor": {} };
    assert_eq!(world.fails(command).await.code, 13);
}

#[tokio::test]
async fn documents_need_no_collection() {
    let world = World::new().await;
    let pipeline = vec![
        doc! { "$documents": [{ "x": 1 }, { "x": 2 }] },
        doc! { "$set": { "y": { "$add": ["$x", "$$one"] } } },
    ];
    let command = doc! { "aggregate": 1, "pipeline": pipeline, "cursor": {}, "let": { "one": 1 } };
    assert_eq!(world.documents(command).await, [doc! { "x": 1, "y": 2 }, doc! { "x": 2, "y": 3 }]);
    let on = doc! { "aggregate": "c", "pipeline": [{ "$documents": [] }], "cursor": {} };
    assert_eq!(world.fails(on).await.code, 73);
}

#[tokio::test]
async fn merge_says_which_key_was_there() {
    let world = World::new().await;
    world.insert("t", vec![doc! { "_id": 2 }]).await;
    let pipeline = vec![
        doc! { "$documents": [{ "_id": 2, "x": 1 }] },
        doc! { "$merge": { "into": "t", "whenMatched": "fail" } },
    ];
    let command = doc! { "aggregate": 1, "pipeline": pipeline, "cursor": {} };
    let error = world.fails(command).await;
    let extra = Document::try_from(error.extra.expect("fields")).expect("a document");
    assert_eq!(error.code, 11000);
    assert_eq!(
        (extra.sub("keyPattern"), extra.sub("keyValue")),
        (Ok(&doc! { "_id": 1 }), Ok(&doc! { "_id": 2 }))
    );
    let with_let = vec![
        doc! { "$documents": [{ "_id": 2, "x": 5 }] },
        doc! { "$merge": {
            "into": "t", "let": { "add": { "$multiply": ["$x", 2] } },
            "whenMatched": [{ "$set": { "sum": { "$add": ["$$add", 1] } } }],
        } },
    ];
    world.run(doc! { "aggregate": 1, "pipeline": with_let, "cursor": {} }).await;
    assert_eq!(world.find("t", doc! {}).await, [doc! { "_id": 2, "sum": 11 }]);
}

#[tokio::test]
async fn a_leading_sort_goes_along_an_index() {
    let world = World::new().await;
    world.insert("c", (0..9).map(|n| doc! { "_id": n, "a": (n * 4) % 9 }).collect()).await;
    world
        .run(doc! { "createIndexes": "c", "indexes": [{ "key": { "a": -1 }, "name": "a" }] })
        .await;
    let pipeline = vec![
        doc! { "$sort": { "a": -1 } },
        doc! { "$limit": 2 },
        doc! { "$project": { "_id": 0 } },
    ];
    let found = aggregate(&world, "c", pipeline.clone()).await;
    assert_eq!(found, [doc! { "a": 8 }, doc! { "a": 7 }]);
    let explain = doc! { "explain": { "aggregate": "c", "pipeline": pipeline, "cursor": {} }, "verbosity": "queryPlanner" };
    let reply = world.run(explain).await;
    let plan = reply.sub("queryPlanner").and_then(|plan| plan.sub("winningPlan")).expect("a plan");
    assert_eq!(plan.text("stage"), Ok("FETCH"));
}

#[tokio::test]
async fn constants_of_pipeline_updates_are_variables() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let update = doc! { "q": { "_id": 1 }, "u": [{ "$set": { "v": "$$k" } }], "c": { "k": 7 } };
    world.run(doc! { "update": "c", "updates": [update] }).await;
    assert_eq!(world.find("c", doc! {}).await, [doc! { "_id": 1, "v": 7 }]);
}

#[tokio::test]
async fn chance_is_another_in_each_command_of_one_moment() {
    let (runtime, _) = portolan_runtime::Runtime::manual(1_700_000_000_000, 3);
    let world = World::with(runtime).await;
    world.insert("c", (0..200).map(|n| doc! { "_id": n }).collect()).await;
    let sample =
        doc! { "aggregate": "c", "pipeline": [{ "$sample": { "size": 20 } }], "cursor": {} };
    let first = field(&world.documents(sample.clone()).await, "_id");
    assert_ne!(first, field(&world.documents(sample).await, "_id"));
    let draw = doc! { "q": { "_id": 1 }, "u": [{ "$set": { "r": { "$rand": {} } } }] };
    let mut drawn = Vec::new();
    for _ in 0..2 {
        world.run(doc! { "update": "c", "updates": [draw.clone()] }).await;
        drawn.push(world.find("c", doc! { "_id": 1 }).await[0].double("r").expect("a number"));
    }
    assert_ne!(drawn[0], drawn[1]);
}
