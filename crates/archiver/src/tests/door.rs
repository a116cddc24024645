//! The simulated cluster behind a door: a test sees every call, lets it fail, or acts before it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bson::{RawBson, RawDocument, RawDocumentBuf};
use futures::{StreamExt, stream};
use portolan_cluster::{
    BatchOutcome, BatchRequest, Cluster, ClusterError, CollectionInfo, DeleteRequest, Deleted,
    DocumentStream, Fence, FencedStep, Holder, Inserted, KeptRecord, MemoryCluster, Probe,
    ReadOptions,
};
use portolan_model::{GuardLevel, Namespace};

use super::world::{World, flights};

/// What is asked of the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Call {
    Probe,
    Look,
    Read,
    LookUp,
    Delete,
    Insert,
    Fence,
    Raise,
    Close,
    Kept,
    Clear,
    Clock,
}

/// What a client does once.
pub(super) type Deed = Box<dyn FnOnce(&MemoryCluster) + Send>;

type Rule = dyn Fn(&MemoryCluster, Call, u32) -> Result<(), ClusterError> + Send + Sync;

/// The cluster behind its door.
pub(super) struct Door {
    cluster: Arc<MemoryCluster>,
    rule: Box<Rule>,
    calls: Mutex<HashMap<Call, u32>>,
    /// Clients write these while the next read runs, and its cursor meets them at its end.
    pub(super) met_again: Mutex<Vec<RawDocumentBuf>>,
    /// Deletes of level L0 look first and delete by `_id` afterwards, as FerretDB 1.x does; this is written
    /// in between.
    pub(super) between_halves: Mutex<Option<RawDocumentBuf>>,
    /// Happens just after the next delete.
    pub(super) after_delete: Mutex<Option<Deed>>,
}

/// Puts a door before the world's cluster. Its rule is asked before each call, with how many of the kind
/// there were.
pub(super) fn door(
    world: &mut World,
    rule: impl Fn(&MemoryCluster, Call, u32) -> Result<(), ClusterError> + Send + Sync + 'static,
) -> Arc<Door> {
    let door = Arc::new(Door {
        cluster: world.cluster.clone(),
        rule: Box::new(rule),
        calls: Mutex::default(),
        met_again: Mutex::default(),
        between_halves: Mutex::default(),
        after_delete: Mutex::default(),
    });
    world.between = Some(door.clone());
    door
}

impl Door {
    fn pass(&self, call: Call) -> Result<&MemoryCluster, ClusterError> {
        let count = {
            let mut calls = self.calls.lock().expect("no panic");
            let count = calls.entry(call).or_default();
            *count += 1;
            *count
        };
        (self.rule)(&self.cluster, call, count)?;
        Ok(&self.cluster)
    }

    fn deleted(&self) {
        let deed = self.after_delete.lock().expect("no panic").take();
        if let Some(deed) = deed {
            deed(&self.cluster);
        }
    }

    /// What a client writes while these documents are deleted.
    fn written_between(&self, documents: &[RawDocumentBuf]) -> Option<RawDocumentBuf> {
        let mut between = self.between_halves.lock().expect("no panic");
        let is_of = |written: &mut RawDocumentBuf| {
            let id = crate::steps::id_of(written);
            documents.iter().any(|document| crate::steps::id_of(document) == id)
        };
        between.take_if(is_of)
    }

    async fn delete_in_two_halves(
        &self,
        namespace: &Namespace,
        documents: &[RawDocumentBuf],
        written: RawDocumentBuf,
    ) -> Result<Deleted, ClusterError> {
        let ids: Vec<RawBson> = documents.iter().filter_map(|it| crate::steps::id_of(it)).collect();
        let found = self.cluster.find_by_ids(namespace, &ids).await?;
        self.cluster.replace(namespace, written)?;
        let equal = found.iter().filter(|document| documents.contains(document));
        let ids = equal.filter_map(|document| crate::steps::id_of(document));
        let gone = ids.filter(|id| self.cluster.remove(namespace, id.as_raw_bson_ref()));
        Ok(Deleted { n: gone.count() as u64, refused: Vec::new() })
    }
}

