//! The fence at the source cluster (level L3): raised at takeover before the table's fence, compared
//! with the journal and the tables, and asked which batches are deleted.
//!
//! What it says is exact, because it changes only in the transactions that delete. Not here: the
//! transactions themselves (`steps/delete`), and how a cluster keeps it (`cluster`).

use std::collections::{BTreeSet, HashMap, HashSet};

use portolan_cluster::{Cluster, ClusterError, Fence, Holder};
use portolan_model::{ArchiveId, GuardLevel, SuspendReason};
use portolan_runtime::Runtime;
use portolan_store::moves::{KeptRow, Move, MoveState};

use crate::lease::Held;
use crate::scene::Scene;
use crate::takeover::{Finding, Seen};
use crate::worker::Shared;
use crate::{ArchiverError, effects};

/// What the source says of a move.
pub(crate) struct Progress {
    /// Last batch that is deleted; -1: none.
    pub(crate) done: i32,
    /// No further batch is deleted.
    pub(crate) closed: bool,
    /// Rows of deleted batches whose documents were changed or gone.
    pub(crate) kept: Vec<KeptRow>,
}

/// Who deletes from a collection, as its fence knows it.
pub(crate) fn holder<'a>(owner: &'a str, held: &'a Held, uuid: [u8; 16]) -> Holder<'a> {
    Holder { uuid, owner, epoch: held.epoch, token: &held.token }
}

/// The highest epoch that fenced the collection under any of its UUIDs; 0: none.
pub(crate) async fn epoch(
    cluster: &dyn Cluster,
    current: Option<[u8; 16]>,
    seen: &[Seen],
) -> Result<i64, ArchiverError> {
    let versions = seen.iter().filter_map(|entry| entry.version.as_ref());
    let of_tables = versions.filter_map(|version| version.spec.collection_uuid());
    let mut highest = 0;
    for uuid in of_tables.chain(current).collect::<BTreeSet<[u8; 16]>>() {
        highest = cluster.fence(uuid).await?.map_or(highest, |fence| highest.max(fence.epoch));
    }
    Ok(highest)
}

/// What raising a fence needs.
pub(crate) struct Raising<'a> {
    pub(crate) cluster: &'a dyn Cluster,
    pub(crate) runtime: &'a Runtime,
    pub(crate) owner: &'a str,
    pub(crate) held: &'a Held,
    pub(crate) archive_id: ArchiveId,
    /// The greatest number committed in the collection's tables: what a new fence begins with.
    pub(crate) committed: i64,
}

impl Raising<'_> {
    /// Compares a fence with what the journal knows of moves under it, then raises it. From here on no
    /// older epoch can delete anything.
    pub(crate) async fn raise(
        &self,
        uuid: [u8; 16],
        moves: impl Iterator<Item = &Move>,
    ) -> Result<(), ArchiverError> {
        let known: Vec<&Move> = moves.filter(|item| is_under(item, uuid)).collect();
        let fence = self.cluster.fence(uuid).await?;
        if let Some((id, (reason, detail))) = difference(self.owner, fence.as_ref(), &known) {
            let id = id.unwrap_or(self.archive_id);
            return Err(ArchiverError::suspended(id, reason, detail));
        }
        let holder = holder(self.owner, self.held, uuid);
        let raise = self.cluster.raise_fence(&holder, self.committed);
        self.runtime.effect(effects::SOURCE_FENCE, raise).await.map_err(lost_if_fenced)
    }
}

/// What does not fit between a fence and what the journal knows of moves under it: the cluster is another
/// instance's, whatever archive is looked at, or it is older than the journal of one.
pub(crate) fn difference(
    owner: &str,
    fence: Option<&Fence>,
    known: &[&Move],
) -> Option<(Option<ArchiveId>, Finding)> {
    if let Some(fence) = fence.filter(|fence| fence.owner != owner) {
        let detail = format!("the fence at the cluster belongs to {}", fence.owner);
        return Some((None, (SuspendReason::ForeignWriter, detail)));
    }
    known.iter().find_map(|item| {
        let detail = match fence {
            None => format!("move {} was fenced, and the cluster has no fence", item.seq),
            Some(fence) if is_behind(fence, item) => format!(
                "the journal knows batch {} of move {}, the cluster batch {} of move {}",
                item.done, item.seq, fence.done, fence.seq
            ),
            Some(_) => return None,
        };
        Some((Some(item.archive_id), (SuspendReason::SourceOlder, detail)))
    })
}

/// Raises the fence of every collection that a run may delete from. A new fence says of every row until now
/// that it was moved: it is made once no move without one is open any more.
pub(crate) async fn raise_all(
    scene: &Scene,
    unfinished: &[Move],
    newest: &HashMap<ArchiveId, Move>,
) -> Result<(), ArchiverError> {
    let fenced = |item: &&Move| item.level == GuardLevel::L3;
    let of_moves = unfinished.iter().filter(fenced).filter_map(|item| item.collection_uuid);
    let current = scene.collection.as_ref().filter(|_| scene.level == GuardLevel::L3);
    let current = current.and_then(|info| info.uuid);
    let raising = Raising {
        cluster: scene.cluster.as_ref(),
        runtime: &scene.runtime,
        owner: &scene.options.owner,
        held: &scene.held,
        archive_id: scene.archive.id,
        committed: greatest_committed(scene).await?,
    };
    let unfenced = unfinished.iter().any(is_unfenced);
    for uuid in of_moves.chain(current).collect::<BTreeSet<_>>() {
        if unfenced && scene.cluster.fence(uuid).await?.is_none() {
            continue;
        }
        let open = unfinished.iter().filter(|item| item.state >= MoveState::Committed);
        raising.raise(uuid, open.chain(newest.values())).await?;
    }
    Ok(())
}

