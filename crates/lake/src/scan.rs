//! Scanning a pinned version: plan by statistics, then stream rows with bounded memory.

use std::sync::Arc;

use bson::RawDocumentBuf;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::files::Files;
use crate::prune::Select;
use crate::read::StoredRow;
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
    /// BLAKE3 of the document; it was checked against the bytes.
    pub hash: [u8; 32],
    /// Index into [`Version::files`].
    pub file_index: usize,
}

impl Row {
    fn new(row: StoredRow, file_index: usize) -> Self {
        Self {
            doc: row.doc,
            seq: row.place.seq,
            batch: row.place.batch,
            superseded_by: row.place.superseded_by,
            hash: row.hash,
            file_index,
        }
    }
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
    /// Bytes of the files to read; parts of them may still be skipped.
    pub bytes_read: u64,
    /// The files to read, with their index in [`Version::files`].
    pub files: Vec<(usize, DataFile)>,
    source: Files,
    select: Arc<Select>,
}

impl Table {
    /// Plans a scan of `version`.
    #[must_use]
    pub fn scan(&self, version: &Version, predicate: &Predicate) -> ScanPlan {
        self.plan(&version.files, Select::new(predicate, self.spec()))
    }

    /// Streams every row of one file of a version.
    #[must_use]
    pub fn rows_of(
        &self,
        version: &Version,
        file_index: usize,
    ) -> BoxStream<'static, Result<Row, LakeError>> {
        let file = version.files.get(file_index).cloned();
        let files: Vec<DataFile> = file.into_iter().collect();
        let rows = self.plan(&files, Select::default()).rows();
        rows.map_ok(move |row| Row { file_index, ..row }).boxed()
    }

    /// Plans reading `files` (all files of a version, or of a move that is being verified).
    pub(crate) fn plan(&self, all: &[DataFile], select: Select) -> ScanPlan {
        let files: Vec<_> =
            all.iter().cloned().enumerate().filter(|(_, file)| select.file(file)).collect();
        ScanPlan {
            files_total: all.len(),
            files_read: files.len(),
            bytes_total: all.iter().map(|file| file.size_bytes).sum(),
            bytes_read: files.iter().map(|(_, file)| file.size_bytes).sum(),
            files,
            source: self.files().clone(),
            select: Arc::new(select),
        }
    }
}

impl ScanPlan {
    /// The rows that could not be ruled out, file by file, in file order. An error ends the stream:
    /// there is no partial answer.
    #[must_use]
    pub fn rows(self) -> BoxStream<'static, Result<Row, LakeError>> {
        let rows = self.stored_rows();
        rows.map_ok(|(file_index, row)| Row::new(row, file_index)).boxed()
    }

    pub(crate) fn stored_rows(self) -> BoxStream<'static, Result<(usize, StoredRow), LakeError>> {
        let Self { files, source, select, .. } = self;
        futures::stream::iter(files)
            .then(move |(index, file)| {
                let (source, select) = (source.clone(), Arc::clone(&select));
                async move {
                    let open = source.open(&file.path, file.size_bytes).await?;
                    let rows = open.rows(&select)?;
                    Ok::<_, LakeError>(rows.map_ok(move |row| (index, row)))
                }
            })
            .try_flatten()
            .scan(false, |failed, item| {
                let ended = std::mem::replace(failed, item.is_err());
                std::future::ready((!ended).then_some(item))
            })
            .boxed()
    }
}

impl std::fmt::Debug for ScanPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScanPlan({} of {} files)", self.files_read, self.files_total)
    }
}
