//! The section `archiver`: cadence and sizes of archive runs, what they may ask of clusters, and the care
//! for what archives hold.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, ensure};
use portolan_archiver::{ArchiverOptions, LoadHours, LoadLimits, LoadRules, Prices};
use portolan_model::ClusterId;
use serde::Deserialize;

/// Cadence and sizes of archive runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Archiver {
    /// Pause between two runs of an archive that has much to move.
    pub(crate) interval_ms: u64,
    /// The longest pause, reached in steps of `interval_ms` while there is little to move.
    pub(crate) interval_max_ms: u64,
    /// Raw bytes of one move.
    pub(crate) move_bytes_max: u64,
    /// After the first seven days an archive waits until so many bytes are cold.
    pub(crate) run_bytes_min: u64,
    /// How long files of a deleted archive stay.
    pub(crate) deleted_grace_ms: u64,
    /// How long a lease lasts without renewal.
    pub(crate) lease_ttl_ms: u64,
    /// Most documents in one batch of deletes.
    pub(crate) batch_documents_max: usize,
    /// Most bytes in one batch of deletes.
    pub(crate) batch_bytes_max: usize,
    /// Bytes a second of one cluster; 0 is no limit, as in the three that follow.
    pub(crate) bytes_per_s_max: u64,
    /// Operations a second of one cluster.
    pub(crate) operations_per_s_max: u64,
    /// Lag of the secondaries over which runs wait.
    pub(crate) lag_max_ms: u64,
    /// Time of a command over which runs rest.
    pub(crate) latency_max_ms: u64,
    /// Limits and window of single clusters, by id.
    pub(crate) clusters: BTreeMap<String, ClusterLoad>,
    /// Days of the week on which moves may begin, `MON` to `SUN`; none: every day.
    pub(crate) window_days: Vec<String>,
    /// When they may begin on those days, UTC.
    pub(crate) window_start: String,
    /// Until when; at or before the start: on the next day.
    pub(crate) window_end: String,
    /// Whether documents expire while their archive is paused.
    pub(crate) expire_while_paused: bool,
    /// Distance between two looks at what an archive holds.
    pub(crate) upkeep_interval_ms: u64,
    /// So many small files of a month and of like size are put together; 0: none are.
    pub(crate) compaction_files_min: usize,
    /// Files of at least so many bytes are not put together.
    pub(crate) compaction_file_bytes_max: u64,
    /// Raw bytes of documents that compaction holds in memory, about.
    pub(crate) compaction_memory_bytes_max: u64,
    /// What a gigabyte of documents in a cluster costs in a month; without it estimates tell no cost.
    pub(crate) cluster_price_gb_month: Option<f64>,
    /// The same of files in the archives' storage.
    pub(crate) archive_price_gb_month: Option<f64>,
}

/// A window from midnight to midnight is the whole day.
const MIDNIGHT: &str = "00:00";

fn hours(days: &[String], start: &str, end: &str) -> Result<LoadHours> {
    LoadHours::new(days, start, end)
        .map_err(|why| anyhow!("archiver.window_days, window_start, window_end: {why}"))
}

/// Limits of one cluster; those left out are the ones of all clusters.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClusterLoad {
    bytes_per_s_max: Option<u64>,
    operations_per_s_max: Option<u64>,
    lag_max_ms: Option<u64>,
    latency_max_ms: Option<u64>,
    window_days: Option<Vec<String>>,
    window_start: Option<String>,
    window_end: Option<String>,
}

