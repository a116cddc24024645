//! A cluster reached through the official MongoDB driver.
//!
//! All commands are written here as raw BSON and sent by `runCommand`: the driver then neither
//! decodes documents nor retries writes. Reads ask the primary with read concern majority; writes
//! wait for the majority. Retryable writes are off for good: a delete that the driver sends twice
//! would report a count that means nothing.

mod batch;
mod connect;
mod delete;
mod errors;
mod fence;
mod insert;
mod lag;
mod probe;
mod replies;
mod shard_key;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bson::raw::cstr;
use bson::{Document, RawBson, RawDocument, RawDocumentBuf, Timestamp, rawdoc};
use futures::{StreamExt, TryStreamExt};
use mongodb::Client;
use portolan_model::{Namespace, ShardKey};
use portolan_runtime::Runtime;
use portolan_security::SecretString;
use portolan_security::address::AddressPolicy;

use crate::guard::ids_filter;
use crate::{
    BatchOutcome, BatchRequest, Cluster, ClusterError, CollectionInfo, DeleteRequest, Deleted,
    DocumentStream, Fence, FencedStep, Holder, IndexInfo, Inserted, KeptRecord, Probe, ReadOptions,
};
use connect::Watch;
use errors::{of_read, of_write};

/// The database that Portolan keeps for itself on users' clusters; never archived.
const OWN_DATABASE: &str = "portolan";

/// The server's code for a collection that does not exist.
const NAMESPACE_NOT_FOUND: i32 = 26;

/// Whether write commands take `collectionUUID`: not asked yet, no, yes.
const UUID_UNTRIED: u8 = 0;
const UUID_REFUSED: u8 = 1;
const UUID_TAKEN: u8 = 2;

/// A cluster behind a connection string.
#[derive(Clone)]
pub struct MongoCluster {
    client: Client,
    watch: Arc<Watch>,
    runtime: Runtime,
    takes_uuid: Arc<AtomicU8>,
    /// The account may not see the status of the replica set, or there is none.
    status_refused: Arc<AtomicBool>,
    /// Whether routers answer, once that was asked.
    sharded: Arc<OnceLock<bool>>,
}

impl MongoCluster {
    /// Checks the connection string and every host in it against the policy, and prepares to dial.
    ///
    /// # Errors
    /// [`ClusterError::Denied`] when the policy refuses, [`ClusterError::Invalid`] for a string that
    /// cannot be read, [`ClusterError::Unavailable`] when a name does not resolve.
    pub async fn connect(
        uri: &SecretString,
        policy: &AddressPolicy,
        runtime: &Runtime,
    ) -> Result<Self, ClusterError> {
        let (client, watch) = connect::client(uri, policy, runtime).await?;
        let takes_uuid = Arc::new(AtomicU8::new(UUID_UNTRIED));
        let (runtime, status_refused, sharded) = (runtime.clone(), Arc::default(), Arc::default());
        Ok(Self { client, watch, runtime, takes_uuid, status_refused, sharded })
    }

    fn takes_uuid(&self) -> u8 {
        self.takes_uuid.load(Ordering::Relaxed)
    }

    /// Whether this is a sharded cluster, asked through its routers.
    async fn is_sharded(&self) -> Result<bool, ClusterError> {
        if let Some(known) = self.sharded.get() {
            return Ok(*known);
        }
        let hello = self.ask("admin", rawdoc! { "hello": 1 }).await?;
        Ok(*self.sharded.get_or_init(|| hello.get_str("msg").is_ok_and(|text| text == "isdbgrid")))
    }

    /// A time of the cluster that nothing read until now is after. `None` where one server answers for
    /// all: there, what is read later is never older.
    async fn time_seen(&self) -> Result<Option<Timestamp>, ClusterError> {
        if !self.is_sharded().await? {
            return Ok(None);
        }
        let reply = self.ask("admin", rawdoc! { "ping": 1 }).await?;
        let time =
            reply.get_document("$clusterTime").and_then(|it| it.get_timestamp("clusterTime"));
        let untold =
            |_| ClusterError::Unsupported("the routers do not tell the cluster's time".into());
        time.map(Some).map_err(untold)
    }

    /// Reads with majority what is at least as new as everything read before, on whatever shard. A
    /// transaction over several shards becomes visible on one after the other; a read that names a time
    /// waits for it (MongoDB manual, "Causal Consistency and Read and Write Concerns").
    async fn read_after_all(
        &self,
        namespace: &Namespace,
        filter: &RawDocument,
    ) -> Result<Vec<RawDocumentBuf>, ClusterError> {
        let mut concern = rawdoc! { "level": "majority" };
        if let Some(time) = self.time_seen().await? {
            concern.append(cstr!("afterClusterTime"), time);
        }
        let mut command = find_command(namespace, filter, ReadOptions::default());
        command.append(cstr!("readConcern"), concern);
        self.cursor(&namespace.database, command, None).await?.try_collect().await
    }

