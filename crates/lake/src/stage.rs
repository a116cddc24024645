//! Staging: documents become files of one move, sorted, cut into batches, uploaded under names that
//! are used once.

use std::collections::HashMap;

use bson::RawDocumentBuf;
use serde::{Deserialize, Serialize};

use crate::{LakeError, Table};

/// How a move is to be staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRequest {
    /// Number of the move.
    pub seq: i64,
    /// Epoch that the worker acts under.
    pub epoch: i64,
    /// When the documents count as archived.
    pub archived_at_ms: i64,
    /// Most documents in a batch.
    pub batch_documents_max: usize,
    /// Most bytes of documents in a batch (a single larger document is a batch of its own).
    pub batch_bytes_max: usize,
}

impl StageRequest {
    /// A request with the usual batches: 500 documents, 4 MiB.
    #[must_use]
    pub fn new(seq: i64, epoch: i64, archived_at_ms: i64) -> Self {
        Self { seq, epoch, archived_at_ms, batch_documents_max: 500, batch_bytes_max: 4 << 20 }
    }
}

/// The uploaded files of one move, not yet part of the table.
#[derive(Debug, Clone, Default)]
pub struct Staged {
    /// The files.
    pub files: Vec<StagedFile>,
    /// Documents in them.
    pub documents: u64,
    /// Bytes of the documents before encoding.
    pub bytes_raw: u64,
    /// What the files must hold.
    pub declared: Declared,
    /// Number of batches (0 to `batches` − 1).
    pub batches: i32,
}

/// One uploaded file. Kept in the control database until the move is confirmed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagedFile {
    /// Path relative to the table.
    pub path: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// The store's entity tag, where it gives one.
    pub etag: Option<String>,
    /// Rows in it.
    pub rows: u64,
    /// Partition value, in tables with a month.
    pub month: Option<String>,
    /// Statistics as they will stand in the log (JSON).
    pub stats: String,
    /// When it was staged.
    pub staged_at_ms: i64,
}

/// The rows that files must hold, as a multiset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    pub(crate) rows: HashMap<DeclaredRow, u32>,
}

/// What identifies a row for verification.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeclaredRow {
    /// Identity of the document.
    pub identity: Vec<u8>,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// Number of its move.
    pub seq: i64,
    /// Number of its batch.
    pub batch: i32,
}

impl Declared {
    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &DeclaredRow> {
        self.rows.keys()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.rows.values().map(|&count| u64::from(count)).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn add(&mut self, row: DeclaredRow) {
        *self.rows.entry(row).or_default() += 1;
    }
}

impl Table {
    /// Sorts `docs`, cuts them into batches and uploads them under names that are used once. Nothing
    /// is part of the table yet.
    ///
    /// # Errors
    /// [`LakeError::Invalid`] when two documents have one identity or a document has no `_id`;
    /// storage errors.
    pub async fn stage(
        &self,
        request: StageRequest,
        docs: Vec<RawDocumentBuf>,
    ) -> Result<Staged, LakeError> {
        let _ = (request, docs);
        Err(LakeError::Unsupported("staging is not built yet".into()))
    }
}
