//! Writing one data file: rows to Parquet bytes and the statistics that go into the log.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::LakeError;
use crate::layout::{Column, DOC, DOC_HASH, ID, ID_KEY, Kind, Layout};
use crate::row::{Cell, FileRow};
use crate::spec::LAYOUT_VERSION;
use crate::stats::{FileStats, StatsBuilder};

const ROW_GROUP_ROWS: usize = 100_000;
const ROW_GROUP_BYTES: usize = 128 << 20;
const PAGE_BYTES: usize = 64 << 10;
const CHUNK_ROWS: usize = 4_096;
const CHUNK_BYTES: usize = 8 << 20;

/// Level at which archiving still keeps up with the cluster.
const ZSTD_LEVEL: i32 = 3;

/// A file, ready to upload.
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stats: FileStats,
    pub(crate) rows: u64,
}

/// Encodes rows, in the order given.
pub(crate) fn encode(layout: &Layout, rows: &[FileRow]) -> Result<Encoded, LakeError> {
    let options =
        ArrowWriterOptions::new().with_properties(properties()?).with_skip_arrow_metadata(true);
    let mut writer =
        ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&layout.arrow), options)?;
    for chunk in chunks(rows) {
        writer.write(&record_batch(layout, chunk)?)?;
    }
    let stats = statistics(layout, rows);
    Ok(Encoded { bytes: writer.into_inner()?, stats, rows: rows.len() as u64 })
}

fn properties() -> Result<WriterProperties, LakeError> {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_created_by(concat!("portolan ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(
            "portolan.layoutVersion".to_owned(),
            LAYOUT_VERSION.to_owned(),
        )]));
    for name in [DOC, DOC_HASH] {
        builder =
            builder.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::None);
    }
    for name in [DOC, DOC_HASH, ID, ID_KEY] {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    Ok(builder.build())
}

/// Cuts rows into pieces that are small in rows and in bytes.
fn chunks(rows: &[FileRow]) -> impl Iterator<Item = &[FileRow]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let more = rest.iter().take(CHUNK_ROWS).take_while(|row| {
            let fits = bytes == 0 || bytes + row.doc.as_bytes().len() <= CHUNK_BYTES;
            bytes += row.doc.as_bytes().len();
            fits
        });
        let (chunk, left) = rest.split_at(more.count());
        rest = left;
        (!chunk.is_empty()).then_some(chunk)
    })
}

pub(crate) fn record_batch(layout: &Layout, rows: &[FileRow]) -> Result<RecordBatch, LakeError> {
    let mut docs = BinaryBuilder::new();
    let mut hashes = BinaryBuilder::new();
    for row in rows {
        docs.append_value(row.doc.as_bytes());
        hashes.append_value(row.hash);
    }
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(docs.finish())];
    let places: Vec<[Cell; 4]> = rows.iter().map(|row| row.place.cells()).collect();
    let derived = layout.derived().len();
    for (index, column) in layout.cell_columns().iter().enumerate() {
        let cells = rows.iter().zip(&places).map(|(row, place)| match index.checked_sub(derived) {
            None => &row.derived.cells[index],
            Some(index) => &place[index],
        });
        arrays.push(array(column, cells)?);
    }
    arrays.push(Arc::new(hashes.finish()));
    Ok(RecordBatch::try_new(Arc::clone(&layout.arrow), arrays)?)
}

/// What the log will say about a file of these rows.
pub(crate) fn statistics(layout: &Layout, rows: &[FileRow]) -> FileStats {
    let mut stats = StatsBuilder::default();
    for row in rows {
        stats.row();
        let place = row.place.cells();
        let cells = row.derived.cells.iter().chain(&place);
        for (column, cell) in layout.cell_columns().iter().zip(cells) {
            stats.cell(&column.name, cell);
        }
    }
    stats.finish()
}

fn array<'a>(
    column: &Column,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<ArrayRef, LakeError> {
    let wrong = |cell: &Cell| LakeError::Internal(format!("{cell:?} in column {}", column.name));
    macro_rules! build {
        ($builder:expr, $variant:ident) => {{
            let mut builder = $builder;
            for cell in cells {
                match cell {
                    Cell::Null => builder.append_null(),
                    Cell::$variant(value) => builder.append_value(value.to_owned()),
                    other => return Err(wrong(other)),
                }
            }
            Ok(Arc::new(builder.finish()))
        }};
    }
    match column.kind {
        Kind::Text => build!(StringBuilder::new(), Text),
        Kind::Int => build!(Int32Builder::new(), Int),
        Kind::Long => build!(Int64Builder::new(), Long),
        Kind::Timestamp => {
            build!(TimestampMicrosecondBuilder::new().with_timezone("UTC"), Timestamp)
        }
        Kind::Binary => Err(LakeError::Internal(format!("column {} has no cells", column.name))),
    }
}
