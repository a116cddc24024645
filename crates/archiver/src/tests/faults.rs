//! Every effect of a run fails once, or loses its answer once, or is the last thing that its worker
//! does; afterwards every document is in exactly one place, byte for byte.

use portolan_runtime::{Fate, FaultPlan};

use super::world::World;
use crate::effects;

/// How often each effect is passed in the runs below, at most.
const PASSAGES: u64 = 3;

/// Effects that happen only in runs that these tests do not make.
const ELSEWHERE: [&str; 5] =
    [effects::SUPERSEDE, effects::REWRITE, effects::PURGE, effects::PURGED, effects::LEASE_RENEW];

fn points() -> impl Iterator<Item = &'static str> {
    effects::ALL.into_iter().filter(|point| !ELSEWHERE.contains(point))
}

async fn check(plan: FaultPlan, context: &str) {
    let mut world = World::with_flights().await;
    world.options.move_documents_max = 6;
    let all = world.live();
    world.pass(plan).await;
    world.settle().await;
    world.assert_moved(&all, context).await;
    assert_eq!(world.live().len(), 2, "{context}: something cold stayed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failure_anywhere_harms_nothing() {
    for point in points() {
        for passage in 1..=PASSAGES {
            let plan = FaultPlan::none().with(point, passage, Fate::FailsBefore);
            check(plan, &format!("{point} fails before, passage {passage}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lost_answer_anywhere_harms_nothing() {
    for point in points() {
        for passage in 1..=PASSAGES {
            let plan = FaultPlan::none().with(point, passage, Fate::ReplyLost);
            check(plan, &format!("{point} loses its reply, passage {passage}")).await;
        }
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
    for point in points() {
        for last in [Fate::FailsBefore, Fate::ReplyLost] {
            check(cut_off(point, 1, last), &format!("cut off at {point}, {last:?}")).await;
        }
    }
}
