//! The fence document outside of batches: created or raised at takeover, read by readers, closed before
//! a move is confirmed, cleared of its records afterwards.

use bson::{RawDocumentBuf, rawdoc};
use portolan_model::Namespace;

use super::{MongoCluster, OWN_DATABASE, delete, replies};
use crate::ClusterError;
use crate::fence::{self, FENCES, Fence, Holder, KEPT, KeptRecord};

/// The server's code for a collection that exists already.
const NAMESPACE_EXISTS: i32 = 48;
/// The server's code for an `_id` that is there already.
pub(super) const DUPLICATE_KEY: i32 = 11_000;

/// Where the fence documents are.
pub(super) fn place(collection: &str) -> Namespace {
    Namespace { database: OWN_DATABASE.to_owned(), collection: collection.to_owned() }
}

pub(super) async fn read(
    cluster: &MongoCluster,
    uuid: [u8; 16],
) -> Result<Option<Fence>, ClusterError> {
    let filter = rawdoc! { "_id": fence::uuid_binary(uuid) };
    let found = cluster.read_after_all(&place(FENCES), &filter).await?;
    found.first().map(|document| fence::read_fence(document)).transpose()
}

/// Raises the fence to the holder's epoch. A request that was sent before counts as its success.
pub(super) async fn raise(
    cluster: &MongoCluster,
    holder: &Holder<'_>,
    seq: i64,
) -> Result<(), ClusterError> {
    let filter = rawdoc! {
        "_id": fence::uuid_binary(holder.uuid),
        "owner": holder.owner,
        "epoch": { "$lt": holder.epoch },
    };
    let update = rawdoc! { "$set": { "epoch": holder.epoch, "token": holder.token } };
    if update_one(cluster, filter, update).await? {
        return Ok(());
    }
    if read(cluster, holder.uuid).await?.is_none() {
        for collection in [FENCES, KEPT] {
            create(cluster, &place(collection)).await?;
        }
        insert(cluster, fence::fence_document(holder, seq)).await?;
    }
    match read(cluster, holder.uuid).await? {
        Some(found) if found.epoch == holder.epoch && found.token == holder.token => Ok(()),
        _ => Err(ClusterError::Fenced),
    }
}

/// Takes the fence of another instance over. A request that was sent before counts as its success.
pub(super) async fn adopt(
    cluster: &MongoCluster,
    from: &str,
    holder: &Holder<'_>,
) -> Result<(), ClusterError> {
    let filter = rawdoc! {
        "_id": fence::uuid_binary(holder.uuid),
        "owner": from,
        "epoch": { "$lt": holder.epoch },
    };
    let taken = rawdoc! { "owner": holder.owner, "epoch": holder.epoch, "token": holder.token };
    if update_one(cluster, filter, rawdoc! { "$set": taken }).await? {
        return Ok(());
    }
    match read(cluster, holder.uuid).await? {
        Some(found) if found.owner == holder.owner && found.token == holder.token => Ok(()),
        _ => Err(ClusterError::Fenced),
    }
}

/// Makes a collection, unless it is there.
pub(super) async fn create(
    cluster: &MongoCluster,
    namespace: &Namespace,
) -> Result<(), ClusterError> {
    let create = rawdoc! { "create": namespace.collection.as_str() };
    match cluster.ask(&namespace.database, create).await {
        Ok(_) | Err(ClusterError::Server { code: NAMESPACE_EXISTS, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn insert(cluster: &MongoCluster, document: RawDocumentBuf) -> Result<(), ClusterError> {
    let command = rawdoc! {
        "insert": FENCES,
        "documents": [document],
        "writeConcern": delete::majority(),
    };
    let reply = cluster.tell(OWN_DATABASE, command).await?;
    let refused = replies::write_error(&reply);
    match refused {
        None | Some((DUPLICATE_KEY, _)) => Ok(()),
        Some((_, message)) => Err(ClusterError::Internal(message)),
    }
}

async fn update_one(
    cluster: &MongoCluster,
    filter: RawDocumentBuf,
    update: RawDocumentBuf,
) -> Result<bool, ClusterError> {
    let command = rawdoc! {
        "update": FENCES,
        "updates": [{ "q": filter, "u": update }],
        "writeConcern": delete::majority(),
    };
    let reply = cluster.tell(OWN_DATABASE, command).await?;
    if let Ok(problem) = reply.get_document("writeConcernError") {
        return Err(ClusterError::Unknown(format!("the majority did not acknowledge: {problem}")));
    }
    if let Some((_, message)) = replies::write_error(&reply) {
        return Err(ClusterError::Unknown(message));
    }
    Ok(replies::count(&reply, "n")? == 1)
}

pub(super) async fn close(
    cluster: &MongoCluster,
    holder: &Holder<'_>,
    seq: i64,
) -> Result<(), ClusterError> {
    let update = rawdoc! { "$max": { "closed": seq } };
    match update_one(cluster, fence::held_filter(holder), update).await? {
        true => Ok(()),
        false => Err(ClusterError::Fenced),
    }
}

pub(super) async fn kept(
    cluster: &MongoCluster,
    uuid: [u8; 16],
    seq: i64,
) -> Result<Vec<KeptRecord>, ClusterError> {
    let filter = fence::kept_filter(uuid, seq, seq);
    let found = cluster.read_after_all(&place(KEPT), &filter).await?;
    found.iter().map(|document| fence::read_kept(document)).collect()
}
