//! A cluster, tables and a journal that a test moves by hand, step by step.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use futures::future::BoxFuture;
use portolan_cluster::{BatchRequest, Cluster, FencedBatch, Holder, MemoryCluster};
use portolan_lake::{
    Change, DataFile, Location, MonthSpec, StageRequest, StagedFile, Table, TableSpec, identity,
};
use portolan_model::{ClusterId, DateFormat, GuardLevel, Namespace, ShardKey};
use portolan_mql::Context;
use portolan_runtime::Runtime;
use portolan_wire::Account;

use crate::endpoint::{Endpoint, EndpointMode, Limits};
use crate::query::Query;
use crate::session::Session;
use crate::union::Union;
use crate::{Allowance, ArchiveSource, Catalog, FederationError, Kept, QueryRecord};

const TOKEN: &str = "token";

/// Something that happens at a certain moment of a query.
pub(super) type Event = BoxFuture<'static, ()>;

/// The catalog of a [`World`].
#[derive(Default)]
pub(super) struct Facts {
    state: Mutex<State>,
    pub(super) records: Mutex<Vec<QueryRecord>>,
    /// What queries may read.
    pub(super) allowance: Mutex<Allowance>,
}

#[derive(Default)]
struct State {
    archives: Vec<ArchiveSource>,
    tables: Vec<Table>,
    kept: Vec<(String, (i64, Vec<u8>))>,
    cluster: Option<Arc<dyn Cluster>>,
    /// The last batch that the journal knows as deleted.
    deleted: Option<(i64, i32)>,
    /// What happens before every look at the outside.
    always: Option<Arc<dyn Fn() -> Event + Send + Sync>>,
    /// What happens just before the n-th next call of `table`.
    before_table: Vec<(usize, Event)>,
    /// What happens just before the next call of `kept`.
    before_kept: Option<Event>,
}

impl Facts {
    pub(super) fn know_deleted(&self, deleted: (i64, i32)) {
        self.state().deleted = Some(deleted);
    }

    /// Something may happen between any two looks.
    pub(super) async fn look(&self) {
        let always = self.state().always.clone();
        if let Some(always) = always {
            always().await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }
}

#[async_trait]
impl Catalog for Facts {
    async fn account(&self, _: &str, _: &str) -> Result<Option<Account>, FederationError> {
        Ok(None)
    }

    async fn archives(&self, _: ClusterId) -> Result<Vec<ArchiveSource>, FederationError> {
        self.look().await;
        Ok(self.state().archives.clone())
    }

    async fn table(&self, uri: &str) -> Result<Table, FederationError> {
        self.look().await;
        let event = {
            let mut state = self.state();
            let mut due = None;
            state.before_table.retain_mut(|(left, event)| {
                *left -= 1;
                if *left == 0 {
                    due = Some(std::mem::replace(event, Box::pin(async {})));
                }
                *left > 0
            });
            due
        };
        if let Some(event) = event {
            event.await;
        }
        let state = self.state();
        let table = state.tables.iter().find(|table| table.uri() == uri).cloned();
        table.ok_or_else(|| FederationError::Catalog(format!("no table {uri}")))
    }

    async fn cluster(&self, _: ClusterId) -> Result<Arc<dyn Cluster>, FederationError> {
        let cluster = self.state().cluster.clone();
        Ok(cluster.ok_or_else(|| FederationError::Catalog("no cluster".into()))?)
    }

    async fn kept(&self, archive_id: &str) -> Result<Kept, FederationError> {
        self.look().await;
        let event = self.state().before_kept.take();
        if let Some(event) = event {
            event.await;
        }
        let state = self.state();
        let own = state.kept.iter().filter(|(archive, _)| archive == archive_id);
        Ok(own.map(|(_, row)| row.clone()).collect())
    }

    async fn deleted(&self, _: &str) -> Result<Option<(i64, i32)>, FederationError> {
        Ok(self.state().deleted)
    }

    async fn allowance(&self, _: ClusterId, _: bool) -> Result<Allowance, FederationError> {
        Ok(self.allowance.lock().expect("no test panics while it holds this").clone())
    }

