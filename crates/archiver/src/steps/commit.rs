//! commit: one compare-and-swap on the table's log. Whatever it answers, only finding our number in
//! the newest version counts; `lake` looks for it, and an answer that stays unknown is asked again.

use portolan_lake::{Change, LakeError, Table};
use portolan_runtime::Runtime;
use portolan_store::moves::{Move, MoveState};

use super::{count, signed};
use crate::journal::Entry;
use crate::lease::Held;
use crate::scene::Scene;
use crate::{ArchiverError, effects};

/// How often an unknown outcome is asked again before the run leaves it to the next one.
const ATTEMPTS_MAX: u32 = 5;
const BACKOFF_MS: u64 = 50;

pub(crate) async fn run(scene: &mut Scene, item: &mut Move) -> Result<(), ArchiverError> {
    scene.enter("COMMIT");
    let staged = scene
        .staged
        .take()
        .ok_or_else(|| ArchiverError::Internal("a move is committed where it was staged".into()))?;
    scene.run.files += count(staged.files.len());
    scene.run.bytes_stored += signed(staged.files.iter().map(|file| file.size_bytes).sum());
    let change = Change::Append {
        seq: item.seq,
        epoch: scene.held.epoch,
        token: scene.held.token.clone(),
        files: staged.files,
        config_version: item.criteria_version,
    };
    change_table(scene, scene.table(item.archive_id)?, effects::COMMIT, &change).await?;
    item.state = MoveState::Committed;
    let entry = Entry::new(item, &scene.run);
    scene.journal.write(effects::COMMITTED, &scene.held, entry).await
}

/// Commits a change, asking again while the outcome is not known.
pub(crate) async fn change_table(
    scene: &Scene,
    table: &Table,
    name: &'static str,
    change: &Change,
) -> Result<(), ArchiverError> {
    scene.check()?;
    change_under(Some(scene.held.as_ref()), &scene.runtime, table, name, change).await
}

/// Raises the fence of a table to the epoch of a lease: from then on no older worker commits.
pub(crate) async fn fence_table(
    held: &Held,
    runtime: &Runtime,
    table: &Table,
) -> Result<(), ArchiverError> {
    let fence = Change::Fence { epoch: held.epoch, token: held.token.clone() };
    change_under(Some(held), runtime, table, effects::FENCE, &fence).await
}

/// As [`change_table`], outside a run. Only a change that needs no fence needs no lease either.
pub(crate) async fn change_under(
    held: Option<&Held>,
    runtime: &Runtime,
    table: &Table,
    name: &'static str,
    change: &Change,
) -> Result<(), ArchiverError> {
    for attempt in 1.. {
        held.map_or(Ok(()), Held::check)?;
        match runtime.effect(name, table.commit(change)).await {
            Ok(_) => break,
            Err(LakeError::Unknown(detail)) if attempt < ATTEMPTS_MAX => {
                tracing::warn!(detail, name, "the outcome of a commit is not known; asking again");
                runtime.sleep_ms(BACKOFF_MS << attempt).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
