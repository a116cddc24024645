//! confirm: rows whose documents stayed in the cluster leave the table, older rows of what was moved
//! leave it too, and the move is confirmed, all in one commit.
//!
//! A row leaves only on positive evidence: its document was *seen* in the cluster when no delete could
//! take effect any more, or it was seen with other bytes while none was unanswered. Absent documents
//! keep their rows.

use std::collections::{HashMap, HashSet};

use bson::{RawBson, RawDocumentBuf};
use portolan_lake::{Change, CommittedRow, DataFile, Staged, StagedFile, Table, Version};
use portolan_model::{GuardLevel, Namespace};
use portolan_store::moves::{KeptRow, Move, MoveState};

use super::{commit, count, id_of, superseded};
use crate::journal::Entry;
use crate::scene::Scene;
use crate::{ArchiverError, effects, source_fence};

/// Rows to leave the table: move number and identity.
pub(super) type Drops = HashSet<(i64, Vec<u8>)>;

/// Rows to flag as superseded, and by which move.
pub(super) type Flags = HashMap<(i64, Vec<u8>), i64>;

/// What becomes of rows. Under a hold superseded rows are flagged and stay.
pub(super) struct Leaving {
    pub(super) drops: Drops,
    pub(super) flags: Flags,
    /// Superseded rows are among `drops`.
    pub(super) supersedes: bool,
}

/// What a run is said to do while it confirms.
pub(crate) const PHASE: &str = "CONFIRM";

const QUIET_POLL_MS: u64 = 1_000;

pub(crate) async fn run(scene: &mut Scene, item: &mut Move) -> Result<(), ArchiverError> {
    scene.enter(PHASE);
    let table = scene.table(item.archive_id)?.clone();
    let version = table.load().await?;
    let mut drops = Box::pin(rows_that_stayed(scene, item, (&table, &version))).await?;
    let dropped = drops.len();
    let mut flags = Flags::new();
    let older = superseded::find(scene, item, (&table, &version), &drops).await?;
    if !older.is_empty() {
        wait_until_quiet(scene, item).await?;
        superseded::leave_other_tables(scene, item, &older).await?;
    }
    let own = older.into_iter().filter(|row| row.archive_id == item.archive_id).map(|row| row.key);
    let supersedes = version.spec.rules.hold.is_none();
    if supersedes {
        drops.extend(own);
    } else {
        flags.extend(own.map(|key| (key, item.seq)));
    }
    let leaving = Leaving { drops, flags, supersedes };
    Box::pin(confirm(scene, item, (&table, &version), leaving)).await?;
    item.state = MoveState::Confirmed;
    scene.run.documents_moved += item.documents - count(dropped);
    scene.identities.clear();
    let entry = Entry::new(item, &scene.run);
    scene.journal.confirmed(&scene.held, entry).await?;
    source_fence::forget_kept(scene, item).await;
    Ok(())
}

/// The rows of this move that leave the table. Under a fence the source says which; without one they
/// are looked for once no delete can take effect any more.
async fn rows_that_stayed(
    scene: &mut Scene,
    item: &mut Move,
    (table, version): (&Table, &Version),
) -> Result<Drops, ArchiverError> {
    if let Some((done, stayed)) = source_fence::close(scene, item).await? {
        count_exactly(scene, item, done, stayed.len());
        return Ok(stayed.into_iter().map(|identity| (item.seq, identity)).collect());
    }
    let kept = scene.journal.kept(item).await?;
    if kept.is_empty() && item.done + 1 >= item.batches {
        return Ok(Drops::new());
    }
    wait_until_quiet(scene, item).await?;
    kept_rows(scene, item, (table, version), &kept).await
}

/// The figures of batches whose answer was lost are known now.
fn count_exactly(scene: &mut Scene, item: &mut Move, done: i32, stayed: usize) {
    let (kept, deleted) = (count(stayed), item.documents - count(stayed));
    scene.run.documents_kept += kept - item.kept;
    scene.run.documents_deleted += deleted - item.deleted;
    (item.done, item.kept, item.deleted) = (done, kept, deleted);
}

/// Waits until no delete of this or an older epoch can take effect any more. Usually every delete was
/// answered, and there is nothing to wait for.
async fn wait_until_quiet(scene: &mut Scene, item: &Move) -> Result<(), ArchiverError> {
    if item.unanswered_epoch.is_none() {
        return Ok(());
    }
    let quiet_at_ms = match item.quiet_at_ms {
        Some(at_ms) => at_ms,
        None => scene.quiet_from_now_ms(item.level).await?,
    };
    scene.enter("QUIET");
    while scene.quiet_clock_ms(item.level).await? <= quiet_at_ms {
        scene.pause_ms(QUIET_POLL_MS).await?;
    }
    scene.enter(PHASE);
    Ok(())
}

