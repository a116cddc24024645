//! The store: one redb file that holds catalog, documents, index entries and the records of
//! retryable writes, changed together in one durable transaction.
//!
//! Layout: `catalog` (namespace → UUID, indexes) · `data/<uuid>` (record number → BSON) ·
//! `ids/<uuid>` (key of `_id` → record number) · `idx/<uuid>/<n>` (key and record number → nothing)
//! · `sizes` (UUID → bytes of documents) · `sessions` (retryable writes) · `log` (time → event) ·
//! `meta`. All keys and values are byte strings. What is not here: what commands mean.

mod catalog;
mod collection;
mod diff;
#[cfg(test)]
mod disk;
mod history;
mod index;
mod keys;
mod log;
mod open;
mod options;
mod paths;
mod retries;
mod table;
mod target;
pub(crate) mod tick;
mod validation;
mod writer;

pub(crate) use catalog::{Catalog, CollectionEntry, ID_INDEX, uuid_binary};
pub(crate) use collection::{
    Collection, CollectionWriter, DOCUMENT_BYTES_MAX, Manner, RecordId, record_id, record_of_entry,
};
#[cfg(test)]
pub(crate) use disk::Disk;
pub(crate) use index::{HASHED, IndexEntry, IndexField, IndexOptions, index_fields};
pub(crate) use keys::{after_prefix, as_stored, document_keys};
pub(crate) use log::{Event, LogLimits, Position, namespace_document};
pub(crate) use options::{CollectionOptions, View};
pub(crate) use paths::{Found, values_at};
pub(crate) use retries::{RetryKey, RetryRecord, too_old};
pub(crate) use table::{ReadTable, Readable, WriteTable};
pub(crate) use target::{Change, Operation, Private, Target, replay, write_conflict};
pub(crate) use writer::{WriteQueue, Writing};

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use portolan_model::Namespace;
use portolan_runtime::Runtime;
use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition};
use tokio::sync::watch;

use crate::error::{Failure, SandboxError, codes, refuse};
use table::PrivateTables;

type Bytes = &'static [u8];

/// Number of the layout described above.
const LAYOUT: u64 = 1;
const META: &str = "meta";
const CATALOG: &str = "catalog";
const SIZES: &str = "sizes";
const SESSIONS: &str = "sessions";
const LOG: &str = "log";
const META_LAYOUT: &[u8] = b"layout";
const META_TICK: &[u8] = b"tick";
/// Bytes of the rows of the log.
const META_LOG_BYTES: &[u8] = b"logBytes";
/// Position of the newest event that the log no longer has.
const META_LOG_START: &[u8] = b"logStart";

pub(crate) fn definition(name: &str) -> TableDefinition<'_, Bytes, Bytes> {
    TableDefinition::new(name)
}

fn table_name(kind: &str, uuid: [u8; 16]) -> String {
    use std::fmt::Write;
    let mut name = format!("{kind}/");
    for byte in uuid {
        let _infallible = write!(name, "{byte:02x}");
    }
    name
}

/// A number in one of the small tables; absent counts as zero.
fn read_number(table: &impl Readable, key: &[u8]) -> Result<u64, Failure> {
    let bytes = table.get(key)?;
    Ok(bytes.and_then(|bytes| bytes.value().try_into().ok()).map_or(0, u64::from_be_bytes))
}

fn read_size(table: &impl Readable, uuid: [u8; 16]) -> Result<u64, Failure> {
    read_number(table, uuid.as_slice())
}

/// How a store is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreOptions {
    /// Memory for pages of the file, in bytes.
    pub(crate) cache_bytes: usize,
    pub(crate) log: LogLimits,
}

/// The open file.
pub(crate) struct Store {
    path: PathBuf,
    medium: open::Medium,
    /// `None` after the file was closed, or could not be opened again after an I/O error.
    database: RwLock<Option<Database>>,
    options: StoreOptions,
    /// Time of the newest durable commit, as a BSON timestamp. Who waits for commits watches it.
    tick: watch::Sender<u64>,
    history: history::History,
    pub(crate) runtime: Runtime,
}

impl Store {
    /// A view of the newest durable commit, which no later write changes.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Failure> {
        let database = self.database.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match database.as_ref() {
            Some(database) => {
                let tx = Arc::new(database.begin_read()?);
                Ok(Snapshot { tx, private: PrivateTables::new() })
            }
            None => Err(Failure::Storage(Box::new(redb::Error::DatabaseClosed))),
        }
    }

    /// The time of the newest durable commit: seconds in the high half, a counter in the low one.
    pub(crate) fn newest_tick(&self) -> u64 {
        *self.tick.borrow()
    }

    /// Sees every change of [`Store::newest_tick`].
    pub(crate) fn ticks(&self) -> watch::Receiver<u64> {
        self.tick.subscribe()
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the file; later reads and writes are refused.
    pub(crate) fn close(&self) -> Result<(), SandboxError> {
        self.history.clear();
        let mut database = self.database.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        match database.take() {
            Some(database) => {
                database.close().map_err(|error| SandboxError::Storage(error.to_string()))
            }
            None => Ok(()),
        }
    }
}

/// A consistent view for reading: a commit, and over it the writes of the transaction that reads.
#[derive(Clone)]
pub(crate) struct Snapshot {
    tx: Arc<ReadTransaction>,
    private: PrivateTables,
}

impl Snapshot {
    fn table(&self, name: &str) -> Result<ReadTable, Failure> {
        ReadTable::open(&self.tx, &self.private, name)
    }

    /// The record of a session's newest numbered write or transaction.
    pub(crate) fn done_before(&self, key: &RetryKey) -> Result<Option<RetryRecord>, Failure> {
        retries::find(&self.table(SESSIONS)?, key)
    }

    /// The catalog at the snapshot's time.
    pub(crate) fn catalog(&self) -> Result<Catalog<ReadTable>, Failure> {
        Ok(Catalog::new(self.table(CATALOG)?))
    }

    /// A collection's tables, or `None` if there is no such collection.
    pub(crate) fn collection(
        &self,
        namespace: &Namespace,
    ) -> Result<Option<Collection<ReadTable>>, Failure> {
        let entry = self.catalog()?.get(namespace)?;
        entry.map(|entry| Collection::read(self, entry)).transpose()
    }

    /// The tables of a collection of this snapshot's catalog.
    pub(crate) fn open(&self, entry: CollectionEntry) -> Result<Collection<ReadTable>, Failure> {
        Collection::read(self, entry)
    }

    /// The change log at the snapshot's time.
    pub(crate) fn log(&self) -> Result<ReadTable, Failure> {
        self.table(LOG)
    }

    /// Time of the commit that this is a view of.
    pub(crate) fn tick(&self) -> Result<u64, Failure> {
        read_number(&self.table(META)?, META_TICK)
    }

    /// Where the change log begins: after this position.
    pub(crate) fn log_start(&self) -> Result<Position, Failure> {
        let start = self.table(META)?.get(META_LOG_START)?.map(|key| key.value().to_vec());
        let damaged = || refuse(codes::INTERNAL_ERROR, "the beginning of the log cannot be read");
        start.as_deref().and_then(Position::from_key).ok_or_else(damaged)
    }

    /// Bytes of a collection's documents.
    pub(crate) fn size_bytes(&self, uuid: [u8; 16]) -> Result<u64, Failure> {
        read_size(&self.table(SIZES)?, uuid)
    }

    /// How many entries an index holds.
    #[cfg(test)]
    pub(crate) fn table_len(&self, name: &str) -> Result<u64, Failure> {
        self.table(name)?.len()
    }
}

#[cfg(test)]
mod tests;
