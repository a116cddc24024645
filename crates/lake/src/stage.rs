//! Staging: documents become files of one move, sorted, cut into batches, uploaded under names that
//! are used once.

use std::collections::{HashMap, HashSet};

use bson::RawDocumentBuf;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::row::{Cell, FileRow, Place, derive};
use crate::write::Encoded;
use crate::{LakeError, Table, TableSpec, hash};

/// Documents of one file hold at most so many bytes before encoding.
const FILE_BYTES_RAW_MAX: usize = 1 << 30;

/// Uploads of one file that are tried, each under a name of its own.
const UPLOAD_ATTEMPTS_MAX: u32 = 3;

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

/// One uploaded file. Kept in the control database until the move is confirmed or abandoned, and no longer:
/// its bounds may be an `_id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagedFile {
    /// Path relative to the table.
    pub path: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// The store's entity tag, where it gives one.
    pub etag: Option<String>,
    /// BLAKE3 of the object's bytes as they were sent, in hex.
    pub checksum: String,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of their documents; files that were staged by an older program do not tell.
    #[serde(default)]
    pub bytes_raw: Option<u64>,
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
    /// Sorts `docs`, cuts them into batches and uploads them under names that are used once.
    /// Nothing is part of the table yet.
    ///
    /// # Errors
    /// [`LakeError::Invalid`] when two documents have one identity or a document has no `_id`;
    /// storage errors.
    pub async fn stage(
        &self,
        request: StageRequest,
        docs: Vec<RawDocumentBuf>,
    ) -> Result<Staged, LakeError> {
        let spec = self.spec().clone();
        let plan = self.runtime().spawn_blocking({
            let request = request.clone();
            move || plan(&request, docs, &spec)
        });
        let Plan { groups, mut staged } = plan.await??;
        for group in groups {
            staged.files.push(self.write_file(request.seq, request.epoch, group).await?);
        }
        Ok(staged)
    }

    /// Encodes rows of one month and uploads them.
    pub(crate) async fn write_file(
        &self,
        seq: i64,
        epoch: i64,
        rows: Vec<FileRow>,
    ) -> Result<StagedFile, LakeError> {
        let month = rows.first().and_then(|row| row.derived.month.clone());
        let bytes_raw = Some(rows.iter().map(|row| row.doc.as_bytes().len() as u64).sum());
        let files = self.files().clone();
        let encode = self.runtime().spawn_blocking(move || files.encode(&rows));
        let Encoded { bytes, stats, rows } = encode.await??;
        let size_bytes = bytes.len() as u64;
        let checksum = blake3::hash(&bytes).to_hex().to_string();
        let bytes = Bytes::from(bytes);
        let (path, etag) = self.upload(seq, epoch, month.as_deref(), bytes).await?;
        let staged_at_ms = self.runtime().now_ms();
        let stats = stats.to_json();
        let file = StagedFile {
            path,
            size_bytes,
            etag,
            checksum,
            rows,
            bytes_raw,
            month,
            stats,
            staged_at_ms,
        };
        Ok(file)
    }

    /// Uploads under a fresh name; an attempt whose fate is not known gets another name, and its
    /// object, if there is one, is left to clean-up.
    async fn upload(
        &self,
        seq: i64,
        epoch: i64,
        month: Option<&str>,
        bytes: Bytes,
    ) -> Result<(String, Option<String>), LakeError> {
        let mut attempt = 1;
        loop {
            let path = self.fresh_path(seq, epoch, month);
            let put = async {
                let location = Path::from(path.as_str());
                let options = PutOptions::from(PutMode::Create);
                let put = self.objects().put_opts(&location, bytes.clone().into(), options).await;
                put.map_err(LakeError::from)
            };
            match self.runtime().effect("lake.upload", put).await {
                Ok(put) => return Ok((path, put.e_tag)),
                Err(error) if attempt >= UPLOAD_ATTEMPTS_MAX => return Err(error),
                Err(error) => {
                    tracing::warn!(path, attempt, %error, "upload again under a new name")
                }
            }
            attempt += 1;
        }
    }

    fn fresh_path(&self, seq: i64, epoch: i64, month: Option<&str>) -> String {
        let random = hex::encode(self.runtime().random_bytes::<8>());
        let name = format!("part-{seq}-{epoch}-{random}.parquet");
        match month {
            Some(month) => format!("month={month}/{name}"),
            None => name,
        }
    }
}

