//! Data files of simulated locations: one BSON document a row, nothing compressed, read whole. Keys,
//! typed columns and statistics are those of a real file, so that pruning and verification have the
//! same to look at.

use std::sync::Arc;

use arrow::array::RecordBatch;
use bson::spec::BinarySubtype;
use bson::{RawArrayBuf, RawBinaryRef, RawBsonRef, RawDocument, RawDocumentBuf, cstr, rawdoc};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::LakeError;
use crate::layout::Layout;
use crate::prune::Select;
use crate::read::{StoredRow, checked, keep};
use crate::row::{Cell, Derived, FileRow, Place};
use crate::write::{Encoded, record_batch, statistics};

/// Encodes rows, in the order given.
pub(super) fn encode(layout: &Layout, rows: &[FileRow]) -> Result<Encoded, LakeError> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend_from_slice(to_document(row).as_bytes());
    }
    Ok(Encoded { bytes, stats: statistics(layout, rows), rows: rows.len() as u64 })
}

/// A file in memory.
pub(crate) struct SimulatedFile {
    path: String,
    layout: Layout,
    rows: Vec<FileRow>,
}

impl SimulatedFile {
    pub(super) async fn open(
        objects: &Arc<dyn ObjectStore>,
        layout: &Layout,
        path: &str,
        size_bytes: u64,
    ) -> Result<Self, LakeError> {
        let bytes = objects.get(&Path::from(path)).await?.bytes().await?;
        if bytes.len() as u64 != size_bytes {
            return Err(LakeError::Internal(format!("{path} has {} bytes", bytes.len())));
        }
        let broken = |error| LakeError::Internal(format!("{path}: {error}"));
        let mut rows = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (row, left) = first_row(rest).map_err(broken)?;
            rows.push(row);
            rest = left;
        }
        Ok(Self { path: path.to_owned(), layout: layout.clone(), rows })
    }

    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(super) fn batches(
        self,
    ) -> Result<BoxStream<'static, Result<RecordBatch, LakeError>>, LakeError> {
        let batch = record_batch(&self.layout, &self.rows)?;
        Ok(futures::stream::iter([Ok(batch)]).boxed())
    }

    pub(super) fn rows(
        self,
        select: &Select,
    ) -> Result<BoxStream<'static, Result<StoredRow, LakeError>>, LakeError> {
        let mut rows = Vec::new();
        let kept = match select.is_everything() {
            true => None,
            false => Some(keep(select, &record_batch(&self.layout, &self.rows)?)),
        };
        for (index, row) in self.rows.into_iter().enumerate() {
            if kept.as_ref().is_none_or(|kept| kept.value(index)) {
                let (doc, hash) = checked(row.doc.as_bytes(), &row.hash, &self.path)?;
                rows.push(Ok(StoredRow { doc, hash, place: row.place }));
            }
        }
        Ok(futures::stream::iter(rows).boxed())
    }
}

fn to_document(row: &FileRow) -> RawDocumentBuf {
    let hash = RawBinaryRef { subtype: BinarySubtype::Generic, bytes: &row.hash };
    let mut document = rawdoc! {
        "doc": row.doc.clone(),
        "archivedAt": row.place.archived_at_us,
        "seq": row.place.seq,
        "batch": row.place.batch,
    };
    document.append(cstr!("hash"), RawBsonRef::Binary(hash));
    if let Some(seq) = row.place.superseded_by {
        document.append(cstr!("supersededBy"), seq);
    }
    if let Some(month) = &row.derived.month {
        document.append(cstr!("month"), month.as_str());
    }
    let mut cells = RawArrayBuf::new();
    for cell in &row.derived.cells {
        cells.push(to_value(cell));
    }
    document.append(cstr!("cells"), cells);
    document
}

fn to_value(cell: &Cell) -> bson::RawBson {
    match cell {
        Cell::Null => bson::RawBson::Null,
        Cell::Text(text) => text.as_str().into(),
        Cell::Int(number) => (*number).into(),
        Cell::Long(number) => (*number).into(),
        Cell::Timestamp(us) => rawdoc! { "us": *us }.into(),
    }
}

fn of_value(value: RawBsonRef<'_>) -> Result<Cell, String> {
    Ok(match value {
        RawBsonRef::Null => Cell::Null,
        RawBsonRef::String(text) => Cell::Text(text.to_owned()),
        RawBsonRef::Int32(number) => Cell::Int(number),
        RawBsonRef::Int64(number) => Cell::Long(number),
        RawBsonRef::Document(wrapped) => Cell::Timestamp(long(wrapped, "us")?),
        other => return Err(format!("{other:?} is no cell")),
    })
}

/// The first row of some bytes, and the bytes behind it.
fn first_row(bytes: &[u8]) -> Result<(FileRow, &[u8]), String> {
    let length = bytes.first_chunk::<4>().map(|length| u32::from_le_bytes(*length));
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    let (row, rest) = bytes.split_at_checked(length).ok_or("a row is cut off")?;
    let row = RawDocument::from_bytes(row).map_err(|error| error.to_string())?;
    Ok((of_document(row)?, rest))
}

fn of_document(row: &RawDocument) -> Result<FileRow, String> {
    let hash = row.get_binary("hash").map_err(|error| error.to_string())?;
    let hash = hash.bytes.try_into().map_err(|_| "a hash of another length")?;
    let doc = row.get_document("doc").map_err(|error| error.to_string())?.to_owned();
    let batch = row.get_i32("batch").map_err(|error| error.to_string())?;
    let place = Place {
        archived_at_us: long(row, "archivedAt")?,
        seq: long(row, "seq")?,
        batch,
        superseded_by: row.get_i64("supersededBy").ok(),
    };
    let mut cells = Vec::new();
    for cell in row.get_array("cells").map_err(|error| error.to_string())? {
        cells.push(of_value(cell.map_err(|error| error.to_string())?)?);
    }
    let month = row.get_str("month").ok().map(str::to_owned);
    Ok(FileRow { doc, hash, derived: Derived { cells, month }, place })
}

fn long(row: &RawDocument, name: &str) -> Result<i64, String> {
    row.get_i64(name).map_err(|error| error.to_string())
}
