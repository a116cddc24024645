//! A world: one collection of a simulated cluster, one archive with its table in memory, a journal in a
//! file of its own, and the lives of workers in it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Result;
use async_trait::async_trait;
use portolan_archiver::{ArchiverMetrics, ArchiverOptions, Outside, Worker};
use portolan_auth::Authorized;
use portolan_cluster::{Cluster, ClusterError, MemoryCluster};
use portolan_lake::{LakeError, Location, Table};
use portolan_model::{
    ArchiveId, ArchiveState, ClusterId, CollectionType, Criteria, DataProcessRegion, DateFormat,
    GuardLevel, Namespace, OnlineArchive, OrgId, PartitionField, ProjectId, Schedule,
};
use portolan_runtime::{FaultPlan, ManualClock, Runtime, SeededEntropy};
use portolan_security::KeyRing;
use portolan_store::archives::{self, StoredArchive};
use portolan_store::{Store, StoreError};
use tempfile::TempDir;

use crate::clock::ProcessClock;
use crate::model::{Model, NOW_MS, document};
use crate::planted::Buggy;
use crate::{Bug, Case, Moves, Tables};

/// Documents at the beginning: so many cold ones, then warm ones.
const COLD: i32 = 6;
const WARM: i32 = 2;
pub(crate) const LEASE_TTL_MS: u64 = 600_000;
/// Longer than any distance between two looks at an archive.
const LOOK_MS: u64 = 5 * 3_600_000;

pub(crate) struct World {
    /// Of everything that is no worker.
    pub(crate) runtime: Runtime,
    pub(crate) clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) level: GuardLevel,
    pub(crate) location: Location,
    pub(crate) archive: ArchiveId,
    pub(crate) model: Mutex<Model>,
    moves: Moves,
    bug: Option<Bug>,
    /// The table as others see it, once it was made.
    table: OnceLock<Table>,
    store: Store,
    _folder: Option<TempDir>,
}

struct Reach {
    cluster: Arc<dyn Cluster>,
    location: Location,
}

#[async_trait]
impl Outside for Reach {
    async fn cluster(&self, _id: ClusterId) -> Result<Arc<dyn Cluster>, ClusterError> {
        Ok(self.cluster.clone())
    }

    fn location(&self, _table_uri: &str) -> Result<Location, LakeError> {
        Ok(self.location.clone())
    }
}

pub(crate) fn namespace() -> Namespace {
    Namespace { database: "air".into(), collection: "flights".into() }
}

pub(crate) fn cluster_id() -> ClusterId {
    ClusterId::new([2; 12])
}

impl World {
    pub(crate) async fn new(case: &Case) -> Result<Self> {
        let Case { level, seed, bug, moves, .. } = *case;
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let entropy = Arc::new(SeededEntropy::new(seed));
        let process = Arc::new(ProcessClock::new(clock.clone()));
        let runtime = Runtime::new(process, entropy.clone(), FaultPlan::none()).in_place();
        let cluster = Arc::new(MemoryCluster::with_level(&runtime, level));
        let Home { location, store, folder } = home(case, &runtime).await?;
        let world = Self {
            archive: ArchiveId::new(runtime.object_id()),
            location,
            store,
            model: Mutex::default(),
            _folder: folder,
            runtime,
            clock,
            entropy,
            cluster,
            level,
            moves,
            bug,
            table: OnceLock::new(),
        };
        if let Some(nth) = case.spoiled {
            world.location.spoil(nth);
        }
        world.cluster.create(&namespace(), false);
        world.store_archive().await?;
        world.fill()?;
        Ok(world)
    }

