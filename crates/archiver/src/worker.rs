//! The worker: looks for archives that are due, runs them, and decides when to look again.

use std::sync::Arc;

use portolan_cluster::Cluster;
use portolan_model::{ArchiveEvent, ArchiveId, ArchiveState};
use portolan_runtime::Runtime;
use portolan_store::Store;
use portolan_store::archives::StoredArchive;
use portolan_store::jobs::ArchiveJob;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::journal::{Journal, Standby};
use crate::lease::{Busy, Leases};
use crate::look::{self, Decision, Known};
use crate::run::{self, Ended, Taken, Task, key_of};
use crate::{ArchiverError, ArchiverOptions, Outside, purge, takeover};

/// Distance between looks at an archive that waits for its window or its collection.
const WAITING_MS: i64 = 60_000;

/// What the worker's tasks share.
pub(crate) struct Shared {
    pub(crate) journal: Journal,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) options: Arc<ArchiverOptions>,
    pub(crate) runtime: Runtime,
    pub(crate) leases: Arc<Leases>,
}

/// Moves documents of all archives that are due.
#[derive(Clone)]
pub struct Worker {
    shared: Arc<Shared>,
    woken: Arc<Notify>,
    seats: Arc<Semaphore>,
}

impl Worker {
    /// A worker. Nothing runs until [`Worker::serve`] or [`Worker::pass`].
    #[must_use]
    pub fn new(
        store: Store,
        outside: Arc<dyn Outside>,
        options: ArchiverOptions,
        runtime: &Runtime,
    ) -> Self {
        let seats = Arc::new(Semaphore::new(options.parallel.max(1)));
        let shared = Shared {
            journal: Journal::new(store),
            outside,
            options: Arc::new(options),
            runtime: runtime.clone(),
            leases: Arc::default(),
        };
        Self { shared: Arc::new(shared), woken: Arc::default(), seats }
    }

