//! One change of a cluster at a time: starting, stopping, loading and removing must not meet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portolan_model::ClusterId;
use tokio::sync::OwnedMutexGuard;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// Whose turn it is, by cluster. Cheap to clone.
#[derive(Clone, Default)]
pub struct Turns {
    locks: Arc<Mutex<HashMap<ClusterId, Lock>>>,
}

impl Turns {
    /// Waits for a turn, which ends when the guard is dropped.
    pub(crate) async fn of(&self, id: ClusterId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.entry(id).or_default().clone()
        };
        lock.lock_owned().await
    }

    /// The cluster is gone: whoever comes now finds nothing to do.
    pub(crate) fn forget(&self, id: ClusterId) {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
