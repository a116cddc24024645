//! Verification of staged files: read back with the readers' code, recompute everything.
//!
//! A wrong key, month or bound would hide a row from every query while its document is deleted at
//! the source. So nothing that a file claims is believed: all of it is computed again from `_doc`.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::files::OpenFile;
use crate::layout::{Column, Kind, Layout};
use crate::prune::{Keys, Select};
use crate::read::stored_rows;
use crate::row::{Cell, Derived, derive};
use crate::stats::FileStats;
use crate::{DataFile, DeclaredRow, LakeError, Staged, StagedFile, Table, VerifyError};

/// Besides the first and the last row of each row group, every so many rows are looked up.
const SAMPLE_STEP: u64 = 20_000;

impl Table {
    /// Reads the uploaded files back and checks that they hold exactly the declared rows, that
    /// hash, identity, keys, typed columns and month follow from each document, that the statistics
    /// contain every row, and that sampled rows are found through the pruning planner.
    ///
    /// # Errors
    /// [`LakeError::Unverified`] with the first difference; storage errors.
    pub async fn verify(&self, staged: &Staged) -> Result<(), VerifyError> {
        let files: Vec<DataFile> =
            staged.files.iter().map(StagedFile::to_data_file).collect::<Result<_, _>>()?;
        let mut check = Check::new(staged);
        for file in &staged.files {
            self.verify_object(file).await?;
            self.verify_bytes(file).await?;
            self.verify_file(file, &mut check).await?;
        }
        check.finish()?;
        for sample in check.samples {
            self.verify_found(&files, &sample).await?;
        }
        Ok(())
    }

    /// The object has the length and the tag that the upload reported.
    pub(crate) async fn verify_object(&self, file: &StagedFile) -> Result<(), LakeError> {
        let meta = self.objects().head(&Path::from(file.path.as_str())).await?;
        if meta.size != file.size_bytes {
            let (path, size, stored) = (&file.path, file.size_bytes, meta.size);
            return Err(unverified(format!("{path} has {stored} bytes instead of {size}")));
        }
        match (&file.etag, &meta.e_tag) {
            (Some(expected), Some(stored)) if expected != stored => {
                Err(unverified(format!("{} has another entity tag", file.path)))
            }
            _ => Ok(()),
        }
    }

    /// The object holds the bytes that were sent: also those that only other readers look at.
    async fn verify_bytes(&self, file: &StagedFile) -> Result<(), LakeError> {
        let object = self.objects().get(&Path::from(file.path.as_str())).await?;
        let mut hasher = blake3::Hasher::new();
        let mut chunks = object.into_stream();
        while let Some(chunk) = chunks.try_next().await? {
            hasher.update(&chunk);
        }
        if hasher.finalize().to_hex().as_str() == file.checksum {
            return Ok(());
        }
        Err(unverified(format!("{} does not hold the bytes that were sent", file.path)))
    }

    async fn verify_file(&self, file: &StagedFile, check: &mut Check<'_>) -> Result<(), LakeError> {
        let open = self.files().open(&file.path, file.size_bytes).await?;
        check.begin(file, &open)?;
        let mut batches = open.batches()?;
        while let Some(batch) = batches.try_next().await? {
            check.batch(&batch, file, self)?;
            // Checking is work for the processor: let others run in between.
            tokio::task::yield_now().await;
        }
        check.end(file)
    }

    /// A query for exactly this document's keys must find it.
    async fn verify_found(&self, files: &[DataFile], sample: &Sample) -> Result<(), LakeError> {
        let keys = sample
            .keys
            .iter()
            .map(|(column, key)| (*column, Keys::Points([key.clone()].into_iter().collect())));
        let select = Select { keys: keys.collect(), ..Select::default() };
        let mut rows = self.plan(files, select).rows();
        while let Some(row) = rows.try_next().await? {
            if row.hash == sample.hash && self.spec().identity(&row.doc) == sample.identity {
                return Ok(());
            }
        }
        Err(unverified(format!("a row of {} is not found by its keys", sample.path)))
    }
}

impl StagedFile {
    /// The file as a version that holds it would show it.
    pub(crate) fn to_data_file(&self) -> Result<DataFile, LakeError> {
        let file = DataFile::new(
            self.path.clone(),
            self.size_bytes,
            self.month.clone(),
            self.staged_at_ms,
            FileStats::parse(&self.stats)?,
        );
        Ok(DataFile { bytes_raw: self.bytes_raw, ..file })
    }
}

fn unverified(what: String) -> LakeError {
    LakeError::Unverified(what)
}

/// A row that must be found again.
struct Sample {
    path: String,
    identity: Vec<u8>,
    hash: [u8; 32],
    keys: Vec<(&'static str, String)>,
}

/// What was seen so far.
struct Check<'a> {
    /// Declared rows that were not seen yet.
    missing: HashMap<&'a DeclaredRow, u32>,
    identities: HashSet<(i64, Vec<u8>)>,
    samples: Vec<Sample>,
    stats: FileStats,
    rows: u64,
    /// Row numbers in the file at hand that are looked up later.
    sampled: HashSet<u64>,
}

