//! Purging: a table goes for good. A tombstone comes first, then the data, then the log; the
//! tombstone stays until a second sweep a day later, because a worker that was suspended since may
//! still write an object or a log entry into the empty folder. While it stands nobody opens or makes
//! the table.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use portolan_runtime::Runtime;

use crate::cleanup::delete_objects;
use crate::{LakeError, Location};

/// Name of the object that marks a purged table.
pub(crate) const TOMBSTONE: &str = "_portolan_tombstone";

impl Location {
    /// Marks the table behind `uri` as purged and removes everything else of it, the log last.
    /// Idempotent; how many objects went.
    ///
    /// # Errors
    /// Storage errors; what was removed stays removed.
    pub async fn drop_table(&self, uri: &str, runtime: &Runtime) -> Result<u64, LakeError> {
        let objects = self.objects_of(uri, runtime)?;
        let drop = async {
            let tombstone = Path::from(TOMBSTONE);
            objects.put(&tombstone, "purged".into()).await?;
            remove_all(&objects, |path| path != TOMBSTONE).await
        };
        runtime.effect("lake.drop", drop).await
    }

    /// Removes what came into the folder of a purged table since, and its tombstone.
    ///
    /// # Errors
    /// [`LakeError::Conflict`] when the table was not purged; storage errors.
    pub async fn sweep_table(&self, uri: &str, runtime: &Runtime) -> Result<u64, LakeError> {
        let objects = self.objects_of(uri, runtime)?;
        if !self.is_purged(uri, runtime).await? {
            return Err(LakeError::Conflict(format!("{uri} was not purged")));
        }
        let sweep = async {
            let removed = remove_all(&objects, |path| path != TOMBSTONE).await?;
            remove_all(&objects, |_| true).await?;
            Ok::<_, LakeError>(removed)
        };
        runtime.effect("lake.sweep", sweep).await
    }

    /// Whether the table behind `uri` was purged, wholly or in part.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn is_purged(&self, uri: &str, runtime: &Runtime) -> Result<bool, LakeError> {
        match self.objects_of(uri, runtime)?.head(&Path::from(TOMBSTONE)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn objects_of(&self, uri: &str, runtime: &Runtime) -> Result<Arc<dyn ObjectStore>, LakeError> {
        let name = self.table_name(uri)?;
        Ok(Arc::new(PrefixStore::new(self.store(runtime)?, name)))
    }
}

/// Removes the objects that `wanted` names, the log last.
async fn remove_all(
    objects: &Arc<dyn ObjectStore>,
    wanted: impl Fn(&str) -> bool,
) -> Result<u64, LakeError> {
    let mut all: Vec<Path> = objects.list(None).map_ok(|meta| meta.location).try_collect().await?;
    all.retain(|path| wanted(path.as_ref()));
    all.sort_by_key(|path| path.as_ref().starts_with("_delta_log"));
    delete_objects(objects, all.iter().map(AsRef::as_ref)).await?;
    Ok(all.len() as u64)
}
