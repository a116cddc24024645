//! The union while documents move: nothing twice, nothing left out, nothing old.

use bson::{RawDocumentBuf, rawdoc};

use super::world::{World, doc};
use crate::endpoint::EndpointMode::ClusterAndArchive;

fn all() -> RawDocumentBuf {
    rawdoc! {}
}

/// A collection with one live document (9), so that the cluster part of a union has one step.
async fn world() -> (World, portolan_lake::Table) {
    let world = World::new();
    let table = world.archive().await;
    world.insert(doc(9, "live"));
    (world, table)
}

#[tokio::test]
async fn moved_and_live_documents_come_once_each() {
    let (world, table) = world().await;
    world.moved(&table, 1, vec![doc(1, "a"), doc(2, "b")]).await;
    let found = world.answer(ClusterAndArchive, all()).await;
    assert_eq!(found, [doc(1, "a"), doc(2, "b"), doc(9, "live")]);
    let found = world.answer(ClusterAndArchive, rawdoc! { "state": "b" }).await;
    assert_eq!(found, [doc(2, "b")]);
}

#[tokio::test]
async fn a_collection_without_an_archive_is_just_the_cluster() {
    let world = World::new();
    world.insert(doc(9, "live"));
    assert_eq!(world.answer(ClusterAndArchive, all()).await, [doc(9, "live")]);
}

#[tokio::test]
async fn candidates_that_are_still_in_the_cluster_come_once() {
    let (world, table) = world().await;
    for id in 1..4 {
        world.insert(doc(id, "a"));
    }
    world.commit(&table, 1, (1..4).map(|id| doc(id, "a")).collect()).await;
    world.delete_id(2);
    let found = world.answer(ClusterAndArchive, all()).await;
    assert_eq!(found, [doc(1, "a"), doc(2, "a"), doc(3, "a"), doc(9, "live")]);
}

#[tokio::test]
async fn a_row_whose_document_changed_before_its_delete_is_never_shown() {
    let (world, table) = world().await;
    world.insert(doc(1, "v1"));
    world.commit(&table, 1, vec![doc(1, "v1")]).await;
    world.update(doc(1, "v2"));
    // The guarded delete leaves it; the journal notes that. Then the client deletes it for good.
    world.keep(&table, 1, 1);
    assert_eq!(world.answer(ClusterAndArchive, all()).await, [doc(1, "v2"), doc(9, "live")]);
    world.delete_id(1);
    assert_eq!(world.answer(ClusterAndArchive, all()).await, [doc(9, "live")]);
    world.confirm(&table, 1, &[(1, 1)]).await;
    world.clear_kept();
    assert_eq!(world.answer(ClusterAndArchive, all()).await, [doc(9, "live")]);
}

#[tokio::test]
async fn a_filter_that_matches_only_the_old_version_finds_nothing() {
    let (world, table) = world().await;
    world.insert(doc(1, "open"));
    world.commit(&table, 1, vec![doc(1, "open")]).await;
    world.update(doc(1, "closed"));
    let open = rawdoc! { "state": "open" };
    assert!(world.answer(ClusterAndArchive, open).await.is_empty());
    let closed = rawdoc! { "state": "closed" };
    assert_eq!(world.answer(ClusterAndArchive, closed).await, [doc(1, "closed")]);
}

#[tokio::test]
async fn a_document_that_came_back_long_after_its_move_comes_once() {
    let (world, table) = world().await;
    world.moved(&table, 1, vec![doc(1, "a"), doc(2, "a")]).await;
    world.insert(doc(1, "a"));
    world.insert(rawdoc! { "_id": 2.0, "state": "other" });
    let found = world.answer(ClusterAndArchive, all()).await;
    let other = rawdoc! { "_id": 2.0, "state": "other" };
    assert_eq!(found, [doc(1, "a"), other, doc(9, "live")]);
    // Nor does its row come through when the filter matches only that.
    let found = world.answer(ClusterAndArchive, rawdoc! { "_id": 2, "state": "a" }).await;
    assert!(found.is_empty());
}

#[tokio::test]
async fn a_document_restored_behind_the_scan_is_still_shown() {
    let (world, table) = world().await;
    world.moved(&table, 1, vec![doc(1, "a"), doc(2, "a")]).await;
    let mut union = world.union(all());
    union.scan().await;
    world.insert(doc(1, "a"));
    assert_eq!(union.finish().await, [doc(1, "a"), doc(2, "a"), doc(9, "live")]);
}

#[tokio::test]
async fn a_move_that_overtakes_the_scan_is_in_the_pin() {
    let (world, table) = world().await;
    world.insert(doc(1, "a"));
    let mut union = world.union(all());
    // The numbers are read, the cluster not: the whole move happens in between.
    world.before_table(1, {
        let (world, table) = (world.clone(), table.clone());
        async move { world.moved(&table, 1, vec![doc(1, "a")]).await }
    });
    union.scan().await;
    assert_eq!(union.finish().await, [doc(1, "a"), doc(9, "live")]);
}

