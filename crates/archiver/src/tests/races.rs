//! Clients that write while a run is under way: none of their updates is lost at any level that
//! guards deletes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use portolan_cluster::{ClusterError, MemoryCluster};
use portolan_model::{ArchiveEvent, ArchiveState, GuardLevel, Namespace};
use portolan_runtime::FaultPlan;

use super::door::{Call, Deed, door};
use super::world::{World, flight, flights};
use crate::effects;

/// When a client acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    /// Just before documents are compared with their rows.
    BeforeLookUp,
    /// Between that and the delete.
    BeforeDelete,
    /// Just after the delete.
    AfterDelete,
}

/// What else stands in the way of a client who acts once.
pub(super) struct Busy {
    /// So many deletes meet a client's write and come to nothing.
    pub(super) conflicts: Arc<AtomicU32>,
}

/// Lets a client act once, at a moment.
pub(super) fn busy(
    world: &mut World,
    moment: Moment,
    deed: impl FnOnce(&MemoryCluster) + Send + 'static,
) -> Busy {
    let (before, after): (Option<Deed>, Option<Deed>) = match moment {
        Moment::AfterDelete => (None, Some(Box::new(deed))),
        _ => (Some(Box::new(deed)), None),
    };
    let (before, conflicts) = (Mutex::new(before), Arc::new(AtomicU32::new(0)));
    let left = conflicts.clone();
    let door = door(world, move |cluster, call, _| {
        let is_moment = match moment {
            Moment::BeforeLookUp => call == Call::LookUp,
            _ => call == Call::Delete,
        };
        if is_moment && let Some(deed) = before.lock().expect("no panic").take() {
            deed(cluster);
        }
        let take = |left: u32| left.checked_sub(1);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        if call == Call::Delete && left.fetch_update(set, get, take).is_ok() {
            return Err(ClusterError::Aborted("a client wrote the same".to_owned()));
        }
        Ok(())
    });
    *door.after_delete.lock().expect("no panic") = after;
    Busy { conflicts }
}

pub(super) fn update_all(cluster: &MemoryCluster, days: i64) {
    for id in 0..10 {
        let document = flight(id, days, "updated by a client");
        let _gone = cluster.replace(&flights(), document).expect("replaced");
    }
}

#[tokio::test]
async fn an_update_during_the_run_is_never_lost() {
    let moments = [
        (GuardLevel::L1, Moment::BeforeLookUp),
        (GuardLevel::L1, Moment::BeforeDelete),
        (GuardLevel::L2, Moment::BeforeDelete),
        (GuardLevel::L3, Moment::BeforeDelete),
    ];
    for (level, moment) in moments {
        // Updated documents stay cold in one world and grow warm in the other.
        for days in [30, 1] {
            let mut world = World::with_flights_at(level).await;
            busy(&mut world, moment, move |cluster| update_all(cluster, days));
            world.pass(FaultPlan::none()).await;
            world.settle().await;
            let (live, archived) = (world.live(), world.archived().await);
            assert_eq!(live.len() + archived.len(), 12, "{moment:?} {days}");
            for id in 0..10 {
                let wanted = flight(id, days, "updated by a client");
                let identity = portolan_lake::identity(&wanted);
                let place = if days == 30 { &archived } else { &live };
                assert_eq!(
                    place.get(&identity).map(Vec::as_slice),
                    Some(wanted.as_bytes()),
                    "{moment:?} {days}: document {id}"
                );
            }
        }
    }
}

#[tokio::test]
async fn kept_rows_are_counted_and_leave_the_table() {
    let mut world = World::with_flights().await;
    busy(&mut world, Moment::BeforeDelete, |cluster| update_all(cluster, 1));
    world.pass(FaultPlan::none()).await;
    let run = world.runs().await[0].clone();
    assert_eq!((run.documents_kept, run.documents_deleted, run.documents_moved), (10, 0, 0));
    assert_eq!(world.archived().await.len(), 0);
}

#[tokio::test]
async fn an_update_behind_a_lost_answer_is_never_lost() {
    let mut world = World::with_flights().await;
    busy(&mut world, Moment::AfterDelete, |cluster| update_all(cluster, 1));
    let faults = FaultPlan::none().with(effects::DELETE, 1, portolan_runtime::Fate::ReplyLost);
    world.pass(faults).await;
    world.settle().await;
    let (live, archived) = (world.live(), world.archived().await);
    assert_eq!(live.len() + archived.len(), 12);
    assert!(live.keys().all(|identity| !archived.contains_key(identity)));
}

#[tokio::test]
async fn a_document_that_a_client_deletes_keeps_its_row_and_is_counted() {
    let mut world = World::with_flights().await;
    busy(&mut world, Moment::BeforeDelete, |cluster| {
        for id in 0..10 {
            cluster.remove(&flights(), bson::RawBsonRef::Int32(id));
        }
    });
    world.pass(FaultPlan::none()).await;
    let run = world.runs().await[0].clone();
    assert_eq!((run.documents_vanished, run.documents_deleted), (10, 0));
    assert_eq!(world.archived().await.len(), 10);
}

