//! Counters and gauges of the archiver, for `/metrics`. Rates are what Prometheus makes of counters.
//! None of them carries the name of a user's thing: how one archive stands is told by the API.

use portolan_store::jobs::Standing;
use portolan_store::operations::{Operation, OperationState};
use portolan_store::runs::ArchiveRun;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
    outcome: &'static str,
}

/// A distribution of seconds.
#[derive(Debug, Clone)]
struct Seconds(Histogram);

impl Default for Seconds {
    fn default() -> Self {
        Self(Histogram::new([0.005, 0.02, 0.05, 0.2, 1.0]))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Command {
    command: &'static str,
}

/// Bounds of the buckets of [`ArchiverMetrics::command_took`], in milliseconds.
const COMMAND_MS: [f64; 9] = [5.0, 20.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 10_000.0];

const DOCUMENTS: [&str; 5] = ["moved", "deleted", "kept", "vanished", "skipped"];
const BYTES: [&str; 2] = ["read", "stored"];
const RUNS: [&str; 3] = ["done", "stopped", "failed"];

fn command_buckets() -> Histogram {
    Histogram::new(COMMAND_MS)
}

/// What the archiver counts. One that was not registered counts all the same, and nobody looks.
#[derive(Debug, Clone)]
pub struct ArchiverMetrics {
    documents: Family<Outcome, Counter>,
    bytes: Family<Outcome, Counter>,
    runs: Family<Outcome, Counter>,
    operations: Family<Kind, Counter>,
    expired: Counter,
    unsound: Counter,
    archives: Family<State, Gauge>,
    failing: Gauge,
    open: Gauge,
    queued: Gauge,
    missing_indexes: Gauge,
    full_windows: Gauge,
    overdue_ms: Gauge,
    looks: Seconds,
    waited_ms: Family<Reason, Counter>,
    commands: Family<Command, Histogram, fn() -> Histogram>,
    lag_ms: Gauge,
}

impl Default for ArchiverMetrics {
    fn default() -> Self {
        Self {
            documents: Family::default(),
            bytes: Family::default(),
            runs: Family::default(),
            operations: Family::default(),
            expired: Counter::default(),
            unsound: Counter::default(),
            archives: Family::default(),
            failing: Gauge::default(),
            open: Gauge::default(),
            queued: Gauge::default(),
            missing_indexes: Gauge::default(),
            full_windows: Gauge::default(),
            overdue_ms: Gauge::default(),
            waited_ms: Family::default(),
            commands: Family::new_with_constructor(command_buckets),
            lag_ms: Gauge::default(),
            looks: Seconds::default(),
        }
    }
}

impl ArchiverMetrics {
    /// Makes the metrics and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let help = "Documents of runs that ended, by what became of them";
        registry.register("portolan_archiver_documents", help, metrics.documents.clone());
        let help = "Bytes of runs that ended: read from clusters, stored in files";
        registry.register("portolan_archiver_bytes", help, metrics.bytes.clone());
        let help = "Runs that ended, by how";
        registry.register("portolan_archiver_runs", help, metrics.runs.clone());
        let help = "Work beside runs that ended, by kind and how";
        registry.register("portolan_archiver_operations", help, metrics.operations.clone());
        let help = "Documents that expired";
        registry.register("portolan_archiver_expired_documents", help, metrics.expired.clone());
        let help = "Things that verify found wrong";
        registry.register("portolan_archiver_verify_problems", help, metrics.unsound.clone());
        let help = "Archives by state";
        registry.register("portolan_archiver_archives", help, metrics.archives.clone());
        let help = "Archives whose last look failed";
        registry.register("portolan_archiver_failing_archives", help, metrics.failing.clone());
        let help = "Archives with a move that is not finished";
        registry.register("portolan_archiver_open_moves", help, metrics.open.clone());
        let help = "Operations that are queued or under way";
        registry.register("portolan_archiver_queued_operations", help, metrics.queued.clone());
        let help = "Archives for which no index finds what is cold";
        registry.register(
            "portolan_archiver_missing_indexes",
            help,
            metrics.missing_indexes.clone(),
        );
        let help = "Milliseconds by which the most overdue look of an active archive is late";
        registry.register("portolan_archiver_overdue_ms", help, metrics.overdue_ms.clone());
        let help = "Time that a look for work took";
        registry.register("portolan_archiver_look_seconds", help, metrics.looks.0.clone());
        let help = "Archives for which three windows in a row were too short";
        registry.register("portolan_archiver_full_windows", help, metrics.full_windows.clone());
        metrics.register_load(registry);
        metrics.begin_at_zero();
        metrics
    }

    fn register_load(&self, registry: &mut Registry) {
        let help = "Milliseconds that runs waited for their clusters, by reason";
        registry.register("portolan_archiver_waited_ms", help, self.waited_ms.clone());
        let help = "Milliseconds that commands of runs took at clusters";
        registry.register("portolan_archiver_command_ms", help, self.commands.clone());
        let help =
            "Milliseconds by which the secondaries of a cluster under work are behind, at most";
        registry.register("portolan_archiver_lag_ms", help, self.lag_ms.clone());
    }

    /// A series that begins with its first count hides that count from rates: so all begin at zero.
    fn begin_at_zero(&self) {
        for outcome in DOCUMENTS {
            drop(self.documents.get_or_create(&Outcome { outcome }));
        }
        for outcome in BYTES {
            drop(self.bytes.get_or_create(&Outcome { outcome }));
        }
        for outcome in RUNS {
            drop(self.runs.get_or_create(&Outcome { outcome }));
        }
        for reason in ["lag", "latency", "bytes", "operations"] {
            drop(self.waited_ms.get_or_create(&Reason { reason }));
        }
        for command in ["read", "delete", "insert"] {
            drop(self.commands.get_or_create(&Command { command }));
        }
    }

    /// A run waited for its cluster.
    pub(crate) fn waited(&self, reason: &'static str, ms: u64) {
        self.waited_ms.get_or_create(&Reason { reason }).inc_by(ms);
    }

    /// A command of a run was answered.
    pub(crate) fn command_took(&self, command: &'static str, ms: u64) {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of one command")]
        self.commands.get_or_create(&Command { command }).observe(ms as f64);
    }

    /// A run ended.
    pub(crate) fn run_ended(&self, run: &ArchiveRun) {
        let [done, stopped, failed] = RUNS;
        let outcome = match run.phase.as_str() {
            "DONE" => done,
            "STOPPED" => stopped,
            _ => failed,
        };
        self.runs.get_or_create(&Outcome { outcome }).inc();
        let documents = [
            run.documents_moved,
            run.documents_deleted,
            run.documents_kept,
            run.documents_vanished,
            run.documents_skipped,
        ];
        for (outcome, count) in DOCUMENTS.into_iter().zip(documents) {
            self.documents.get_or_create(&Outcome { outcome }).inc_by(count.unsigned_abs());
        }
        for (outcome, count) in BYTES.into_iter().zip([run.bytes_read, run.bytes_stored]) {
            self.bytes.get_or_create(&Outcome { outcome }).inc_by(count.unsigned_abs());
        }
    }

    /// Work beside runs ended; `problems` is what a verification found.
    pub(crate) fn operation_ended(&self, operation: &Operation, problems: u64) {
        let outcome = if operation.state == OperationState::Done { "done" } else { "failed" };
        self.operations.get_or_create(&Kind { kind: operation.kind.as_str(), outcome }).inc();
        self.unsound.inc_by(problems);
    }

    /// Documents expired.
    pub(crate) fn expired(&self, documents: u64) {
        self.expired.inc_by(documents);
    }

    /// A look for work ended.
    pub(crate) fn looked(&self, duration_ms: u64) {
        let ms = u32::try_from(duration_ms).unwrap_or(u32::MAX);
        self.looks.0.observe(f64::from(ms) / 1e3);
    }

    /// How all archives stand.
    pub(crate) fn look(&self, standing: &Standing, now_ms: i64, lag_ms: u64) {
        self.archives.clear();
        let (mut failing, mut missing, mut full, mut open, mut overdue_ms) = (0, 0, 0, 0, 0);
        for figures in &standing.states {
            let state = figures.state.as_str();
            self.archives.get_or_create(&State { state }).inc_by(figures.archives);
            failing += figures.failing;
            missing += figures.without_index;
            full += figures.full_windows;
            open += figures.unfinished;
            if let (true, Some(due_at)) = (figures.state.is_active(), figures.due_at_min) {
                overdue_ms = overdue_ms.max(now_ms.saturating_sub(due_at));
            }
        }
        self.failing.set(failing);
        self.missing_indexes.set(missing);
        self.full_windows.set(full);
        self.overdue_ms.set(overdue_ms);
        self.open.set(open);
        self.queued.set(standing.operations);
        self.lag_ms.set(i64::try_from(lag_ms).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use portolan_model::{ArchiveId, GuardLevel, JobId};
    use portolan_store::operations::OperationKind;

    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let mut registry = Registry::default();
        let metrics = ArchiverMetrics::register(&mut registry);
        let (id, archive) = (JobId::new([1; 12]), ArchiveId::new([2; 12]));
        let mut run = ArchiveRun::begin(id, archive, GuardLevel::L1, 0);
        (run.phase, run.documents_moved, run.documents_skipped) = ("DONE".into(), 5, 2);
        metrics.run_ended(&run);
        let mut operation = Operation::new(id, archive, OperationKind::Verify, "{}".into(), 0);
        operation.state = OperationState::Done;
        metrics.operation_ended(&operation, 3);
        metrics.expired(4);
        metrics.waited("lag", 1_200);
        metrics.command_took("delete", 30);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encoded");
        for line in [
            "portolan_archiver_documents_total{outcome=\"moved\"} 5",
            "portolan_archiver_documents_total{outcome=\"skipped\"} 2",
            "portolan_archiver_runs_total{outcome=\"done\"} 1",
            "portolan_archiver_operations_total{kind=\"VERIFY\",outcome=\"done\"} 1",
            "portolan_archiver_verify_problems_total 3",
            "portolan_archiver_expired_documents_total 4",
            "portolan_archiver_waited_ms_total{reason=\"lag\"} 1200",
            "portolan_archiver_command_ms_bucket{le=\"50.0\",command=\"delete\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
