//! delete: batch by batch in order, only what is equal to the committed row.
//!
//! The reference is the row in the committed file, read again for each batch, never memory. Nothing is
//! concluded from absence: a document that is gone may have been deleted by a client or by an attempt
//! of ours whose answer was lost. What is there with other bytes is kept in the cluster, and its row
//! leaves the table when the move is confirmed.

mod atomic;

use std::collections::HashMap;

use bson::{RawBson, RawDocumentBuf};
use portolan_cluster::{ClusterError, DeleteRequest};
use portolan_lake::{CommittedRow, Version};
use portolan_model::GuardLevel;
use portolan_store::moves::{KeptRow, Move, MoveState};
use portolan_store::runs::{DocumentKind, RunDocument};

use super::{count, id_of, named, signed};
use crate::journal::Entry;
use crate::scene::Scene;
use crate::{ArchiverError, effects};

const BACKOFF_MS: u64 = 200;

/// What became of one batch.
#[derive(Default)]
struct Tally {
    identities: Vec<Vec<u8>>,
    deleted: u64,
    vanished: u64,
    kept: Vec<KeptRow>,
    named: Vec<RunDocument>,
}

pub(crate) async fn run(
    scene: &mut Scene,
    item: &mut Move,
    batch: i32,
) -> Result<(), ArchiverError> {
    scene.enter("DELETE");
    scene.ease().await?;
    // Before anything is sent, an unanswered delete of another epoch is told from one of ours.
    let earlier = item.unanswered_epoch;
    // A fenced delete needs no mark: the fence at the source answers for it.
    let mark = earlier.or((item.level < GuardLevel::L3).then_some(scene.held.epoch));
    if scene.permitted.take() != Some((item.seq, batch)) {
        let next = Move { state: MoveState::Deleting, unanswered_epoch: mark, ..item.clone() };
        let entry = Entry::new(&next, &scene.run);
        *item = scene.journal.permit(effects::BATCH, &scene.held, entry).await?;
    }
    if item.state == MoveState::Closing {
        item.unanswered_epoch = earlier;
        return close_again(scene, item).await;
    }
    let version = scene.pinned(item.archive_id).await?;
    let mut doubtful = earlier.is_some();
    let tally = match item.level {
        GuardLevel::L3 | GuardLevel::L2 => {
            atomic::run(scene, item, &version, batch, &mut doubtful).await?
        }
        _ => repeat(scene, item, &version, batch, &mut doubtful).await?,
    };
    if !doubtful {
        item.unanswered_epoch = None;
    }
    scene.identities.insert((item.seq, batch), tally.identities.clone());
    item.done = batch;
    count_in(scene, item, &tally);
    done(scene, item, &tally).await?;
    scene.repeated_batch = None;
    Ok(())
}

/// Journals a batch. Where nothing need be marked before the next one, it is permitted in the same
/// transaction.
async fn done(scene: &mut Scene, item: &mut Move, tally: &Tally) -> Result<(), ArchiverError> {
    let entry = Entry { item, run: &scene.run, kept: &tally.kept, named: &tally.named };
    if item.level < GuardLevel::L3 || item.done + 1 >= item.batches {
        return scene.journal.write(effects::BATCH_DONE, &scene.held, entry).await;
    }
    *item = scene.journal.permit(effects::BATCH_DONE, &scene.held, entry).await?;
    scene.permitted = (item.state != MoveState::Closing).then_some((item.seq, item.done + 1));
    Ok(())
}

/// The permission was refused after the mark was written; take the mark back.
async fn close_again(scene: &Scene, item: &Move) -> Result<(), ArchiverError> {
    scene.journal.write(effects::CLOSE, &scene.held, Entry::new(item, &scene.run)).await
}

fn count_in(scene: &mut Scene, item: &mut Move, tally: &Tally) {
    item.deleted += signed(tally.deleted);
    item.vanished += signed(tally.vanished);
    item.kept += count(tally.kept.len());
    scene.run.documents_deleted += signed(tally.deleted);
    scene.run.documents_vanished += signed(tally.vanished);
    scene.run.documents_kept += count(tally.kept.len());
    scene.excluded.extend(tally.kept.iter().map(|row| row.identity.clone()));
}

