//! The host as `control` sees it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use portolan_archiver::{ArchiverError, Worker};
use portolan_cluster::{
    Cluster as _, ClusterError, CollectionInfo, ErrorKind, MongoCluster, Probe,
};
use portolan_control::{ArchiveHost, ClusterHost, HostError, ServerSettings};
use portolan_lake::LakeError;
use portolan_model::{
    Acceptance, ArchiveId, ArchiveStatistics, Cluster, ClusterId, ClusterKind, DataProcessRegion,
    ExpiryPreview, FoundTable, Namespace,
};
use portolan_sandbox::{Sandbox, SandboxError, SandboxOptions, Tuning};
use portolan_security::SecretString;
use portolan_wire::Backend;

use super::accounts::SandboxAccounts;
use super::listeners::Listener;
use super::{Host, RunningSandbox};

/// How long the advertised name may take to resolve.
const RESOLVE_MS: u64 = 2_000;

#[async_trait]
impl ClusterHost for Host {
    async fn start_sandbox(
        &self,
        cluster: &Cluster,
        settings: &ServerSettings,
    ) -> Result<bool, HostError> {
        let ClusterKind::Sandbox { port } = cluster.kind else { return Ok(false) };
        let mut sandboxes = self.inner.sandboxes.lock().await;
        if let Some(running) = sandboxes.get_mut(&cluster.id) {
            self.obey(cluster.id, running, settings).await.map_err(failed)?;
            return Ok(false);
        }
        if !self.is_home_of(cluster).await.map_err(failed)? {
            return Ok(false);
        }
        let folder = self.sandbox_folder(cluster.id);
        let runtime = self.inner.runtime.clone();
        let options = SandboxOptions {
            test_mode: self.inner.sandbox_test_commands,
            cache_bytes: self.inner.cache.part(sandboxes.len()),
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::open(&folder, options, runtime).await.map_err(not_opened)?;
        let accounts = Arc::new(SandboxAccounts::new(self.clone(), cluster.id));
        let tuning = Arc::<Tuning>::default();
        tune(&tuning, settings);
        // What operators tune is for their clients, not for the archiver.
        let plain = sandbox.backend(accounts.clone(), self.advertised(port));
        let backend = sandbox.tuned_backend(accounts, self.advertised(port), tuning.clone());
        let internal = self.listen_internal(plain).await.map_err(failed)?;
        let listener = self.listen_cluster(cluster.id, port, backend.clone(), settings).await;
        let listener = listener.map_err(failed)?;
        let settings = settings.clone();
        let running = RunningSandbox { sandbox, listener, internal, backend, tuning, settings };
        sandboxes.insert(cluster.id, running);
        Ok(true)
    }

    async fn load_sample(&self, cluster: &Cluster) -> Result<(), HostError> {
        let port = self.internal_port(cluster.id).await;
        let port = port.ok_or_else(|| HostError::Unreachable("it does not run".to_owned()))?;
        super::samples::load(&self.internal_uri(port)).await
    }

    async fn data_bytes(&self, cluster: ClusterId) -> Option<u64> {
        let files = std::fs::read_dir(self.sandbox_folder(cluster)).ok()?;
        let sizes = files.flatten().filter_map(|file| file.metadata().ok()).map(|data| data.len());
        Some(sizes.sum())
    }

    async fn stop_sandbox(&self, cluster: ClusterId, remove_data: bool) -> Result<(), HostError> {
        self.inner.connections.lock().await.remove(&cluster);
        let running = self.inner.sandboxes.lock().await.remove(&cluster);
        if let Some(running) = running {
            running.stop().await;
        }
        if !remove_data || self.lives_elsewhere(cluster).await.map_err(failed)? {
            // The replica that holds the data removes it when the cluster is gone.
            return Ok(());
        }
        let folder = self.sandbox_folder(cluster);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(failed)?;
        }
        self.forget_home(cluster).await.map_err(failed)
    }

    async fn probe(&self, uri: &SecretString) -> Result<Probe, HostError> {
        let inner = &self.inner;
        let policy = self.policy().await.map_err(failed)?;
        let cluster = MongoCluster::connect(uri, &policy, &inner.runtime).await;
        cluster.map_err(host_error)?.probe().await.map_err(host_error)
    }

    async fn probe_cluster(&self, cluster: &Cluster) -> Result<Option<Probe>, HostError> {
        let connection = self.connection(cluster.id).await;
        let connection =
            connection.map_err(|error| HostError::Unreachable(format!("{error:#}")))?;
        connection.probe().await.map(Some).map_err(host_error)
    }

    async fn collection(
        &self,
        cluster: &Cluster,
        namespace: &Namespace,
    ) -> Result<Option<CollectionInfo>, HostError> {
        let connection = self.connection(cluster.id).await;
        let connection =
            connection.map_err(|error| HostError::Unreachable(format!("{error:#}")))?;
        connection.collection(namespace).await.map_err(host_error)
    }

    async fn endpoints_changed(&self, cluster: ClusterId) {
        let known = matches!(self.stored_cluster(cluster).await, Ok(Some(_)));
        if !known {
            self.stop_endpoints(cluster).await;
            self.inner.connections.lock().await.remove(&cluster);
        } else if let Err(error) = self.start_endpoints(cluster).await {
            tracing::error!(%cluster, error = format!("{error:#}"), "cannot open read endpoints");
        }
    }

    fn advertised_host(&self) -> String {
        self.inner.settings.advertised_host.clone()
    }

