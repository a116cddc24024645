//! Redaction through the queue: what goes, what forbids it, and that a fault at any of its effects
//! neither keeps the document nor loses another one.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use portolan_cluster::{Cluster, ClusterError, Fence, FencedStep, Holder};
use portolan_model::{ArchiveEvent, ArchiveRules, GuardLevel};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::operations::{Operation, OperationKind, OperationState};

use super::door::{Call, door};
use super::races::{Moment, busy};
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
    archived_at(GuardLevel::L1).await
}

async fn archived_at(level: GuardLevel) -> World {
    let mut world = World::with_flights_at(level).await;
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
        effects::FORGET_TRACES,
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

/// A restore of the third document ends badly, and nobody knows what became of its first insert.
async fn restore_astray(world: &mut World) -> Operation {
    world.queue(OperationKind::Restore, r#"{"filter": "{\"_id\": 3}"}"#).await;
    world.pass(FaultPlan::none()).await;
    let restore = world.operations().await.pop().expect("an operation");
    assert_eq!(restore.state, OperationState::Failed, "{restore:?}");
    assert_eq!(world.live().len(), 2);
    restore
}

/// How an insert goes astray: the answer to the first is lost, and no other may follow.
fn astray(count: u32) -> ClusterError {
    match count {
        1 => ClusterError::Unknown("it is on its way".into()),
        _ => ClusterError::Denied("no more of them".into()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_insert_that_arrives_after_it_meets_the_raised_fence() {
    let mut world = archived_at(GuardLevel::L3).await;
    let info = world.cluster.collection(&flights()).await.expect("up").expect("there");
    let uuid = info.uuid.expect("a UUID");
    let sent_under: Arc<Mutex<Option<Fence>>> = Arc::default();
    let noted = sent_under.clone();
    door(&mut world, move |cluster, call, count| match call {
        Call::Insert => {
            let fence = futures::executor::block_on(cluster.fence(uuid))?;
            *noted.lock().expect("no panic") = fence;
            Err(astray(count))
        }
        _ => Ok(()),
    });
    let restore = restore_astray(&mut world).await;
    world.between = None;
    let asked_ms = world.runtime.now_ms();
    let done = redact(&mut world, THREE, FaultPlan::none()).await;
    assert_eq!(done.state, OperationState::Done, "{:?}", done.error);
    assert!(!done.progress.contains("waitingFor"), "{}", done.progress);
    let fence = sent_under.lock().expect("no panic").take().expect("a fence");
    let (owner, epoch, token) = (fence.owner.as_str(), fence.epoch, fence.token.as_str());
    let holder = Holder { uuid, owner, epoch, token };
    let job = restore.id.to_string();
    let step = FencedStep { holder, shard_key: None, job: &job, step: 1 };
    let late = world.cluster.insert_fenced(&flights(), &[flight(3, 41, "v1")], &step).await;
    assert!(matches!(late, Err(ClusterError::Fenced)), "{late:?}");
    world.days_pass(1.5).await;
    assert!(world.runtime.now_ms() > asked_ms);
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_insert_on_its_way_is_waited_for_where_no_fence_stops_it() {
    for level in [GuardLevel::L2, GuardLevel::L1] {
        let mut world = archived_at(level).await;
        let (lands_at_ms, runtime) = (Arc::new(AtomicI64::new(0)), world.runtime.clone());
        let landing = lands_at_ms.clone();
        door(&mut world, move |cluster, call, count| {
            let (at_ms, now_ms) = (landing.load(Ordering::Relaxed), runtime.now_ms());
            match call {
                Call::Insert => return Err(astray(count)),
                // The redaction asks about the level first, and then looks at the clock.
                Call::Probe if at_ms == i64::MAX => {
                    landing.store(now_ms + 10_000, Ordering::Relaxed);
                }
                Call::Clock if at_ms > 0 && now_ms >= at_ms => {
                    landing.store(0, Ordering::Relaxed);
                    cluster.insert(&flights(), [flight(3, 41, "v1")])?;
                }
                _ => {}
            }
            Ok(())
        });
        let restore = restore_astray(&mut world).await;
        lands_at_ms.store(i64::MAX, Ordering::Relaxed);
        let refused = redact(&mut world, THREE, FaultPlan::none()).await;
        assert_eq!(lands_at_ms.load(Ordering::Relaxed), 0, "{level}: it arrived in time");
        assert_eq!(refused.state, OperationState::Failed, "{level}: {refused:?}");
        assert!(refused.error.is_some_and(|error| error.contains("evenIfLive")), "{level}");
        assert_eq!((world.live().len(), world.archived().await.len()), (3, 10), "{level}");
        assert!(world.cluster.remove(&flights(), bson::RawBsonRef::Int32(3)));
        let done = redact(&mut world, THREE, FaultPlan::none()).await;
        assert_eq!(done.state, OperationState::Done, "{level}: {:?}", done.error);
        assert_eq!((world.live().len(), world.archived().await.len()), (2, 9), "{level}");
        let operations = world.operations().await;
        let settled = operations.iter().find(|it| it.id == restore.id).expect("a record");
        assert!(settled.progress.contains("\"settled\":true"), "waited for once: {settled:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_a_restore_may_still_reach_must_be_asked() {
    let mut world = archived().await;
    world.queue(OperationKind::Restore, r#"{"filter": "{\"_id\": 4}"}"#).await;
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.live().len(), 3);
    let known = r#"{"id": "3", "reason": "request 12", "evenIfLive": true}"#;
    world.cluster.set_down(true);
    let waiting = redact(&mut world, known, FaultPlan::none()).await;
    assert_eq!(waiting.state, OperationState::Queued, "{waiting:?}");
    assert!(waiting.error.is_some_and(|error| error.contains("down")), "{}", waiting.progress);
    assert_eq!(world.archived().await.len(), 10);
    world.cluster.set_down(false);
    world.clock.advance_ms(60_000);
    world.pass(FaultPlan::none()).await;
    assert_eq!(last(&world).await.state, OperationState::Done);
    world.cluster.set_down(true);
    let other = r#"{"id": "5", "reason": "request 13", "evenIfLive": true}"#;
    let done = redact(&mut world, other, FaultPlan::none()).await;
    assert_eq!(done.state, OperationState::Done, "that restore is settled: {:?}", done.error);
    assert_eq!(world.archived().await.len(), 8);
}

const CANARY: &str = "canary-7f3a";

fn canary(text: &str) -> bson::RawDocumentBuf {
    let at = flight(0, 50, "").get_datetime("at").expect("a date");
    bson::rawdoc! { "_id": CANARY, "at": at, "t": text }
}

/// How often the canary stands anywhere in the control database, as text or as the digits of its bytes.
async fn sightings(world: &World) -> Vec<String> {
    let store = world.store(FaultPlan::none()).await;
    let mut copy = Vec::new();
    store.back_up(&mut copy).await.expect("a copy of everything");
    store.close().await;
    let digits = hex::encode(CANARY);
    let copy = String::from_utf8(copy).expect("text");
    let names = |line: &&str| line.contains(CANARY) || line.contains(&digits);
    copy.lines().filter(names).map(str::to_owned).collect()
}

/// The canary is kept by the first run, which lists it, and moved by a later one.
async fn archived_with_a_canary() -> World {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    world.cluster.insert(&flights(), [canary("v1")]).expect("inserted");
    busy(&mut world, Moment::BeforeDelete, |cluster| {
        cluster.replace(&flights(), canary("v2")).expect("replaced");
    });
    world.pass(FaultPlan::none()).await;
    world.between = None;
    world.settle().await;
    assert_eq!(world.archived().await.len(), 11);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_gone_leaves_no_names_behind() {
    let mut world = archived_with_a_canary().await;
    assert_eq!(sightings(&world).await.len(), 1, "the list of the run");
    world.happen(ArchiveEvent::Deleted).await;
    world.days_pass(7.5).await;
    assert!(world.stored().await.is_none(), "forgotten after the second sweep");
    assert_eq!(sightings(&world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_the_control_database_names_it_afterwards() {
    let mut world = archived_with_a_canary().await;
    let by_id = format!(r#"{{"filter": "{{\"_id\": \"{CANARY}\"}}"}}"#);
    let asks = [
        (OperationKind::Restore, by_id.as_str()),
        (OperationKind::Restore, r#"{"onConflict": "STOP"}"#),
        (OperationKind::Verify, r#"{"againstCluster": true}"#),
    ];
    for (kind, request) in asks {
        world.queue(kind, request).await;
        world.pass(FaultPlan::none()).await;
        // From now on it is in conflict with its row.
        world.cluster.replace(&flights(), canary("v3")).expect("replaced");
    }
    let request = format!(r#"{{"id": "\"{CANARY}\"", "reason": "request 12"}}"#);
    let refused = redact(&mut world, &request, FaultPlan::none()).await;
    assert_eq!(refused.state, OperationState::Failed, "{refused:?}");
    let before = sightings(&world).await;
    assert!(before.len() >= 5, "listed, held, asked for and found: {before:?}");
    let id = bson::RawBsonRef::String(CANARY);
    assert!(world.cluster.remove(&flights(), id));
    let done = redact(&mut world, &request, FaultPlan::none()).await;
    assert_eq!(done.state, OperationState::Done, "{:?}", done.error);
    assert_eq!(sightings(&world).await, Vec::<String>::new());
    world.days_pass(1.5).await;
    assert_eq!(sightings(&world).await, Vec::<String>::new());
}
