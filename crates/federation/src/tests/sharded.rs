//! Unions over sharded collections: documents that share an `_id` on different shards are each shown once,
//! wherever they are.

use bson::{RawDocumentBuf, rawdoc};
use portolan_model::ShardKey;

use super::world::{World, at, doc};
use crate::endpoint::EndpointMode::{Archive, ClusterAndArchive};

fn key() -> ShardKey {
    ShardKey::ranged(&["state"])
}

fn everything() -> RawDocumentBuf {
    RawDocumentBuf::new()
}

/// Its bytes, in no order.
fn bytes(documents: impl IntoIterator<Item = RawDocumentBuf>) -> Vec<Vec<u8>> {
    let mut bytes: Vec<_> = documents.into_iter().map(RawDocumentBuf::into_bytes).collect();
    bytes.sort();
    bytes
}

fn changed(id: i32, state: &str) -> RawDocumentBuf {
    rawdoc! { "_id": id, "state": state, "at": at(id), "by": "a client" }
}

#[tokio::test]
async fn each_of_those_that_share_an_id_is_shown_once() {
    let world = World::sharded(key());
    let table = world.archive().await;
    let cold = [doc(1, "a"), doc(1, "b"), doc(2, "a")];
    world.moved(&table, 1, cold.to_vec()).await;
    world.insert(doc(1, "c"));
    world.insert(changed(2, "b"));
    let all = cold.iter().cloned().chain([doc(1, "c"), changed(2, "b")]);
    assert_eq!(bytes(world.answer(ClusterAndArchive, everything()).await), bytes(all));
    assert_eq!(bytes(world.answer(Archive, everything()).await), bytes(cold));
}

#[tokio::test]
async fn a_live_document_hides_its_own_row_and_no_other() {
    let world = World::sharded(key());
    let table = world.archive().await;
    world.moved(&table, 1, vec![doc(1, "a"), doc(1, "b")]).await;
    world.insert(changed(1, "b"));
    let found = world.answer(ClusterAndArchive, everything()).await;
    assert_eq!(bytes(found), bytes([doc(1, "a"), changed(1, "b")]));
    // Looked up and not returned: the filter leaves the live one out.
    let cold = rawdoc! { "by": { "$exists": false } };
    let found = world.answer(ClusterAndArchive, cold).await;
    assert_eq!(bytes(found), bytes([doc(1, "a")]));
}

#[tokio::test]
async fn an_open_move_shows_each_in_one_place() {
    let world = World::sharded(key());
    let table = world.fenced_archive().await;
    let documents = [doc(1, "a"), doc(1, "b"), doc(2, "a"), doc(2, "b")];
    documents.iter().for_each(|document| world.insert(document.clone()));
    world.commit_in_batches(&table, 1, documents.to_vec(), 1).await;
    for batch in 0..4 {
        let found = world.answer(ClusterAndArchive, everything()).await;
        assert_eq!(bytes(found), bytes(documents.clone()), "before batch {batch}");
        world.delete_batch(&table, 1, batch).await;
    }
    assert!(world.cluster.documents(&world.namespace).is_empty());
    for mode in [ClusterAndArchive, Archive] {
        assert_eq!(bytes(world.answer(mode, everything()).await), bytes(documents.clone()));
    }
}

/// A newer row takes the place of the older one of the same document, and of no other.
#[tokio::test]
async fn a_newer_row_hides_the_older_one_of_its_shard() {
    let world = World::sharded(key());
    let table = world.fenced_archive().await;
    world.moved(&table, 1, vec![doc(1, "a"), doc(1, "b")]).await;
    world.close_fence(1).await;
    world.insert(changed(1, "a"));
    world.commit(&table, 2, vec![changed(1, "a")]).await;
    world.delete_batch(&table, 2, 0).await;
    for mode in [ClusterAndArchive, Archive] {
        let found = world.answer(mode, everything()).await;
        assert_eq!(bytes(found), bytes([changed(1, "a"), doc(1, "b")]), "{mode:?}");
    }
}

/// The older archive knows documents by `_id`, the newer one by the shard key, too.
#[tokio::test]
async fn archives_from_before_and_after_the_sharding_are_one() {
    let world = World::new();
    let before = world.archive().await;
    world.moved(&before, 1, vec![doc(1, "a"), doc(2, "a")]).await;
    world.cluster.shard(&world.namespace, key()).expect("sharded");
    let after = world.archive().await;
    assert_ne!(before.spec().shard_key, after.spec().shard_key);
    world.moved(&after, 2, vec![doc(1, "b"), doc(3, "a")]).await;
    world.insert(changed(2, "a"));
    world.insert(doc(2, "b"));
    let all = [doc(1, "a"), doc(1, "b"), doc(3, "a"), changed(2, "a"), doc(2, "b")];
    assert_eq!(bytes(world.answer(ClusterAndArchive, everything()).await), bytes(all));
}
