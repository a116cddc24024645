//! The log of a table in a simulated location: the same rules at a hundredth of the cost, so that tests
//! can play very many histories.
//!
//! An entry is an object that is put if absent, as in a Delta log, so that races, faults, ages and
//! clean-up are those of objects. What the entry says is not in the object but in the memory of the
//! process: the whole version as it left it. What admits a change is the crate's own code, the same for
//! both logs; the suites of tables run on both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, PutMode};
use portolan_runtime::Runtime;

use crate::cleanup::entry_number;
use crate::location::Location;
use crate::marker::{Marker, TXN_COMMITTED, TXN_CONFIRMED, TXN_FENCE};
use crate::{Change, LakeError, TableSpec, Version};

/// What the entries of all tables of a location say, by the name of the table and the entry's number.
pub(crate) type Histories = Mutex<HashMap<(String, u64), Arc<Entry>>>;

/// A log entry.
#[derive(Debug)]
pub(crate) struct Entry {
    marker: Marker,
    /// Paths of files that it added or removed.
    files: Vec<String>,
    version: Version,
}

/// The log of one simulated table.
pub(super) struct SimulatedLog {
    objects: Arc<dyn ObjectStore>,
    name: String,
    histories: Arc<Histories>,
}

impl SimulatedLog {
    pub(super) fn new(
        location: &Location,
        name: &str,
        histories: Arc<Histories>,
        runtime: &Runtime,
    ) -> Result<Self, LakeError> {
        let objects = Arc::new(PrefixStore::new(location.store(runtime)?, name));
        Ok(Self { objects, name: name.to_owned(), histories })
    }

    pub(super) fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }

    pub(super) async fn exists(&self) -> Result<bool, LakeError> {
        Ok(self.newest().await?.is_some())
    }

    async fn newest(&self) -> Result<Option<u64>, LakeError> {
        let log = Path::from("_delta_log");
        let entries: Vec<_> = self.objects.list(Some(&log)).try_collect().await?;
        Ok(entries.iter().filter_map(|meta| entry_number(meta.location.as_ref())).max())
    }

    pub(super) async fn create(&self, spec: &TableSpec, marker: Marker) -> Result<(), LakeError> {
        let version = Version {
            number: 0,
            fence: 0,
            fence_token: None,
            committed: 0,
            confirmed: 0,
            files: Vec::new(),
            config_version: spec.config_version,
            spec: TableSpec::from_properties(&spec.to_properties())?,
            foreign: None,
        };
        self.put(Entry { marker, files: Vec::new(), version }).await
    }

    /// Put-if-absent of an entry. Memory answers at once, so nobody sees it without its meaning.
    async fn put(&self, entry: Entry) -> Result<(), LakeError> {
        let number = u64::try_from(entry.version.number).map_err(LakeError::internal)?;
        let path = Path::from(format!("_delta_log/{number:020}.json"));
        self.objects.put_opts(&path, "{}".into(), PutMode::Create.into()).await?;
        self.histories().insert((self.name.clone(), number), Arc::new(entry));
        Ok(())
    }

    fn histories(&self) -> MutexGuard<'_, HashMap<(String, u64), Arc<Entry>>> {
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, number: u64) -> Option<Arc<Entry>> {
        self.histories().get(&(self.name.clone(), number)).cloned()
    }

    pub(super) async fn load(&self) -> Result<Version, LakeError> {
        let missing = || LakeError::Missing(self.name.clone());
        let number = self.newest().await?.ok_or_else(missing)?;
        Ok(self.entry(number).ok_or_else(missing)?.version.clone())
    }

    pub(super) fn files_of_entry(&self, number: u64) -> Result<Vec<String>, LakeError> {
        Ok(self.entry(number).map(|entry| entry.files.clone()).unwrap_or_default())
    }

    pub(super) fn find(
        &self,
        newest: i64,
        wanted: impl Fn(&Marker) -> bool,
    ) -> Result<Option<Marker>, LakeError> {
        let newest = u64::try_from(newest).map_err(LakeError::internal)?;
        let entries = (0..=newest).rev().map_while(|number| self.entry(number));
        Ok(entries.map(|entry| entry.marker.clone()).find(wanted))
    }

    pub(super) async fn attempt(
        &self,
        before: &Version,
        change: &Change,
        marker: &Marker,
    ) -> Result<(), LakeError> {
        let mut version = before.clone();
        version.number += 1;
        for txn in change.txns() {
            match txn.app_id.as_str() {
                TXN_FENCE => version.fence = txn.version,
                TXN_COMMITTED => version.committed = txn.version,
                TXN_CONFIRMED => version.confirmed = txn.version,
                other => return Err(LakeError::Internal(format!("a number called {other}"))),
            }
        }
        version.fence_token =
            (version.fence > 0 && marker.epoch == version.fence).then(|| marker.token.clone());
        version.config_version = version.config_version.max(marker.config_version);
        for (name, value) in change.properties() {
            let mut properties = version.spec.to_properties();
            properties.insert(name.to_owned(), value);
            version.spec = TableSpec::from_properties(&properties)?;
        }
        let files = replace(&mut version, change)?;
        self.put(Entry { marker: marker.clone(), files, version }).await
    }
}

/// Takes files out of a version and puts others in; the paths of both.
fn replace(version: &mut Version, change: &Change) -> Result<Vec<String>, LakeError> {
    let mut touched: Vec<String> = change.removes().iter().map(|file| file.path.clone()).collect();
    version.files.retain(|file| !touched.contains(&file.path));
    for file in change.adds() {
        version.files.push(file.to_data_file()?);
        touched.push(file.path.clone());
    }
    Ok(touched)
}
