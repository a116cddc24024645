//! The one reader of Parquet files: scans, look-ups and the verifier all come through here.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use bson::RawDocumentBuf;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ArrowReaderOptions, RowFilter};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::SchemaDescriptor;

use crate::layout::{ARCHIVED_AT, BATCH, DOC, DOC_HASH, SEQ, SUPERSEDED_BY};
use crate::prune::Select;
use crate::row::Place;
use crate::{LakeError, hash};

/// Rows decoded at a time, at most.
const BATCH_ROWS_MAX: u64 = 1_024;
/// Bytes decoded at a time, about.
const BATCH_BYTES: u64 = 8 << 20;
/// Bytes read from the end of a file at first: mostly the whole footer.
const FOOTER_BYTES: u64 = 64 << 10;

/// A row as it stands in a file; its hash was checked.
#[derive(Debug, Clone)]
pub(crate) struct StoredRow {
    pub(crate) doc: RawDocumentBuf,
    pub(crate) hash: [u8; 32],
    pub(crate) place: Place,
}

/// An open data file.
pub(crate) struct FileReader {
    path: String,
    builder: ParquetRecordBatchStreamBuilder<ObjectReader>,
}

impl FileReader {
    pub(crate) async fn open(
        objects: &Arc<dyn ObjectStore>,
        path: &str,
        size_bytes: u64,
    ) -> Result<Self, LakeError> {
        let reader =
            ObjectReader { objects: Arc::clone(objects), path: Path::from(path), size_bytes };
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let builder = ParquetRecordBatchStreamBuilder::new_with_options(reader, options)
            .await
            .map_err(|error| broken(path, &error))?;
        Ok(Self { path: path.to_owned(), builder })
    }

    /// Rows of each row group.
    pub(crate) fn row_groups(&self) -> Vec<u64> {
        let groups = self.builder.metadata().row_groups();
        groups.iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).collect()
    }

    /// Streams record batches of the rows that `select` cannot rule out, by row group first and
    /// then row by row, with the given columns (`None`: all).
    pub(crate) fn batches(
        self,
        select: &Arc<Select>,
        columns: Option<&[&str]>,
    ) -> Result<BoxStream<'static, Result<RecordBatch, LakeError>>, LakeError> {
        let Self { path, mut builder } = self;
        let groups: Vec<usize> = (0..builder.metadata().num_row_groups())
            .filter(|&index| select.row_group(builder.metadata().row_group(index)))
            .collect();
        let rows = rows_at_a_time(builder.metadata());
        if !select.is_everything() {
            let filter = row_filter(select, builder.parquet_schema());
            builder = builder.with_row_filter(filter);
        }
        if let Some(columns) = columns {
            let mask = mask(builder.parquet_schema(), columns);
            builder = builder.with_projection(mask);
        }
        let stream = builder.with_row_groups(groups).with_batch_size(rows).build()?;
        Ok(stream.map(move |batch| batch.map_err(|error| broken(&path, &error))).boxed())
    }

    /// Streams the rows that `select` cannot rule out.
    pub(crate) fn rows(
        self,
        select: &Arc<Select>,
    ) -> Result<BoxStream<'static, Result<StoredRow, LakeError>>, LakeError> {
        let path = self.path.clone();
        let columns = [DOC, ARCHIVED_AT, SEQ, BATCH, SUPERSEDED_BY, DOC_HASH];
        let batches = self.batches(select, Some(&columns))?;
        let rows = batches.flat_map(move |batch| {
            let rows = batch.and_then(|batch| stored_rows(&batch, &path));
            match rows {
                Ok(rows) => futures::stream::iter(rows).map(Ok).boxed(),
                Err(error) => futures::stream::iter([Err(error)]).boxed(),
            }
        });
        Ok(rows.boxed())
    }
}

fn broken(path: &str, error: &ParquetError) -> LakeError {
    match error {
        ParquetError::External(inner) => match inner.downcast_ref::<object_store::Error>() {
            Some(object_store::Error::NotFound { .. }) => LakeError::Missing(path.to_owned()),
            Some(other) => LakeError::Retry(format!("{path}: {other}")),
            None => LakeError::Internal(format!("{path}: {inner}")),
        },
        other => LakeError::Internal(format!("{path}: {other}")),
    }
}

/// Few rows at a time where documents are large, so that memory stays bounded.
fn rows_at_a_time(metadata: &ParquetMetaData) -> usize {
    let bytes: i64 = metadata.row_groups().iter().map(|group| group.total_byte_size()).sum();
    let rows = metadata.file_metadata().num_rows().max(1);
    let average = u64::try_from(bytes / rows).unwrap_or(0).max(1);
    usize::try_from((BATCH_BYTES / average).clamp(1, BATCH_ROWS_MAX)).unwrap_or(1)
}

