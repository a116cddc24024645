//! Tests of read concerns: snapshots of the past, and times that are waited for.

use bson::{Bson, Document, Timestamp, doc};
use portolan_runtime::Runtime;

use crate::store::tick;
use crate::testing::{Fields, World};

fn snapshot(command: Document, at: Option<&Bson>) -> Document {
    let mut concern = doc! { "level": "snapshot" };
    if let Some(at) = at {
        concern.insert("atClusterTime", at.clone());
    }
    let mut command = command;
    command.insert("readConcern", concern);
    command
}

fn after(time: Timestamp) -> Document {
    doc! { "find": "c", "readConcern": { "afterClusterTime": time } }
}

#[tokio::test]
async fn several_commands_read_at_one_time() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let find = doc! { "find": "c" };
    let first = world.run(snapshot(find.clone(), None)).await;
    let at = first.get("atClusterTime").expect("a time").clone();
    world.insert("c", vec![doc! { "_id": 2 }]).await;
    world.run(doc! { "delete": "c", "deletes": [{ "q": { "_id": 1 }, "limit": 1 }] }).await;
    let again = world.run(snapshot(find.clone(), Some(&at))).await;
    assert_eq!(again, first);
    let count = doc! { "aggregate": "c", "pipeline": [{ "$count": "n" }], "cursor": {} };
    let counted = world.run(snapshot(count, Some(&at))).await;
    assert_eq!(counted.list("documents"), Ok(&vec![doc! { "n": 1 }.into()]));
    let distinct = doc! { "distinct": "c", "key": "_id" };
    let distinct = world.run(snapshot(distinct, Some(&at))).await;
    assert_eq!(distinct.list("values"), Ok(&vec![Bson::Int32(1)]));
    assert_eq!(distinct.get("atClusterTime"), Some(&at));
    let newest = tick::timestamp(world.sandbox.engine.store.newest_tick());
    let now = world.run(snapshot(find, Some(&newest.into()))).await;
    assert_eq!(now.list("documents"), Ok(&vec![doc! { "_id": 2 }.into()]));
}

#[tokio::test]
async fn a_time_that_nobody_chose_or_that_was_let_go_is_too_old() {
    let (runtime, clock) = Runtime::manual(1_700_000_000_000, 1);
    let world = World::with(runtime).await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let find = doc! { "find": "c" };
    let unheld = tick::timestamp(world.sandbox.engine.store.newest_tick());
    world.insert("c", vec![doc! { "_id": 2 }]).await;
    let held = world.run(snapshot(find.clone(), None)).await;
    let held = held.get("atClusterTime").expect("a time").clone();
    world.insert("c", vec![doc! { "_id": 3 }]).await;
    let error = world.fails(snapshot(find.clone(), Some(&unheld.into()))).await;
    assert_eq!(error.code, 239);
    world.run(snapshot(find.clone(), Some(&held))).await;
    clock.advance_ms(5 * 60 * 1_000 + 1);
    world.sandbox.engine.store.forget_history();
    assert_eq!(world.fails(snapshot(find, Some(&held))).await.code, 239);
}

#[tokio::test]
async fn a_time_that_has_not_come_is_waited_for_unless_it_is_of_another_clock() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let newest = tick::timestamp(world.sandbox.engine.store.newest_tick());
    world.run(after(newest)).await;
    let soon = Timestamp { time: newest.time, increment: newest.increment + 1_000 };
    world.run(after(soon)).await;
    assert!(tick::timestamp(world.sandbox.engine.store.newest_tick()) >= soon);
    let far = Timestamp { time: newest.time + 3_600, increment: 1 };
    assert_eq!(world.fails(after(far)).await.code, 72);
}

#[tokio::test]
async fn concerns_that_contradict_themselves_are_refused() {
    let world = World::new().await;
    let time = Timestamp { time: 1, increment: 1 };
    for (command, code) in [
        (doc! { "find": "c", "readConcern": { "level": "strange" } }, 9),
        (doc! { "find": "c", "readConcern": { "atClusterTime": time } }, 72),
        (
            doc! { "find": "c", "readConcern": { "level": "available", "afterClusterTime": time } },
            72,
        ),
        (doc! { "find": "c", "readConcern": { "level": "snapshot", "atClusterTime": 5 } }, 14),
        (doc! { "count": "c", "readConcern": { "level": "snapshot" } }, 72),
    ] {
        assert_eq!(world.fails(command.clone()).await.code, code, "{command}");
    }
}
