//! Snapshots of the past that readers may come back to (`readConcern: snapshot`).
//!
//! A held snapshot keeps pages of the file from being used again, so few are held and not for long;
//! MongoDB keeps five minutes of history by default. Every time that a snapshot read has chosen is held,
//! other times of the past are not: their pages may be gone. What is not here: open cursors and
//! transactions, which hold what they read by themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::ReadTransaction;

use super::table::PrivateTables;
use super::{Snapshot, Store};
use crate::error::{Failure, codes, refuse};

/// Snapshots held at most; the oldest go first.
const HELD_MAX: usize = 16;
/// How long a snapshot is held after its last use.
const HELD_MS: u64 = 5 * 60 * 1_000;

struct Held {
    tx: Arc<ReadTransaction>,
    used_boot_ms: u64,
}

/// The held snapshots of a store, by their times.
#[derive(Default)]
pub(super) struct History {
    held: Mutex<BTreeMap<u64, Held>>,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of everything, before the file is closed.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}

impl Store {
    /// The newest snapshot and its time, to which readers may come back for some minutes.
    pub(crate) fn hold(&self) -> Result<(u64, Snapshot), Failure> {
        let snapshot = self.snapshot()?;
        let tick = snapshot.tick()?;
        let mut held = self.history.lock();
        let used_boot_ms = self.runtime.boot_ms();
        held.insert(tick, Held { tx: snapshot.tx.clone(), used_boot_ms });
        while held.len() > HELD_MAX {
            held.pop_first();
        }
        Ok((tick, snapshot))
    }

    /// The snapshot of a time of the past.
    ///
    /// # Errors
    /// `SnapshotTooOld` when it is not held.
    pub(crate) fn snapshot_at(&self, tick: u64) -> Result<Snapshot, Failure> {
        if tick >= self.newest_tick() {
            let (newest, snapshot) = self.hold()?;
            if newest == tick {
                return Ok(snapshot);
            }
        }
        match self.history.lock().get_mut(&tick) {
            Some(held) => {
                held.used_boot_ms = self.runtime.boot_ms();
                Ok(Snapshot { tx: held.tx.clone(), private: PrivateTables::new() })
            }
            None => {
                let message = "Read timestamp is older than the oldest available timestamp: this \
                               cluster keeps the times that snapshot reads have chosen, for minutes";
                Err(refuse(codes::SNAPSHOT_TOO_OLD, message))
            }
        }
    }

    /// Lets go of snapshots that nobody came back to.
    pub(crate) fn forget_history(&self) {
        let now_ms = self.runtime.boot_ms();
        let fresh = |held: &Held| now_ms.saturating_sub(held.used_boot_ms) < HELD_MS;
        self.history.lock().retain(|_, held| fresh(held));
    }
}
