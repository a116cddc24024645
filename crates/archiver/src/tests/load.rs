//! Load control in whole runs: what a run waits for, how that is shown, and what batches become.

use bson::{RawBson, rawdoc};
use portolan_model::{ArchiveEvent, ArchiveState};
use portolan_runtime::{Fate, FaultPlan, Runtime};
use tokio_util::sync::CancellationToken;

use super::world::{World, flight, flights};
use crate::effects;

impl World {
    /// One look at everything, while `other` goes on beside it.
    async fn pass_beside(&self, other: impl Future<Output = ()>) {
        self.pass_with(FaultPlan::none(), other).await;
    }

    async fn pass_with(&self, faults: FaultPlan, other: impl Future<Output = ()>) {
        let (worker, store) = self.worker(faults).await;
        let shutdown = CancellationToken::new();
        let pass = self.run_clock(worker.pass(&shutdown));
        let (passed, ()) = tokio::join!(pass, other);
        passed.expect("a pass");
        store.close().await;
    }

    /// Returns when the run under way says that it waits; what for.
    async fn waits(&self) -> String {
        let real = Runtime::system();
        for _ in 0..2_000 {
            let runs = self.runs().await;
            if let Some(why) = runs.last().and_then(|run| run.waiting_for.clone()) {
                return why;
            }
            real.sleep_ms(5).await;
        }
        panic!("no run waits");
    }
}

#[tokio::test]
async fn a_run_waits_while_the_secondaries_are_behind_and_says_so() {
    let world = World::with_flights().await;
    let all = world.live();
    world.cluster.set_lag_ms(Some(42_000));
    world
        .pass_beside(async {
            assert_eq!(world.waits().await, "lag 42 s");
            assert_eq!(world.live().len(), 12, "nothing is read or deleted meanwhile");
            world.cluster.set_lag_ms(Some(200));
        })
        .await;
    world.assert_moved(&all, "after the lag").await;
    let run = &world.runs().await[0];
    assert_eq!((run.phase.as_str(), &run.waiting_for), ("DONE", &None));
    assert!(run.waited_ms > 0, "{run:?}");
}

#[tokio::test]
async fn a_run_that_waits_ends_when_its_archive_is_paused() {
    let world = World::with_flights().await;
    world.cluster.set_lag_ms(Some(42_000));
    world
        .pass_beside(async {
            world.waits().await;
            world.happen(ArchiveEvent::PauseRequested).await;
        })
        .await;
    assert_eq!(world.state().await, ArchiveState::Paused);
    assert_eq!(world.live().len(), 12);
}

#[tokio::test]
async fn a_run_does_not_wait_for_ever_and_the_next_one_goes_on() {
    let mut world = World::with_flights().await;
    // Ten minutes go by in seconds: the lease must last that long without this test's database.
    world.options.lease_ttl_ms = 900_000;
    let all = world.live();
    world.cluster.set_lag_ms(Some(42_000));
    let (worker, store) = world.worker(FaultPlan::none()).await;
    let shutdown = CancellationToken::new();
    let hurry = async {
        world.waits().await;
        minutes_pass(&world).await;
    };
    let (passed, ()) = tokio::join!(world.run_clock(worker.pass(&shutdown)), hurry);
    passed.expect("a pass");
    store.close().await;
    let run = &world.runs().await[0];
    let error = run.error.clone().expect("an error");
    assert!(error.contains("no room for more: lag 42 s"), "{error}");
    world.cluster.set_lag_ms(None);
    world.settle().await;
    world.assert_moved(&all, "later").await;
    assert_eq!(world.live().len(), 2);
}

/// Twelve minutes in a few seconds.
async fn minutes_pass(world: &World) {
    for _ in 0..700 {
        world.clock.advance_ms(1_000);
        Runtime::system().sleep_ms(2).await;
    }
}

/// A look reads as a run does: not while the secondaries are behind, and it is told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_waits_while_the_secondaries_are_behind() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.cluster.set_lag_ms(Some(42_000));
    world.clock.advance_ms(5 * 3_600_000);
    let (worker, store) = world.worker(FaultPlan::none()).await;
    let shutdown = CancellationToken::new();
    let (passed, ()) = tokio::join!(world.run_clock(worker.pass(&shutdown)), minutes_pass(&world));
    passed.expect("a pass");
    store.close().await;
    let job = world.job().await;
    assert_eq!((job.waiting_for.as_deref(), job.failures), (Some("lag 42 s"), 0));
    assert_eq!(world.live().len(), 3);
    world.cluster.set_lag_ms(None);
    world.settle().await;
    assert_eq!((world.live().len(), world.job().await.waiting_for), (2, None));
}

/// With empty hands, too, nothing is read while the secondaries are behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_found_nothing_yet_waits_as_well() {
    let mut world = World::with_flights().await;
    world.options.batch_documents_max = 1;
    // Found by the server, and not to be archived at this level.
    let at = bson::DateTime::from_millis(0);
    let odd = (0..6).map(|id| rawdoc! { "_id": -6 + id, "at": at, "u": RawBson::Undefined });
    world.cluster.insert(&flights(), odd).expect("inserted");
    let all = world.live();
    let plan = FaultPlan::none().with(effects::READ, 1, Fate::Delayed { ms: 20_000 });
    world
        .pass_with(plan, async {
            while world.runs().await.is_empty() {
                Runtime::system().sleep_ms(5).await;
            }
            // The run waits to read by now.
            Runtime::system().sleep_ms(100).await;
            world.cluster.set_lag_ms(Some(42_000));
            assert_eq!(world.waits().await, "lag 42 s");
            assert_eq!(world.live().len(), 18);
            world.cluster.set_lag_ms(None);
        })
        .await;
    world.assert_moved(&all, "after the lag").await;
    assert_eq!(world.live().len(), 8);
}

#[tokio::test]
async fn a_run_keeps_to_its_bytes_a_second() {
    let mut world = World::with_flights().await;
    world.options.load.usual.bytes_per_s = 100;
    let all = world.live();
    let bytes: usize = all.values().take(10).map(Vec::len).sum();
    let before_ms = world.runtime.now_ms();
    world.pass(FaultPlan::none()).await;
    world.assert_moved(&all, "slowly").await;
    // Read once and deleted once; the last batch is booked, and nobody waits for it.
    let least_ms = i64::try_from(bytes).expect("few") * 10 * 3 / 2;
    let took_ms = world.runtime.now_ms() - before_ms;
    assert!(took_ms >= least_ms, "{took_ms} ms for twice {bytes} bytes at 100 a second");
    assert!(world.runs().await[0].waited_ms >= least_ms / 2);
}

#[tokio::test]
async fn batches_are_halved_after_a_slow_delete() {
    let mut world = World::with_flights().await;
    world.options.move_documents_max = 4;
    let all = world.live();
    world.pass(FaultPlan::none().with(effects::DELETE, 1, Fate::Delayed { ms: 7_000 })).await;
    world.assert_moved(&all, "after a slow delete").await;
    let table = world.table().await;
    let version = table.load().await.expect("a version");
    let mut sizes = Vec::new();
    for seq in 1..=2 {
        for batch in 0..2 {
            sizes.push(table.batch(&version, seq, batch).await.expect("rows").len());
        }
    }
    assert_eq!(sizes, [4, 0, 2, 2], "four in a batch, then two");
}
