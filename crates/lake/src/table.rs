//! A table: create it, open it, load its newest version.

use std::sync::Arc;

use object_store::ObjectStore;
use portolan_runtime::Runtime;

use crate::files::Files;
use crate::layout::Layout;
use crate::log::Log;
use crate::{LakeError, Location, TableSpec, Version};

/// One archive's table. Cheap to clone; holds no state of the table beyond what it is for.
#[derive(Clone)]
pub struct Table {
    inner: Arc<Inner>,
}

struct Inner {
    uri: String,
    spec: TableSpec,
    files: Files,
    log: Log,
    runtime: Runtime,
}

impl Table {
    /// Creates the table behind `uri`, or opens it if it is there and of the same archive and
    /// owner.
    ///
    /// # Errors
    /// [`LakeError::Conflict`] when somebody else's table is there, or it was purged; storage errors.
    pub async fn create(
        location: &Location,
        uri: &str,
        spec: &TableSpec,
        runtime: &Runtime,
    ) -> Result<Self, LakeError> {
        spec.check()?;
        if location.is_purged(uri, runtime).await? {
            return Err(LakeError::Conflict(format!("{uri} was purged")));
        }
        let log = Log::new(location, &location.table_name(uri)?, runtime)?;
        let answer = match log.exists().await? {
            true => Ok(()),
            false => runtime.effect("lake.create", log.create(spec)).await,
        };
        // Whatever was answered, what is there now decides.
        match Self::open(location, uri, runtime).await? {
            Some(table)
                if table.spec().owner == spec.owner
                    && table.spec().archive_id == spec.archive_id =>
            {
                Ok(table)
            }
            Some(_) => Err(LakeError::Conflict(format!("{uri} is the table of somebody else"))),
            None => Err(answer.err().unwrap_or_else(|| LakeError::Missing(uri.to_owned()))),
        }
    }

    /// Opens the table behind `uri`; `None` when there is none or it was purged.
    ///
    /// # Errors
    /// [`LakeError::Unsupported`] when it is a table of another kind or layout; storage errors.
    pub async fn open(
        location: &Location,
        uri: &str,
        runtime: &Runtime,
    ) -> Result<Option<Self>, LakeError> {
        let log = Log::new(location, &location.table_name(uri)?, runtime)?;
        if location.is_purged(uri, runtime).await? || !log.exists().await? {
            return Ok(None);
        }
        let spec = log.load().await?.version.spec;
        let inner = Inner {
            uri: uri.to_owned(),
            files: Files::new(log.objects(), Layout::new(&spec), location.histories().is_some()),
            spec,
            log,
            runtime: runtime.clone(),
        };
        Ok(Some(Self { inner: Arc::new(inner) }))
    }

    /// Its URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.inner.uri
    }

    /// What it is for.
    #[must_use]
    pub fn spec(&self) -> &TableSpec {
        &self.inner.spec
    }

    /// Its newest version, read from scratch.
    ///
    /// # Errors
    /// Storage errors; [`LakeError::Missing`] when the table is gone.
    pub async fn load(&self) -> Result<Version, LakeError> {
        Ok(self.inner.log.load().await?.version)
    }

    pub(crate) fn log(&self) -> &Log {
        &self.inner.log
    }

    pub(crate) fn files(&self) -> &Files {
        &self.inner.files
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.inner.files.layout()
    }

    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        self.inner.files.objects()
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.inner.runtime
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({})", self.inner.uri)
    }
}
