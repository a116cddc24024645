//! Counters and gauges of the archiver, for `/metrics`. Rates are what Prometheus makes of counters.
//! None of them carries the name of a user's thing: how one archive stands is told by the API.

use portolan_store::jobs::{Standing, StateFigures};
use portolan_store::operations::{OperationKind, OperationState};
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
const OPERATIONS: [&str; 2] = ["done", "failed"];

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
    due: Gauge,
    in_moves: Gauge,
    cold_documents: Gauge,
    cold_bytes: Gauge,
    failing_upkeep: Gauge,
    missing_indexes: Gauge,
    quarantined: Gauge,
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
            due: Gauge::default(),
            in_moves: Gauge::default(),
            cold_documents: Gauge::default(),
            cold_bytes: Gauge::default(),
            failing_upkeep: Gauge::default(),
            missing_indexes: Gauge::default(),
            quarantined: Gauge::default(),
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
        metrics.register_standing(registry);
        metrics.register_backlog(registry);
        metrics.register_load(registry);
        metrics.begin_at_zero();
        metrics
    }

    fn register_standing(&self, registry: &mut Registry) {
        let help = "Archives by state";
        registry.register("portolan_archiver_archives", help, self.archives.clone());
        let help = "Archives whose last look failed";
        registry.register("portolan_archiver_failing_archives", help, self.failing.clone());
        let help = "Archives whose last upkeep failed: expiry, compaction, clean-up";
        registry.register("portolan_archiver_failing_upkeep", help, self.failing_upkeep.clone());
        let help = "Archives for which no index finds what is cold";
        registry.register("portolan_archiver_missing_indexes", help, self.missing_indexes.clone());
        let help = "Files of archives that are damaged and are left alone";
        registry.register("portolan_archiver_quarantined_files", help, self.quarantined.clone());
        let help = "Archives for which three windows in a row were too short";
        registry.register("portolan_archiver_full_windows", help, self.full_windows.clone());
    }

    /// What is still to be done.
    fn register_backlog(&self, registry: &mut Registry) {
        let help = "Archives whose look is due and that no run works on";
        registry.register("portolan_archiver_due_archives", help, self.due.clone());
        let help = "Milliseconds by which the most overdue look of these is late";
        registry.register("portolan_archiver_overdue_ms", help, self.overdue_ms.clone());
        let help = "Cold documents that the last looks and runs saw and left in their clusters";
        registry.register("portolan_archiver_cold_documents", help, self.cold_documents.clone());
        let help = "Bytes of these";
        registry.register("portolan_archiver_cold_bytes", help, self.cold_bytes.clone());
        let help = "Archives with a move that is not finished";
        registry.register("portolan_archiver_open_moves", help, self.open.clone());
        let help = "Documents of these moves";
        registry.register("portolan_archiver_open_documents", help, self.in_moves.clone());
        let help = "Operations that are queued or under way";
        registry.register("portolan_archiver_queued_operations", help, self.queued.clone());
        let help = "Time that a look for work took";
        registry.register("portolan_archiver_look_seconds", help, self.looks.0.clone());
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
        for kind in OperationKind::ALL {
            for outcome in OPERATIONS {
                drop(self.operations.get_or_create(&Kind { kind: kind.as_str(), outcome }));
            }
        }
        for reason in ["lag", "latency", "bytes", "operations", "hours"] {
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

    /// Work beside runs ended.
    pub(crate) fn operation_ended(&self, kind: OperationKind, state: OperationState) {
        let [done, failed] = OPERATIONS;
        let outcome = if state == OperationState::Done { done } else { failed };
        self.operations.get_or_create(&Kind { kind: kind.as_str(), outcome }).inc();
    }

    /// A verification found something wrong.
    pub(crate) fn problems_found(&self, problems: u64) {
        self.unsound.inc_by(problems);
    }

    /// Documents expired.
    pub(crate) fn expired(&self, documents: u64) {
        self.expired.inc_by(documents);
    }

    /// So many files are in quarantine.
    pub(crate) fn quarantined(&self, files: i64) {
        self.quarantined.set(files);
    }

    /// A look for work ended.
    pub(crate) fn looked(&self, duration_ms: u64) {
        let ms = u32::try_from(duration_ms).unwrap_or(u32::MAX);
        self.looks.0.observe(f64::from(ms) / 1e3);
    }

    /// How all archives stand.
    pub(crate) fn look(&self, standing: &Standing, now_ms: i64, lag_ms: u64) {
        let sum = |of: fn(&StateFigures) -> i64| standing.states.iter().map(of).sum();
        self.archives.clear();
        for figures in &standing.states {
            let state = figures.state.as_str();
            self.archives.get_or_create(&State { state }).inc_by(figures.archives);
        }
        self.failing.set(sum(|figures| figures.failing));
        self.missing_indexes.set(sum(|figures| figures.without_index));
        self.full_windows.set(sum(|figures| figures.full_windows));
        self.open.set(sum(|figures| figures.unfinished));
        self.in_moves.set(standing.in_moves);
        self.failing_upkeep.set(standing.failing_upkeep);
        self.queued.set(standing.operations);
        self.lag_ms.set(i64::try_from(lag_ms).unwrap_or(i64::MAX));
        self.backlog(standing, now_ms);
    }

    /// What active archives have still to do.
    fn backlog(&self, standing: &Standing, now_ms: i64) {
        let active = || standing.states.iter().filter(|figures| figures.state.is_active());
        self.due.set(active().map(|figures| figures.due).sum());
        let oldest = active().filter_map(|figures| figures.due_at_min).min();
        self.overdue_ms.set(oldest.map_or(0, |due_at| now_ms.saturating_sub(due_at).max(0)));
        self.cold_documents.set(active().map(|figures| figures.cold.documents).sum());
        self.cold_bytes.set(active().map(|figures| figures.cold.bytes).sum());
    }
}

#[cfg(test)]
mod tests {
    use portolan_model::{ArchiveId, ArchiveState, GuardLevel, JobId};
    use portolan_store::jobs::Cold;

    use super::*;

    fn shown(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).expect("encoded");
        text
    }

    #[test]
    fn what_is_counted_is_shown() {
        let mut registry = Registry::default();
        let metrics = ArchiverMetrics::register(&mut registry);
        let (id, archive) = (JobId::new([1; 12]), ArchiveId::new([2; 12]));
        let mut run = ArchiveRun::begin(id, archive, GuardLevel::L1, 0);
        (run.phase, run.documents_moved, run.documents_skipped) = ("DONE".into(), 5, 2);
        metrics.run_ended(&run);
        metrics.operation_ended(OperationKind::Verify, OperationState::Done);
        metrics.problems_found(3);
        metrics.expired(4);
        metrics.waited("lag", 1_200);
        metrics.command_took("delete", 30);
        let text = shown(&registry);
        for line in [
            "portolan_archiver_documents_total{outcome=\"moved\"} 5",
            "portolan_archiver_documents_total{outcome=\"skipped\"} 2",
            "portolan_archiver_runs_total{outcome=\"done\"} 1",
            "portolan_archiver_operations_total{kind=\"VERIFY\",outcome=\"done\"} 1",
            "portolan_archiver_operations_total{kind=\"CLEAN_UP\",outcome=\"failed\"} 0",
            "portolan_archiver_verify_problems_total 3",
            "portolan_archiver_expired_documents_total 4",
            "portolan_archiver_waited_ms_total{reason=\"lag\"} 1200",
            "portolan_archiver_command_ms_bucket{le=\"50.0\",command=\"delete\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn the_backlog_is_that_of_archives_that_may_run() {
        let mut registry = Registry::default();
        let metrics = ArchiverMetrics::register(&mut registry);
        let figures = |state, due, due_at_min, documents| StateFigures {
            state,
            archives: 1,
            failing: 0,
            without_index: 0,
            full_windows: 0,
            unfinished: 1,
            due,
            due_at_min,
            cold: Cold { documents, bytes: documents * 10 },
        };
        let states = vec![
            figures(ArchiveState::Idle, 2, Some(400), 3),
            figures(ArchiveState::Archiving, 1, None, 4),
            figures(ArchiveState::Paused, 5, Some(1), 50),
        ];
        let standing = Standing { states, operations: 6, in_moves: 70, failing_upkeep: 8 };
        metrics.look(&standing, 1_000, 9);
        let text = shown(&registry);
        for line in [
            "portolan_archiver_due_archives 3\n",
            "portolan_archiver_overdue_ms 600\n",
            "portolan_archiver_cold_documents 7\n",
            "portolan_archiver_cold_bytes 70\n",
            "portolan_archiver_open_moves 3\n",
            "portolan_archiver_open_documents 70\n",
            "portolan_archiver_queued_operations 6\n",
            "portolan_archiver_failing_upkeep 8\n",
            "portolan_archiver_lag_ms 9\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