    async fn log_query(&self, record: QueryRecord) {
        self.records.lock().expect("no test panics while it holds this").push(record);
    }
}

/// Everything there is.
#[derive(Clone)]
pub(super) struct World {
    _folder: Arc<tempfile::TempDir>,
    location: Location,
    pub(super) runtime: Runtime,
    pub(super) cluster: Arc<MemoryCluster>,
    pub(super) facts: Arc<Facts>,
    pub(super) namespace: Namespace,
}

pub(super) fn doc(id: i32, state: &str) -> RawDocumentBuf {
    bson::rawdoc! { "_id": id, "state": state, "at": at(id) }
}

/// Ids of a thousand share a month.
pub(super) fn at(id: i32) -> bson::DateTime {
    const MONTH_MS: i64 = 31 * 86_400_000;
    bson::DateTime::from_millis(1_704_067_200_000 + i64::from(id / 1_000) * MONTH_MS)
}

pub(super) fn cluster_id() -> ClusterId {
    ClusterId::new([7; 12])
}

impl World {
    /// A cluster with an empty collection, and no archive.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::folder(folder.path()).expect("a location");
        let runtime = Runtime::system();
        let cluster = Arc::new(MemoryCluster::new(&runtime));
        let namespace = Namespace::new("shop", "orders").expect("a name");
        cluster.create(&namespace, false);
        let facts = Arc::new(Facts::default());
        facts.state().cluster = Some(cluster.clone());
        Self { _folder: Arc::new(folder), location, runtime, cluster, facts, namespace }
    }

    /// The same with a collection that is sharded.
    pub(super) fn sharded(shard_key: ShardKey) -> Self {
        let world = Self::new();
        world.cluster.create_sharded(&world.namespace, shard_key);
        world
    }

    /// One archive more, newer than those before.
    pub(super) async fn archive(&self) -> Table {
        let info = self.cluster.collection(&self.namespace).await.expect("up");
        let number = self.facts.state().archives.len() + 1;
        let archive_id = format!("{number:024x}");
        let uri = self.location.table_uri(&archive_id);
        let spec = TableSpec {
            archive_id: archive_id.clone(),
            owner: "installation".into(),
            namespace: self.namespace.to_string(),
            shard_key: info.and_then(|info| info.shard_key),
            partition_paths: vec!["at".into()],
            month: Some(MonthSpec { path: "at".into(), format: DateFormat::IsoDate }),
            ..TableSpec::default()
        };
        let table =
            Table::create(&self.location, &uri, &spec, &self.runtime).await.expect("a table");
        let fence = Change::Fence { epoch: 1, token: TOKEN.into() };
        table.commit(&fence).await.expect("a fence");
        let source = ArchiveSource {
            archive_id,
            namespace: self.namespace.clone(),
            table_uri: uri,
            created_at: i64::try_from(number).expect("small"),
            level: GuardLevel::L1,
            collection_uuid: None,
        };
        let mut state = self.facts.state();
        state.archives.insert(0, source);
        state.tables.push(table.clone());
        table
    }

    /// The cluster is of another level, and its archives know it.
    pub(super) fn set_level(&self, level: GuardLevel) {
        self.cluster.set_level(level);
        self.facts.state().archives.iter_mut().for_each(|archive| archive.level = level);
    }

    /// One archive more, of a cluster whose deletes are fenced.
    pub(super) async fn fenced_archive(&self) -> Table {
        let table = self.archive().await;
        self.cluster.set_level(GuardLevel::L3);
        let holder = self.holder().await;
        self.cluster.raise_fence(&holder, 0).await.expect("raised");
        let archives = &mut self.facts.state().archives;
        (archives[0].level, archives[0].collection_uuid) = (GuardLevel::L3, Some(holder.uuid));
        table
    }

