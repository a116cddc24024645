//! The host as `control` sees it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use portolan_cluster::{
    Cluster as _, ClusterError, CollectionInfo, ErrorKind, MongoCluster, Probe,
};
use portolan_control::{ArchiveHost, ClusterHost, HostError};
use portolan_model::{ArchiveId, Cluster, ClusterId, ClusterKind, DataProcessRegion, Namespace};
use portolan_sandbox::{Sandbox, SandboxOptions};
use portolan_security::SecretString;

use super::accounts::SandboxAccounts;
use super::{Host, RunningSandbox};

/// How long the advertised name may take to resolve.
const RESOLVE_MS: u64 = 2_000;

#[async_trait]
impl ClusterHost for Host {
    async fn start_sandbox(&self, cluster: &Cluster) -> Result<(), HostError> {
        let ClusterKind::Sandbox { port } = cluster.kind else { return Ok(()) };
        let mut sandboxes = self.inner.sandboxes.lock().await;
        if sandboxes.contains_key(&cluster.id) {
            return Ok(());
        }
        let folder = self.inner.dir.join("clusters").join(cluster.id.to_string());
        let runtime = self.inner.runtime.clone();
        let sandbox =
            Sandbox::open(&folder, SandboxOptions::default(), runtime).await.map_err(failed)?;
        let accounts = Arc::new(SandboxAccounts::new(self.clone(), cluster.id));
        let backend = sandbox.backend(accounts, self.advertised(port));
        let internal = self.listen_internal(backend.clone()).await.map_err(failed)?;
        let listener = self.listen(cluster.id, port, backend).await.map_err(failed)?;
        sandboxes.insert(cluster.id, RunningSandbox { sandbox, listener, internal });
        Ok(())
    }

    async fn stop_sandbox(&self, cluster: ClusterId, remove_data: bool) -> Result<(), HostError> {
        self.inner.connections.lock().await.remove(&cluster);
        let running = self.inner.sandboxes.lock().await.remove(&cluster);
        if let Some(running) = running {
            running.stop().await;
        }
        let folder = self.inner.dir.join("clusters").join(cluster.to_string());
        if remove_data && folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(failed)?;
        }
        Ok(())
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
}

fn failed(error: impl std::fmt::Display) -> HostError {
    HostError::Failed(format!("{error:#}"))
}

fn host_error(error: ClusterError) -> HostError {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::Unsupported => {
            HostError::Refused(error.to_string())
        }
        _ => HostError::Unreachable(error.to_string()),
    }
}