/// The rows of this move whose documents stayed.
async fn kept_rows(
    scene: &Scene,
    item: &Move,
    (table, version): (&Table, &Version),
    kept: &[KeptRow],
) -> Result<Drops, ArchiverError> {
    let mut drops: Drops =
        kept.iter().filter(|row| row.firm).map(|row| (item.seq, row.identity.clone())).collect();
    let Some(namespace) = scene.locate(item.collection_uuid).await? else { return Ok(drops) };
    let doubtful: HashMap<&Vec<u8>, i32> =
        kept.iter().filter(|row| !row.firm).map(|row| (&row.identity, row.batch)).collect();
    let doubtful_batches: HashSet<i32> = doubtful.values().copied().collect();
    for batch in 0..item.batches {
        let undone = batch > item.done;
        if !undone && !doubtful_batches.contains(&batch) {
            continue;
        }
        scene.check()?;
        let mut rows = table.batch(version, item.seq, batch).await?;
        rows.retain(|row| undone || doubtful.contains_key(&row.identity));
        let seen = seen(scene, &namespace, item, &rows).await?;
        drops.extend(seen.into_iter().map(|identity| (item.seq, identity)));
    }
    Ok(drops)
}

/// Which of these rows have a document in the cluster. At level L0 only one with other bytes counts:
/// an equal one may still be deleted by a late request, and until then it hides its row.
async fn seen(
    scene: &Scene,
    namespace: &Namespace,
    item: &Move,
    rows: &[CommittedRow],
) -> Result<Vec<Vec<u8>>, ArchiverError> {
    let ids: Vec<RawBson> = rows.iter().filter_map(|row| id_of(&row.doc)).collect();
    let began_ms = scene.runtime.boot_ms();
    let found = scene.cluster.find_by_ids(namespace, &ids).await?;
    scene.load.looked_up(&scene.runtime, began_ms, &found);
    let spec = scene.table(item.archive_id)?.spec();
    let live: HashMap<Vec<u8>, RawDocumentBuf> =
        found.into_iter().map(|document| (spec.identity(&document), document)).collect();
    let stays = |row: &&CommittedRow| match live.get(&row.identity) {
        None => false,
        Some(_) if item.level > GuardLevel::L0 => true,
        Some(document) => document.as_bytes() != row.doc.as_bytes(),
    };
    Ok(rows.iter().filter(stays).map(|row| row.identity.clone()).collect())
}

async fn confirm(
    scene: &Scene,
    item: &Move,
    (table, version): (&Table, &Version),
    leaving: Leaving,
) -> Result<(), ArchiverError> {
    let (removes, adds) = rewrite(scene, (table, version), &leaving).await?;
    let change = Change::Confirm {
        seq: item.seq,
        epoch: scene.held.epoch,
        token: scene.held.token.clone(),
        removes,
        adds,
        supersedes: leaving.supersedes,
    };
    commit::change_table(scene, table, effects::CONFIRM, &change).await
}

/// Files that hold rows to drop or to flag, and verified files that hold the rest of their rows.
pub(super) async fn rewrite(
    scene: &Scene,
    (table, version): (&Table, &Version),
    leaving: &Leaving,
) -> Result<(Vec<DataFile>, Vec<StagedFile>), ArchiverError> {
    let Leaving { drops, flags, .. } = leaving;
    if drops.is_empty() && flags.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let removes = files_with(table, version, leaving).await?;
    let rewrite = async {
        let staged: Staged = table.rewrite_flagging(version, &removes, drops, flags).await?;
        table.verify(&staged).await?;
        Ok::<_, ArchiverError>(staged)
    };
    let staged = scene.runtime.effect(effects::REWRITE, rewrite).await?;
    Ok((removes, staged.files))
}

/// Files that hold at least one of the rows, found through the readers' pruning.
async fn files_with(
    table: &Table,
    version: &Version,
    Leaving { drops, flags, .. }: &Leaving,
) -> Result<Vec<DataFile>, ArchiverError> {
    let keys = drops.iter().chain(flags.keys());
    let identities: HashSet<Vec<u8>> = keys.map(|(_, identity)| identity.clone()).collect();
    let sought = (&identities, table.spec().shard_key.as_ref());
    let found = table.find_identities(version, sought, i64::MAX).await?;
    let indexes: HashSet<usize> = found
        .into_iter()
        .filter(|row| {
            let key = (row.seq, row.identity.clone());
            drops.contains(&key) || flags.contains_key(&key)
        })
        .map(|row| row.file_index)
        .collect();
    Ok(indexes.into_iter().filter_map(|index| version.files.get(index).cloned()).collect())
}
