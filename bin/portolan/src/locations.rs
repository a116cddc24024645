//! Storage locations: which one serves a region, and the tables in them by URI.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use portolan_lake::Location;
use portolan_model::{ArchiveId, DataProcessRegion};
use portolan_runtime::Runtime;

use crate::config::{Config, Storage};

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
        let default = [Storage {
            name: "folder".to_owned(),
            url: format!("file://{}", archives.display()),
            regions: Vec::new(),
        }];
        let configured = if config.storage.is_empty() { &default[..] } else { &config.storage[..] };
        let mut by_name = BTreeMap::new();
        for storage in configured {
            let entry = Entry { location: open(storage)?, regions: storage.regions.clone() };
            by_name.insert(storage.name.clone(), entry);
        }
        Ok(Self { by_name: Arc::new(by_name) })
    }

    /// Checks every location: reachable, writable, and refusing to create an object twice. Commits to
    /// a table rest on that refusal.
    pub(crate) async fn probe(&self, runtime: &Runtime) -> Result<()> {
        for (name, entry) in self.by_name.iter() {
            let probed = entry.location.probe(runtime).await;
            probed.with_context(|| format!("storage {name} is not fit for archives"))?;
        }
        Ok(())
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
            entry.with_context(|| format!("no storage location serves the region {label}"))?;
        Ok(entry.location.table_uri(&archive.to_string()))
    }

    /// The location that holds a table.
    pub(crate) fn of(&self, table_uri: &str) -> Result<&Location> {
        let holds = |entry: &&Entry| {
            let prefix = entry.location.table_uri("");
            table_uri.starts_with(prefix.trim_end_matches('/'))
        };
        match self.by_name.values().find(holds) {
            Some(entry) => Ok(&entry.location),
            None => bail!("no storage location holds {table_uri}; configure it again"),
        }
    }
}

fn open(storage: &Storage) -> Result<Location> {
    let path = storage.url.strip_prefix("file://").with_context(|| {
        format!("storage {}: {} is not a file:/// folder", storage.name, storage.url)
    })?;
    Location::folder(path).with_context(|| format!("storage {}", storage.name))
}