#[async_trait]
impl Cluster for Door {
    async fn probe(&self) -> Result<Probe, ClusterError> {
        self.pass(Call::Probe)?.probe().await
    }

    async fn collection(&self, ns: &Namespace) -> Result<Option<CollectionInfo>, ClusterError> {
        self.pass(Call::Look)?.collection(ns).await
    }

    async fn read(
        &self,
        ns: &Namespace,
        filter: &RawDocument,
        options: ReadOptions,
    ) -> Result<DocumentStream, ClusterError> {
        let first = self.pass(Call::Read)?.read(ns, filter, options).await?;
        let again = std::mem::take(&mut *self.met_again.lock().expect("no panic"));
        for document in &again {
            self.cluster.replace(&flights(), document.clone())?;
        }
        Ok(first.chain(stream::iter(again.into_iter().map(Ok))).boxed())
    }

    async fn find_by_ids(
        &self,
        ns: &Namespace,
        ids: &[RawBson],
    ) -> Result<Vec<RawDocumentBuf>, ClusterError> {
        self.pass(Call::LookUp)?.find_by_ids(ns, ids).await
    }

    async fn delete_guarded(
        &self,
        ns: &Namespace,
        request: &DeleteRequest<'_>,
    ) -> Result<Deleted, ClusterError> {
        self.pass(Call::Delete)?;
        if request.level == GuardLevel::L0
            && let Some(written) = self.written_between(request.documents)
        {
            return self.delete_in_two_halves(ns, request.documents, written).await;
        }
        let deleted = self.cluster.delete_guarded(ns, request).await;
        self.deleted();
        deleted
    }

    async fn delete_batch(
        &self,
        ns: &Namespace,
        request: &BatchRequest<'_>,
    ) -> Result<BatchOutcome, ClusterError> {
        let outcome = self.pass(Call::Delete)?.delete_batch(ns, request).await;
        self.deleted();
        outcome
    }

    async fn insert(
        &self,
        ns: &Namespace,
        documents: &[RawDocumentBuf],
    ) -> Result<Inserted, ClusterError> {
        Cluster::insert(self.pass(Call::Insert)?, ns, documents).await
    }

    async fn insert_fenced(
        &self,
        ns: &Namespace,
        documents: &[RawDocumentBuf],
        step: &FencedStep<'_>,
    ) -> Result<Inserted, ClusterError> {
        self.pass(Call::Insert)?.insert_fenced(ns, documents, step).await
    }

    async fn fence(&self, uuid: [u8; 16]) -> Result<Option<Fence>, ClusterError> {
        self.pass(Call::Fence)?.fence(uuid).await
    }

    async fn raise_fence(&self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        self.pass(Call::Raise)?.raise_fence(holder, seq).await
    }

    async fn close_fence(&self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        self.pass(Call::Close)?.close_fence(holder, seq).await
    }

    async fn kept_records(
        &self,
        uuid: [u8; 16],
        seq: i64,
    ) -> Result<Vec<KeptRecord>, ClusterError> {
        self.pass(Call::Kept)?.kept_records(uuid, seq).await
    }

    async fn clear_kept(&self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        self.pass(Call::Clear)?.clear_kept(holder, seq).await
    }

    async fn clock_ms(&self) -> Result<i64, ClusterError> {
        self.pass(Call::Clock)?.clock_ms().await
    }

    async fn list_databases(&self) -> Result<Vec<String>, ClusterError> {
        self.pass(Call::Look)?.list_databases().await
    }

    async fn list_collections(&self, database: &str) -> Result<Vec<CollectionInfo>, ClusterError> {
        self.pass(Call::Look)?.list_collections(database).await
    }

    async fn estimated_count(&self, ns: &Namespace) -> Result<u64, ClusterError> {
        self.pass(Call::Look)?.estimated_count(ns).await
    }

    async fn any_in_id_range(
        &self,
        ns: &Namespace,
        low: &RawBson,
        high: &RawBson,
    ) -> Result<bool, ClusterError> {
        self.pass(Call::LookUp)?.any_in_id_range(ns, low, high).await
    }
}