/// Repeats a batch until it was answered: it is idempotent.
async fn repeat(
    scene: &mut Scene,
    item: &mut Move,
    version: &Version,
    batch: i32,
    doubtful: &mut bool,
) -> Result<Tally, ArchiverError> {
    let mut attempt = 1;
    loop {
        match once(scene, item, version, batch, *doubtful).await {
            Ok(tally) => return Ok(tally),
            Err(ArchiverError::Cluster(error)) if attempt < scene.options.delete_attempts_max => {
                match error {
                    ClusterError::Unknown(_) => {
                        *doubtful = true;
                        scene.repeated_batch = Some(batch);
                        item.quiet_at_ms = Some(scene.quiet_from_now_ms(item.level).await?);
                    }
                    ClusterError::Unavailable(_) => {}
                    other => return Err(other.into()),
                }
                scene.pause_ms(BACKOFF_MS << attempt.min(5)).await?;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn once(
    scene: &Scene,
    item: &Move,
    version: &Version,
    batch: i32,
    doubtful: bool,
) -> Result<Tally, ArchiverError> {
    scene.held.check()?;
    scene.check_collection(item.collection_uuid).await?;
    let rows = scene.table(item.archive_id)?.batch(version, item.seq, batch).await?;
    let identities = rows.iter().map(|row| row.identity.clone()).collect();
    let found = look_up(scene, item, &rows).await?;
    let mut work = Sorted::new(rows, &found, batch, !doubtful);
    let deleted = send(scene, item, &work.equal).await?;
    let expected = work.equal.len() as u64;
    if deleted < expected {
        let left = look_up(scene, item, &work.equal).await?;
        work.keep_left(&left, batch, !doubtful);
    }
    let gone = expected.saturating_sub(deleted).saturating_sub(work.left);
    let tally = work.tally(deleted, gone, scene.repeated_batch == Some(batch));
    Ok(Tally { identities, ..tally })
}

/// The documents that the cluster now holds for these rows, by identity.
async fn look_up(
    scene: &Scene,
    item: &Move,
    rows: &[CommittedRow],
) -> Result<HashMap<Vec<u8>, RawDocumentBuf>, ArchiverError> {
    let ids: Vec<RawBson> = rows.iter().filter_map(|row| id_of(&row.doc)).collect();
    let began_ms = scene.runtime.boot_ms();
    let found = scene.cluster.find_by_ids(scene.namespace(), &ids).await?;
    scene.load.looked_up(&scene.runtime, began_ms, &found);
    let spec = scene.table(item.archive_id)?.spec();
    Ok(found.into_iter().map(|document| (spec.identity(&document), document)).collect())
}

async fn send(scene: &Scene, item: &Move, rows: &[CommittedRow]) -> Result<u64, ArchiverError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let documents: Vec<RawDocumentBuf> = rows.iter().map(|row| row.doc.clone()).collect();
    let request = DeleteRequest {
        uuid: item.collection_uuid,
        shard_key: scene.table(item.archive_id)?.spec().shard_key.as_ref(),
        documents: &documents,
        level: item.level,
        deadline_ms: scene.held.deadline_ms(),
    };
    let began_ms = scene.runtime.boot_ms();
    let delete = scene.cluster.delete_guarded(scene.namespace(), &request);
    let deleted = scene.runtime.effect(effects::DELETE, delete).await;
    scene.load.burdened("delete", &scene.runtime, began_ms, &documents);
    let deleted = deleted?;
    for refused in &deleted.refused {
        tracing::warn!(message = refused.message, "the cluster refused a delete statement");
    }
    Ok(deleted.n)
}

/// The rows of a batch by what the cluster holds for them.
#[derive(Default)]
struct Sorted {
    equal: Vec<CommittedRow>,
    absent: Vec<CommittedRow>,
    kept: Vec<KeptRow>,
    named: Vec<RunDocument>,
    left: u64,
}

impl Sorted {
    fn new(
        rows: Vec<CommittedRow>,
        found: &HashMap<Vec<u8>, RawDocumentBuf>,
        batch: i32,
        firm: bool,
    ) -> Self {
        let mut sorted = Self::default();
        for row in rows {
            match found.get(&row.identity) {
                None => sorted.absent.push(row),
                Some(live) if live.as_bytes() == row.doc.as_bytes() => sorted.equal.push(row),
                Some(_) => sorted.keep(&row, batch, firm, "it changed after it was read"),
            }
        }
        sorted
    }

    fn keep(&mut self, row: &CommittedRow, batch: i32, firm: bool, reason: &str) {
        self.kept.push(KeptRow { identity: row.identity.clone(), batch, firm });
        self.named.push(named(DocumentKind::Kept, &row.doc, reason));
    }

    /// Fewer documents were deleted than were equal: those that are still there stay. One that is
    /// there with equal bytes was refused by the server, or came back; only a later look, when no
    /// delete can be under way, decides about its row.
    fn keep_left(&mut self, left: &HashMap<Vec<u8>, RawDocumentBuf>, batch: i32, firm: bool) {
        for row in std::mem::take(&mut self.equal) {
            let Some(live) = left.get(&row.identity) else { continue };
            self.left += 1;
            let other = live.as_bytes() != row.doc.as_bytes();
            self.keep(&row, batch, firm && other, "it changed while it was deleted");
        }
    }

    /// Absence proves nothing. In a batch that was sent before, it is most likely our own doing, so
    /// it counts as deleted; otherwise somebody else did it.
    fn tally(mut self, deleted: u64, gone: u64, repeated: bool) -> Tally {
        let missing = self.absent.len() as u64 + gone;
        if repeated {
            let deleted = deleted + missing;
            return Tally { deleted, kept: self.kept, named: self.named, ..Tally::default() };
        }
        let reason = "somebody else deleted it; its row stays in the archive";
        let absent = std::mem::take(&mut self.absent);
        self.named.extend(absent.iter().map(|row| named(DocumentKind::Vanished, &row.doc, reason)));
        let (kept, named) = (self.kept, self.named);
        Tally { deleted, vanished: missing, kept, named, ..Tally::default() }
    }
}

/// All batches are done.
pub(crate) async fn close_done(scene: &mut Scene, item: &mut Move) -> Result<(), ArchiverError> {
    item.state = MoveState::Closing;
    scene.journal.write(effects::CLOSE, &scene.held, Entry::new(item, &scene.run)).await
}

/// No further batch is deleted, for a reason.
pub(crate) async fn close(
    scene: &mut Scene,
    item: &mut Move,
    reason: &str,
) -> Result<(), ArchiverError> {
    if item.state == MoveState::Closing {
        return Err(ArchiverError::CollectionLost);
    }
    item.closed_because = Some(reason.to_owned());
    close_done(scene, item).await
}
