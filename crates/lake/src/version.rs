//! A table at one version: its numbers, its files, what it is for.

use crate::TableSpec;
use crate::layout::{BATCH, ID_KEY, SEQ};
use crate::stats::FileStats;

/// A table as its newest log entry has it.
#[derive(Debug, Clone)]
pub struct Version {
    /// Number of the log entry.
    pub number: i64,
    /// Highest epoch that fenced the table; 0: none yet.
    pub fence: i64,
    /// Token of that epoch.
    pub fence_token: Option<String>,
    /// Number of the last committed move; 0: none yet.
    pub committed: i64,
    /// Number of the last confirmed move; 0: none yet.
    pub confirmed: i64,
    /// The data files.
    pub files: Vec<DataFile>,
    /// What the table is for.
    pub spec: TableSpec,
    /// Highest criteria version that travelled with a commit.
    pub config_version: i64,
    /// Newest version in which another engine changed data, if any was seen.
    pub foreign: Option<i64>,
}

impl Version {
    /// A digest of the names of its files: equal for versions that hold the same files.
    #[must_use]
    pub fn files_digest(&self) -> String {
        let mut paths: Vec<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        paths.sort_unstable();
        blake3::hash(paths.join("\n").as_bytes()).to_hex().to_string()
    }

    /// Bytes of a file for each byte of its documents, over all files that tell; `None`: none does.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no 53 bits")]
    pub fn compression(&self) -> Option<f64> {
        let told = || self.files.iter().filter_map(|file| Some((file.size_bytes, file.bytes_raw?)));
        let stored: u64 = told().map(|(stored, _)| stored).sum();
        let raw: u64 = told().map(|(_, raw)| raw).sum();
        (raw > 0).then(|| stored as f64 / raw as f64)
    }
}

/// One data file of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Path relative to the table.
    pub path: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of their documents; `None` for files that were written before files told it.
    pub bytes_raw: Option<u64>,
    /// Partition value of its rows, in tables with a month.
    pub month: Option<String>,
    /// Least move number of its rows.
    pub seq_min: i64,
    /// Greatest move number of its rows.
    pub seq_max: i64,
    /// Least batch number of its rows.
    pub batch_min: i32,
    /// Greatest batch number of its rows.
    pub batch_max: i32,
    /// Least and greatest prune key of `_id` in it.
    pub id_range: Option<(String, String)>,
    /// When it was written, by the writer's clock.
    pub modified_at_ms: i64,
    pub(crate) stats: FileStats,
}

impl DataFile {
    pub(crate) fn new(
        path: String,
        size_bytes: u64,
        month: Option<String>,
        modified_at_ms: i64,
        stats: FileStats,
    ) -> Self {
        // Without statistics nothing may be ruled out.
        let (seq_min, seq_max) = stats.integers(SEQ).unwrap_or((i64::MIN, i64::MAX));
        let (batch_min, batch_max) = stats.integers(BATCH).unwrap_or((0, i64::from(i32::MAX)));
        let id_range = stats.texts(ID_KEY).map(|(min, max)| (min.to_owned(), max.to_owned()));
        Self {
            path,
            size_bytes,
            rows: stats.rows.unwrap_or(0),
            bytes_raw: None,
            month,
            seq_min,
            seq_max,
            batch_min: i32::try_from(batch_min).unwrap_or(0),
            batch_max: i32::try_from(batch_max).unwrap_or(i32::MAX),
            id_range,
            modified_at_ms,
            stats,
        }
    }

    /// Whether rows of move `seq` may be in it.
    #[must_use]
    pub fn may_hold(&self, seq: i64) -> bool {
        (self.seq_min..=self.seq_max).contains(&seq)
    }
}
