//! stage: journal that files of this move are about to be written. Their names carry the move's
//! number, the epoch and a random part, and are used for one attempt only, so whatever an attempt
//! leaves behind can be told from what counts.

use portolan_store::moves::{Move, MoveState};

use crate::journal::Entry;
use crate::scene::Scene;
use crate::{ArchiverError, effects};

pub(crate) async fn run(scene: &mut Scene, item: &mut Move) -> Result<(), ArchiverError> {
    item.state = MoveState::Staged;
    scene.enter("STAGE");
    let entry = Entry::new(item, &scene.run);
    scene.journal.write(effects::STAGE, &scene.held, entry).await
}
