//! A small world: one collection of a simulated cluster, one archive, a worker whose clock moves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bson::{RawDocumentBuf, rawdoc};
use futures::TryStreamExt;
use portolan_auth::Authorized;
use portolan_cluster::{Cluster, ClusterError, MemoryCluster};
use portolan_lake::{LakeError, Location, Predicate, Table};
use portolan_model::{
    ArchiveEvent, ArchiveId, ArchiveRules, ArchiveState, ClusterId, CollectionType, Criteria,
    DataProcessRegion, DateFormat, GuardLevel, JobId, Namespace, OnlineArchive, OrgId,
    PartitionField, ProjectId, Schedule, ShardKey,
};
use portolan_runtime::{FaultPlan, ManualClock, Runtime};
use portolan_security::KeyRing;
use portolan_store::archives::{self, StoredArchive, work};
use portolan_store::jobs::ArchiveJob;
use portolan_store::operations::{self, Operation, OperationKind};
use portolan_store::runs::{self, ArchiveRun};
use portolan_store::upkeep::{self, Upkeep};
use portolan_store::{Page, Store, StoreError, jobs};
use tokio_util::sync::CancellationToken;

use crate::{ArchiverMetrics, ArchiverOptions, Outside, Worker};

pub(super) const NOW_MS: i64 = 1_700_000_000_000;
const DAY_MS: i64 = 86_400_000;
/// Longer than the longest distance between two looks.
const LOOK_MS: u64 = 4 * 3_600_000 + 60_000;

/// Documents by identity.
pub(super) type Documents = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) struct World {
    pub(super) runtime: Runtime,
    pub(super) clock: Arc<ManualClock>,
    pub(super) cluster: Arc<MemoryCluster>,
    pub(super) archive: ArchiveId,
    pub(super) folder: tempfile::TempDir,
    /// Of the control state.
    pub(super) url: String,
    /// Stands between the worker and the cluster.
    pub(super) between: Option<Arc<dyn Cluster>>,
    pub(super) options: ArchiverOptions,
    pub(super) paused: bool,
    /// Of the collection: what documents are told apart by beside `_id`.
    pub(super) shard_key: Option<ShardKey>,
    /// The storage stands still in time.
    pub(super) storage_stands: bool,
    /// Storage in place of the folder.
    pub(super) place: Option<Location>,
}

struct Reach {
    cluster: Arc<dyn Cluster>,
    location: Location,
    paused: bool,
}

#[async_trait]
impl Outside for Reach {
    async fn cluster(&self, _id: ClusterId) -> Result<Arc<dyn Cluster>, ClusterError> {
        Ok(self.cluster.clone())
    }

    async fn is_paused(&self, _id: ClusterId) -> bool {
        self.paused
    }

    fn location(&self, _table_uri: &str) -> Result<Location, LakeError> {
        Ok(self.location.clone())
    }
}

pub(super) fn flights() -> Namespace {
    Namespace { database: "air".into(), collection: "flights".into() }
}

/// Cold when `days` is above ten.
pub(super) fn flight(id: i32, days: i64, text: &str) -> RawDocumentBuf {
    let at = bson::DateTime::from_millis(NOW_MS - days * DAY_MS);
    rawdoc! { "_id": id, "at": at, "carrier": if id % 2 == 0 { "AA" } else { "UA" }, "t": text }
}

pub(super) fn by_identity(documents: impl IntoIterator<Item = RawDocumentBuf>) -> Documents {
    by_identity_under(documents, None)
}

fn by_identity_under(
    documents: impl IntoIterator<Item = RawDocumentBuf>,
    shard_key: Option<&ShardKey>,
) -> Documents {
    let entry = |document: RawDocumentBuf| {
        let identity = portolan_lake::identity_under(&document, shard_key);
        (identity, document.as_bytes().to_vec())
    };
    documents.into_iter().map(entry).collect()
}

fn options() -> ArchiverOptions {
    ArchiverOptions {
        owner: "us".into(),
        batch_documents_max: 4,
        lease_ttl_ms: 30_000,
        quiet_margin_ms: 5_000,
        ..ArchiverOptions::default()
    }
}

