//! Waiting for the cluster: where a run asks its account, and how that is shown.

use super::Hindrance;
use crate::ArchiverError;
use crate::protocol::may_begin;
use crate::scene::Scene;

/// A wait shorter than this is not journalled.
const SHOWN_FROM_MS: u64 = 1_000;
/// A wait that goes on is journalled again so often.
const SHOWN_EVERY_MS: u64 = 5_000;
/// Nobody waits longer in one step: the run ends, its seat is free, and the next one goes on.
pub(super) const WAIT_MAX_MS: u64 = 10 * 60 * 1_000;
/// The archive's state is looked at again, and the account, after so long.
pub(super) const LOOK_MS: u64 = 1_000;

impl Scene {
    /// Waits until the cluster may be burdened further, or the archive does not want it any more:
    /// whoever paused or deleted it need not wait for the cluster. Whether it may be burdened.
    ///
    /// # Errors
    /// [`ArchiverError::Overburdened`] after ten minutes, [`ArchiverError::Stopping`],
    /// [`ArchiverError::LeaseLost`], and those of the journal.
    pub(crate) async fn ease(&mut self) -> Result<bool, ArchiverError> {
        let began_ms = self.runtime.boot_ms();
        let mut shown_ms = None;
        let mut eased = true;
        loop {
            let hindered = self.load.hindrance(&self.runtime, self.cluster.as_ref()).await;
            let Some((why, ms)) = hindered else { break };
            if ms >= SHOWN_FROM_MS && !self.wanted().await? {
                eased = false;
                break;
            }
            self.show_wait(why, ms, &mut shown_ms).await?;
            let before_ms = self.runtime.boot_ms();
            if before_ms.saturating_sub(began_ms) > WAIT_MAX_MS {
                return Err(ArchiverError::Overburdened(why.to_string()));
            }
            // Whoever waited asks again whether deleting may go on.
            self.permitted = None;
            self.pause_ms(ms.min(LOOK_MS)).await?;
            let waited_ms = self.runtime.boot_ms().saturating_sub(before_ms);
            self.run.waited_ms = self.run.waited_ms.saturating_add_unsigned(waited_ms);
            self.load.waited(why, waited_ms);
        }
        // What is journalled next says that it goes on.
        self.run.waiting_for = None;
        Ok(eased)
    }

    async fn wanted(&self) -> Result<bool, ArchiverError> {
        let stored = self.journal.archive(self.archive.id).await?;
        Ok(stored.is_some_and(|stored| may_begin(stored.archive.state)))
    }

    async fn show_wait(
        &mut self,
        why: Hindrance,
        ms: u64,
        shown_ms: &mut Option<u64>,
    ) -> Result<(), ArchiverError> {
        let boot_ms = self.runtime.boot_ms();
        let fresh = shown_ms.is_some_and(|shown_ms| boot_ms - shown_ms < SHOWN_EVERY_MS);
        if fresh || ms < SHOWN_FROM_MS {
            return Ok(());
        }
        *shown_ms = Some(boot_ms);
        tracing::info!(archive = %self.archive.id, %why, "a run waits for its cluster");
        self.run.waiting_for = Some(why.to_string());
        self.journal.show_run(&self.held, &self.run).await
    }
}
