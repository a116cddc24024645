//! Removing the table of an archive that was deleted long enough ago.

use portolan_lake::Table;
use portolan_model::{ArchiveState, OnlineArchive};

use crate::lease::Held;
use crate::run::key_of;
use crate::worker::Shared;
use crate::{ArchiverError, ArchiverOptions, effects, takeover};

/// Whether the grace period of a deleted archive is over.
pub(crate) fn is_due(archive: &OnlineArchive, options: &ArchiverOptions, now_ms: i64) -> bool {
    archive.state == ArchiveState::Deleted
        && archive
            .deleted_at
            .is_some_and(|at_ms| at_ms.saturating_add(options.purge_after_ms) <= now_ms)
}

/// Removes data first and the log last, under the collection's lease.
pub(crate) async fn run(shared: &Shared, archive: &OnlineArchive) -> Result<(), ArchiverError> {
    let key = key_of(archive);
    let Some(held) = takeover::take_lease_without_cluster(shared, &key).await? else {
        return Ok(());
    };
    let removed = remove(shared, archive, &held).await;
    if let Err(error) = shared.journal.release(&held).await {
        tracing::warn!(%error, "the lease was not given back; it runs out by itself");
    }
    removed
}

async fn remove(
    shared: &Shared,
    archive: &OnlineArchive,
    held: &Held,
) -> Result<(), ArchiverError> {
    let uri = &archive.table_uri;
    let location = shared.outside.location(uri)?;
    if let Some(table) = Table::open(&location, uri, &shared.runtime).await? {
        held.check()?;
        let objects = shared.runtime.effect(effects::PURGE, table.drop_table()).await?;
        tracing::info!(archive = %archive.id, objects, "removed the table of a deleted archive");
    }
    shared.journal.purged(held, archive.id).await
}