impl World {
    /// An archive on an empty collection of a cluster at level L1.
    pub(super) async fn new() -> Self {
        Self::at(GuardLevel::L1).await
    }

    /// An archive on an empty collection of a cluster at that level.
    pub(super) async fn at(level: GuardLevel) -> Self {
        Self::in_place(level, None).await
    }

    /// The same with storage in place of a folder.
    pub(super) async fn in_place(level: GuardLevel, place: Option<Location>) -> Self {
        let (runtime, clock) = Runtime::manual(NOW_MS, 7);
        let cluster = Arc::new(MemoryCluster::with_level(&runtime, level));
        let archive = ArchiveId::new(runtime.object_id());
        let folder = tempfile::tempdir().expect("a folder");
        let url = portolan_store::scratch::url(folder.path()).await;
        let (between, options, paused) = (None, options(), false);
        let storage_stands = false;
        let world = Self {
            runtime,
            clock,
            cluster,
            archive,
            folder,
            url,
            between,
            options,
            paused,
            shard_key: None,
            storage_stands,
            place,
        };
        world.cluster.create(&flights(), false);
        if level == GuardLevel::L0 {
            world.state_quiet_writes().await;
        }
        world.store_archive(archive, criteria()).await;
        world
    }

    /// Ten cold and two warm documents in the collection.
    pub(super) async fn with_flights() -> Self {
        Self::with_flights_at(GuardLevel::L1).await
    }

    /// The same at that level.
    pub(super) async fn with_flights_at(level: GuardLevel) -> Self {
        let world = Self::at(level).await;
        let cold = (0..10).map(|id| flight(id, 20 + i64::from(id) * 7, "v1"));
        let warm = (10..12).map(|id| flight(id, 1, "v1"));
        world.cluster.insert(&flights(), cold.chain(warm)).expect("inserted");
        world
    }

    /// Ten cold and two warm documents in a collection that is sharded by their text: five `_id`s, each on
    /// two shards, and a warm one that shares its `_id` with cold ones.
    pub(super) async fn with_shards(level: GuardLevel) -> Self {
        let mut world = Self::at(level).await;
        let key = ShardKey::ranged(&["t"]);
        world.cluster.create_sharded(&flights(), key.clone());
        world.shard_key = Some(key);
        let cold = (0..10)
            .map(|n| flight(n / 2, 20 + i64::from(n) * 7, if n % 2 == 0 { "a" } else { "b" }));
        let warm = [flight(0, 1, "c"), flight(11, 1, "a")];
        world.cluster.insert(&flights(), cold.chain(warm)).expect("inserted");
        world
    }

    /// Pauses the archive and makes another one of the same collection; gives the first one's id.
    pub(super) async fn second_archive(&mut self, query: &str) -> ArchiveId {
        self.happen(ArchiveEvent::PauseRequested).await;
        let first = self.archive;
        self.archive = ArchiveId::new(self.runtime.object_id());
        self.store_archive(self.archive, Criteria::Custom { query: query.into() }).await;
        first
    }

    pub(super) async fn store_archive(&self, id: ArchiveId, criteria: Criteria) {
        let table_uri = self.location().table_uri(&id.to_string());
        let archive = archive(id, criteria, table_uri);
        let stored = StoredArchive {
            archive,
            level: GuardLevel::L1,
            expiry_set_at: None,
            rules_version: 1,
            hold: None,
            purging_at: None,
        };
        let store = self.store(FaultPlan::none()).await;
        let witness =
            Authorized::system("a test").in_project(OrgId::new([3; 12]), ProjectId::new([1; 12]));
        store
            .run_tx::<_, StoreError, _>("test.archive", |tx| {
                let (witness, stored) = (&witness, &stored);
                Box::pin(async move { archives::insert(tx, witness, stored).await })
            })
            .await
            .expect("stored");
        store.close().await;
    }

