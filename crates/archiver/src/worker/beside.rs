//! What the worker does beside runs: operations that somebody asked for, upkeep, metrics.

use std::sync::atomic::Ordering;

use portolan_model::JobId;
use portolan_store::archives::StoredArchive;
use portolan_store::operations::Operation;
use portolan_store::upkeep::Upkeep;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::next_look::{WAITING_MS, backoff_ms, suspension};
use super::{Worker, key_of};
use crate::upkeep::{self, Kept};
use crate::{ArchiverError, operations};

/// The metrics of how all archives stand are brought up to date so often.
const LOOK_AROUND_MS: i64 = 15_000;

impl Worker {
    /// Counts how all archives stand, now and then.
    pub(super) async fn look_around(&self) -> Result<(), ArchiverError> {
        let now_ms = self.shared.runtime.now_ms();
        if self.looked_at_ms.load(Ordering::Relaxed) > now_ms.saturating_sub(LOOK_AROUND_MS) {
            return Ok(());
        }
        self.looked_at_ms.store(now_ms, Ordering::Relaxed);
        let standing = self.shared.journal.standing().await?;
        let lag_ms = self.shared.loads.lag_ms(self.shared.runtime.boot_ms());
        self.shared.metrics.look(&standing, now_ms, lag_ms);
        self.shared.metrics.quarantined(self.shared.journal.quarantined_everywhere().await?);
        Ok(())
    }

    /// Begins the next operation, if one waits.
    pub(super) async fn start_operation(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<(), ArchiverError> {
        let Some((operation, seat)) = self.next_operation().await? else { return Ok(()) };
        let (worker, shutdown) = (self.clone(), shutdown.clone());
        self.shared.runtime.spawn("archiver.operation", async move {
            let ended = worker.operate(operation.id, shutdown).await;
            drop(seat);
            if ended {
                worker.wake();
            }
        });
        Ok(())
    }

    /// Begins the upkeep that is due, as far as there are seats.
    pub(super) async fn start_upkeep(&self) -> Result<(), ArchiverError> {
        let now_ms = self.shared.runtime.now_ms();
        for (stored, last) in self.shared.journal.due_for_upkeep(now_ms).await? {
            if !self.reaches(&stored.archive).await {
                continue;
            }
            let Ok(seat) = self.seats.clone().try_acquire_owned() else { break };
            let Some(busy) = self.shared.leases.begin(&key_of(&stored.archive)) else { continue };
            let worker = self.clone();
            self.shared.runtime.spawn("archiver.upkeep", async move {
                let kept_up = worker.keep_up(&stored, last).await;
                drop((busy, seat));
                match kept_up {
                    Ok(()) => worker.wake(),
                    Err(error) => tracing::error!(%error, "upkeep could not be scheduled"),
                }
            });
        }
        Ok(())
    }

    /// One operation and all upkeep that is due, one after the other; how much upkeep there was.
    pub(super) async fn pass_beside(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<usize, ArchiverError> {
        self.operate_next(shutdown).await?;
        let due = self.shared.journal.due_for_upkeep(self.shared.runtime.now_ms()).await?;
        let count = due.len();
        for (stored, last) in due {
            if self.reaches(&stored.archive).await
                && let Some(_busy) = self.shared.leases.begin(&key_of(&stored.archive))
            {
                self.keep_up(&stored, last).await?;
            }
        }
        Ok(count)
    }

    /// One operation, if one waits.
    pub(crate) async fn operate_next(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<(), ArchiverError> {
        if let Some((operation, _seat)) = self.next_operation().await? {
            self.operate(operation.id, shutdown.clone()).await;
        }
        Ok(())
    }

    /// The next operation that somebody asked for, unless one is under way here.
    async fn next_operation(
        &self,
    ) -> Result<Option<(Operation, OwnedSemaphorePermit)>, ArchiverError> {
        let Ok(seat) = self.operation_seat.clone().try_acquire_owned() else { return Ok(None) };
        for (operation, stored) in self.shared.journal.waiting(self.silent_since_ms()).await? {
            let reached = match &stored {
                Some(stored) => self.reaches(&stored.archive).await,
                None => true,
            };
            if reached {
                return Ok(Some((operation, seat)));
            }
        }
        Ok(None)
    }

    /// Of an operation under way that was written last before this, nobody takes care any more. Where
    /// this process is the only one, that is any that it does not work on itself.
    fn silent_since_ms(&self) -> i64 {
        let now_ms = self.shared.runtime.now_ms();
        let options = &self.shared.options;
        if options.exclusive {
            return now_ms;
        }
        let silent_ms = options.lease_ttl_ms.saturating_mul(operations::SILENT_LEASES);
        now_ms.saturating_sub_unsigned(silent_ms)
    }

    /// Whether the operation came to an end, so that the next one may begin at once.
    async fn operate(&self, id: JobId, shutdown: CancellationToken) -> bool {
        let worked = match self.shared.journal.claim(id, self.silent_since_ms()).await {
            Ok(Some(taken)) => Box::pin(operations::run(&self.shared, taken, shutdown)).await,
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        worked.unwrap_or_else(|error| {
            tracing::warn!(operation = %id, %error, "an operation stays where it is");
            false
        })
    }

    /// Looks after what an archive holds.
    async fn keep_up(&self, stored: &StoredArchive, last: Upkeep) -> Result<(), ArchiverError> {
        let (options, now_ms) = (&self.shared.options, self.shared.runtime.now_ms());
        let mut next = Upkeep { failures: 0, last_error: None, ..last.clone() };
        let mut event = None;
        let wait_ms = match upkeep::run(&self.shared, stored).await {
            Ok(Kept::Done) => options.upkeep_interval_ms,
            Ok(Kept::Busy) => {
                // Nothing was tried, so nothing is over.
                next = last.clone();
                WAITING_MS
            }
            Err(error) => {
                tracing::warn!(archive = %last.archive_id, %error, "upkeep did not end well");
                event = suspension(&error, last.archive_id);
                next.failures = last.failures + 1;
                next.last_error = Some(error.to_string());
                backoff_ms(next.failures, options).max(WAITING_MS)
            }
        };
        next.due_at = now_ms.saturating_add(wait_ms);
        self.shared.journal.kept_up(&next, event).await
    }
}
