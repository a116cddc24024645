//! The simulation is trusted only after it was seen to be deterministic and to find planted bugs.

use portolan_model::GuardLevel;

use crate::{Bug, Case, Life, WriterKind, play, random_case, singles, trace};

/// Random cases in which a planted bug must show; far fewer are needed.
const CASES_TO_FIND_A_BUG: u64 = 60;

#[tokio::test]
async fn a_world_without_faults_comes_to_rest() {
    for level in [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1] {
        for writer in [WriterKind::Quiet, WriterKind::Updates, WriterKind::Inserts] {
            let lives = vec![Life::default(), Life::default()];
            let case = Case { level, writer, seed: 7, lives, bug: None };
            let outcome = play(&case).await.expect("a world");
            assert_eq!(outcome.violation, None, "{case}: {:#?}", outcome.trace);
        }
    }
}

#[tokio::test]
async fn equal_cases_play_equally() {
    let counts = trace(GuardLevel::L3).await.expect("a trace");
    for seed in 1..4 {
        let case = random_case(seed, &counts, None);
        let (first, second) = (play(&case).await.expect("a world"), play(&case).await.expect("a world"));
        assert_eq!(first, second, "{case}");
    }
}

#[tokio::test]
async fn every_planted_bug_is_found() {
    let counts = trace(GuardLevel::L3).await.expect("a trace");
    for bug in Bug::ALL {
        let mut found = false;
        for seed in 1..=CASES_TO_FIND_A_BUG {
            let case = random_case(seed, &counts, Some(bug));
            let outcome = play(&case).await.expect("a world");
            if outcome.violation.is_some() {
                found = true;
                break;
            }
        }
        assert!(found, "{bug:?} was not found");
    }
}

#[tokio::test]
async fn the_trace_of_a_fenced_world_passes_the_source() {
    let counts = trace(GuardLevel::L3).await.expect("a trace");
    for point in ["archiver.source_fence", "archiver.delete", "archiver.source_close"] {
        assert!(counts.contains_key(point), "{point}: {counts:?}");
    }
    assert!(singles(GuardLevel::L3, &counts).len() > 300, "{counts:?}");
}
