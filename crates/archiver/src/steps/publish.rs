//! publish: the permission to delete. A fresh load of the table must show the move committed and every
//! object present as it was verified; then one transaction of the journal makes sure that the archive
//! still wants it.

use portolan_lake::{LakeError, StagedFile};
use portolan_model::SuspendReason;
use portolan_store::moves::{Move, MoveState};

use crate::journal::Entry;
use crate::scene::Scene;
use crate::{ArchiverError, effects};

pub(crate) async fn run(scene: &mut Scene, item: &mut Move) -> Result<(), ArchiverError> {
    scene.enter("PUBLISH");
    let files: Vec<StagedFile> = serde_json::from_str(&item.files)
        .map_err(|error| ArchiverError::Internal(format!("journalled files: {error}")))?;
    let table = scene.table(item.archive_id)?;
    match scene.runtime.effect(effects::PRESENT, table.check_present(&files)).await {
        Ok(()) => {}
        Err(LakeError::Missing(detail) | LakeError::Unverified(detail)) => {
            let detail = format!("a committed file is not as it was verified: {detail}");
            return Err(ArchiverError::suspended(
                item.archive_id,
                SuspendReason::ForeignWriter,
                detail,
            ));
        }
        Err(error) => return Err(error.into()),
    }
    scene.pinned = None;
    let next = Move { state: MoveState::Published, ..item.clone() };
    *item =
        scene.journal.permit(effects::PUBLISH, &scene.held, Entry::new(&next, &scene.run)).await?;
    Ok(())
}
