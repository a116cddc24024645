//! A table's log: create, load from scratch, one attempt to commit.
//!
//! No attempt is ever rebased or repeated in here, and nothing runs after a commit: no checkpoint,
//! no clean-up. Those decisions are the caller's. A simulated location has a log of its own kind, which
//! [`simulated`] describes; everywhere else it is a Delta log.

mod delta;
mod simulated;

use std::sync::Arc;

use deltalake_core::DeltaTable;
use object_store::ObjectStore;
use object_store::path::Path;
use portolan_runtime::Runtime;

pub(crate) use simulated::Histories;

use crate::location::Location;
use crate::marker::Marker;
use crate::{Change, LakeError, TableSpec, Version};
use delta::DeltaLog;
use simulated::SimulatedLog;

/// Kind of the commit by which an operator accepts what another engine did before it.
pub(crate) const ADOPT: &str = "adopt";

/// The log of one table.
pub(crate) struct Log {
    kind: Kind,
    location: Location,
    name: String,
    runtime: Runtime,
}

enum Kind {
    Delta(DeltaLog),
    Simulated(SimulatedLog),
}

/// A version together with what a commit on top of it needs.
pub(crate) struct Loaded {
    pub(crate) version: Version,
    /// `None` in a simulated log.
    table: Option<DeltaTable>,
}

impl Loaded {
    fn table(&self) -> Result<&DeltaTable, LakeError> {
        self.table.as_ref().ok_or_else(|| LakeError::internal("a version of another log"))
    }
}

impl Log {
    pub(crate) fn new(
        location: &Location,
        name: &str,
        runtime: &Runtime,
    ) -> Result<Self, LakeError> {
        let kind = match location.histories() {
            Some(histories) => {
                Kind::Simulated(SimulatedLog::new(location, name, histories, runtime)?)
            }
            None => Kind::Delta(DeltaLog::new(location, name, runtime)?),
        };
        let (location, name) = (location.clone(), name.to_owned());
        Ok(Self { kind, location, name, runtime: runtime.clone() })
    }

    /// The table's objects, `/` being the table's folder.
    pub(crate) fn objects(&self) -> Arc<dyn ObjectStore> {
        match &self.kind {
            Kind::Delta(log) => log.objects(),
            Kind::Simulated(log) => log.objects(),
        }
    }

    pub(crate) async fn exists(&self) -> Result<bool, LakeError> {
        match &self.kind {
            Kind::Delta(log) => log.exists().await,
            Kind::Simulated(log) => log.exists().await,
        }
    }

    /// One attempt to create the table. Whether it is there, and whose it is, only loading tells.
    pub(crate) async fn create(&self, spec: &TableSpec) -> Result<(), LakeError> {
        let marker = Marker {
            kind: "create".into(),
            owner: spec.owner.clone(),
            config_version: spec.config_version,
            ..Marker::default()
        };
        match &self.kind {
            Kind::Delta(log) => log.create(spec, marker).await,
            Kind::Simulated(log) => log.create(spec, marker).await,
        }
    }

    /// Loads the newest version from scratch.
    pub(crate) async fn load(&self) -> Result<Loaded, LakeError> {
        match &self.kind {
            Kind::Delta(log) => {
                let (version, table) = log.load().await?;
                Ok(Loaded { version, table: Some(table) })
            }
            Kind::Simulated(log) => Ok(Loaded { version: log.load().await?, table: None }),
        }
    }

    /// The files that an entry added or removed.
    pub(crate) async fn files_of_entry(&self, number: u64) -> Result<Vec<String>, LakeError> {
        match &self.kind {
            Kind::Delta(log) => log.files_of_entry(number).await,
            Kind::Simulated(log) => log.files_of_entry(number),
        }
    }

    /// The newest of our commits at or below `newest` that `wanted` accepts.
    pub(crate) async fn find(
        &self,
        newest: i64,
        wanted: impl Fn(&Marker) -> bool + Send,
    ) -> Result<Option<Marker>, LakeError> {
        match &self.kind {
            Kind::Delta(log) => log.find(newest, wanted).await,
            Kind::Simulated(log) => log.find(newest, wanted),
        }
    }

    /// Makes a log entry that was found, not acknowledged, durable.
    pub(crate) async fn settle(&self, number: i64) -> Result<(), LakeError> {
        self.settle_object(&format!("_delta_log/{number:020}.json")).await
    }

    /// Makes an object that was found, not acknowledged, durable.
    pub(crate) async fn settle_object(&self, path: &str) -> Result<(), LakeError> {
        let path = Path::from(format!("{}/{path}", self.name));
        self.location.settle(&self.runtime, &path).await
    }

    /// One attempt to commit right after `loaded`: put-if-absent of the next entry, no rebase.
    pub(crate) async fn attempt(
        &self,
        loaded: &Loaded,
        change: &Change,
        marker: &Marker,
    ) -> Result<(), LakeError> {
        match &self.kind {
            Kind::Delta(log) => log.attempt(loaded.table()?, change, marker).await,
            Kind::Simulated(log) => log.attempt(&loaded.version, change, marker).await,
        }
    }

    /// Writes a checkpoint of `loaded`, so that later loads need not read the whole log.
    pub(crate) async fn checkpoint(&self, loaded: &Loaded) -> Result<(), LakeError> {
        match &self.kind {
            Kind::Delta(log) => log.checkpoint(loaded.table()?).await,
            // Loads read one entry anyway.
            Kind::Simulated(_) => Ok(()),
        }
    }
}
