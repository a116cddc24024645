//! Expiry: archived documents leave the archive when they are older than its rule says. Whole files
//! go where their month or their statistics prove it; a file in which only some documents have
//! expired is written again without them, read back and compared, and takes the old one's place in
//! the same commit.
//!
//! A rule takes effect a day after it was set, and touches only documents that were archived at least
//! a day ago and are confirmed. A hold that comes in between makes the commit fail.

use portolan_lake::{Change, ExpiryCut, ExpiryPlan, LakeError, Table, Unexpired, Version};
use portolan_model::{ArchiveId, ArchiveRules, ArchiveState, EpochMs};
use portolan_store::archives::StoredArchive;
use portolan_store::operations::OperationKind;
use serde_json::json;

use super::{begun, ended, quarantine};
use crate::clocks::Clocks;
use crate::lease::Held;
use crate::steps::commit::change_under;
use crate::worker::Shared;
use crate::{ArchiverError, effects};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// So long after it was set a rule takes effect, and so long after it was archived a document may
/// expire (Atlas documentation, "Configure Online Archive", data expiration).
pub(crate) const LEAD_MS: i64 = DAY_MS;

/// What is to expire.
#[derive(Debug, Clone)]
pub(crate) struct Expiring {
    pub(crate) plan: ExpiryPlan,
    pub(crate) cut: ExpiryCut,
}

/// What can have expired by now, by what is known without reading a file; `None`: nothing, or nothing
/// may.
pub(super) fn plan(
    shared: &Shared,
    stored: &StoredArchive,
    (table, version): (&Table, &Version),
    now_ms: EpochMs,
) -> Option<Expiring> {
    let is_paused = matches!(stored.archive.state, ArchiveState::Paused | ArchiveState::Pausing);
    if is_paused && !shared.options.expire_while_paused {
        return None;
    }
    let cut = cut(&stored.rules().stricter(&version.spec.rules), now_ms)?;
    let plan = table.expiry_plan(version, &cut);
    (!plan.is_empty()).then_some(Expiring { plan, cut })
}

/// The cut that rules ask for; `None` under a hold. Without a rule in effect nothing is old enough,
/// and only rows go that a hold kept although newer ones took their places.
pub(crate) fn cut(rules: &ArchiveRules, now_ms: EpochMs) -> Option<ExpiryCut> {
    if rules.hold.is_some() {
        return None;
    }
    let in_effect = rules.expiry.filter(|rule| rule.set_at.saturating_add(LEAD_MS) <= now_ms);
    let age_ms = |days: i32| i64::from(days).saturating_mul(DAY_MS);
    Some(ExpiryCut {
        expired_until_ms: in_effect
            .map_or(i64::MIN, |rule| now_ms.saturating_sub(age_ms(rule.expire_after_days))),
        archived_before_ms: now_ms.saturating_sub(LEAD_MS),
    })
}

/// Lets go what has expired, under the lease and the fence.
pub(crate) async fn run(
    shared: &Shared,
    held: &Held,
    (table, id): (&Table, ArchiveId),
    clocks: Clocks,
) -> Result<(), ArchiverError> {
    loop {
        let version = table.load().await?;
        let version = quarantine::without(&version, &quarantine::of(shared, id, &version).await?);
        let stored = shared.journal.archive(id).await?.ok_or(ArchiverError::LeaseLost)?;
        let planned = plan(shared, &stored, (table, &version), clocks.now_ms);
        let Some(Expiring { plan, cut }) = planned else { return Ok(()) };
        let rewrite = async {
            let left = table.leave_out_expired(&version, &plan, &cut).await?;
            table.verify(&left.staged).await?;
            Ok::<_, ArchiverError>(left)
        };
        match shared.runtime.effect(effects::EXPIRY_REWRITE, rewrite).await {
            Ok(left) if left.removes.is_empty() => return Ok(()),
            Ok(left) => return commit(shared, held, (table, id), left, cut).await,
            // Each time round there is one file less.
            Err(error) => {
                quarantine::blame(shared, held, (table, id), &plan.mixed, error).await?;
            }
        }
    }
}

async fn commit(
    shared: &Shared,
    held: &Held,
    (table, id): (&Table, ArchiveId),
    left: Unexpired,
    cut: ExpiryCut,
) -> Result<(), ArchiverError> {
    let Some(mut operation) = begun(shared, table, OperationKind::Expiry) else { return Ok(()) };
    let bytes: u64 = left.removes.iter().map(|file| file.size_bytes).sum();
    let progress = json!({
        "documents": left.documents,
        "expiredUntil": (cut.expired_until_ms > i64::MIN).then_some(cut.expired_until_ms),
        "filesRemoved": left.removes.len(),
        "filesWritten": left.staged.files.len(),
        "bytesRemoved": bytes,
        "bytesWritten": left.staged.files.iter().map(|file| file.size_bytes).sum::<u64>(),
    });
    operation.progress = progress.to_string();
    shared.journal.operation(effects::OPERATION_START, held, &operation).await?;
    let change = Change::Expire {
        id: operation.id.to_string(),
        epoch: held.epoch,
        token: held.token.clone(),
        removes: left.removes,
        adds: left.staged.files,
    };
    match change_under(Some(held), &shared.runtime, table, effects::EXPIRE, &change).await {
        // A hold was placed meanwhile: nothing expired.
        Err(ArchiverError::Lake(LakeError::Held(_))) => {
            let progress = json!({ "documents": 0, "heldBack": left.documents });
            ended(shared, held, operation, &progress).await
        }
        other => {
            other?;
            tracing::info!(archive = %id, documents = left.documents, "expired");
            shared.metrics.expired(left.documents);
            ended(shared, held, operation, &progress).await
        }
    }
}
