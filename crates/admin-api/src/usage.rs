//! How often, when and from where credentials were used.
//!
//! Counted here, and written to the control state every few seconds and before somebody reads the
//! figures: a busy key must not cost a write per request. What was counted and not written when the
//! process is killed is lost.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portolan_control::{ControlError, CredentialUse, RecordedUse};
use portolan_security::IpNet;
use portolan_store::access_lists::AccessOwner;

use crate::state::ApiState;

/// Time between two writes.
const WRITE_EVERY_MS: u64 = 10_000;
/// Different uses that are kept until they are written.
const PENDING_MAX: usize = 1_000;

/// What was not written yet.
#[derive(Debug, Default)]
pub(crate) struct UsageLedger {
    pending: Mutex<Pending>,
    /// Held while uses are written: who wants to read the figures waits for a write under way.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Pending {
    uses: HashMap<(AccessOwner, Option<IpNet>), Counted>,
    written_boot_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    count: i64,
    last_ms: i64,
    address: IpAddr,
}

impl UsageLedger {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a use; whether it is time to write.
    fn note(&self, used: CredentialUse, now_ms: i64, now_boot_ms: u64) -> bool {
        let mut pending = self.pending();
        let CredentialUse { owner, network, address } = used;
        let fresh = Counted { count: 0, last_ms: now_ms, address };
        let counted = pending.uses.entry((owner, network)).or_insert(fresh);
        *counted = Counted { count: counted.count + 1, ..fresh };
        let due = pending
            .written_boot_ms
            .is_none_or(|written| now_boot_ms.saturating_sub(written) >= WRITE_EVERY_MS);
        due || pending.uses.len() >= PENDING_MAX
    }

    fn take(&self, now_boot_ms: u64) -> Vec<RecordedUse> {
        let mut pending = self.pending();
        pending.written_boot_ms = Some(now_boot_ms);
        let uses = std::mem::take(&mut pending.uses);
        let recorded = |((owner, network), counted): (_, Counted)| RecordedUse {
            used: CredentialUse { owner, network, address: counted.address },
            count: counted.count,
            last_ms: counted.last_ms,
        };
        uses.into_iter().map(recorded).collect()
    }
}

impl ApiState {
    /// Counts a use of a credential that let somebody in.
    pub(crate) fn note_use(&self, used: CredentialUse) {
        let runtime = &self.control().runtime;
        if !self.inner.usage.note(used, runtime.now_ms(), runtime.boot_ms()) {
            return;
        }
        let state = self.clone();
        runtime.spawn("usage", async move {
            if let Err(error) = state.flush_usage().await {
                tracing::warn!(%error, "uses of credentials were not recorded");
            }
        });
    }

    /// Writes what was counted so far: before the figures are read, and when the server stops.
    ///
    /// # Errors
    /// The store's; what was to be written is lost then.
    pub async fn flush_usage(&self) -> Result<(), ControlError> {
        let _turn = self.inner.usage.writing.lock().await;
        let uses = self.inner.usage.take(self.control().runtime.boot_ms());
        if uses.is_empty() {
            return Ok(());
        }
        self.control().record_uses(&uses).await
    }
}
