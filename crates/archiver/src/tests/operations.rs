//! What operators ask for: estimates, verification, runs out of turn.

use portolan_model::{ArchiveEvent, ArchiveState};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::operations::{Operation, OperationKind, OperationState};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::world::{World, flight, flights};
use crate::effects;

pub(super) async fn done(
    world: &mut World,
    kind: OperationKind,
    request: &str,
) -> (Operation, Value) {
    world.queue(kind, request).await;
    world.pass(FaultPlan::none()).await;
    let operation = world.operations().await.pop().expect("an operation");
    let figures = serde_json::from_str(&operation.progress).expect("figures");
    (operation, figures)
}

#[tokio::test]
async fn an_estimate_counts_what_a_run_moves_and_moves_nothing() {
    let mut world = World::with_flights().await;
    let mut twice = flight(70, 30, "twice");
    twice.append(bson::raw::cstr!("t"), "again");
    world.cluster.insert(&flights(), [twice]).expect("inserted");
    world.options.move_documents_max = 4;
    world.happen(ArchiveEvent::RunStarted).await;
    world.happen(ArchiveEvent::RunEnded).await;
    world.happen(ArchiveEvent::PauseRequested).await;
    let (operation, figures) = done(&mut world, OperationKind::Estimate, "{}").await;
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
    assert_eq!((figures["documents"].as_u64(), figures["moves"].as_u64()), (Some(10), Some(3)));
    assert_eq!(figures["skipped"][0]["documents"], 1);
    assert_eq!(figures["indexCheck"]["result"], "INSUFFICIENT");
    // 83 and 20 days before the world began.
    assert_eq!(figures["oldest"], "2023-08-23T22:13:20Z");
    assert_eq!(figures["newest"], "2023-10-25T22:13:20Z");
    assert!(figures["cutoff"].as_str() > figures["newest"].as_str(), "{figures}");
    assert_eq!(figures["heldBack"], 0);
    assert!(figures.get("monthlySaving").is_none(), "without prices there are no costs");
    assert_eq!((world.live().len(), world.archived().await.len()), (13, 0));
    world.cluster.create_index(&flights(), &["at"]);
    let (_, figures) = done(&mut world, OperationKind::Estimate, "{}").await;
    assert_eq!(figures["indexCheck"]["result"], "SUFFICIENT");
    // The promise is kept.
    let files = figures["files"].as_i64();
    world.happen(ArchiveEvent::Resumed).await;
    world.settle().await;
    let run = world.runs().await.remove(0);
    assert_eq!((run.documents_moved, run.documents_skipped), (10, 1));
    assert_eq!((Some(run.moves), Some(run.files)), (Some(3), files));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_reads_everything_and_finds_what_is_wrong() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let (operation, figures) = done(&mut world, OperationKind::Verify, "{}").await;
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
    assert_eq!((figures["sound"].as_bool(), figures["documents"].as_u64()), (Some(true), Some(10)));
    assert_eq!(figures["files"].as_u64(), Some(world.table_files().await as u64));

    let file = world.table().await.load().await.expect("a version").files[0].path.clone();
    let folder = world.table_folder();
    std::fs::remove_file(folder.join(&file)).expect("removed");
    let (_, figures) = done(&mut world, OperationKind::Verify, "{}").await;
    assert_eq!(
        (figures["sound"].as_bool(), figures["missingFiles"].as_u64()),
        (Some(false), Some(1))
    );
    assert_eq!(figures["problems"][0]["file"], file);
}

/// A worker that is cut off anywhere is followed by one that goes on, and each file counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_goes_on_where_it_was_cut_off() {
    for point in [effects::OPERATION_CLAIM, effects::OPERATION_PROGRESS, effects::OPERATION_DONE] {
        for fate in [Fate::FailsBefore, Fate::ReplyLost] {
            let context = format!("{point} {fate:?}");
            let mut world = World::with_flights().await;
            world.options.exclusive = true;
            world.settle().await;
            world.queue(OperationKind::Verify, "{}").await;
            let plan = (1..9).fold(FaultPlan::none(), |plan, n| plan.with(point, n, fate));
            world.pass(plan).await;
            for _ in 0..3 {
                world.clock.advance_ms(1_000);
                world.pass(FaultPlan::none()).await;
            }
            let operation = world.operations().await.pop().expect("an operation");
            if operation.state == OperationState::Failed {
                // Its own writes failed: it says so, and is asked for again.
                assert!(operation.error.is_some(), "{context}");
                continue;
            }
            assert_eq!(operation.state, OperationState::Done, "{context}");
            let figures: Value = serde_json::from_str(&operation.progress).expect("figures");
            assert_eq!(figures["documents"].as_u64(), Some(10), "{context}: {figures}");
            assert_eq!(figures["sound"].as_bool(), Some(true), "{context}");
        }
    }
}

/// A process that goes down puts its operation back: another one need not wait until it counts as lost.
#[tokio::test]
async fn an_operation_is_handed_back_at_shutdown() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.queue(OperationKind::Verify, "{}").await;
    let (worker, store) = world.worker(FaultPlan::none()).await;
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    world.run_clock(worker.pass(&shutdown)).await.expect("a pass");
    store.close().await;
    let operation = world.operations().await.pop().expect("an operation");
    assert_eq!(operation.state, OperationState::Queued);
    world.pass(FaultPlan::none()).await;
    let operation = world.operations().await.pop().expect("an operation");
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
}

/// An operation whose collection is busy holds up no other.
#[tokio::test]
async fn an_operation_that_cannot_begin_lets_others_pass() {
    let mut world = World::with_flights().await;
    let unconfirmed = |plan: FaultPlan, n| plan.with(effects::CONFIRM, n, Fate::FailsBefore);
    world.pass((1..9).fold(FaultPlan::none(), unconfirmed)).await;
    world.happen(ArchiveEvent::PauseRequested).await;
    // A move is open, and this worker is too early to take over its lease.
    world.queue(OperationKind::Restore, "{}").await;
    world.clock.advance_ms(1);
    world.queue(OperationKind::Estimate, "{}").await;
    let (worker, store) = world.worker(FaultPlan::none()).await;
    let shutdown = CancellationToken::new();
    for _ in 0..2 {
        world.run_clock(worker.operate_next(&shutdown)).await.expect("an operation");
        world.clock.advance_ms(1);
    }
    store.close().await;
    let states: Vec<_> = world.operations().await.into_iter().map(|it| it.state).collect();
    assert_eq!(states, [OperationState::Queued, OperationState::Done]);
}

#[tokio::test]
async fn a_run_that_was_asked_for_ignores_the_size_and_happens_once() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.clock.advance_ms(8 * 86_400_000);
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.live().len(), 3, "too little is cold for a run of its own");
    world.request_run().await;
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.live().len(), 2, "asked for, it runs however little there is");
    assert_eq!(world.state().await, ArchiveState::Idle);
    let runs = world.runs().await.len();
    world.settle().await;
    assert_eq!(world.runs().await.len(), runs, "asked for once, run once");
}
