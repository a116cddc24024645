//! Taking over: lease, then fence, then reconciliation. Only after the table's log carries our epoch
//! may anything be given up or gone on with, because only then can no older worker commit any more.

use std::collections::HashMap;

use portolan_cluster::{Cluster, CollectionInfo};
use portolan_lake::{MonthSpec, Table, TableSpec, Version};
use portolan_model::{ArchiveDefinition, ArchiveId, Criteria, JobId, SuspendReason};
use portolan_store::archives::StoredArchive;
use portolan_store::leases::{LeaseKey, NewLease};
use portolan_store::moves::{KeptRow, Move, MoveState};

use crate::lease::Held;
use crate::protocol::{self, TableNumbers, Verdict};
use crate::scene::{Scene, TableOf};
use crate::steps::commit::fence_table;
use crate::worker::Shared;
use crate::{ArchiverError, effects, source_fence};

/// A table of the collection as it was found before the lease was taken.
pub(crate) struct Seen {
    pub(crate) archive: StoredArchive,
    pub(crate) table: Option<Table>,
    pub(crate) version: Option<Version>,
}

/// Opens the tables of all archives of a collection.
pub(crate) async fn open_tables(
    shared: &Shared,
    siblings: Vec<StoredArchive>,
) -> Result<Vec<Seen>, ArchiverError> {
    let mut seen = Vec::new();
    for archive in siblings {
        let uri = &archive.archive.table_uri;
        let location = shared.outside.location(uri)?;
        let table = Table::open(&location, uri, &shared.runtime).await?;
        let version = match &table {
            Some(table) => Some(table.load().await?),
            None => None,
        };
        seen.push(Seen { archive, table, version });
    }
    Ok(seen)
}

/// Whether the lease may be taken now. Looking costs little, and starts the clock on which a lease that
/// nobody renews runs out.
pub(crate) async fn is_free(shared: &Shared, key: &LeaseKey) -> Result<bool, ArchiverError> {
    if shared.options.exclusive {
        return Ok(true);
    }
    let lease = shared.journal.lease(key).await?;
    let (boot_ms, ttl_ms) = (shared.runtime.boot_ms(), shared.options.lease_ttl_ms);
    Ok(shared.leases.is_free(key, lease.as_ref(), boot_ms, ttl_ms))
}

/// Takes the lease with an epoch above every one seen; `None`: somebody else holds it.
pub(crate) async fn take_lease(
    shared: &Shared,
    key: &LeaseKey,
    cluster: &dyn Cluster,
    seen: &[Seen],
) -> Result<Option<Held>, ArchiverError> {
    let fence = seen.iter().filter_map(|seen| seen.version.as_ref()).map(|it| it.fence).max();
    let current = cluster.collection(&key.namespace).await?.and_then(|info| info.uuid);
    let at_source = source_fence::epoch(cluster, current, seen).await?;
    let (boot_ms, clock_ms) = (shared.runtime.boot_ms(), cluster.clock_ms().await?);
    take(shared, key, at_source.max(fence.unwrap_or(0)), (boot_ms, clock_ms)).await
}

/// The same for work that sends nothing to the cluster; `fence` is that of the table that it changes.
pub(crate) async fn take_lease_without_cluster(
    shared: &Shared,
    key: &LeaseKey,
    fence: i64,
) -> Result<Option<Held>, ArchiverError> {
    take(shared, key, fence, (shared.runtime.boot_ms(), 0)).await
}

