//! The data files of one table: encoding rows and opening files again, in the format of the table's
//! location. That is Parquet ([`crate::write`], [`crate::read`]) everywhere but in a simulated one.

mod simulated;

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::stream::BoxStream;
use object_store::ObjectStore;

use crate::LakeError;
use crate::layout::Layout;
use crate::prune::Select;
use crate::read::{FileReader, StoredRow};
use crate::row::FileRow;
use crate::write::{self, Encoded};
use simulated::SimulatedFile;

/// The data files of one table.
#[derive(Clone)]
pub(crate) struct Files {
    objects: Arc<dyn ObjectStore>,
    layout: Layout,
    is_simulated: bool,
}

/// An open data file.
pub(crate) enum OpenFile {
    Parquet(FileReader),
    Simulated(SimulatedFile),
}

impl Files {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, layout: Layout, is_simulated: bool) -> Self {
        Self { objects, layout, is_simulated }
    }

    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Encodes rows, in the order given. Work for the processor.
    pub(crate) fn encode(&self, rows: &[FileRow]) -> Result<Encoded, LakeError> {
        if self.is_simulated {
            return simulated::encode(&self.layout, rows);
        }
        write::encode(&self.layout, rows)
    }

    pub(crate) async fn open(&self, path: &str, size_bytes: u64) -> Result<OpenFile, LakeError> {
        if self.is_simulated {
            let file = SimulatedFile::open(&self.objects, &self.layout, path, size_bytes);
            return Ok(OpenFile::Simulated(file.await?));
        }
        Ok(OpenFile::Parquet(FileReader::open(&self.objects, path, size_bytes).await?))
    }
}

impl OpenFile {
    /// Rows of each row group.
    pub(crate) fn row_groups(&self) -> Vec<u64> {
        match self {
            Self::Parquet(file) => file.row_groups(),
            Self::Simulated(file) => vec![file.len()],
        }
    }

    /// Streams all rows with all columns, as record batches.
    pub(crate) fn batches(
        self,
    ) -> Result<BoxStream<'static, Result<RecordBatch, LakeError>>, LakeError> {
        match self {
            Self::Parquet(file) => file.batches(&Arc::new(Select::default()), None),
            Self::Simulated(file) => file.batches(),
        }
    }

    /// Streams the rows that `select` cannot rule out.
    pub(crate) fn rows(
        self,
        select: &Arc<Select>,
    ) -> Result<BoxStream<'static, Result<StoredRow, LakeError>>, LakeError> {
        match self {
            Self::Parquet(file) => file.rows(select),
            Self::Simulated(file) => file.rows(select),
        }
    }
}
