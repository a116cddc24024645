//! Every effect of a run fails once, or loses its answer once, or is the last thing that its worker
//! does; afterwards every document is in exactly one place, byte for byte.

use portolan_model::{ArchiveEvent, GuardLevel};
use portolan_runtime::{Fate, FaultPlan};

use super::world::{World, flight, flights};
use crate::effects;

/// Longer than the first waits after a failure.
const PAUSE_MS: u64 = 60_000;

/// Effects that a run of two moves without kept or older rows does not pass; they have tests of their
/// own below.
const ELSEWHERE: [&str; 32] = [
    effects::OWN,
    effects::ADOPT,
    effects::PLACE,
    effects::RESUME,
    effects::DEFINE,
    effects::RUN_WAIT,
    effects::SUPERSEDE,
    effects::REWRITE,
    effects::LEASE_RENEW,
    effects::RULES,
    effects::EXPIRY_REWRITE,
    effects::OPERATION_START,
    effects::OPERATION_PROGRESS,
    effects::OPERATION_CLAIM,
    effects::RESTORE_HOLD,
    effects::RESTORE,
    effects::EXPIRE,
    effects::COMPACTION_REWRITE,
    effects::COMPACT,
    effects::REDACTION_REWRITE,
    effects::REDACT,
    effects::FORGET_HISTORY,
    effects::FORGET_TRACES,
    effects::CLEAN_UP,
    effects::OPERATION_DONE,
    effects::UPKEEP,
    effects::QUARANTINE,
    effects::PURGING,
    effects::PURGE,
    effects::PURGED,
    effects::SWEEP,
    effects::FORGOTTEN,
];

const ONCE_PER_RUN: [&str; 10] = [
    effects::LEASE_TAKE,
    effects::RUN_START,
    effects::CREATE_TABLE,
    effects::SOURCE_FENCE,
    effects::FENCE,
    effects::RECONCILE,
    effects::SAMPLE,
    effects::RUN_END,
    effects::LEASE_RELEASE,
    effects::SCHEDULE,
];

fn points() -> impl Iterator<Item = &'static str> {
    effects::ALL.into_iter().filter(|point| !ELSEWHERE.contains(point))
}

/// Each effect with the passages that a run of two moves makes through it. Under a fence the permission
/// for the second batch of a move comes with the end of the first.
fn passages(level: GuardLevel) -> impl Iterator<Item = (&'static str, u64)> {
    let batches = [effects::DELETE, effects::BATCH_DONE];
    points().flat_map(move |point| {
        let last = match point {
            point if ONCE_PER_RUN.contains(&point) => 1,
            point if batches.contains(&point) => 3,
            effects::BATCH if level < GuardLevel::L3 => 3,
            _ => 2,
        };
        (1..=last).map(move |passage| (point, passage))
    })
}

/// What a run of this level does otherwise than one under a fence.
fn differs(level: GuardLevel, point: &str) -> bool {
    match level {
        GuardLevel::L3 => true,
        GuardLevel::L2 => [effects::DELETE, effects::BATCH_DONE].contains(&point),
        _ => [effects::BATCH, effects::DELETE, effects::BATCH_DONE, effects::CONFIRM]
            .contains(&point),
    }
}

/// Every level whose deletes are guarded, with the passages in which its runs differ from others.
fn passages_of_levels() -> impl Iterator<Item = (GuardLevel, &'static str, u64)> {
    let levels = [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1];
    levels.into_iter().flat_map(|level| {
        passages(level)
            .filter(move |(point, _)| differs(level, point))
            .map(move |(point, passage)| (level, point, passage))
    })
}

async fn check(level: GuardLevel, plan: FaultPlan, context: &str) {
    check_after(level, &[plan], context).await;
}

/// One pass under each plan, each by a worker of its own, then passes without faults.
async fn check_after(level: GuardLevel, plans: &[FaultPlan], context: &str) {
    check_in(World::with_flights_at(level).await, plans, context).await;
}

