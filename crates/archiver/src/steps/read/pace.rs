//! The pace of a read: what it takes of the cluster is booked batch by batch, and between two batches
//! it rests as long as the cluster's account says. A cursor is not left waiting for a cluster that is
//! behind: the move is then as large as what was read so far.

use bson::RawDocumentBuf;
use futures::TryStreamExt;
use portolan_cluster::DocumentStream;

use crate::ArchiverError;
use crate::load::Hindrance;
use crate::scene::Scene;

pub(super) struct Pace {
    began_ms: u64,
    /// The longest wait for a document since the last booking: that of the batch's command.
    took_ms: u64,
    documents: u32,
    bytes: usize,
}

impl Pace {
    /// The wait for the first document begins now.
    pub(super) fn new(scene: &Scene) -> Self {
        Self { began_ms: scene.runtime.boot_ms(), took_ms: 0, documents: 0, bytes: 0 }
    }

    pub(super) async fn next(
        &mut self,
        scene: &Scene,
        stream: &mut DocumentStream,
    ) -> Result<Option<RawDocumentBuf>, ArchiverError> {
        let next = stream.try_next().await?;
        let now_ms = scene.runtime.boot_ms();
        self.took_ms = self.took_ms.max(now_ms.saturating_sub(self.began_ms));
        self.began_ms = now_ms;
        Ok(next)
    }

    /// Counts a document; whether a batch is full.
    pub(super) const fn is_batch(&mut self, bytes: usize, documents_max: u32) -> bool {
        self.documents += 1;
        self.bytes += bytes;
        self.documents >= documents_max
    }

    /// Books the batch.
    pub(super) fn book(&mut self, scene: &Scene) {
        let now_ms = scene.runtime.boot_ms();
        scene.load.spend(now_ms, 1, self.bytes);
        scene.load.took("read", now_ms, self.took_ms);
        (self.documents, self.bytes, self.took_ms) = (0, 0, 0);
    }

    /// Books the batch and rests; whether to read on. With `empty` hands it reads on whatever the lag:
    /// that nothing was found would end the run.
    pub(super) async fn rest(
        &mut self,
        scene: &mut Scene,
        empty: bool,
    ) -> Result<bool, ArchiverError> {
        self.book(scene);
        let hindrance = scene.load.hindrance(&scene.runtime, scene.cluster.as_ref()).await;
        match hindrance {
            Some((Hindrance::Lag(_), _)) if !empty => return Ok(false),
            Some((Hindrance::Lag(_), _)) | None => {}
            Some(_) => scene.ease().await?,
        }
        self.began_ms = scene.runtime.boot_ms();
        Ok(true)
    }
}
