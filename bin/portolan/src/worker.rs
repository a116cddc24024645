//! `portolan worker`: archive runs without listeners, beside replicas of `serve` on one PostgreSQL. It
//! works on attached clusters; sandbox clusters live in the process that hosts them.

use anyhow::{Result, ensure};
use portolan_archiver::ArchiverMetrics;
use portolan_runtime::Runtime;
use portolan_store::Dialect;

use crate::cli::Worker;
use crate::host::Host;
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
    let stop = signals::stop_requested(&runtime);
    let store = instance::open_store(&config, &runtime).await?;
    keys::watch(&config, &store, &runtime, &stop);
    let locations = Locations::open(&config)?;
    locations.probe(&runtime).await?;
    let host =
        Host::without_home(&config, store.clone(), locations, runtime.clone(), stop.clone())?;
    // A worker has no listener to show metrics on; `/metrics` of a replica that serves counts all archives.
    let metrics = ArchiverMetrics::default();
    let archiver = instance::start_archiver(&config, &store, &host, metrics, &stop).await?;
    tracing::info!("the worker is up");
    stop.cancelled().await;
    if let Err(error) = archiver.await {
        tracing::error!(%error, "the archiver ended badly");
    }
    host.stop().await;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}
