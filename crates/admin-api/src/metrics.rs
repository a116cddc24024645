//! Counters of the API, in the Prometheus text format at `/metrics`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    operation: &'static str,
    status: u16,
}

/// Requests by operation and status, and how long they took.
#[derive(Debug, Clone)]
pub struct ApiMetrics {
    requests: Family<Labels, Counter>,
    seconds: Histogram,
}

impl ApiMetrics {
    /// Makes the metrics and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            seconds: Histogram::new([0.005, 0.02, 0.1, 0.5, 2.0, 10.0]),
        };
        let help = "Requests to the Admin API by operation and status";
        registry.register("portolan_api_requests", help, metrics.requests.clone());
        let help = "Time from a request's first byte to its answer";
        registry.register("portolan_api_request_seconds", help, metrics.seconds.clone());
        metrics
    }

    pub(crate) fn observe(&self, operation: &'static str, status: u16, duration_ms: u64) {
        self.requests.get_or_create(&Labels { operation, status }).inc();
        let ms = u32::try_from(duration_ms).unwrap_or(u32::MAX);
        self.seconds.observe(f64::from(ms) / 1000.0);
    }
}
