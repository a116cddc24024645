//! Clean-up: objects of moves that were given up, and files that left the table, go after a day of
//! grace on the storage's own clock. Entries of the log go when their time has come, whether or not there is
//! anything else to remove. Rules are in `lake`; here is when, and the record of it.

use portolan_lake::Table;
use portolan_store::operations::OperationKind;
use serde_json::json;

use super::{begun, ended};
use crate::clocks::Clocks;
use crate::lease::Held;
use crate::worker::Shared;
use crate::{ArchiverError, effects};

/// Removes what nothing needs, under the lease and the fence.
pub(crate) async fn run(
    shared: &Shared,
    held: &Held,
    table: &Table,
    clocks: Clocks,
) -> Result<(), ArchiverError> {
    let version = table.load().await?;
    if version.spec.rules.hold.is_some() {
        return Ok(());
    }
    let (grace_ms, now_ms) = (shared.options.clean_up_after_ms, clocks.storage_ms);
    let log = table.log_care(&version, now_ms, shared.options.log_kept_ms).await?;
    if log.checkpoint {
        held.check()?;
        table.checkpoint().await?;
    }
    let found = table.leftovers(&version, now_ms, grace_ms).await?;
    if found.is_empty() && log.old.is_empty() {
        return Ok(());
    }
    let Some(operation) = begun(shared, table, OperationKind::CleanUp) else { return Ok(()) };
    shared.journal.operation(effects::OPERATION_START, held, &operation).await?;
    let remove = async {
        held.check()?;
        let under = (held.epoch, held.token.as_str());
        let removed = table.remove_leftovers(under, now_ms, grace_ms).await?;
        let entries = table.trim_log(now_ms, shared.options.log_kept_ms).await?;
        Ok::<_, ArchiverError>((removed, entries))
    };
    let (removed, entries) = shared.runtime.effect(effects::CLEAN_UP, remove).await?;
    tracing::info!(table = table.uri(), objects = removed.objects, entries, "cleaned up");
    let progress = json!({
        "objects": removed.objects,
        "bytes": removed.bytes,
        "logEntries": entries,
    });
    ended(shared, held, operation, &progress).await
}
