//! `portolan serve` and `bootstrap`: the commands that start from a configuration file.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use portolan_runtime::Runtime;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::{Bootstrap, Serve};
use crate::config::Config;
use crate::host::Host;
use crate::instance::{self, Instance};
use crate::locations::Locations;
use crate::{http, lock, logging, signals, tls};

/// Runs an instance until it is told to stop.
pub(crate) async fn serve(arguments: Serve, runtime: Runtime) -> Result<()> {
    let environment = std::env::vars();
    let mut extra = Vec::new();
    if arguments.insecure {
        extra.push(("PORTOLAN__SERVER__INSECURE".to_owned(), "true".to_owned()));
    }
    let config = Config::load(Some(&arguments.config), environment.chain(extra))?;
    logging::start(&config.log)?;
    let listener = http::bind(config.server.listen, "server.listen").await?;
    let lock = lock::take(&config.dir)?;
    let stop = signals::stop_requested(&runtime);
    let instance = Instance::start(config, listener, lock, runtime).await?;
    stop.cancelled().await;
    instance.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Makes the first organization and prints its keys, once.
pub(crate) async fn bootstrap(arguments: Bootstrap, runtime: Runtime) -> Result<()> {
    let config = load(&arguments.config)?;
    let _lock = lock::take(&config.dir)?;
    tls::install_provider();
    let store = instance::open_store(&config, &runtime).await?;
    let stop = CancellationToken::new();
    let locations = Locations::open(&config)?;
    let host = Host::new(
        &config,
        store.clone(),
        locations,
        runtime.clone(),
        stop,
        config.server.listen.port(),
    )?;
    let control = instance::control(&store, &runtime, &host, "");
    let founded = instance::bootstrap(&control, &arguments.org, &arguments.user).await;
    store.close().await;
    let founded = founded?;
    let shown = json!({
        "orgId": founded.org_id,
        "publicKey": founded.public_key,
        "privateKey": founded.private_key,
        "clientId": founded.client_id,
        "clientSecret": founded.client_secret,
    });
    writeln!(std::io::stdout(), "{shown:#}")?;
    Ok(())
}

/// Reads a configuration file and starts logging.
pub(crate) fn load(file: &Path) -> Result<Config> {
    let config = Config::load(Some(file), std::env::vars())?;
    logging::start(&config.log).context("log")?;
    Ok(config)
}
