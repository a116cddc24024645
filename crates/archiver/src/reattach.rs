//! Giving an orphaned archive a collection again: its own under another name, or another one on an
//! operator's word. Its table says so first, under a new epoch; the control rows are written by `control`.

use portolan_cluster::CollectionInfo;
use portolan_lake::{Change, Version};
use portolan_model::{ArchiveId, Namespace, ShardKey};
use portolan_store::leases::LeaseKey;

use crate::journal::Standby;
use crate::lease::{Held, Taken};
use crate::steps::commit::{change_under, fence_table};
use crate::takeover::{self, Seen};
use crate::worker::Shared;
use crate::{ArchiverError, effects, look};

/// The UUID of a collection.
type Uuid = Option<[u8; 16]>;

/// Writes into an archive's table which collection it belongs to. Answers its UUID, and whether it is
/// another collection than before.
///
/// # Errors
/// [`ArchiverError::Denied`] for a collection that cannot be it, and for another one unless `other` says
/// that one is meant; [`ArchiverError::LeaseLost`] when somebody works on it; those of cluster and table.
pub(crate) async fn run(
    shared: &Shared,
    id: ArchiveId,
    to: &Namespace,
    other: bool,
) -> Result<(Uuid, bool), ArchiverError> {
    let gone = || ArchiverError::Invalid("the archive is gone".to_owned());
    let Standby { stored, siblings, unfinished, .. } =
        shared.journal.standby(id).await?.ok_or_else(gone)?;
    if unfinished {
        return Err(denied("its open move is not closed yet"));
    }
    let key = LeaseKey { cluster_id: stored.archive.cluster_id, namespace: to.clone() };
    let Some(_busy) = shared.leases.begin(&key) else { return Err(ArchiverError::LeaseLost) };
    let cluster = shared.outside.cluster(key.cluster_id).await?;
    let found = cluster.collection(to).await?;
    let found = found.ok_or_else(|| denied(&format!("the cluster has no collection {to}")))?;
    look::check_kind(&found)?;
    let (_, newest) = shared.journal.moves(&key, &[id]).await?;
    let own = siblings.into_iter().filter(|it| it.archive.id == id).collect();
    let seen = takeover::open_tables(shared, own).await?;
    let version = seen.iter().find_map(|entry| entry.version.as_ref());
    let pinned = newest.get(&id).map(|item| item.collection_uuid);
    let pinned = pinned.or_else(|| version.map(|version| version.spec.collection_uuid()));
    let is_other = pinned.is_some_and(|pinned| found.uuid.is_none() || found.uuid != pinned);
    if is_other && !other {
        return Err(denied(&format!("{to} is another collection than the one that was archived")));
    }
    check(&shared.options.owner, version, &found)?;
    let held = takeover::take_lease(shared, &key, cluster.as_ref(), &seen).await?;
    let taken = Taken::keep(
        held.ok_or(ArchiverError::LeaseLost)?,
        &shared.journal,
        Some(cluster.clone()),
        &shared.runtime,
    );
    let placed = Box::pin(place(shared, &seen, taken.held(), &found)).await;
    taken.give_back(&shared.journal).await;
    placed.map(|()| (found.uuid, is_other))
}

fn denied(why: &str) -> ArchiverError {
    ArchiverError::Denied(why.to_owned())
}

/// The rows must be told apart in that collection as they were before, and no move may be open in the
/// table: a new fence says of all of them that they were moved.
fn check(
    owner: &str,
    version: Option<&Version>,
    found: &CollectionInfo,
) -> Result<(), ArchiverError> {
    let Some(version) = version else { return Ok(()) };
    let spec = &version.spec;
    if spec.owner != owner || version.foreign.is_some() {
        return Err(denied("the table is not ours alone"));
    }
    if version.committed > version.confirmed {
        return Err(denied("a move is open in its table"));
    }
    if !ShardKey::tell_alike(spec.shard_key.as_ref(), found.shard_key.as_ref()) {
        return Err(denied("the collection is sharded otherwise"));
    }
    if spec.collection_uuid.is_some() && found.uuid.is_none() {
        return Err(denied("the cluster does not tell the collection's UUID"));
    }
    Ok(())
}

async fn place(
    shared: &Shared,
    seen: &[Seen],
    held: &Held,
    found: &CollectionInfo,
) -> Result<(), ArchiverError> {
    let Some(table) = seen.iter().find_map(|entry| entry.table.as_ref()) else { return Ok(()) };
    fence_table(held, &shared.runtime, table).await?;
    let version = table.load().await?;
    check(&shared.options.owner, Some(&version), found)?;
    let place = Change::Place {
        namespace: held.key.namespace.to_string(),
        collection_uuid: found.uuid.map(hex::encode),
        epoch: held.epoch,
        token: held.token.clone(),
    };
    change_under(Some(held), &shared.runtime, table, effects::PLACE, &place).await
}
