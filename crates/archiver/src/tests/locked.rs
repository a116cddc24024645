//! A storage that refuses to remove objects, as policies of retention and immutability have it: what was to
//! go is not said to be gone, somebody is told, and it goes when the lock is lifted.

use portolan_lake::Location;
use portolan_model::{ArchiveEvent, ArchiveRules, ExpiryRule, GuardLevel};
use portolan_store::operations::{OperationKind, OperationState};

use super::world::{World, flight, flights};

/// Ten documents of 20, 27, … 83 days are archived in a storage that is locked from then on.
async fn locked() -> (World, Location) {
    let place = Location::memory();
    let mut world = World::in_place(GuardLevel::L1, Some(place.clone())).await;
    let cold = (0..10).map(|id| flight(id, 20 + i64::from(id) * 7, "v1"));
    world.cluster.insert(&flights(), cold).expect("inserted");
    world.settle().await;
    assert_eq!(world.archived().await.len(), 10);
    place.lock(true);
    (world, place)
}

impl World {
    async fn data_files(&self, place: &Location) -> usize {
        let paths = place.paths(&self.runtime).await.expect("listed");
        let id = self.archive.to_string();
        let own = paths.iter().filter(|path| path.starts_with(&id));
        own.filter(|path| path.ends_with(".parquet") && !path.contains("_delta_log")).count()
    }

    async fn is_done(&self, kind: OperationKind) -> bool {
        let operations = self.operations().await;
        operations.iter().any(|one| one.kind == kind && one.state == OperationState::Done)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_expires_under_a_lock_and_somebody_is_told() {
    let (mut world, place) = locked().await;
    let set_at = world.runtime.now_ms();
    let expiry = Some(ExpiryRule { expire_after_days: 50, set_at });
    world.set_rules(ArchiveRules { version: 2, expiry, hold: None }).await;
    let files = world.data_files(&place).await;
    world.days_pass(3.0).await;
    // Not even the storage's clock can be asked: the object that tells it could not be removed.
    assert_eq!((world.archived().await.len(), world.data_files(&place).await), (10, files));
    assert!(!world.is_done(OperationKind::Expiry).await);
    assert!(world.upkeep().await.expect("looked after").last_error.is_some(), "it says why");
    assert!(world.upkeep().await.expect("looked after").failures >= 3, "enough to be told");
    place.lock(false);
    world.days_pass(2.0).await;
    assert!(world.is_done(OperationKind::Expiry).await);
    assert!(world.archived().await.len() < 6);
    assert_eq!(world.upkeep().await.expect("looked after").failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redaction_under_a_lock_is_not_done() {
    let (mut world, place) = locked().await;
    world.queue(OperationKind::Redact, r#"{"id": "3", "reason": "request 12"}"#).await;
    world.days_pass(0.5).await;
    assert!(!world.is_done(OperationKind::Redact).await, "its bytes are still there");
    place.lock(false);
    world.queue(OperationKind::Redact, r#"{"id": "3", "reason": "again"}"#).await;
    world.days_pass(0.5).await;
    assert!(world.is_done(OperationKind::Redact).await);
    assert_eq!(world.archived().await.len(), 9);
    assert_eq!(world.data_files(&place).await, world.table_files().await, "not even old files");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_under_a_lock_is_tried_until_it_is_done() {
    let (mut world, place) = locked().await;
    world.happen(ArchiveEvent::Deleted).await;
    world.days_pass(7.0).await;
    assert!(world.stored().await.is_some(), "it is not forgotten");
    let job = world.job().await;
    assert!(job.purged_at.is_none() && job.failures > 0, "{job:?}");
    assert!(job.last_error.is_some(), "it says why");
    assert!(world.data_files(&place).await > 0);
    place.lock(false);
    world.days_pass(2.5).await;
    assert!(world.stored().await.is_none(), "forgotten after the second sweep");
    assert_eq!(world.data_files(&place).await, 0);
}
