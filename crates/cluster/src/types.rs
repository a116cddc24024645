//! The trait through which every room sees a cluster, and its values.

use async_trait::async_trait;
use bson::{RawBson, RawDocument, RawDocumentBuf};
use futures::stream::BoxStream;
use portolan_model::{GuardLevel, Namespace, ShardKey};

use crate::{BatchOutcome, BatchRequest, ClusterError, Fence, FencedStep, Holder, KeptRecord};

/// Documents as they arrive, exact bytes.
pub type DocumentStream = BoxStream<'static, Result<RawDocumentBuf, ClusterError>>;

/// What a server was found able to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Version as the server reports it.
    pub version: String,
    /// Product name when it is not MongoDB itself, such as `FerretDB 1.24.2`.
    pub product: Option<String>,
    /// What its deletes can guarantee.
    pub level: GuardLevel,
    /// Why that level and not a higher one, for people.
    pub reasons: Vec<String>,
    /// Whether it is a sharded cluster, asked through a router.
    pub sharded: bool,
    /// Whether it has time-series collections.
    pub time_series: bool,
    /// Whether multi-document transactions work.
    pub transactions: bool,
    /// Whether write commands take `collectionUUID`.
    pub collection_uuid: bool,
    /// Whether the cluster does not let Portolan write to its own database there, so that little could be
    /// tried: the cluster may be able to do more.
    pub denied: bool,
}

/// What a collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectionKind {
    /// A plain collection.
    Collection,
    /// A view.
    View,
    /// A time-series collection.
    TimeSeries,
}

/// A collection as the cluster lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionInfo {
    /// Its name.
    pub name: String,
    /// Its UUID, where the server tells.
    pub uuid: Option<[u8; 16]>,
    /// What it is.
    pub kind: CollectionKind,
    /// Whether it is capped: nothing can be deleted from it.
    pub capped: bool,
    /// Its shard key, if it is sharded.
    pub shard_key: Option<ShardKey>,
}

/// An index as the cluster lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexInfo {
    /// Its name.
    pub name: String,
    /// Paths of its keys, in order; a wildcard as it stands.
    pub keys: Vec<String>,
    /// Whether every document is in it and queries may use it: not sparse, partial or hidden.
    pub complete: bool,
}

/// How to read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Order.
    pub sort: Option<RawDocumentBuf>,
    /// Fields.
    pub projection: Option<RawDocumentBuf>,
    /// At most so many documents; `None` is all.
    pub limit: Option<u64>,
    /// Documents per batch; the server's default when `None`.
    pub batch_size: Option<u32>,
    /// Read concern majority instead of local.
    pub majority: bool,
    /// Time allowed per operation at the server.
    pub max_time_ms: Option<u64>,
}

/// One batch of guarded deletes.
#[derive(Debug, Clone, Copy)]
pub struct DeleteRequest<'a> {
    /// UUID of the collection as pinned; `None` where the server tells none.
    pub uuid: Option<[u8; 16]>,
    /// The shard key of the collection as pinned: each statement names all of it.
    pub shard_key: Option<&'a ShardKey>,
    /// The documents to remove, exact bytes: only a document equal to one of these may go.
    pub documents: &'a [RawDocumentBuf],
    /// The guard to use; never higher than what [`Cluster::probe`] found.
    pub level: GuardLevel,
    /// The cluster's clock from which on the delete must do nothing any more (not at level L0).
    pub deadline_ms: i64,
}

/// A statement of a batch that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Index into [`DeleteRequest::documents`].
    pub index: usize,
    /// The server's error code; 0 where it gave none.
    pub code: i32,
    /// The server's words.
    pub message: String,
}

/// What a batch did. Nothing more may be concluded from `n`: the reply of a bulk delete does not say
/// which statements matched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Documents removed, as the server counts.
    pub n: u64,
    /// Statements that the server refused.
    pub refused: Vec<Refused>,
}

/// A document that the server did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotInserted {
    /// Its index in the batch.
    pub index: usize,
    /// The server's error code; 11000 for a key that is there already.
    pub code: i32,
    /// The server's words.
    pub message: String,
}

/// What an insert did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inserted {
    /// Documents inserted, as the server counts.
    pub n: u64,
    /// Those that it did not take.
    pub refused: Vec<NotInserted>,
}

