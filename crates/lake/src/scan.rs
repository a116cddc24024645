//! Scanning a pinned version: plan by statistics, then stream rows with bounded memory.

use bson::RawDocumentBuf;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::{DataFile, LakeError, Predicate, Table, Version};

/// One row of a scan.
#[derive(Debug, Clone)]
pub struct Row {
    /// The document's bytes.
    pub doc: RawDocumentBuf,
    /// Number of its move.
    pub seq: i64,
    /// Number of its batch.
    pub batch: i32,
    /// Set when a hold keeps a superseded row.
    pub superseded_by: Option<i64>,
    /// BLAKE3 of the document, as stored.
    pub hash: [u8; 32],
    /// Index into [`Version::files`].
    pub file_index: usize,
}

/// What a scan will read.
#[derive(Clone)]
pub struct ScanPlan {
    /// Files of the version.
    pub files_total: usize,
    /// Files that the statistics could not rule out.
    pub files_read: usize,
    /// Bytes of all files.
    pub bytes_total: u64,
    /// Bytes of the files to read.
    pub bytes_read: u64,
    /// The files to read, with their index in [`Version::files`].
    pub files: Vec<(usize, DataFile)>,
    table: Table,
    predicate: Predicate,
}

impl Table {
    /// Plans a scan of `version`.
    #[must_use]
    pub fn scan(&self, version: &Version, predicate: &Predicate) -> ScanPlan {
        let files: Vec<_> = version.files.iter().cloned().enumerate().collect();
        ScanPlan {
            files_total: files.len(),
            files_read: files.len(),
            bytes_total: 0,
            bytes_read: 0,
            files,
            table: self.clone(),
            predicate: predicate.clone(),
        }
    }
}

impl ScanPlan {
    /// The rows that the predicate could not rule out, file by file.
    #[must_use]
    pub fn rows(self) -> BoxStream<'static, Result<Row, LakeError>> {
        let _ = (self.table, self.predicate);
        futures::stream::iter([Err(LakeError::Unsupported("scans are not built yet".into()))]).boxed()
    }
}
