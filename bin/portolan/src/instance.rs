//! One running instance: control state, clusters, endpoints, archiver and HTTP listener, started in
//! the order in which they need each other and stopped in reverse.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use ipnet::IpNet;
use portolan_admin_api::{ApiMetrics, ApiSettings, ApiState, ControlPlaneAddresses};
use portolan_archiver::{ArchiverMetrics, ArchiverOptions, Worker};
use portolan_control::{Control, Founding};
use portolan_lake::CompactionRule;
use portolan_model::Limits;
use portolan_runtime::{FaultPlan, Runtime};
use portolan_store::{Dialect, Store, StoreError};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};
use crate::host::Host;
use crate::http::HttpLimits;
use crate::locations::Locations;
use crate::lock::FolderLock;
use crate::{audit, http, keys, tls};

/// Distance between two descriptions that a linked organization gets of ours.
const LINK_SYNC_MS: u64 = 5 * 60 * 1_000;

/// A running instance.
pub(crate) struct Instance {
    base_url: String,
    runtime: Runtime,
    control: Control,
    api: ApiState,
    host: Host,
    stop: CancellationToken,
    /// Ends before everything else: it uses the rest.
    archiver: JoinHandle<()>,
    http: JoinHandle<()>,
    /// Ends after the listeners: their last queries are written, too.
    query_log: (JoinHandle<()>, CancellationToken),
    _lock: FolderLock,
}

/// The keys of a new organization, as text.
pub(crate) struct Founded {
    pub(crate) org_id: String,
    pub(crate) public_key: String,
    pub(crate) private_key: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

impl Instance {
    /// Starts everything.
    ///
    /// `listener` was bound, and its folder locked, by the caller: in that order, so that a port in
    /// use leaves no folder behind.
    pub(crate) async fn start(
        config: Config,
        listener: TcpListener,
        lock: FolderLock,
        runtime: Runtime,
    ) -> Result<Self> {
        tls::install_provider();
        let runtime = with_faults(&runtime)?;
        let base_url = base_url(&config, &listener)?;
        let http_port = listener.local_addr()?.port();
        // Before anything is written: a wrong certificate must leave nothing behind.
        let tls = config.server.tls.as_ref().map(tls::server_config).transpose()?;
        let stop = CancellationToken::new();
        let store = open_store(&config, &runtime).await?;
        if lies_in_folder(&config)? {
            // The folder's lock is ours: nobody else writes.
            store.remember_reads().await.context("the control state")?;
        }
        let locations = Locations::open(&config)?;
        locations.probe(&runtime).await?;
        keys::watch(&config, &store, &runtime, &stop);
        let host =
            Host::new(&config, store.clone(), locations, runtime.clone(), stop.clone(), http_port)?;
        host.start_all().await?;
        if store.dialect() == Dialect::Postgres {
            let follower = host.clone();
            runtime.spawn("follow", async move { follower.follow().await });
        }
        let control = control(&store, &runtime, &host, &base_url);
        control.resume_clusters().await?;
        let nonce_key = nonce_key(&store).await?;
        let mut registry = Registry::default();
        let metrics = ArchiverMetrics::register(&mut registry);
        host.register_metrics(&mut registry);
        let api = api(&config, &control, nonce_key, registry);
        let router = portolan_admin_api::router(api.clone());
        let limits = HttpLimits::of(&config.limits);
        let trusted_proxies = config.server.trusted_proxies.clone();
        let server =
            http::Server { router, tls, limits, trusted_proxies, runtime: runtime.clone() };
        let serving = server.serve(listener, stop.clone());
        let http = runtime.spawn("http", serving);
        runtime.spawn("live exports", sync_live_exports(control.clone(), stop.clone()));
        if let Some(kept_ms) = audit::kept_ms(&config.audit) {
            runtime.spawn("audit", audit::keep_short(store.clone(), kept_ms, stop.clone()));
        }
        let query_log_stop = CancellationToken::new();
        let writing = host.clone().write_query_log(query_log_stop.clone());
        let query_log = (runtime.spawn("query log", writing), query_log_stop);
        let archiver = start_archiver(&config, &store, &host, metrics, &stop).await?;
        tracing::info!(%base_url, dir = %config.dir.display(), "the instance is up");
        Ok(Self {
            base_url,
            runtime,
            control,
            api,
            host,
            stop,
            archiver,
            http,
            query_log,
            _lock: lock,
        })
    }