    /// Makes the worker look for work now.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// Works until `shutdown`, then finishes or hands back what is under way.
    pub async fn serve(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.start_due(&shutdown).await {
                tracing::error!(%error, "looking for due archives failed");
            }
            tokio::select! {
                () = self.woken.notified() => {}
                () = self.shared.runtime.sleep_ms(self.shared.options.poll_ms) => {}
                () = shutdown.cancelled() => {}
            }
        }
        // Runs notice the shutdown between two batches; waiting for all seats waits for them.
        let all = u32::try_from(self.shared.options.parallel.max(1)).unwrap_or(u32::MAX);
        let _all_seats_free = self.seats.acquire_many(all).await;
    }

    async fn start_due(&self, shutdown: &CancellationToken) -> Result<(), ArchiverError> {
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
        let ids = self.due_ids().await?;
        let count = ids.len();
        for id in ids {
            let Some(due) = self.due(id).await? else { continue };
            if let Some(busy) = self.shared.leases.begin(&key_of(&due.stored.archive)) {
                self.work_on(due, busy, shutdown.clone()).await?;
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
        let Standby { stored, siblings, job, unfinished } = found;
        let (now_ms, options) = (self.shared.runtime.now_ms(), &self.shared.options);
        let purge = purge::is_due(&stored.archive, options, now_ms) && !unfinished;
        let wanted = purge || wants_attention(stored.archive.state, unfinished);
        let due = Due { stored, siblings, job, purge };
        Ok((wanted && self.reaches(&due).await).then_some(due))
    }

    async fn reaches(&self, due: &Due) -> bool {
        let archive = &due.stored.archive;
        self.shared.outside.reaches(archive.cluster_id, &archive.table_uri).await
    }

    /// Whether something was done and the next look was set.
    async fn work_on(
        &self,
        due: Due,
        _busy: Busy,
        shutdown: CancellationToken,
    ) -> Result<bool, ArchiverError> {
        let id = due.stored.archive.id;
        let job = due.job.clone();
        let mut taken = None;
        let ended = self.attend(due, shutdown, &mut taken).await;
        if let Err(error) = &ended {
            tracing::warn!(archive = %id, %error, "an archive's run did not end well");
        }
        let scheduled = match ended {
            // What is next is for the one who works on it to say.
            Ok(Look::Busy) => Ok(false),
            ended => {
                let (next, event) = next_look(job.clone(), ended, &self.shared);
                let has_lease = taken.is_some();
                let journal = &self.shared.journal;
                journal.schedule(&job, &next, event, has_lease).await.map(|()| true)
            }
        };
        if let Some(taken) = taken {
            taken.give_back(&self.shared.journal).await;
        }
        scheduled
    }

    async fn attend(
        &self,
        due: Due,
        shutdown: CancellationToken,
        taken: &mut Option<Taken>,
    ) -> Result<Look, ArchiverError> {
        let shared = self.shared.as_ref();
        let archive = due.stored.archive.clone();
        if !takeover::is_free(shared, &key_of(&archive)).await? {
            return Ok(Look::Busy);
        }
        if due.purge {
            return purge::run(shared, &archive).await.map(|()| Look::Purged);
        }
        if shared.outside.is_paused(archive.cluster_id).await {
            return Ok(Look::Waiting);
        }
        let cluster = shared.outside.cluster(archive.cluster_id).await?;
        let decision = self.decide(&due, &cluster).await?;
        let begin = match decision {
            Decision::Run { begin } => begin,
            Decision::Quiet => return Ok(Look::Quiet),
            Decision::Waiting => return Ok(Look::Waiting),
            Decision::Orphaned => return Ok(Look::Orphaned),
        };
        let level_before = due.job.level;
        let task = Task { archive, siblings: due.siblings, begin, level_before, shutdown };
        match run::run(shared, cluster, task, taken).await? {
            Ended::Busy => Ok(Look::Busy),
            Ended::Ran { documents, level } => Ok(Look::Ran { documents, level }),
        }
    }

    async fn decide(
        &self,
        due: &Due,
        cluster: &Arc<dyn Cluster>,
    ) -> Result<Decision, ArchiverError> {
        let archive = &due.stored.archive;
        let (unfinished, newest) =
            self.shared.journal.moves(&key_of(archive), &[archive.id]).await?;
        let known = Known {
            archive,
            unfinished: !unfinished.is_empty(),
            pinned: newest.get(&archive.id).map(|item| item.collection_uuid),
            ran: archive.state == ArchiveState::Idle && due.job.failures == 0,
        };
        look::decide(&self.shared, cluster, &known).await
    }
}

/// An archive whose time has come.
struct Due {
    stored: StoredArchive,
    siblings: Vec<StoredArchive>,
    job: ArchiveJob,
    purge: bool,
}

/// A suspended archive waits for the operator, whatever is open. Paused, orphaned and deleted ones are
/// only looked at to close what is open.
fn wants_attention(state: ArchiveState, unfinished: bool) -> bool {
    match state {
        ArchiveState::Pending
        | ArchiveState::Archiving
        | ArchiveState::Idle
        | ArchiveState::Pausing => true,
        ArchiveState::Paused | ArchiveState::Orphaned | ArchiveState::Deleted => unfinished,
        ArchiveState::Suspended(_) => false,
    }
}

/// What a look came to.
enum Look {
    Ran { documents: i64, level: portolan_model::GuardLevel },
    Quiet,
    Waiting,
    Orphaned,
    Busy,
    Purged,
}

/// When to look next, and what else happens to the archive.
fn next_look(
    mut job: ArchiveJob,
    ended: Result<Look, ArchiverError>,
    shared: &Shared,
) -> (ArchiveJob, Option<ArchiveEvent>) {
    let (options, now_ms) = (&shared.options, shared.runtime.now_ms());
    let wait_ms;
    let mut event = None;
    match ended {
        Ok(look) => {
            (job.failures, job.last_error) = (0, None);
            wait_ms = after(&mut job, &look, options);
            event = matches!(look, Look::Orphaned).then_some(ArchiveEvent::CollectionLost);
        }
        Err(ArchiverError::Stopping) => wait_ms = 0,
        Err(error) => {
            job.failures += 1;
            job.last_error = Some(error.to_string());
            wait_ms = backoff_ms(job.failures, options);
            if let ArchiverError::Suspended { archive_id, reason, .. } = error
                && archive_id == job.archive_id
            {
                event = Some(ArchiveEvent::Suspended(reason));
            }
        }
    }
    job.due_at = now_ms.saturating_add(wait_ms);
    (job, event)
}

fn after(job: &mut ArchiveJob, look: &Look, options: &ArchiverOptions) -> i64 {
    match look {
        Look::Ran { documents, level } => {
            job.level = Some(*level);
            job.interval_ms =
                if *documents > 0 { options.interval_ms } else { longer(job, options) };
            job.interval_ms
        }
        Look::Quiet => {
            job.interval_ms = longer(job, options);
            job.interval_ms
        }
        Look::Waiting | Look::Orphaned => WAITING_MS.min(options.interval_ms),
        // Never asked for: the one who has the lease sets the next look.
        Look::Busy => job.interval_ms,
        Look::Purged => options.interval_max_ms,
    }
}

/// The distance between looks grows by one step each time there was too little to move.
fn longer(job: &ArchiveJob, options: &ArchiverOptions) -> i64 {
    job.interval_ms.saturating_add(options.interval_ms).min(options.interval_max_ms)
}

fn backoff_ms(failures: i64, options: &ArchiverOptions) -> i64 {
    let doublings = u32::try_from(failures.clamp(1, 20) - 1).unwrap_or(0);
    options.backoff_ms.saturating_mul(1_i64 << doublings).min(options.backoff_max_ms)
}
