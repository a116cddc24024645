//! Older rows of the documents that a move archived again: a document may come back to the cluster
//! and grow cold once more. In confirmed rows an identity occurs once, so the older row leaves the
//! table: in the confirm commit itself, or before it when it lies in another archive's table.

use std::collections::HashSet;

use portolan_lake::{Change, Table, Version};
use portolan_model::ArchiveId;
use portolan_store::moves::Move;

use super::commit;
use super::confirm::{Drops, Flags, Leaving, rewrite};
use crate::scene::Scene;
use crate::{ArchiverError, effects};

/// An older row.
pub(super) struct Older {
    pub(super) archive_id: ArchiveId,
    /// Move number and identity.
    pub(super) key: (i64, Vec<u8>),
}

/// The older rows of the identities whose rows of this move stay. Costs nothing where no table holds
/// an older file.
pub(super) async fn find(
    scene: &Scene,
    item: &Move,
    (table, version): (&Table, &Version),
    drops: &Drops,
) -> Result<Vec<Older>, ArchiverError> {
    let mut places = Vec::new();
    for entry in &scene.tables {
        let version = if entry.archive_id == item.archive_id {
            version.clone()
        } else {
            entry.table.load().await?
        };
        if version.files.iter().any(|file| file.seq_min < item.seq) {
            places.push((entry.archive_id, &entry.table, version));
        }
    }
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let shard_key = table.spec().shard_key.as_ref();
    let staying = staying(scene, item, (table, version), drops).await?;
    let mut older = Vec::new();
    for (archive_id, table, version) in places {
        let found = table.find_identities(&version, (&staying, shard_key), item.seq).await?;
        // Rows that a hold keeps although they were superseded are flagged already.
        let found = found.into_iter().filter(|row| row.superseded_by.is_none());
        older.extend(found.map(|row| Older { archive_id, key: (row.seq, row.identity) }));
    }
    Ok(older)
}

/// The identities of the rows of this move that stay. Batches that this worker deleted itself are
/// still in memory; the others are read again.
async fn staying(
    scene: &Scene,
    item: &Move,
    (table, version): (&Table, &Version),
    drops: &Drops,
) -> Result<HashSet<Vec<u8>>, ArchiverError> {
    let mut staying = HashSet::new();
    for batch in 0..item.batches {
        scene.check()?;
        match scene.identities.get(&(item.seq, batch)) {
            Some(known) => staying.extend(known.iter().cloned()),
            None => {
                let rows = table.batch(version, item.seq, batch).await?;
                staying.extend(rows.into_iter().map(|row| row.identity));
            }
        }
    }
    for (seq, identity) in drops {
        if *seq == item.seq {
            staying.remove(identity);
        }
    }
    Ok(staying)
}

/// Removes older rows that lie in the tables of other archives of the collection, or flags them where
/// a hold stands.
pub(super) async fn leave_other_tables(
    scene: &Scene,
    item: &Move,
    older: &[Older],
) -> Result<(), ArchiverError> {
    for entry in scene.tables.iter().filter(|entry| entry.archive_id != item.archive_id) {
        let drops: Drops = older
            .iter()
            .filter(|row| row.archive_id == entry.archive_id)
            .map(|row| row.key.clone())
            .collect();
        if drops.is_empty() {
            continue;
        }
        let version = entry.table.load().await?;
        let supersedes = version.spec.rules.hold.is_none();
        let leaving = if supersedes {
            Leaving { drops, flags: Flags::new(), supersedes }
        } else {
            let flags = drops.into_iter().map(|key| (key, item.seq)).collect();
            Leaving { drops: Drops::new(), flags, supersedes }
        };
        let (removes, adds) = rewrite(scene, (&entry.table, &version), &leaving).await?;
        let change = Change::Rewrite {
            id: hex::encode(scene.runtime.random_bytes::<12>()),
            epoch: scene.held.epoch,
            token: scene.held.token.clone(),
            removes,
            adds,
            supersedes,
        };
        commit::change_table(scene, &entry.table, effects::SUPERSEDE, &change).await?;
    }
    Ok(())
}
