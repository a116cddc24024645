//! The worker: looks for archives that are due and runs them. When it looks again is said in `next_look`,
//! what it does beside runs in `beside`.

mod beside;
mod next_look;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use portolan_cluster::Cluster;
use portolan_model::{
    Acceptance, ArchiveId, ArchiveState, ArchiveStatistics, ClusterId, ExpiryPreview, FoundTable,
    IndexCheck, Namespace, OnlineArchive,
};
use portolan_runtime::Runtime;
use portolan_store::Store;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::criteria::Frozen;
use crate::due::Due;
use crate::journal::Journal;
use crate::lease::{Busy, Leases, Taken};
use crate::load::Loads;
use crate::look::{self, Decision, Known};
use crate::purge::{self, Purged};
use crate::run::{self, Ended, Task, key_of};
use crate::{
    ArchiverError, ArchiverMetrics, ArchiverOptions, Outside, attach, index_check, reattach,
    reports, resume, rules, takeover,
};
use next_look::{Look, next_look};

/// What the worker's tasks share.
pub(crate) struct Shared {
    pub(crate) journal: Journal,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) options: Arc<ArchiverOptions>,
    pub(crate) metrics: ArchiverMetrics,
    pub(crate) runtime: Runtime,
    pub(crate) leases: Arc<Leases>,
    pub(crate) loads: Loads,
}

/// Moves documents of all archives that are due.
#[derive(Clone)]
pub struct Worker {
    shared: Arc<Shared>,
    woken: Arc<Notify>,
    seats: Arc<Semaphore>,
    /// Operations are worked on one at a time, so that they leave room for runs.
    operation_seat: Arc<Semaphore>,
    /// When the metrics were brought up to date last.
    looked_at_ms: Arc<AtomicI64>,
}

