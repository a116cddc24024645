//! The log of a Delta table, through `deltalake-core`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use deltalake_core::DeltaTable;
use deltalake_core::kernel::Action;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use object_store::ObjectStore;
use object_store::prefix::PrefixStore;
use portolan_runtime::Runtime;
use url::Url;

use super::ADOPT;
use crate::change::BYTES_RAW;
use crate::layout::{Layout, MONTH};
use crate::location::Location;
use crate::marker::{Entry, Marker, TXN_COMMITTED, TXN_CONFIRMED, TXN_FENCE};
use crate::stats::FileStats;
use crate::{Change, DataFile, LakeError, TableSpec, Version};

/// Log entries looked at, at most, when a table is loaded for the first time by this process.
const HISTORY_ENTRIES_MAX: u64 = 1_000;

/// The log of one Delta table.
pub(super) struct DeltaLog {
    store: LogStoreRef,
    runtime: Runtime,
    /// Which entries were looked at for commits of other engines; entries never change.
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    through: Option<u64>,
    foreign: Option<i64>,
    last: Option<Marker>,
}

impl DeltaLog {
    pub(super) fn new(
        location: &Location,
        name: &str,
        runtime: &Runtime,
    ) -> Result<Self, LakeError> {
        let objects = location.store(runtime)?;
        // The scheme only has to be one that no storage registry acts upon: both stores are given.
        let url = Url::parse(&format!("portolan:///{name}/")).map_err(LakeError::internal)?;
        let prefixed: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(objects.clone(), name));
        let store = default_logstore(prefixed, objects, &url, &StorageConfig::default());
        Ok(Self { store, runtime: runtime.clone(), seen: Mutex::default() })
    }

    /// The table's objects, `/` being the table's folder.
    pub(super) fn objects(&self) -> Arc<dyn ObjectStore> {
        self.store.object_store(None)
    }

    pub(super) async fn exists(&self) -> Result<bool, LakeError> {
        Ok(self.store.is_delta_table_location().await?)
    }

    pub(super) async fn create(&self, spec: &TableSpec, marker: Marker) -> Result<(), LakeError> {
        let layout = Layout::new(spec);
        let mut properties = spec.to_properties();
        properties.insert("delta.dataSkippingStatsColumns".into(), layout.stats_columns());
        // Log entries are what tells commits apart; they are cleaned up by us or not at all.
        properties.insert("delta.enableExpiredLogCleanup".into(), "false".into());
        CreateBuilder::new()
            .with_log_store(Arc::clone(&self.store))
            .with_table_name(spec.archive_id.clone())
            .with_columns(layout.delta_fields())
            .with_partition_columns(layout.month.then_some(MONTH))
            .with_configuration(properties.into_iter().map(|(name, value)| (name, Some(value))))
            .with_raise_if_key_not_exists(false)
            .with_save_mode(SaveMode::ErrorIfExists)
            .with_commit_properties(properties_of(marker.to_metadata()))
            .await?;
        Ok(())
    }

    /// Loads the newest version from scratch.
    pub(super) async fn load(&self) -> Result<(Version, DeltaTable), LakeError> {
        let mut table = DeltaTable::new(Arc::clone(&self.store));
        table.load().await?;
        let number = table.version().ok_or_else(|| LakeError::internal("no version"))?;
        let state = table.snapshot()?;
        let spec = TableSpec::from_properties(state.metadata().configuration())?;
        let seen = self.look_through(number).await?;
        let last = seen.last.unwrap_or_default();
        let (fence, committed, confirmed) = futures::try_join!(
            self.txn(&table, TXN_FENCE),
            self.txn(&table, TXN_COMMITTED),
            self.txn(&table, TXN_CONFIRMED)
        )?;
        let version = Version {
            number: to_i64(number)?,
            fence,
            // Every commit of ours names the epoch it was made under, so the newest one knows.
            fence_token: (fence > 0 && last.epoch == fence).then_some(last.token),
            committed,
            confirmed,
            files: data_files(&table)?,
            config_version: spec.config_version.max(last.config_version),
            spec,
            foreign: seen.foreign,
        };
        Ok((version, table))
    }

    async fn txn(&self, table: &DeltaTable, id: &str) -> Result<i64, LakeError> {
        let version = table.snapshot()?.transaction_version(&self.store, id).await?;
        Ok(version.unwrap_or(0))
    }

    /// Reads the entries that were not read before, newest first, and remembers what they say.
    async fn look_through(&self, newest: u64) -> Result<Seen, LakeError> {
        let known = self.seen().clone();
        let known = if known.through > Some(newest) { Seen::default() } else { known };
        let mut found = Seen { through: Some(newest), ..Seen::default() };
        let floor = newest.saturating_sub(HISTORY_ENTRIES_MAX);
        let first = known.through.map_or(0, |through| through + 1).max(floor);
        let mut adopted = false;
        for number in (first..=newest).rev() {
            let Some(entry) = self.entry(number).await? else { break };
            match entry.marker {
                Some(marker) => {
                    adopted |= marker.kind == ADOPT;
                    found.last = found.last.or(Some(marker));
                }
                None if entry.changes_files && !adopted => {
                    found.foreign = found.foreign.max(Some(to_i64(number)?));
                }
                None => {}
            }
        }
        if !adopted {
            found.foreign = found.foreign.max(known.foreign);
        }
        found.last = found.last.or(known.last);
        *self.seen() = found.clone();
        Ok(found)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A log entry; `None` when it is not there (any more).
    async fn entry(&self, number: u64) -> Result<Option<Entry>, LakeError> {
        let bytes = self.store.read_commit_entry(number).await?;
        bytes.map(|bytes| Entry::parse(&bytes)).transpose()
    }

    /// The files that an entry added or removed.
    pub(super) async fn files_of_entry(&self, number: u64) -> Result<Vec<String>, LakeError> {
        Ok(self.entry(number).await?.map(|entry| entry.files).unwrap_or_default())
    }

    /// The newest of our commits at or below `newest` that `wanted` accepts.
    pub(super) async fn find(
        &self,
        newest: i64,
        wanted: impl Fn(&Marker) -> bool + Send,
    ) -> Result<Option<Marker>, LakeError> {
        let newest = u64::try_from(newest).map_err(LakeError::internal)?;
        for number in (newest.saturating_sub(HISTORY_ENTRIES_MAX)..=newest).rev() {
            let Some(entry) = self.entry(number).await? else { break };
            if let Some(marker) = entry.marker.filter(|marker| wanted(marker)) {
                return Ok(Some(marker));
            }
        }
        Ok(None)
    }

    /// One attempt to commit right after `table`: put-if-absent of the next entry, no rebase.
    pub(super) async fn attempt(
        &self,
        table: &DeltaTable,
        change: &Change,
        marker: &Marker,
    ) -> Result<(), LakeError> {
        let actions = change.actions(table, self.runtime.now_ms())?;
        let properties =
            properties_of(marker.to_metadata()).with_application_transactions(change.txns());
        let operation = operation_of(&actions);
        let prepared = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(table.snapshot()?), Arc::clone(&self.store), operation)
            .into_prepared_commit_future()
            .await?;
        prepared.await?;
        Ok(())
    }

    pub(super) async fn checkpoint(&self, table: &DeltaTable) -> Result<(), LakeError> {
        Ok(deltalake_core::checkpoints::create_checkpoint(table, None).await?)
    }
}

