//! Kills the real process between any two steps of the archive run, starts it again, and demands that
//! every document is in exactly one place, byte for byte.

mod support;

use std::collections::BTreeMap;

use support::{Documents, Instance, sample};

/// Every effect of the archive run on a system outside the process, in order.
const POINTS: &[&str] = &portolan_archiver::effects::ALL;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_step_loses_and_doubles_nothing() {
    let sample = sample(40);
    let mut killed = 0;
    for point in POINTS {
        for fate in ["dies_before", "dies_after"] {
            let fault = format!("{point}={fate}");
            let dir = tempfile::tempdir().expect("a folder");
            killed += usize::from(support::run_until_killed(dir.path(), &sample, &fault));
            let instance = Instance::start(dir.path(), &sample.path).await;
            check(&instance.documents().await, &sample.documents, &fault);
            instance.stop();
        }
    }
    // Points that a quiet first run does not pass (kept and superseded rows) end no process.
    assert!(killed >= 16, "only {killed} runs met their fault");
}

fn check(seen: &Documents, loaded: &BTreeMap<Vec<u8>, Vec<u8>>, fault: &str) {
    let mut both = seen.cluster.clone();
    for (id, document) in &seen.archive {
        assert!(both.insert(id.clone(), document.clone()).is_none(), "{fault}: in two places");
    }
    assert!(!seen.archive.is_empty(), "{fault}: nothing was archived");
    assert!(both == *loaded, "{fault}: {} of {} documents", both.len(), loaded.len());
    assert!(seen.union == *loaded, "{fault}: the union differs");
    assert_eq!(seen.union_count, loaded.len(), "{fault}: the union doubles");
}