    async fn advertised_addresses(&self) -> Vec<std::net::IpAddr> {
        let found = tokio::net::lookup_host((self.inner.settings.advertised_host.as_str(), 0));
        match self.inner.runtime.timeout_ms(RESOLVE_MS, found).await {
            Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
            _ => Vec::new(),
        }
    }

    fn sandbox_version(&self) -> String {
        portolan_sandbox::SERVER_VERSION.to_owned()
    }

    fn listens_with_tls(&self) -> bool {
        self.inner.tls.is_some()
    }

    fn port_range(&self) -> RangeInclusive<u16> {
        let (first, last) = self.inner.settings.port_range;
        first..=last
    }

    async fn port_is_free(&self, port: u16) -> bool {
        let address = SocketAddr::new(self.inner.settings.bind, port);
        tokio::net::TcpListener::bind(address).await.is_ok()
    }
}

#[async_trait]
impl ArchiveHost for Host {
    async fn wake(&self) {
        if let Some(worker) = self.inner.worker.get() {
            worker.wake();
        }
    }

    fn table_uri(
        &self,
        archive: ArchiveId,
        region: &DataProcessRegion,
    ) -> Result<String, HostError> {
        let uri = self.inner.locations.table_uri(archive, region);
        uri.map_err(|error| HostError::Refused(error.to_string()))
    }

    async fn write_rules(&self, archive: ArchiveId) -> Result<(), HostError> {
        self.worker()?.write_rules(archive).await.map_err(archiver_error)
    }

    async fn preview_expiry(
        &self,
        archive: ArchiveId,
        days: Option<i32>,
    ) -> Result<ExpiryPreview, HostError> {
        self.worker()?.preview_expiry(archive, days).await.map_err(archiver_error)
    }

    async fn find_table(&self, uri: &str) -> Result<FoundTable, HostError> {
        self.worker()?.find_table(uri).await.map_err(archiver_error)
    }

    async fn resume(&self, archive: ArchiveId, accepted: &Acceptance) -> Result<(), HostError> {
        self.worker()?.resume(archive, accepted).await.map_err(archiver_error)
    }

    async fn reattach(
        &self,
        archive: ArchiveId,
        to: &Namespace,
        other: bool,
    ) -> Result<(Option<[u8; 16]>, bool), HostError> {
        self.worker()?.reattach(archive, to, other).await.map_err(archiver_error)
    }

    fn deleted_grace_ms(&self) -> Option<i64> {
        self.inner.worker.get().map(Worker::deleted_grace_ms)
    }

    async fn take_table(&self, cluster: ClusterId, uri: &str) -> Result<(), HostError> {
        self.worker()?.take_table(cluster, uri).await.map_err(archiver_error)
    }

    async fn statistics(&self, archive: ArchiveId) -> Result<ArchiveStatistics, HostError> {
        self.worker()?.statistics(archive).await.map_err(archiver_error)
    }
}

impl Host {
    fn worker(&self) -> Result<&Worker, HostError> {
        self.inner.worker.get().ok_or_else(|| HostError::Failed("no archiver runs here".to_owned()))
    }
}

fn archiver_error(error: ArchiverError) -> HostError {
    match error {
        ArchiverError::Cluster(error) => host_error(error),
        ArchiverError::Invalid(_)
        | ArchiverError::Denied(_)
        | ArchiverError::Lake(LakeError::Invalid(_) | LakeError::Unsupported(_)) => {
            HostError::Refused(error.to_string())
        }
        ArchiverError::LeaseLost => {
            HostError::Unreachable("somebody works on the collection".to_owned())
        }
        other => HostError::Failed(other.to_string()),
    }
}

impl Host {
    /// Lets a cluster that runs obey other settings. Only another TLS version needs its port again.
    async fn obey(
        &self,
        cluster: ClusterId,
        running: &mut RunningSandbox,
        settings: &ServerSettings,
    ) -> anyhow::Result<()> {
        tune(&running.tuning, settings);
        if running.settings.tls13_only != settings.tls13_only && self.inner.tls.is_some() {
            let port = running.listener.port();
            running.listener.stop().await;
            running.listener =
                self.listen_cluster(cluster, port, running.backend.clone(), settings).await?;
        }
        running.settings = settings.clone();
        Ok(())
    }

    async fn listen_cluster(
        &self,
        cluster: ClusterId,
        port: u16,
        backend: Arc<dyn Backend>,
        settings: &ServerSettings,
    ) -> anyhow::Result<Listener> {
        let tls = if settings.tls13_only { &self.inner.tls13 } else { &self.inner.tls };
        self.listen_with(cluster, port, backend, tls.clone()).await
    }
}

fn tune(tuning: &Tuning, settings: &ServerSettings) {
    let arguments = &settings.arguments;
    tuning.set(arguments.default_max_time_ms, arguments.no_table_scan);
    tuning.set_transaction_lifetime(arguments.transaction_lifetime_s);
}

fn failed(error: impl std::fmt::Display) -> HostError {
    HostError::Failed(format!("{error:#}"))
}

/// What is wrong with a file stays wrong; a disk may come back.
fn not_opened(error: SandboxError) -> HostError {
    match error {
        SandboxError::Damaged { .. } | SandboxError::Layout { .. } => {
            HostError::Refused(error.to_string())
        }
        other => failed(other),
    }
}

fn host_error(error: ClusterError) -> HostError {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::Unsupported => {
            HostError::Refused(error.to_string())
        }
        _ => HostError::Unreachable(error.to_string()),
    }
}