#[tokio::test]
async fn a_move_behind_the_scan_adds_nothing() {
    let (world, table) = world().await;
    world.insert(doc(1, "a"));
    let mut union = world.union(all());
    union.scan().await;
    world.moved(&table, 1, vec![doc(1, "a")]).await;
    assert_eq!(union.finish().await, [doc(1, "a"), doc(9, "live")]);
}

#[tokio::test]
async fn a_move_that_the_journal_does_not_know_is_judged_by_the_table() {
    let (world, table) = world().await;
    world.moved(&table, 1, vec![doc(1, "a")]).await;
    world.insert(doc(2, "v1"));
    // Committed, and then the worker and its journal were lost.
    world.commit(&table, 6, vec![doc(2, "v1")]).await;
    let expected = [doc(1, "a"), doc(2, "v1"), doc(9, "live")];
    assert_eq!(world.answer(ClusterAndArchive, all()).await, expected);
    world.update(doc(2, "v2"));
    let expected = [doc(1, "a"), doc(2, "v2"), doc(9, "live")];
    assert_eq!(world.answer(ClusterAndArchive, all()).await, expected);
}

#[tokio::test]
async fn kept_rows_stay_hidden_when_the_move_is_confirmed_under_way() {
    let (world, table) = world().await;
    world.insert(doc(1, "v1"));
    world.insert(doc(2, "a"));
    world.commit(&table, 7, vec![doc(1, "v1"), doc(2, "a")]).await;
    world.delete_id(2);
    world.update(doc(1, "v2"));
    world.keep(&table, 7, 1);
    world.delete_id(1);
    let mut union = world.union(all());
    union.scan().await;
    // Between the journal's list and the pin: confirmed, and the list cleared.
    world.before_table(1, {
        let (world, table) = (world.clone(), table.clone());
        async move {
            world.confirm(&table, 7, &[(7, 1)]).await;
            world.clear_kept();
        }
    });
    assert_eq!(union.finish().await, [doc(2, "a"), doc(9, "live")]);
}

#[tokio::test]
async fn kept_rows_stay_hidden_when_the_list_is_cleared_just_before_it_is_read() {
    let (world, table) = world().await;
    world.insert(doc(1, "v1"));
    world.commit(&table, 7, vec![doc(1, "v1")]).await;
    world.keep(&table, 7, 1);
    world.delete_id(1);
    let mut union = world.union(all());
    union.scan().await;
    world.before_kept({
        let (world, table) = (world.clone(), table.clone());
        async move {
            world.confirm(&table, 7, &[(7, 1)]).await;
            world.clear_kept();
        }
    });
    assert_eq!(union.finish().await, [doc(9, "live")]);
}

#[tokio::test]
async fn kept_rows_stay_hidden_when_the_move_is_confirmed_after_the_pin() {
    let (world, table) = world().await;
    world.insert(doc(1, "v1"));
    world.commit(&table, 7, vec![doc(1, "v1")]).await;
    world.keep(&table, 7, 1);
    world.delete_id(1);
    let mut union = world.union(all());
    union.scan().await;
    union.step().await;
    world.confirm(&table, 7, &[(7, 1)]).await;
    world.clear_kept();
    assert_eq!(union.finish().await, [doc(9, "live")]);
}

#[tokio::test]
async fn a_version_moved_after_the_pin_hides_the_older_row() {
    let (world, table) = world().await;
    world.moved(&table, 1, vec![doc(1, "open"), doc(2, "open")]).await;
    // Version 2 of document 1 is live and does not match the filter, so the scan says nothing of it.
    world.insert(doc(1, "closed"));
    let mut union = world.union(rawdoc! { "state": { "$in": ["open", "live"] } });
    union.scan().await;
    union.step().await;
    world.moved(&table, 2, vec![doc(1, "closed")]).await;
    assert_eq!(union.finish().await, [doc(2, "open"), doc(9, "live")]);
}

#[tokio::test]
async fn a_proof_of_absence_is_worth_nothing_when_a_move_came_between() {
    let (world, table) = world().await;
    world.moved(&table, 1, vec![doc(1, "open"), doc(2, "open")]).await;
    world.insert(doc(1, "closed"));
    let mut union = world.union(rawdoc! { "state": "open" });
    union.step().await;
    // After the pin (the first look at the table), before the look that confirms the proof.
    world.before_table(2, {
        let (world, table) = (world.clone(), table.clone());
        async move { world.commit(&table, 2, vec![doc(1, "closed")]).await }
    });
    world.delete_id(9);
    let event = {
        let world = world.clone();
        async move { world.delete_id(1) }
    };
    world.before_table(1, event);
    assert_eq!(union.finish().await, [doc(2, "open")]);
}

