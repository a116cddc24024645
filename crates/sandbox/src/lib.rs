//! The embedded cluster: a MongoDB-compatible database of one member in one file.
//!
//! Collections, indexes and the records of retryable writes live in a redb file ([`store`]);
//! queries are evaluated by `portolan-mql`; drivers reach it through `portolan-wire`. A write is
//! durable when it is acknowledged; a delete evaluates its filter and removes in one transaction.
//! Transactions of several commands are held in memory until they
//! commit. Change streams read the log that every commit writes. What is not here: the network,
//! authentication, cursors (all in `wire`).

mod backend;
mod changes;
mod commands;
#[cfg(test)]
mod durability;
mod engine;
mod error;
mod load;
mod plan;
mod scan;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transactions;
mod ttl;
mod tuning;
mod users;

pub use backend::{Accounts, SERVER_VERSION};
pub use error::SandboxError;
pub use tuning::Tuning;

use std::path::Path;
use std::sync::{Arc, Weak};

use portolan_runtime::Runtime;
use portolan_wire::Backend;

use engine::Engine;
use store::{LogLimits, Store, StoreOptions, WriteQueue};
use transactions::Transactions;

/// How a sandbox is run.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Memory for pages of the file, in bytes.
    pub cache_bytes: usize,
    /// Bytes of events that change streams can go back to, at most.
    pub log_bytes_max: u64,
    /// Such events, at most.
    pub log_events_max: u64,
    /// Answers `getParameter enableTestCommands` with true.
    pub test_mode: bool,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 * 1024 * 1024,
            log_bytes_max: 128 * 1024 * 1024,
            log_events_max: 1_000_000,
            test_mode: true,
        }
    }
}

impl SandboxOptions {
    fn store(&self) -> StoreOptions {
        let log = LogLimits { bytes_max: self.log_bytes_max, events_max: self.log_events_max };
        StoreOptions { cache_bytes: self.cache_bytes, log }
    }
}

/// An open sandbox cluster. Dropping it closes the file once the last command is done;
/// [`Sandbox::close`] waits for that.
pub struct Sandbox {
    engine: Arc<Engine>,
}

impl Sandbox {
    /// Opens the cluster in `folder`, making it if there is none. Must be called inside a tokio
    /// runtime, on which the writer runs.
    ///
    /// # Errors
    /// [`SandboxError::InUse`] when another process has it open, [`SandboxError::Damaged`] when
    /// the file is not sound, [`SandboxError::Io`] and others when it cannot be used.
    pub async fn open(
        folder: &Path,
        options: SandboxOptions,
        runtime: Runtime,
    ) -> Result<Arc<Self>, SandboxError> {
        let folder = folder.to_owned();
        let for_opening = options.store();
        let for_store = runtime.clone();
        let opened = runtime
            .spawn_blocking(move || Store::open(&folder, for_opening, for_store))
            .await
            .map_err(|error| SandboxError::Storage(error.to_string()))??;
        tracing::info!(path = %opened.path().display(), "sandbox cluster opened");
        Ok(Self::run(opened, options.test_mode, runtime))
    }

    fn run(store: Store, test_mode: bool, runtime: Runtime) -> Arc<Self> {
        let store = Arc::new(store);
        let queue = WriteQueue::start(store.clone());
        let transactions = Arc::new(Transactions::new(store.clone(), runtime.clone()));
        runtime.spawn("sandbox.expire", expire(Arc::downgrade(&transactions), runtime.clone()));
        let started_boot_ms = runtime.boot_ms();
        let engine =
            Arc::new(Engine { store, queue, transactions, runtime, test_mode, started_boot_ms });
        engine.runtime.spawn("sandbox.ttl", ttl::run(Arc::downgrade(&engine)));
        Arc::new(Self { engine })
    }

    /// The cluster as the wire server serves it. `advertised_host` is the `host:port` that clients
    /// are told to connect to.
    #[must_use]
    pub fn backend(
        &self,
        accounts: Arc<dyn Accounts>,
        advertised_host: impl Into<String>,
    ) -> Arc<dyn Backend> {
        self.tuned_backend(accounts, advertised_host, Arc::default())
    }

    /// As [`Sandbox::backend`], obeying what an operator tunes while it serves.
    #[must_use]
    pub fn tuned_backend(
        &self,
        accounts: Arc<dyn Accounts>,
        advertised_host: impl Into<String>,
        tuning: Arc<Tuning>,
    ) -> Arc<dyn Backend> {
        Arc::new(backend::SandboxBackend::new(
            self.engine.clone(),
            accounts,
            advertised_host.into(),
            tuning,
        ))
    }

    /// Waits for the writes under way and closes the file. Later commands are refused.
    ///
    /// # Errors
    /// [`SandboxError`] when the file could not be closed cleanly; it is closed all the same.
    pub async fn close(&self) -> Result<(), SandboxError> {
        self.engine.transactions.end(|_| true);
        let store = self.engine.store.clone();
        let closed = self.engine.runtime.spawn_blocking(move || store.close()).await;
        closed.map_err(|error| SandboxError::Storage(error.to_string()))?
    }
}

#[cfg(test)]
impl Sandbox {
    /// A sandbox on a disk of a test.
    pub(crate) fn on_disk(disk: &store::Disk, runtime: Runtime) -> Result<Arc<Self>, SandboxError> {
        let options = SandboxOptions::default();
        let store = Store::open_disk(disk, options.store(), runtime.clone())?;
        Ok(Self::run(store, options.test_mode, runtime))
    }
}

/// How often open transactions are looked at.
const EXPIRE_EVERY_MS: u64 = 5_000;

/// Gives up transactions that are open for too long, and snapshots that nobody came back to, for as
/// long as the sandbox lives.
async fn expire(transactions: Weak<Transactions>, runtime: Runtime) {
    while let Some(transactions) = transactions.upgrade() {
        transactions.expire();
        transactions.forget_history();
        drop(transactions);
        runtime.sleep_ms(EXPIRE_EVERY_MS).await;
    }
}