async fn check_in(mut world: World, plans: &[FaultPlan], context: &str) {
    world.options.move_documents_max = 6;
    // One process per folder: the second worker takes over at once.
    world.options.exclusive = plans.len() > 1;
    let all = world.live();
    for plan in plans {
        world.pass(plan.clone()).await;
        world.clock.advance_ms(PAUSE_MS);
    }
    world.settle().await;
    world.assert_moved(&all, context).await;
    assert_eq!(world.live().len(), 2, "{context}: something cold stayed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failure_anywhere_harms_nothing() {
    for (level, point, passage) in passages_of_levels() {
        let plan = FaultPlan::none().with(point, passage, Fate::FailsBefore);
        check(level, plan, &format!("{level} {point} fails before, passage {passage}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lost_answer_anywhere_harms_nothing() {
    for (level, point, passage) in passages_of_levels() {
        let plan = FaultPlan::none().with(point, passage, Fate::ReplyLost);
        check(level, plan, &format!("{level} {point} loses its reply, passage {passage}")).await;
    }
}

/// Documents that share an `_id` on different shards are deleted under a fence, each by all of its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_goes_wrong_mixes_documents_of_two_shards_up() {
    for (point, passage) in passages(GuardLevel::L3) {
        for fate in [Fate::FailsBefore, Fate::ReplyLost] {
            let world = World::with_shards(GuardLevel::L3).await;
            let plan = FaultPlan::none().with(point, passage, fate);
            check_in(world, &[plan], &format!("shards, {point} {fate:?}, passage {passage}")).await;
        }
    }
    for point in points() {
        let world = World::with_shards(GuardLevel::L3).await;
        let plan = cut_off(point, 1, Fate::ReplyLost);
        check_in(world, &[plan], &format!("shards, cut off at {point}")).await;
    }
}

/// A worker that is cut off: from one effect on, nothing that it tries happens any more, its lease is
/// not given back, and another worker takes over when the lease has run out.
fn cut_off(point: &str, passage: u64, last: Fate) -> FaultPlan {
    let plan = (passage + 1..passage + 40)
        .fold(FaultPlan::none(), |plan, later| plan.with(point, later, Fate::FailsBefore));
    let plan = plan.with(point, passage, last);
    effects::ALL
        .into_iter()
        .filter(|other| *other != point && comes_after(other, point))
        .fold(plan, |plan, other| {
            (1..40).fold(plan, |plan, n| plan.with(other, n, Fate::FailsBefore))
        })
}

/// Whether an effect is passed only after another one in a run of one move.
fn comes_after(other: &str, point: &str) -> bool {
    let place = |name: &str| effects::ALL.iter().position(|it| *it == name);
    place(other) > place(point)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_off_anywhere_is_succeeded() {
    for (level, point, _) in passages_of_levels().filter(|(_, _, passage)| *passage == 1) {
        for last in [Fate::FailsBefore, Fate::ReplyLost] {
            let context = format!("{level} cut off at {point}, {last:?}");
            check(level, cut_off(point, 1, last), &context).await;
        }
    }
}

/// What a worker passes that goes on with a committed move.
const TAKEOVER: [&str; 16] = [
    effects::LEASE_TAKE,
    effects::RUN_START,
    effects::SOURCE_FENCE,
    effects::FENCE,
    effects::RECONCILE,
    effects::PRESENT,
    effects::PUBLISH,
    effects::BATCH,
    effects::DELETE,
    effects::BATCH_DONE,
    effects::CLOSE,
    effects::SOURCE_CLOSE,
    effects::CONFIRM,
    effects::CONFIRMED,
    effects::RUN_END,
    effects::SCHEDULE,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_that_fails_anywhere_is_taken_over_in_turn() {
    for died_at in [effects::COMMIT, effects::DELETE] {
        for point in TAKEOVER {
            let first = cut_off(died_at, 1, Fate::ReplyLost);
            let second = FaultPlan::none().with(point, 1, Fate::ReplyLost);
            for level in [GuardLevel::L3, GuardLevel::L1] {
                let context = format!("{level} cut off at {died_at}, then {point} loses its reply");
                check_after(level, &[first.clone(), second.clone()], &context).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_cannot_be_renewed_ends_the_run_and_harms_nothing() {
    let plan = (1..40).fold(FaultPlan::none(), |plan, passage| {
        plan.with(effects::LEASE_RENEW, passage, Fate::FailsBefore)
    });
    // Each delete takes longer than two thirds of a lease.
    let plan = plan.with(effects::DELETE, 1, Fate::Delayed { ms: 25_000 });
    for level in [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1] {
        check(level, plan.clone(), "renewals fail").await;
    }
}

/// Rows are kept because documents changed under a move that was cut off before it deleted anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_rewrite_of_kept_rows_harms_nothing() {
    for point in [effects::REWRITE, effects::CONFIRM, effects::CONFIRMED, effects::CLOSE] {
        for fate in [Fate::FailsBefore, Fate::ReplyLost] {
            let mut world = World::with_flights().await;
            world.options.exclusive = true;
            world.pass(cut_off(effects::COMMIT, 1, Fate::ReplyLost)).await;
            let changed = flight(3, 30, "changed by a client");
            assert!(world.cluster.replace(&flights(), changed).expect("replaced"));
            let all = world.live();
            world.clock.advance_ms(PAUSE_MS);
            world.pass(FaultPlan::none().with(point, 1, fate)).await;
            world.settle().await;
            world.assert_moved(&all, &format!("{point} {fate:?}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_removal_of_superseded_rows_harms_nothing() {
    for fate in [Fate::FailsBefore, Fate::ReplyLost] {
        let mut world = World::with_flights().await;
        world.settle().await;
        let first = world.second_archive(r#"{"t": "second life"}"#).await;
        world.cluster.insert(&flights(), [flight(3, 40, "second life")]).expect("inserted");
        world.pass(FaultPlan::none().with(effects::SUPERSEDE, 1, fate)).await;
        world.settle().await;
        assert_eq!((world.archived().await.len(), world.archived_in(first).await.len()), (1, 9));
        assert_eq!(world.live().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_purge_is_repeated() {
    let points =
        [effects::PURGING, effects::PURGE, effects::PURGED, effects::SWEEP, effects::FORGOTTEN];
    for point in points {
        for fate in [Fate::FailsBefore, Fate::ReplyLost] {
            let mut world = World::with_flights().await;
            world.settle().await;
            world.happen(ArchiveEvent::Deleted).await;
            world.options.exclusive = true;
            world.clock.advance_ms(6 * 86_400_000);
            world.pass(FaultPlan::none().with(point, 1, fate)).await;
            world.clock.advance_ms(2 * 86_400_000);
            world.pass(FaultPlan::none().with(point, 1, fate)).await;
            world.days_pass(2.0).await;
            assert!(world.stored().await.is_none(), "{point} {fate:?}");
            assert_eq!(world.live().len(), 2);
        }
    }
}
