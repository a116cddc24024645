//! What an operator tunes while a cluster serves: a time limit for reads that name none
//! (`defaultMaxTimeMS`), and whether queries without an index are refused (`notablescan`). Both are
//! server parameters of MongoDB (<https://www.mongodb.com/docs/manual/reference/parameters/>).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Commands that the default time limit is for.
const READS: [&str; 4] = ["aggregate", "count", "distinct", "find"];

/// The settings in force. They may change at any time; a command obeys those that it began with.
#[derive(Debug, Default)]
pub struct Tuning {
    /// 0: none.
    default_max_time_ms: AtomicU64,
    no_table_scan: AtomicBool,
}

impl Tuning {
    /// Changes the settings.
    pub fn set(&self, default_max_time_ms: Option<u64>, no_table_scan: bool) {
        self.default_max_time_ms.store(default_max_time_ms.unwrap_or(0), Ordering::Relaxed);
        self.no_table_scan.store(no_table_scan, Ordering::Relaxed);
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
