//! What can be configured. The defaults of cadence and thresholds are those that the Atlas
//! documentation gives for online archives ("Configure Online Archive", "Online Archive overview").

use portolan_lake::CompactionRule;

use crate::LoadRules;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// What a gigabyte (10⁹ bytes) costs in a month, in whatever currency the operator counts. Without a price
/// nothing is said about costs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Prices {
    /// Of documents in the cluster, counted before the cluster compresses them.
    pub cluster_gb_month: Option<f64>,
    /// Of files in the archives' storage.
    pub archive_gb_month: Option<f64>,
}

/// Options of the archiver.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchiverOptions {
    /// Id of this installation: the owner of its tables.
    pub owner: String,
    /// Name of this worker, for people.
    pub holder: String,
    /// Whether this process is the only one that can work on the control database (one process per
    /// folder). Then a lease that another process left behind needs no watching.
    pub exclusive: bool,
    /// How long a lease lasts without renewal.
    pub lease_ttl_ms: u64,
    /// How long after the end of a lease its deletes may still be on their way.
    pub quiet_margin_ms: i64,
    /// The same for clusters of level L0, where nothing bounds it.
    pub quiet_unguarded_ms: i64,
    /// How often to look for due archives when nobody wakes the worker.
    pub poll_ms: u64,
    /// Archives worked on at once.
    pub parallel: usize,
    /// Most bytes of documents in one move; bounds memory.
    pub move_bytes_max: u64,
    /// Most documents in one move.
    pub move_documents_max: usize,
    /// Most documents in one batch of deletes.
    pub batch_documents_max: usize,
    /// Most bytes of documents in one batch of deletes.
    pub batch_bytes_max: usize,
    /// What may be asked of clusters.
    pub load: LoadRules,
    /// Attempts to delete one batch before the run gives up until later.
    pub delete_attempts_max: u32,
    /// First distance between two looks at an archive, and what is added when there is little to move.
    pub interval_ms: i64,
    /// Longest distance between two looks.
    pub interval_max_ms: i64,
    /// So long after its creation an archive moves whatever matches.
    pub small_runs_for_ms: i64,
    /// Later it moves only when so many bytes match.
    pub bytes_min: u64,
    /// First wait after a failure; doubles.
    pub backoff_ms: i64,
    /// Longest wait after a failure.
    pub backoff_max_ms: i64,
    /// How long the files of a deleted archive stay.
    pub purge_after_ms: i64,
    /// Whether documents expire while their archive is paused.
    pub expire_while_paused: bool,
    /// Distance between two looks at what an archive holds: expiry, compaction and clean-up.
    pub upkeep_interval_ms: i64,
    /// Objects that nothing needs stay for so long, on the storage's clock.
    pub clean_up_after_ms: i64,
    /// Entries of a table's log stay for so long (the default of Delta tables is 30 days).
    pub log_kept_ms: i64,
    /// Which small files are put together.
    pub compaction: CompactionRule,
    /// Documents sampled to find the types of the partition fields.
    pub sample_documents: u64,
    /// What storage costs, for estimates.
    pub prices: Prices,
}

impl Default for ArchiverOptions {
    fn default() -> Self {
        Self {
            owner: String::new(),
            holder: "portolan".to_owned(),
            exclusive: false,
            lease_ttl_ms: 30_000,
            quiet_margin_ms: MINUTE_MS,
            quiet_unguarded_ms: 10 * MINUTE_MS,
            poll_ms: 1_000,
            parallel: 2,
            move_bytes_max: 64 << 20,
            move_documents_max: 250_000,
            batch_documents_max: 500,
            batch_bytes_max: 4 << 20,
            load: LoadRules::default(),
            delete_attempts_max: 5,
            interval_ms: 5 * MINUTE_MS,
            interval_max_ms: 4 * 60 * MINUTE_MS,
            small_runs_for_ms: 7 * DAY_MS,
            bytes_min: 5 << 20,
            backoff_ms: 1_000,
            backoff_max_ms: 5 * MINUTE_MS,
            purge_after_ms: 5 * DAY_MS,
            expire_while_paused: true,
            upkeep_interval_ms: 6 * 60 * MINUTE_MS,
            clean_up_after_ms: DAY_MS,
            log_kept_ms: 30 * DAY_MS,
            compaction: CompactionRule::default(),
            sample_documents: 10,
            prices: Prices::default(),
        }
    }
}

impl ArchiverOptions {
    /// The wait after so many failures in a row.
    pub(crate) fn backoff_after(&self, failures: i64) -> i64 {
        let doublings = u32::try_from(failures.clamp(1, 20) - 1).unwrap_or(0);
        self.backoff_ms.saturating_mul(1_i64 << doublings).min(self.backoff_max_ms)
    }
}