fn properties_of(metadata: HashMap<String, serde_json::Value>) -> CommitProperties {
    CommitProperties::default()
        .with_metadata(metadata)
        .with_max_retries(0)
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false))
}

fn operation_of(actions: &[Action]) -> DeltaOperation {
    if let [Action::Metadata(metadata)] = actions {
        let properties = metadata.configuration().clone();
        return DeltaOperation::SetTableProperties { properties };
    }
    if actions.iter().any(|action| matches!(action, Action::Remove(file) if !file.data_change)) {
        return DeltaOperation::Optimize { predicate: None, target_size: 0 };
    }
    if actions.iter().any(|action| matches!(action, Action::Remove(_))) {
        return DeltaOperation::Delete { predicate: None };
    }
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None }
}

#[expect(deprecated, reason = "nothing else gives the tags of a file")]
fn data_files(table: &DeltaTable) -> Result<Vec<DataFile>, LakeError> {
    table
        .snapshot()?
        .log_data()
        .iter()
        .map(|file| {
            let mut add = file.add_action();
            if add.deletion_vector.is_some() {
                return Err(LakeError::Unsupported("a deletion vector of another engine".into()));
            }
            let stats =
                add.stats.map_or_else(|| Ok(FileStats::default()), |s| FileStats::parse(&s))?;
            let month = add.partition_values.remove(MONTH).flatten();
            let size_bytes = u64::try_from(add.size).map_err(LakeError::internal)?;
            let tags = add.tags.unwrap_or_default();
            let bytes_raw = tags.get(BYTES_RAW).and_then(|bytes| bytes.as_ref()?.parse().ok());
            let file = DataFile::new(add.path, size_bytes, month, add.modification_time, stats);
            Ok(DataFile { bytes_raw, ..file })
        })
        .collect()
}

fn to_i64(number: u64) -> Result<i64, LakeError> {
    i64::try_from(number).map_err(LakeError::internal)
}
