//! What the archiver and the read endpoints ask for: clusters, tables, archives, kept rows, accounts.
//! Everything is read fresh from the control state; nothing is cached but connections.

use std::sync::Arc;

use async_trait::async_trait;
use portolan_archiver::Outside;
use portolan_cluster::{Cluster, ClusterError};
use portolan_federation::{Allowance, ArchiveSource, Catalog, FederationError, Kept, QueryRecord};
use portolan_lake::{LakeError, Location, Table};
use portolan_model::{ArchiveId, ClusterId, ClusterKind};
use portolan_store::archives::{self, StoredArchive};
use portolan_store::moves;
use portolan_store::query_limits::ReadEndpoint;
use portolan_wire::Account;

use super::{Host, SYSTEM};

#[async_trait]
impl Outside for Host {
    async fn cluster(&self, id: ClusterId) -> Result<Arc<dyn Cluster>, ClusterError> {
        let connection = self.connection(id).await;
        connection.map_err(|error| ClusterError::Unavailable(format!("{error:#}")))
    }

    async fn is_paused(&self, id: ClusterId) -> bool {
        Host::is_paused(self, id).await
    }

    fn location(&self, table_uri: &str) -> Result<Location, LakeError> {
        let location = self.inner.locations.of(table_uri);
        location.cloned().map_err(|error| LakeError::Invalid(error.to_string()))
    }

    async fn reaches(&self, cluster: ClusterId, table_uri: &str) -> bool {
        if self.inner.locations.of(table_uri).is_err() {
            return false;
        }
        match self.stored_cluster(cluster).await {
            Ok(Some(stored)) => match stored.cluster.kind {
                ClusterKind::Sandbox { .. } => self.internal_port(cluster).await.is_some(),
                ClusterKind::Attached(_) => true,
            },
            // Gone, or nobody knows: the run will say what it misses.
            Ok(None) | Err(_) => true,
        }
    }
}

/// The catalog of one cluster's endpoints.
pub(super) struct EndpointCatalog {
    host: Host,
    cluster_id: ClusterId,
}

impl EndpointCatalog {
    pub(super) fn new(host: Host, cluster_id: ClusterId) -> Self {
        Self { host, cluster_id }
    }
}

#[async_trait]
impl Catalog for EndpointCatalog {
    async fn account(
        &self,
        database: &str,
        name: &str,
    ) -> Result<Option<Account>, FederationError> {
        Ok(self.host.database_account(self.cluster_id, database, name).await)
    }

    async fn archives(&self, cluster_id: ClusterId) -> Result<Vec<ArchiveSource>, FederationError> {
        let store = &self.host.inner.store;
        let found = store
            .read_tx("endpoint.archives", move |tx| {
                Box::pin(archives::work::list_of_cluster(tx, &SYSTEM, cluster_id))
            })
            .await
            .map_err(catalog)?;
        let mut sources = Vec::with_capacity(found.len());
        for stored in found {
            if let Some(table) = self.table_of(&stored).await? {
                sources.push(source(stored, table.spec().collection_uuid()));
            }
        }
        Ok(sources)
    }

    async fn table(&self, uri: &str) -> Result<Table, FederationError> {
        let table = self.host.table(uri).await?;
        table.ok_or_else(|| FederationError::Catalog(format!("the table {uri} is missing")))
    }

    async fn cluster(&self, cluster_id: ClusterId) -> Result<Arc<dyn Cluster>, FederationError> {
        Ok(Outside::cluster(&self.host, cluster_id).await?)
    }

    async fn kept(&self, archive_id: &str) -> Result<Kept, FederationError> {
        let id: ArchiveId = archive_id.parse().map_err(catalog)?;
        let store = &self.host.inner.store;
        store
            .read_tx("endpoint.kept", move |tx| Box::pin(moves::kept(tx, id)))
            .await
            .map_err(|error: portolan_store::StoreError| catalog(error))
    }

    async fn deleted(&self, archive_id: &str) -> Result<Option<(i64, i32)>, FederationError> {
        let id: ArchiveId = archive_id.parse().map_err(catalog)?;
        let store = &self.host.inner.store;
        store
            .read_tx("endpoint.deleted", move |tx| Box::pin(moves::position(tx, id)))
            .await
            .map_err(|error: portolan_store::StoreError| catalog(error))
    }

    async fn allowance(
        &self,
        cluster_id: ClusterId,
        archive_only: bool,
    ) -> Result<Allowance, FederationError> {
        let inner = &self.host.inner;
        let endpoint = ReadEndpoint { cluster_id, archive_only };
        inner.query_log.allowance(&inner.store, endpoint).await
    }

    async fn log_query(&self, record: QueryRecord) {
        let inner = &self.host.inner;
        inner.query_log.note(&record, &inner.runtime);
    }
}

impl EndpointCatalog {
    /// The table to read, if there is one. An archive whose first run has not begun has none; one that
    /// the journal remembers a commit of must have one.
    async fn table_of(&self, stored: &StoredArchive) -> Result<Option<Table>, FederationError> {
        let archive = &stored.archive;
        if let Some(table) = self.host.table(&archive.table_uri).await? {
            return Ok(Some(table));
        }
        let id = archive.id;
        let committed = self
            .host
            .inner
            .store
            .read_tx("endpoint.committed", move |tx| Box::pin(moves::newest_committed(tx, id)))
            .await
            .map_err(|error: portolan_store::StoreError| catalog(error))?;
        match committed {
            None => Ok(None),
            Some(_) => Err(FederationError::Catalog(format!(
                "the table {} of archive {id} is missing",
                archive.table_uri
            ))),
        }
    }
}

impl Host {
    /// The table behind a URI, `None` while there is none. What is kept is the way to the table, never
    /// a version of it.
    async fn table(&self, uri: &str) -> Result<Option<Table>, LakeError> {
        let mut tables = self.inner.tables.lock().await;
        if let Some(known) = tables.get(uri) {
            return Ok(Some(known.clone()));
        }
        let location = Outside::location(self, uri)?;
        let table = Table::open(&location, uri, &self.inner.runtime).await?;
        if let Some(table) = &table {
            tables.insert(uri.to_owned(), table.clone());
        }
        Ok(table)
    }
}

fn source(stored: StoredArchive, collection_uuid: Option<[u8; 16]>) -> ArchiveSource {
    let StoredArchive { archive, level, .. } = stored;
    ArchiveSource {
        archive_id: archive.id.to_string(),
        namespace: archive.namespace,
        table_uri: archive.table_uri,
        created_at: archive.created_at,
        level,
        collection_uuid,
    }
}

fn catalog(error: impl std::fmt::Display) -> FederationError {
    FederationError::Catalog(error.to_string())
}
