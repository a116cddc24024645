//! Where tables live: a local folder, written durably, or a bucket or container in an object store.
//!
//! What is not here: how a store is reached ([`Remote`]) and whether it is fit for tables
//! ([`Location::probe`]).

mod fitness;
mod memory;
mod remote;

pub use fitness::Fitness;
pub use remote::{AzureAccess, AzureSecret, GcsAccess, Protocol, Remote, S3Access, S3Key};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use portolan_runtime::Runtime;
use url::Url;

use crate::LakeError;
use crate::folder::{DurableFolder, Syncs};
use crate::log::Histories;
use memory::Memory;

/// A place that holds tables. Cheap to clone.
#[derive(Clone)]
pub struct Location {
    place: Place,
    root_url: Url,
    /// Objects of a folder carry the runtime's time, not the file system's.
    on_runtime_clock: bool,
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf, Arc<Syncs>),
    /// A store whose `/` is the location itself.
    Store(Arc<dyn ObjectStore>),
    Memory(Arc<Memory>),
}

impl Location {
    /// A local folder, created if it is not there.
    ///
    /// # Errors
    /// [`LakeError::Invalid`] when it cannot be created or has no absolute path.
    pub fn folder(path: impl AsRef<Path>) -> Result<Self, LakeError> {
        let path = path.as_ref();
        let refuse = |error: std::io::Error| {
            LakeError::Invalid(format!("folder {}: {error}", path.display()))
        };
        std::fs::create_dir_all(path).map_err(refuse)?;
        let root = path.canonicalize().map_err(refuse)?;
        if let Some(parent) = root.parent() {
            // The folder's own name must last, too.
            std::fs::File::open(parent).and_then(|file| file.sync_all()).map_err(refuse)?;
        }
        let root_url = Url::from_directory_path(&root)
            .map_err(|()| LakeError::Invalid(format!("{} is no absolute path", root.display())))?;
        Ok(Self { place: Place::Folder(root, Arc::default()), root_url, on_runtime_clock: false })
    }

    /// A bucket or container. Nothing is dialled yet: [`Location::probe`] does that.
    ///
    /// # Errors
    /// [`LakeError::Invalid`] naming the setting that cannot be used.
    pub fn remote(remote: &Remote) -> Result<Self, LakeError> {
        let (root_url, store) = remote.open()?;
        Ok(Self { place: Place::Store(store), root_url, on_runtime_clock: false })
    }

    /// The memory of this process, shared by the clones of this value, on the runtime's clock: for tests and
    /// simulations.
    ///
    /// # Panics
    /// Never: the URL is a constant.
    #[must_use]
    pub fn memory() -> Self {
        let root_url = Url::parse("memory:///").expect("a constant that is a URL");
        Self { place: Place::Memory(Arc::default()), root_url, on_runtime_clock: true }
    }

    /// The same with tables in formats of their own, which cost little: for simulations. Nothing else can
    /// read such tables.
    #[must_use]
    pub fn simulated() -> Self {
        Self { place: Place::Memory(Arc::new(Memory::simulating())), ..Self::memory() }
    }

    /// Has a location in memory alter the `nth` data file that is written to it, the first of which is 1, as a
    /// broken network or disk would: a byte of it is another one. Elsewhere it does nothing.
    pub fn spoil(&self, nth: u64) {
        if let Place::Memory(memory) = &self.place {
            memory.spoil(nth);
        }
    }

    /// Leaves a location in memory room for so many objects more, as a full disk or a used-up quota would;
    /// `None`: for any number. Elsewhere it does nothing.
    pub fn set_room(&self, objects: Option<u64>) {
        if let Place::Memory(memory) = &self.place {
            memory.set_room(objects);
        }
    }

    /// Has a location in memory refuse to remove objects, as policies of retention and immutability do, until
    /// it is told otherwise. Elsewhere it does nothing.
    pub fn lock(&self, locked: bool) {
        if let Place::Memory(memory) = &self.place {
            memory.lock(locked);
        }
    }

    /// What the log entries of simulated tables say; `None` in every other location.
    pub(crate) fn histories(&self) -> Option<Arc<Histories>> {
        match &self.place {
            Place::Memory(memory) => memory.histories.clone(),
            Place::Folder(..) | Place::Store(_) => None,
        }
    }

    /// The same location as a store whose own clock is the runtime's: for tests on simulated time.
    #[must_use]
    pub fn on_runtime_clock(self) -> Self {
        Self { on_runtime_clock: true, ..self }
    }