impl Worker {
    /// A worker. Nothing runs until [`Worker::serve`] or [`Worker::pass`].
    #[must_use]
    pub fn new(
        store: Store,
        outside: Arc<dyn Outside>,
        options: ArchiverOptions,
        metrics: ArchiverMetrics,
        runtime: &Runtime,
    ) -> Self {
        let seats = Arc::new(Semaphore::new(options.parallel.max(1)));
        let shared = Shared {
            journal: Journal::new(store),
            outside,
            options: Arc::new(options),
            metrics,
            runtime: runtime.clone(),
            leases: Arc::default(),
            loads: Loads::default(),
        };
        Self {
            shared: Arc::new(shared),
            woken: Arc::default(),
            seats,
            operation_seat: Arc::new(Semaphore::new(1)),
            looked_at_ms: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// Makes the worker look for work now.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// Writes hold and expiration rule of an archive into its table, as the control database has them
    /// now. Until this was done a change of them is not to be acknowledged.
    ///
    /// # Errors
    /// Those of the control database and the storage; the next upkeep tries again.
    pub async fn write_rules(&self, id: ArchiveId) -> Result<(), ArchiverError> {
        rules::write(&self.shared, id).await
    }

    /// What of an archive would expire: by its own rule, or by one of `days`.
    ///
    /// # Errors
    /// Those of the control database and the storage.
    pub async fn preview_expiry(
        &self,
        id: ArchiveId,
        days: Option<i32>,
    ) -> Result<ExpiryPreview, ArchiverError> {
        reports::preview_expiry(&self.shared, id, days).await
    }

    /// What the table behind a URI tells of its archive.
    ///
    /// # Errors
    /// [`ArchiverError::Invalid`] when there is none, and those of the storage.
    pub async fn find_table(&self, uri: &str) -> Result<FoundTable, ArchiverError> {
        attach::find(&self.shared, uri).await
    }

    /// Makes the table behind a URI ours, for an archive of that cluster.
    ///
    /// # Errors
    /// [`ArchiverError::LeaseLost`] when somebody works on its collection; those of the storage.
    pub async fn take_table(&self, cluster: ClusterId, uri: &str) -> Result<(), ArchiverError> {
        attach::take(&self.shared, cluster, uri).await
    }

    /// Looks again for what suspended an archive, and makes so what its operator accepts.
    ///
    /// # Errors
    /// [`ArchiverError::Denied`] naming what he does not accept; [`ArchiverError::LeaseLost`] when somebody
    /// works on its collection; those of cluster, table and control database.
    pub async fn resume(&self, id: ArchiveId, accepted: &Acceptance) -> Result<(), ArchiverError> {
        Box::pin(resume::run(&self.shared, id, accepted)).await
    }

    /// Writes into an archive's table which collection it belongs to from now on: its UUID, and whether it
    /// is another one than before, which `other` must say.
    ///
    /// # Errors
    /// [`ArchiverError::Denied`] for one that it cannot be; [`ArchiverError::LeaseLost`] when somebody works
    /// on it; those of cluster and table.
    pub async fn reattach(
        &self,
        id: ArchiveId,
        to: &Namespace,
        other: bool,
    ) -> Result<(Option<[u8; 16]>, bool), ArchiverError> {
        Box::pin(reattach::run(&self.shared, id, to, other)).await
    }

    /// How long the files of a deleted archive stay.
    #[must_use]
    pub fn deleted_grace_ms(&self) -> i64 {
        self.shared.options.purge_after_ms
    }

    /// What an archive holds.
    ///
    /// # Errors
    /// Those of the control database and the storage.
    pub async fn statistics(&self, id: ArchiveId) -> Result<ArchiveStatistics, ArchiverError> {
        reports::statistics(&self.shared, id).await
    }

    /// Works until `shutdown`, then finishes or hands back what is under way.
    pub async fn serve(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let began_ms = self.shared.runtime.boot_ms();
            if let Err(error) = self.start_due(&shutdown).await {
                tracing::error!(%error, "looking for due archives failed");
            }
            let took_ms = self.shared.runtime.boot_ms().saturating_sub(began_ms);
            self.shared.metrics.looked(took_ms);
            tokio::select! {
                () = self.woken.notified() => {}
                () = self.shared.runtime.sleep_ms(self.shared.options.poll_ms) => {}
                () = shutdown.cancelled() => {}
            }
        }
        // Runs notice the shutdown between two batches; waiting for all seats waits for them.
        let all = u32::try_from(self.shared.options.parallel.max(1)).unwrap_or(u32::MAX);
        let _all_seats_free = self.seats.acquire_many(all).await;
        let _operation_seat_free = self.operation_seat.acquire().await;
    }

    async fn start_due(&self, shutdown: &CancellationToken) -> Result<(), ArchiverError> {
        self.look_around().await?;
        self.start_operation(shutdown).await?;
        // Of one archive its data comes first, then a run.
        self.start_upkeep().await?;
        for id in self.due_ids().await? {
            // What is due without a seat is still due at the next look.
            let Ok(seat) = self.seats.clone().try_acquire_owned() else { break };
            let Some(due) = self.due(id).await? else { continue };
            let Some(busy) = self.shared.leases.begin(&key_of(&due.stored.archive)) else {
                continue;
            };
            let (worker, shutdown) = (self.clone(), shutdown.clone());
            self.shared.runtime.spawn("archiver.archive", async move {
                let worked = worker.work_on(due, busy, shutdown).await;
                drop(seat);
                match worked {
                    Ok(true) => worker.wake(),
                    // Another worker has it: looking again at once would find the same.
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "an archive could not be scheduled"),
                }
            });
        }
        Ok(())
    }

    /// Works on every archive that is due, one after the other; how many there were.
    ///
    /// # Errors
    /// Those of the control database; failures of single archives are journalled.
    pub async fn pass(&self, shutdown: &CancellationToken) -> Result<usize, ArchiverError> {
        let kept_up = Box::pin(self.pass_beside(shutdown)).await?;
        let ids = self.due_ids().await?;
        let count = kept_up + ids.len();
        for id in ids {
            let Some(due) = self.due(id).await? else { continue };
            if let Some(busy) = self.shared.leases.begin(&key_of(&due.stored.archive)) {
                Box::pin(self.work_on(due, busy, shutdown.clone())).await?;
            }
        }
        Ok(count)
    }

    async fn due_ids(&self) -> Result<Vec<ArchiveId>, ArchiverError> {
        let (now_ms, options) = (self.shared.runtime.now_ms(), &self.shared.options);
        let purge_before_ms = now_ms.saturating_sub(options.purge_after_ms);
        self.shared.journal.due(now_ms, purge_before_ms).await
    }

    /// What a look at the archive needs; `None` when it needs none, or is for another process.
    async fn due(&self, id: ArchiveId) -> Result<Option<Due>, ArchiverError> {
        let Some(found) = self.shared.journal.standby(id).await? else { return Ok(None) };
        let (now_ms, options) = (self.shared.runtime.now_ms(), &self.shared.options);
        let Some(due) = Due::of(found, options, now_ms) else { return Ok(None) };
        Ok(self.reaches(&due.stored.archive).await.then_some(due))
    }

    async fn reaches(&self, archive: &OnlineArchive) -> bool {
        self.shared.outside.reaches(archive.cluster_id, &archive.table_uri).await
    }