/// A live cluster.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Finds out what the server can do, by trying on a scratch collection of its `portolan` database.
    async fn probe(&self) -> Result<Probe, ClusterError>;

    /// The collection of that name, if there is one.
    async fn collection(
        &self,
        namespace: &Namespace,
    ) -> Result<Option<CollectionInfo>, ClusterError>;

    /// Documents that match `filter`, from the primary. A collection that does not exist is empty.
    async fn read(
        &self,
        namespace: &Namespace,
        filter: &RawDocument,
        options: ReadOptions,
    ) -> Result<DocumentStream, ClusterError>;

    /// The shard key of a collection; `None`: it is not sharded, or there is none of that name.
    async fn shard_key(&self, namespace: &Namespace) -> Result<Option<ShardKey>, ClusterError> {
        Ok(self.collection(namespace).await?.and_then(|info| info.shard_key))
    }

    /// The documents with one of these `_id`s, majority, in no order: on a sharded collection there may be
    /// several with one `_id`. At most a thousand `_id`s at once.
    async fn find_by_ids(
        &self,
        namespace: &Namespace,
        ids: &[RawBson],
    ) -> Result<Vec<RawDocumentBuf>, ClusterError>;

    /// Deletes the given documents where they are still equal, never retried. Waits for the majority.
    ///
    /// # Errors
    /// [`ClusterError::Unknown`] when the reply was lost: some may be gone.
    async fn delete_guarded(
        &self,
        namespace: &Namespace,
        request: &DeleteRequest<'_>,
    ) -> Result<Deleted, ClusterError>;

    /// Deletes a batch by one transaction (levels L3 and L2): every document is compared with what the
    /// cluster holds at one moment, equal ones go, and with a fence it advances and the others are
    /// recorded as kept. Waits for the majority.
    ///
    /// # Errors
    /// [`ClusterError::Fenced`] and [`ClusterError::Aborted`]: nothing was done.
    /// [`ClusterError::Unknown`] when it is not known whether it was committed.
    async fn delete_batch(
        &self,
        _namespace: &Namespace,
        _request: &BatchRequest<'_>,
    ) -> Result<BatchOutcome, ClusterError> {
        Err(ClusterError::Unsupported("there are no transactions here".to_owned()))
    }

    /// The fence of the collection with this UUID, majority; `None` when it never had one.
    async fn fence(&self, _uuid: [u8; 16]) -> Result<Option<Fence>, ClusterError> {
        Ok(None)
    }

    /// Raises the fence to the holder's epoch, or makes it with all moves up to `seq` deleted and
    /// closed. From then on no older epoch can delete. Waits for the majority.
    ///
    /// # Errors
    /// [`ClusterError::Fenced`] when the fence is another's, or at this epoch or above.
    async fn raise_fence(&self, _holder: &Holder<'_>, _seq: i64) -> Result<(), ClusterError> {
        Err(ClusterError::Unsupported("there are no fences here".to_owned()))
    }

    /// Takes the fence of another instance, `from`, over: an operator's command, after which that instance
    /// can delete nothing any more.
    ///
    /// # Errors
    /// [`ClusterError::Fenced`] when it belongs to neither, or is at this epoch or above.
    async fn adopt_fence(&self, _from: &str, _holder: &Holder<'_>) -> Result<(), ClusterError> {
        Err(ClusterError::Unsupported("there are no fences here".to_owned()))
    }

    /// Says that no batch of moves up to `seq` is deleted any more: which are done is final.
    ///
    /// # Errors
    /// [`ClusterError::Fenced`] when the holder lost it.
    async fn close_fence(&self, _holder: &Holder<'_>, _seq: i64) -> Result<(), ClusterError> {
        Err(ClusterError::Unsupported("there are no fences here".to_owned()))
    }

    /// The records of kept documents of a move, majority.
    async fn kept_records(
        &self,
        _uuid: [u8; 16],
        _seq: i64,
    ) -> Result<Vec<KeptRecord>, ClusterError> {
        Ok(Vec::new())
    }

    /// Forgets the records of moves up to `seq`, which are confirmed.
    ///
    /// # Errors
    /// [`ClusterError::Fenced`] when the holder lost the fence.
    async fn clear_kept(&self, _holder: &Holder<'_>, _seq: i64) -> Result<(), ClusterError> {
        Err(ClusterError::Unsupported("there are no fences here".to_owned()))
    }

    /// Inserts documents, never retried, and leaves what is there already as it is. Waits for the
    /// majority. A collection that does not exist is created.
    ///
    /// # Errors
    /// [`ClusterError::Unknown`] when the reply was lost: some may be there.
    async fn insert(
        &self,
        _namespace: &Namespace,
        _documents: &[RawDocumentBuf],
    ) -> Result<Inserted, ClusterError> {
        Err(ClusterError::Unsupported("nothing is inserted here".to_owned()))
    }

    /// The same in one transaction under the fence (level L3): a step takes effect once.
    ///
    /// # Errors
    /// [`ClusterError::Fenced`]: the holder lost the fence, or the step is done.
    /// [`ClusterError::Aborted`]: nothing was done. [`ClusterError::Unknown`] when it is not known
    /// whether it was committed.
    async fn insert_fenced(
        &self,
        _namespace: &Namespace,
        _documents: &[RawDocumentBuf],
        _step: &FencedStep<'_>,
    ) -> Result<Inserted, ClusterError> {
        Err(ClusterError::Unsupported("there are no fences here".to_owned()))
    }

    /// The cluster's clock, milliseconds since the epoch.
    async fn clock_ms(&self) -> Result<i64, ClusterError>;

    /// How long it lets a transaction live; `None`: it does not tell.
    ///
    /// # Errors
    /// When it cannot be asked.
    async fn transaction_lifetime_ms(&self) -> Result<Option<u64>, ClusterError> {
        Ok(None)
    }

    /// How far its secondaries are behind; `None`: it has none, or does not tell.
    async fn lag_ms(&self) -> Result<Option<u64>, ClusterError> {
        Ok(None)
    }

    /// Names of its databases.
    async fn list_databases(&self) -> Result<Vec<String>, ClusterError>;

    /// The collections of a database.
    async fn list_collections(&self, database: &str) -> Result<Vec<CollectionInfo>, ClusterError>;

    /// The indexes of a collection. One that does not exist has none.
    ///
    /// # Errors
    /// [`ClusterError::Unsupported`] where the server cannot tell.
    async fn list_indexes(&self, _namespace: &Namespace) -> Result<Vec<IndexInfo>, ClusterError> {
        Err(ClusterError::Unsupported("indexes are not listed here".to_owned()))
    }

    /// About how many documents a collection holds.
    async fn estimated_count(&self, namespace: &Namespace) -> Result<u64, ClusterError>;

    /// Whether any document has an `_id` of the type bracket of `low` in `low..=high`.
    async fn any_in_id_range(
        &self,
        namespace: &Namespace,
        low: &RawBson,
        high: &RawBson,
    ) -> Result<bool, ClusterError>;
}