#[tokio::test]
async fn an_open_row_takes_the_place_of_an_older_one() {
    let (world, table) = world().await;
    world.moved(&table, 1, vec![doc(1, "v1"), doc(2, "a")]).await;
    world.insert(doc(1, "v2"));
    world.commit(&table, 2, vec![doc(1, "v2")]).await;
    let before = [doc(1, "v2"), doc(2, "a"), doc(9, "live")];
    assert_eq!(world.answer(ClusterAndArchive, all()).await, before);
    world.delete_id(1);
    assert_eq!(world.answer(ClusterAndArchive, all()).await, before);
    // Also when the filter matches only the old version.
    assert!(world.answer(ClusterAndArchive, rawdoc! { "state": "v1" }).await.is_empty());
}

#[tokio::test]
async fn two_archives_of_one_collection_show_a_document_once() {
    let (world, older) = world().await;
    world.moved(&older, 1, vec![doc(1, "v1"), doc(2, "a")]).await;
    let newer = world.archive().await;
    world.insert(doc(1, "v2"));
    world.commit(&newer, 2, vec![doc(1, "v2")]).await;
    world.delete_id(1);
    let expected = [doc(1, "v2"), doc(2, "a"), doc(9, "live")];
    assert_eq!(world.answer(ClusterAndArchive, all()).await, expected);
    world.rewrite(&older, &[(1, 1)]).await;
    world.confirm(&newer, 2, &[]).await;
    assert_eq!(world.answer(ClusterAndArchive, all()).await, expected);
}

#[tokio::test]
async fn a_document_that_changes_archives_between_the_pins_comes_once() {
    let (world, older) = world().await;
    world.moved(&older, 1, vec![doc(1, "v1"), doc(2, "a")]).await;
    let newer = world.archive().await;
    world.insert(doc(1, "v2"));
    let mut union = world.union(all());
    union.scan().await;
    // The newer archive is pinned; before the older one is, version 2 moves.
    world.before_table(2, {
        let (world, older, newer) = (world.clone(), older.clone(), newer.clone());
        async move {
            world.commit(&newer, 2, vec![doc(1, "v2")]).await;
            world.delete_id(1);
            world.rewrite(&older, &[(1, 1)]).await;
            world.confirm(&newer, 2, &[]).await;
        }
    });
    assert_eq!(union.finish().await, [doc(1, "v2"), doc(2, "a"), doc(9, "live")]);
}

#[tokio::test]
async fn an_old_row_is_not_shown_when_its_document_changes_archives_between_the_pins() {
    let (world, older) = world().await;
    world.moved(&older, 1, vec![doc(1, "v1"), doc(2, "a")]).await;
    let newer = world.archive().await;
    world.insert(doc(1, "v2"));
    // The scan says nothing of version 2: it does not match.
    let mut union = world.union(rawdoc! { "state": { "$in": ["v1", "a", "live"] } });
    union.scan().await;
    world.before_table(2, {
        let (world, older, newer) = (world.clone(), older.clone(), newer.clone());
        async move {
            world.commit(&newer, 2, vec![doc(1, "v2")]).await;
            world.delete_id(1);
            world.rewrite(&older, &[(1, 1)]).await;
            world.confirm(&newer, 2, &[]).await;
        }
    });
    assert_eq!(union.finish().await, [doc(2, "a"), doc(9, "live")]);
}

#[tokio::test]
async fn a_document_that_the_scan_meets_twice_comes_once() {
    let mut returned = crate::returned::Returned::new(1_000, Default::default(), 1_000);
    assert!(returned.insert(vec![1, 2]).expect("room"));
    assert!(!returned.insert(vec![1, 2]).expect("room"));
    assert!(returned.contains(&[1, 2]) && !returned.contains(&[1]));
    let refused = (0..100_u8).find_map(|number| returned.insert(vec![number; 20]).err());
    let text = refused.expect("memory is bounded").to_string();
    assert!(text.contains("narrow the filter"), "{text}");
}

#[tokio::test]
async fn a_cluster_that_is_down_is_an_error_not_half_an_answer() {
    let (world, table) = world().await;
    world.moved(&table, 1, vec![doc(1, "a")]).await;
    world.cluster.set_down(true);
    let session = crate::session::Session::new(&world.endpoint(ClusterAndArchive));
    let mut union = crate::union::Union::new(session, world.query(all()));
    assert!(union.next().await.is_err());
}

#[tokio::test]
async fn many_rows_are_judged_in_groups() {
    let (world, table) = world().await;
    let documents: Vec<_> = (1_000..3_500).map(|id| doc(id, "a")).collect();
    world.moved(&table, 1, documents.clone()).await;
    for id in [1_000, 2_222, 3_499] {
        world.insert(doc(id, "changed"));
    }
    let found = world.answer(ClusterAndArchive, all()).await;
    assert_eq!(found.len(), documents.len() + 1);
    let changed = world.answer(ClusterAndArchive, rawdoc! { "state": "changed" }).await;
    assert_eq!(changed.len(), 3);
}