/// Whether the fence of a collection is asked about a move.
pub(crate) fn is_under(item: &Move, uuid: [u8; 16]) -> bool {
    item.level == GuardLevel::L3 && item.collection_uuid == Some(uuid)
}

/// Takes a fence over from another instance, which deletes nothing any more.
pub(crate) async fn adopt(
    shared: &Shared,
    cluster: &dyn Cluster,
    held: &Held,
    (uuid, theirs): ([u8; 16], &Fence),
) -> Result<(), ArchiverError> {
    let holder = holder(&shared.options.owner, held, uuid);
    let adopt = cluster.adopt_fence(&theirs.owner, &holder);
    let adopted = shared.runtime.effect(effects::SOURCE_FENCE, adopt).await;
    adopted.map_err(lost_if_fenced)
}

/// Whether a move is open about which no fence is asked.
pub(crate) fn is_unfenced(item: &Move) -> bool {
    item.state >= MoveState::Committed && !item.state.is_final() && item.level < GuardLevel::L3
}

/// Whether the fence lacks what the journal saw happen: the cluster was set back to an earlier state.
fn is_behind(fence: &Fence, item: &Move) -> bool {
    if item.state == MoveState::Confirmed {
        return fence.closed < item.seq;
    }
    item.done >= 0 && (fence.seq, fence.done) < (item.seq, item.done)
}

pub(crate) async fn greatest_committed(scene: &Scene) -> Result<i64, ArchiverError> {
    let mut greatest = 0;
    for entry in &scene.tables {
        greatest = greatest.max(entry.table.load().await?.committed);
    }
    Ok(greatest)
}

/// The number of the last move of this collection that deleted anything, also of archives whose tables
/// are purged; 0: none that the cluster knows.
pub(crate) async fn last_seq(scene: &Scene) -> Result<i64, ArchiverError> {
    let uuid = scene.collection.as_ref().and_then(|info| info.uuid);
    let Some(uuid) = uuid.filter(|_| scene.level == GuardLevel::L3) else { return Ok(0) };
    Ok(scene.cluster.fence(uuid).await?.map_or(0, |fence| fence.seq))
}

/// Which batches of a fenced move are deleted. `None`: its level has no fence, or the fence is not
/// ours or not whole, and says nothing.
pub(crate) async fn progress(
    scene: &Scene,
    item: &Move,
) -> Result<Option<Progress>, ArchiverError> {
    let Some(uuid) = item.collection_uuid.filter(|_| item.level == GuardLevel::L3) else {
        return Ok(None);
    };
    let Some(fence) = scene.cluster.fence(uuid).await?.filter(|fence| is_ours(scene, fence)) else {
        return Ok(None);
    };
    let closed = fence.closed >= item.seq;
    if fence.seq != item.seq {
        let none = Progress { done: -1, closed, kept: Vec::new() };
        return Ok((fence.seq < item.seq).then_some(none));
    }
    let records = scene.cluster.kept_records(uuid, item.seq).await?;
    if i64::try_from(records.len()).ok() != Some(fence.kept_records) {
        return Ok(None);
    }
    let kept = records.into_iter().flat_map(|record| {
        let batch = record.batch;
        let row = move |identity| KeptRow { identity, batch, firm: true };
        record.identities.into_iter().map(row)
    });
    Ok(Some(Progress { done: fence.done, closed, kept: kept.collect() }))
}

fn is_ours(scene: &Scene, fence: &Fence) -> bool {
    let held = &scene.held;
    fence.owner == scene.options.owner && fence.epoch == held.epoch && fence.token == held.token
}

/// Closes a fenced move at the source, and gives what is then final: the rows that leave the table,
/// recorded ones and all of batches that were not deleted. `None` as for [`progress`].
pub(crate) async fn close(
    scene: &Scene,
    item: &Move,
) -> Result<Option<(i32, HashSet<Vec<u8>>)>, ArchiverError> {
    let Some(uuid) = item.collection_uuid.filter(|_| item.level == GuardLevel::L3) else {
        return Ok(None);
    };
    let holder = holder(&scene.options.owner, &scene.held, uuid);
    let close = scene.cluster.close_fence(&holder, item.seq);
    let closed = scene.runtime.effect(effects::SOURCE_CLOSE, close).await;
    closed.map_err(lost_if_fenced)?;
    let Some(progress) = progress(scene, item).await? else { return Ok(None) };
    let mut stayed: HashSet<Vec<u8>> = progress.kept.into_iter().map(|row| row.identity).collect();
    let table = scene.table(item.archive_id)?;
    let version = table.load().await?;
    for batch in progress.done.saturating_add(1)..item.batches {
        scene.check()?;
        let rows = table.batch(&version, item.seq, batch).await?;
        stayed.extend(rows.into_iter().map(|row| row.identity));
    }
    Ok(Some((progress.done, stayed)))
}

/// Forgets the records of a confirmed move. The next move's clean-up makes up for one that failed.
pub(crate) async fn forget_kept(scene: &Scene, item: &Move) {
    let Some(uuid) = item.collection_uuid.filter(|_| item.level == GuardLevel::L3) else { return };
    let holder = holder(&scene.options.owner, &scene.held, uuid);
    let clear = scene.cluster.clear_kept(&holder, item.seq);
    if let Err(error) = scene.runtime.effect(effects::SOURCE_CLEAR, clear).await {
        tracing::warn!(%error, seq = item.seq, "records of kept documents stay at the cluster");
    }
}

/// A fence that another epoch raised: the lease is lost.
pub(crate) fn lost_if_fenced(error: ClusterError) -> ArchiverError {
    match error {
        ClusterError::Fenced => ArchiverError::LeaseLost,
        other => other.into(),
    }
}
