//! Storage locations: which one serves a region, and the tables in them by URI.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use portolan_lake::{Fitness, Location};
use portolan_model::{ArchiveId, DataProcessRegion};
use portolan_runtime::Runtime;

use crate::config::{Config, Storage};
use crate::instance::CLOCK_AHEAD;

/// What to do about a region that nobody serves.
const NAME_IT: &str =
    "name it in the regions of a [[storage]] section, or leave one without regions";

/// The locations of an instance. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Locations {
    by_name: Arc<BTreeMap<String, Entry>>,
}

struct Entry {
    location: Location,
    regions: Vec<String>,
}

impl Locations {
    /// Opens every configured location; without any, the folder `archives` of the instance.
    pub(crate) fn open(config: &Config) -> Result<Self> {
        let archives = std::path::absolute(config.dir.join("archives"))?;
        let default = [Storage::of_folder(&archives)];
        let configured = if config.storage.is_empty() { &default[..] } else { &config.storage[..] };
        let mut by_name = BTreeMap::new();
        for storage in configured {
            let entry = Entry { location: open(storage)?, regions: storage.regions.clone() };
            by_name.insert(storage.name.clone(), entry);
        }
        let locations = Self { by_name: Arc::new(by_name) };
        locations.check_apart()?;
        Ok(locations)
    }

    /// Refuses locations that lie in one another: a table would belong to both.
    fn check_apart(&self) -> Result<()> {
        let all: Vec<_> = self.by_name.iter().collect();
        for (index, (name, entry)) in all.iter().enumerate() {
            for (other, inner) in &all[index + 1..] {
                ensure!(
                    !entry.location.overlaps(&inner.location),
                    "the storage locations {name} and {other} lie in one another"
                );
            }
        }
        Ok(())
    }

    /// Checks every location: reachable, writable, and refusing to create an object twice. Commits to
    /// a table rest on that refusal.
    pub(crate) async fn probe(&self, runtime: &Runtime) -> Result<()> {
        for name in self.by_name.keys() {
            let fitness = self.probe_one(name, runtime).await?;
            tracing::info!(name, took_ms = fitness.took_ms, "the storage location is fit");
        }
        Ok(())
    }

    /// Checks one location.
    pub(crate) async fn probe_one(&self, name: &str, runtime: &Runtime) -> Result<Fitness> {
        let entry = self.by_name.get(name);
        let entry = entry.with_context(|| format!("no storage location is named {name}"))?;
        let probed = entry.location.probe(runtime).await;
        probed.with_context(|| format!("storage {name} is not fit for archives"))
    }

    /// The names of all locations, with their URLs.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, String)> {
        self.by_name.iter().map(|(name, entry)| (name.as_str(), entry.location.table_uri("")))
    }

    /// The URI of a new archive's table, in the location that names the region, else in one that
    /// names none.
    pub(crate) fn table_uri(
        &self,
        archive: ArchiveId,
        region: &DataProcessRegion,
    ) -> Result<String> {
        let label = format!("{}/{}", region.provider, region.region);
        let named = self.by_name.values().find(|entry| entry.regions.contains(&label));
        let entry = named.or_else(|| self.by_name.values().find(|entry| entry.regions.is_empty()));
        let entry =
            entry.with_context(|| format!("no storage location serves {label}: {NAME_IT}"))?;
        Ok(entry.location.table_uri(&archive.to_string()))
    }

    /// The location that holds a table.
    pub(crate) fn of(&self, table_uri: &str) -> Result<&Location> {
        let holds = |entry: &&Entry| entry.location.holds(table_uri);
        match self.by_name.values().find(holds) {
            Some(entry) => Ok(&entry.location),
            None => bail!("no storage location holds {table_uri}; configure it again"),
        }
    }
}

fn open(storage: &Storage) -> Result<Location> {
    let opened = match storage.as_folder() {
        Some(path) => Location::folder(path).map(on_our_clock).map_err(Into::into),
        None => storage.remote().and_then(|remote| Ok(Location::remote(&remote)?)),
    };
    opened.with_context(|| format!("storage {}", storage.name))
}

/// A process whose clock is ahead takes folders along: their clock would refuse it.
fn on_our_clock(folder: Location) -> Location {
    match std::env::var_os(CLOCK_AHEAD) {
        Some(_) => folder.on_runtime_clock(),
        None => folder,
    }
}

#[cfg(test)]
mod tests;