    /// The URL that clients use.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Its time and randomness.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Makes the first organization.
    pub(crate) async fn bootstrap(&self, org: &str, user: &str) -> Result<Founded> {
        bootstrap(&self.control, org, user).await
    }

    /// Stops in reverse order: a run under way hands its work back, requests end, stores close.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for (name, task) in [("archiver", self.archiver), ("http", self.http)] {
            if let Err(error) = task.await {
                tracing::error!(name, %error, "a part of the instance ended badly");
            }
        }
        if let Err(error) = self.api.flush_usage().await {
            tracing::warn!(%error, "uses of credentials were not recorded");
        }
        self.host.stop().await;
        let (writing, stop) = self.query_log;
        stop.cancel();
        if let Err(error) = writing.await {
            tracing::error!(%error, "the query log ended badly");
        }
        self.control.store.close().await;
    }
}

/// Opens the control state, and the key ring that seals its secrets.
pub(crate) async fn open_store(config: &Config, runtime: &Runtime) -> Result<Store> {
    let url = config.state_url()?;
    let found = portolan_store::version_of(&url, runtime).await.context("the control state")?;
    let file_exists = sqlite_file(&url).is_some_and(|file| file.exists());
    let keys = keys::open(config, found.is_some() || file_exists, runtime)?;
    let store = Store::open(&url, keys, runtime.clone()).await.context("the control state")?;
    // One secret tells: replicas that were given different keys must not both seal.
    let nonce = nonce_key(&store).await;
    nonce.with_context(|| other_key(&keys::path(config)))?;
    Ok(store)
}

/// Whether the control state is a file in the folder of the instance, which one process holds.
fn lies_in_folder(config: &Config) -> Result<bool> {
    let file = sqlite_file(&config.state_url()?);
    let folder =
        file.as_deref().and_then(std::path::Path::parent).map(std::path::Path::canonicalize);
    Ok(matches!((folder, config.dir.canonicalize()), (Some(Ok(there)), Ok(here)) if there == here))
}

/// The file of a SQLite URL.
pub(crate) fn sqlite_file(url: &str) -> Option<std::path::PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    Some(std::path::PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// What to say when secrets do not open.
pub(crate) fn other_key(path: &std::path::Path) -> String {
    format!(
        "the control state is sealed with another master key than {}: put the right one there \
         (replicas share one)",
        path.display()
    )
}

/// Makes the first organization of an instance.
pub(crate) async fn bootstrap(control: &Control, org: &str, user: &str) -> Result<Founded> {
    let founding = Founding { org_name: org.to_owned(), user_email: user.to_owned() };
    let made = control.bootstrap(&founding).await?;
    Ok(Founded {
        org_id: made.org_id.to_string(),
        public_key: made.public_key,
        private_key: made.private_key.expose().to_owned(),
        client_id: made.client_id.to_string(),
        client_secret: made.client_secret.expose().to_owned(),
    })
}

/// The use cases over a store and a host.
pub(crate) fn control(store: &Store, runtime: &Runtime, host: &Host, base_url: &str) -> Control {
    Control {
        store: store.clone(),
        runtime: runtime.clone(),
        limits: Arc::new(Limits::default()),
        clusters: Arc::new(host.clone()),
        archives: Arc::new(host.clone()),
        links: Arc::new(host.clone()),
        public_url: Arc::from(base_url),
        turns: portolan_control::Turns::default(),
    }
}

/// Signs the nonces of Digest challenges; kept in the store, so that replicas share it.
async fn nonce_key(store: &Store) -> Result<[u8; 32]> {
    let key = store
        .run_tx("instance.nonce_key", |tx| {
            Box::pin(portolan_store::instance::shared_secret(tx, "digest-nonce"))
        })
        .await
        .map_err(|error: StoreError| error)?;
    key.expose().try_into().context("the stored nonce key has another length")
}

fn api(
    config: &Config,
    control: &Control,
    nonce_key: [u8; 32],
    mut registry: Registry,
) -> ApiState {
    let metrics = ApiMetrics::register(&mut registry);
    let settings = ApiSettings {
        body_bytes_max: config.limits.body_bytes_max,
        body_timeout_ms: config.limits.http_body_timeout_ms,
        trusted_proxies: config.server.trusted_proxies.clone(),
        build: env!("PORTOLAN_COMMIT").to_owned(),
        rate_multiplier: config.limits.rate_multiplier,
        addresses: ControlPlaneAddresses {
            inbound: network_texts(&config.server.inbound_networks),
            outbound: network_texts(&config.server.outbound_networks),
        },
        ..ApiSettings::new(nonce_key)
    };
    ApiState::new(control.clone(), settings, metrics, Arc::new(registry))
}

fn network_texts(networks: &config::Networks) -> BTreeMap<String, Vec<String>> {
    let texts = |list: &Vec<IpNet>| list.iter().map(ToString::to_string).collect();
    networks.iter().map(|(label, list)| (label.clone(), texts(list))).collect()
}

/// Tells linked organizations elsewhere every few minutes what there is to migrate.
async fn sync_live_exports(control: Control, stop: CancellationToken) {
    let runtime = control.runtime.clone();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = runtime.sleep_ms(LINK_SYNC_MS) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = control.sync_live_exports() => {}
        }
    }
}