/// Rows of each file to be, and what is known of the move before its files are written.
struct Plan {
    groups: Vec<Vec<FileRow>>,
    staged: Staged,
}

fn plan(
    request: &StageRequest,
    docs: Vec<RawDocumentBuf>,
    spec: &TableSpec,
) -> Result<Plan, LakeError> {
    let mut staged = Staged::default();
    let mut rows = Vec::with_capacity(docs.len());
    for doc in docs {
        staged.documents += 1;
        staged.bytes_raw += doc.as_bytes().len() as u64;
        let derived = derive(&doc, spec)?;
        let archived_at_us = request.archived_at_ms.saturating_mul(1_000);
        let place = Place { archived_at_us, seq: request.seq, ..Place::default() };
        rows.push(FileRow { hash: hash(&doc), doc, derived, place });
    }
    sort(&mut rows, spec);
    staged.batches = number_batches(&mut rows, request);
    staged.declared = declare(&rows, spec)?;
    Ok(Plan { groups: split(rows), staged })
}

/// Sorts rows by month and in the order of files. Rows of one document keep their order.
pub(crate) fn sort(rows: &mut [FileRow], spec: &TableSpec) {
    let keys = Layout::key_columns(spec).len();
    rows.sort_by(|a, b| {
        let month = a.derived.month.cmp(&b.derived.month);
        month.then_with(|| sort_key(a, keys).cmp(sort_key(b, keys)))
    });
}

/// Order of rows in a file: partition keys, then the key of `_id`.
fn sort_key(row: &FileRow, keys: usize) -> impl Iterator<Item = &Cell> + use<'_> {
    // Cell 0 is the text of `_id`, cell 1 its key, then come the keys of the partition fields.
    row.derived.cells[2..=keys].iter().chain(&row.derived.cells[1..2])
}

/// Numbers the batches, contiguous in file order; gives their number.
fn number_batches(rows: &mut [FileRow], request: &StageRequest) -> i32 {
    let (mut batch, mut documents, mut bytes) = (0, 0, 0);
    for row in rows.iter_mut() {
        let length = row.doc.as_bytes().len();
        let full =
            documents >= request.batch_documents_max || bytes + length > request.batch_bytes_max;
        if documents > 0 && full {
            (batch, documents, bytes) = (batch + 1, 0, 0);
        }
        documents += 1;
        bytes += length;
        row.place.batch = batch;
    }
    if rows.is_empty() { 0 } else { batch + 1 }
}

fn declare(rows: &[FileRow], spec: &TableSpec) -> Result<Declared, LakeError> {
    let mut identities = HashSet::with_capacity(rows.len());
    let mut declared = Declared::default();
    for row in rows {
        let identity = spec.identity(&row.doc);
        if !identities.insert(identity.clone()) {
            let id = row.doc.get("_id").ok().flatten();
            return Err(LakeError::Invalid(format!("two documents with one identity: {id:?}")));
        }
        declared.add(DeclaredRow {
            identity,
            hash: row.hash,
            seq: row.place.seq,
            batch: row.place.batch,
        });
    }
    Ok(declared)
}

/// One group of rows a file: one month, not too many bytes.
pub(crate) fn split(rows: Vec<FileRow>) -> Vec<Vec<FileRow>> {
    let mut groups: Vec<Vec<FileRow>> = Vec::new();
    let mut bytes = 0;
    for row in rows {
        bytes += row.doc.as_bytes().len();
        match groups.last_mut() {
            Some(group)
                if bytes <= FILE_BYTES_RAW_MAX && group[0].derived.month == row.derived.month =>
            {
                group.push(row);
            }
            _ => {
                bytes = row.doc.as_bytes().len();
                groups.push(vec![row]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests;
