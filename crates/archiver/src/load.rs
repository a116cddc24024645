//! Load control: how much of a cluster the archiver may take. Every cluster has one account in this
//! process, shared by all its archives: bytes and operations a second, a rest after a command that was
//! slow, and a wait while the secondaries are behind.
//!
//! What was spent is booked after the fact, and the next step waits until the debt is paid: nobody has
//! to know the size of a batch before it was read. Batches get smaller while the cluster is slow or
//! behind, and grow again when it is not; the protocol's ceiling stays what it is. Several replicas
//! keep one account each. Outside a cluster's hours no move begins. What is not here: when a step asks
//! (`Scene::ease`, `Gate`), and who shows it.

mod ease;
mod gate;
mod hours;
mod pace;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::RawDocumentBuf;
use portolan_cluster::Cluster;
use portolan_model::ClusterId;
use portolan_runtime::Runtime;

use crate::{ArchiverMetrics, ArchiverOptions};

pub(crate) use gate::Gate;
pub use hours::LoadHours;
pub(crate) use pace::Pace;

/// The lag is asked for so often at most.
const LAG_ASK_MS: u64 = 1_000;
/// Nobody rests longer than this after one slow command.
const REST_MAX_MS: u64 = 10_000;
/// A full batch is so many shares; the smallest batch is one.
const SHARES: usize = 16;

/// What the archiver may ask of one cluster. Zero: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadLimits {
    /// Bytes of documents read, deleted or inserted in a second.
    pub bytes_per_s: u64,
    /// Documents deleted or inserted, and reads, in a second.
    pub operations_per_s: u64,
    /// Secondaries may be behind by so much.
    pub lag_ms: u64,
    /// A command may take so long.
    pub latency_ms: u64,
    /// When moves may begin.
    pub hours: LoadHours,
}

impl Default for LoadLimits {
    /// No limit of rates; ten seconds of lag, two seconds for a command; at any hour.
    fn default() -> Self {
        Self {
            bytes_per_s: 0,
            operations_per_s: 0,
            lag_ms: 10_000,
            latency_ms: 2_000,
            hours: LoadHours::default(),
        }
    }
}

/// Limits of all clusters, and of those that have their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadRules {
    /// Of every cluster that is not named.
    pub usual: LoadLimits,
    /// Of single clusters.
    pub of_cluster: BTreeMap<ClusterId, LoadLimits>,
}

impl LoadRules {
    fn of(&self, cluster: ClusterId) -> LoadLimits {
        self.of_cluster.get(&cluster).copied().unwrap_or(self.usual)
    }
}

/// Why a step may not begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// The secondaries are behind by so many milliseconds.
    Lag(u64),
    /// The last command took so many milliseconds.
    Latency(u64),
    /// So many bytes a second are spent.
    Bytes(u64),
    /// So many operations a second are spent.
    Operations(u64),
    /// It is not one of these hours.
    Hours(LoadHours),
}

impl Hindrance {
    /// Its name in metrics.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Lag(_) => "lag",
            Self::Latency(_) => "latency",
            Self::Bytes(_) => "bytes",
            Self::Operations(_) => "operations",
            Self::Hours(_) => "hours",
        }
    }
}

impl std::fmt::Display for Hindrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lag(ms) => write!(f, "lag {} s", ms.div_ceil(1_000)),
            Self::Latency(ms) => write!(f, "latency {ms} ms"),
            Self::Bytes(limit) => write!(f, "{limit} bytes a second"),
            Self::Operations(limit) => write!(f, "{limit} operations a second"),
            Self::Hours(hours) => write!(f, "outside its hours, {hours}"),
        }
    }
}

/// The accounts of all clusters.
#[derive(Default)]
pub(crate) struct Loads {
    accounts: Mutex<HashMap<ClusterId, Arc<Load>>>,
}

impl Loads {
    /// The account of a cluster.
    pub(crate) fn of(
        &self,
        cluster: ClusterId,
        options: &ArchiverOptions,
        metrics: &ArchiverMetrics,
    ) -> Arc<Load> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(cluster).or_insert_with(|| {
            Arc::new(Load::new(options.load.of(cluster), options, metrics.clone()))
        });
        account.clone()
    }

    /// The greatest lag that was told in the last minute.
    pub(crate) fn lag_ms(&self, boot_ms: u64) -> u64 {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.values().filter_map(|load| load.recent_lag_ms(boot_ms)).max().unwrap_or(0)
    }
}

/// The account of one cluster.
pub(crate) struct Load {
    limits: LoadLimits,
    batch_max: (usize, usize),
    metrics: ArchiverMetrics,
    state: Mutex<State>,
}

struct State {
    /// Boot clock in microseconds until which what was spent is not paid yet.
    bytes_until_us: u64,
    operations_until_us: u64,
    /// When the lag was asked for, and what the answer was.
    lag: Option<(u64, Option<u64>)>,
    /// Boot clock until which it rests, and after how long a command.
    rest: (u64, u64),
    shares: usize,
}

