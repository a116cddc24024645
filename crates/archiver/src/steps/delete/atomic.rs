//! A batch in one transaction: at level L3 under the fence, which then says exactly what was done; at
//! level L2 with a deadline in its place.

use portolan_cluster::{BatchOutcome, BatchRequest, ClusterError, FencedBatch};
use portolan_lake::{CommittedRow, Version};
use portolan_model::{GuardLevel, ShardKey};
use portolan_store::moves::Move;
use portolan_store::runs::DocumentKind;

use super::{BACKOFF_MS, Sorted, Tally};
use crate::scene::Scene;
use crate::source_fence::{self, lost_if_fenced};
use crate::steps::named;
use crate::{ArchiverError, effects};

/// How often a batch that meets clients' writes is tried before it is kept as a whole.
const CONFLICTS_MAX: u32 = 3;

/// A batch in hand.
struct Batch {
    number: i32,
    shard_key: Option<ShardKey>,
    rows: Vec<CommittedRow>,
    documents: Vec<bson::RawDocumentBuf>,
    identities: Vec<Vec<u8>>,
}

/// Repeats the transaction until its outcome is known.
pub(super) async fn run(
    scene: &mut Scene,
    item: &mut Move,
    version: &Version,
    number: i32,
    doubtful: &mut bool,
) -> Result<Tally, ArchiverError> {
    let rows = scene.table(item.archive_id)?.batch(version, item.seq, number).await?;
    let documents = rows.iter().map(|row| row.doc.clone()).collect();
    let identities = rows.iter().map(|row| row.identity.clone()).collect();
    let shard_key = scene.table(item.archive_id)?.spec().shard_key.clone();
    let batch = Batch { number, shard_key, rows, documents, identities };
    let (mut attempt, mut conflicts) = (1, 0);
    loop {
        let error = match send(scene, item, &batch, conflicts >= CONFLICTS_MAX).await {
            Ok(outcome) => return Ok(batch.tally(scene, item, &outcome, *doubtful)),
            Err(error) => error,
        };
        if let Some(tally) = settled(scene, item, &batch, &error).await? {
            return Ok(tally);
        }
        match error {
            ClusterError::Aborted(_) => conflicts += 1,
            ClusterError::Unknown(_) if item.level == GuardLevel::L2 => {
                *doubtful = true;
                scene.repeated_batch = Some(number);
                item.quiet_at_ms = Some(scene.quiet_from_now_ms(item.level).await?);
            }
            ClusterError::Unknown(_) | ClusterError::Unavailable(_) => {}
            other => return Err(lost_if_fenced(other)),
        }
        if conflicts >= CONFLICTS_MAX && item.level == GuardLevel::L2 {
            return Ok(batch.keep_all());
        }
        if attempt >= scene.options.delete_attempts_max {
            return Err(error.into());
        }
        scene.pause_ms(BACKOFF_MS << attempt.min(5)).await?;
        attempt += 1;
    }
}

async fn send(
    scene: &Scene,
    item: &Move,
    batch: &Batch,
    keep_all: bool,
) -> Result<BatchOutcome, ClusterError> {
    if scene.held.check().is_err() {
        return Err(ClusterError::Fenced);
    }
    let fenced = item.collection_uuid.filter(|_| item.level == GuardLevel::L3).map(|uuid| {
        let holder = source_fence::holder(&scene.options.owner, &scene.held, uuid);
        FencedBatch { holder, seq: item.seq, batch: batch.number, keep_all }
    });
    let request = BatchRequest {
        uuid: item.collection_uuid,
        shard_key: batch.shard_key.as_ref(),
        documents: &batch.documents,
        identities: &batch.identities,
        deadline_ms: scene.held.deadline_ms(),
        fenced,
    };
    let began_ms = scene.runtime.boot_ms();
    let delete = scene.cluster.delete_batch(scene.namespace(), &request);
    let outcome = scene.runtime.effect(effects::DELETE, delete).await;
    scene.load.burdened("delete", &scene.runtime, began_ms, &batch.documents);
    outcome
}

/// After an answer that leaves it open, or that the fence has moved on: what the fence says. `None`:
/// the batch is not deleted.
async fn settled(
    scene: &Scene,
    item: &Move,
    batch: &Batch,
    error: &ClusterError,
) -> Result<Option<Tally>, ArchiverError> {
    if !matches!(error, ClusterError::Unknown(_) | ClusterError::Fenced) {
        return Ok(None);
    }
    let Some(progress) = source_fence::progress(scene, item).await? else { return Ok(None) };
    if progress.done < batch.number {
        return Ok(None);
    }
    let mut outcome = BatchOutcome::default();
    for (index, row) in batch.rows.iter().enumerate() {
        let kept = progress.kept.iter().any(|kept| kept.identity == row.identity);
        if kept { outcome.kept.push(index) } else { outcome.deleted.push(index) }
    }
    Ok(Some(batch.tally(scene, item, &outcome, false)))
}

impl Batch {
    fn tally(&self, scene: &Scene, item: &Move, outcome: &BatchOutcome, doubtful: bool) -> Tally {
        let deleted = outcome.deleted.len() as u64;
        let mut sorted = Sorted::default();
        for row in self.of(&outcome.kept) {
            sorted.keep(row, self.number, !doubtful, "it changed after it was read");
        }
        let fenced = item.level == GuardLevel::L3;
        for row in self.of(&outcome.absent) {
            if fenced {
                let reason = "a client deleted it after it was read";
                sorted.keep(row, self.number, true, reason);
            } else {
                sorted.absent.push(row.clone());
            }
        }
        let repeated = scene.repeated_batch == Some(self.number);
        Tally { identities: self.identities.clone(), ..sorted.tally(deleted, 0, repeated) }
    }

    /// At level L2 nothing is concluded: confirming looks for them once more.
    fn keep_all(&self) -> Tally {
        let mut sorted = Sorted::default();
        for row in &self.rows {
            let reason = "clients wrote beside it each time that it was to be deleted";
            sorted.kept.push(portolan_store::moves::KeptRow {
                identity: row.identity.clone(),
                batch: self.number,
                firm: false,
            });
            sorted.named.push(named(DocumentKind::Kept, &row.doc, reason));
        }
        Tally { identities: self.identities.clone(), ..sorted.tally(0, 0, false) }
    }

    fn of<'a>(&'a self, indexes: &'a [usize]) -> impl Iterator<Item = &'a CommittedRow> {
        indexes.iter().filter_map(|&index| self.rows.get(index))
    }
}
