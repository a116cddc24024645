//! The journal's transactions. Each one that belongs to a lease locks the lease row first and matches
//! the token, so a worker that lost its lease writes nothing.

mod beside;
mod quarantine;
mod resumed;
mod traces;

use std::collections::HashMap;

use portolan_auth::{Authorized, Instance};
use portolan_model::{
    ArchiveEvent, ArchiveId, ArchiveState, ClusterId, ClusterKind, JobId, PartitionFieldType,
};
use portolan_store::archives::{StoredArchive, work};
use portolan_store::jobs::{self, ArchiveJob};
use portolan_store::leases::{self, Lease, LeaseKey, NewLease};
use portolan_store::moves::{self, KeptRow, Move, MoveState};
use portolan_store::runs::{self, ArchiveRun, RunDocument};
use portolan_store::{Store, StoreError, Tx, clusters};

use crate::alerts;
use crate::lease::Held;
use crate::protocol::{Standing, permission};
use crate::{ArchiverError, effects};

/// The journal.
#[derive(Clone)]
pub(crate) struct Journal {
    store: Store,
    system: Authorized<Instance>,
}

/// What one transaction writes.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) item: &'a Move,
    pub(crate) run: &'a ArchiveRun,
    pub(crate) kept: &'a [KeptRow],
    pub(crate) named: &'a [RunDocument],
}

impl<'a> Entry<'a> {
    pub(crate) const fn new(item: &'a Move, run: &'a ArchiveRun) -> Self {
        Self { item, run, kept: &[], named: &[] }
    }
}

/// An archive whose time has come, and what a look at it needs.
pub(crate) struct Standby {
    pub(crate) stored: StoredArchive,
    /// All archives of the same collection, this one included.
    pub(crate) siblings: Vec<StoredArchive>,
    pub(crate) job: ArchiveJob,
    pub(crate) unfinished: bool,
}

