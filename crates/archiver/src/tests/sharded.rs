//! Sharded collections: documents that share an `_id` on different shards are different documents, from
//! the read to the restore. Faults at every effect are in `faults`.

use bson::RawDocumentBuf;
use portolan_cluster::ClusterError;
use portolan_model::{ArchiveState, GuardLevel, ShardKey};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::operations::{Operation, OperationKind, OperationState};

use super::races::{Moment, busy};
use super::world::{Documents, World, flight, flights};
use crate::effects;

async fn archived(level: GuardLevel) -> (World, Documents) {
    let mut world = World::with_shards(level).await;
    let all = world.live();
    assert_eq!(all.len(), 12, "each its own identity");
    world.settle().await;
    world.assert_moved(&all, &format!("{level}")).await;
    assert_eq!(world.live().len(), 2, "one shares its _id with two that were archived");
    (world, all)
}

async fn work(world: &mut World, kind: OperationKind, request: &str) -> Operation {
    world.queue(kind, request).await;
    world.pass(FaultPlan::none()).await;
    let operations = world.operations().await;
    operations.into_iter().rfind(|operation| operation.kind == kind).expect("an operation")
}

fn bytes(documents: impl IntoIterator<Item = RawDocumentBuf>) -> Vec<Vec<u8>> {
    documents.into_iter().map(RawDocumentBuf::into_bytes).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_archived_and_deleted_at_every_level() {
    for level in [GuardLevel::L2, GuardLevel::L1] {
        archived(level).await;
    }
    let (world, _) = archived(GuardLevel::L3).await;
    let spec = world.table().await.spec().clone();
    assert_eq!(spec.shard_key, world.shard_key, "the table says what it knows documents by");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_one_stays_and_the_other_of_its_id_goes() {
    for level in [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1] {
        let mut world = World::with_shards(level).await;
        let changed = flight(3, 300, "b");
        let clients = changed.clone();
        busy(&mut world, Moment::BeforeDelete, move |cluster| {
            assert!(cluster.replace(&flights(), clients).expect("replaced"));
        });
        world.pass(FaultPlan::none()).await;
        let live = bytes(world.cluster.documents(&flights()));
        assert_eq!(
            (live.len(), live.contains(&changed.clone().into_bytes())),
            (3, true),
            "{level}"
        );
        assert_eq!(world.archived().await.len(), 9, "{level}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_and_restore_know_them_apart() {
    let (mut world, all) = archived(GuardLevel::L3).await;
    let verify = work(&mut world, OperationKind::Verify, r#"{"againstCluster": true}"#).await;
    assert!(verify.progress.contains("\"sound\":true"), "{}", verify.progress);
    // One of the two that share an `_id` is there again, with other bytes.
    let other = flight(2, 1, "a");
    world.cluster.insert(&flights(), [other.clone()]).expect("inserted");
    let restore = work(&mut world, OperationKind::Restore, r#"{"filter": "{\"_id\": 2}"}"#).await;
    assert_eq!(restore.state, OperationState::Done, "{:?}", restore.error);
    for figure in ["\"inserted\":1", "\"conflicts\":1"] {
        assert!(restore.progress.contains(figure), "{}", restore.progress);
    }
    let live = bytes(world.cluster.documents(&flights()));
    let second = all.values().find(|it| **it == flight(2, 20 + 5 * 7, "b").into_bytes());
    assert!(live.contains(&other.into_bytes()) && live.contains(second.expect("archived")));
    assert_eq!(world.archived().await.len(), 10, "their rows stay");
    world.days_pass(1.4).await;
    assert_eq!(world.live().len(), 3, "held back by identity for a day, then archived again");
    assert_eq!(world.archived().await.len(), 10, "a newer row in the place of each older one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_repeated_without_harm_whatever_fails() {
    for fate in [Fate::FailsBefore, Fate::ReplyLost] {
        for point in [effects::RESTORE_HOLD, effects::RESTORE, effects::OPERATION_PROGRESS] {
            let (mut world, all) = archived(GuardLevel::L3).await;
            world.options.exclusive = true;
            world.queue(OperationKind::Restore, "{}").await;
            world.pass(FaultPlan::none().with(point, 1, fate)).await;
            for _ in 0..4 {
                world.clock.advance_ms(60_000);
                world.pass(FaultPlan::none()).await;
            }
            let operations = world.operations().await;
            if operations.last().is_some_and(|it| it.state == OperationState::Failed) {
                // It says so, and is asked for again.
                let again = work(&mut world, OperationKind::Restore, "{}").await;
                assert_eq!(again.state, OperationState::Done, "{:?}", again.error);
            }
            assert!(world.live() == all, "{point} {fate:?}");
            assert_eq!(world.archived().await.len(), 10, "{point} {fate:?}: their rows stay");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redaction_says_which_one() {
    let (mut world, _) = archived(GuardLevel::L3).await;
    let unsaid = work(&mut world, OperationKind::Redact, r#"{"id": "3", "reason": "r"}"#).await;
    assert_eq!(unsaid.state, OperationState::Failed);
    assert!(unsaid.error.is_some_and(|error| error.contains("2 documents with this _id")));
    let request = r#"{"id": "3", "reason": "r", "shardKey": "{\"carrier\": \"AA\"}"}"#;
    let wrong = work(&mut world, OperationKind::Redact, request).await;
    assert!(wrong.error.is_some_and(|error| error.contains("t is missing")));
    assert_eq!(world.archived().await.len(), 10);
    let request = r#"{"id": "3", "reason": "r", "shardKey": "{\"t\": \"b\"}"}"#;
    let done = work(&mut world, OperationKind::Redact, request).await;
    assert_eq!(done.state, OperationState::Done, "{:?}", done.error);
    let left = world.archived().await;
    assert!(left.values().all(|it| *it != flight(3, 20 + 7 * 7, "b").into_bytes()));
    assert_eq!(left.len(), 9);
    let alone = work(&mut world, OperationKind::Redact, r#"{"id": "3", "reason": "r"}"#).await;
    assert_eq!(alone.state, OperationState::Done, "only one is left: {:?}", alone.error);
    assert_eq!(world.archived().await.len(), 8);
}

/// An operator shards a collection whose documents an archive knows by `_id` alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_is_sharded_later_ends_its_archive() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    world.settle().await;
    let before = world.archived().await;
    world.cluster.insert(&flights(), [flight(20, 40, "a")]).expect("inserted");
    world.cluster.shard(&flights(), ShardKey::ranged(&["t"])).expect("sharded");
    world.cluster.insert(&flights(), [flight(20, 40, "b")]).expect("another shard");
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Orphaned);
    assert_eq!(world.archived().await, before);
    assert_eq!(world.cluster.documents(&flights()).len(), 4, "nothing was deleted");
}

/// The same in the middle of a move: what was not deleted stays, and no document goes for another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_is_sharded_during_a_move_loses_nothing() {
    for level in [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1] {
        let mut world = World::with_flights_at(level).await;
        let other = flight(3, 300, "another shard's");
        let clients = other.clone();
        busy(&mut world, Moment::BeforeDelete, move |cluster| {
            cluster.shard(&flights(), ShardKey::ranged(&["t"])).expect("sharded");
            cluster.insert(&flights(), [clients]).expect("inserted");
        });
        world.pass(FaultPlan::none()).await;
        world.between = None;
        world.shard_key = Some(ShardKey::ranged(&["t"]));
        world.settle().await;
        assert_eq!(world.state().await, ArchiveState::Orphaned, "{level}");
        let mut held = bytes(world.cluster.documents(&flights()));
        held.extend(world.archived().await.into_values());
        assert!(held.contains(&other.into_bytes()), "{level}");
        for n in 0..12 {
            let days = if n < 10 { 20 + i64::from(n) * 7 } else { 1 };
            assert!(held.contains(&flight(n, days, "v1").into_bytes()), "{level}: {n} is lost");
        }
    }
}

/// A server never deletes by less than the whole key here, so a product that forgot it would stand still.
#[tokio::test]
async fn the_fake_refuses_what_a_router_would_send_everywhere() {
    use portolan_cluster::{Cluster, DeleteRequest};
    let world = World::with_shards(GuardLevel::L1).await;
    let documents = [flight(3, 20 + 6 * 7, "a")];
    let request = DeleteRequest {
        uuid: None,
        shard_key: None,
        documents: &documents,
        level: GuardLevel::L1,
        deadline_ms: i64::MAX,
    };
    let refused = world.cluster.delete_guarded(&flights(), &request).await;
    assert!(matches!(refused, Err(ClusterError::Server { code: 61, .. })), "{refused:?}");
}
