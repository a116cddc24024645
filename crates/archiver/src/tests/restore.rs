//! Restore: what returns, what is left alone, that it is not archived again at once, and that a fault
//! at any of its effects loses and alters nothing.

use portolan_model::{ArchiveEvent, GuardLevel, Namespace};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::operations::{Operation, OperationKind, OperationState};
use serde_json::Value;

use super::world::{World, flight, flights};
use crate::effects;

async fn restore(world: &mut World, request: &str) -> (Operation, Value) {
    world.queue(OperationKind::Restore, request).await;
    world.pass(FaultPlan::none()).await;
    last(world).await
}

async fn last(world: &World) -> (Operation, Value) {
    let operations = world.operations().await;
    let mut restores = operations.into_iter().filter(|it| it.kind == OperationKind::Restore);
    let operation = restores.next_back().expect("an operation");
    let figures = serde_json::from_str(&operation.progress).expect("figures");
    (operation, figures)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_return_by_filter_and_are_not_archived_again_for_a_day() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let archived = world.archived().await;
    let request = r#"{"filter": "{\"carrier\": \"AA\"}"}"#;
    let preview = r#"{"filter": "{\"carrier\": \"AA\"}", "preview": true}"#;
    let (_, figures) = restore(&mut world, preview).await;
    assert_eq!((figures["documents"].as_u64(), world.live().len()), (Some(5), 2));
    let (operation, figures) = restore(&mut world, request).await;
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
    assert_eq!(figures["inserted"].as_u64(), Some(5), "{figures}");
    let live = world.live();
    assert_eq!(live.len(), 7);
    assert!(live.iter().all(|(id, bytes)| archived.get(id).is_none_or(|it| it == bytes)));
    assert_eq!(world.archived().await, archived, "their rows stay");
    world.days_pass(0.8).await;
    assert_eq!(world.live().len(), 7, "they are held back");
    world.days_pass(0.6).await;
    assert_eq!(world.live().len(), 2, "the day is over");
    assert_eq!(world.archived().await, archived, "once each, newer rows in place of the older");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_cluster_holds_is_never_touched() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::PauseRequested).await;
    let archived = world.archived().await;
    let equal = archived.values().next().expect("a document").clone();
    let equal = bson::RawDocumentBuf::from_bytes(equal).expect("a document");
    world.cluster.insert(&flights(), [equal, flight(5, 30, "of a client")]).expect("inserted");
    let before = world.live();
    let (operation, figures) = restore(&mut world, "{}").await;
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
    let counts = ["inserted", "alreadyThere", "conflicts"].map(|name| figures[name].as_u64());
    assert_eq!(counts, [Some(8), Some(1), Some(1)], "{figures}");
    assert_eq!(figures["notRestored"][0]["_id"], 5);
    let live = world.live();
    assert!(before.iter().all(|(id, bytes)| live.get(id) == Some(bytes)));
    let (operation, _) = restore(&mut world, r#"{"onConflict": "STOP"}"#).await;
    assert_eq!(operation.state, OperationState::Failed);
    assert_eq!(world.live(), live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_may_go_to_a_collection_of_their_own() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let (operation, _) = restore(&mut world, r#"{"collName": "returned"}"#).await;
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
    let target = Namespace { database: "air".into(), collection: "returned".into() };
    let returned = super::world::by_identity(world.cluster.documents(&target));
    assert_eq!(returned, world.archived().await);
    assert_eq!(world.live().len(), 2);
}

/// Each effect with each fate, and a worker that is cut off in the middle: in the end everything is
/// back, byte for byte, and in the archive as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_anywhere_in_a_restore_harms_nothing() {
    let points = [
        effects::OPERATION_CLAIM,
        effects::LEASE_TAKE,
        effects::FENCE,
        effects::RESTORE_HOLD,
        effects::RESTORE,
        effects::OPERATION_PROGRESS,
        effects::OPERATION_DONE,
        effects::LEASE_RELEASE,
    ];
    for point in points {
        for passage in 1..3 {
            for fate in [Fate::FailsBefore, Fate::ReplyLost] {
                let context = format!("{point} {fate:?}, passage {passage}");
                let mut world = World::with_flights().await;
                world.options.exclusive = true;
                let all = world.live();
                world.settle().await;
                let archived = world.archived().await;
                world.queue(OperationKind::Restore, "{}").await;
                world.pass(FaultPlan::none().with(point, passage, fate)).await;
                world.clock.advance_ms(60_000);
                for _ in 0..3 {
                    world.pass(FaultPlan::none()).await;
                    world.clock.advance_ms(1_000);
                }
                if last(&world).await.0.state == OperationState::Failed {
                    // It says so, and is asked for again.
                    restore(&mut world, "{}").await;
                }
                let (operation, figures) = last(&world).await;
                assert_eq!(operation.state, OperationState::Done, "{context}: {operation:?}");
                assert!(world.live() == all, "{context}: {figures}");
                assert!(world.archived().await == archived, "{context}");
            }
        }
    }
}

/// A move that is open is finished before anything returns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_waits_for_an_open_move() {
    let mut world = World::with_flights().await;
    world.options.exclusive = true;
    let all = world.live();
    let plan =
        (1..40).fold(FaultPlan::none(), |plan, n| plan.with(effects::CLOSE, n, Fate::FailsBefore));
    world.pass(plan).await;
    world.queue(OperationKind::Restore, "{}").await;
    for _ in 0..4 {
        world.clock.advance_ms(60_000);
        world.pass(FaultPlan::none()).await;
    }
    let (operation, figures) = last(&world).await;
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
    assert_eq!(figures["inserted"].as_u64(), Some(10));
    assert!(world.live() == all);
    assert_eq!(world.archived().await.len(), 10);
}

