//! The simulation is trusted only after it was seen to be deterministic and to find planted bugs.

use portolan_archiver::effects;
use portolan_model::GuardLevel;
use portolan_runtime::Fate;

use crate::{
    Bug, Case, Life, Moves, Tables, WriterKind, pairs_after, play, random_case, singles, trace,
};

/// Seeds of the client among which one must show a planted bug.
const SEEDS_TO_FIND_A_BUG: u64 = 10;

#[tokio::test]
async fn a_world_without_faults_comes_to_rest() {
    for level in [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1] {
        for writer in [WriterKind::Quiet, WriterKind::Updates, WriterKind::Inserts] {
            for tables in [Tables::Simulated, Tables::Delta] {
                let lives = vec![Life::default(), Life::default()];
                let case = Case { lives, tables, ..Case::quiet(level, writer, 7) };
                let outcome = play(&case).await.expect("a world");
                assert_eq!(outcome.violation, None, "{case}: {:#?}", outcome.trace);
            }
        }
    }
}

#[tokio::test]
async fn equal_cases_play_equally() {
    let counts = trace(GuardLevel::L3, Moves::Two).await.expect("a trace");
    for seed in 1..=20 {
        let case = random_case(seed, &counts, None);
        let (first, second) =
            (play(&case).await.expect("a world"), play(&case).await.expect("a world"));
        assert_eq!(first, second, "{case}");
    }
}

/// A worker that ends before it wrote down what the cluster answered to its first batch.
fn dying() -> Life {
    Life { faults: vec![(effects::DELETE, 1, Fate::DiesAfter)] }
}

/// A worker whose first batch arrives after another one took over.
fn suspended() -> Life {
    Life { faults: vec![(effects::DELETE, 1, Fate::Delayed { ms: 1_800_000 })] }
}

/// Cases in which a planted bug can show: who writes, and what happens to the worker.
fn hunt(bug: Bug) -> (WriterKind, Vec<Life>) {
    match bug {
        Bug::DeletesById => (WriterKind::Updates, vec![Life::default(); 2]),
        Bug::ForgetsKept => (WriterKind::Deletes, vec![Life::default(); 2]),
        Bug::TearsBatch => (WriterKind::Quiet, vec![Life::default(); 2]),
        Bug::FindsNoKept => (WriterKind::Deletes, vec![dying(), Life::default()]),
        Bug::RaisesNothing => (WriterKind::Quiet, vec![suspended(), Life::default()]),
    }
}

#[tokio::test]
async fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        let (writer, lives) = hunt(bug);
        let planted = Case { lives, bug: Some(bug), ..Case::quiet(GuardLevel::L3, writer, 0) };
        let mut found = None;
        for seed in 1..=SEEDS_TO_FIND_A_BUG {
            let case = Case { seed, ..planted.clone() };
            if play(&case).await.expect("a world").violation.is_some() {
                found = Some(Case { bug: None, ..case });
                break;
            }
        }
        let sound = found.unwrap_or_else(|| panic!("{bug:?} was not found"));
        let outcome = play(&sound).await.expect("a world");
        assert_eq!(outcome.violation, None, "without the bug: {sound}");
    }
}

#[tokio::test]
async fn the_trace_of_a_fenced_world_passes_the_source() {
    let counts = trace(GuardLevel::L3, Moves::Two).await.expect("a trace");
    for point in ["archiver.source_fence", "archiver.delete", "archiver.source_close"] {
        assert!(counts.contains_key(point), "{point}: {counts:?}");
    }
    let passages: u64 = counts.values().sum();
    let singles = singles(GuardLevel::L3, Moves::Two, &counts).len() as u64;
    // Five fates under each of three writers, but for delays of the journal's transactions.
    assert!((passages * 12..=passages * 15).contains(&singles), "{singles} of {counts:?}");
}

/// Once the lease of such a worker ran out by itself: the clock ran on while it was being renewed.
#[tokio::test]
async fn waiting_for_a_predecessor_costs_no_lease() {
    let counts = trace(GuardLevel::L3, Moves::Two).await.expect("a trace");
    let case = random_case(27, &counts, None);
    assert_eq!(case.level, GuardLevel::L2, "{case}");
    let outcome = play(&case).await.expect("a world");
    assert_eq!(outcome.violation, None, "{case}: {:#?}", outcome.trace);
}

/// The cases of two faults are those that can be: the second one is met in each.
#[tokio::test]
async fn every_second_fault_is_met() {
    let counts = trace(GuardLevel::L3, Moves::One).await.expect("a trace");
    let all = singles(GuardLevel::L3, Moves::One, &counts);
    let is_early = |case: &&Case| case.lives[0].faults[0].0 == effects::COMMIT;
    let single = all.iter().find(is_early).expect("a commit fails");
    let cases = pairs_after(single).await.expect("cases");
    assert!(cases.len() > 50, "{} cases", cases.len());
    for case in cases.iter().step_by(7) {
        let outcome = play(case).await.expect("a world");
        assert_eq!((outcome.unmet, &outcome.violation), (0, &None), "{case}: {:#?}", outcome.trace);
    }
}
