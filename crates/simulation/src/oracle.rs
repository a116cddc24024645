//! The oracle: asks the endpoint of cluster and archive, as any driver does, and compares with what
//! clients believe. Each document once, as its client wrote it last, none that was deleted.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use anyhow::{Result, anyhow, ensure};
use async_trait::async_trait;
use bson::{RawDocumentBuf, rawdoc};
use futures::TryStreamExt;
use portolan_cluster::Cluster;
use portolan_federation::{ArchiveSource, Catalog, Endpoint, EndpointMode, FederationError, Kept};
use portolan_lake::{Predicate, Table};
use portolan_model::{ClusterId, Namespace};

use portolan_store::{Store, StoreError, moves};
use portolan_wire::{Account, Backend, Command, CommandContext, Reply, User, UserRole};
use tokio_util::sync::CancellationToken;

use crate::model::{Documents, id_of};
use crate::world::{World, cluster_id, namespace};

/// The way of an endpoint to a world.
struct Facts {
    world: Weak<World>,
    store: Store,
}

fn gone(error: impl std::fmt::Display) -> FederationError {
    FederationError::Catalog(error.to_string())
}

impl Facts {
    fn world(&self) -> Result<Arc<World>, FederationError> {
        self.world.upgrade().ok_or_else(|| gone("the world is over"))
    }
}

#[async_trait]
impl Catalog for Facts {
    async fn account(&self, _: &str, _: &str) -> Result<Option<Account>, FederationError> {
        Ok(None)
    }

    async fn archives(&self, _: ClusterId) -> Result<Vec<ArchiveSource>, FederationError> {
        let world = self.world()?;
        let Some(table) = world.table().await? else { return Ok(Vec::new()) };
        Ok(vec![ArchiveSource {
            archive_id: world.archive.to_string(),
            namespace: namespace(),
            table_uri: world.table_uri(),
            created_at: 0,
            level: world.level,
            collection_uuid: table.spec().collection_uuid(),
        }])
    }

    async fn table(&self, _uri: &str) -> Result<Table, FederationError> {
        self.world()?.table().await?.ok_or_else(|| gone("there is no table"))
    }

    async fn cluster(&self, _: ClusterId) -> Result<Arc<dyn Cluster>, FederationError> {
        Ok(self.world()?.cluster.clone())
    }

    async fn kept(&self, _: &str) -> Result<Kept, FederationError> {
        let id = self.world()?.archive;
        self.store
            .read_tx::<_, StoreError, _>("oracle.kept", |tx| Box::pin(moves::kept(tx, id)))
            .await
            .map_err(gone)
    }

    async fn deleted(&self, _: &str) -> Result<Option<(i64, i32)>, FederationError> {
        let id = self.world()?.archive;
        self.store
            .read_tx::<_, StoreError, _>("oracle.deleted", |tx| Box::pin(moves::position(tx, id)))
            .await
            .map_err(gone)
    }
}

/// Asks and compares.
pub(crate) struct Oracle {
    world: Arc<World>,
    union: Arc<dyn Backend>,
    archive: Arc<dyn Backend>,
}