    pub(super) async fn holder(&self) -> Holder<'static> {
        let info = self.cluster.collection(&self.namespace).await.expect("up").expect("there");
        let uuid = info.uuid.expect("a UUID");
        Holder { uuid, owner: "installation", epoch: 1, token: TOKEN }
    }

    /// Deletes a batch under the fence; rows whose documents are not as they were stay recorded.
    pub(super) async fn delete_batch(&self, table: &Table, seq: i64, batch: i32) {
        let version = table.load().await.expect("a version");
        let rows = table.batch(&version, seq, batch).await.expect("rows");
        let documents: Vec<_> = rows.iter().map(|row| row.doc.clone()).collect();
        let identities: Vec<_> = rows.iter().map(|row| row.identity.clone()).collect();
        let holder = self.holder().await;
        let request = BatchRequest {
            uuid: Some(holder.uuid),
            shard_key: table.spec().shard_key.as_ref(),
            documents: &documents,
            identities: &identities,
            deadline_ms: 0,
            fenced: Some(FencedBatch { holder, seq, batch, keep_all: false }),
        };
        self.cluster.delete_batch(&self.namespace, &request).await.expect("deleted");
    }

    pub(super) async fn close_fence(&self, seq: i64) {
        self.cluster.close_fence(&self.holder().await, seq).await.expect("closed");
    }

    pub(super) async fn clear_records(&self, seq: i64) {
        self.cluster.clear_kept(&self.holder().await, seq).await.expect("cleared");
    }

    /// Commits a move and leaves it open.
    pub(super) async fn commit(&self, table: &Table, seq: i64, documents: Vec<RawDocumentBuf>) {
        self.commit_in_batches(table, seq, documents, 500).await;
    }

    /// The same in batches of so many documents.
    pub(super) async fn commit_in_batches(
        &self,
        table: &Table,
        seq: i64,
        documents: Vec<RawDocumentBuf>,
        batch_documents_max: usize,
    ) {
        let usual = StageRequest::new(seq, 1, self.runtime.now_ms());
        let request = StageRequest { batch_documents_max, ..usual };
        let staged = table.stage(request, documents).await.expect("staged");
        table.verify(&staged).await.expect("verified");
        let files = staged.files;
        let token = TOKEN.into();
        let append = Change::Append { seq, epoch: 1, token, files, config_version: 1 };
        table.commit(&append).await.expect("committed");
    }

    /// Confirms a move; the rows named by `(seq, _id)` leave the table.
    pub(super) async fn confirm(&self, table: &Table, seq: i64, dropped: &[(i64, i32)]) {
        let (removes, adds) = self.rewritten(table, dropped).await;
        let confirm =
            Change::Confirm { seq, epoch: 1, token: TOKEN.into(), removes, adds, supersedes: true };
        table.commit(&confirm).await.expect("confirmed");
    }

    /// Rows leave a table outside of a confirm.
    pub(super) async fn rewrite(&self, table: &Table, dropped: &[(i64, i32)]) {
        let (removes, adds) = self.rewritten(table, dropped).await;
        let (id, token) = ("rewrite".into(), TOKEN.into());
        let rewrite = Change::Rewrite { id, epoch: 1, token, removes, adds, supersedes: true };
        table.commit(&rewrite).await.expect("rewritten");
    }

    async fn rewritten(
        &self,
        table: &Table,
        dropped: &[(i64, i32)],
    ) -> (Vec<DataFile>, Vec<StagedFile>) {
        if dropped.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let version = table.load().await.expect("a version");
        let dropped: HashSet<_> =
            dropped.iter().map(|(seq, id)| (*seq, identity(&doc(*id, "")))).collect();
        let affected = |file: &&DataFile| dropped.iter().any(|(seq, _)| file.may_hold(*seq));
        let files: Vec<_> = version.files.iter().filter(affected).cloned().collect();
        let staged = table.rewrite_without(&version, &files, &dropped).await.expect("rewritten");
        table.verify(&staged).await.expect("verified");
        (files, staged.files)
    }

    /// A whole move: committed, deleted at the source, confirmed.
    pub(super) async fn moved(&self, table: &Table, seq: i64, documents: Vec<RawDocumentBuf>) {
        self.commit(table, seq, documents.clone()).await;
        for document in &documents {
            self.delete(document);
        }
        self.confirm(table, seq, &[]).await;
    }

    pub(super) fn insert(&self, document: RawDocumentBuf) {
        self.cluster.insert(&self.namespace, [document]).expect("inserted");
    }

    pub(super) fn update(&self, document: RawDocumentBuf) {
        assert!(self.cluster.replace(&self.namespace, document).expect("replaced"));
    }

    pub(super) fn delete(&self, document: &RawDocument) {
        let id = document.get("_id").expect("sound").expect("there");
        self.cluster.remove(&self.namespace, id);
    }

    pub(super) fn delete_id(&self, id: i32) {
        self.cluster.remove(&self.namespace, RawBsonRef::Int32(id));
    }

    /// The journal notes that a row's document stayed.
    pub(super) fn keep(&self, table: &Table, seq: i64, id: i32) {
        let row = (seq, identity(&doc(id, "")));
        self.facts.state().kept.push((table.spec().archive_id.clone(), row));
    }

    pub(super) fn clear_kept(&self) {
        self.facts.state().kept.clear();
    }

    /// Lets something happen just before the `n`-th next look at a table.
    pub(super) fn before_table(&self, n: usize, event: impl Future<Output = ()> + Send + 'static) {
        self.facts.state().before_table.push((n, Box::pin(event)));
    }

    /// Lets something happen before every look at the outside, and puts another cluster in place.
    pub(super) fn always(
        &self,
        cluster: Arc<dyn Cluster>,
        event: impl Fn() -> Event + Send + Sync + 'static,
    ) {
        let mut state = self.facts.state();
        state.cluster = Some(cluster);
        state.always = Some(Arc::new(event));
    }

    pub(super) fn never(&self) {
        self.facts.state().always = None;
    }

    /// Lets something happen just before the next look at a journal's list.
    pub(super) fn before_kept(&self, event: impl Future<Output = ()> + Send + 'static) {
        self.facts.state().before_kept = Some(Box::pin(event));
    }

    pub(super) fn endpoint(&self, mode: EndpointMode) -> Endpoint {
        self.limited(mode, Limits::default())
    }

    pub(super) fn limited(&self, mode: EndpointMode, limits: Limits) -> Endpoint {
        let catalog: Arc<dyn Catalog> = self.facts.clone();
        Endpoint::with_limits(mode, cluster_id(), catalog, self.runtime.clone(), limits)
    }

    pub(super) fn query(&self, filter: RawDocumentBuf) -> Query {
        let context = Context::new(self.runtime.now_ms());
        Query::new(self.namespace.clone(), &filter, &context).expect("a filter")
    }

    /// A union that has not begun; [`Steps::step`] moves it on.
    pub(super) fn union(&self, filter: RawDocumentBuf) -> Steps {
        self.steps(EndpointMode::ClusterAndArchive, filter)
    }

    pub(super) fn steps(&self, mode: EndpointMode, filter: RawDocumentBuf) -> Steps {
        let session = Session::new(&self.endpoint(mode));
        Steps { union: Union::new(session, self.query(filter)), found: Vec::new() }
    }

    /// What an endpoint answers right now, in order of `_id`.
    pub(super) async fn answer(
        &self,
        mode: EndpointMode,
        filter: RawDocumentBuf,
    ) -> Vec<RawDocumentBuf> {
        self.steps(mode, filter).finish().await
    }
}

/// A union that goes on step by step.
pub(super) struct Steps {
    union: Union,
    found: Vec<RawDocumentBuf>,
}

impl Steps {
    /// Goes one step: begin, a group of the cluster's documents, pin, a group of rows.
    pub(super) async fn step(&mut self) -> bool {
        match self.union.next().await.expect("a step") {
            Some(documents) => {
                self.found.extend(documents);
                true
            }
            None => false,
        }
    }

    /// Begins and scans the cluster part to its last document; the pin comes with the next step.
    pub(super) async fn scan(&mut self) {
        self.step().await;
        self.step().await;
    }

    pub(super) async fn finish(mut self) -> Vec<RawDocumentBuf> {
        while self.step().await {}
        self.found.sort_by_key(|document| identity(document));
        self.found
    }
}