impl<'a> Check<'a> {
    fn new(staged: &'a Staged) -> Self {
        let missing = staged.declared.rows.iter().map(|(row, count)| (row, *count)).collect();
        Self {
            missing,
            identities: HashSet::new(),
            samples: Vec::new(),
            stats: FileStats::default(),
            rows: 0,
            sampled: HashSet::new(),
        }
    }

    fn begin(&mut self, file: &StagedFile, open: &OpenFile) -> Result<(), LakeError> {
        self.stats = FileStats::parse(&file.stats)?;
        self.rows = 0;
        self.sampled.clear();
        let mut first = 0;
        for rows in open.row_groups() {
            self.sampled.extend([first, (first + rows).saturating_sub(1)]);
            first += rows;
        }
        self.sampled.extend((0..first).step_by(SAMPLE_STEP as usize));
        Ok(())
    }

    fn batch(
        &mut self,
        batch: &RecordBatch,
        file: &StagedFile,
        table: &Table,
    ) -> Result<(), LakeError> {
        let stored = stored_rows(batch, &file.path)?;
        for (index, row) in stored.into_iter().enumerate() {
            let derived = derive(&row.doc, table.spec())?;
            let identity = table.spec().identity(&row.doc);
            if derived.month != file.month {
                return Err(unverified(format!("{}: a row of another month", file.path)));
            }
            let expected = (&derived, &row.place.cells());
            check_columns((batch, index), expected, &self.stats, table.layout(), &file.path)?;
            if self.sampled.contains(&self.rows) {
                self.samples.push(sample(&derived, &identity, row.hash, table, file));
            }
            let (seq, batch) = (row.place.seq, row.place.batch);
            self.declared(DeclaredRow { identity, hash: row.hash, seq, batch }, file)?;
            self.rows += 1;
        }
        Ok(())
    }

    fn declared(&mut self, row: DeclaredRow, file: &StagedFile) -> Result<(), LakeError> {
        match self.missing.get_mut(&row) {
            Some(count) if *count > 0 => *count -= 1,
            _ => return Err(unverified(format!("{}: a row that was not declared", file.path))),
        }
        if !self.identities.insert((row.seq, row.identity)) {
            return Err(unverified(format!("{}: two rows of one document", file.path)));
        }
        Ok(())
    }

    fn end(&self, file: &StagedFile) -> Result<(), LakeError> {
        if self.rows != file.rows || self.stats.rows != Some(file.rows) {
            let (path, declared, rows) = (&file.path, file.rows, self.rows);
            return Err(unverified(format!("{path} has {rows} rows instead of {declared}")));
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), LakeError> {
        match self.missing.values().filter(|&&count| count > 0).count() {
            0 => Ok(()),
            count => Err(unverified(format!("{count} declared rows are not in the files"))),
        }
    }
}

/// Every stored value is what the document says, and within the statistics.
pub(crate) fn check_columns(
    (batch, row): (&RecordBatch, usize),
    (derived, place): (&Derived, &[Cell; 4]),
    stats: &FileStats,
    layout: &Layout,
    path: &str,
) -> Result<(), LakeError> {
    let expected = derived.cells.iter().chain(place);
    for (column, expected) in layout.cell_columns().iter().zip(expected) {
        let name = &column.name;
        if stored_cell(batch, column, row).as_ref() != Some(expected) {
            return Err(unverified(format!("{path}: {name} does not follow from the document")));
        }
        if column.stats && !stats.contain(name, expected) {
            return Err(unverified(format!("{path}: the statistics of {name} leave out a row")));
        }
    }
    Ok(())
}

fn sample(
    derived: &Derived,
    identity: &[u8],
    hash: [u8; 32],
    table: &Table,
    file: &StagedFile,
) -> Sample {
    let columns = Layout::key_columns(table.spec());
    let keys = columns.iter().zip(&derived.cells[1..]).filter_map(|((name, _), cell)| match cell {
        Cell::Text(key) => Some((*name, key.clone())),
        _ => None,
    });
    Sample { path: file.path.clone(), identity: identity.to_owned(), hash, keys: keys.collect() }
}

/// The value in a file; `None` when the column is not as laid out.
fn stored_cell(batch: &RecordBatch, column: &Column, row: usize) -> Option<Cell> {
    let array = batch.column_by_name(&column.name)?;
    if array.is_null(row) {
        return Some(Cell::Null);
    }
    Some(match column.kind {
        Kind::Text => Cell::Text(array.as_string_opt::<i32>()?.value(row).to_owned()),
        Kind::Int => Cell::Int(array.as_primitive_opt::<Int32Type>()?.value(row)),
        Kind::Long => Cell::Long(array.as_primitive_opt::<Int64Type>()?.value(row)),
        Kind::Timestamp => {
            Cell::Timestamp(array.as_primitive_opt::<TimestampMicrosecondType>()?.value(row))
        }
        Kind::Binary => return None,
    })
}

#[cfg(test)]
mod tests;