#[tokio::test]
async fn a_collection_replaced_during_the_run_is_left_alone() {
    let mut world = World::with_flights().await;
    let all = world.live();
    busy(&mut world, Moment::BeforeDelete, |cluster| {
        let documents = cluster.documents(&flights());
        cluster.drop_collection(&flights());
        cluster.insert(&flights(), documents).expect("inserted");
    });
    world.pass(FaultPlan::none()).await;
    world.settle().await;
    assert_eq!(world.live(), all, "nothing of the new collection was deleted");
    assert_eq!(world.state().await, ArchiveState::Orphaned);
}

#[tokio::test]
async fn a_collection_renamed_during_the_run_keeps_its_documents_and_drops_their_rows() {
    let mut world = World::with_flights().await;
    let renamed = Namespace { database: "air".into(), collection: "old".into() };
    let target = renamed.clone();
    busy(&mut world, Moment::BeforeDelete, move |cluster| cluster.rename(&flights(), &target));
    world.pass(FaultPlan::none()).await;
    world.settle().await;
    assert_eq!(world.cluster.documents(&renamed).len(), 12);
    assert_eq!(world.archived().await.len(), 0, "found again by UUID");
    assert_eq!(world.state().await, ArchiveState::Orphaned);
}

/// Runs until the first batch is deleted, and dies there; then `event` happens.
async fn interrupted(event: ArchiveEvent) -> World {
    let mut world = World::with_flights().await;
    let faults = (2..20).fold(FaultPlan::none(), |plan, passage| {
        plan.with(effects::BATCH, passage, portolan_runtime::Fate::FailsBefore)
    });
    world.pass(faults).await;
    world.happen(event).await;
    world
}

#[tokio::test]
async fn pausing_or_deleting_in_the_middle_closes_the_move() {
    for event in [ArchiveEvent::PauseRequested, ArchiveEvent::Deleted] {
        let mut world = interrupted(event).await;
        let live = world.live();
        assert!((3..12).contains(&live.len()), "one batch was deleted, not all");
        world.settle().await;
        assert_eq!(world.live(), live, "{event:?}: nothing more was deleted");
        assert_eq!(world.archived().await.len(), 12 - live.len(), "{event:?}");
    }
}

#[tokio::test]
async fn a_pause_request_lets_the_move_under_way_finish() {
    let mut world = World::with_flights().await;
    world.options.move_documents_max = 4;
    let url = world.url.clone();
    let (runtime, archive) = (world.runtime.clone(), world.archive);
    let told = Arc::new(tokio::sync::Notify::new());
    let tell = told.clone();
    busy(&mut world, Moment::BeforeLookUp, move |_| tell.notify_one());
    let pausing = async {
        let keys = portolan_security::KeyRing::new(&[1; 32], &[]);
        let store = portolan_store::Store::open(&url, keys, runtime).await.expect("a store");
        told.notified().await;
        let system = portolan_auth::Authorized::system("a test");
        store
            .run_tx::<_, portolan_store::StoreError, _>("test.pause", |tx| {
                let system = &system;
                Box::pin(async move {
                    let event = ArchiveEvent::PauseRequested;
                    portolan_store::archives::work::advance(tx, system, archive, event).await
                })
            })
            .await
            .expect("stored")
            .expect("allowed");
        store.close().await;
    };
    let mut running = world;
    let ((), ()) = tokio::join!(pausing, running.pass(FaultPlan::none()));
    assert_eq!(running.state().await, ArchiveState::Paused);
    assert_eq!((running.live().len(), running.archived().await.len()), (8, 4));
}

/// A table says whose rows it may hold as soon as it is made, although none is in it yet.
#[tokio::test]
async fn a_collection_replaced_before_anything_was_cold_ends_its_archive() {
    let mut world = World::new().await;
    world.cluster.insert(&flights(), [flight(1, 1, "warm")]).expect("inserted");
    world.settle().await;
    assert!(world.table().await.spec().collection_uuid().is_some());
    world.cluster.drop_collection(&flights());
    world.cluster.create(&flights(), false);
    world.cluster.insert(&flights(), [flight(2, 30, "cold")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Orphaned);
    assert_eq!(world.live().len(), 1);
}

/// What is cold is decided by clocks that agree, those of the storage and the control database included: a
/// sandbox cluster has the clock of our own host, which may have jumped.
#[tokio::test]
async fn a_clock_that_is_far_off_moves_nothing() {
    let mut world = World::with_flights().await;
    world.freeze_storage_clock();
    world.pass(FaultPlan::none()).await;
    let runs = world.runs().await;
    let error = runs.last().and_then(|run| run.error.clone()).unwrap_or_default();
    assert!(error.contains("clock"), "{error}");
    assert_eq!(world.live().len(), 12);
}