    /// Runs a command that reads.
    async fn ask(&self, database: &str, command: RawDocumentBuf) -> Result<Document, ClusterError> {
        self.watch.check()?;
        self.client.database(database).run_raw_command(command).await.map_err(|e| of_read(&e))
    }

    /// Runs a command that writes: an error may hide a success.
    async fn tell(
        &self,
        database: &str,
        command: RawDocumentBuf,
    ) -> Result<Document, ClusterError> {
        self.watch.check()?;
        self.client.database(database).run_raw_command(command).await.map_err(|e| of_write(&e))
    }

    async fn cursor(
        &self,
        database: &str,
        command: RawDocumentBuf,
        batch_size: Option<u32>,
    ) -> Result<DocumentStream, ClusterError> {
        self.watch.check()?;
        let database = self.client.database(database);
        let mut run = database.run_raw_cursor_command(command);
        if let Some(size) = batch_size {
            run = run.batch_size(size);
        }
        let cursor = run.await.map_err(|e| of_read(&e))?;
        Ok(cursor.with_type::<RawDocumentBuf>().map_err(|e| of_read(&e)).boxed())
    }

    async fn listed(
        &self,
        database: &str,
        filter: RawDocumentBuf,
    ) -> Result<Vec<CollectionInfo>, ClusterError> {
        let command = rawdoc! { "listCollections": 1, "filter": filter };
        let found: Vec<_> = self.cursor(database, command, None).await?.try_collect().await?;
        found.iter().map(|document| replies::collection(document)).collect()
    }
}

fn find_command(
    namespace: &Namespace,
    filter: &RawDocument,
    options: ReadOptions,
) -> RawDocumentBuf {
    let mut command = rawdoc! { "find": namespace.collection.as_str() };
    command.append(cstr!("filter"), filter);
    if let Some(sort) = options.sort {
        command.append(cstr!("sort"), sort);
    }
    if let Some(projection) = options.projection {
        command.append(cstr!("projection"), projection);
    }
    if let Some(limit) = options.limit {
        command.append(cstr!("limit"), i64::try_from(limit).unwrap_or(i64::MAX));
    }
    if let Some(size) = options.batch_size {
        command.append(cstr!("batchSize"), i64::from(size));
    }
    if options.majority {
        command.append(cstr!("readConcern"), rawdoc! { "level": "majority" });
    }
    if let Some(ms) = options.max_time_ms {
        command.append(cstr!("maxTimeMS"), i64::try_from(ms).unwrap_or(i64::MAX));
    }
    command
}

#[async_trait]
impl Cluster for MongoCluster {
    async fn probe(&self) -> Result<Probe, ClusterError> {
        probe::run(self).await
    }

    async fn collection(
        &self,
        namespace: &Namespace,
    ) -> Result<Option<CollectionInfo>, ClusterError> {
        let filter = rawdoc! { "name": namespace.collection.as_str() };
        let found = self.listed(&namespace.database, filter).await?;
        let found = found.into_iter().find(|info| info.name == namespace.collection);
        let Some(info) = found else { return Ok(None) };
        let shard_key = shard_key::of(self, namespace).await?;
        Ok(Some(CollectionInfo { shard_key, ..info }))
    }

    async fn shard_key(&self, namespace: &Namespace) -> Result<Option<ShardKey>, ClusterError> {
        shard_key::of(self, namespace).await
    }

    async fn read(
        &self,
        namespace: &Namespace,
        filter: &RawDocument,
        options: ReadOptions,
    ) -> Result<DocumentStream, ClusterError> {
        let batch_size = options.batch_size;
        let command = find_command(namespace, filter, options);
        self.cursor(&namespace.database, command, batch_size).await
    }

