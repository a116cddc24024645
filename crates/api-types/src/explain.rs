//! `explain` of an archive: why it is where it is, on the wire.

use portolan_model::{ArchiveState, EpochMs, Hold};
use serde_json::{Value, json};

use crate::operators::hold_json;
use crate::time::iso8601;

/// The last run of an archive.
#[derive(Debug, Clone)]
pub struct LastRunView {
    /// What is being done, or how it ended.
    pub phase: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What of the cluster it waits for now.
    pub waiting_for: Option<String>,
    /// When it began.
    pub started_at: EpochMs,
    /// When it ended.
    pub ended_at: Option<EpochMs>,
}

/// Everything that decides what happens to an archive next.
#[derive(Debug, Clone)]
pub struct ExplainView {
    /// Its state.
    pub state: ArchiveState,
    /// What that means, in words for people.
    pub because: String,
    /// When the archiver looks at it next.
    pub next_look_at: Option<EpochMs>,
    /// Failures in a row.
    pub failures: i64,
    /// The last failure.
    pub last_error: Option<String>,
    /// An operator asked for a run.
    pub run_requested: bool,
    /// Whether its schedule allows a run just now.
    pub window_open: bool,
    /// Who holds the lease of its collection: holder, epoch, and whether it was given back.
    pub lease: Option<(String, i64, bool)>,
    /// The move under way: number, state, batches done, batches, why it is being closed.
    pub open_move: Option<(i64, &'static str, i32, i32, Option<String>)>,
    /// The last run.
    pub last_run: Option<LastRunView>,
    /// When its data is looked after next, and what went wrong last.
    pub upkeep: Option<(EpochMs, Option<String>)>,
    /// The index that the last look missed.
    pub create_index: Option<String>,
    /// A hold.
    pub hold: Option<Hold>,
    /// Operations that are queued or under way.
    pub operations: i64,
    /// Files that are damaged and are left alone, a hundred at most: path, what is wrong, since when.
    pub quarantined: Vec<(String, String, EpochMs)>,
}

impl ExplainView {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "because": self.because,
            "createIndex": self.create_index,
            "failures": self.failures,
            "hold": self.hold.as_ref().map(hold_json),
            "lastError": self.last_error,
            "lastRun": self.last_run.as_ref().map(|run| json!({
                "endedAt": run.ended_at.map(iso8601),
                "error": run.error,
                "phase": run.phase,
                "startedAt": iso8601(run.started_at),
                "waitingFor": run.waiting_for,
            })),
            "lease": self.lease.as_ref().map(|(holder, epoch, released)| json!({
                "epoch": epoch,
                "holder": holder,
                "released": released,
            })),
            "nextLookAt": self.next_look_at.map(iso8601),
            "openMove": self.open_move.as_ref().map(|(seq, state, done, batches, closed)| json!({
                "batches": batches,
                "batchesDone": done,
                "closedBecause": closed,
                "number": seq,
                "state": state,
            })),
            "operations": self.operations,
            "quarantinedFiles": self.quarantined.iter().map(|(path, problem, since)| json!({
                "file": path,
                "foundAt": iso8601(*since),
                "problem": problem,
            })).collect::<Vec<_>>(),
            "runRequested": self.run_requested,
            "state": self.state.as_str(),
            "stateReason": self.state.suspend_reason().map(|reason| reason.as_str()),
            "upkeep": self.upkeep.as_ref().map(|(due_at, error)| json!({
                "lastError": error,
                "nextLookAt": iso8601(*due_at),
            })),
            "windowOpen": self.window_open,
        })
    }
}