impl Oracle {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let facts = Arc::new(Facts { world: Arc::downgrade(world), store: world.store().clone() });
        let endpoint = |mode| -> Arc<dyn Backend> {
            Endpoint::new(mode, cluster_id(), facts.clone(), world.runtime.clone())
        };
        Self {
            world: world.clone(),
            union: endpoint(EndpointMode::ClusterAndArchive),
            archive: endpoint(EndpointMode::Archive),
        }
    }

    async fn find(&self, backend: &dyn Backend) -> Result<Documents> {
        let Namespace { database, collection } = namespace();
        let roles = vec![UserRole::new("readAnyDatabase", "admin")];
        let user = User { name: "oracle".into(), database: "admin".into(), roles };
        let cancelled = CancellationToken::new();
        let context = CommandContext { connection_id: 1, user: Some(user), cancelled };
        let command = Command::new(&database, rawdoc! { "find": collection })?;
        let found: Vec<RawDocumentBuf> = match backend.run(&context, command).await? {
            Reply::Cursor(cursor) => cursor.documents.try_collect().await?,
            _ => return Err(anyhow!("find answered without a cursor")),
        };
        let mut shown = Documents::new();
        for document in found {
            let id = id_of(&document);
            ensure!(shown.insert(id, document).is_none(), "document {id} is shown twice");
        }
        Ok(shown)
    }

    /// Compares what the endpoints show now with what clients believe now.
    pub(crate) async fn check(&self) -> Result<()> {
        self.check_durable().await?;
        let shown = self.find(self.union.as_ref()).await?;
        let archived = self.find(self.archive.as_ref()).await?;
        let live = self.world.cluster.documents(&namespace());
        let expected = &self.world.model().expected;
        compare(&shown, expected)?;
        compare_archived(&archived, expected, &live.iter().map(id_of).collect())
            .map_err(|error| anyhow!("in the archive alone: {error}"))
    }

    /// A loss of power now would take no object.
    pub(crate) async fn check_durable(&self) -> Result<()> {
        let unsynced = self.world.location.unsynced(&self.world.runtime).await?;
        ensure!(unsynced.is_empty(), "a loss of power would take {}", unsynced.join(", "));
        Ok(())
    }

    /// At rest: nothing is open, nothing cold is left, no identity is archived twice.
    pub(crate) async fn check_rest(&self) -> Result<()> {
        self.check().await?;
        let table = self.world.table().await?.ok_or_else(|| anyhow!("there is no table"))?;
        let version = table.load().await?;
        ensure!(version.committed == version.confirmed, "a move stays open");
        let everything = Predicate { columns: Vec::new() };
        let rows: Vec<_> = table.scan(&version, &everything).rows().try_collect().await?;
        let ids: BTreeSet<i32> = rows.iter().map(|row| id_of(&row.doc)).collect();
        ensure!(ids.len() == rows.len(), "a document is archived twice");
        let cold = rawdoc! { "at": { "$lt": bson::DateTime::from_millis(cold_before_ms()) } };
        let live = self.world.cluster.read(&namespace(), &cold, Default::default()).await?;
        let live: Vec<_> = live.try_collect().await?;
        ensure!(live.is_empty(), "{} cold documents stay in the cluster", live.len());
        Ok(())
    }

    /// Long after: no object of a version is gone, and none is left that no version names.
    pub(crate) async fn check_objects(&self) -> Result<()> {
        let table = self.world.table().await?.ok_or_else(|| anyhow!("there is no table"))?;
        let prefix = format!("{}/", self.world.archive);
        let named: BTreeSet<String> =
            table.load().await?.files.iter().map(|file| format!("{prefix}{}", file.path)).collect();
        let paths = self.world.location.paths(&self.world.runtime).await?;
        let stored: BTreeSet<String> = paths
            .into_iter()
            .filter(|path| path.ends_with(".parquet") && !path.contains("_delta_log"))
            .collect();
        if let Some(gone) = named.difference(&stored).next() {
            return Err(anyhow!("the table names {gone}, which is gone"));
        }
        match stored.difference(&named).next() {
            Some(left) => Err(anyhow!("{left} is left, and no version names it")),
            None => Ok(()),
        }
    }
}

fn cold_before_ms() -> i64 {
    crate::model::NOW_MS - 10 * 86_400_000
}

/// The archive alone: what left the cluster is there as it was. Beside that may be earlier states of what
/// the cluster holds again, and nothing else.
fn compare_archived(shown: &Documents, expected: &Documents, live: &BTreeSet<i32>) -> Result<()> {
    let moved = |id: &i32| !live.contains(id);
    let shown: Documents =
        shown.iter().filter(|(id, _)| moved(id)).map(|(id, it)| (*id, it.clone())).collect();
    let expected: Documents =
        expected.iter().filter(|(id, _)| moved(id)).map(|(id, it)| (*id, it.clone())).collect();
    compare(&shown, &expected)
}

fn compare(shown: &Documents, expected: &Documents) -> Result<()> {
    for (id, document) in expected {
        match shown.get(id) {
            None => return Err(anyhow!("document {id} is not shown: {document:?}")),
            Some(found) if found.as_bytes() != document.as_bytes() => {
                return Err(anyhow!("document {id} is shown as {found:?} and is {document:?}"));
            }
            Some(_) => {}
        }
    }
    match shown.keys().find(|id| !expected.contains_key(id)) {
        Some(id) => Err(anyhow!("document {id} is shown, and a client deleted it")),
        None => Ok(()),
    }
}
