//! `portolan storage …`: what can be asked about storage locations without an instance.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use portolan_runtime::Runtime;

use crate::cli::{StorageCommand, StorageTest};
use crate::locations::Locations;
use crate::serve::load;

/// Runs one of the commands.
pub(crate) async fn run(command: StorageCommand, runtime: Runtime) -> Result<()> {
    match command {
        StorageCommand::Test(arguments) => test(&arguments, &runtime).await,
    }
}

/// Probes every location, or the one that is named, and says a line about each.
async fn test(arguments: &StorageTest, runtime: &Runtime) -> Result<()> {
    let config = load(&arguments.config)?;
    let locations = Locations::open(&config)?;
    let wanted = |name: &str| arguments.location.as_ref().is_none_or(|wanted| wanted == name);
    let named: Vec<_> = locations.names().filter(|(name, _)| wanted(name)).collect();
    let missing = || format!("no storage location is named {:?}", arguments.location);
    named.first().with_context(missing)?;
    let (mut out, mut unfit) = (std::io::stdout(), 0);
    for (name, url) in named {
        match locations.probe_one(name, runtime).await {
            Ok(fitness) => {
                let (took_ms, ahead_ms) = (fitness.took_ms, fitness.clock_ahead_ms);
                writeln!(out, "{name}: {url} is fit ({took_ms} ms, clock {ahead_ms} ms ahead)")?;
            }
            Err(error) => {
                unfit += 1;
                writeln!(out, "{name}: {url}: {error:#}")?;
            }
        }
    }
    ensure!(unfit == 0, "{unfit} storage locations are not fit for archives");
    Ok(())
}
