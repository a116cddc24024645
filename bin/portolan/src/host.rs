//! Hosts what the control plane asks for: sandbox clusters, connections to attached clusters, the
//! listeners of read endpoints, the tables' storage. One instance has one host.

mod accounts;
mod cache_share;
mod control_side;
mod follow;
mod gate;
mod homes;
mod links;
mod listeners;
mod query_log;
mod samples;
mod sources;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use portolan_archiver::Worker;
use portolan_auth::{Authorized, Instance};
use portolan_cluster::{Cluster, MongoCluster};
use portolan_control::{ClusterHost, HostError, ServerSettings, server_settings};
use portolan_model::{ClusterId, ClusterKind, ClusterState};
use portolan_runtime::Runtime;
use portolan_security::address::AddressPolicy;
use portolan_security::{IpNet, SecretString};
use portolan_store::clusters::{self, StoredCluster};
use portolan_store::endpoints::{self, Endpoint, EndpointRole};
use portolan_store::{Store, StoreError};
use portolan_wire::Backend;
use rustls::ServerConfig;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Endpoints};
use crate::locations::Locations;
use accounts::Internal;
use cache_share::CacheShare;
use listeners::Listener;
use query_log::QueryLog;

/// What the host's own reads and writes of the control state are allowed by.
pub(crate) static SYSTEM: Authorized<Instance> = Authorized::system("host");

/// Runs and reaches clusters and endpoints. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    dir: std::path::PathBuf,
    /// Id of the folder; `None`: this process hosts no sandbox clusters.
    home: Option<String>,
    settings: Endpoints,
    tls: Option<Arc<ServerConfig>>,
    /// The same certificate, for clusters that refuse TLS before 1.3.
    tls13: Option<Arc<ServerConfig>>,
    connections_max: usize,
    store: Store,
    locations: Locations,
    allowed_networks: Vec<IpNet>,
    sandbox_test_commands: bool,
    cache: CacheShare,
    http_port: u16,
    runtime: Runtime,
    internal: Internal,
    query_log: Arc<QueryLog>,
    worker: OnceLock<Worker>,
    stop: CancellationToken,
    sandboxes: Mutex<HashMap<ClusterId, RunningSandbox>>,
    endpoints: Mutex<HashMap<(ClusterId, EndpointRole), Listener>>,
    connections: Mutex<HashMap<ClusterId, Arc<dyn Cluster>>>,
    tables: Mutex<HashMap<String, portolan_lake::Table>>,
}

struct RunningSandbox {
    sandbox: Arc<portolan_sandbox::Sandbox>,
    listener: Listener,
    /// Plain, on loopback, for this process alone: it must not depend on the certificate's names.
    internal: Listener,
    /// What the listener serves.
    backend: Arc<dyn Backend>,
    tuning: Arc<portolan_sandbox::Tuning>,
    settings: ServerSettings,
}

impl Host {
    /// A host that runs nothing yet.
    pub(crate) fn new(
        config: &Config,
        store: Store,
        locations: Locations,
        runtime: Runtime,
        stop: CancellationToken,
        http_port: u16,
    ) -> Result<Self> {
        let home = homes::id_of(&config.dir, &runtime)?;
        Self::with_home(Some(home), config, store, locations, runtime, stop, http_port)
    }

    /// A host for a worker: it has no folder, and only reaches clusters and tables that lie elsewhere.
    pub(crate) fn without_home(
        config: &Config,
        store: Store,
        locations: Locations,
        runtime: Runtime,
        stop: CancellationToken,
    ) -> Result<Self> {
        let port = config.server.listen.port();
        Self::with_home(None, config, store, locations, runtime, stop, port)
    }