impl Default for Archiver {
    /// Five minutes, stretched to four hours, 5 MiB after seven days, five days of grace: as the
    /// Atlas documentation describes Online Archive.
    fn default() -> Self {
        let LoadLimits { bytes_per_s, operations_per_s, lag_ms, latency_ms, .. } =
            LoadLimits::default();
        let options = ArchiverOptions::default();
        let compaction = options.compaction;
        Self {
            interval_ms: 5 * 60_000,
            interval_max_ms: 4 * 3_600_000,
            move_bytes_max: options.move_bytes_max,
            run_bytes_min: options.bytes_min,
            deleted_grace_ms: 5 * 86_400_000,
            lease_ttl_ms: options.lease_ttl_ms,
            batch_documents_max: options.batch_documents_max,
            batch_bytes_max: options.batch_bytes_max,
            bytes_per_s_max: bytes_per_s,
            operations_per_s_max: operations_per_s,
            lag_max_ms: lag_ms,
            latency_max_ms: latency_ms,
            clusters: BTreeMap::new(),
            window_days: Vec::new(),
            window_start: MIDNIGHT.to_owned(),
            window_end: MIDNIGHT.to_owned(),
            expire_while_paused: options.expire_while_paused,
            upkeep_interval_ms: options.upkeep_interval_ms.unsigned_abs(),
            compaction_files_min: compaction.files_min,
            compaction_file_bytes_max: compaction.large_bytes,
            compaction_memory_bytes_max: compaction.raw_bytes_max,
            cluster_price_gb_month: None,
            archive_price_gb_month: None,
        }
    }
}

impl Archiver {
    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            self.interval_ms > 0 && self.interval_max_ms >= self.interval_ms,
            "archiver.interval_max_ms must not be below archiver.interval_ms, which must not be 0"
        );
        ensure!(
            (1 << 20..=1 << 30).contains(&self.move_bytes_max),
            "archiver.move_bytes_max goes from 1 MiB to 1 GiB"
        );
        ensure!(self.lease_ttl_ms >= 3_000, "archiver.lease_ttl_ms must be at least 3000");
        ensure!(
            (1..=500).contains(&self.batch_documents_max)
                && (1..=4 << 20).contains(&self.batch_bytes_max),
            "archiver.batch_documents_max goes to 500, archiver.batch_bytes_max to 4 MiB"
        );
        ensure!(
            self.upkeep_interval_ms >= 1_000,
            "archiver.upkeep_interval_ms must be at least 1000"
        );
        ensure!(
            self.compaction_files_min != 1 && self.compaction_memory_bytes_max >= 1 << 20,
            "archiver.compaction_files_min must be 0 or at least 2, \
             archiver.compaction_memory_bytes_max at least 1 MiB"
        );
        let prices = [self.cluster_price_gb_month, self.archive_price_gb_month];
        ensure!(
            prices.into_iter().flatten().all(|price| price.is_finite() && price >= 0.0),
            "archiver.cluster_price_gb_month and archiver.archive_price_gb_month must not be below 0"
        );
        self.load().map(|_| ())
    }

    /// What storage costs.
    pub(crate) const fn prices(&self) -> Prices {
        Prices {
            cluster_gb_month: self.cluster_price_gb_month,
            archive_gb_month: self.archive_price_gb_month,
        }
    }

    /// What may be asked of clusters.
    pub(crate) fn load(&self) -> Result<LoadRules> {
        let usual = LoadLimits {
            bytes_per_s: self.bytes_per_s_max,
            operations_per_s: self.operations_per_s_max,
            lag_ms: self.lag_max_ms,
            latency_ms: self.latency_max_ms,
            hours: hours(&self.window_days, &self.window_start, &self.window_end)?,
        };
        let mut rules = LoadRules { usual, ..LoadRules::default() };
        for (id, own) in &self.clusters {
            let id: ClusterId = id
                .parse()
                .with_context(|| format!("archiver.clusters: {id} is no cluster's id"))?;
            let limits = LoadLimits {
                bytes_per_s: own.bytes_per_s_max.unwrap_or(usual.bytes_per_s),
                operations_per_s: own.operations_per_s_max.unwrap_or(usual.operations_per_s),
                lag_ms: own.lag_max_ms.unwrap_or(usual.lag_ms),
                latency_ms: own.latency_max_ms.unwrap_or(usual.latency_ms),
                hours: hours(
                    own.window_days.as_ref().unwrap_or(&self.window_days),
                    own.window_start.as_ref().unwrap_or(&self.window_start),
                    own.window_end.as_ref().unwrap_or(&self.window_end),
                )?,
            };
            rules.of_cluster.insert(id, limits);
        }
        Ok(rules)
    }
}