fn mask(schema: &SchemaDescriptor, columns: &[&str]) -> ProjectionMask {
    ProjectionMask::columns(schema, columns.iter().copied())
}

fn row_filter(select: &Arc<Select>, schema: &SchemaDescriptor) -> RowFilter {
    let mask = mask(schema, &select.columns());
    let select = Arc::clone(select);
    let predicate = ArrowPredicateFn::new(mask, move |batch| Ok(keep(&select, &batch)));
    RowFilter::new(vec![Box::new(predicate)])
}

/// Which rows of a batch `select` cannot rule out. A column that is not there rules nothing out.
pub(crate) fn keep(select: &Select, batch: &RecordBatch) -> BooleanArray {
    let mut kept = vec![true; batch.num_rows()];
    for (name, keys) in &select.keys {
        let Some(column) = batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>()) else {
            continue;
        };
        for (row, kept) in kept.iter_mut().enumerate() {
            *kept &= column.is_null(row) || keys.contains(column.value(row));
        }
    }
    if let (Some((low, high)), Some(column)) = (select.seq, batch.column_by_name(SEQ))
        && let Some(column) = column.as_primitive_opt::<Int64Type>()
    {
        kept.iter_mut().zip(column.values()).for_each(|(k, v)| *k &= (low..=high).contains(v));
    }
    if let (Some(wanted), Some(column)) = (select.batch, batch.column_by_name(BATCH))
        && let Some(column) = column.as_primitive_opt::<Int32Type>()
    {
        kept.iter_mut().zip(column.values()).for_each(|(k, v)| *k &= *v == wanted);
    }
    BooleanArray::from(kept)
}

/// Decodes the rows of a batch and checks each document against its stored hash.
pub(crate) fn stored_rows(batch: &RecordBatch, path: &str) -> Result<Vec<StoredRow>, LakeError> {
    let wrong =
        |name: &str| LakeError::Internal(format!("{path}: column {name} is not as laid out"));
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| wrong(name));
    let docs = column(DOC)?.as_binary_opt::<i32>().ok_or_else(|| wrong(DOC))?;
    let hashes = column(DOC_HASH)?.as_binary_opt::<i32>().ok_or_else(|| wrong(DOC_HASH))?;
    let archived = column(ARCHIVED_AT)?
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| wrong(ARCHIVED_AT))?;
    let seqs = column(SEQ)?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong(SEQ))?;
    let batches = column(BATCH)?.as_primitive_opt::<Int32Type>().ok_or_else(|| wrong(BATCH))?;
    let superseded = column(SUPERSEDED_BY)?
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| wrong(SUPERSEDED_BY))?;
    (0..batch.num_rows())
        .map(|row| {
            let place = Place {
                archived_at_us: archived.value(row),
                seq: seqs.value(row),
                batch: batches.value(row),
                superseded_by: superseded.is_valid(row).then(|| superseded.value(row)),
            };
            let (doc, hash) = checked(docs.value(row), hashes.value(row), path)?;
            Ok(StoredRow { doc, hash, place })
        })
        .collect()
}

pub(crate) fn checked(
    bytes: &[u8],
    stored: &[u8],
    path: &str,
) -> Result<(RawDocumentBuf, [u8; 32]), LakeError> {
    let doc = RawDocumentBuf::from_bytes(bytes.to_vec())
        .map_err(|error| LakeError::Internal(format!("{path}: a document is broken: {error}")))?;
    let hash = hash(&doc);
    if hash != stored {
        return Err(LakeError::Internal(format!("{path}: a document does not have its hash")));
    }
    Ok((doc, hash))
}

/// Byte ranges of one object.
struct ObjectReader {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    size_bytes: u64,
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        Box::pin(async move { self.objects.get_range(&self.path, range).await.map_err(external) })
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        Box::pin(
            async move { self.objects.get_ranges(&self.path, &ranges).await.map_err(external) },
        )
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        Box::pin(async move {
            let policy = options.map_or(PageIndexPolicy::Skip, |o| o.offset_index_policy());
            let size = self.size_bytes;
            let hint = usize::try_from(FOOTER_BYTES.min(size)).ok();
            let metadata = ParquetMetaDataReader::new()
                .with_offset_index_policy(policy)
                .with_prefetch_hint(hint)
                .load_and_finish(self, size)
                .await?;
            Ok(Arc::new(metadata))
        })
    }
}
