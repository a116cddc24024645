//! Reading under a fence: a row of an open move counts once its batch was deleted, and only then.

use bson::{RawDocumentBuf, rawdoc};
use portolan_cluster::{Cluster, Holder};

use super::world::{World, doc};
use crate::endpoint::EndpointMode::{Archive, ClusterAndArchive};

fn all() -> RawDocumentBuf {
    rawdoc! {}
}

/// A collection with one live document (9) and an archive with an open move of documents 1 and 2.
async fn open_move() -> (World, portolan_lake::Table) {
    let world = World::new();
    let table = world.fenced_archive().await;
    world.insert(doc(9, "live"));
    for id in [1, 2] {
        world.insert(doc(id, "a"));
    }
    world.commit(&table, 1, vec![doc(1, "a"), doc(2, "a")]).await;
    (world, table)
}

#[tokio::test]
async fn a_document_that_a_client_deleted_during_the_move_is_not_shown() {
    let (world, table) = open_move().await;
    world.delete_id(1);
    for mode in [ClusterAndArchive, Archive] {
        let live = if mode == Archive { vec![] } else { vec![doc(2, "a"), doc(9, "live")] };
        assert_eq!(world.answer(mode, all()).await, live, "before the batch");
    }
    world.delete_batch(&table, 1, 0).await;
    assert_eq!(world.answer(ClusterAndArchive, all()).await, [doc(2, "a"), doc(9, "live")]);
    assert_eq!(world.answer(Archive, all()).await, [doc(2, "a")], "the other row is kept");
}

#[tokio::test]
async fn rows_of_deleted_batches_are_shown_before_the_move_is_confirmed() {
    let (world, table) = open_move().await;
    world.delete_batch(&table, 1, 0).await;
    let found = world.answer(ClusterAndArchive, all()).await;
    assert_eq!(found, [doc(1, "a"), doc(2, "a"), doc(9, "live")]);
    assert_eq!(world.answer(Archive, all()).await, [doc(1, "a"), doc(2, "a")]);
}

#[tokio::test]
async fn a_batch_that_is_deleted_behind_the_scan_adds_nothing() {
    let (world, table) = open_move().await;
    let mut union = world.union(all());
    union.scan().await;
    world.delete_batch(&table, 1, 0).await;
    assert_eq!(union.finish().await, [doc(1, "a"), doc(2, "a"), doc(9, "live")]);
}

#[tokio::test]
async fn a_batch_that_is_deleted_between_the_fence_and_the_pin_was_scanned() {
    let (world, table) = open_move().await;
    let mut union = world.union(all());
    union.scan().await;
    world.before_kept({
        let (world, table) = (world.clone(), table.clone());
        async move { world.delete_batch(&table, 1, 0).await }
    });
    assert_eq!(union.finish().await, [doc(1, "a"), doc(2, "a"), doc(9, "live")]);
}

#[tokio::test]
async fn a_newer_row_that_was_moved_takes_the_place_of_the_older_one() {
    let (world, table) = open_move().await;
    world.delete_batch(&table, 1, 0).await;
    world.confirm(&table, 1, &[]).await;
    world.insert(doc(1, "b"));
    world.commit(&table, 2, vec![doc(1, "b")]).await;
    assert_eq!(world.answer(Archive, all()).await, [doc(1, "a"), doc(2, "a")], "not moved yet");
    world.delete_batch(&table, 2, 0).await;
    assert_eq!(world.answer(Archive, all()).await, [doc(1, "b"), doc(2, "a")]);
    let found = world.answer(ClusterAndArchive, all()).await;
    assert_eq!(found, [doc(1, "b"), doc(2, "a"), doc(9, "live")]);
}

/// The fence of another instance, or one that was set back, decides nothing: documents are looked up.
#[tokio::test]
async fn a_fence_that_does_not_fit_the_table_decides_nothing() {
    let (world, table) = open_move().await;
    world.delete_batch(&table, 1, 0).await;
    world.cluster.forget_fences();
    let holder = Holder { owner: "another", ..world.holder().await };
    world.cluster.raise_fence(&holder, 0).await.expect("raised");
    let found = world.answer(ClusterAndArchive, all()).await;
    assert_eq!(found, [doc(1, "a"), doc(2, "a"), doc(9, "live")]);
    world.confirm(&table, 1, &[]).await;
    assert_eq!(world.answer(Archive, all()).await, [doc(1, "a"), doc(2, "a")]);
}

#[tokio::test]
async fn the_archive_alone_is_read_by_the_journal_while_the_cluster_is_down() {
    let (world, table) = open_move().await;
    world.delete_batch(&table, 1, 0).await;
    world.facts.know_deleted((1, 0));
    world.cluster.set_down(true);
    assert_eq!(world.answer(Archive, all()).await, [doc(1, "a"), doc(2, "a")]);
}

/// A worker takes over while a query reads: the fence is read again, and nothing is shown that a client
/// deleted.
#[tokio::test]
async fn a_takeover_between_the_fence_and_the_pin_is_noticed() {
    let (world, table) = open_move().await;
    world.delete_id(1);
    let mut union = world.union(all());
    union.scan().await;
    world.before_table(1, {
        let (world, table) = (world.clone(), table.clone());
        async move {
            let holder = Holder { epoch: 2, token: "next", ..world.holder().await };
            world.cluster.raise_fence(&holder, 0).await.expect("raised");
            let fence = portolan_lake::Change::Fence { epoch: 2, token: "next".into() };
            table.commit(&fence).await.expect("fenced");
        }
    });
    assert_eq!(union.finish().await, [doc(2, "a"), doc(9, "live")]);
}

/// The journal of an archive that was attached, or one that was set back, knows less than the table: what is
/// confirmed is shown all the same.
#[tokio::test]
async fn a_journal_that_knows_too_little_hides_nothing_that_is_confirmed() {
    let (world, table) = open_move().await;
    world.delete_batch(&table, 1, 0).await;
    world.confirm(&table, 1, &[]).await;
    world.cluster.set_down(true);
    for known in [(1, -1), (0, -1)] {
        world.facts.know_deleted(known);
        assert_eq!(world.answer(Archive, all()).await, [doc(1, "a"), doc(2, "a")], "{known:?}");
    }
}
