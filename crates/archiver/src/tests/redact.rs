//! Redaction through the queue: what goes, what forbids it, and that a fault at any of its effects
//! neither keeps the document nor loses another one.

use portolan_model::ArchiveRules;
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::operations::{Operation, OperationKind, OperationState};

use super::world::{World, flight, flights};
use crate::effects;

async fn redact(world: &mut World, request: &str, faults: FaultPlan) -> Operation {
    world.queue(OperationKind::Redact, request).await;
    world.pass(faults).await;
    last(world).await
}

async fn last(world: &World) -> Operation {
    let operations = world.operations().await;
    let mut redactions = operations.into_iter().filter(|it| it.kind == OperationKind::Redact);
    redactions.next_back().expect("an operation")
}

const THREE: &str = r#"{"id": "3", "reason": "request 12"}"#;

async fn archived() -> World {
    let mut world = World::with_flights().await;
    world.settle().await;
    assert_eq!(world.archived().await.len(), 10);
    world
}

fn three() -> Vec<u8> {
    portolan_lake::identity(&flight(3, 0, ""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_leaves_for_good_and_the_record_keeps_a_hash() {
    let mut world = archived().await;
    let before = world.archived().await;
    let operation = redact(&mut world, THREE, FaultPlan::none()).await;
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
    assert!(operation.progress.contains("\"rows\":1"), "{}", operation.progress);
    assert!(operation.request.contains("idHash") && operation.request.contains("request 12"));
    assert!(!operation.request.contains("\"id\""), "{}", operation.request);
    let after = world.archived().await;
    assert!(!after.contains_key(&three()));
    assert!(before.iter().all(|(id, bytes)| *id == three() || after.get(id) == Some(bytes)));
    // Not even what was written before holds it any more.
    assert_eq!(world.objects().await, world.table_files().await);
    let again = redact(&mut world, r#"{"id": "3", "reason": "again"}"#, FaultPlan::none()).await;
    assert_eq!(again.state, OperationState::Done);
    assert!(!again.progress.contains("rows"), "{}", again.progress);
    world.days_pass(3.0).await;
    assert_eq!(world.archived().await, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_document_and_a_hold_forbid_it() {
    let mut world = archived().await;
    world.cluster.insert(&flights(), [flight(3, 1, "warm again")]).expect("inserted");
    let refused = redact(&mut world, THREE, FaultPlan::none()).await;
    assert_eq!(refused.state, OperationState::Failed);
    assert!(refused.error.is_some_and(|error| error.contains("evenIfLive")));
    let known = r#"{"id": "3", "reason": "request 12", "evenIfLive": true}"#;
    world.cluster.set_down(true);
    let done = redact(&mut world, known, FaultPlan::none()).await;
    assert_eq!(done.state, OperationState::Done, "the cluster is not asked: {:?}", done.error);
    world.cluster.set_down(false);
    assert_eq!(world.archived().await.len(), 9);
    let hold =
        portolan_model::Hold { reason: "case 7".into(), placed_by: "a test".into(), placed_at: 1 };
    let rules = ArchiveRules { version: 2, expiry: None, hold: Some(hold) };
    world.set_rules(rules).await;
    let held = redact(&mut world, r#"{"id": "5", "reason": "x"}"#, FaultPlan::none()).await;
    assert_eq!(held.state, OperationState::Failed);
    assert!(held.error.is_some_and(|error| error.contains("case 7")));
    assert_eq!(world.archived().await.len(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_anywhere_in_it_is_made_good() {
    for point in [
        effects::OPERATION_CLAIM,
        effects::LEASE_TAKE,
        effects::FENCE,
        effects::REDACTION_REWRITE,
        effects::OPERATION_PROGRESS,
        effects::REDACT,
        effects::FORGET_HISTORY,
        effects::LEASE_RELEASE,
        effects::OPERATION_DONE,
    ] {
        for fate in [Fate::FailsBefore, Fate::ReplyLost] {
            let context = format!("{point} {fate:?}");
            let mut world = archived().await;
            world.options.exclusive = true;
            let before = world.archived().await;
            redact(&mut world, THREE, FaultPlan::none().with(point, 1, fate)).await;
            // A failed one is asked for again; one that was cut off is gone on with.
            world.clock.advance_ms(11 * 60_000);
            redact(&mut world, THREE, FaultPlan::none()).await;
            world.pass(FaultPlan::none()).await;
            assert_eq!(last(&world).await.state, OperationState::Done, "{context}");
            let after = world.archived().await;
            assert_eq!(after.len(), 9, "{context}");
            assert!(!after.contains_key(&three()), "{context}");
            assert!(after.iter().all(|(id, bytes)| before.get(id) == Some(bytes)), "{context}");
            assert_eq!(world.objects().await, world.table_files().await, "{context}");
        }
    }
}
