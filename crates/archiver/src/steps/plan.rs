//! plan: freeze what must not change while a move is under way - criteria and their version, the
//! cut-off, the collection's UUID, the level - and number the move.

use portolan_store::moves::Move;

use crate::criteria::Frozen;
use crate::journal::Entry;
use crate::scene::Scene;
use crate::{ArchiverError, clocks, effects, source_fence};

/// A planned move, not journalled yet: whether there is anything to move is known after the read.
pub(crate) struct Plan {
    pub(crate) frozen: Frozen,
    pub(crate) item: Move,
}

pub(crate) async fn freeze(scene: &Scene) -> Result<Plan, ArchiverError> {
    let now_ms = clocks::of_run(scene).await?;
    let frozen = Frozen::new(&scene.archive.criteria, now_ms)?;
    let uuid = scene.collection.as_ref().ok_or(ArchiverError::CollectionLost)?.uuid;
    let id = portolan_model::JobId::new(scene.runtime.object_id());
    let (run, key) = ((scene.archive.id, scene.run.id), scene.held.key.clone());
    let numbers = (next_seq(scene).await?, scene.held.epoch);
    let item = Move {
        criteria_version: scene.archive.criteria_version,
        cutoff_ms: frozen.cutoff_ms,
        level: scene.level,
        collection_uuid: uuid,
        ..Move::new(id, run, key, numbers, scene.runtime.now_ms())
    };
    Ok(Plan { frozen, item })
}

/// One more than the greatest number committed in any table of the collection, or known to its cluster.
async fn next_seq(scene: &Scene) -> Result<i64, ArchiverError> {
    let committed = source_fence::greatest_committed(scene).await?;
    Ok(1 + committed.max(source_fence::last_seq(scene).await?))
}

/// Journals the move, and which documents cannot be archived.
pub(crate) async fn journal(scene: &mut Scene, item: &Move) -> Result<(), ArchiverError> {
    scene.enter("PLAN");
    scene.run.moves += 1;
    let entry = Entry { named: &scene.skipped, ..Entry::new(item, &scene.run) };
    scene.journal.write(effects::PLAN, &scene.held, entry).await?;
    scene.skipped.clear();
    Ok(())
}