/// Starts the archiver's worker; the host is told whom to wake.
pub(crate) async fn start_archiver(
    config: &Config,
    store: &Store,
    host: &Host,
    metrics: ArchiverMetrics,
    stop: &CancellationToken,
) -> Result<JoinHandle<()>> {
    let runtime = store.runtime();
    let owner = store
        .run_tx("instance.id", |tx| Box::pin(portolan_store::instance::installation_id(tx)))
        .await
        .map_err(|error: StoreError| error)?;
    let exclusive = store.dialect() == Dialect::Sqlite;
    let options = archiver_options(&config.archiver, owner, exclusive)?;
    let worker = Worker::new(store.clone(), Arc::new(host.clone()), options, metrics, runtime);
    host.set_worker(worker.clone());
    let stop = stop.clone();
    Ok(runtime.spawn("archiver", async move { worker.serve(stop).await }))
}

/// `exclusive`: nobody else can work on a control database that lies in a folder of one process.
fn archiver_options(
    config: &config::Archiver,
    owner: String,
    exclusive: bool,
) -> Result<ArchiverOptions> {
    let usual = ArchiverOptions::default();
    let compaction = CompactionRule {
        // No month has so many files.
        files_min: match config.compaction_files_min {
            0 => usize::MAX,
            files_min => files_min,
        },
        large_bytes: config.compaction_file_bytes_max,
        raw_bytes_max: config.compaction_memory_bytes_max,
        ..usual.compaction
    };
    Ok(ArchiverOptions {
        owner,
        holder: format!("portolan {}", std::process::id()),
        exclusive,
        interval_ms: ms(config.interval_ms),
        interval_max_ms: ms(config.interval_max_ms),
        move_bytes_max: config.move_bytes_max,
        bytes_min: config.run_bytes_min,
        purge_after_ms: ms(config.deleted_grace_ms),
        lease_ttl_ms: config.lease_ttl_ms,
        batch_documents_max: config.batch_documents_max,
        batch_bytes_max: config.batch_bytes_max,
        load: config.load()?,
        prices: config.prices(),
        expire_while_paused: config.expire_while_paused,
        upkeep_interval_ms: ms(config.upkeep_interval_ms),
        compaction,
        ..usual
    })
}

fn ms(config: u64) -> i64 {
    i64::try_from(config).unwrap_or(i64::MAX)
}

/// Names milliseconds by which this process believes to be later, for tests of what takes days.
pub(crate) const CLOCK_AHEAD: &str = "PORTOLAN_CLOCK_AHEAD_MS";

/// Faults and another time come from the environment alone: nobody sets them by accident in a file.
pub(crate) fn with_faults(runtime: &Runtime) -> Result<Runtime> {
    let runtime = &match std::env::var(CLOCK_AHEAD) {
        Ok(text) => {
            tracing::warn!(ahead_ms = text, "the clock of this process is ahead on purpose");
            runtime.ahead(text.parse().context(CLOCK_AHEAD)?)
        }
        Err(_) => runtime.clone(),
    };
    let Ok(plan) = std::env::var("PORTOLAN_FAULTS") else { return Ok(runtime.clone()) };
    let plan = FaultPlan::parse(&plan).context("PORTOLAN_FAULTS")?;
    tracing::warn!("PORTOLAN_FAULTS is set: this process will fail on purpose");
    Ok(runtime.with_faults(plan))
}

fn base_url(config: &Config, listener: &TcpListener) -> Result<String> {
    if let Some(url) = &config.server.public_url {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{}", listener.local_addr()?))
}
