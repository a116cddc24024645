//! `portolan worker`: archive runs without endpoints or API, beside replicas of `serve` on one PostgreSQL.
//! It works on attached clusters; sandbox clusters live in the process that hosts them. What it counted is
//! shown on a listener of its own (`worker.listen`), since no other process knows it.

use std::sync::Arc;

use anyhow::{Result, ensure};
use portolan_archiver::ArchiverMetrics;
use portolan_runtime::Runtime;
use portolan_store::Dialect;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::Worker;
use crate::config::Config;
use crate::host::Host;
use crate::http::{self, HttpLimits};
use crate::locations::Locations;
use crate::{instance, keys, serve, signals, tls};

/// Works until it is told to stop.
pub(crate) async fn run(arguments: Worker, runtime: Runtime) -> Result<()> {
    let config = serve::load(&arguments.config)?;
    ensure!(
        Dialect::of_url(&config.state_url()?)? == Dialect::Postgres,
        "a worker needs state.url on PostgreSQL: an instance on SQLite works in its own process"
    );
    tls::install_provider();
    let runtime = instance::with_faults(&runtime)?;
    let listener = listener(&config).await?;
    let stop = signals::stop_requested(&runtime);
    let store = instance::open_store(&config, &runtime).await?;
    keys::watch(&config, &store, &runtime, &stop);
    let locations = Locations::open(&config)?;
    locations.probe(&runtime).await?;
    let host =
        Host::without_home(&config, store.clone(), locations, runtime.clone(), stop.clone())?;
    let mut registry = Registry::default();
    let metrics = ArchiverMetrics::register(&mut registry);
    let shown = listener.map(|listener| show(&config, listener, registry, &runtime, &stop));
    let shown = shown.transpose()?;
    let archiver = instance::start_archiver(&config, &store, &host, metrics, &stop).await?;
    tracing::info!("the worker is up");
    stop.cancelled().await;
    if let Err(error) = archiver.await {
        tracing::error!(%error, "the archiver ended badly");
    }
    if let Some(Err(error)) = futures::future::OptionFuture::from(shown).await {
        tracing::error!(%error, "the listener ended badly");
    }
    host.stop().await;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn listener(config: &Config) -> Result<Option<TcpListener>> {
    match config.worker.listen {
        Some(address) => http::bind(address, "worker.listen").await.map(Some),
        None => Ok(None),
    }
}

/// Shows the metrics until `stop`.
fn show(
    config: &Config,
    listener: TcpListener,
    registry: Registry,
    runtime: &Runtime,
    stop: &CancellationToken,
) -> Result<JoinHandle<()>> {
    let server = http::Server {
        router: portolan_admin_api::metrics_router(Arc::new(registry)),
        tls: config.server.tls.as_ref().map(tls::server_config).transpose()?,
        limits: HttpLimits::of(&config.limits),
        trusted_proxies: Vec::new(),
        runtime: runtime.clone(),
    };
    tracing::info!(address = %listener.local_addr()?, "the worker's metrics are shown");
    Ok(runtime.spawn("metrics", server.serve(listener, stop.clone())))
}