/// At level L3 a batch has a number, and one that took effect is not sent again. So the worker that finds a
/// number taken must know which documents that were, although its own batches are larger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_grow_after_a_break_leave_no_document_out() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    world.options.exclusive = true;
    let all = world.live();
    world.settle().await;
    world.options.batch_documents_max = 2;
    world.queue(OperationKind::Restore, "{}").await;
    let faults = (1..20).fold(FaultPlan::none(), |plan, passage| {
        let fate = if passage == 1 { Fate::ReplyLost } else { Fate::FailsBefore };
        let plan = plan.with(effects::RESTORE, passage, fate);
        // Only where the first batch ends is written down.
        if passage == 1 { plan } else { plan.with(effects::OPERATION_PROGRESS, passage, fate) }
            .with(effects::OPERATION_DONE, passage, Fate::FailsBefore)
    });
    world.pass(faults).await;
    assert_eq!(world.live().len(), 4, "one batch of two came back");
    world.options.batch_documents_max = 100;
    world.clock.advance_ms(120_000);
    world.pass(FaultPlan::none()).await;
    let (operation, figures) = last(&world).await;
    assert_eq!(operation.state, OperationState::Done, "{:?} {figures}", operation.error);
    assert!(world.live() == all, "{} of {}: {figures}", world.live().len(), all.len());
}

/// At level L3 a batch takes effect once, although its answer was lost and the worker died: what a client
/// deleted since then stays deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_whose_answer_was_lost_brings_nothing_back_twice() {
    for level in [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1, GuardLevel::L0] {
        let mut world = World::with_flights_at(level).await;
        world.options.exclusive = true;
        world.settle().await;
        world.queue(OperationKind::Restore, "{}").await;
        // The worker sees no answer to its inserts and to whatever it tries afterwards.
        // Under a fence it has written down before where its batch ends.
        let written = u64::from(level == GuardLevel::L3);
        let faults = (1..20).fold(FaultPlan::none(), |plan, passage| {
            let fate = if passage == 1 { Fate::ReplyLost } else { Fate::FailsBefore };
            plan.with(effects::RESTORE, passage, fate)
                .with(effects::OPERATION_PROGRESS, passage + written, Fate::FailsBefore)
                .with(effects::OPERATION_DONE, passage, Fate::FailsBefore)
        });
        world.pass(faults).await;
        let returned = world.live().len();
        assert!(returned > 2, "{level}: {returned}");
        let first = world.cluster.documents(&flights()).remove(0);
        let id = first.get("_id").expect("sound").expect("there");
        assert!(world.cluster.remove(&flights(), id));
        world.clock.advance_ms(120_000);
        world.pass(FaultPlan::none()).await;
        let (operation, figures) = last(&world).await;
        assert_eq!(operation.state, OperationState::Done, "{:?} {figures}", operation.error);
        let back = world.live().len() == 12;
        assert_eq!(back, level < GuardLevel::L3, "{level}: {}", world.live().len());
    }
}

/// Below level L3 no fence stops a late delete: one whose answer was lost has its time before anything returns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_waits_until_deletes_that_were_not_answered_can_do_nothing_more() {
    let mut world = World::with_flights().await;
    world.options.exclusive = true;
    let all = world.live();
    world.pass(FaultPlan::none().with(effects::DELETE, 1, Fate::ReplyLost)).await;
    assert_eq!(world.live().len(), 2);
    // Clocks may differ by five minutes; then the lease and its margin are over after 35 s.
    world.clock.advance_ms(300_000);
    let asked_ms = world.runtime.now_ms();
    let (operation, _) = restore(&mut world, "{}").await;
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
    assert!(world.runtime.now_ms() - asked_ms > 30_000, "{asked_ms}");
    assert!(world.live() == all);
}