pub(crate) async fn take(
    shared: &Shared,
    key: &LeaseKey,
    fence: i64,
    clocks: (u64, i64),
) -> Result<Option<Held>, ArchiverError> {
    let lease = shared.journal.lease(key).await?;
    let (runtime, ttl_ms) = (&shared.runtime, shared.options.lease_ttl_ms);
    let free = shared.leases.is_free(key, lease.as_ref(), runtime.boot_ms(), ttl_ms);
    if !free && !shared.options.exclusive {
        return Ok(None);
    }
    let epoch = 1 + lease.as_ref().map_or(0, |lease| lease.epoch).max(fence);
    let token = hex::encode(runtime.random_bytes::<16>());
    let new = NewLease { token: token.clone(), epoch, holder: shared.options.holder.clone() };
    if !shared.journal.take(key, lease.as_ref(), &new).await? {
        return Ok(None);
    }
    let (mut boot_ms, clock_ms) = clocks;
    let before_ms = runtime.boot_ms();
    if before_ms.saturating_sub(boot_ms) > ttl_ms / 4 && shared.journal.renew(key, &token).await? {
        // The taking waited, for the row that a dying holder had locked: half of the time would be gone.
        boot_ms = before_ms;
    }
    Ok(Some(Held::new(key.clone(), (token, epoch), runtime, ttl_ms, (boot_ms, clock_ms))))
}

/// Compares the table of each archive with the journal: nothing may be older than the others.
pub(crate) fn compare(
    owner: &str,
    seen: &[Seen],
    newest: &HashMap<ArchiveId, Move>,
) -> Result<(), ArchiverError> {
    for entry in seen {
        let id = entry.archive.archive.id;
        let found = differences(owner, entry, newest.get(&id));
        if let Some((reason, detail)) = found.into_iter().next() {
            return Err(ArchiverError::suspended(id, reason, detail));
        }
    }
    Ok(())
}

/// A reason to suspend an archive, and what was found.
pub(crate) type Finding = (SuspendReason, String);

/// What does not fit between a table and the journal, the gravest first.
pub(crate) fn differences(owner: &str, entry: &Seen, newest: Option<&Move>) -> Vec<Finding> {
    let Some(version) = &entry.version else {
        let lost = |item: &Move| {
            let detail = format!("move {} was committed, and there is no table", item.seq);
            (SuspendReason::TableOlder, detail)
        };
        return newest.map(lost).into_iter().collect();
    };
    let mut found = Vec::new();
    if version.spec.owner != owner {
        let detail = format!("the table belongs to {}", version.spec.owner);
        found.push((SuspendReason::ForeignWriter, detail));
    }
    if let Some(number) = version.foreign {
        let detail = format!("version {number} was written by another engine");
        found.push((SuspendReason::ForeignWriter, detail));
    }
    if version.config_version > entry.archive.archive.criteria_version {
        let detail = format!("the table knows criteria version {}", version.config_version);
        found.push((SuspendReason::JournalOlder, detail));
    }
    if let Some(item) = newest.filter(|item| is_lost(item, version)) {
        let detail = format!("the journal knows move {} as {}", item.seq, item.state.as_str());
        found.push((SuspendReason::TableOlder, detail));
    }
    found
}

fn is_lost(item: &Move, version: &Version) -> bool {
    item.seq > version.committed
        || (item.state == MoveState::Confirmed && item.seq > version.confirmed)
}

/// What the table of an archive is for.
fn spec(owner: &str, stored: &StoredArchive, collection: Option<&CollectionInfo>) -> TableSpec {
    let archive = &stored.archive;
    let mut fields = archive.partition_fields.clone();
    fields.sort_by_key(|field| field.order);
    let month = match &archive.criteria {
        Criteria::Date { field, format, .. } => {
            Some(MonthSpec { path: field.clone(), format: *format })
        }
        Criteria::Custom { .. } => None,
    };
    TableSpec {
        archive_id: archive.id.to_string(),
        owner: owner.to_owned(),
        namespace: archive.namespace.to_string(),
        collection_uuid: collection.and_then(|info| info.uuid).map(hex::encode),
        shard_key: collection.and_then(|info| info.shard_key.clone()),
        partition_paths: fields.iter().map(|field| field.name.clone()).collect(),
        partition_types: fields.iter().map(|field| field.field_type).collect(),
        month,
        config_version: archive.criteria_version,
        rules: stored.rules(),
        definition: Some(ArchiveDefinition::of(archive)),
    }
}