impl Journal {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, system: Authorized::system("the archiver moves documents of all projects") }
    }

    /// The archives that are due, the longest due first.
    pub(crate) async fn due(
        &self,
        now_ms: i64,
        purge_before_ms: i64,
    ) -> Result<Vec<ArchiveId>, ArchiverError> {
        self.store
            .read_tx("archiver.due", |tx| {
                Box::pin(
                    async move { Ok(jobs::due(tx, &self.system, now_ms, purge_before_ms).await?) },
                )
            })
            .await
    }

    /// What a look at an archive needs; `None` when it was forgotten meanwhile.
    pub(crate) async fn standby(&self, id: ArchiveId) -> Result<Option<Standby>, ArchiverError> {
        self.store
            .read_tx("archiver.standby", |tx| {
                Box::pin(async move {
                    let Some(stored) = work::fetch(tx, &self.system, id).await? else {
                        return Ok(None);
                    };
                    let Some(job) = jobs::get(tx, id).await? else { return Ok(None) };
                    let (cluster, namespace) =
                        (stored.archive.cluster_id, stored.archive.namespace.clone());
                    let siblings =
                        work::list_of_collection(tx, &self.system, cluster, &namespace).await?;
                    let unfinished = moves::has_unfinished(tx, id).await?;
                    Ok(Some(Standby { stored, siblings, job, unfinished }))
                })
            })
            .await
    }

    /// An archive as it now is.
    pub(crate) async fn archive(
        &self,
        id: ArchiveId,
    ) -> Result<Option<StoredArchive>, ArchiverError> {
        self.store
            .read_tx("archiver.archive", |tx| {
                Box::pin(async move { Ok(work::fetch(tx, &self.system, id).await?) })
            })
            .await
    }

    /// Whether the operator stated that matching documents of this cluster are not written.
    pub(crate) async fn writes_quiesced(&self, id: ClusterId) -> Result<bool, ArchiverError> {
        let stored = self
            .store
            .read_tx("archiver.cluster", |tx| {
                Box::pin(async move {
                    Ok::<_, ArchiverError>(clusters::fetch(tx, &self.system, id).await?)
                })
            })
            .await?;
        Ok(stored.is_some_and(|stored| match stored.cluster.kind {
            ClusterKind::Attached(attached) => attached.writes_quiesced,
            ClusterKind::Sandbox { .. } => false,
        }))
    }

    pub(crate) async fn lease(&self, key: &LeaseKey) -> Result<Option<Lease>, ArchiverError> {
        self.store
            .read_tx("archiver.lease.read", |tx| {
                Box::pin(async move { Ok(leases::read(tx, key).await?) })
            })
            .await
    }

    pub(crate) async fn take(
        &self,
        key: &LeaseKey,
        seen: Option<&Lease>,
        new: &NewLease,
    ) -> Result<bool, ArchiverError> {
        self.store
            .run_tx(effects::LEASE_TAKE, |tx| {
                Box::pin(async move { Ok(leases::take(tx, key, seen, new).await?) })
            })
            .await
    }

    pub(crate) async fn renew(&self, key: &LeaseKey, token: &str) -> Result<bool, ArchiverError> {
        self.store
            .run_tx(effects::LEASE_RENEW, |tx| {
                Box::pin(async move { Ok(leases::renew(tx, key, token).await?) })
            })
            .await
    }

    pub(crate) async fn release(&self, held: &Held) -> Result<bool, ArchiverError> {
        self.store
            .run_tx(effects::LEASE_RELEASE, |tx| {
                Box::pin(async move { Ok(leases::release(tx, &held.key, &held.token).await?) })
            })
            .await
    }

    /// The unfinished moves of a collection, and the newest committed one of each of these archives.
    pub(crate) async fn moves(
        &self,
        key: &LeaseKey,
        archives: &[ArchiveId],
    ) -> Result<(Vec<Move>, HashMap<ArchiveId, Move>), ArchiverError> {
        self.store
            .read_tx("archiver.moves", |tx| {
                Box::pin(async move {
                    let unfinished = moves::unfinished(tx, key).await?;
                    let mut newest = HashMap::new();
                    for &id in archives {
                        if let Some(item) = moves::newest_committed(tx, id).await? {
                            newest.insert(id, item);
                        }
                    }
                    Ok((unfinished, newest))
                })
            })
            .await
    }

    /// Until when deletes were sent to a collection whose answer nobody knows; `None`: there are none.
    pub(crate) async fn unanswered_until(
        &self,
        key: &LeaseKey,
    ) -> Result<Option<i64>, ArchiverError> {
        self.store
            .read_tx("archiver.unanswered_until", |tx| {
                Box::pin(async move { Ok(moves::unanswered_until(tx, key).await?) })
            })
            .await
    }

    /// Begins a run; an archive that may run becomes ARCHIVING.
    pub(crate) async fn start_run(
        &self,
        held: &Held,
        run: &ArchiveRun,
        active: bool,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::RUN_START, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    runs::end_interrupted(tx, run.archive_id, run.id).await?;
                    runs::save(tx, run).await?;
                    if active {
                        self.happen(tx, run.archive_id, ArchiveEvent::RunStarted).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Shows how a run stands that waits.
    pub(crate) async fn show_run(
        &self,
        held: &Held,
        run: &ArchiveRun,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::RUN_WAIT, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    Ok(runs::save(tx, run).await?)
                })
            })
            .await
    }

    /// Ends a run, and lets the events happen to its archive.
    pub(crate) async fn end_run(
        &self,
        held: &Held,
        run: &ArchiveRun,
        named: &[RunDocument],
        events: &[(ArchiveId, ArchiveEvent)],
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::RUN_END, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    runs::save(tx, run).await?;
                    runs::name_documents(tx, run.id, named).await?;
                    for &(archive_id, event) in events {
                        self.happen(tx, archive_id, event).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Writes a move and its run.
    pub(crate) async fn write(
        &self,
        name: &'static str,
        held: &Held,
        entry: Entry<'_>,
    ) -> Result<(), ArchiverError> {
        held.check()?;
        self.store
            .run_tx(name, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    save(tx, &entry).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Writes several moves at once, at takeover, with the rows that their source recorded as kept.
    pub(crate) async fn reconcile(
        &self,
        held: &Held,
        items: &[Move],
        kept: &HashMap<JobId, Vec<KeptRow>>,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::RECONCILE, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    for item in items {
                        moves::save(tx, item).await?;
                        if let Some(kept) = kept.get(&item.id) {
                            moves::add_kept(tx, item.archive_id, item.seq, kept).await?;
                        }
                        if item.state == MoveState::Confirmed {
                            moves::clear_kept(tx, item.archive_id, item.seq).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Asks for permission to go on deleting and journals the answer: the move becomes what the entry
    /// says, or CLOSING with the reason. One transaction, so that a pause, a deletion or changed criteria
    /// come either before it or after it.
    pub(crate) async fn permit(
        &self,
        name: &'static str,
        held: &Held,
        entry: Entry<'_>,
    ) -> Result<Move, ArchiverError> {
        held.check()?;
        self.store
            .run_tx(name, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    let stored = work::fetch(tx, &self.system, entry.item.archive_id).await?;
                    let mut item = entry.item.clone();
                    if let Err(reason) = permission(&item, stored.as_ref().map(Standing::of)) {
                        item.state = MoveState::Closing;
                        item.closed_because = Some(reason);
                    }
                    save(tx, &Entry { item: &item, ..entry }).await?;
                    Ok(item)
                })
            })
            .await
    }

    /// The rows of a move that are recorded as kept.
    pub(crate) async fn kept(&self, item: &Move) -> Result<Vec<KeptRow>, ArchiverError> {
        self.store
            .read_tx("archiver.kept", |tx| {
                Box::pin(async move { Ok(moves::kept_of(tx, item.archive_id, item.seq).await?) })
            })
            .await
    }

    /// Writes a confirmed move and forgets its kept rows.
    pub(crate) async fn confirmed(
        &self,
        held: &Held,
        entry: Entry<'_>,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::CONFIRMED, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    save(tx, &entry).await?;
                    moves::clear_kept(tx, entry.item.archive_id, entry.item.seq).await?;
                    Ok(())
                })
            })
            .await
    }

    pub(crate) async fn set_partition_types(
        &self,
        held: &Held,
        archive_id: ArchiveId,
        types: &[(String, PartitionFieldType)],
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::SAMPLE, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    Ok(work::set_partition_types(tx, &self.system, archive_id, types).await?)
                })
            })
            .await
    }

    /// Whether the time of an archive's next look has come; one without a job is due.
    pub(crate) async fn is_due(&self, id: ArchiveId, now_ms: i64) -> Result<bool, ArchiverError> {
        self.store
            .read_tx("archiver.due", |tx| {
                Box::pin(async move {
                    let job = jobs::get(tx, id).await?;
                    Ok(job.is_none_or(|job| job.due_at <= now_ms))
                })
            })
            .await
    }

    /// Sets the time of the next look, and lets an event happen to the archive. When somebody woke
    /// the archive since its job was `seen`, it stays due. A worker without the lease says nothing when
    /// another one set the next look meanwhile.
    pub(crate) async fn schedule(
        &self,
        seen: &ArchiveJob,
        job: &ArchiveJob,
        event: Option<ArchiveEvent>,
        has_lease: bool,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::SCHEDULE, |tx| {
                Box::pin(async move {
                    let Some(stored) = jobs::get(tx, job.archive_id).await? else {
                        // The archive was forgotten with its table.
                        return Ok(());
                    };
                    let woken = woken(&stored, seen);
                    let without_wake = match woken {
                        Some(_) => (seen.due_at, seen.run_requested),
                        None => (stored.due_at, stored.run_requested),
                    };
                    let (due_at, run_requested) = without_wake;
                    let before = ArchiveJob { due_at, run_requested, ..stored.clone() };
                    if before != *seen && !has_lease {
                        return Ok(());
                    }
                    let mut next = job.clone();
                    if let Some(due_at) = woken {
                        (next.due_at, next.run_requested) = (due_at, stored.run_requested);
                    }
                    self.alert(tx, &stored, &next).await?;
                    jobs::save(tx, &next).await?;
                    if let Some(event) = event {
                        self.happen(tx, job.archive_id, event).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Events of what an operator is to be told, in the transaction by which it becomes so.
    async fn alert(
        &self,
        tx: &mut Tx<'_>,
        before: &ArchiveJob,
        now: &ArchiveJob,
    ) -> Result<(), StoreError> {
        for alert in alerts::of_job(before, now) {
            match work::alert(tx, &self.system, now.archive_id, alert).await {
                Ok(()) | Err(StoreError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// An event that the state does not allow changes nothing: a client may have been quicker.
    async fn happen(
        &self,
        tx: &mut Tx<'_>,
        id: ArchiveId,
        event: ArchiveEvent,
    ) -> Result<Option<ArchiveState>, StoreError> {
        match work::advance(tx, &self.system, id, event).await {
            Ok(answer) => Ok(answer.ok()),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The time that [`jobs::wake`] set since the job was `seen`: never after the epoch.
fn woken(stored: &ArchiveJob, seen: &ArchiveJob) -> Option<i64> {
    (stored.due_at != seen.due_at && stored.due_at <= 0).then_some(stored.due_at)
}

async fn hold(tx: &mut Tx<'_>, held: &Held) -> Result<(), ArchiverError> {
    match leases::hold(tx, &held.key, &held.token).await? {
        true => Ok(()),
        false => Err(ArchiverError::LeaseLost),
    }
}

async fn save(tx: &mut Tx<'_>, entry: &Entry<'_>) -> Result<(), StoreError> {
    moves::save(tx, entry.item).await?;
    moves::add_kept(tx, entry.item.archive_id, entry.item.seq, entry.kept).await?;
    runs::save(tx, entry.run).await?;
    runs::name_documents(tx, entry.run.id, entry.named).await
}
