//! What expires, and when.

use bson::{DateTime, doc};
use portolan_runtime::Runtime;

use crate::testing::{World, field};

#[tokio::test]
async fn documents_expire_by_their_date() {
    let now_ms = 1_700_000_000_000;
    let (runtime, clock) = Runtime::manual(now_ms, 1);
    let world = World::with(runtime).await;
    let ago = |seconds: i64| DateTime::from_millis(now_ms - seconds * 1_000);
    let index = doc! { "key": { "at": 1 }, "name": "at_1", "expireAfterSeconds": 60 };
    world.run(doc! { "createIndexes": "c", "indexes": [index] }).await;
    world
        .insert(
            "c",
            vec![
                doc! { "_id": 1, "at": ago(100) },
                doc! { "_id": 2, "at": ago(10) },
                doc! { "_id": 3, "at": [ago(10), ago(100)] },
                doc! { "_id": 4, "at": "yesterday" },
                doc! { "_id": 5 },
            ],
        )
        .await;
    super::pass(&world.sandbox.engine).await.expect("a look");
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [2, 4, 5]);
    clock.advance_ms(51_000);
    super::pass(&world.sandbox.engine).await.expect("a look");
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [4, 5]);
    world.assert_sound("c").await;
}

#[tokio::test]
async fn clustered_collections_expire_by_their_id() {
    let now_ms = 1_700_000_000_000;
    let (runtime, _clock) = Runtime::manual(now_ms, 1);
    let world = World::with(runtime).await;
    world
        .run(doc! {
            "create": "c", "expireAfterSeconds": 60,
            "clusteredIndex": { "key": { "_id": 1 }, "unique": true },
        })
        .await;
    let id = |seconds: i64| doc! { "_id": DateTime::from_millis(now_ms - seconds * 1_000), "n": 1 };
    world.insert("c", (0..1_200).map(|n| id(61 + n)).chain([id(1)]).collect()).await;
    super::pass(&world.sandbox.engine).await.expect("a look");
    assert_eq!(world.find("c", doc! {}).await.len(), 1);
}
