//! What the fence at the source adds: exact figures after lost answers, no effect of a worker that lost
//! its lease, no trace of documents that clients deleted, and a cluster that was set back is noticed.

use std::sync::atomic::Ordering;

use portolan_cluster::Cluster;
use portolan_model::{ArchiveRules, ArchiveState, ExpiryRule, GuardLevel, SuspendReason};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::operations::OperationKind;

use super::races::{Moment, busy, update_all};
use super::world::{World, flight, flights};
use crate::effects;

fn remove_all(cluster: &portolan_cluster::MemoryCluster) {
    for id in 0..10 {
        cluster.remove(&flights(), bson::RawBsonRef::Int32(id));
    }
}

#[tokio::test]
async fn a_document_that_a_client_deletes_before_us_leaves_no_row() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    busy(&mut world, Moment::BeforeDelete, remove_all);
    world.pass(FaultPlan::none()).await;
    let run = world.runs().await[0].clone();
    let figures = (run.documents_kept, run.documents_deleted, run.documents_vanished);
    assert_eq!((figures, run.documents_moved), ((10, 0, 0), 0));
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 0));
}

/// Without a fence nothing may be concluded from absence.
#[tokio::test]
async fn without_a_fence_its_row_stays() {
    let mut world = World::with_flights_at(GuardLevel::L2).await;
    busy(&mut world, Moment::BeforeDelete, remove_all);
    world.pass(FaultPlan::none()).await;
    let run = world.runs().await[0].clone();
    assert_eq!((run.documents_vanished, run.documents_deleted), (10, 0));
    assert_eq!(world.archived().await.len(), 10);
}

#[tokio::test]
async fn the_figures_are_exact_although_an_answer_was_lost() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    let changed = flight(0, 30, "updated by a client");
    busy(&mut world, Moment::BeforeDelete, move |cluster| {
        cluster.replace(&flights(), changed).expect("replaced");
    });
    let faults = FaultPlan::none().with(effects::DELETE, 1, Fate::ReplyLost);
    world.pass(faults).await;
    let run = world.runs().await[0].clone();
    let figures = (run.documents_kept, run.documents_deleted, run.documents_vanished);
    assert_eq!(figures, (1, 9, 0));
    assert_eq!(world.archived().await.len(), 9, "one that changed stays for the next run");
}

/// A transaction that is on its way when its worker loses the lease: the successor raises the fence,
/// and whatever arrives later does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_arrives_after_a_takeover_does_nothing() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    let uuid = {
        use portolan_cluster::Cluster;
        let info = world.cluster.collection(&flights()).await.expect("up").expect("there");
        info.uuid.expect("a UUID")
    };
    busy(&mut world, Moment::BeforeDelete, move |cluster| {
        // Another worker took over in this moment.
        let holder =
            portolan_cluster::Holder { uuid, owner: "us", epoch: 1_000, token: "a successor" };
        futures::executor::block_on(portolan_cluster::Cluster::raise_fence(cluster, &holder, 0))
            .expect("raised");
    });
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.live().len(), 12, "nothing was deleted");
    world.between = None;
    let all = world.live();
    world.settle().await;
    world.assert_moved(&all, "the next worker, with a higher epoch still").await;
    assert_eq!(world.live().len(), 2);
}

#[tokio::test]
async fn a_batch_that_meets_clients_every_time_is_kept_and_moved_later() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    let all = world.live();
    let between = busy(&mut world, Moment::AfterDelete, |_| {});
    between.conflicts.store(3, Ordering::Relaxed);
    world.pass(FaultPlan::none()).await;
    let run = world.runs().await[0].clone();
    assert!(run.documents_kept >= 1 && run.documents_deleted >= 1, "{run:?}");
    world.assert_moved(&all, "after a batch was kept").await;
    world.settle().await;
    world.assert_moved(&all, "later").await;
    assert_eq!(world.live().len(), 2);
}

#[tokio::test]
async fn two_conflicts_are_no_reason_to_keep_anything() {
    for level in [GuardLevel::L3, GuardLevel::L2] {
        let mut world = World::with_flights_at(level).await;
        let between = busy(&mut world, Moment::AfterDelete, |_| {});
        between.conflicts.store(2, Ordering::Relaxed);
        world.pass(FaultPlan::none()).await;
        assert_eq!((world.live().len(), world.archived().await.len()), (2, 10), "{level}");
    }
}

/// The cluster was restored from a backup that is older than its archive.
#[tokio::test]
async fn a_cluster_that_was_set_back_is_left_alone() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    world.settle().await;
    world.cluster.forget_fences();
    world.cluster.insert(&flights(), [flight(40, 90, "cold")]).expect("inserted");
    let live = world.live();
    world.settle().await;
    let stored = world.stored().await.expect("an archive");
    let suspended = ArchiveState::Suspended(SuspendReason::SourceOlder);
    assert_eq!(stored.archive.state, suspended);
    assert_eq!((world.live(), world.archived().await.len()), (live, 10));
}

/// Moves from before the cluster could fence are no reason for an alarm.
#[tokio::test]
async fn a_cluster_that_learns_transactions_is_fenced_from_then_on() {
    let mut world = World::with_flights_at(GuardLevel::L1).await;
    world.settle().await;
    let documents = world.cluster.documents(&flights());
    assert_eq!(documents.len(), 2);
    world.cluster.set_level(GuardLevel::L3);
    world.cluster.insert(&flights(), [flight(40, 90, "cold")]).expect("inserted");
    world.settle().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 11));
    let levels: Vec<_> = world.runs().await.iter().map(|run| run.level).collect();
    assert_eq!(levels.last(), Some(&GuardLevel::L3));
}

#[tokio::test]
async fn an_update_behind_a_lost_answer_stays_beside_nothing() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    busy(&mut world, Moment::AfterDelete, |cluster| update_all(cluster, 1));
    let faults = FaultPlan::none().with(effects::DELETE, 1, Fate::ReplyLost);
    world.pass(faults).await;
    world.settle().await;
    let (live, archived) = (world.live(), world.archived().await);
    assert_eq!(live.len() + archived.len(), 12);
    assert!(live.keys().all(|identity| !archived.contains_key(identity)));
}

/// While a move is open readers compare the fences of table and source; upkeep, which raises that of the table
/// alone, lets it be finished first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upkeep_waits_for_an_open_move() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    world.options.exclusive = true;
    world.settle().await;
    let expiry = Some(ExpiryRule { expire_after_days: 50, set_at: world.runtime.now_ms() });
    world.set_rules(ArchiveRules { version: 2, expiry, hold: None }).await;
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    for _ in 0..6 {
        world.clock.advance_ms(8 * 3_600_000);
        let stuck = (1..40).fold(FaultPlan::none(), |plan, passage| {
            plan.with(effects::SOURCE_CLOSE, passage, Fate::FailsBefore)
        });
        world.pass(stuck).await;
        let version = world.table().await.load().await.expect("a version");
        assert_eq!(version.committed, version.confirmed + 1, "the move is open");
        let uuid = world.table().await.spec().collection_uuid().expect("a UUID");
        let fence = world.cluster.fence(uuid).await.expect("read").expect("a fence");
        assert_eq!(fence.epoch, version.fence);
        assert!(world.operations().await.is_empty(), "nothing expires meanwhile");
    }
    world.days_pass(1.0).await;
    let kinds: Vec<_> = world.operations().await.into_iter().map(|it| it.kind).collect();
    assert_eq!(kinds.first(), Some(&OperationKind::Expiry), "{kinds:?}");
}