    /// Whether something was done and the next look was set.
    async fn work_on(
        &self,
        mut due: Due,
        _busy: Busy,
        shutdown: CancellationToken,
    ) -> Result<bool, ArchiverError> {
        let id = due.stored.archive.id;
        let seen = due.job.clone();
        let mut taken = None;
        let ended = Box::pin(self.attend(&mut due, shutdown, &mut taken)).await;
        if let Err(error) = &ended {
            tracing::warn!(archive = %id, %error, "an archive's run did not end well");
        }
        let scheduled = match ended {
            // What is next is for the one who works on it to say.
            Ok(Look::Busy) => Ok(false),
            // The purge said it itself.
            Ok(Look::Purged) => Ok(true),
            ended => {
                let (next, event) = next_look(due.job, ended, &self.shared);
                let has_lease = taken.is_some();
                let journal = &self.shared.journal;
                journal.schedule(&seen, &next, event, has_lease).await.map(|()| true)
            }
        };
        if let Some(taken) = taken {
            taken.give_back(&self.shared.journal).await;
        }
        scheduled
    }

    async fn attend(
        &self,
        due: &mut Due,
        shutdown: CancellationToken,
        taken: &mut Option<Taken>,
    ) -> Result<Look, ArchiverError> {
        let shared = self.shared.as_ref();
        let archive = due.stored.archive.clone();
        if !takeover::is_free(shared, &key_of(&archive)).await? {
            return Ok(Look::Busy);
        }
        if due.purge {
            return match Box::pin(purge::run(shared, &archive, &due.job)).await? {
                Purged::NotNow => Ok(Look::Waiting),
                Purged::Removed | Purged::Swept => Ok(Look::Purged),
            };
        }
        if shared.outside.is_paused(archive.cluster_id).await {
            return Ok(Look::Waiting);
        }
        let cluster = shared.outside.cluster(archive.cluster_id).await?;
        let decision = self.decide(due, &cluster, &shutdown).await?;
        let begin = match decision {
            Decision::Run { begin } => begin,
            Decision::Quiet(cold) => return Ok(Look::Quiet(cold)),
            Decision::Resting => return Ok(Look::Resting),
            Decision::Waiting => return Ok(Look::Waiting),
            Decision::Hindered(why) => return Ok(Look::Hindered(why)),
            Decision::Orphaned => return Ok(Look::Orphaned),
        };
        let level_before = due.job.level;
        if begin {
            due.job.create_index = self.missing_index(due, cluster.as_ref()).await;
        }
        let siblings = std::mem::take(&mut due.siblings);
        let (requested, last_error) = (due.job.run_requested, due.job.last_error.clone());
        let task = Task { archive, siblings, begin, requested, last_error, level_before, shutdown };
        match Box::pin(run::run(shared, cluster, task, taken)).await? {
            Ended::Busy => Ok(Look::Busy),
            Ended::Ran { documents, level, left } => Ok(Look::Ran { documents, level, left }),
        }
    }

    /// The index that a run misses, as a line to paste. That it cannot be told stops no run, and leaves
    /// what was known.
    async fn missing_index(&self, due: &Due, cluster: &dyn Cluster) -> Option<String> {
        let archive = &due.stored.archive;
        let frozen = Frozen::new(&archive.criteria, self.shared.runtime.now_ms()).ok()?;
        match index_check::check(cluster, archive, &frozen).await {
            Ok(IndexCheck::Unknown) => due.job.create_index.clone(),
            Ok(check) => {
                let line = check.create_index()?;
                tracing::warn!(archive = %archive.id, line, "no index finds what is cold");
                Some(line.to_owned())
            }
            Err(error) => {
                tracing::warn!(archive = %archive.id, %error, "the indexes could not be listed");
                due.job.create_index.clone()
            }
        }
    }

    async fn decide(
        &self,
        due: &Due,
        cluster: &Arc<dyn Cluster>,
        shutdown: &CancellationToken,
    ) -> Result<Decision, ArchiverError> {
        let archive = &due.stored.archive;
        let (unfinished, newest) =
            self.shared.journal.moves(&key_of(archive), &[archive.id]).await?;
        let known = Known {
            archive,
            unfinished: !unfinished.is_empty(),
            pinned: newest.get(&archive.id).map(|item| item.collection_uuid),
            ran: archive.state == ArchiveState::Idle
                && due.job.failures == 0
                && !due.job.run_requested,
            requested: due.job.run_requested,
            shutdown,
        };
        look::decide(&self.shared, cluster, &known).await
    }
}
