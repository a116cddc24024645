//! `portolan check-config`: a look at everything that a start would need, before it is needed. Nothing
//! is started, made or changed.

use std::fmt::Display;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result, ensure};
use portolan_lake::Location;
use portolan_runtime::Runtime;
use portolan_store::endpoints::{self, Endpoint};
use portolan_store::{Store, StoreError, newest_schema, version_of};

use crate::cli::CheckConfig;
use crate::config::Config;
use crate::host::SYSTEM;
use crate::serve::load;
use crate::{instance, keys, lock, tls};

/// Checks, and says what it found. The first thing that would stop a start is the error.
pub(crate) async fn check_config(arguments: &CheckConfig, runtime: Runtime) -> Result<()> {
    let config = load(&arguments.config)?;
    for tls in [&config.server.tls, &config.endpoints.tls].into_iter().flatten() {
        tls::server_config(tls)?;
    }
    check_folders(&config)?;
    check_stores(&config)?;
    let ports = check_state(&config, &runtime).await?;
    let running = lock::holder(&config.dir);
    match &running {
        Some(pid) => say(format_args!("the folder is in use by a running process (pid {pid})"))?,
        None => check_ports(&config, &ports)?,
    }
    say(format_args!("{} is sound", arguments.config.display()))
}

fn check_folders(config: &Config) -> Result<()> {
    let storage = config.storage.iter().filter_map(|storage| {
        storage.as_folder().map(|folder| (format!("storage {}", storage.name), folder))
    });
    for (what, folder) in storage.chain([("dir".to_owned(), config.dir.as_path())]) {
        if !folder.exists() {
            say(format_args!("{what}: {} will be made", folder.display()))?;
            continue;
        }
        ensure!(folder.is_dir(), "{what}: {} is not a folder", folder.display());
        let probe = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK);
        probe.with_context(|| format!("{what}: {} cannot be written", folder.display()))?;
    }
    Ok(())
}

/// Settings and secrets of object stores. They are not dialled: that writes objects.
fn check_stores(config: &Config) -> Result<()> {
    for storage in config.storage.iter().filter(|storage| storage.as_folder().is_none()) {
        let opened = storage.remote().and_then(|remote| Ok(Location::remote(&remote)?));
        opened.with_context(|| format!("storage {}", storage.name))?;
        let name = &storage.name;
        say(format_args!("storage {name}: `portolan storage test {name}` asks the server itself"))?;
    }
    Ok(())
}

/// The schema and the master key; the ports that were given away.
async fn check_state(config: &Config, runtime: &Runtime) -> Result<Vec<Endpoint>> {
    let (url, key, newest) = (config.state_url()?, keys::path(config), newest_schema());
    let found = version_of(&url, runtime).await.context("state.url")?;
    let Some(found) = found else {
        if key.exists() {
            keys::read(&key)?;
        }
        say("the control state is empty: the first start makes it")?;
        return Ok(Vec::new());
    };
    ensure!(
        found <= newest,
        "the control state has schema version {found}; this Portolan knows {newest} at most"
    );
    ensure!(
        key.exists(),
        "the master key {} is missing, but there is control state sealed with it",
        key.display()
    );
    let ring = keys::read(&key)?;
    if found < newest {
        say(format_args!(
            "the control state has schema version {found}: the next start upgrades it to {newest}; \
             take a backup with the program that wrote it first"
        ))?;
        return Ok(Vec::new());
    }
    let store = Store::open_as_is(&url, ring, runtime.clone()).await.context("state.url")?;
    let secrets = store.check_secrets().await;
    let ports = store
        .read_tx::<_, StoreError, _>("check.ports", |tx| Box::pin(endpoints::list_all(tx, &SYSTEM)))
        .await;
    store.close().await;
    let secrets = secrets.with_context(|| instance::other_key(&key))?;
    say(format_args!("the control state has schema version {found}; its {secrets} secrets open"))?;
    Ok(ports?)
}

fn check_ports(config: &Config, given: &[Endpoint]) -> Result<()> {
    let (bind, listen) = (config.endpoints.bind, config.server.listen);
    let endpoints = given.iter().map(|endpoint| SocketAddr::new(bind, endpoint.port));
    for address in std::iter::once(listen).chain(config.worker.listen).chain(endpoints) {
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    }
    Ok(())
}

fn say(line: impl Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
