//! read: cold documents from the primary, read concern majority, exact bytes, one per identity, up to
//! the size of a move. What cannot be archived at this level is counted and listed. Between two batches a read
//! rests as long as the cluster's account says. A cursor is not left waiting for a cluster that is behind:
//! the move is then as large as what was read so far.

use std::collections::HashMap;

use bson::{RawDocument, RawDocumentBuf};
use portolan_cluster::ReadOptions;
use portolan_store::runs::{DocumentKind, RunDocument};

use super::{count, named, signed};
use crate::criteria::{Frozen, Judged};
use crate::load::{Hindrance, Pace};
use crate::scene::Scene;
use crate::{ArchiverError, effects};

/// What a read found.
pub(crate) struct Found {
    pub(crate) documents: Vec<RawDocumentBuf>,
    pub(crate) skipped: Vec<RunDocument>,
    /// Whether it read to the end, or as much as a move takes.
    pub(crate) complete: bool,
}

impl Found {
    /// Bytes of BSON found.
    pub(crate) fn bytes(&self) -> u64 {
        self.documents.iter().map(|document| document.as_bytes().len() as u64).sum()
    }
}

pub(crate) async fn run(scene: &mut Scene, frozen: &Frozen) -> Result<Found, ArchiverError> {
    scene.enter("READ");
    let runtime = scene.runtime.clone();
    let found = runtime.effect(effects::READ, read(scene, frozen)).await?;
    // The name stood for the pinned collection when the lease was taken and does so now, so every
    // document is of that collection.
    let uuid = scene.collection.as_ref().ok_or(ArchiverError::CollectionLost)?.uuid;
    scene.check_collection(uuid).await?;
    scene.run.documents_read += count(found.documents.len());
    scene.run.documents_skipped += count(found.skipped.len());
    scene.run.bytes_read += signed(found.bytes());
    Ok(found)
}

async fn read(scene: &mut Scene, frozen: &Frozen) -> Result<Found, ArchiverError> {
    let batch_size = u32::try_from(scene.load.batch().0).unwrap_or(u32::MAX);
    let options =
        ReadOptions { majority: true, batch_size: Some(batch_size), ..ReadOptions::default() };
    let mut pace = Pace::new(&scene.runtime);
    let mut stream = scene.cluster.read(scene.namespace(), frozen.filter(), options).await?;
    let mut reading = Reading::default();
    let mut complete = true;
    while let Some(document) = pace.next(&scene.runtime, &mut stream).await? {
        if reading.is_full(scene) {
            break;
        }
        let read = document.as_bytes().len();
        reading.take(scene, frozen, document);
        if pace.is_batch(read, batch_size) {
            scene.check()?;
            if !rest(scene, &mut pace, reading.documents.is_empty()).await? {
                complete = false;
                break;
            }
        }
    }
    pace.book(&scene.load, &scene.runtime);
    Ok(Found { documents: reading.documents, skipped: reading.skipped, complete })
}

/// Books a batch and rests; whether to read on. With `empty` hands it waits for a cluster that is behind:
/// that nothing was found would end the run.
async fn rest(scene: &mut Scene, pace: &mut Pace, empty: bool) -> Result<bool, ArchiverError> {
    pace.book(&scene.load, &scene.runtime);
    if scene.load.closed(scene.runtime.now_ms()).is_some() {
        return Ok(false);
    }
    let goes_on = match scene.load.hindrance(&scene.runtime, scene.cluster.as_ref()).await {
        None => true,
        Some((Hindrance::Lag(_), _)) if !empty => false,
        Some(_) => scene.ease().await?,
    };
    pace.go_on(&scene.runtime);
    Ok(goes_on)
}

#[derive(Default)]
struct Reading {
    documents: Vec<RawDocumentBuf>,
    places: HashMap<Vec<u8>, usize>,
    skipped: Vec<RunDocument>,
    bytes: u64,
}

impl Reading {
    fn is_full(&self, scene: &Scene) -> bool {
        self.bytes >= scene.options.move_bytes_max
            || self.documents.len() >= scene.options.move_documents_max
    }

    fn take(&mut self, scene: &mut Scene, frozen: &Frozen, document: RawDocumentBuf) {
        match frozen.judge(&document, scene.level) {
            Judged::Warm => return,
            Judged::Unfit(reason) => return self.skip(scene, &document, &reason),
            Judged::Cold => {}
        }
        let identity = scene.identity(&document);
        if scene.excluded.contains(&identity) {
            return;
        }
        self.bytes += signed(document.as_bytes().len() as u64).unsigned_abs();
        // A document that moved while the cursor ran is met twice: the last read wins.
        match self.places.get(&identity) {
            Some(&place) => self.documents[place] = document,
            None => {
                self.places.insert(identity, self.documents.len());
                self.documents.push(document);
            }
        }
    }

    /// Lists it once a run. It is known again by its bytes: what cannot be read has no identity.
    fn skip(&mut self, scene: &mut Scene, document: &RawDocument, reason: &str) {
        if scene.excluded.insert(portolan_lake::hash(document).to_vec()) {
            self.skipped.push(named(DocumentKind::Skipped, document, reason));
        }
    }
}