    /// The same folder, which keeps account of what is synced; other locations stay as they are. For tests and
    /// simulations: the account grows with every object.
    #[must_use]
    pub fn counting_syncs(self) -> Self {
        match self.place {
            Place::Folder(root, _) => {
                Self { place: Place::Folder(root, Arc::new(Syncs::counted())), ..self }
            }
            _ => self,
        }
    }

    /// How many files and folders were synced since [`Location::counting_syncs`]; 0 without it.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        match &self.place {
            Place::Folder(_, syncs) => syncs.count(),
            Place::Store(_) | Place::Memory(_) => 0,
        }
    }

    /// Paths of the objects that a loss of power would take now, by the account that
    /// [`Location::counting_syncs`] keeps; none without it.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn unsynced(&self, runtime: &Runtime) -> Result<Vec<String>, LakeError> {
        let Place::Folder(root, syncs) = &self.place else { return Ok(Vec::new()) };
        let mut paths = self.paths(runtime).await?;
        // One that is gone by now is not lost.
        paths.retain(|path| !syncs.outlasts(root, &root.join(path)).unwrap_or(true));
        Ok(paths)
    }

    /// The store's own clock, from an object written just now: ages of objects are judged by it.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn clock_ms(&self, runtime: &Runtime) -> Result<i64, LakeError> {
        let store = self.store(runtime)?;
        let name = format!("_clock-{}", hex::encode(runtime.random_bytes::<8>()));
        let path = object_store::path::Path::from(name);
        store.put_opts(&path, "clock".into(), PutMode::Create.into()).await?;
        let written = store.head(&path).await;
        store.delete(&path).await?;
        Ok(written?.last_modified.timestamp_millis())
    }

    /// Paths of all objects, below the location's root.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn paths(&self, runtime: &Runtime) -> Result<Vec<String>, LakeError> {
        let objects: Vec<_> = self.store(runtime)?.list(None).try_collect().await?;
        Ok(objects.into_iter().map(|meta| meta.location.to_string()).collect())
    }

    /// URI of the table `name` (24 hex digits of an archive id) in this location. It is stored when
    /// an archive is created and never derived again.
    #[must_use]
    pub fn table_uri(&self, name: &str) -> String {
        format!("{}{name}", self.root_url)
    }

    /// Whether the table behind `uri` would lie here.
    #[must_use]
    pub fn holds(&self, uri: &str) -> bool {
        uri.starts_with(self.root_url.as_str())
    }

    /// Whether one of two locations lies in the other: a table would belong to both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.holds(other.root_url.as_str()) || other.holds(self.root_url.as_str())
    }

    /// Name of the table behind a URI of this location.
    pub(crate) fn table_name(&self, uri: &str) -> Result<String, LakeError> {
        let name = uri
            .strip_prefix(self.root_url.as_str())
            .ok_or_else(|| LakeError::Invalid(format!("{uri} is not in {}", self.root_url)))?
            .trim_end_matches('/');
        let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.starts_with('_') || !name.chars().all(safe) {
            return Err(LakeError::Invalid(format!("{name:?} is no name of a table")));
        }
        Ok(name.to_owned())
    }

    /// The store behind this location, with `/` at the location itself: no path leaves it.
    pub(crate) fn store(&self, runtime: &Runtime) -> Result<Arc<dyn ObjectStore>, LakeError> {
        Ok(match &self.place {
            Place::Folder(root, syncs) => Arc::new(self.durable(root, syncs, runtime)?),
            Place::Store(store) => Arc::clone(store),
            Place::Memory(memory) => Arc::new(memory.store(runtime)),
        })
    }

    /// Makes an object that was found, not acknowledged, durable. Object stores show only what is.
    pub(crate) async fn settle(
        &self,
        runtime: &Runtime,
        path: &object_store::path::Path,
    ) -> Result<(), LakeError> {
        match &self.place {
            Place::Folder(root, syncs) => {
                Ok(self.durable(root, syncs, runtime)?.settle(path).await?)
            }
            Place::Store(_) | Place::Memory(_) => Ok(()),
        }
    }

    fn durable(
        &self,
        root: &Path,
        syncs: &Arc<Syncs>,
        runtime: &Runtime,
    ) -> Result<DurableFolder, LakeError> {
        let folder = DurableFolder::new(root, runtime.clone(), Arc::clone(syncs))?;
        Ok(if self.on_runtime_clock { folder.stamping() } else { folder })
    }
}

impl std::fmt::Debug for Location {
    /// Only where it is: clients of object stores print their credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Location({})", self.root_url)
    }
}

#[cfg(test)]
mod tests;
