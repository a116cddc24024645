//! The journal of what is done beside runs: operations, upkeep, purge.

use std::collections::HashSet;

use portolan_model::{ArchiveEvent, ArchiveId, JobId};
use portolan_store::archives::{StoredArchive, work};
use portolan_store::jobs::{self, ArchiveJob, Standing};
use portolan_store::leases::LeaseKey;
use portolan_store::operations::{self, Operation, OperationKind};
use portolan_store::upkeep::{self, Upkeep};
use portolan_store::{Page, StoreError, Tx, quarantine, restore_holds, runs, traces};

use super::{Journal, hold};
use crate::lease::Held;
use crate::{ArchiverError, alerts, effects};

/// What the archiver does by itself.
const UPKEEP: [OperationKind; 3] =
    [OperationKind::Expiry, OperationKind::Compaction, OperationKind::CleanUp];

/// So many runs, the newest ones, tell how fast documents are moved.
const PACE_RUNS_MAX: i64 = 100;

/// How fast documents were moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    documents: u64,
    ms: u64,
}

impl Pace {
    /// Milliseconds for so many documents.
    pub(crate) fn of(self, documents: u64) -> u64 {
        documents.saturating_mul(self.ms) / self.documents.max(1)
    }
}

impl Journal {
    /// The archives whose data is to be looked after now, the longest due first.
    pub(crate) async fn due_for_upkeep(
        &self,
        now_ms: i64,
    ) -> Result<Vec<(StoredArchive, Upkeep)>, ArchiverError> {
        self.store
            .read_tx("archiver.due_for_upkeep", |tx| {
                Box::pin(async move {
                    let mut due = Vec::new();
                    for upkeep in upkeep::due(tx, &self.system, now_ms).await? {
                        let stored = work::fetch(tx, &self.system, upkeep.archive_id).await?;
                        due.extend(stored.map(|stored| (stored, upkeep)));
                    }
                    Ok(due)
                })
            })
            .await
    }

    /// Operations that an operator asked for and nobody works on, oldest first, with their archives.
    pub(crate) async fn waiting(
        &self,
        silent_since_ms: i64,
    ) -> Result<Vec<(Operation, Option<StoredArchive>)>, ArchiverError> {
        self.store
            .read_tx("archiver.waiting", |tx| {
                Box::pin(async move {
                    let mut waiting = Vec::new();
                    for operation in operations::waiting(tx, &self.system, silent_since_ms).await? {
                        let stored = work::fetch(tx, &self.system, operation.archive_id).await?;
                        waiting.push((operation, stored));
                    }
                    Ok(waiting)
                })
            })
            .await
    }

    /// How all archives stand, for the metrics.
    pub(crate) async fn standing(&self) -> Result<Standing, ArchiverError> {
        self.store
            .read_tx("archiver.standing", |tx| {
                Box::pin(async move { Ok(jobs::standing(tx, &self.system).await?) })
            })
            .await
    }

    /// The control database's own clock.
    pub(crate) async fn clock_ms(&self) -> Result<i64, ArchiverError> {
        self.store
            .read_tx("archiver.clock", |tx| Box::pin(async move { Ok(tx.clock_ms().await?) }))
            .await
    }

    /// Writes how far an operation is that an operator asked for.
    ///
    /// # Errors
    /// [`ArchiverError::Overtaken`] when another worker took it since.
    pub(crate) async fn save_operation(
        &self,
        name: &'static str,
        operation: &Operation,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(name, |tx| {
                Box::pin(async move {
                    match operations::save_claimed(tx, operation).await? {
                        true => Ok(()),
                        false => Err(ArchiverError::Overtaken),
                    }
                })
            })
            .await
    }

