//! The simulated cluster: collections in memory behind the [`Cluster`] trait, for tests of the rooms
//! that use clusters.
//!
//! Filters and guards are evaluated by `mql`, one delete statement at a time under one lock, so it
//! behaves as a server of level L1, or of another level when told so. What clients do is played with `insert`,
//! `replace` and `remove`. No faults happen here; they are injected at effect points.

mod fenced;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use futures::{StreamExt, stream};
use portolan_model::{GuardLevel, Namespace, ShardKey};
use portolan_mql::{Context, Filter, MqlError, Projection, Sort, key};
use portolan_runtime::Runtime;

use crate::fence;
use crate::guard::{ids_filter, statement, unreadable};
use crate::{
    BatchOutcome, BatchRequest, Cluster, ClusterError, CollectionInfo, CollectionKind,
    DeleteRequest, Deleted, DocumentStream, Fence, FencedStep, Holder, IndexInfo, Inserted,
    KeptRecord, NotInserted, Probe, ReadOptions,
};
use fenced::Fences;

#[derive(Debug, Clone)]
struct Collection {
    uuid: [u8; 16],
    capped: bool,
    shard_key: Option<ShardKey>,
    /// By identity: documents on different shards may have one `_id`.
    documents: BTreeMap<Vec<u8>, RawDocumentBuf>,
    indexes: Vec<IndexInfo>,
}

#[derive(Debug)]
struct State {
    collections: BTreeMap<(String, String), Collection>,
    clock_skew_ms: i64,
    lag_ms: Option<u64>,
    down: bool,
    fences: Fences,
    level: GuardLevel,
}

/// The server's code for a write that lacks the shard key.
const SHARD_KEY_NOT_FOUND: i32 = 61;

/// A cluster in memory.
pub struct MemoryCluster {
    runtime: Runtime,
    state: Mutex<State>,
}

impl MemoryCluster {
    /// An empty cluster of level L1 whose clock is the runtime's.
    #[must_use]
    pub fn new(runtime: &Runtime) -> Self {
        Self::with_level(runtime, GuardLevel::L1)
    }

