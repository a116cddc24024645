//! Bugs that a sound oracle must find: a cluster whose deletes guarantee less than they say. They prove
//! that the simulation can see, before its silence is believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bson::{RawBson, RawDocument, RawDocumentBuf};
use portolan_cluster::{
    BatchOutcome, BatchRequest, Cluster, ClusterError, CollectionInfo, DeleteRequest, Deleted,
    DocumentStream, Fence, FencedStep, Holder, IndexInfo, Inserted, KeptRecord, MemoryCluster,
    Probe, ReadOptions,
};
use portolan_model::{GuardLevel, Namespace};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Documents are deleted by `_id` alone: an update in the last moment is lost.
    DeletesById,
    /// Documents that were kept are not recorded: rows of changed documents stay.
    ForgetsKept,
    /// The first batch of a process is torn: its documents go, what the fence says of them does not come.
    TearsBatch,
    /// What was recorded as kept is not found again.
    FindsNoKept,
    /// Raising the fence is acknowledged and not done.
    RaisesNothing,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 5] = [
        Self::DeletesById,
        Self::ForgetsKept,
        Self::TearsBatch,
        Self::FindsNoKept,
        Self::RaisesNothing,
    ];
}

/// The simulated cluster with a bug.
pub(crate) struct Buggy {
    inner: Arc<MemoryCluster>,
    bug: Bug,
    has_torn: AtomicBool,
}

type Answer<T> = Result<T, ClusterError>;

impl Buggy {
    pub(crate) fn new(inner: Arc<MemoryCluster>, bug: Bug) -> Self {
        Self { inner, bug, has_torn: AtomicBool::new(false) }
    }

    async fn tearing(
        &self,
        namespace: &Namespace,
        request: &BatchRequest<'_>,
    ) -> Answer<BatchOutcome> {
        if self.has_torn.swap(true, Ordering::AcqRel) {
            return self.inner.delete_batch(namespace, request).await;
        }
        let BatchRequest { uuid, shard_key, documents, deadline_ms, .. } = *request;
        let plain =
            DeleteRequest { uuid, shard_key, documents, level: GuardLevel::L1, deadline_ms };
        self.inner.delete_guarded(namespace, &plain).await?;
        Err(ClusterError::Unknown("no answer came".to_owned()))
    }

    /// The documents as the cluster holds them, so that every comparison finds them equal.
    async fn as_they_are(
        &self,
        namespace: &Namespace,
        request: &BatchRequest<'_>,
    ) -> Answer<Vec<RawDocumentBuf>> {
        let mut documents = Vec::new();
        for document in request.documents {
            let id = document.get("_id")?.map(RawBson::from).unwrap_or(RawBson::Null);
            let found = self.inner.find_by_ids(namespace, &[id]).await?;
            documents.push(found.into_iter().next().unwrap_or_else(|| document.clone()));
        }
        Ok(documents)
    }

    async fn forgetting(
        &self,
        namespace: &Namespace,
        request: &BatchRequest<'_>,
    ) -> Answer<BatchOutcome> {
        // What is changed or gone is left out of the batch: nothing is recorded of it.
        let live = self.inner.documents(namespace);
        let is_there = |at: &usize| live.contains(&request.documents[*at]);
        let equal: Vec<usize> = (0..request.documents.len()).filter(is_there).collect();
        let documents: Vec<_> = equal.iter().map(|&at| request.documents[at].clone()).collect();
        let identities: Vec<_> = equal.iter().map(|&at| request.identities[at].clone()).collect();
        let request = BatchRequest { documents: &documents, identities: &identities, ..*request };
        self.inner.delete_batch(namespace, &request).await
    }
}

#[async_trait]
impl Cluster for Buggy {
    async fn delete_batch(
        &self,
        namespace: &Namespace,
        request: &BatchRequest<'_>,
    ) -> Answer<BatchOutcome> {
        match self.bug {
            Bug::DeletesById => {
                let documents = self.as_they_are(namespace, request).await?;
                let request = BatchRequest { documents: &documents, ..*request };
                self.inner.delete_batch(namespace, &request).await
            }
            Bug::ForgetsKept => self.forgetting(namespace, request).await,
            Bug::TearsBatch => self.tearing(namespace, request).await,
            Bug::FindsNoKept | Bug::RaisesNothing => {
                self.inner.delete_batch(namespace, request).await
            }
        }
    }

    async fn probe(&self) -> Answer<Probe> {
        self.inner.probe().await
    }

    async fn collection(&self, namespace: &Namespace) -> Answer<Option<CollectionInfo>> {
        self.inner.collection(namespace).await
    }

    async fn read(
        &self,
        namespace: &Namespace,
        filter: &RawDocument,
        options: ReadOptions,
    ) -> Answer<DocumentStream> {
        self.inner.read(namespace, filter, options).await
    }

    async fn find_by_ids(
        &self,
        namespace: &Namespace,
        ids: &[RawBson],
    ) -> Answer<Vec<RawDocumentBuf>> {
        self.inner.find_by_ids(namespace, ids).await
    }

    async fn delete_guarded(
        &self,
        namespace: &Namespace,
        request: &DeleteRequest<'_>,
    ) -> Answer<Deleted> {
        self.inner.delete_guarded(namespace, request).await
    }

    async fn fence(&self, uuid: [u8; 16]) -> Answer<Option<Fence>> {
        self.inner.fence(uuid).await
    }

    async fn raise_fence(&self, holder: &Holder<'_>, seq: i64) -> Answer<()> {
        match self.bug {
            Bug::RaisesNothing => Ok(()),
            _ => self.inner.raise_fence(holder, seq).await,
        }
    }

    async fn close_fence(&self, holder: &Holder<'_>, seq: i64) -> Answer<()> {
        self.inner.close_fence(holder, seq).await
    }

    async fn kept_records(&self, uuid: [u8; 16], seq: i64) -> Answer<Vec<KeptRecord>> {
        match self.bug {
            Bug::FindsNoKept => Ok(Vec::new()),
            _ => self.inner.kept_records(uuid, seq).await,
        }
    }

    async fn clear_kept(&self, holder: &Holder<'_>, seq: i64) -> Answer<()> {
        self.inner.clear_kept(holder, seq).await
    }

    async fn insert(
        &self,
        namespace: &Namespace,
        documents: &[RawDocumentBuf],
    ) -> Answer<Inserted> {
        Cluster::insert(self.inner.as_ref(), namespace, documents).await
    }

    async fn insert_fenced(
        &self,
        namespace: &Namespace,
        documents: &[RawDocumentBuf],
        step: &FencedStep<'_>,
    ) -> Answer<Inserted> {
        self.inner.insert_fenced(namespace, documents, step).await
    }

    async fn clock_ms(&self) -> Answer<i64> {
        self.inner.clock_ms().await
    }

    async fn list_databases(&self) -> Answer<Vec<String>> {
        self.inner.list_databases().await
    }

    async fn list_collections(&self, database: &str) -> Answer<Vec<CollectionInfo>> {
        self.inner.list_collections(database).await
    }

    async fn list_indexes(&self, namespace: &Namespace) -> Answer<Vec<IndexInfo>> {
        self.inner.list_indexes(namespace).await
    }

    async fn estimated_count(&self, namespace: &Namespace) -> Answer<u64> {
        self.inner.estimated_count(namespace).await
    }

    async fn any_in_id_range(
        &self,
        namespace: &Namespace,
        low: &RawBson,
        high: &RawBson,
    ) -> Answer<bool> {
        self.inner.any_in_id_range(namespace, low, high).await
    }
}