    async fn find_by_ids(
        &self,
        namespace: &Namespace,
        ids: &[RawBson],
    ) -> Result<Vec<RawDocumentBuf>, ClusterError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let options = ReadOptions { majority: true, ..ReadOptions::default() };
        self.read(namespace, &ids_filter(ids), options).await?.try_collect().await
    }

    async fn delete_guarded(
        &self,
        namespace: &Namespace,
        request: &DeleteRequest<'_>,
    ) -> Result<Deleted, ClusterError> {
        delete::run(self, namespace, request).await
    }

    async fn insert(
        &self,
        namespace: &Namespace,
        documents: &[RawDocumentBuf],
    ) -> Result<Inserted, ClusterError> {
        insert::run(self, namespace, documents).await
    }

    async fn delete_batch(
        &self,
        namespace: &Namespace,
        request: &BatchRequest<'_>,
    ) -> Result<BatchOutcome, ClusterError> {
        batch::run(self, namespace, request).await
    }

    async fn fence(&self, uuid: [u8; 16]) -> Result<Option<Fence>, ClusterError> {
        fence::read(self, uuid).await
    }

    async fn raise_fence(&self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        fence::raise(self, holder, seq).await
    }

    async fn adopt_fence(&self, from: &str, holder: &Holder<'_>) -> Result<(), ClusterError> {
        fence::adopt(self, from, holder).await
    }

    async fn close_fence(&self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        fence::close(self, holder, seq).await
    }

    async fn kept_records(
        &self,
        uuid: [u8; 16],
        seq: i64,
    ) -> Result<Vec<KeptRecord>, ClusterError> {
        fence::kept(self, uuid, seq).await
    }

    async fn clear_kept(&self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        batch::clear_kept(self, holder, seq).await
    }

    async fn insert_fenced(
        &self,
        namespace: &Namespace,
        documents: &[RawDocumentBuf],
        step: &FencedStep<'_>,
    ) -> Result<Inserted, ClusterError> {
        batch::insert(self, namespace, documents, step).await
    }

    async fn clock_ms(&self) -> Result<i64, ClusterError> {
        let reply = self.ask("admin", rawdoc! { "hello": 1 }).await?;
        let time = reply.get_datetime("localTime").map_err(|_| {
            ClusterError::Unsupported("the server's hello does not tell its clock".to_owned())
        })?;
        Ok(time.timestamp_millis())
    }

    async fn transaction_lifetime_ms(&self) -> Result<Option<u64>, ClusterError> {
        let command = rawdoc! { "getParameter": 1, "transactionLifetimeLimitSeconds": 1 };
        match self.ask("admin", command).await {
            Ok(reply) => Ok(replies::transaction_lifetime_ms(&reply)),
            Err(ClusterError::Unavailable(why)) => Err(ClusterError::Unavailable(why)),
            // Not allowed, or not known there.
            Err(_) => Ok(None),
        }
    }

    async fn lag_ms(&self) -> Result<Option<u64>, ClusterError> {
        lag::ask(self).await
    }

    async fn list_databases(&self) -> Result<Vec<String>, ClusterError> {
        let reply = self.ask("admin", rawdoc! { "listDatabases": 1, "nameOnly": true }).await?;
        replies::database_names(&reply)
    }

    async fn list_collections(&self, database: &str) -> Result<Vec<CollectionInfo>, ClusterError> {
        let mut found = self.listed(database, RawDocumentBuf::new()).await?;
        shard_key::add(self, database, &mut found).await?;
        Ok(found)
    }

    async fn list_indexes(&self, namespace: &Namespace) -> Result<Vec<IndexInfo>, ClusterError> {
        let command = rawdoc! { "listIndexes": namespace.collection.as_str() };
        let found = match self.cursor(&namespace.database, command, None).await {
            Ok(cursor) => cursor.try_collect::<Vec<_>>().await?,
            Err(ClusterError::NamespaceMissing(_)) => Vec::new(),
            Err(ClusterError::Server { code: NAMESPACE_NOT_FOUND, .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        found.iter().map(|entry| replies::index(entry)).collect()
    }

    async fn estimated_count(&self, namespace: &Namespace) -> Result<u64, ClusterError> {
        let command = rawdoc! { "count": namespace.collection.as_str() };
        let reply = self.ask(&namespace.database, command).await?;
        replies::count(&reply, "n")
    }

    async fn any_in_id_range(
        &self,
        namespace: &Namespace,
        low: &RawBson,
        high: &RawBson,
    ) -> Result<bool, ClusterError> {
        let mut range = RawDocumentBuf::new();
        range.append(cstr!("$gte"), low.as_raw_bson_ref());
        range.append(cstr!("$lte"), high.as_raw_bson_ref());
        let options = ReadOptions {
            projection: Some(rawdoc! { "_id": 1 }),
            limit: Some(1),
            majority: true,
            ..ReadOptions::default()
        };
        let mut found = self.read(namespace, &rawdoc! { "_id": range }, options).await?;
        Ok(found.try_next().await?.is_some())
    }
}
