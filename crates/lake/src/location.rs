//! Where tables live: today a local folder, written durably. Other stores join here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use portolan_runtime::Runtime;
use url::Url;

use crate::LakeError;
use crate::folder::DurableFolder;

/// A place that holds tables.
#[derive(Debug, Clone)]
pub struct Location {
    root: PathBuf,
    root_url: Url,
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
        Ok(Self { root, root_url })
    }

    /// URI of the table `name` (24 hex digits of an archive id) in this location. It is stored when
    /// an archive is created and never derived again.
    #[must_use]
    pub fn table_uri(&self, name: &str) -> String {
        format!("{}{name}", self.root_url)
    }

    /// Checks that the store refuses to create an object twice. Commits are worth nothing on a
    /// store that does not: two workers would both believe that they wrote the same log entry.
    ///
    /// # Errors
    /// [`LakeError::Unsupported`] when the second creation was not refused; storage errors.
    pub async fn probe(&self, runtime: &Runtime) -> Result<(), LakeError> {
        let store = self.store(runtime)?;
        let name = format!("_probe-{}", hex::encode(runtime.random_bytes::<8>()));
        let path = object_store::path::Path::from(name);
        let create = || store.put_opts(&path, "probe".into(), PutMode::Create.into());
        create().await?;
        let second = create().await;
        store.delete(&path).await?;
        match second {
            Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(LakeError::Unsupported("the store creates an object twice".into())),
        }
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
        Ok(Arc::new(DurableFolder::new(&self.root, runtime.clone())?))
    }

    /// Makes an object that was found, not acknowledged, durable.
    pub(crate) async fn settle(
        &self,
        runtime: &Runtime,
        path: &object_store::path::Path,
    ) -> Result<(), LakeError> {
        Ok(DurableFolder::new(&self.root, runtime.clone())?.settle(path).await?)
    }
}
