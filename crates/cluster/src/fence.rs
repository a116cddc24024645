//! The fence of a collection at its cluster: a document of database `portolan` that says whose
//! deletes may take effect and which batches are deleted, and beside it the records of what was kept.
//!
//! Both change only in the transaction of the effect that they describe, so that a worker which lost
//! its lease can delete nothing, and the batches that are done are known exactly. Here is what they
//! hold and how they are asked for; `mongo` and `memory` do it.

use std::collections::HashMap;

use bson::raw::{RawArrayBuf, cstr};
use bson::spec::BinarySubtype;
use bson::{Binary, RawBson, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::ShardKey;
use portolan_mql::identity;

use crate::ClusterError;

/// Collection of the fence documents, in Portolan's database.
pub(crate) const FENCES: &str = "fences";
/// Collection of the records of kept documents, in Portolan's database.
pub(crate) const KEPT: &str = "kept";

/// Who may delete from a collection: the holder of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder<'a> {
    /// UUID of the collection.
    pub uuid: [u8; 16],
    /// The instance of Portolan that the tables belong to.
    pub owner: &'a str,
    /// Its epoch.
    pub epoch: i64,
    /// The token of its lease.
    pub token: &'a str,
}

/// The fence of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The instance of Portolan that it belongs to.
    pub owner: String,
    /// Highest epoch that took the collection.
    pub epoch: i64,
    /// Token of that epoch.
    pub token: String,
    /// Number of the move whose batches were deleted last.
    pub seq: i64,
    /// Last batch of it that is deleted.
    pub done: i32,
    /// How many of its batches have a record of kept documents.
    pub kept_records: i64,
    /// No batch of moves up to this number is deleted any more.
    pub closed: i64,
    /// The last job that wrote under it, and its last step.
    pub job: Option<(String, i64)>,
}

/// One step of a job that writes under the fence without deleting, such as a restore.
#[derive(Debug, Clone, Copy)]
pub struct FencedStep<'a> {
    /// Who writes.
    pub holder: Holder<'a>,
    /// The shard key of the collection that is written to.
    pub shard_key: Option<&'a ShardKey>,
    /// The job.
    pub job: &'a str,
    /// The step, counted from 1: each takes effect once.
    pub step: i64,
}

/// Documents of one batch that were not deleted because they were changed or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// The batch.
    pub batch: i32,
    /// Identities, as the caller gave them.
    pub identities: Vec<Vec<u8>>,
}

/// One batch, deleted by one transaction.
#[derive(Debug, Clone, Copy)]
pub struct BatchRequest<'a> {
    /// UUID of the collection as pinned.
    pub uuid: Option<[u8; 16]>,
    /// The shard key of the collection as pinned: each statement names all of it.
    pub shard_key: Option<&'a ShardKey>,
    /// The documents to remove, exact bytes, in the order of `identities`.
    pub documents: &'a [RawDocumentBuf],
    /// What the caller calls them, for the record of kept ones.
    pub identities: &'a [Vec<u8>],
    /// The cluster's clock from which on nothing may be deleted; needed only without a fence.
    pub deadline_ms: i64,
    /// The fence to advance in the same transaction (level L3).
    pub fenced: Option<FencedBatch<'a>>,
}

/// The part of a batch that concerns the fence.
#[derive(Debug, Clone, Copy)]
pub struct FencedBatch<'a> {
    /// Who deletes.
    pub holder: Holder<'a>,
    /// The move.
    pub seq: i64,
    /// The batch.
    pub batch: i32,
    /// Deletes nothing and records all as kept: the batch could not be deleted.
    pub keep_all: bool,
}

/// What a transaction found and did; each index into [`BatchRequest::documents`] is in one list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchOutcome {
    /// Deleted.
    pub deleted: Vec<usize>,
    /// There, with other bytes, or kept because all were to be kept.
    pub kept: Vec<usize>,
    /// Not there.
    pub absent: Vec<usize>,
}

impl BatchOutcome {
    /// Those that were not deleted, in order.
    #[must_use]
    pub fn not_deleted(&self) -> Vec<usize> {
        let mut indexes: Vec<usize> = self.kept.iter().chain(&self.absent).copied().collect();
        indexes.sort_unstable();
        indexes
    }
}

/// Sorts the documents of a batch by what the cluster holds under their identities. Two documents under
/// one identity can only be there when the collection was sharded otherwise since: neither is touched.
pub(crate) fn sort_batch(request: &BatchRequest<'_>, live: &[RawDocumentBuf]) -> BatchOutcome {
    let mut found: HashMap<_, Vec<&RawDocumentBuf>> = HashMap::new();
    for document in live {
        found.entry(identity(document, request.shard_key)).or_default().push(document);
    }
    let keep_all = request.fenced.is_some_and(|fenced| fenced.keep_all);
    let mut outcome = BatchOutcome::default();
    for (index, document) in request.documents.iter().enumerate() {
        match found.get(&identity(document, request.shard_key)).map(Vec::as_slice) {
            None => outcome.absent.push(index),
            Some([found]) if !keep_all && found.as_bytes() == document.as_bytes() => {
                outcome.deleted.push(index);
            }
            Some(_) => outcome.kept.push(index),
        }
    }
    outcome
}

/// Identity of a document in a collection with that shard key.
pub(crate) fn identity(document: &RawDocument, shard_key: Option<&ShardKey>) -> Vec<u8> {
    identity::of(document, shard_key.into_iter().flat_map(ShardKey::beside_id))
}

pub(crate) fn uuid_binary(uuid: [u8; 16]) -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: uuid.to_vec() }
}