    /// Notes which documents return to the cluster: they are not planned until `until_ms`.
    pub(crate) async fn hold_back(
        &self,
        held: &Held,
        identities: &[Vec<u8>],
        until_ms: i64,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::RESTORE_HOLD, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    let now_ms = tx.now_ms();
                    restore_holds::forget(tx, &held.key, now_ms).await?;
                    Ok(restore_holds::add(tx, &held.key, identities, until_ms).await?)
                })
            })
            .await
    }

    /// Documents of a collection that are not to be planned now.
    pub(crate) async fn held_back(
        &self,
        key: &LeaseKey,
    ) -> Result<HashSet<Vec<u8>>, ArchiverError> {
        self.store
            .read_tx("archiver.held_back", |tx| {
                Box::pin(async move {
                    let now_ms = tx.now_ms();
                    Ok(restore_holds::held(tx, key, now_ms).await?)
                })
            })
            .await
    }

    /// Takes an operation from the queue; `None`: another worker has it.
    pub(crate) async fn claim(
        &self,
        id: JobId,
        silent_since_ms: i64,
    ) -> Result<Option<Operation>, ArchiverError> {
        self.store
            .run_tx(effects::OPERATION_CLAIM, |tx| {
                Box::pin(async move { Ok(operations::claim(tx, id, silent_since_ms).await?) })
            })
            .await
    }

    /// How fast the runs of an archive were; `None`: none moved anything yet.
    pub(crate) async fn pace(&self, id: ArchiveId) -> Result<Option<Pace>, ArchiverError> {
        let all = self
            .store
            .read_tx("archiver.pace", |tx| {
                Box::pin(async move {
                    let newest = Page::new(PACE_RUNS_MAX, 0);
                    Ok::<_, ArchiverError>(runs::list(tx, id, newest).await?)
                })
            })
            .await?;
        let mut pace = Pace { documents: 0, ms: 0 };
        for run in all.items {
            if let (Some(ended_at), true) = (run.ended_at, run.documents_moved > 0) {
                pace.documents += run.documents_moved.unsigned_abs();
                pace.ms += ended_at.saturating_sub(run.started_at).unsigned_abs();
            }
        }
        Ok((pace.documents > 0).then_some(pace))
    }

    /// Writes an operation that the archiver began by itself.
    pub(crate) async fn operation(
        &self,
        name: &'static str,
        held: &Held,
        operation: &Operation,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(name, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    if !operation.state.is_final() {
                        // One that was cut off is not gone on with: this one starts from what is true.
                        let (id, kind) = (operation.archive_id, operation.kind);
                        operations::end_interrupted(tx, id, kind).await?;
                    }
                    Ok(operations::save(tx, operation).await?)
                })
            })
            .await
    }

    /// Whether upkeep of an archive was cut off and its record never ended. Nobody works on it once the
    /// lease can be taken.
    pub(crate) async fn upkeep_was_cut_off(&self, id: ArchiveId) -> Result<bool, ArchiverError> {
        self.store
            .read_tx("archiver.upkeep_was_cut_off", |tx| {
                Box::pin(async move {
                    let unfinished = operations::unfinished(tx, id).await?;
                    Ok(unfinished.iter().any(|operation| UPKEEP.contains(&operation.kind)))
                })
            })
            .await
    }

    /// Ends the records of upkeep that was cut off; of which kinds there were some.
    pub(crate) async fn end_cut_off_upkeep(
        &self,
        held: &Held,
        id: ArchiveId,
    ) -> Result<Vec<OperationKind>, ArchiverError> {
        self.store
            .run_tx(effects::OPERATION_DONE, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    let mut ended = Vec::new();
                    for kind in UPKEEP {
                        let count = operations::end_interrupted(tx, id, kind).await?;
                        ended.extend((0..count).map(|_| kind));
                    }
                    Ok(ended)
                })
            })
            .await
    }

    /// Sets the time of the next upkeep, and lets an event happen to the archive.
    pub(crate) async fn kept_up(
        &self,
        next: &Upkeep,
        event: Option<ArchiveEvent>,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::UPKEEP, |tx| {
                Box::pin(async move {
                    self.alert_upkeep(tx, next).await?;
                    upkeep::save(tx, next).await?;
                    if let Some(event) = event {
                        self.happen(tx, next.archive_id, event).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The event of expiry that fails, or does again, of an archive whose data is to expire.
    async fn alert_upkeep(&self, tx: &mut Tx<'_>, next: &Upkeep) -> Result<(), StoreError> {
        let id = next.archive_id;
        let before = upkeep::get(tx, id).await?.map_or(0, |before| before.failures);
        let Some(alert) = alerts::of_upkeep(before, next.failures) else { return Ok(()) };
        match work::fetch(tx, &self.system, id).await? {
            Some(stored) if stored.archive.expire_after_days.is_some() => {
                work::alert(tx, &self.system, id, alert).await
            }
            _ => Ok(()),
        }
    }

    /// Notes that a table is being removed. Whether it may be: its archive is still deleted and not
    /// held.
    pub(crate) async fn purging(&self, held: &Held, id: ArchiveId) -> Result<bool, ArchiverError> {
        self.store
            .run_tx(effects::PURGING, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    Ok(work::begin_purge(tx, &self.system, id).await?)
                })
            })
            .await
    }

    /// Notes that a table is gone.
    pub(crate) async fn purged(&self, held: &Held, job: &ArchiveJob) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::PURGED, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    Ok(jobs::save(tx, job).await?)
                })
            })
            .await
    }

    /// Forgets an archive whose table is gone and swept.
    pub(crate) async fn forget(&self, held: &Held, id: ArchiveId) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::FORGOTTEN, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    operations::forget(tx, id).await?;
                    traces::forget_archive(tx, id).await?;
                    quarantine::forget(tx, id).await?;
                    upkeep::forget(tx, id).await?;
                    Ok(work::forget(tx, &self.system, id).await?)
                })
            })
            .await
    }
}
