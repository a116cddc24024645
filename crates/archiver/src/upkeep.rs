//! Looking after what an archive holds: its rules in the table, expiry, compaction, clean-up. It needs no
//! cluster, so it goes on while the archive is paused or its cluster is down.
//!
//! Most looks find nothing and end without a lease or a commit. Work is done under the lease of the
//! collection, after the fence was raised: then no older worker can commit any more, and no run of
//! this archive is under way.

mod clean_up;
mod compaction;
mod expiry;
pub(crate) mod quarantine;

use portolan_lake::{Leftover, LogCare, Table, Version};
use portolan_model::ArchiveId;
use portolan_store::archives::StoredArchive;
use portolan_store::operations::{Operation, OperationKind, OperationState};
use serde_json::Value;

use crate::clocks::{self, Clocks};
use crate::lease::{Held, Taken};
use crate::run::key_of;
use crate::steps::commit::fence_table;
use crate::takeover::{self, Seen};
use crate::worker::Shared;
use crate::{ArchiverError, effects, rules};

use expiry::Expiring;
pub(crate) use expiry::{LEAD_MS, cut};
pub(crate) use quarantine::without as without_quarantined;

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Everything is as it should be.
    Done,
    /// Somebody else works on the collection.
    Busy,
}

/// One look.
pub(crate) async fn run(shared: &Shared, stored: &StoredArchive) -> Result<Kept, ArchiverError> {
    let Some(seen) = Keeping::look(shared, stored).await? else { return Ok(Kept::Done) };
    if seen.nothing_to_do() {
        return Ok(Kept::Done);
    }
    let key = key_of(&stored.archive);
    if seen.version.committed > seen.version.confirmed {
        // Readers compare the fences of table and source while a move is open: it is finished first.
        return Ok(Kept::Busy);
    }
    let fence = seen.version.fence;
    let Some(held) = takeover::take_lease_without_cluster(shared, &key, fence).await? else {
        return Ok(Kept::Busy);
    };
    let taken = Taken::keep(held, &shared.journal, None, &shared.runtime);
    let done = work(shared, taken.held(), stored.archive.id, &seen).await;
    taken.give_back(&shared.journal).await;
    done
}

async fn work(
    shared: &Shared,
    held: &Held,
    id: ArchiveId,
    seen: &Keeping,
) -> Result<Kept, ArchiverError> {
    let (table, clocks) = (&seen.table, seen.clocks);
    let version = table.load().await?;
    if version.committed > version.confirmed {
        return Ok(Kept::Busy);
    }
    fence_table(held, &shared.runtime, table).await?;
    if seen.cut_off {
        for kind in shared.journal.end_cut_off_upkeep(held, id).await? {
            shared.metrics.operation_ended(kind, OperationState::Failed);
        }
    }
    expiry::run(shared, held, (table, id), clocks).await?;
    compaction::run(shared, held, (table, id)).await?;
    clean_up::run(shared, held, table, clocks).await?;
    Ok(Kept::Done)
}

/// What a look found.
struct Keeping {
    table: Table,
    version: Version,
    clocks: Clocks,
    expiring: Option<Expiring>,
    leftovers: Vec<Leftover>,
    log: LogCare,
    compactable: bool,
    /// Records of upkeep that never ended.
    cut_off: bool,
}

impl Keeping {
    /// `None`: the archive has no table yet.
    async fn look(shared: &Shared, stored: &StoredArchive) -> Result<Option<Self>, ArchiverError> {
        let archive = &stored.archive;
        let mut seen = takeover::open_tables(shared, vec![stored.clone()]).await?;
        let (_, newest) = shared.journal.moves(&key_of(archive), &[archive.id]).await?;
        takeover::compare(&shared.options.owner, &seen, &newest)?;
        let Some(Seen { table: Some(table), version: Some(version), .. }) = seen.pop() else {
            return Ok(None);
        };
        rules::align(shared, stored, &table, &version).await?;
        let location = shared.outside.location(&archive.table_uri)?;
        let clocks = clocks::ask(shared, &location).await?;
        let quarantined = quarantine::of(shared, archive.id, &version).await?;
        let sound = quarantine::without(&version, &quarantined);
        let expiring = expiry::plan(shared, stored, (&table, &sound), clocks.now_ms);
        let grace_ms = shared.options.clean_up_after_ms;
        // The fence will be raised above every epoch that has been.
        let raised = Version { fence: version.fence.saturating_add(1), ..version.clone() };
        let leftovers = table.leftovers(&raised, clocks.storage_ms, grace_ms).await?;
        let kept_ms = shared.options.log_kept_ms;
        let log = table.log_care(&version, clocks.storage_ms, kept_ms).await?;
        let compactable = !compaction::plan(shared, &table, &sound).is_empty();
        let cut_off = shared.journal.upkeep_was_cut_off(archive.id).await?;
        Ok(Some(Self { table, version, clocks, expiring, leftovers, log, compactable, cut_off }))
    }

    fn nothing_to_do(&self) -> bool {
        let nothing = self.expiring.is_none() && self.leftovers.is_empty();
        nothing && self.log.is_empty() && !self.compactable && !self.cut_off
    }
}

/// An operation that the archiver begins by itself.
pub(crate) fn begun(shared: &Shared, table: &Table, kind: OperationKind) -> Option<Operation> {
    let archive_id = table.spec().archive_id.parse().ok()?;
    let id = portolan_model::JobId::new(shared.runtime.object_id());
    let mut operation =
        Operation::new(id, archive_id, kind, "{}".to_owned(), shared.runtime.now_ms());
    operation.state = OperationState::Running;
    Some(operation)
}

/// Writes down that an operation is done.
pub(crate) async fn ended(
    shared: &Shared,
    held: &Held,
    mut operation: Operation,
    progress: &Value,
) -> Result<(), ArchiverError> {
    operation.state = OperationState::Done;
    operation.progress = progress.to_string();
    operation.error = None;
    operation.ended_at = Some(shared.runtime.now_ms());
    shared.journal.operation(effects::OPERATION_DONE, held, &operation).await?;
    shared.metrics.operation_ended(operation.kind, operation.state);
    Ok(())
}
