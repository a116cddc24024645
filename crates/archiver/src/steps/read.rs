//! read: cold documents from the primary, read concern majority, exact bytes, one per identity, up to
//! the size of a move. What cannot be archived at this level is counted and listed.

mod pace;

use std::collections::HashMap;

use bson::RawDocumentBuf;
use portolan_cluster::{ReadOptions, guard};
use portolan_store::runs::{DocumentKind, RunDocument};

use self::pace::Pace;
use super::{count, named, signed};
use crate::criteria::Frozen;
use crate::scene::Scene;
use crate::{ArchiverError, effects};

/// What a read found.
pub(crate) struct Found {
    pub(crate) documents: Vec<RawDocumentBuf>,
    pub(crate) skipped: Vec<RunDocument>,
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
    let mut pace = Pace::new(scene);
    let mut stream = scene.cluster.read(scene.namespace(), frozen.filter(), options).await?;
    let mut reading = Reading::default();
    while let Some(document) = pace.next(scene, &mut stream).await? {
        if reading.is_full(scene) {
            break;
        }
        let read = document.as_bytes().len();
        reading.take(scene, frozen, document);
        if pace.is_batch(read, batch_size) {
            scene.check()?;
            if !pace.rest(scene, reading.documents.is_empty()).await? {
                break;
            }
        }
    }
    pace.book(scene);
    Ok(Found { documents: reading.documents, skipped: reading.skipped })
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
        if !frozen.is_candidate(&document) {
            return;
        }
        let identity = scene.identity(&document);
        if scene.excluded.contains(&identity) {
            return;
        }
        if let Some(reason) = guard::unguardable(&document, scene.level) {
            self.skipped.push(named(DocumentKind::Skipped, &document, &reason));
            scene.excluded.insert(identity);
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
}
