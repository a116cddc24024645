//! Removing the table of an archive that was deleted long enough ago: a tombstone, then the data, then
//! the log, and a day later whatever came into their place since. From its first step on the deletion
//! cannot be taken back.

use portolan_lake::{Location, Table};
use portolan_model::{ArchiveState, OnlineArchive};
use portolan_store::jobs::ArchiveJob;

use crate::lease::{Held, Taken};
use crate::run::key_of;
use crate::steps::commit::fence_table;
use crate::worker::Shared;
use crate::{ArchiverError, ArchiverOptions, clocks, effects, takeover};

/// The second sweep comes so long after the first.
const SWEEP_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

/// How a purge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purged {
    /// Somebody else works on the collection, or the deletion was taken back.
    NotNow,
    /// The table is gone; its place is swept once more later.
    Removed,
    /// Nothing is left.
    Swept,
}

/// Whether the grace period of a deleted archive is over, or that of its second sweep.
pub(crate) fn is_due(
    archive: &OnlineArchive,
    job: &ArchiveJob,
    options: &ArchiverOptions,
    now_ms: i64,
) -> bool {
    let Some(deleted_at) = archive.deleted_at else { return false };
    let due_at = match job.purged_at {
        Some(purged_at) => purged_at.saturating_add(SWEEP_AFTER_MS),
        None => deleted_at.saturating_add(options.purge_after_ms),
    };
    archive.state == ArchiveState::Deleted && due_at <= now_ms
}

/// One step of the purge, under the collection's lease.
pub(crate) async fn run(
    shared: &Shared,
    archive: &OnlineArchive,
    job: &ArchiveJob,
) -> Result<Purged, ArchiverError> {
    let (key, uri) = (key_of(archive), &archive.table_uri);
    let location = shared.outside.location(uri)?;
    let clocks = clocks::ask(shared, &location).await?;
    if !is_due(archive, job, &shared.options, clocks.now_ms) {
        return Ok(Purged::NotNow);
    }
    let table = Table::open(&location, uri, &shared.runtime).await?;
    let fence = removable(shared, table.as_ref()).await?;
    let Some(held) = takeover::take_lease_without_cluster(shared, &key, fence).await? else {
        return Ok(Purged::NotNow);
    };
    let taken = Taken::keep(held, &shared.journal, None, &shared.runtime);
    let place = Place { location, archive, table };
    let done = match job.purged_at {
        None => remove(shared, taken.held(), place, job, clocks.now_ms).await,
        Some(_) => sweep(shared, taken.held(), place).await,
    };
    taken.give_back(&shared.journal).await;
    done
}

struct Place<'a> {
    location: Location,
    archive: &'a OnlineArchive,
    table: Option<Table>,
}

/// The table's fence, if the table is ours and not held.
async fn removable(shared: &Shared, table: Option<&Table>) -> Result<i64, ArchiverError> {
    let Some(table) = table else { return Ok(0) };
    let version = table.load().await?;
    if version.spec.owner != shared.options.owner {
        let owner = version.spec.owner;
        return Err(ArchiverError::Denied(format!("the table belongs to {owner}")));
    }
    if let Some(hold) = version.spec.rules.hold {
        let reason = hold.reason;
        return Err(ArchiverError::Denied(format!("the archive is held: {reason}")));
    }
    Ok(version.fence)
}

async fn remove(
    shared: &Shared,
    held: &Held,
    place: Place<'_>,
    job: &ArchiveJob,
    now_ms: i64,
) -> Result<Purged, ArchiverError> {
    let (runtime, archive) = (&shared.runtime, place.archive);
    if let Some(table) = &place.table {
        fence_table(held, runtime, table).await?;
        // A hold that came in between shows now.
        removable(shared, Some(table)).await?;
    }
    held.check()?;
    if !shared.journal.purging(held, archive.id).await? {
        return Ok(Purged::NotNow);
    }
    let drop = place.location.drop_table(&archive.table_uri, runtime);
    let objects = runtime.effect(effects::PURGE, drop).await?;
    tracing::info!(archive = %archive.id, objects, "removed the table of a deleted archive");
    let due_at = now_ms.saturating_add(SWEEP_AFTER_MS);
    let job = ArchiveJob {
        purged_at: Some(now_ms),
        due_at,
        failures: 0,
        last_error: None,
        ..job.clone()
    };
    shared.journal.purged(held, &job).await?;
    Ok(Purged::Removed)
}

async fn sweep(shared: &Shared, held: &Held, place: Place<'_>) -> Result<Purged, ArchiverError> {
    let (runtime, archive) = (&shared.runtime, place.archive);
    held.check()?;
    // Swept already, and only the journal does not know?
    if place.location.is_purged(&archive.table_uri, runtime).await? {
        let sweep = place.location.sweep_table(&archive.table_uri, runtime);
        let objects = runtime.effect(effects::SWEEP, sweep).await?;
        tracing::info!(archive = %archive.id, objects, "swept the place of a purged table");
    }
    shared.journal.forget(held, archive.id).await?;
    Ok(Purged::Swept)
}
