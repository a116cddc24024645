//! Runs without faults: what moves, what stays, the states that an archive goes through.

use bson::rawdoc;
use portolan_model::{ArchiveEvent, ArchiveState, Namespace, PartitionFieldType, SuspendReason};
use portolan_runtime::FaultPlan;
use portolan_store::runs::{DocumentKind, RunDocument};

use super::world::{Documents, World, by_identity, flight, flights};

#[tokio::test]
async fn the_first_run_moves_what_is_cold_and_leaves_the_rest() {
    let mut world = World::with_flights().await;
    let all = world.live();
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.live().len(), 2);
    world.assert_moved(&all, "first run").await;
    let stored = world.stored().await.expect("an archive");
    assert_eq!(stored.archive.state, ArchiveState::Idle);
    let types: Vec<_> =
        stored.archive.partition_fields.iter().map(|field| field.field_type).collect();
    assert_eq!(types, [Some(PartitionFieldType::Date), Some(PartitionFieldType::String)]);
    let runs = world.runs().await;
    assert_eq!(runs.len(), 1);
    let run = &runs[0];
    assert_eq!((run.phase.as_str(), &run.error), ("DONE", &None));
    assert_eq!((run.documents_read, run.documents_moved, run.documents_deleted), (10, 10, 10));
    assert!(run.files > 0 && run.bytes_stored > 0 && run.bytes_read > 0);
    assert!(run.ended_at.is_some());
}

#[tokio::test]
async fn a_later_run_moves_what_grew_cold_since() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    let mut all = world.live();
    all.extend(world.archived().await);
    world.settle().await;
    world.assert_moved(&all, "later run").await;
    assert_eq!(world.live().len(), 2);
    let runs = world.runs().await;
    assert_eq!(runs.iter().map(|run| run.documents_moved).collect::<Vec<_>>(), [10, 1]);
}

#[tokio::test]
async fn moves_are_bounded_and_a_run_goes_on_until_nothing_is_left() {
    let mut world = World::with_flights().await;
    world.options.move_documents_max = 3;
    let all = world.live();
    world.pass(FaultPlan::none()).await;
    world.assert_moved(&all, "small moves").await;
    assert_eq!(world.runs().await[0].moves, 4);
}

#[tokio::test]
async fn archives_of_a_paused_cluster_wait_and_nothing_is_wrong() {
    let mut world = World::with_flights().await;
    world.paused = true;
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.state().await, ArchiveState::Pending);
    assert_eq!((world.live().len(), world.runs().await.len()), (12, 0));
    world.paused = false;
    world.settle().await;
    assert_eq!(world.live().len(), 2);
}

#[tokio::test]
async fn an_archive_waits_for_its_collection() {
    let mut world = World::new().await;
    world.cluster.drop_collection(&flights());
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.state().await, ArchiveState::Pending);
    world.cluster.insert(&flights(), [flight(1, 30, "v1")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Idle);
    assert_eq!(world.archived().await.len(), 1);
}

#[tokio::test]
async fn an_archive_without_cold_documents_becomes_idle() {
    let mut world = World::new().await;
    world.cluster.insert(&flights(), [flight(1, 1, "warm")]).expect("inserted");
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.state().await, ArchiveState::Idle);
    assert_eq!(world.live().len(), 1);
    world.settle().await;
    assert_eq!(world.runs().await.len(), 1, "looks that find nothing are no runs");
}

#[tokio::test]
async fn a_collection_that_is_dropped_or_replaced_orphans_its_archive() {
    for replaced in [false, true] {
        let mut world = World::with_flights().await;
        world.settle().await;
        world.cluster.drop_collection(&flights());
        if replaced {
            world.cluster.insert(&flights(), [flight(1, 30, "other")]).expect("inserted");
        }
        world.settle().await;
        assert_eq!(world.state().await, ArchiveState::Orphaned, "replaced: {replaced}");
        assert_eq!(world.archived().await.len(), 10);
        assert_eq!(world.live().len(), usize::from(replaced), "nothing is deleted by name");
    }
}

/// Of a paused one, too, so that its operator learns of it before he resumes it.
#[tokio::test]
async fn a_paused_archive_is_orphaned_when_its_collection_goes_or_is_renamed() {
    for renamed in [false, true] {
        let mut world = World::with_flights().await;
        world.settle().await;
        world.happen(ArchiveEvent::PauseRequested).await;
        world.settle().await;
        assert_eq!(world.state().await, ArchiveState::Paused, "its collection is there");
        if renamed {
            let other = Namespace { collection: "flights_old".into(), ..flights() };
            world.cluster.rename(&flights(), &other);
        } else {
            world.cluster.drop_collection(&flights());
        }
        world.settle().await;
        assert_eq!(world.state().await, ArchiveState::Orphaned, "renamed: {renamed}");
        assert_eq!((world.archived().await.len(), world.runs().await.len()), (10, 1));
    }
}

#[tokio::test]
async fn a_paused_archive_of_a_collection_that_never_was_stays_paused() {
    let mut world = World::new().await;
    world.happen(ArchiveEvent::RunStarted).await;
    world.happen(ArchiveEvent::RunEnded).await;
    world.happen(ArchiveEvent::PauseRequested).await;
    world.cluster.drop_collection(&flights());
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Paused);
}