    /// Storage whose own clock is the simulated one.
    pub(super) fn location(&self) -> Location {
        if let Some(place) = &self.place {
            return place.clone();
        }
        let folder = self.folder.path().join("archives");
        let location = Location::folder(folder).expect("a location");
        if self.storage_stands { location } else { location.on_runtime_clock() }
    }

    /// From now on the storage's clock is the file system's, far from the simulated one.
    pub(super) fn freeze_storage_clock(&mut self) {
        self.storage_stands = true;
    }

    pub(super) async fn store(&self, faults: FaultPlan) -> Store {
        let runtime = self.runtime.with_faults(faults);
        Store::open(&self.url, KeyRing::new(&[1; 32], &[]), runtime).await.expect("a store")
    }

    /// A worker of a process of its own: nothing is left of the one before but what it wrote.
    pub(super) async fn worker(&self, faults: FaultPlan) -> (Worker, Store) {
        let runtime = self.runtime.with_faults(faults.clone());
        let store = self.store(faults).await;
        let cluster = self.between.clone().unwrap_or_else(|| self.cluster.clone());
        let reach = Reach { cluster, location: self.location(), paused: self.paused };
        let (reach, metrics) = (Arc::new(reach), ArchiverMetrics::default());
        let options = self.options.clone();
        (Worker::new(store.clone(), reach, options, metrics, &runtime), store)
    }

    /// One look at everything by a worker of its own, while time goes by.
    pub(super) async fn pass(&mut self, faults: FaultPlan) {
        let (worker, store) = self.worker(faults).await;
        let shutdown = CancellationToken::new();
        self.run_clock(worker.pass(&shutdown)).await.ok();
        store.close().await;
    }

    /// The folder of the archive's table.
    pub(super) fn table_folder(&self) -> PathBuf {
        self.folder.path().join("archives").join(self.archive.to_string())
    }

    /// Looks again and again, each time by a new worker after the last one's lease ran out, until
    /// nothing is open and nothing cold is left.
    pub(super) async fn settle(&mut self) {
        for _ in 0..2 {
            self.clock.advance_ms(LOOK_MS);
            let (worker, store) = self.worker(FaultPlan::none()).await;
            let shutdown = CancellationToken::new();
            for _ in 0..2 {
                self.run_clock(worker.pass(&shutdown)).await.expect("a pass");
                self.clock.advance_ms(60_000);
            }
            store.close().await;
        }
    }

