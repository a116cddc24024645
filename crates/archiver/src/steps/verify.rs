//! verify: read the files back with the readers' own code and recompute everything from the
//! documents. Nothing that fails here is ever committed.

use portolan_store::moves::{Move, MoveState};

use crate::journal::Entry;
use crate::scene::Scene;
use crate::{ArchiverError, effects};

pub(crate) async fn run(scene: &mut Scene, item: &mut Move) -> Result<(), ArchiverError> {
    scene.enter("VERIFY");
    let staged = scene
        .staged
        .as_ref()
        .ok_or_else(|| ArchiverError::Internal("a move is verified where it was staged".into()))?;
    let table = scene.table(item.archive_id)?;
    let verify = async { Ok::<_, ArchiverError>(table.verify(staged).await?) };
    scene.runtime.effect(effects::VERIFY, verify).await?;
    item.state = MoveState::Verified;
    let entry = Entry::new(item, &scene.run);
    scene.journal.write(effects::VERIFIED, &scene.held, entry).await
}
