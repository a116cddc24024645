//! Kills the real process between any two steps of the archive run, starts it again, and demands that
//! every document is in exactly one place, byte for byte.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use portolan_archiver::effects;
use portolan_runtime::Runtime;

use crate::kill_stage::{AFTER, BEFORE};
use crate::served::PORTOLAN;
use crate::support::{Documents, Instance, run_until_killed, sample};

/// Effects outside the control database: killed after as well as before. After a journal entry comes
/// the next point's before.
const OUTSIDE: &[&str] = &[
    effects::CREATE_TABLE,
    effects::FENCE,
    effects::UPLOAD,
    effects::COMMIT,
    effects::DELETE,
    effects::CONFIRM,
];

/// Points that a first run does not pass: nothing is kept or superseded, no lease gets old, nothing is
/// purged, expired, compacted or cleaned up (that takes days), nobody asks for anything, and every batch may
/// be deleted. Processes are killed there in `kill_operations`, `kill_situations`, `kill_recovery` and
/// `attach`.
const NOT_PASSED: &[&str] = &[
    effects::LEASE_RENEW,
    effects::RUN_WAIT,
    effects::RECONCILE,
    effects::REWRITE,
    effects::SUPERSEDE,
    effects::RULES,
    effects::OWN,
    effects::ADOPT,
    effects::PLACE,
    effects::RESUME,
    effects::DEFINE,
    effects::EXPIRY_REWRITE,
    effects::OPERATION_START,
    effects::OPERATION_PROGRESS,
    effects::OPERATION_CLAIM,
    effects::RESTORE_HOLD,
    effects::RESTORE,
    effects::EXPIRE,
    effects::CLEAN_UP,
    effects::COMPACTION_REWRITE,
    effects::COMPACT,
    effects::REDACTION_REWRITE,
    effects::REDACT,
    effects::FORGET_HISTORY,
    effects::FORGET_TRACES,
    effects::OPERATION_DONE,
    effects::UPKEEP,
    effects::QUARANTINE,
    effects::PURGING,
    effects::PURGE,
    effects::PURGED,
    effects::SWEEP,
    effects::FORGOTTEN,
];

/// The points at which a first run is killed.
pub(crate) fn points() -> impl Iterator<Item = &'static str> {
    effects::ALL.into_iter().filter(|point| !NOT_PASSED.contains(point))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_step_loses_and_doubles_nothing() {
    let sample = sample(40);
    let before = effects::ALL.iter().map(|point| (*point, BEFORE));
    let after = OUTSIDE.iter().map(|point| (*point, AFTER));
    for (point, fate) in before.chain(after).filter(|(point, _)| !NOT_PASSED.contains(point)) {
        let fault = format!("{point}={fate}");
        let dir = tempfile::tempdir().expect("a folder");
        let killed = run_until_killed(dir.path(), &sample, &fault);
        assert!(killed, "{fault}: a first run did not pass this point");
        let instance = Instance::start(dir.path(), &sample.path).await;
        check(&instance.documents().await, &sample.documents, &fault);
        verify(dir.path(), &instance, &fault).await;
        instance.stop();
    }
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

/// `portolan archive verify`, as an operator calls it: every file read back and compared with the cluster.
async fn verify(dir: &Path, instance: &Instance, fault: &str) {
    let mut command = Command::new(PORTOLAN);
    command.args(["archive", "verify", "--against-cluster", "--from"]).arg(dir);
    command.args(["--cluster", instance.text("clusterName")]);
    command.args(["--archive", instance.text("archiveId")]);
    let runtime = Runtime::system();
    let said = runtime.spawn_blocking(move || command.output()).await.expect("a thread");
    let said = said.expect("started");
    assert!(said.status.success(), "{fault}: {said:?}");
}
