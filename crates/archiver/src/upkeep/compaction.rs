//! Compaction: many small files of like size become few, so that readers open fewer and prune better.
//! Rules and rewriting are in `lake`; here is when, and the record of it.
//!
//! Nothing is taken away: the files that are replaced stay for their day of grace, and readers that
//! use an older version read on. A hold does not forbid it, but nothing that is held could be cleaned
//! up, so it waits.

use portolan_lake::{Change, Compacted, DataFile, Table, Version};
use portolan_model::ArchiveId;
use portolan_store::operations::OperationKind;
use serde_json::json;

use super::{begun, ended, quarantine};
use crate::lease::Held;
use crate::steps::commit::change_under;
use crate::worker::Shared;
use crate::{ArchiverError, effects};

/// Groups in one look: a move of the collection waits so long at most. The next look goes on.
const GROUPS_MAX: usize = 4;

/// Files that are worth to be put together, most of them first; known without reading a file.
pub(crate) fn plan(shared: &Shared, table: &Table, version: &Version) -> Vec<Vec<DataFile>> {
    if version.spec.rules.hold.is_some() || version.foreign.is_some() {
        return Vec::new();
    }
    table.compaction_plan(version, &shared.options.compaction)
}

/// Puts files together, under the lease and the fence.
pub(crate) async fn run(
    shared: &Shared,
    held: &Held,
    (table, id): (&Table, ArchiveId),
) -> Result<(), ArchiverError> {
    for _ in 0..GROUPS_MAX {
        let version = table.load().await?;
        let version = quarantine::without(&version, &quarantine::of(shared, id, &version).await?);
        let Some(group) = plan(shared, table, &version).into_iter().next() else { return Ok(()) };
        held.check()?;
        let rule = &shared.options.compaction;
        let rewrite = async {
            let compacted = table.compact(&version, &group, rule).await?;
            table.verify(&compacted.staged).await?;
            Ok::<_, ArchiverError>(compacted)
        };
        let compacted = match shared.runtime.effect(effects::COMPACTION_REWRITE, rewrite).await {
            Ok(compacted) => compacted,
            Err(error) => {
                quarantine::blame(shared, held, (table, id), &group, error).await?;
                continue;
            }
        };
        if compacted.staged.files.len() >= compacted.removes.len() {
            // Documents so large that nothing is won.
            return Ok(());
        }
        commit(shared, held, table, compacted).await?;
    }
    Ok(())
}

async fn commit(
    shared: &Shared,
    held: &Held,
    table: &Table,
    compacted: Compacted,
) -> Result<(), ArchiverError> {
    let kind = OperationKind::Compaction;
    let Some(mut operation) = begun(shared, table, kind) else { return Ok(()) };
    let Compacted { removes, staged } = compacted;
    let progress = json!({
        "documents": staged.documents,
        "filesRemoved": removes.len(),
        "filesWritten": staged.files.len(),
        "bytesRemoved": removes.iter().map(|file| file.size_bytes).sum::<u64>(),
        "bytesWritten": staged.files.iter().map(|file| file.size_bytes).sum::<u64>(),
    });
    operation.progress = progress.to_string();
    shared.journal.operation(effects::OPERATION_START, held, &operation).await?;
    let change = Change::Compact {
        id: operation.id.to_string(),
        epoch: held.epoch,
        token: held.token.clone(),
        removes,
        adds: staged.files,
    };
    change_under(Some(held), &shared.runtime, table, effects::COMPACT, &change).await?;
    tracing::info!(table = table.uri(), %progress, "compacted");
    ended(shared, held, operation, &progress).await
}
