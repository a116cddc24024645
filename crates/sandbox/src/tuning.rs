//! What an operator tunes while a cluster serves: a time limit for reads that name none
//! (`defaultMaxTimeMS`), whether queries without an index are refused (`notablescan`), and how long a
//! transaction may be open (`transactionLifetimeLimitSeconds`). They are server parameters of MongoDB (<https://www.mongodb.com/docs/manual/reference/parameters/>).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Commands that the default time limit is for.
const READS: [&str; 4] = ["aggregate", "count", "distinct", "find"];

/// A transaction that is open for longer is given up, as on MongoDB by default.
pub(crate) const TRANSACTION_LIFETIME_MS: u64 = 60_000;

/// The settings in force. They may change at any time; a command obeys those that it began with.
#[derive(Debug, Default)]
pub struct Tuning {
    /// 0: none.
    default_max_time_ms: AtomicU64,
    no_table_scan: AtomicBool,
    /// 0: the default.
    transaction_lifetime_s: AtomicU64,
}

impl Tuning {
    /// Changes the settings.
    pub fn set(&self, default_max_time_ms: Option<u64>, no_table_scan: bool) {
        self.default_max_time_ms.store(default_max_time_ms.unwrap_or(0), Ordering::Relaxed);
        self.no_table_scan.store(no_table_scan, Ordering::Relaxed);
    }

    /// Changes how long transactions that begin from now on may be open, in seconds; `None`: the
    /// default.
    pub fn set_transaction_lifetime(&self, limit_s: Option<u64>) {
        self.transaction_lifetime_s.store(limit_s.unwrap_or(0), Ordering::Relaxed);
    }

    /// How long a transaction may be open.
    pub(crate) fn transaction_lifetime_ms(&self) -> u64 {
        match self.transaction_lifetime_s.load(Ordering::Relaxed) {
            0 => TRANSACTION_LIFETIME_MS,
            limit_s => limit_s.saturating_mul(1_000),
        }
    }

    /// The time limit of a command that names none.
    pub(crate) fn max_time_ms(&self, command: &str) -> Option<u64> {
        let limit_ms = self.default_max_time_ms.load(Ordering::Relaxed);
        (limit_ms > 0 && READS.contains(&command)).then_some(limit_ms)
    }

    /// Whether all of a collection may not be read. MongoDB spares its own databases.
    pub(crate) fn refuses_table_scans(&self, database: &str) -> bool {
        let spared = matches!(database, "admin" | "config" | "local");
        !spared && self.no_table_scan.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