/// The fence document as long as its holder holds it.
pub(crate) fn held_filter(holder: &Holder<'_>) -> RawDocumentBuf {
    rawdoc! {
        "_id": uuid_binary(holder.uuid),
        "owner": holder.owner,
        "epoch": holder.epoch,
        "token": holder.token,
    }
}

/// The fence document exactly before this batch: the one before it is done, or no batch of this move.
pub(crate) fn before_filter(fenced: &FencedBatch<'_>) -> RawDocumentBuf {
    let mut filter = held_filter(&fenced.holder);
    filter.append(cstr!("closed"), rawdoc! { "$lt": fenced.seq });
    if fenced.batch == 0 {
        filter.append(cstr!("seq"), rawdoc! { "$lt": fenced.seq });
    } else {
        filter.append(cstr!("seq"), fenced.seq);
        filter.append(cstr!("done"), fenced.batch - 1);
    }
    filter
}

/// The change that says that this batch is done.
pub(crate) fn done_update(fenced: &FencedBatch<'_>) -> RawDocumentBuf {
    if fenced.batch == 0 {
        return rawdoc! { "$set": { "seq": fenced.seq, "done": 0, "kept": 0_i64 } };
    }
    rawdoc! { "$set": { "done": fenced.batch } }
}

/// The fence document while this step is still to be done.
pub(crate) fn before_step_filter(step: &FencedStep<'_>) -> RawDocumentBuf {
    let mut filter = held_filter(&step.holder);
    let other = rawdoc! { "job": { "$ne": step.job } };
    let earlier = rawdoc! { "jobDone": { "$lt": step.step } };
    filter.append(cstr!("$or"), RawArrayBuf::from_iter([other, earlier]));
    filter
}

/// The change that says that this step is done.
pub(crate) fn step_update(step: &FencedStep<'_>) -> RawDocumentBuf {
    rawdoc! { "$set": { "job": step.job, "jobDone": step.step } }
}

/// Documents that are not among those there, with their places in the batch.
pub(crate) fn not_there<'a>(
    documents: &'a [RawDocumentBuf],
    live: &[RawDocumentBuf],
    shard_key: Option<&ShardKey>,
) -> Vec<(usize, &'a RawDocumentBuf)> {
    let live: Vec<_> = live.iter().map(|document| identity(document, shard_key)).collect();
    let missing =
        |(_, document): &(usize, &RawDocumentBuf)| !live.contains(&identity(document, shard_key));
    documents.iter().enumerate().filter(missing).collect()
}

/// `_id` of a record of kept documents; `batch` may be a bound.
pub(crate) fn kept_id(uuid: [u8; 16], seq: i64, batch: RawBson) -> RawDocumentBuf {
    rawdoc! { "uuid": uuid_binary(uuid), "seq": seq, "batch": batch }
}

/// The records of the moves `from..=to`. Bounds on the whole `_id` use its index.
pub(crate) fn kept_filter(uuid: [u8; 16], from: i64, to: i64) -> RawDocumentBuf {
    let low = kept_id(uuid, from, RawBson::MinKey);
    let high = kept_id(uuid, to, RawBson::MaxKey);
    rawdoc! { "_id": { "$gte": low, "$lte": high } }
}

pub(crate) fn kept_document(
    fenced: &FencedBatch<'_>,
    identities: impl IntoIterator<Item = Vec<u8>>,
) -> RawDocumentBuf {
    let mut list = RawArrayBuf::new();
    for bytes in identities {
        list.push(Binary { subtype: BinarySubtype::Generic, bytes });
    }
    let id = kept_id(fenced.holder.uuid, fenced.seq, fenced.batch.into());
    rawdoc! { "_id": id, "identities": list }
}

pub(crate) fn read_kept(document: &RawDocument) -> Result<KeptRecord, ClusterError> {
    let id = document.get_document("_id").map_err(unreadable)?;
    let batch = id.get_i32("batch").map_err(unreadable)?;
    let mut identities = Vec::new();
    for value in document.get_array("identities").map_err(unreadable)? {
        let value = value?.as_binary().map(|binary| binary.bytes.to_vec());
        identities.push(value.ok_or_else(|| unreadable("an identity is not binary"))?);
    }
    Ok(KeptRecord { batch, identities })
}

pub(crate) fn fence_document(holder: &Holder<'_>, seq: i64) -> RawDocumentBuf {
    let mut document = held_filter(holder);
    document.append(cstr!("seq"), seq);
    document.append(cstr!("done"), i32::MAX);
    document.append(cstr!("kept"), 0_i64);
    document.append(cstr!("closed"), seq);
    document
}

pub(crate) fn read_fence(document: &RawDocument) -> Result<Fence, ClusterError> {
    Ok(Fence {
        owner: document.get_str("owner").map_err(unreadable)?.to_owned(),
        epoch: document.get_i64("epoch").map_err(unreadable)?,
        token: document.get_str("token").map_err(unreadable)?.to_owned(),
        seq: document.get_i64("seq").map_err(unreadable)?,
        done: document.get_i32("done").map_err(unreadable)?,
        kept_records: document.get_i64("kept").map_err(unreadable)?,
        closed: document.get_i64("closed").map_err(unreadable)?,
        job: document
            .get_str("job")
            .ok()
            .zip(document.get_i64("jobDone").ok())
            .map(|(job, done)| (job.to_owned(), done)),
    })
}

fn unreadable(error: impl std::fmt::Display) -> ClusterError {
    ClusterError::Internal(format!(
        "a document of database portolan is not as it was written: {error}"
    ))
}