/// Creates the table of an archive that never had one.
pub(crate) async fn create_table(shared: &Shared, scene: &Scene) -> Result<TableOf, ArchiverError> {
    let archive = &scene.archive;
    let location = shared.outside.location(&archive.table_uri)?;
    // Its rules may have changed since the archive was looked up; those in the table must be new.
    let stored = shared.journal.archive(archive.id).await?.ok_or(ArchiverError::LeaseLost)?;
    let stored = StoredArchive { archive: archive.clone(), ..stored };
    let spec = spec(&shared.options.owner, &stored, scene.collection.as_ref());
    let create = Table::create(&location, &archive.table_uri, &spec, &shared.runtime);
    let table = shared.runtime.effect(effects::CREATE_TABLE, create).await?;
    Ok(TableOf { archive_id: archive.id, table })
}

/// Raises the fence of every table of the collection.
pub(crate) async fn fence(scene: &Scene) -> Result<(), ArchiverError> {
    for entry in &scene.tables {
        scene.check()?;
        fence_table(&scene.held, &scene.runtime, &entry.table).await?;
    }
    Ok(())
}

/// Brings the journal in line with the tables; gives the moves that are open.
pub(crate) async fn reconcile(
    scene: &mut Scene,
    unfinished: Vec<Move>,
) -> Result<Vec<Move>, ArchiverError> {
    let mut numbers = HashMap::new();
    for entry in &scene.tables {
        let version = entry.table.load().await?;
        let found = TableNumbers { committed: version.committed, confirmed: version.confirmed };
        numbers.insert(entry.archive_id, found);
    }
    let (mut judged, mut kept) = (Vec::new(), HashMap::new());
    for item in unfinished {
        let item = judge(scene, item, &numbers, &mut kept).await?;
        judged.push(item);
    }
    unknown_moves(&numbers, &judged)?;
    if !judged.is_empty() {
        scene.journal.reconcile(&scene.held, &judged, &kept).await?;
    }
    judged.retain(|item| !item.state.is_final());
    judged.sort_by_key(|item| item.seq);
    Ok(judged)
}

async fn judge(
    scene: &mut Scene,
    mut item: Move,
    numbers: &HashMap<ArchiveId, TableNumbers>,
    kept: &mut HashMap<JobId, Vec<KeptRow>>,
) -> Result<Move, ArchiverError> {
    let none = TableNumbers { committed: 0, confirmed: 0 };
    let table = numbers.get(&item.archive_id).copied().unwrap_or(none);
    match protocol::reconcile(&item, table) {
        Verdict::Abandon => item.state = MoveState::Abandoned,
        Verdict::Confirmed => item.state = MoveState::Confirmed,
        Verdict::TableOlder => {
            let detail = format!("the journal knows move {} as committed", item.seq);
            let reason = SuspendReason::TableOlder;
            return Err(ArchiverError::suspended(item.archive_id, reason, detail));
        }
        Verdict::Resume(state) => {
            item.state = state;
            if let Some(progress) = source_fence::progress(scene, &item).await? {
                item.done = progress.done.min(item.batches - 1);
                if progress.closed {
                    item.state = MoveState::Closing;
                }
                kept.insert(item.id, progress.kept);
            } else if item.unanswered_epoch.is_some() {
                item.quiet_at_ms = Some(scene.quiet_from_now_ms(item.level).await?);
                scene.repeated_batch = Some(item.done + 1);
            }
        }
    }
    Ok(item)
}

/// An open move in a table that the journal does not know: the journal is older.
fn unknown_moves(
    numbers: &HashMap<ArchiveId, TableNumbers>,
    journalled: &[Move],
) -> Result<(), ArchiverError> {
    for (&archive_id, table) in numbers.iter().filter(|(_, it)| it.committed > it.confirmed) {
        let known = journalled
            .iter()
            .any(|item| item.archive_id == archive_id && item.seq == table.committed);
        if !known {
            let detail = format!("move {} of the table is not in the journal", table.committed);
            return Err(ArchiverError::suspended(archive_id, SuspendReason::JournalOlder, detail));
        }
    }
    Ok(())
}
