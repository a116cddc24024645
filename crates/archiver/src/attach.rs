//! Attaching an archive from its table alone: what the table tells of it, and making the table ours. The
//! control rows are written by `control`; what is open is closed by the next look, from what table and
//! cluster say.

use portolan_lake::{Change, Table, Version};
use portolan_model::{ClusterId, FoundTable, Namespace, OpenMove, PartitionField};
use portolan_store::leases::LeaseKey;

use crate::lease::{Held, Taken};
use crate::steps::commit::{change_under, fence_table};
use crate::worker::Shared;
use crate::{ArchiverError, effects, source_fence, takeover};

/// What a table tells of its archive.
///
/// # Errors
/// [`ArchiverError::Invalid`] when there is no table, or one that is no archive's.
pub(crate) async fn find(shared: &Shared, uri: &str) -> Result<FoundTable, ArchiverError> {
    let (_, version) = open(shared, uri).await?;
    read(&shared.options.owner, &version)
}

async fn open(shared: &Shared, uri: &str) -> Result<(Table, Version), ArchiverError> {
    let location = shared.outside.location(uri)?;
    let missing = || ArchiverError::Invalid(format!("there is no archive's table at {uri}"));
    let table = Table::open(&location, uri, &shared.runtime).await?.ok_or_else(missing)?;
    let version = table.load().await?;
    Ok((table, version))
}

/// What a version of a table tells of its archive.
pub(crate) fn read(owner: &str, version: &Version) -> Result<FoundTable, ArchiverError> {
    let spec = &version.spec;
    let wrong = |what: &str| ArchiverError::Invalid(format!("the table names no {what}"));
    let (database, collection) =
        spec.namespace.split_once('.').ok_or_else(|| wrong("collection"))?;
    let uuid = spec.collection_uuid.as_deref().map(|text| {
        let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| wrong("UUID that can be read"))
    });
    let fields = spec.partition_paths.iter().enumerate().map(|(index, path)| PartitionField {
        name: path.clone(),
        order: i32::try_from(index).unwrap_or(i32::MAX),
        field_type: spec.partition_type(index),
    });
    Ok(FoundTable {
        archive_id: spec.archive_id.parse().map_err(|_| wrong("archive"))?,
        ours: spec.owner == owner,
        namespace: Namespace { database: database.to_owned(), collection: collection.to_owned() },
        collection_uuid: uuid.transpose()?,
        partition_fields: fields.collect(),
        date: spec.month.as_ref().map(|month| (month.path.clone(), month.format)),
        definition: spec.definition.clone(),
        rules: spec.rules.clone(),
        criteria_version: version.config_version,
        epoch: version.fence,
        confirmed: version.confirmed,
        open: open_move(version),
        documents: version.files.iter().map(|file| file.rows).sum(),
        bytes_stored: version.files.iter().map(|file| file.size_bytes).sum(),
        foreign: version.foreign,
    })
}

/// The move of a table that is committed and not confirmed.
pub(crate) fn open_move(version: &Version) -> Option<OpenMove> {
    let seq = version.committed;
    if seq == version.confirmed {
        return None;
    }
    let files = || version.files.iter().filter(|file| file.may_hold(seq));
    Some(OpenMove {
        seq,
        batches: files().map(|file| file.batch_max.saturating_add(1)).max().unwrap_or(0),
        documents: files().map(|file| file.rows).sum(),
    })
}

/// Makes a table ours: a new epoch, under the lease of its collection, and our name as its owner. A worker
/// of the installation that owned it is fenced from then on.
///
/// # Errors
/// [`ArchiverError::LeaseLost`] when somebody works on the collection; those of the storage.
pub(crate) async fn take(
    shared: &Shared,
    cluster_id: ClusterId,
    uri: &str,
) -> Result<(), ArchiverError> {
    let (table, version) = open(shared, uri).await?;
    let found = read(&shared.options.owner, &version)?;
    let key = LeaseKey { cluster_id, namespace: found.namespace };
    let Some(_busy) = shared.leases.begin(&key) else { return Err(ArchiverError::LeaseLost) };
    let cluster = shared.outside.cluster(cluster_id).await?;
    let uuid = version.spec.collection_uuid();
    let at_source = match uuid {
        Some(uuid) => cluster.fence(uuid).await?.filter(|it| it.owner != shared.options.owner),
        None => None,
    };
    let fence = at_source.as_ref().map_or(0, |fence| fence.epoch).max(version.fence);
    let held = takeover::take_lease_without_cluster(shared, &key, fence).await?;
    let held = held.ok_or(ArchiverError::LeaseLost)?;
    let taken = Taken::keep(held, &shared.journal, None, &shared.runtime);
    let ours = async {
        if let (Some(uuid), Some(theirs)) = (uuid, &at_source) {
            let cluster = cluster.as_ref();
            source_fence::adopt(shared, cluster, taken.held(), (uuid, theirs)).await?;
        }
        own(shared, &table, taken.held()).await
    };
    let ours = ours.await;
    taken.give_back(&shared.journal).await;
    ours
}

async fn own(shared: &Shared, table: &Table, held: &Held) -> Result<(), ArchiverError> {
    let (epoch, token) = (held.epoch, held.token.clone());
    let own = Change::Own { owner: shared.options.owner.clone(), epoch, token };
    fence_table(held, &shared.runtime, table).await?;
    change_under(Some(held), &shared.runtime, table, effects::OWN, &own).await
}
