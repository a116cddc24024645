//! Everything that the steps of one run share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bson::{RawDocument, RawDocumentBuf};
use portolan_cluster::{Cluster, CollectionInfo};
use portolan_lake::{Location, Staged, Table, Version, identity_under};
use portolan_model::{ArchiveId, GuardLevel, Namespace, OnlineArchive, ShardKey, SuspendReason};
use portolan_runtime::Runtime;
use portolan_store::jobs::Cold;
use portolan_store::runs::{ArchiveRun, RunDocument};
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::lease::Held;
use crate::load::Load;
use crate::{ArchiverError, ArchiverOptions, quiet};

/// How long a version of the table is relied on while batches are deleted.
const PIN_MS: u64 = 60_000;

/// The table of one archive of the collection.
pub(crate) struct TableOf {
    pub(crate) archive_id: ArchiveId,
    pub(crate) table: Table,
}

/// A run under its lease.
pub(crate) struct Scene {
    pub(crate) journal: Journal,
    pub(crate) runtime: Runtime,
    pub(crate) options: Arc<ArchiverOptions>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) cluster: Arc<dyn Cluster>,
    /// Where the table of this archive lies.
    pub(crate) location: Location,
    /// What of the cluster is spent.
    pub(crate) load: Arc<Load>,
    pub(crate) held: Arc<Held>,
    pub(crate) archive: OnlineArchive,
    pub(crate) run: ArchiveRun,
    /// The tables of all archives of the collection: moves are numbered across them.
    pub(crate) tables: Vec<TableOf>,
    pub(crate) level: GuardLevel,
    /// The collection as it was found when the lease was taken; `None`: it is gone.
    pub(crate) collection: Option<CollectionInfo>,
    /// Identities that this run does not read again: skipped, or kept because they keep changing.
    pub(crate) excluded: HashSet<Vec<u8>>,
    /// Documents that cannot be archived, until the journal lists them.
    pub(crate) skipped: Vec<RunDocument>,
    /// Between read and upload.
    pub(crate) documents: Vec<RawDocumentBuf>,
    /// Between upload and commit.
    pub(crate) staged: Option<Staged>,
    /// Identities of the batches of the move under way, as far as this worker read them.
    pub(crate) identities: HashMap<(i64, i32), Vec<Vec<u8>>>,
    /// The table's newest version at a time of our boot clock, while batches are deleted.
    pub(crate) pinned: Option<(ArchiveId, u64, Version)>,
    /// The move and the batch that the journal permits to delete next.
    pub(crate) permitted: Option<(i64, i32)>,
    /// A batch that an earlier epoch or attempt may have deleted already.
    pub(crate) repeated_batch: Option<i32>,
    /// What stayed cold when the window of the schedule closed, or nothing, when all was moved.
    pub(crate) left: Option<Cold>,
}

impl Scene {
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.archive.namespace
    }

    /// Lets a phase of the run begin.
    pub(crate) fn enter(&mut self, phase: &str) {
        self.run.enter(phase, self.runtime.now_ms());
    }

    /// The shard key of the collection as it was found when the lease was taken.
    pub(crate) fn shard_key(&self) -> Option<&ShardKey> {
        self.collection.as_ref().and_then(|info| info.shard_key.as_ref())
    }

    /// Identity of a document of the collection.
    pub(crate) fn identity(&self, document: &RawDocument) -> Vec<u8> {
        identity_under(document, self.shard_key())
    }

    /// Whether the table of an archive knows documents by what the collection tells them apart by today:
    /// an operator may have sharded it, or refined its shard key, under the same UUID.
    pub(crate) fn tells_alike(&self, archive_id: ArchiveId) -> bool {
        let table = self.tables.iter().find(|entry| entry.archive_id == archive_id);
        let alike = |entry: &TableOf| {
            ShardKey::tell_alike(entry.table.spec().shard_key.as_ref(), self.shard_key())
        };
        table.is_none_or(alike)
    }

    pub(crate) fn table(&self, archive_id: ArchiveId) -> Result<&Table, ArchiverError> {
        self.tables
            .iter()
            .find(|entry| entry.archive_id == archive_id)
            .map(|entry| &entry.table)
            .ok_or_else(|| ArchiverError::Internal(format!("no table of archive {archive_id}")))
    }

    /// The table while batches are deleted: loaded afresh at least every minute, so that another
    /// engine's commit is noticed.
    pub(crate) async fn pinned(&mut self, archive_id: ArchiveId) -> Result<Version, ArchiverError> {
        let boot_ms = self.runtime.boot_ms();
        if let Some((id, since_ms, version)) = &self.pinned
            && *id == archive_id
            && boot_ms.saturating_sub(*since_ms) < PIN_MS
        {
            return Ok(version.clone());
        }
        let version = self.table(archive_id)?.load().await?;
        if let Some(number) = version.foreign {
            let detail = format!("version {number} was written by another engine");
            let reason = SuspendReason::ForeignWriter;
            return Err(ArchiverError::suspended(archive_id, reason, detail));
        }
        self.pinned = Some((archive_id, boot_ms, version.clone()));
        Ok(version)
    }

    /// The clock on which the end of late deletes is counted.
    pub(crate) async fn quiet_clock_ms(&self, level: GuardLevel) -> Result<i64, ArchiverError> {
        Ok(quiet::clock_ms(self.cluster.as_ref(), &self.runtime, level).await?)
    }

    /// From when on a delete sent until now can have no effect any more.
    pub(crate) async fn quiet_from_now_ms(&self, level: GuardLevel) -> Result<i64, ArchiverError> {
        let cluster = self.cluster.as_ref();
        Ok(quiet::from_now_ms(cluster, &self.runtime, &self.options, level).await?)
    }

    /// The present name of the pinned collection: it may have been renamed. `None`: it is gone.
    pub(crate) async fn locate(
        &self,
        uuid: Option<[u8; 16]>,
    ) -> Result<Option<Namespace>, ArchiverError> {
        let namespace = self.namespace();
        if let Some(info) = self.cluster.collection(namespace).await?
            && info.uuid == uuid
        {
            return Ok(Some(namespace.clone()));
        }
        let Some(uuid) = uuid else { return Ok(None) };
        let others = self.cluster.list_collections(&namespace.database).await?;
        let renamed = others.into_iter().find(|info| info.uuid == Some(uuid));
        Ok(renamed
            .map(|info| Namespace { database: namespace.database.clone(), collection: info.name }))
    }

    /// # Errors
    /// [`ArchiverError::CollectionLost`] unless the name still stands for the pinned collection, sharded as
    /// it was.
    pub(crate) async fn check_collection(
        &self,
        uuid: Option<[u8; 16]>,
    ) -> Result<(), ArchiverError> {
        match self.cluster.collection(self.namespace()).await? {
            Some(info)
                if info.uuid == uuid
                    && ShardKey::tell_alike(info.shard_key.as_ref(), self.shard_key()) =>
            {
                Ok(())
            }
            _ => Err(ArchiverError::CollectionLost),
        }
    }

    /// # Errors
    /// [`ArchiverError::Stopping`] when the process goes down, [`ArchiverError::LeaseLost`].
    pub(crate) fn check(&self) -> Result<(), ArchiverError> {
        if self.shutdown.is_cancelled() {
            return Err(ArchiverError::Stopping);
        }
        self.held.check()
    }

    /// Waits, unless the process goes down or the lease is lost first.
    pub(crate) async fn pause_ms(&self, ms: u64) -> Result<(), ArchiverError> {
        self.check()?;
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(ArchiverError::Stopping),
            () = self.runtime.sleep_ms(ms) => self.check(),
        }
    }
}
