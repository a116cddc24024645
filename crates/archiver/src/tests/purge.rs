//! A deletion that is taken back while the purge is under way: before its first step everything stays, after it
//! nothing comes to life again.

use portolan_auth::Authorized;
use portolan_model::{ArchiveEvent, ArchiveState, OrgId, ProjectId};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::StoreError;
use portolan_store::archives;
use tokio_util::sync::CancellationToken;

use super::levels::attached_cluster;
use super::world::World;
use crate::effects;

const DAY_MS: u64 = 86_400_000;

impl World {
    /// A client takes a deletion back; whether it could.
    async fn undelete(&self) -> bool {
        let store = self.store(FaultPlan::none()).await;
        let id = self.archive;
        let witness =
            Authorized::system("a test").in_project(OrgId::new([3; 12]), ProjectId::new([1; 12]));
        let cluster = attached_cluster();
        let undeleted = store
            .run_tx::<_, StoreError, _>("test.undelete", |tx| {
                let (witness, cluster) = (&witness, &cluster);
                Box::pin(async move { archives::undelete(tx, witness, id, cluster).await })
            })
            .await;
        store.close().await;
        undeleted.expect("stored")
    }
}

/// A deletion is taken back while the purge is at its first step: the table stays whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undelete_that_comes_before_the_purge_s_first_step_keeps_the_table() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::Deleted).await;
    world.clock.advance_ms(6 * DAY_MS);
    let plan = FaultPlan::none().with(effects::FENCE, 1, Fate::Delayed { ms: 60_000 });
    world.options.exclusive = true;
    let (worker, store) = world.worker(plan).await;
    let shutdown = CancellationToken::new();
    let undelete = async {
        world.runtime.sleep_ms(20_000).await;
        assert!(world.undelete().await);
    };
    let (passed, ()) =
        world.run_clock(async { tokio::join!(worker.pass(&shutdown), undelete) }).await;
    passed.expect("a pass");
    store.close().await;
    world.days_pass(2.0).await;
    assert_eq!(world.state().await, ArchiveState::Paused);
    assert_eq!(world.archived().await.len(), 10);
}

/// The purge's first step was taken, and nothing more: what it began it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undelete_that_comes_after_the_purge_s_first_step_is_refused() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::Deleted).await;
    world.options.exclusive = true;
    world.clock.advance_ms(6 * DAY_MS);
    world.pass(FaultPlan::none().with(effects::PURGE, 1, Fate::FailsBefore)).await;
    assert!(world.stored().await.expect("it is there").purging_at.is_some());
    assert!(!world.undelete().await, "half a table must not come to life");
    world.days_pass(2.5).await;
    assert!(world.stored().await.is_none());
    assert_eq!(world.live().len(), 2);
}
