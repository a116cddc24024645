//! What may still be on its way to the cluster when a document is redacted, and how it loses its effect. An
//! insert of a restore that arrives later would bring the document back, live and archived again a day
//! later; a delete that arrives later would take a live copy that was left there on purpose.
//!
//! At level L3 raising the fence at the source ends both. Below only time does. Each restore is waited for
//! once: that it is settled is written down.

use std::collections::BTreeSet;

use portolan_cluster::Cluster;
use portolan_model::{GuardLevel, JobId};
use portolan_store::leases::LeaseKey;
use portolan_store::operations::{Operation, OperationKind};
use serde_json::Value;

use crate::journal::Journal;
use crate::lease::Held;
use crate::operations::Working;
use crate::source_fence::Raising;
use crate::takeover::Seen;
use crate::{ArchiverError, quiet};

/// A delete whose answer was lost so long ago is nowhere any more, whatever the clocks say.
const DELETES_LIVE_MS: i64 = 24 * 60 * 60 * 1000;

/// What may still be on its way.
pub(super) struct Late {
    /// Restores that inserted something, or may go on to do so.
    restores: Vec<Restore>,
    /// Until when deletes were sent whose answer was lost.
    deletes_until_ms: Option<i64>,
}

struct Restore {
    id: JobId,
    is_over: bool,
    /// Every insert of it was sent under the fence.
    fenced: bool,
}

impl Restore {
    /// `None`: nothing of it can be on its way.
    fn of(operation: &Operation) -> Option<Self> {
        let asked: Value = serde_json::from_str(&operation.request).unwrap_or_default();
        let figures: Value = serde_json::from_str(&operation.progress).unwrap_or_default();
        let is = |value: &Value| value.as_bool().unwrap_or(false);
        let is_over = operation.state.is_final();
        // What one says of itself may be older than what it did, unless it went to its end in one go.
        let sent = figures["documents"].as_u64().is_some_and(|documents| documents > 0)
            || if is_over { operation.claim > 1 } else { operation.claim > 0 };
        let inserts = operation.kind == OperationKind::Restore && !is(&asked["preview"]);
        let late = sent && inserts && !is(&figures["settled"]);
        let fenced = is_over && is(&figures["fenced"]);
        late.then_some(Self { id: operation.id, is_over, fenced })
    }
}

impl Late {
    pub(super) async fn of(
        journal: &Journal,
        key: &LeaseKey,
        now_ms: i64,
    ) -> Result<Self, ArchiverError> {
        let asked_for = journal.asked_for(key).await?;
        let deletes_until_ms = journal.unanswered_until(key).await?;
        let lives = |until_ms: &i64| *until_ms > now_ms.saturating_sub(DELETES_LIVE_MS);
        Ok(Self {
            restores: asked_for.iter().filter_map(Restore::of).collect(),
            deletes_until_ms: deletes_until_ms.filter(lives),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.restores.is_empty() && self.deletes_until_ms.is_none()
    }

    /// The restores that need not be waited for again, once this was.
    pub(super) fn settled(&self) -> Vec<JobId> {
        self.restores.iter().filter(|restore| restore.is_over).map(|restore| restore.id).collect()
    }

    /// Returns when nothing of older epochs can have an effect at the cluster any more.
    pub(super) async fn end(
        &self,
        working: &mut Working<'_>,
        (cluster, held): (&dyn Cluster, &Held),
        seen: &[Seen],
    ) -> Result<(), ArchiverError> {
        if !self.is_empty() {
            // Told before the cluster is asked: it may be out of reach.
            working.set("waitingFor", "what may still be on its way to the cluster");
            working.progress().await?;
        }
        let level = cluster.probe().await?.level;
        if level == GuardLevel::L3 {
            raise_fences(working, (cluster, held), seen).await?;
        }
        let quiet_at_ms = self.quiet_at_ms(working, cluster, level).await?;
        working.wait_until_quiet((cluster, held), (level, quiet_at_ms)).await
    }

    /// By the clock of that level.
    async fn quiet_at_ms(
        &self,
        working: &Working<'_>,
        cluster: &dyn Cluster,
        level: GuardLevel,
    ) -> Result<i64, ArchiverError> {
        let (runtime, options) = (&working.shared.runtime, &working.shared.options);
        if self.restores.iter().any(|restore| level < GuardLevel::L3 || !restore.fenced) {
            return Ok(quiet::from_now_ms(cluster, runtime, options, level).await?);
        }
        let Some(until_ms) = self.deletes_until_ms else { return Ok(i64::MIN) };
        Ok(quiet::since_ms(cluster, runtime, options, (level, until_ms)).await?)
    }
}

/// Raises the fence of every collection that a table of these was filled from: a restore inserts under the
/// fence of the collection that its table is of.
async fn raise_fences(
    working: &Working<'_>,
    (cluster, held): (&dyn Cluster, &Held),
    seen: &[Seen],
) -> Result<(), ArchiverError> {
    let shared = working.shared;
    let ids: Vec<_> = seen.iter().map(|entry| entry.archive.archive.id).collect();
    let (_, newest) = shared.journal.moves(&held.key, &ids).await?;
    let versions = || seen.iter().filter_map(|entry| entry.version.as_ref());
    let raising = Raising {
        cluster,
        runtime: &shared.runtime,
        owner: &shared.options.owner,
        held,
        archive_id: working.operation.archive_id,
        committed: versions().map(|version| version.committed).max().unwrap_or(0),
    };
    let uuids: BTreeSet<[u8; 16]> =
        versions().filter_map(|version| version.spec.collection_uuid()).collect();
    for uuid in uuids {
        raising.raise(uuid, newest.values()).await?;
    }
    Ok(())
}
