//! A cluster whose scan meets one document after the other, with room for anything in between.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{RawBson, RawDocument, RawDocumentBuf};
use futures::StreamExt;
use portolan_cluster::{
    Cluster, ClusterError, CollectionInfo, DeleteRequest, Deleted, DocumentStream, Fence,
    KeptRecord, MemoryCluster, Probe, ReadOptions,
};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter};

use crate::tests::world::{Facts, World};

type Answer<T> = Result<T, ClusterError>;

pub(super) struct SlowCluster {
    inner: Arc<MemoryCluster>,
    facts: Arc<Facts>,
    ids: i32,
}

impl SlowCluster {
    pub(super) fn new(world: &World, ids: i32) -> Self {
        Self { inner: world.cluster.clone(), facts: world.facts.clone(), ids }
    }
}

#[async_trait]
impl Cluster for SlowCluster {
    async fn read(
        &self,
        namespace: &Namespace,
        filter: &RawDocument,
        _: ReadOptions,
    ) -> Answer<DocumentStream> {
        let filter = Filter::parse(filter, &Context::new(0)).expect("a filter");
        let (inner, facts) = (self.inner.clone(), self.facts.clone());
        let namespace = namespace.clone();
        let scan = futures::stream::iter(0..self.ids).then(move |id| {
            let (inner, facts, namespace) = (inner.clone(), facts.clone(), namespace.clone());
            async move {
                facts.look().await;
                inner.find_by_ids(&namespace, &[RawBson::Int32(id)]).await
            }
        });
        let documents = scan.filter_map(move |found| {
            let found = found.map(|found| {
                found.into_iter().find(|document| filter.matches(document).expect("it matches"))
            });
            async move { found.transpose() }
        });
        Ok(documents.boxed())
    }

    async fn find_by_ids(
        &self,
        namespace: &Namespace,
        ids: &[RawBson],
    ) -> Answer<Vec<RawDocumentBuf>> {
        self.facts.look().await;
        let found = self.inner.find_by_ids(namespace, ids).await;
        self.facts.look().await;
        found
    }

    async fn any_in_id_range(
        &self,
        namespace: &Namespace,
        low: &RawBson,
        high: &RawBson,
    ) -> Answer<bool> {
        self.facts.look().await;
        let any = self.inner.any_in_id_range(namespace, low, high).await;
        self.facts.look().await;
        any
    }

    async fn probe(&self) -> Answer<Probe> {
        self.inner.probe().await
    }

    async fn collection(&self, namespace: &Namespace) -> Answer<Option<CollectionInfo>> {
        self.inner.collection(namespace).await
    }

    async fn delete_guarded(
        &self,
        namespace: &Namespace,
        request: &DeleteRequest<'_>,
    ) -> Answer<Deleted> {
        self.inner.delete_guarded(namespace, request).await
    }

    async fn fence(&self, uuid: [u8; 16]) -> Answer<Option<Fence>> {
        self.facts.look().await;
        let fence = self.inner.fence(uuid).await;
        self.facts.look().await;
        fence
    }

    async fn kept_records(&self, uuid: [u8; 16], seq: i64) -> Answer<Vec<KeptRecord>> {
        self.facts.look().await;
        let records = self.inner.kept_records(uuid, seq).await;
        self.facts.look().await;
        records
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

    async fn estimated_count(&self, namespace: &Namespace) -> Answer<u64> {
        self.inner.estimated_count(namespace).await
    }
}