    /// An empty cluster of that level; L0 compares field by field, as FerretDB 1.x does, and L2 and L3
    /// have transactions.
    #[must_use]
    pub fn with_level(runtime: &Runtime, level: GuardLevel) -> Self {
        let state = State {
            collections: BTreeMap::new(),
            clock_skew_ms: 0,
            lag_ms: None,
            down: false,
            fences: Fences::default(),
            level,
        };
        Self { runtime: runtime.clone(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates an empty collection with a UUID of its own.
    pub fn create(&self, namespace: &Namespace, capped: bool) {
        self.create_with(namespace, capped, None);
    }

    /// Creates an empty collection that is sharded.
    pub fn create_sharded(&self, namespace: &Namespace, shard_key: ShardKey) {
        self.create_with(namespace, false, Some(shard_key));
    }

    fn create_with(&self, namespace: &Namespace, capped: bool, shard_key: Option<ShardKey>) {
        let uuid = self.runtime.uuid_v4();
        let id = IndexInfo { name: "_id_".into(), keys: vec!["_id".into()], complete: true };
        let documents = BTreeMap::new();
        let collection = Collection { uuid, capped, shard_key, documents, indexes: vec![id] };
        self.state().collections.insert(place(namespace), collection);
    }

    /// A client inserts, creating the collection if need be.
    ///
    /// # Errors
    /// Those of [`MemoryCluster::insert_all`].
    pub fn insert(
        &self,
        namespace: &Namespace,
        documents: impl IntoIterator<Item = RawDocumentBuf>,
    ) -> Result<(), ClusterError> {
        self.insert_all(namespace, documents)
    }

    /// The same, told from [`Cluster::insert`] by its name.
    ///
    /// # Errors
    /// [`ClusterError::Invalid`] for a document without `_id`, [`ClusterError::Server`] 11000 for an
    /// `_id` that is there already.
    pub fn insert_all(
        &self,
        namespace: &Namespace,
        documents: impl IntoIterator<Item = RawDocumentBuf>,
    ) -> Result<(), ClusterError> {
        if !self.state().collections.contains_key(&place(namespace)) {
            self.create(namespace, false);
        }
        for document in documents {
            let mut state = self.state();
            let collection = found(&mut state, namespace)?;
            let identity = collection.identity(&document)?;
            if collection.documents.contains_key(&identity) {
                return Err(ClusterError::Server {
                    code: 11000,
                    name: "DuplicateKey".into(),
                    message: "E11000 duplicate key error".into(),
                });
            }
            collection.documents.insert(identity, document);
        }
        Ok(())
    }

    /// A client replaces the document with the same identity. Answers whether there was one.
    ///
    /// # Errors
    /// [`ClusterError::Invalid`] for a document without `_id`.
    pub fn replace(
        &self,
        namespace: &Namespace,
        document: RawDocumentBuf,
    ) -> Result<bool, ClusterError> {
        let mut state = self.state();
        let collection = found(&mut state, namespace)?;
        let identity = collection.identity(&document)?;
        Ok(match collection.documents.get_mut(&identity) {
            Some(stored) => {
                *stored = document;
                true
            }
            None => false,
        })
    }

    /// A client creates an index.
    pub fn create_index(&self, namespace: &Namespace, keys: &[&str]) {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let index = IndexInfo { name: keys.join("_"), keys, complete: true };
        if let Ok(collection) = found(&mut self.state(), namespace) {
            collection.indexes.push(index);
        }
    }

    /// A client deletes by `_id`, wherever that is. Answers whether there was a document.
    pub fn remove(&self, namespace: &Namespace, id: RawBsonRef<'_>) -> bool {
        let mut state = self.state();
        let Ok(collection) = found(&mut state, namespace) else { return false };
        let (id, before) = (key::encode(id), collection.documents.len());
        collection.documents.retain(|_, document| fence::identity(document, None) != id);
        collection.documents.len() < before
    }

    /// An operator shards the collection, or refines its shard key: its UUID stays, and what documents are
    /// known by changes.
    ///
    /// # Errors
    /// [`ClusterError::NamespaceMissing`].
    pub fn shard(&self, namespace: &Namespace, shard_key: ShardKey) -> Result<(), ClusterError> {
        let mut state = self.state();
        let collection = found(&mut state, namespace)?;
        collection.shard_key = Some(shard_key);
        let documents = std::mem::take(&mut collection.documents);
        for document in documents.into_values() {
            collection.documents.insert(collection.identity(&document)?, document);
        }
        Ok(())
    }

    /// A client drops the collection.
    pub fn drop_collection(&self, namespace: &Namespace) {
        self.state().collections.remove(&place(namespace));
    }

    /// A client renames the collection, which keeps its UUID.
    pub fn rename(&self, from: &Namespace, to: &Namespace) {
        let mut state = self.state();
        if let Some(collection) = state.collections.remove(&place(from)) {
            state.collections.insert(place(to), collection);
        }
    }

    /// Everything in a collection, in order of `_id`.
    #[must_use]
    pub fn documents(&self, namespace: &Namespace) -> Vec<RawDocumentBuf> {
        let state = self.state();
        let collection = state.collections.get(&place(namespace));
        collection.map(|it| it.documents.values().cloned().collect()).unwrap_or_default()
    }

    /// Sets the cluster's clock ahead of the runtime's.
    pub fn set_clock_skew_ms(&self, skew_ms: i64) {
        self.state().clock_skew_ms = skew_ms;
    }

    /// The cluster was upgraded, or the other way round.
    pub fn set_level(&self, level: GuardLevel) {
        self.state().level = level;
    }

    /// Lets its secondaries be behind by so much; `None`: it does not tell.
    pub fn set_lag_ms(&self, lag_ms: Option<u64>) {
        self.state().lag_ms = lag_ms;
    }

    /// Makes every request fail as unavailable, or ends that.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    fn up(&self) -> Result<MutexGuard<'_, State>, ClusterError> {
        let state = self.state();
        if state.down {
            return Err(ClusterError::Unavailable("the simulated cluster is down".into()));
        }
        Ok(state)
    }

    fn insert_missing(
        &self,
        namespace: &Namespace,
        documents: &[RawDocumentBuf],
    ) -> Result<Inserted, ClusterError> {
        let mut done = Inserted::default();
        for (index, document) in documents.iter().enumerate() {
            match self.insert_all(namespace, [document.clone()]) {
                Ok(()) => done.n += 1,
                Err(ClusterError::Server { code, message, .. }) => {
                    done.refused.push(NotInserted { index, code, message });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn matching(
        &self,
        namespace: &Namespace,
        filter: &RawDocument,
    ) -> Result<Vec<RawDocumentBuf>, ClusterError> {
        let state = self.up()?;
        let context = Context::new(self.runtime.now_ms() + state.clock_skew_ms);
        let filter = Filter::parse(filter, &context).map_err(refused)?;
        let Some(collection) = state.collections.get(&place(namespace)) else {
            return Ok(Vec::new());
        };
        let mut matching = Vec::new();
        for document in collection.documents.values() {
            if matches(&filter, document)? {
                matching.push(document.clone());
            }
        }
        Ok(matching)
    }

    fn delete_one(
        &self,
        collection: &mut Collection,
        document: &RawDocument,
        request: &DeleteRequest<'_>,
        now_ms: i64,
    ) -> Result<u64, ClusterError> {
        let (level, deadline_ms) = (request.level, request.deadline_ms);
        let statement = statement(document, level, deadline_ms, request.shard_key)?;
        let identity = collection.aimed_at(document, &statement, now_ms)?;
        Ok(identity.and_then(|identity| collection.documents.remove(&identity)).map_or(0, |_| 1))
    }
}

impl Collection {
    fn identity(&self, document: &RawDocument) -> Result<Vec<u8>, ClusterError> {
        match document.get("_id") {
            Ok(Some(_)) => Ok(fence::identity(document, self.shard_key.as_ref())),
            Ok(None) => Err(ClusterError::Invalid("the document has no _id".to_owned())),
            // A server tells by its bytes what it cannot read.
            Err(_) => Ok(document.as_bytes().to_vec()),
        }
    }

    /// What the delete statement of a document would remove. One that does not name the whole shard key is
    /// refused: a server would send it to every shard, and any document with this `_id` could go.
    fn aimed_at(
        &self,
        document: &RawDocument,
        statement: &RawDocument,
        now_ms: i64,
    ) -> Result<Option<Vec<u8>>, ClusterError> {
        let query = statement.get_document("q")?;
        let missing = |path: &&str| !matches!(query.get(path), Ok(Some(_)));
        if let Some(path) = self.shard_key.iter().flat_map(ShardKey::beside_id).find(missing) {
            return Err(ClusterError::Server {
                code: SHARD_KEY_NOT_FOUND,
                name: "ShardKeyNotFound".into(),
                message: format!("a delete names no value of {path}"),
            });
        }
        let filter = Filter::parse(query, &Context::new(now_ms)).map_err(refused)?;
        let identity = self.identity(document)?;
        let Some(stored) = self.documents.get(&identity) else { return Ok(None) };
        Ok(matches(&filter, stored)?.then_some(identity))
    }

    /// All documents with the `_id`s of these. Those with one `_id` follow one another.
    fn with_ids_of(&self, documents: &[RawDocumentBuf]) -> Vec<RawDocumentBuf> {
        let ids: BTreeSet<_> = documents.iter().map(|it| fence::identity(it, None)).collect();
        let mut found = Vec::new();
        for id in ids {
            let from = self.documents.range(id.clone()..);
            let same = from.take_while(|(identity, _)| identity.starts_with(&id));
            found.extend(same.map(|(_, document)| document.clone()));
        }
        found
    }
}

fn place(namespace: &Namespace) -> (String, String) {
    (namespace.database.clone(), namespace.collection.clone())
}

fn found<'a>(
    state: &'a mut State,
    namespace: &Namespace,
) -> Result<&'a mut Collection, ClusterError> {
    state
        .collections
        .get_mut(&place(namespace))
        .ok_or_else(|| ClusterError::NamespaceMissing(namespace.clone()))
}

/// A server compares as bytes what it cannot read; here it is equal to nothing.
fn matches(filter: &Filter, document: &RawDocument) -> Result<bool, ClusterError> {
    match filter.matches(document) {
        Err(_) if unreadable(document).is_some() => Ok(false),
        matched => matched.map_err(refused),
    }
}

fn refused(error: MqlError) -> ClusterError {
    ClusterError::Server { code: error.code, name: error.name.to_owned(), message: error.message }
}

fn shaped(
    mut documents: Vec<RawDocumentBuf>,
    options: &ReadOptions,
    context: &Context,
) -> Result<Vec<RawDocumentBuf>, MqlError> {
    if let Some(sort) = &options.sort {
        let sort = Sort::parse(sort)?;
        documents.sort_by(|a, b| sort.compare(a, b));
    }
    if let Some(limit) = options.limit {
        documents.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let Some(projection) = &options.projection else { return Ok(documents) };
    let projection = Projection::parse(projection, context)?;
    documents.iter().map(|document| projection.apply(document)).collect()
}

#[async_trait]
impl Cluster for MemoryCluster {
    async fn probe(&self) -> Result<Probe, ClusterError> {
        let level = self.up()?.level;
        Ok(Probe {
            version: "7.0.0".into(),
            product: None,
            level,
            reasons: vec!["simulated".into()],
            sharded: false,
            time_series: false,
            transactions: level >= GuardLevel::L2,
            collection_uuid: true,
            denied: false,
        })
    }

    async fn collection(
        &self,
        namespace: &Namespace,
    ) -> Result<Option<CollectionInfo>, ClusterError> {
        let all = self.list_collections(&namespace.database).await?;
        Ok(all.into_iter().find(|info| info.name == namespace.collection))
    }

    async fn read(
        &self,
        namespace: &Namespace,
        filter: &RawDocument,
        options: ReadOptions,
    ) -> Result<DocumentStream, ClusterError> {
        let context = Context::new(self.clock_ms().await?);
        let documents = self.matching(namespace, filter)?;
        let documents = shaped(documents, &options, &context).map_err(refused)?;
        Ok(stream::iter(documents.into_iter().map(Ok)).boxed())
    }

    async fn find_by_ids(
        &self,
        namespace: &Namespace,
        ids: &[RawBson],
    ) -> Result<Vec<RawDocumentBuf>, ClusterError> {
        self.matching(namespace, &ids_filter(ids))
    }

    async fn delete_guarded(
        &self,
        namespace: &Namespace,
        request: &DeleteRequest<'_>,
    ) -> Result<Deleted, ClusterError> {
        let mut state = self.up()?;
        let now_ms = self.runtime.now_ms() + state.clock_skew_ms;
        let collection = found(&mut state, namespace)?;
        if request.uuid.is_some_and(|uuid| uuid != collection.uuid) {
            return Err(ClusterError::CollectionReplaced(namespace.clone()));
        }
        let mut deleted = Deleted::default();
        for document in request.documents {
            deleted.n += self.delete_one(collection, document, request, now_ms)?;
        }
        Ok(deleted)
    }

    async fn delete_batch(
        &self,
        namespace: &Namespace,
        request: &BatchRequest<'_>,
    ) -> Result<BatchOutcome, ClusterError> {
        self.transact(namespace, request)
    }

    async fn fence(&self, uuid: [u8; 16]) -> Result<Option<Fence>, ClusterError> {
        Ok(self.up()?.fences.get(uuid))
    }

    async fn raise_fence(&self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        self.up()?.fences.raise(holder, seq)
    }

    async fn adopt_fence(&self, from: &str, holder: &Holder<'_>) -> Result<(), ClusterError> {
        self.up()?.fences.adopt(from, holder)
    }

    async fn close_fence(&self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        self.up()?.fences.close(holder, seq)
    }

    async fn kept_records(
        &self,
        uuid: [u8; 16],
        seq: i64,
    ) -> Result<Vec<KeptRecord>, ClusterError> {
        Ok(self.up()?.fences.kept(uuid, seq))
    }

    async fn clear_kept(&self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        self.up()?.fences.clear(holder, seq)
    }

    async fn insert(
        &self,
        namespace: &Namespace,
        documents: &[RawDocumentBuf],
    ) -> Result<Inserted, ClusterError> {
        drop(self.up()?);
        self.insert_missing(namespace, documents)
    }

    async fn insert_fenced(
        &self,
        namespace: &Namespace,
        documents: &[RawDocumentBuf],
        step: &FencedStep<'_>,
    ) -> Result<Inserted, ClusterError> {
        self.transact_insert(namespace, documents, step)
    }

    async fn clock_ms(&self) -> Result<i64, ClusterError> {
        Ok(self.runtime.now_ms() + self.up()?.clock_skew_ms)
    }

    async fn lag_ms(&self) -> Result<Option<u64>, ClusterError> {
        Ok(self.up()?.lag_ms)
    }

    async fn list_databases(&self) -> Result<Vec<String>, ClusterError> {
        let state = self.up()?;
        let mut names: Vec<_> = state.collections.keys().map(|(name, _)| name.clone()).collect();
        names.dedup();
        Ok(names)
    }

    async fn list_collections(&self, database: &str) -> Result<Vec<CollectionInfo>, ClusterError> {
        let state = self.up()?;
        let of_database = state.collections.iter().filter(|((name, _), _)| name == database);
        Ok(of_database
            .map(|((_, name), collection)| CollectionInfo {
                name: name.clone(),
                uuid: Some(collection.uuid),
                kind: CollectionKind::Collection,
                capped: collection.capped,
                shard_key: collection.shard_key.clone(),
            })
            .collect())
    }

    async fn list_indexes(&self, namespace: &Namespace) -> Result<Vec<IndexInfo>, ClusterError> {
        let state = self.up()?;
        let found = state.collections.get(&place(namespace));
        Ok(found.map(|collection| collection.indexes.clone()).unwrap_or_default())
    }

    async fn estimated_count(&self, namespace: &Namespace) -> Result<u64, ClusterError> {
        let state = self.up()?;
        let count = state.collections.get(&place(namespace)).map_or(0, |it| it.documents.len());
        Ok(count as u64)
    }

    async fn any_in_id_range(
        &self,
        namespace: &Namespace,
        low: &RawBson,
        high: &RawBson,
    ) -> Result<bool, ClusterError> {
        let filter = rawdoc! { "_id": { "$gte": low.clone(), "$lte": high.clone() } };
        Ok(!self.matching(namespace, &filter)?.is_empty())
    }
}

#[cfg(test)]
mod tests;
