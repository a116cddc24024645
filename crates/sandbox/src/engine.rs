//! What every command shares: the store, its writer and the runtime.

use std::sync::Arc;

use portolan_runtime::Runtime;

use crate::store::{Store, WriteQueue};
use crate::transactions::Transactions;

/// The inside of a sandbox.
pub(crate) struct Engine {
    pub(crate) store: Arc<Store>,
    pub(crate) queue: WriteQueue,
    pub(crate) transactions: Arc<Transactions>,
    pub(crate) runtime: Runtime,
    pub(crate) test_mode: bool,
    pub(crate) started_boot_ms: u64,
}
