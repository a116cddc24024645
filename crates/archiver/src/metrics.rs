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

/// What the archiver counts. One that was not registered counts all the same, and nobody looks.
#[derive(Debug, Clone, Default)]
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
    overdue_ms: Gauge,
    looks: Seconds,
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
        metrics
    }

    /// A run ended.
    pub(crate) fn run_ended(&self, run: &ArchiveRun) {
        let outcome = match run.phase.as_str() {
            "DONE" => "done",
            "STOPPED" => "stopped",
            _ => "failed",
        };
        self.runs.get_or_create(&Outcome { outcome }).inc();
        for (outcome, count) in [
            ("moved", run.documents_moved),
            ("deleted", run.documents_deleted),
            ("kept", run.documents_kept),
            ("vanished", run.documents_vanished),
            ("skipped", run.documents_skipped),
        ] {
            self.documents.get_or_create(&Outcome { outcome }).inc_by(count.unsigned_abs());
        }
        for (outcome, count) in [("read", run.bytes_read), ("stored", run.bytes_stored)] {
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
    pub(crate) fn look(&self, standing: &Standing, now_ms: i64) {
        self.archives.clear();
        let (mut failing, mut missing, mut open, mut overdue_ms) = (0, 0, 0, 0);
        for figures in &standing.states {
            let state = figures.state.as_str();
            self.archives.get_or_create(&State { state }).inc_by(figures.archives);
            failing += figures.failing;
            missing += figures.without_index;
            open += figures.unfinished;
            if let (true, Some(due_at)) = (figures.state.is_active(), figures.due_at_min) {
                overdue_ms = overdue_ms.max(now_ms.saturating_sub(due_at));
            }
        }
        self.failing.set(failing);
        self.missing_indexes.set(missing);
        self.overdue_ms.set(overdue_ms);
        self.open.set(open);
        self.queued.set(standing.operations);
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
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encoded");
        for line in [
            "portolan_archiver_documents_total{outcome=\"moved\"} 5",
            "portolan_archiver_documents_total{outcome=\"skipped\"} 2",
            "portolan_archiver_runs_total{outcome=\"done\"} 1",
            "portolan_archiver_operations_total{kind=\"VERIFY\",outcome=\"done\"} 1",
            "portolan_archiver_verify_problems_total 3",
            "portolan_archiver_expired_documents_total 4",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