    fn fill(&self) -> Result<()> {
        let mut model = self.model();
        for id in 0..COLD + WARM {
            let days = if id < COLD { 20 + i64::from(id) * 7 } else { 1 };
            let new = document(id, days, 0);
            self.cluster.insert(&namespace(), [new.clone()])?;
            model.wrote(new);
        }
        Ok(())
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn store_archive(&self) -> Result<()> {
        let stored = StoredArchive {
            archive: self.description(),
            level: self.level,
            expiry_set_at: None,
            rules_version: 1,
            hold: None,
            purging_at: None,
        };
        let witness = Authorized::system("a simulated world")
            .in_project(OrgId::new([3; 12]), ProjectId::new([1; 12]));
        self.store
            .run_tx::<_, StoreError, _>("simulation.archive", |tx| {
                let (witness, stored) = (&witness, &stored);
                Box::pin(async move { archives::insert(tx, witness, stored).await })
            })
            .await?;
        Ok(())
    }

    fn description(&self) -> OnlineArchive {
        let partition = PartitionField { name: "at".into(), order: 0, field_type: None };
        let criteria = Criteria::Date {
            field: "at".into(),
            format: DateFormat::IsoDate,
            expire_after_days: 10,
        };
        OnlineArchive {
            id: self.archive,
            project_id: ProjectId::new([1; 12]),
            cluster_id: cluster_id(),
            cluster_name: "Cluster0".into(),
            namespace: namespace(),
            collection_type: CollectionType::Standard,
            criteria,
            criteria_version: 1,
            partition_fields: vec![partition],
            expire_after_days: None,
            region: DataProcessRegion::default(),
            schedule: Schedule::Default,
            state: ArchiveState::Pending,
            table_uri: self.table_uri(),
            created_at: NOW_MS,
            deleted_at: None,
        }
    }

    pub(crate) fn table_uri(&self) -> String {
        self.location.table_uri(&self.archive.to_string())
    }

    /// The table, once it was made. Opened with the world's own clock and without faults.
    pub(crate) async fn table(&self) -> Result<Option<Table>, LakeError> {
        if let Some(table) = self.table.get() {
            return Ok(Some(table.clone()));
        }
        let opened = Table::open(&self.location, &self.table_uri(), &self.runtime).await?;
        Ok(opened.map(|table| self.table.get_or_init(|| table).clone()))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    fn options(&self) -> ArchiverOptions {
        ArchiverOptions {
            owner: "us".into(),
            // One life after the other: each takes over what the last one left.
            exclusive: true,
            batch_documents_max: 2,
            move_documents_max: if self.moves == Moves::One { 6 } else { 4 },
            lease_ttl_ms: LEASE_TTL_MS,
            quiet_margin_ms: 5_000,
            ..ArchiverOptions::default()
        }
    }

    /// A worker of a process of its own, which has this clock.
    pub(crate) fn worker(&self, clock: Arc<ProcessClock>, faults: FaultPlan) -> Worker {
        let runtime = Runtime::new(clock, self.entropy.clone(), faults).in_place();
        let store = self.store.with_runtime(runtime.clone());
        let inner = self.cluster.clone();
        let cluster: Arc<dyn Cluster> = match self.bug {
            Some(bug) => Arc::new(Buggy::new(inner, bug)),
            None => inner,
        };
        let reach = Arc::new(Reach { cluster, location: self.location.clone() });
        let metrics = ArchiverMetrics::default();
        Worker::new(store, reach, self.options(), metrics, &runtime)
    }

    pub(crate) async fn close(&self) {
        self.store.close().await;
    }

    /// Until every lease has run out and every archive is due again.
    pub(crate) fn wait(&self) {
        self.clock.advance_ms(2 * LEASE_TTL_MS + LOOK_MS);
    }
}

/// What outlasts the processes of a world.
struct Home {
    location: Location,
    store: Store,
    folder: Option<TempDir>,
}

/// Delta tables and control state lie as in installations, in files; simulated ones in the memory of the process.
async fn home(case: &Case, runtime: &Runtime) -> Result<Home> {
    let keys = KeyRing::new(&[1; 32], &[]);
    if case.tables == Tables::Simulated {
        let store = Store::in_memory(keys, runtime.clone()).await?;
        return Ok(Home { location: Location::simulated(), store, folder: None });
    }
    let folder = scratch_folder()?;
    let location = match case.spoiled {
        // A folder alters nothing.
        Some(_) => Location::memory(),
        None => Location::folder(folder.path().join("lake"))?.on_runtime_clock().counting_syncs(),
    };
    let path = folder.path().join("control.db");
    let store = Store::open_file(&path, keys, runtime.clone()).await?;
    Ok(Home { location, store, folder: Some(folder) })
}

/// In memory where the system has such a place: no world outlives its process.
fn scratch_folder() -> std::io::Result<TempDir> {
    let shared = std::path::Path::new("/dev/shm");
    if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }
}
