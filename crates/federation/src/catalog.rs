//! What an endpoint asks of the outside: users, archives, tables, the cluster. The binary fills it
//! from the control database.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use portolan_cluster::Cluster;
use portolan_lake::Table;
use portolan_model::{ClusterId, EpochMs, GuardLevel, Namespace};
use portolan_wire::Account;

use crate::FederationError;

/// An archive as a query sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveSource {
    /// Id of the archive.
    pub archive_id: String,
    /// The collection that it archives.
    pub namespace: Namespace,
    /// URI of its table, as fixed at creation.
    pub table_uri: String,
    /// When the archive was created.
    pub created_at: EpochMs,
    /// What the cluster's deletes guarantee.
    pub level: GuardLevel,
    /// UUID of the collection, where its table knows it: its fence at the cluster has that name.
    pub collection_uuid: Option<[u8; 16]>,
}

/// Rows whose document was seen to stay in the cluster: number of the move, identity.
pub type Kept = HashSet<(i64, Vec<u8>)>;

/// One query, for the query log.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryRecord {
    /// The cluster whose endpoint was asked.
    pub cluster_id: ClusterId,
    /// Whether only the archive was asked.
    pub archive_only: bool,
    /// Name of the command, such as `find`.
    pub command: String,
    /// Database and collection.
    pub namespace: String,
    /// The filter or pipeline as it was asked.
    pub query: bson::Bson,
    /// The client's comment, when it is text.
    pub comment: Option<String>,
    /// `database.name` of the user.
    pub user: Option<String>,
    /// When it began.
    pub started_at: EpochMs,
    /// When it ended.
    pub ended_at: EpochMs,
    /// Documents that it gave to the client.
    pub documents: u64,
    /// Bytes of the documents that it read, in the archive and in the cluster.
    pub bytes: u64,
    /// The error that ended it, if one did.
    pub error: Option<String>,
}

/// How much a query may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes, and the name of the limit that says so; `None` for no limit.
    pub bytes: Option<(u64, String)>,
}

/// What an endpoint asks of the outside. Nothing may be answered from a cache or a lagging copy.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// The account of a database user of the cluster's project.
    async fn account(&self, database: &str, name: &str)
    -> Result<Option<Account>, FederationError>;

    /// The archives of a cluster, newest first, without the deleted ones.
    async fn archives(&self, cluster_id: ClusterId) -> Result<Vec<ArchiveSource>, FederationError>;

    /// The table behind a URI.
    async fn table(&self, uri: &str) -> Result<Table, FederationError>;

    /// The cluster.
    async fn cluster(&self, cluster_id: ClusterId) -> Result<Arc<dyn Cluster>, FederationError>;

    /// What the journal says of an archive's rows whose document stayed.
    async fn kept(&self, archive_id: &str) -> Result<Kept, FederationError>;

    /// The last batch that the journal knows as deleted of an archive's newest move: number of the move,
    /// number of the batch. `None`: no move was committed.
    async fn deleted(&self, archive_id: &str) -> Result<Option<(i64, i32)>, FederationError> {
        let _ = archive_id;
        Ok(None)
    }

    /// How much a query may read that begins now.
    ///
    /// # Errors
    /// [`FederationError::OverLimit`] when it may not begin at all.
    async fn allowance(
        &self,
        cluster_id: ClusterId,
        archive_only: bool,
    ) -> Result<Allowance, FederationError> {
        let _ = (cluster_id, archive_only);
        Ok(Allowance::default())
    }

    /// Notes a query that has ended.
    async fn log_query(&self, record: QueryRecord) {
        let _ = record;
    }
}
