//! One query's surroundings: where to ask, how long, how much memory, what it has done so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portolan_cluster::Cluster;
use portolan_model::{ClusterId, Namespace};
use portolan_runtime::Runtime;
use tokio::sync::OnceCell;

use crate::endpoint::{Endpoint, EndpointMode, Limits};
use crate::returned::{self, Returned};
use crate::{Allowance, ArchiveSource, Catalog, FederationError};

/// Figures of one query, for `explain` and the log.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Documents that the cluster gave.
    pub(crate) cluster_documents: AtomicU64,
    /// Rows read from archive files.
    pub(crate) rows_read: AtomicU64,
    /// Rows that matched and were not shown, because they are not what the document is now.
    pub(crate) rows_hidden: AtomicU64,
    /// Rows whose document was looked up in the cluster.
    pub(crate) rows_looked_up: AtomicU64,
    /// Bytes of the documents read, in the cluster and in archive files.
    pub(crate) bytes: AtomicU64,
    /// Files proved to share no `_id` range with the cluster.
    pub(crate) files_proved: AtomicU64,
}

impl Figures {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(counter: &AtomicU64) -> i64 {
        i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }
}

/// The surroundings of one query. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) cluster_id: ClusterId,
    pub(crate) mode: EndpointMode,
    pub(crate) runtime: Runtime,
    pub(crate) limits: Limits,
    pub(crate) figures: Arc<Figures>,
    identities_bytes: returned::Shared,
    /// One connection for all reads of the query.
    cluster: Arc<OnceCell<Arc<dyn Cluster>>>,
    /// How much the query may read; asked when it begins to.
    allowance: Arc<OnceCell<Allowance>>,
    started_boot_ms: u64,
}

impl Session {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        Self {
            catalog: Arc::clone(&endpoint.catalog),
            cluster_id: endpoint.cluster_id,
            mode: endpoint.mode,
            runtime: endpoint.runtime.clone(),
            limits: endpoint.limits,
            figures: Arc::default(),
            identities_bytes: Arc::clone(&endpoint.identities_bytes),
            cluster: Arc::default(),
            allowance: Arc::default(),
            started_boot_ms: endpoint.runtime.boot_ms(),
        }
    }

    /// Fails once the query lived too long: what it remembers could be older than what is kept.
    pub(crate) fn check_life(&self) -> Result<(), FederationError> {
        if self.age_ms() > self.limits.life_ms {
            return Err(FederationError::TooLong(self.limits.life_ms / 3_600_000));
        }
        Ok(())
    }

    /// Asks how much the query may read.
    pub(crate) async fn ask_allowance(&self) -> Result<(), FederationError> {
        let archive_only = self.mode == EndpointMode::Archive;
        let ask = || self.catalog.allowance(self.cluster_id, archive_only);
        self.allowance.get_or_try_init(ask).await.map(|_| ())
    }

    /// Counts what was read, and fails once it is more than allowed.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), FederationError> {
        let bytes = bytes as u64;
        let spent = self.figures.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let allowance = self.allowance.get().and_then(|allowance| allowance.bytes.as_ref());
        match allowance {
            Some((most, name)) if spent > *most => {
                Err(FederationError::OverLimit { name: name.clone(), bytes: *most })
            }
            _ => Ok(()),
        }
    }

    /// An empty set for what the cluster part returns.
    pub(crate) fn returned(&self) -> Returned {
        let together = Arc::clone(&self.identities_bytes);
        let Limits { identities_bytes, identities_bytes_together, .. } = self.limits;
        Returned::new(identities_bytes, together, identities_bytes_together)
    }

    pub(crate) async fn cluster(&self) -> Result<Arc<dyn Cluster>, FederationError> {
        let ask = || self.catalog.cluster(self.cluster_id);
        self.cluster.get_or_try_init(ask).await.cloned()
    }

    /// Milliseconds since the query began.
    pub(crate) fn age_ms(&self) -> u64 {
        self.runtime.boot_ms().saturating_sub(self.started_boot_ms)
    }

    /// The archives of a namespace, newest first.
    pub(crate) async fn archives(
        &self,
        namespace: &Namespace,
    ) -> Result<Vec<ArchiveSource>, FederationError> {
        let mut archives = self.catalog.archives(self.cluster_id).await?;
        archives.retain(|archive| archive.namespace == *namespace);
        Ok(archives)
    }
}
