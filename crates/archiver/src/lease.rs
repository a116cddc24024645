//! Holding a lease, and watching those of others.
//!
//! No two clocks are compared. Who wants to take a lease over must have seen it stand still for its
//! whole time to live on its own boot-time clock, which runs through suspension. The holder counts
//! from before it sent the renewal and stops at two thirds. A lease saves work; safety comes from the
//! fence in the table and the deadline in each delete.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portolan_cluster::Cluster;
use portolan_runtime::Runtime;
use portolan_store::leases::{Lease, LeaseKey};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::ArchiverError;
use crate::journal::Journal;

/// A lease that this worker holds.
pub(crate) struct Held {
    pub(crate) key: LeaseKey,
    pub(crate) token: String,
    pub(crate) epoch: i64,
    runtime: Runtime,
    ttl_ms: u64,
    renewed_boot_ms: AtomicU64,
    cluster_clock_ms: AtomicI64,
    lost: AtomicBool,
}

impl Held {
    /// A lease that was taken by a request sent at `boot_ms`, when the cluster's clock showed
    /// `cluster_clock_ms`.
    pub(crate) fn new(
        key: LeaseKey,
        (token, epoch): (String, i64),
        runtime: &Runtime,
        ttl_ms: u64,
        (boot_ms, cluster_clock_ms): (u64, i64),
    ) -> Self {
        Self {
            key,
            token,
            epoch,
            runtime: runtime.clone(),
            ttl_ms,
            renewed_boot_ms: AtomicU64::new(boot_ms),
            cluster_clock_ms: AtomicI64::new(cluster_clock_ms),
            lost: AtomicBool::new(false),
        }
    }

    /// # Errors
    /// [`ArchiverError::LeaseLost`] once the lease is somebody else's, or may soon be.
    pub(crate) fn check(&self) -> Result<(), ArchiverError> {
        let age_ms =
            self.runtime.boot_ms().saturating_sub(self.renewed_boot_ms.load(Ordering::Acquire));
        if self.lost.load(Ordering::Acquire) || age_ms > self.ttl_ms / 3 * 2 {
            return Err(ArchiverError::LeaseLost);
        }
        Ok(())
    }

    /// The cluster's clock from which on deletes of this worker must have no effect: its value at the
    /// last renewal and the lease's time to live.
    pub(crate) fn deadline_ms(&self) -> i64 {
        let ttl_ms = i64::try_from(self.ttl_ms).unwrap_or(i64::MAX);
        self.cluster_clock_ms.load(Ordering::Acquire).saturating_add(ttl_ms)
    }
}

/// Renews a lease until the guard is dropped.
fn keep(
    held: Arc<Held>,
    journal: Journal,
    cluster: Option<Arc<dyn Cluster>>,
    runtime: &Runtime,
) -> DropGuard {
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    runtime.spawn("archiver.lease", async move {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = renew_always(&held, &journal, cluster.as_deref()) => {}
        }
    });
    guard
}

/// A lease in hand, renewed until it is given back.
pub(crate) struct Taken {
    held: Arc<Held>,
    renewing: DropGuard,
}

impl Taken {
    /// Begins to renew a lease that was taken. Work that sends nothing to a cluster names none.
    pub(crate) fn keep(
        held: Held,
        journal: &Journal,
        cluster: Option<Arc<dyn Cluster>>,
        runtime: &Runtime,
    ) -> Self {
        let held = Arc::new(held);
        let renewing = keep(held.clone(), journal.clone(), cluster, runtime);
        Self { held, renewing }
    }

    pub(crate) const fn held(&self) -> &Arc<Held> {
        &self.held
    }

    pub(crate) async fn give_back(self, journal: &Journal) {
        drop(self.renewing);
        if let Err(error) = journal.release(&self.held).await {
            tracing::warn!(%error, "the lease was not given back; it runs out by itself");
        }
    }
}

async fn renew_always(held: &Held, journal: &Journal, cluster: Option<&dyn Cluster>) {
    loop {
        held.runtime.sleep_ms(held.ttl_ms / 4).await;
        let boot_ms = held.runtime.boot_ms();
        let clock = match cluster {
            Some(cluster) => cluster.clock_ms().await.ok(),
            None => None,
        };
        match journal.renew(&held.key, &held.token).await {
            Ok(true) => {
                held.renewed_boot_ms.store(boot_ms, Ordering::Release);
                // A cluster that cannot be asked gets no later deadline.
                if let Some(clock_ms) = clock {
                    held.cluster_clock_ms.store(clock_ms, Ordering::Release);
                }
            }
            Ok(false) => {
                held.lost.store(true, Ordering::Release);
                return;
            }
            Err(error) => tracing::warn!(%error, "the lease was not renewed this time"),
        }
    }
}

/// What this process knows of leases: those that it works under, and those that it watches.
#[derive(Default)]
pub(crate) struct Leases {
    busy: Mutex<HashSet<LeaseKey>>,
    watched: Mutex<HashMap<LeaseKey, Watched>>,
}

struct Watched {
    token: String,
    renewals: i64,
    since_boot_ms: u64,
}

/// Marks a collection as worked on by this process until it is dropped.
pub(crate) struct Busy {
    leases: Arc<Leases>,
    key: LeaseKey,
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.leases.busy).remove(&self.key);
    }
}

impl Leases {
    /// `None`: this process works on the collection already.
    pub(crate) fn begin(self: &Arc<Self>, key: &LeaseKey) -> Option<Busy> {
        let fresh = lock(&self.busy).insert(key.clone());
        fresh.then(|| Busy { leases: self.clone(), key: key.clone() })
    }

    /// Whether a lease may be taken: never taken, given back, or seen standing still for a whole
    /// time to live.
    pub(crate) fn is_free(
        &self,
        key: &LeaseKey,
        lease: Option<&Lease>,
        boot_ms: u64,
        ttl_ms: u64,
    ) -> bool {
        let mut watched = lock(&self.watched);
        let Some(lease) = lease.filter(|lease| !lease.released) else {
            watched.remove(key);
            return true;
        };
        match watched.get(key) {
            Some(seen) if seen.token == lease.token && seen.renewals == lease.renewals => {
                boot_ms.saturating_sub(seen.since_boot_ms) >= ttl_ms
            }
            _ => {
                let (token, renewals) = (lease.token.clone(), lease.renewals);
                watched.insert(key.clone(), Watched { token, renewals, since_boot_ms: boot_ms });
                false
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
