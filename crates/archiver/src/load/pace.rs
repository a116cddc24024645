//! The pace of a read: what it takes of the cluster is booked batch by batch.

use bson::RawDocumentBuf;
use futures::TryStreamExt;
use portolan_cluster::DocumentStream;
use portolan_runtime::Runtime;

use super::Load;
use crate::ArchiverError;

/// What a read took since its last booking.
pub(crate) struct Pace {
    began_ms: u64,
    /// The longest wait for a document: that of the batch's command.
    took_ms: u64,
    documents: u32,
    bytes: usize,
}

impl Pace {
    /// The wait for the first document begins now.
    pub(crate) fn new(runtime: &Runtime) -> Self {
        Self { began_ms: runtime.boot_ms(), took_ms: 0, documents: 0, bytes: 0 }
    }

    /// The next document.
    pub(crate) async fn next(
        &mut self,
        runtime: &Runtime,
        stream: &mut DocumentStream,
    ) -> Result<Option<RawDocumentBuf>, ArchiverError> {
        let next = stream.try_next().await?;
        let now_ms = runtime.boot_ms();
        self.took_ms = self.took_ms.max(now_ms.saturating_sub(self.began_ms));
        self.began_ms = now_ms;
        Ok(next)
    }

    /// Counts a document; whether a batch is full.
    pub(crate) const fn is_batch(&mut self, bytes: usize, documents_max: u32) -> bool {
        self.documents += 1;
        self.bytes += bytes;
        self.documents >= documents_max
    }

    /// Books the batch.
    pub(crate) fn book(&mut self, load: &Load, runtime: &Runtime) {
        let now_ms = runtime.boot_ms();
        load.spend(now_ms, 1, self.bytes);
        load.took("read", now_ms, self.took_ms);
        (self.documents, self.bytes, self.took_ms) = (0, 0, 0);
    }

    /// After a rest the wait for the next document begins now.
    pub(crate) fn go_on(&mut self, runtime: &Runtime) {
        self.began_ms = runtime.boot_ms();
    }
}
