//! `portolan quickstart`: an instance on this machine, and the main job before one's eyes.
//!
//! Everything after the founding of the organization goes through the instance's own HTTP API and an
//! ordinary MongoDB driver, as a user's program would. Each step is written down in
//! `quickstart.progress.json`, so that a run that was stopped goes on where it was.

mod progress;
mod report;
pub(crate) mod sample;
mod steps;
mod summary;

use std::path::Path;

use anyhow::{Context, Result};
use portolan_runtime::Runtime;

use crate::cli::Quickstart;
use crate::config::{Config, Log, LogFormat, Storage};
use crate::instance::Instance;
use crate::{http, lock, logging, signals};
use progress::Progress;
use report::Say;
pub(crate) use summary::Summary;

/// Name of the file that says that the main job is done.
const SUMMARY_FILE: &str = "quickstart.json";

/// Runs the quickstart; returns when it is told to stop, or with `--once` when the main job is done.
pub(crate) async fn run(arguments: Quickstart, runtime: Runtime) -> Result<()> {
    let say = Say::new(arguments.quiet);
    logging::start(&Log { level: log_level(arguments.quiet), format: LogFormat::Text })?;
    let started_ms = runtime.boot_ms();
    let listener = http::bind(arguments.listen, "--listen").await?;
    let lock = lock::take(&arguments.dir)?;
    let config = configuration(&arguments)?;
    say.line(format_args!("Portolan {} in {}", env!("CARGO_PKG_VERSION"), config.dir.display()));
    let instance = Instance::start(config, listener, lock, runtime.clone()).await?;
    let stop = signals::stop_requested(&runtime);
    let result = tokio::select! {
        result = main_job(&arguments, &instance, &say) => result,
        () = stop.cancelled() => Ok(()),
    };
    if result.is_ok() && !stop.is_cancelled() {
        let seconds = runtime.boot_ms().saturating_sub(started_ms) / 1000;
        say.line(format_args!("\nThe main job was done {seconds} s after the start."));
        if !arguments.once {
            say.line(format_args!("Serving until Ctrl-C."));
            stop.cancelled().await;
        }
    }
    instance.stop().await;
    result
}

/// Does what is left to do, writes the summary, prints it.
async fn main_job(arguments: &Quickstart, instance: &Instance, say: &Say) -> Result<()> {
    let dir = &arguments.dir;
    let summary = match Summary::read(dir) {
        Ok(mut summary) => {
            say.line(format_args!(
                "This folder has done the main job before; starting from what is there."
            ));
            summary.base_url = instance.base_url().to_owned();
            summary
        }
        Err(_) => {
            let mut progress = Progress::open(dir)?;
            steps::run_all(instance, arguments.sample.as_deref(), &mut progress, say).await?
        }
    };
    summary.write(dir)?;
    Progress::forget(dir);
    report::print(say, &summary);
    Ok(())
}

fn log_level(quiet: bool) -> String {
    let default = if quiet { "error" } else { "warn" };
    std::env::var("PORTOLAN__LOG__LEVEL").unwrap_or_else(|_| default.to_owned())
}

/// SQLite and folders below `dir`; loopback and private networks may be dialled, so that a cluster on
/// the same machine can be attached.
fn configuration(arguments: &Quickstart) -> Result<Config> {
    let mut config = Config::load(None, std::env::vars())?;
    config.dir = absolute(&arguments.dir)?;
    config.server.listen = arguments.listen;
    if config.storage.is_empty() {
        config.storage = vec![Storage::of_folder(&config.dir.join("archives"))];
    }
    let networks =
        ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
    config.clusters.allowed_networks =
        networks.iter().filter_map(|network| network.parse().ok()).collect();
    config.check()?;
    Ok(config)
}

fn absolute(dir: &Path) -> Result<std::path::PathBuf> {
    std::fs::canonicalize(dir).with_context(|| format!("the folder {}", dir.display()))
}
