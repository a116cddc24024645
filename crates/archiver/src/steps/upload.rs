//! upload: sort the documents, cut them into batches, write them to files.

use portolan_lake::StageRequest;
use portolan_store::moves::{Move, MoveState};

use super::signed;
use crate::journal::Entry;
use crate::scene::Scene;
use crate::{ArchiverError, clocks, effects};

pub(crate) async fn run(scene: &mut Scene, item: &mut Move) -> Result<(), ArchiverError> {
    scene.enter("UPLOAD");
    let archived_at_ms = clocks::of_run(scene).await?;
    let (batch_documents_max, batch_bytes_max) = scene.load.batch();
    let request = StageRequest {
        seq: item.seq,
        epoch: item.epoch,
        archived_at_ms,
        batch_documents_max,
        batch_bytes_max,
    };
    let documents = std::mem::take(&mut scene.documents);
    let upload = async {
        Ok::<_, ArchiverError>(scene.table(item.archive_id)?.stage(request, documents).await?)
    };
    let staged = scene.runtime.effect(effects::UPLOAD, upload).await?;
    item.state = MoveState::Uploaded;
    item.files = serde_json::to_string(&staged.files)
        .map_err(|error| ArchiverError::Internal(format!("files as JSON: {error}")))?;
    item.batches = staged.batches;
    item.documents = signed(staged.documents);
    item.bytes_raw = signed(staged.bytes_raw);
    item.bytes_stored = signed(staged.files.iter().map(|file| file.size_bytes).sum());
    scene.staged = Some(staged);
    let entry = Entry::new(item, &scene.run);
    scene.journal.write(effects::UPLOADED, &scene.held, entry).await
}