    /// Lets the manual clock run, about forty times as fast as real time, while `work` goes on.
    pub(super) async fn run_clock<T>(&self, work: impl Future<Output = T>) -> T {
        let real = Runtime::system();
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = real.sleep_ms(5) => self.clock.advance_ms(200),
            }
        }
    }

    /// Lets days go by, with a look by a new worker every few hours.
    pub(super) async fn days_pass(&mut self, days: f64) {
        let steps = (days * 8.0).ceil() as u64;
        for _ in 0..steps {
            self.clock.advance_ms((days * 86_400_000.0) as u64 / steps);
            self.pass(FaultPlan::none()).await;
        }
    }

    /// What a client sets for the archive's data, acknowledged when the table has it, too.
    pub(super) async fn set_rules(&self, rules: ArchiveRules) {
        self.store_rules(&rules).await;
        let (worker, store) = self.worker(FaultPlan::none()).await;
        worker.write_rules(self.archive).await.expect("written");
        store.close().await;
    }

    /// The first half of that.
    pub(super) async fn store_rules(&self, rules: &ArchiveRules) {
        let stored = self.stored().await.expect("an archive");
        let mut archive = stored.archive.clone();
        archive.expire_after_days = rules.expiry.map(|rule| rule.expire_after_days);
        let changed = StoredArchive {
            archive,
            expiry_set_at: rules.expiry.map(|rule| rule.set_at),
            rules_version: rules.version,
            hold: rules.hold.clone(),
            ..stored
        };
        self.write(&changed).await;
    }

    /// The archive's table.
    pub(super) async fn table(&self) -> Table {
        let location = self.location();
        let uri = location.table_uri(&self.archive.to_string());
        let table = Table::open(&location, &uri, &self.runtime).await.expect("readable");
        table.expect("a table")
    }

    /// Rows that readers see, and rows that are flagged as superseded.
    pub(super) async fn rows(&self) -> (usize, usize) {
        let table = self.table().await;
        let version = table.load().await.expect("a version");
        let rows = table.scan(&version, &Predicate { columns: Vec::new() }).rows();
        let rows: Vec<_> = rows.try_collect().await.expect("rows");
        let flagged = rows.iter().filter(|row| row.superseded_by.is_some()).count();
        (rows.len() - flagged, flagged)
    }

    /// Data files that the newest version names.
    pub(super) async fn table_files(&self) -> usize {
        self.table().await.load().await.expect("a version").files.len()
    }

    /// Data objects in the table's folder.
    pub(super) async fn objects(&self) -> usize {
        let root = self.table_folder();
        let mut folders = vec![root];
        let mut count = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                let name = entry.file_name().into_string().expect("a name");
                if entry.path().is_dir() && name != "_delta_log" {
                    folders.push(entry.path());
                }
                count += usize::from(name.starts_with("part-"));
            }
        }
        count
    }

    /// Work beside the runs, oldest first.
    pub(super) async fn operations(&self) -> Vec<Operation> {
        let store = self.store(FaultPlan::none()).await;
        let id = self.archive;
        let mut listed = store
            .read_tx::<_, StoreError, _>("test.operations", |tx| {
                Box::pin(async move { operations::list(tx, id, Page::ALL).await })
            })
            .await
            .expect("read");
        store.close().await;
        listed.items.reverse();
        listed.items
    }

    /// An operator asks for something.
    pub(super) async fn queue(&self, kind: OperationKind, request: &str) {
        let store = self.store(FaultPlan::none()).await;
        let id = JobId::new(self.runtime.object_id());
        let (request, now_ms) = (request.to_owned(), self.runtime.now_ms());
        let operation = Operation::new(id, self.archive, kind, request, now_ms);
        store
            .run_tx::<_, StoreError, _>("test.queue", |tx| {
                let operation = &operation;
                Box::pin(async move { operations::save(tx, operation).await })
            })
            .await
            .expect("queued");
        store.close().await;
    }

    pub(super) async fn set_schedule(&self, schedule: Schedule) {
        let stored = self.stored().await.expect("an archive");
        let archive = OnlineArchive { schedule, ..stored.archive.clone() };
        self.write(&StoredArchive { archive, ..stored }).await;
    }

    pub(super) async fn write(&self, changed: &StoredArchive) {
        let store = self.store(FaultPlan::none()).await;
        let witness =
            Authorized::system("a test").in_project(OrgId::new([3; 12]), ProjectId::new([1; 12]));
        store
            .run_tx::<_, StoreError, _>("test.update", |tx| {
                let witness = &witness;
                Box::pin(async move { archives::update(tx, witness, changed).await })
            })
            .await
            .expect("stored");
        store.close().await;
    }

    /// An operator asks for a run.
    pub(super) async fn request_run(&self) {
        let store = self.store(FaultPlan::none()).await;
        let id = self.archive;
        store
            .run_tx::<_, StoreError, _>("test.run", |tx| {
                Box::pin(async move { jobs::request_run(tx, id).await })
            })
            .await
            .expect("asked");
        store.close().await;
    }

    pub(super) async fn job(&self) -> ArchiveJob {
        let store = self.store(FaultPlan::none()).await;
        let id = self.archive;
        let found = store
            .read_tx::<_, StoreError, _>("test.job", |tx| Box::pin(jobs::get(tx, id)))
            .await
            .expect("read");
        store.close().await;
        found.expect("a job")
    }

    pub(super) async fn upkeep(&self) -> Option<Upkeep> {
        let store = self.store(FaultPlan::none()).await;
        let id = self.archive;
        let found = store
            .read_tx::<_, StoreError, _>("test.upkeep", |tx| Box::pin(upkeep::get(tx, id)))
            .await
            .expect("read");
        store.close().await;
        found
    }

    pub(super) async fn happen(&self, event: ArchiveEvent) {
        let store = self.store(FaultPlan::none()).await;
        let (id, system) = (self.archive, Authorized::system("a test"));
        store
            .run_tx::<_, StoreError, _>("test.event", |tx| {
                let system = &system;
                Box::pin(async move { work::advance(tx, system, id, event).await })
            })
            .await
            .expect("stored")
            .expect("allowed");
        store.close().await;
    }

    pub(super) async fn stored(&self) -> Option<StoredArchive> {
        let store = self.store(FaultPlan::none()).await;
        let (id, system) = (self.archive, Authorized::system("a test"));
        let stored = store
            .read_tx::<_, StoreError, _>("test.read", |tx| {
                let system = &system;
                Box::pin(async move { work::fetch(tx, system, id).await })
            })
            .await
            .expect("read");
        store.close().await;
        stored
    }

    pub(super) async fn state(&self) -> ArchiveState {
        self.stored().await.expect("an archive").archive.state
    }

    /// Runs of the archive, oldest first.
    pub(super) async fn runs(&self) -> Vec<ArchiveRun> {
        let store = self.store(FaultPlan::none()).await;
        let id = self.archive;
        let mut listed = store
            .read_tx::<_, StoreError, _>("test.runs", |tx| {
                Box::pin(async move { runs::list(tx, id, Page::ALL).await })
            })
            .await
            .expect("read");
        store.close().await;
        listed.items.reverse();
        listed.items
    }

    /// What the cluster holds.
    pub(super) fn live(&self) -> Documents {
        by_identity_under(self.cluster.documents(&flights()), self.shard_key.as_ref())
    }

    /// What the archive's table holds; panics on an identity that occurs twice.
    pub(super) async fn archived(&self) -> Documents {
        self.archived_in(self.archive).await
    }

    pub(super) async fn archived_in(&self, id: ArchiveId) -> Documents {
        let location = self.location();
        let uri = location.table_uri(&id.to_string());
        let table = Table::open(&location, &uri, &self.runtime).await.expect("readable");
        let Some(table) = table else { return Documents::new() };
        let version = table.load().await.expect("a version");
        assert_eq!(version.committed, version.confirmed, "a move stayed open");
        let rows = table.scan(&version, &Predicate { columns: Vec::new() }).rows();
        let rows: Vec<_> = rows.try_collect().await.expect("rows");
        let count = rows.len();
        let documents = rows.into_iter().map(|row| row.doc);
        let documents = by_identity_under(documents, self.shard_key.as_ref());
        assert_eq!(documents.len(), count, "a document is archived twice");
        documents
    }

    /// Every document in exactly one place, and all of them those.
    pub(super) async fn assert_moved(&self, all: &Documents, context: &str) {
        let (live, archived) = (self.live(), self.archived().await);
        let mut union = live.clone();
        for (identity, document) in archived {
            let twice = union.insert(identity, document);
            assert!(twice.is_none(), "{context}: a document is in both places");
        }
        assert!(union == *all, "{context}: {} of {} documents", union.len(), all.len());
    }
}

/// Copies a folder.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// An archive of [`flights`].
pub(crate) fn archive(id: ArchiveId, criteria: Criteria, table_uri: String) -> OnlineArchive {
    OnlineArchive {
        id,
        project_id: ProjectId::new([1; 12]),
        cluster_id: ClusterId::new([2; 12]),
        cluster_name: "Cluster0".into(),
        namespace: flights(),
        collection_type: CollectionType::Standard,
        criteria,
        criteria_version: 1,
        partition_fields: vec![field("at", 0), field("carrier", 1)],
        expire_after_days: None,
        region: DataProcessRegion::default(),
        schedule: Schedule::Default,
        state: ArchiveState::Pending,
        table_uri,
        created_at: NOW_MS,
        deleted_at: None,
    }
}

pub(super) fn criteria() -> Criteria {
    Criteria::Date { field: "at".into(), format: DateFormat::IsoDate, expire_after_days: 10 }
}

fn field(name: &str, order: i32) -> PartitionField {
    PartitionField { name: name.into(), order, field_type: None }
}