    fn with_home(
        home: Option<String>,
        config: &Config,
        store: Store,
        locations: Locations,
        runtime: Runtime,
        stop: CancellationToken,
        http_port: u16,
    ) -> Result<Self> {
        let settings = config.endpoints.clone();
        let tls = settings.tls.as_ref().map(crate::tls::server_config).transpose()?;
        let tls13 = settings.tls.as_ref().map(crate::tls::server_config_tls13).transpose()?;
        let internal = Internal::new(&runtime)?;
        let inner = Inner {
            dir: config.dir.clone(),
            home,
            settings,
            tls,
            tls13,
            connections_max: config.limits.connections_max,
            store,
            locations,
            allowed_networks: config.clusters.allowed_networks.clone(),
            sandbox_test_commands: config.clusters.sandbox_test_commands,
            cache: CacheShare::new(config.clusters.sandbox_cache_bytes),
            http_port,
            runtime,
            internal,
            query_log: QueryLog::new(),
            worker: OnceLock::new(),
            stop,
            sandboxes: Mutex::default(),
            endpoints: Mutex::default(),
            connections: Mutex::default(),
            tables: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Starts every sandbox cluster that is not paused and every endpoint that the control state knows. A
    /// cluster whose file cannot be trusted stays down, and the log says why.
    /// A cluster whose creation or removal was cut short is left to `control`, which finishes both.
    pub(crate) async fn start_all(&self) -> Result<()> {
        let stored: Vec<_> = self.stored_clusters().await?.into_iter().filter(is_ready).collect();
        let is_sandbox = |one: &&StoredCluster| {
            !one.life.paused && matches!(one.cluster.kind, ClusterKind::Sandbox { .. })
        };
        self.inner.cache.expect(stored.iter().filter(is_sandbox).count());
        for stored in stored {
            let cluster = &stored.cluster;
            let what = || format!("cluster {}", cluster.name);
            if !stored.life.paused {
                let settings = server_settings(&stored);
                match ClusterHost::start_sandbox(self, cluster, &settings).await {
                    // One damaged file does not keep the other clusters down.
                    Err(HostError::Refused(reason)) => {
                        tracing::error!(cluster = cluster.name, reason, "a cluster stays down");
                    }
                    started => drop(started.with_context(what)?),
                }
            }
            self.start_endpoints(cluster.id).await.with_context(what)?;
        }
        Ok(())
    }

    async fn stored_clusters(&self) -> Result<Vec<StoredCluster>, StoreError> {
        self.inner
            .store
            .read_tx("host.clusters", |tx| Box::pin(clusters::list_all(tx, &SYSTEM)))
            .await
    }

    async fn stored_cluster(&self, id: ClusterId) -> Result<Option<StoredCluster>, StoreError> {
        self.inner
            .store
            .read_tx("host.cluster", move |tx| Box::pin(clusters::fetch(tx, &SYSTEM, id)))
            .await
    }

    /// Opens the listeners of a cluster's read endpoints that are not open yet.
    async fn start_endpoints(&self, id: ClusterId) -> Result<()> {
        let assigned: Vec<Endpoint> = self
            .inner
            .store
            .read_tx("host.endpoints", move |tx| Box::pin(endpoints::of_cluster(tx, &SYSTEM, id)))
            .await?;
        let mut open = self.inner.endpoints.lock().await;
        for endpoint in assigned {
            let key = (id, endpoint.role);
            if endpoint.role == EndpointRole::Cluster || open.contains_key(&key) {
                continue;
            }
            open.insert(key, self.listen_endpoint(endpoint).await?);
        }
        Ok(())
    }

    async fn stop_endpoints(&self, id: ClusterId) {
        let mut open = self.inner.endpoints.lock().await;
        for role in EndpointRole::ALL {
            if let Some(mut listener) = open.remove(&(id, role)) {
                listener.stop().await;
            }
        }
    }

    /// A connection to a cluster, kept until the cluster is removed.
    pub(crate) async fn connection(&self, id: ClusterId) -> Result<Arc<dyn Cluster>> {
        let mut connections = self.inner.connections.lock().await;
        if let Some(known) = connections.get(&id) {
            return Ok(known.clone());
        }
        let stored = self.stored_cluster(id).await?.context("the cluster is gone")?;
        let cluster: Arc<dyn Cluster> = Arc::new(self.dial(&stored).await?);
        connections.insert(id, cluster.clone());
        Ok(cluster)
    }

    /// Sandbox clusters are dialled on the loopback port that only this process knows, under the account
    /// that only this process knows; attached ones as their connection string says.
    async fn dial(&self, stored: &StoredCluster) -> Result<MongoCluster> {
        let (inner, id) = (&self.inner, stored.cluster.id);
        if let ClusterKind::Sandbox { .. } = stored.cluster.kind {
            let port =
                self.internal_port(id).await.context("the cluster is paused or not running")?;
            let policy = AddressPolicy::new(AddressPolicy::loopback_networks(), Vec::new());
            let uri = self.internal_uri(port);
            return Ok(MongoCluster::connect(&uri, &policy, &inner.runtime).await?);
        }
        let uri = inner
            .store
            .read_tx("host.uri", move |tx| Box::pin(clusters::uri(tx, &SYSTEM, id)))
            .await?
            .context("the cluster has no connection string")?;
        Ok(MongoCluster::connect(&uri, &self.policy().await?, &inner.runtime).await?)
    }

    /// Which addresses may be dialled for users: what the configuration allows, and never a port of this
    /// instance itself.
    async fn policy(&self) -> Result<AddressPolicy, StoreError> {
        let inner = &self.inner;
        let given: Vec<Endpoint> = inner
            .store
            .read_tx("host.ports", |tx| Box::pin(endpoints::list_all(tx, &SYSTEM)))
            .await?;
        let own = given.iter().map(|endpoint| endpoint.port).chain([inner.http_port]);
        let own_ports = own.map(|port| port..=port).collect();
        Ok(AddressPolicy::new(inner.allowed_networks.clone(), own_ports))
    }

    /// Whether a cluster is paused; `false` when nothing is known of it.
    pub(crate) async fn is_paused(&self, id: ClusterId) -> bool {
        let stored = self.stored_cluster(id).await;
        stored.is_ok_and(|stored| stored.is_some_and(|stored| stored.life.paused))
    }

    async fn internal_port(&self, id: ClusterId) -> Option<u16> {
        self.inner.sandboxes.lock().await.get(&id).map(|running| running.internal.port())
    }

    fn internal_uri(&self, port: u16) -> SecretString {
        let account = &self.inner.internal;
        SecretString::new(format!(
            "mongodb://{}:{}@127.0.0.1:{port}/?directConnection=true&authSource=admin",
            account.name(),
            account.password().expose()
        ))
    }

    /// Whom to wake when there is new work for the archiver.
    pub(crate) fn set_worker(&self, worker: Worker) {
        // A host gets one worker, at start.
        self.inner.worker.set(worker).ok();
    }

    /// Registers what the host counts.
    pub(crate) fn register_metrics(&self, registry: &mut prometheus_client::registry::Registry) {
        self.inner.query_log.register(registry);
    }

    /// Writes the query log until it is told to stop. To be spawned once.
    pub(crate) async fn write_query_log(self, stop: CancellationToken) {
        let inner = &self.inner;
        inner.query_log.clone().serve(inner.store.clone(), stop).await;
    }

    /// Closes every listener and every store.
    pub(crate) async fn stop(&self) {
        let endpoints: Vec<Listener> =
            self.inner.endpoints.lock().await.drain().map(|(_, listener)| listener).collect();
        for mut listener in endpoints {
            listener.stop().await;
        }
        self.inner.connections.lock().await.clear();
        let sandboxes: Vec<RunningSandbox> =
            self.inner.sandboxes.lock().await.drain().map(|(_, sandbox)| sandbox).collect();
        for running in sandboxes {
            running.stop().await;
        }
    }
}

/// Whether a cluster exists and is to stay: neither its creation nor its removal is under way.
fn is_ready(stored: &StoredCluster) -> bool {
    matches!(stored.cluster.state, ClusterState::Idle | ClusterState::Updating)
}

impl RunningSandbox {
    async fn stop(mut self) {
        self.listener.stop().await;
        self.internal.stop().await;
        if let Err(error) = self.sandbox.close().await {
            tracing::error!(%error, "a sandbox cluster did not close cleanly");
        }
    }
}
