//! `$out` and `$merge`.

use bson::{Document, doc};

use crate::testing::{Fields, World};

async fn world() -> World {
    let world = World::new().await;
    world.insert("c", (1..=3).map(|n| doc! { "_id": n, "n": n }).collect()).await;
    world
}

fn aggregate(stages: Vec<Document>) -> Document {
    doc! { "aggregate": "c", "pipeline": stages, "cursor": {} }
}

async fn all(world: &World, collection: &str) -> Vec<Document> {
    world.documents(doc! { "find": collection, "sort": { "_id": 1 } }).await
}

#[tokio::test]
async fn out_replaces_a_collection_and_keeps_its_indexes() {
    let world = world().await;
    world.insert("t", vec![doc! { "_id": 9, "n": 9 }]).await;
    let index = doc! { "key": { "n": 1 }, "name": "n_1", "unique": true };
    world.run(doc! { "createIndexes": "t", "indexes": [index] }).await;
    let stages = vec![doc! { "$match": { "n": { "$gt": 1 } } }, doc! { "$out": "t" }];
    let reply = world.run(aggregate(stages)).await;
    assert_eq!(reply.sub("cursor").unwrap().get_i64("id").ok(), Some(0));
    assert_eq!(all(&world, "t").await, [doc! { "_id": 2, "n": 2 }, doc! { "_id": 3, "n": 3 }]);
    world.assert_sound("t").await;
    // What cannot be written leaves the collection as it was.
    let stages = vec![doc! { "$set": { "n": 1 } }, doc! { "$out": "t" }];
    assert_eq!(world.fails(aggregate(stages)).await.code, 11000);
    assert_eq!(all(&world, "t").await.len(), 2);
    world.assert_sound("t").await;
}

#[tokio::test]
async fn out_reads_what_it_replaces_and_writes_elsewhere() {
    let world = world().await;
    world
        .run(aggregate(vec![doc! { "$set": { "n": { "$add": ["$n", 1] } } }, doc! { "$out": "c" }]))
        .await;
    assert_eq!(all(&world, "c").await[0], doc! { "_id": 1, "n": 2 });
    world.run(aggregate(vec![doc! { "$out": { "db": "other", "coll": "t" } }])).await;
    let found = world.on("other", doc! { "count": "t" }).await.expect("a count");
    assert_eq!(found.int("n"), Ok(3));
}

#[tokio::test]
async fn merge_does_what_it_is_told_with_matched_and_unmatched_documents() {
    for (matched, not_matched, expected) in [
        (
            "merge",
            "insert",
            vec![
                doc! { "_id": 1, "a": 1, "n": 1 },
                doc! { "_id": 2, "n": 2 },
                doc! { "_id": 3, "n": 3 },
            ],
        ),
        ("replace", "discard", vec![doc! { "_id": 1, "n": 1 }]),
        ("keepExisting", "discard", vec![doc! { "_id": 1, "a": 1 }]),
    ] {
        let world = world().await;
        world.insert("t", vec![doc! { "_id": 1, "a": 1 }]).await;
        let merge = doc! { "into": "t", "whenMatched": matched, "whenNotMatched": not_matched };
        world.run(aggregate(vec![doc! { "$merge": merge }])).await;
        assert_eq!(all(&world, "t").await, expected, "{matched}");
        world.assert_sound("t").await;
    }
}

#[tokio::test]
async fn merge_updates_by_a_pipeline_that_knows_the_new_document() {
    let world = world().await;
    world.insert("t", vec![doc! { "_id": 2, "n": 40 }]).await;
    let set = doc! { "$set": { "n": { "$add": ["$n", "$$new.n"] } } };
    let merge = doc! { "into": "t", "whenMatched": [set], "whenNotMatched": "discard" };
    world.run(aggregate(vec![doc! { "$merge": merge }])).await;
    assert_eq!(all(&world, "t").await, [doc! { "_id": 2, "n": 42 }]);
}

#[tokio::test]
async fn merge_matches_by_other_unique_fields() {
    let world = world().await;
    world.insert("t", vec![doc! { "_id": 70, "n": 2 }]).await;
    let merge = || doc! { "into": "t", "on": "n", "whenMatched": "keepExisting" };
    assert_eq!(world.fails(aggregate(vec![doc! { "$merge": merge() }])).await.code, 51183);
    let index = doc! { "key": { "n": 1 }, "name": "n_1", "unique": true };
    world.run(doc! { "createIndexes": "t", "indexes": [index] }).await;
    world.run(aggregate(vec![doc! { "$merge": merge() }])).await;
    assert_eq!(
        all(&world, "t").await.iter().map(|d| d.int("_id").unwrap()).collect::<Vec<_>>(),
        [1, 3, 70]
    );
}

#[tokio::test]
async fn refusals_write_nothing_and_say_why() {
    let world = world().await;
    for (stages, code) in [
        (vec![doc! { "$out": "t" }, doc! { "$match": {} }], 40601),
        (vec![doc! { "$out": 3 }], 9),
        (vec![doc! { "$merge": { "into": "t", "whenMatched": "other" } }], 2),
        (vec![doc! { "$merge": { "into": "t", "whenNotMatched": "fail" } }], 13113),
        (vec![doc! { "$merge": { "into": "t", "let": { "x": 1 } } }], 51_199),
        (vec![doc! { "$out": { "db": "local", "coll": "t" } }], 73),
    ] {
        assert_eq!(world.fails(aggregate(stages.clone())).await.code, code, "{stages:?}");
    }
    assert!(all(&world, "t").await.is_empty());
}

#[tokio::test]
async fn writing_needs_more_than_reading() {
    let mut world = world().await;
    world.acting_as(&[("read", "db")]);
    assert_eq!(world.fails(aggregate(vec![doc! { "$out": "t" }])).await.code, 13);
}
