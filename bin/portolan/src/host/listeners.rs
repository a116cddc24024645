//! MongoDB listeners: one TCP port each, served by `wire`.

use std::sync::Arc;

use anyhow::{Context, Result};
use portolan_federation::{Endpoint as ReadEndpoint, EndpointMode};
use portolan_model::ClusterId;
use portolan_store::endpoints::{Endpoint, EndpointRole};
use portolan_wire::{AddressGate, Backend, Server, ServerOptions};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Host;
use super::gate::ProjectGate;
use super::sources::EndpointCatalog;

/// TLS, and who may connect.
type Security = (Option<Arc<ServerConfig>>, Option<Arc<dyn AddressGate>>);

/// An open port.
pub(super) struct Listener {
    port: u16,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// Its task was waited for, which is possible once.
    stopped: bool,
}

impl Listener {
    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Ends its connections and closes the port.
    pub(super) async fn stop(&mut self) {
        self.stop.cancel();
        if self.stopped {
            return;
        }
        self.stopped = true;
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "a listener ended badly");
        }
    }
}

impl Host {
    /// Opens a port of a cluster for a backend, to those on its project's IP access list.
    async fn listen(
        &self,
        cluster_id: ClusterId,
        port: u16,
        backend: Arc<dyn Backend>,
    ) -> Result<Listener> {
        self.listen_with(cluster_id, port, backend, self.inner.tls.clone()).await
    }

    /// The same with a TLS configuration of its own.
    pub(super) async fn listen_with(
        &self,
        cluster_id: ClusterId,
        port: u16,
        backend: Arc<dyn Backend>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Listener> {
        let inner = &self.inner;
        let address = (inner.settings.bind, port);
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!(
                "cannot listen on {}:{port}, which this instance gave away for life: free the port",
                inner.settings.bind
            )
        })?;
        let gate: Arc<dyn AddressGate> = Arc::new(ProjectGate::new(self.clone(), cluster_id));
        self.serve(listener, backend, (tls, Some(gate)))
    }

    /// Opens a plain loopback port for this process itself.
    pub(super) async fn listen_internal(&self, backend: Arc<dyn Backend>) -> Result<Listener> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        self.serve(listener, backend, (None, None))
    }

    fn serve(
        &self,
        listener: TcpListener,
        backend: Arc<dyn Backend>,
        (tls, gate): Security,
    ) -> Result<Listener> {
        let inner = &self.inner;
        let port = listener.local_addr()?.port();
        let connections_max = inner.connections_max;
        let options = ServerOptions { tls, gate, connections_max, ..ServerOptions::default() };
        let stop = inner.stop.child_token();
        let serve = Server::serve(listener, backend, options, inner.runtime.clone(), stop.clone());
        let task = inner.runtime.spawn("mongodb listener", serve);
        Ok(Listener { port, stop, task, stopped: false })
    }

    /// Opens the port of a read endpoint.
    pub(super) async fn listen_endpoint(&self, endpoint: Endpoint) -> Result<Listener> {
        let mode = match endpoint.role {
            EndpointRole::ClusterAndArchive => EndpointMode::ClusterAndArchive,
            EndpointRole::Archive | EndpointRole::Cluster => EndpointMode::Archive,
        };
        let catalog = Arc::new(EndpointCatalog::new(self.clone(), endpoint.cluster_id));
        let runtime = self.inner.runtime.clone();
        let backend = ReadEndpoint::new(mode, endpoint.cluster_id, catalog, runtime);
        self.listen(endpoint.cluster_id, endpoint.port, backend).await
    }

    /// `host:port` as drivers must know it.
    pub(super) fn advertised(&self, port: u16) -> String {
        format!("{}:{port}", self.inner.settings.advertised_host)
    }
}
