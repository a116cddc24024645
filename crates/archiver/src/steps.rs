//! The nine steps of a move, one file each, and the loop that takes them in the order that
//! [`crate::protocol`] says.

pub(crate) mod commit;
pub(crate) mod confirm;
pub(crate) mod delete;
pub(crate) mod plan;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod stage;
mod superseded;
pub(crate) mod upload;
pub(crate) mod verify;

use bson::raw::cstr;
use bson::{RawBson, RawDocument};
use portolan_store::moves::{Move, MoveState};
use portolan_store::runs::{DocumentKind, RunDocument};

use crate::ArchiverError;
use crate::protocol::{Step, next_step};
use crate::scene::Scene;

/// Drives a move to its end. On an error it stays where it is; the next run reads the table and goes
/// on or gives it up.
///
/// # Errors
/// [`ArchiverError::CollectionLost`] after the move was closed, when the collection was lost on the way:
/// what stands under its name now must not be archived in its place.
pub(crate) async fn drive(scene: &mut Scene, item: &mut Move) -> Result<(), ArchiverError> {
    let mut lost = false;
    loop {
        let step = next_step(item);
        if step == Step::End {
            return if lost { Err(ArchiverError::CollectionLost) } else { Ok(()) };
        }
        scene.check()?;
        match take(scene, item, step).await {
            Err(error) if error.is_collection_lost() && item.state >= MoveState::Committed => {
                lost = true;
                delete::close(scene, item, "the collection is gone or was replaced").await?;
            }
            other => other?,
        }
    }
}

async fn take(scene: &mut Scene, item: &mut Move, step: Step) -> Result<(), ArchiverError> {
    // Boxed: all the steps' states inline in one another would not fit on a thread's stack.
    match step {
        Step::Stage => Box::pin(stage::run(scene, item)).await,
        Step::Upload => Box::pin(upload::run(scene, item)).await,
        Step::Verify => Box::pin(verify::run(scene, item)).await,
        Step::Commit => Box::pin(commit::run(scene, item)).await,
        Step::Publish => Box::pin(publish::run(scene, item)).await,
        Step::Delete { batch } => Box::pin(delete::run(scene, item, batch)).await,
        Step::Close => Box::pin(delete::close_done(scene, item)).await,
        Step::Confirm => Box::pin(confirm::run(scene, item)).await,
        Step::End => Ok(()),
    }
}

/// `_id` of a document.
pub(crate) fn id_of(document: &RawDocument) -> Option<RawBson> {
    document.get("_id").ok().flatten().map(RawBson::from)
}

/// A document for the list that users see.
pub(crate) fn named(kind: DocumentKind, document: &RawDocument, reason: &str) -> RunDocument {
    let id = id_of(document).or_else(|| lossy_id_of(document));
    let id = id.and_then(|id| bson::Bson::try_from(id).ok());
    let text = id.map_or_else(|| unnamed(document), |id| id.into_relaxed_extjson_text());
    RunDocument { kind, document: text, reason: reason.to_owned() }
}

/// An `_id` that is not UTF-8, as well as it can be shown.
fn lossy_id_of(document: &RawDocument) -> Option<RawBson> {
    let mut elements = document.iter_elements().filter_map(Result::ok);
    elements.find(|element| element.key() == cstr!("_id"))?.value_utf8_lossy().ok()
}

/// What is left to know a document by when its `_id` cannot be shown.
fn unnamed(document: &RawDocument) -> String {
    format!("BLAKE3 {}", hex::encode(portolan_lake::hash(document)))
}

trait ExtendedJson {
    fn into_relaxed_extjson_text(self) -> String;
}

impl ExtendedJson for bson::Bson {
    fn into_relaxed_extjson_text(self) -> String {
        serde_json::to_string(&self).unwrap_or_else(|_| format!("{self:?}"))
    }
}

pub(crate) fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
