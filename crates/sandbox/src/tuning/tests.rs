//! Settings that change while the cluster serves.

use std::sync::Arc;

use bson::doc;

use super::Tuning;
use crate::testing::{Fields, NoAccounts, World};

async fn tuned() -> (World, Arc<Tuning>) {
    let mut world = World::new().await;
    let tuning = Arc::<Tuning>::default();
    let accounts = Arc::new(NoAccounts);
    world.backend = world.sandbox.tuned_backend(accounts, "127.0.0.1:27017", tuning.clone());
    (world, tuning)
}

#[tokio::test]
async fn queries_without_an_index_are_refused_while_it_is_set() {
    let (world, tuning) = tuned().await;
    world.insert("c", vec![doc! { "_id": 1, "a": 1 }]).await;
    tuning.set(None, true);
    for command in [
        doc! { "find": "c", "filter": { "a": 1 } },
        doc! { "count": "c", "query": { "a": 1 } },
        doc! { "aggregate": "c", "pipeline": [{ "$match": { "a": 1 } }], "cursor": {} },
        doc! { "findAndModify": "c", "query": { "a": 1 }, "update": { "$set": { "b": 1 } } },
    ] {
        assert_eq!(world.fails(command).await.code, 291);
    }
    let update = doc! { "q": { "a": 1 }, "u": { "$set": { "b": 1 } } };
    let reply = world.run(doc! { "update": "c", "updates": [update] }).await;
    assert_eq!(reply.int("nModified"), Ok(0));
    assert_eq!(world.find("c", doc! { "_id": 1 }).await.len(), 1);
    tuning.set(None, false);
    assert_eq!(world.find("c", doc! { "a": 1 }).await, [doc! { "_id": 1, "a": 1 }]);
}

#[test]
fn the_default_limit_is_for_reads() {
    let tuning = Tuning::default();
    assert_eq!(tuning.max_time_ms("find"), None);
    tuning.set(Some(50), true);
    assert_eq!(tuning.max_time_ms("find"), Some(50));
    assert_eq!(tuning.max_time_ms("update"), None);
    assert!(tuning.refuses_table_scans("db") && !tuning.refuses_table_scans("admin"));
}