#[tokio::test]
async fn a_paused_archive_moves_nothing_until_it_is_resumed() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::PauseRequested).await;
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Paused);
    assert_eq!(world.live().len(), 3);
    world.happen(ArchiveEvent::Resumed).await;
    world.settle().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 11));
}

#[tokio::test]
async fn what_cannot_be_archived_is_counted_listed_and_left() {
    let mut world = World::with_flights().await;
    let mut twice = flight(70, 30, "twice");
    twice.append(bson::raw::cstr!("t"), "again");
    world.cluster.insert(&flights(), [twice.clone()]).expect("inserted");
    world.pass(FaultPlan::none()).await;
    let run = &world.runs().await[0];
    assert_eq!((run.documents_moved, run.documents_skipped), (10, 1));
    assert!(world.live().values().any(|bytes| bytes == twice.as_bytes()));
    let reason = r#"it has the field "t" twice"#.to_owned();
    let listed = RunDocument { kind: DocumentKind::Skipped, document: "70".into(), reason };
    assert_eq!(world.named().await, [listed]);
}

#[tokio::test]
async fn a_document_that_came_back_supersedes_its_older_row() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let again = flight(3, 40, "second life");
    world.cluster.insert(&flights(), [again.clone()]).expect("inserted");
    world.settle().await;
    let archived = world.archived().await;
    assert_eq!(archived.len(), 10);
    let identity = portolan_lake::identity(&again);
    assert_eq!(archived.get(&identity).map(Vec::as_slice), Some(again.as_bytes()));
}

#[tokio::test]
async fn a_second_archive_of_the_collection_shares_the_numbers_and_supersedes() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let first = world.second_archive(r#"{"t": "second life"}"#).await;
    world.cluster.insert(&flights(), [flight(3, 40, "second life")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.archived().await.len(), 1);
    assert_eq!(world.archived_in(first).await.len(), 9, "the older row left the other table");
}

#[tokio::test]
async fn a_deleted_archive_keeps_its_files_until_the_grace_period_is_over() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::Deleted).await;
    world.settle().await;
    assert_eq!(world.archived().await.len(), 10);
    world.clock.advance_ms(5 * 86_400_000);
    world.settle().await;
    assert_eq!(world.archived().await, Documents::new());
    assert!(world.stored().await.is_some(), "its place is swept once more");
    world.days_pass(1.2).await;
    assert!(world.stored().await.is_none());
    assert_eq!(world.live().len(), 2);
}

#[tokio::test]
async fn clocks_that_disagree_start_no_run() {
    let mut world = World::with_flights().await;
    world.cluster.set_clock_skew_ms(400 * 86_400_000);
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.live().len(), 12);
    let error = world.runs().await[0].error.clone().expect("an error");
    assert!(error.contains("clocks"), "{error}");
    world.cluster.set_clock_skew_ms(0);
    world.settle().await;
    assert_eq!(world.live().len(), 2);
}

#[tokio::test]
async fn a_cluster_that_is_down_is_tried_again() {
    let mut world = World::with_flights().await;
    world.cluster.set_down(true);
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.state().await, ArchiveState::Pending);
    world.cluster.set_down(false);
    world.settle().await;
    assert_eq!(world.archived().await.len(), 10);
}

#[tokio::test]
async fn a_table_that_is_gone_suspends_and_is_never_made_again() {
    let mut world = World::with_flights().await;
    world.settle().await;
    std::fs::remove_dir_all(world.table_folder()).expect("removed");
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Suspended(SuspendReason::TableOlder));
    assert_eq!(world.live().len(), 3);
    assert_eq!(world.archived().await, Documents::new());
}

#[tokio::test]
async fn another_owner_s_table_suspends() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.options.owner = "them".into();
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Suspended(SuspendReason::ForeignWriter));
    assert_eq!(world.live().len(), 3);
}

/// The line to paste is there as long as the index is not, and is not forgotten while nobody can tell.
#[tokio::test]
async fn a_missing_index_is_told_until_there_is_one() {
    let mut world = World::with_flights().await;
    world.pass(FaultPlan::none()).await;
    let line = world.job().await.create_index.expect("no index finds what is cold");
    assert!(line.contains("createIndex"), "{line}");
    world.cluster.create_index(&flights(), &["at"]);
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.job().await.create_index, None);
}

#[tokio::test]
async fn missing_array_and_wrong_typed_dates_stay() {
    let mut world = World::new().await;
    let cold = bson::DateTime::from_millis(0);
    let odd = [
        rawdoc! { "_id": 1 },
        rawdoc! { "_id": 2, "at": [cold] },
        rawdoc! { "_id": 3, "at": 0_i64 },
        rawdoc! { "_id": 4, "at": "1970" },
    ];
    world.cluster.insert(&flights(), odd.clone()).expect("inserted");
    world.cluster.insert(&flights(), [rawdoc! { "_id": 5, "at": cold }]).expect("inserted");
    world.settle().await;
    assert_eq!(world.live(), by_identity(odd));
    assert_eq!(world.archived().await.len(), 1);
}