impl Load {
    fn new(limits: LoadLimits, options: &ArchiverOptions, metrics: ArchiverMetrics) -> Self {
        let state = State {
            bytes_until_us: 0,
            operations_until_us: 0,
            lag: None,
            rest: (0, 0),
            shares: SHARES,
        };
        let batch_max = (options.batch_documents_max, options.batch_bytes_max);
        Self { limits, batch_max, metrics, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The documents and bytes of a batch, for now.
    pub(crate) fn batch(&self) -> (usize, usize) {
        let share = |full: usize| (full * self.state().shares / SHARES).max(1);
        (share(self.batch_max.0), share(self.batch_max.1))
    }

    /// Books what a step took of the cluster.
    pub(crate) fn spend(&self, boot_ms: u64, operations: usize, bytes: usize) {
        let mut state = self.state();
        let until = &mut state.bytes_until_us;
        *until = booked(*until, boot_ms, bytes as u64, self.limits.bytes_per_s);
        let until = &mut state.operations_until_us;
        *until = booked(*until, boot_ms, operations as u64, self.limits.operations_per_s);
    }

    /// Books that a step waited.
    pub(crate) fn waited(&self, why: Hindrance, ms: u64) {
        self.metrics.waited(why.reason(), ms);
    }

    /// Books how long a command took: after a slow one there is a rest as long as it, and batches are
    /// halved; with quick ones they grow again.
    pub(crate) fn took(&self, command: &'static str, boot_ms: u64, ms: u64) {
        self.metrics.command_took(command, ms);
        let mut state = self.state();
        if self.limits.latency_ms == 0 {
            return;
        }
        if ms > self.limits.latency_ms {
            state.rest = (boot_ms.saturating_add(ms.min(REST_MAX_MS)), ms);
            state.shares = (state.shares / 2).max(1);
        } else if ms <= self.limits.latency_ms / 2 {
            state.shares = (state.shares + 1).min(SHARES);
        }
    }

    /// Books a command that read these documents.
    pub(crate) fn looked_up(&self, runtime: &Runtime, began_ms: u64, documents: &[RawDocumentBuf]) {
        let boot_ms = runtime.boot_ms();
        self.spend(boot_ms, 1, documents.iter().map(|it| it.as_bytes().len()).sum());
        self.took("read", boot_ms, boot_ms.saturating_sub(began_ms));
    }

    /// Books a command that wrote these documents.
    pub(crate) fn burdened(
        &self,
        command: &'static str,
        runtime: &Runtime,
        began_ms: u64,
        documents: &[RawDocumentBuf],
    ) {
        let boot_ms = runtime.boot_ms();
        let bytes = documents.iter().map(|document| document.as_bytes().len()).sum();
        self.spend(boot_ms, documents.len(), bytes);
        self.took(command, boot_ms, boot_ms.saturating_sub(began_ms));
    }

    /// That it is not an hour in which moves may begin. What is under way goes on.
    pub(crate) fn closed(&self, now_ms: i64) -> Option<Hindrance> {
        let hours = self.limits.hours;
        (!hours.allows(now_ms)).then_some(Hindrance::Hours(hours))
    }

    /// What hinders a step now, and for how many milliseconds at least.
    pub(crate) async fn hindrance(
        &self,
        runtime: &Runtime,
        cluster: &dyn Cluster,
    ) -> Option<(Hindrance, u64)> {
        if let Some(lag_ms) = self.lag(runtime, cluster).await
            && lag_ms > self.limits.lag_ms
        {
            return Some((Hindrance::Lag(lag_ms), LAG_ASK_MS));
        }
        self.debt(runtime.boot_ms())
    }

    fn debt(&self, boot_ms: u64) -> Option<(Hindrance, u64)> {
        let state = self.state();
        let left_ms = |until_us: u64| until_us.div_ceil(1_000).saturating_sub(boot_ms);
        let debts = [
            (Hindrance::Latency(state.rest.1), state.rest.0.saturating_sub(boot_ms)),
            (Hindrance::Bytes(self.limits.bytes_per_s), left_ms(state.bytes_until_us)),
            (
                Hindrance::Operations(self.limits.operations_per_s),
                left_ms(state.operations_until_us),
            ),
        ];
        debts.into_iter().filter(|(_, ms)| *ms > 0).max_by_key(|(_, ms)| *ms)
    }

    /// The lag, asked for again when the last answer is old. A cluster that cannot be asked has none:
    /// the step itself will meet the trouble.
    async fn lag(&self, runtime: &Runtime, cluster: &dyn Cluster) -> Option<u64> {
        if self.limits.lag_ms == 0 {
            return None;
        }
        let boot_ms = runtime.boot_ms();
        if let Some((asked_ms, lag)) = self.state().lag
            && boot_ms.saturating_sub(asked_ms) < LAG_ASK_MS
        {
            return lag;
        }
        let lag = cluster.lag_ms().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the cluster's lag is not known");
            None
        });
        let mut state = self.state();
        state.lag = Some((boot_ms, lag));
        if lag.is_some_and(|lag_ms| lag_ms > self.limits.lag_ms) {
            state.shares = (state.shares / 2).max(1);
        }
        lag
    }

    fn recent_lag_ms(&self, boot_ms: u64) -> Option<u64> {
        let (asked_ms, lag) = self.state().lag?;
        lag.filter(|_| boot_ms.saturating_sub(asked_ms) < 60_000)
    }
}

/// Until when a rate is spent after `count` more, in microseconds of the boot clock.
fn booked(until_us: u64, boot_ms: u64, count: u64, per_s: u64) -> u64 {
    if per_s == 0 {
        return 0;
    }
    let cost_us = count.saturating_mul(1_000_000) / per_s;
    until_us.max(boot_ms.saturating_mul(1_000)).saturating_add(cost_us)
}
