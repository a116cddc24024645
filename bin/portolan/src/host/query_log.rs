//! Keeping the log of queries that read endpoints answered, and what they read.
//!
//! Queries hand their record over and go on: a full buffer drops records and says so in the process's
//! log. One task writes batches; what a crash loses is what a batch had not written yet. Queries are
//! kept for 30 days, and of each cluster only the newest [`ROWS_MAX`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portolan_federation::{Allowance, FederationError, QueryRecord};
use portolan_model::{OverrunPolicy, QueryLimitName};
use portolan_runtime::Runtime;
use portolan_store::query_limits::{self, QueryLimit, ReadEndpoint, day_of};
use portolan_store::query_log::{self, LoggedQuery};
use portolan_store::{ErrorKind, Store, StoreError};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::SYSTEM;

/// Records that wait for their batch, of which one writes all. One is at most some 20 KiB.
const BUFFER: usize = 1_024;
const BATCH: usize = BUFFER;
/// Longest wait of a record for its batch.
const BATCH_MS: u64 = 1_000;
const PRUNE_EVERY_MS: u64 = 10 * 60 * 1_000;
/// Documentation, "Query logs": 30 days.
const KEPT_DAYS: i64 = 30;
/// The longest period of a limit is a month.
const USAGE_KEPT_DAYS: i64 = 62;
const DAY_MS: i64 = 86_400_000;
/// Queries kept of one cluster.
const ROWS_MAX: i64 = 200_000;

/// Bytes read, by endpoint and day.
type Usage = HashMap<(ReadEndpoint, i64), i64>;

/// The way into the log. One per host.
pub(super) struct QueryLog {
    sender: mpsc::Sender<LoggedQuery>,
    /// The other end, until the writer takes it.
    receiver: Mutex<Option<mpsc::Receiver<LoggedQuery>>>,
    /// What queries read and no batch has written yet.
    unwritten: Mutex<Usage>,
    /// Records that were dropped since the last batch.
    dropped: AtomicU64,
    /// The same since the start, for `/metrics`.
    dropped_total: Counter,
}

impl QueryLog {
    pub(super) fn new() -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(BUFFER);
        Arc::new(Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            unwritten: Mutex::default(),
            dropped: AtomicU64::new(0),
            dropped_total: Counter::default(),
        })
    }

    /// Shows at `/metrics` how many records were dropped.
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Queries on archives that ended faster than the query log could be written";
        registry.register("portolan_query_log_dropped", help, self.dropped_total.clone());
    }

    /// Takes a record, or drops it when too many wait. What it read counts in any case.
    pub(super) fn note(&self, record: &QueryRecord, runtime: &Runtime) {
        let endpoint =
            ReadEndpoint { cluster_id: record.cluster_id, archive_only: record.archive_only };
        let bytes = i64::try_from(record.bytes).unwrap_or(i64::MAX);
        if bytes > 0 {
            let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
            let sum = unwritten.entry((endpoint, day_of(record.ended_at))).or_default();
            *sum = sum.saturating_add(bytes);
        }
        let logged = LoggedQuery {
            cluster_id: record.cluster_id,
            archive_only: record.archive_only,
            ended_at: record.ended_at,
            line: line(record),
            id: query_log::new_id(record.ended_at, runtime.object_id()),
        };
        if self.sender.try_send(logged).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.dropped_total.inc();
        }
    }

    fn unwritten_since(&self, endpoint: ReadEndpoint, first_day: i64) -> i64 {
        let unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let of_period =
            unwritten.iter().filter(|((of, day), _)| *of == endpoint && *day >= first_day);
        of_period.map(|(_, bytes)| *bytes).sum()
    }

    fn take_usage(&self) -> Usage {
        std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn give_back(&self, usage: Usage) {
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, bytes) in usage {
            *unwritten.entry(key).or_default() += bytes;
        }
    }

    /// How much a query may read that begins now. What runs at the same time counts when it ends.
    pub(super) async fn allowance(
        &self,
        store: &Store,
        endpoint: ReadEndpoint,
    ) -> Result<Allowance, FederationError> {
        let now_ms = store.runtime().now_ms();
        let limits: Vec<(QueryLimit, i64)> = store
            .read_tx("endpoint.allowance", move |tx| {
                Box::pin(async move {
                    let mut limits = Vec::new();
                    for limit in query_limits::in_force(tx, &SYSTEM, endpoint).await? {
                        let used = query_limits::usage(tx, endpoint, limit.name, now_ms).await?;
                        limits.push((limit, used));
                    }
                    Ok(limits)
                })
            })
            .await
            .map_err(|error: StoreError| FederationError::Catalog(error.to_string()))?;
        let mut allowance = Allowance::default();
        for (limit, written) in limits {
            let first_day = limit.name.first_day(day_of(now_ms));
            let unwritten = first_day.map_or(0, |day| self.unwritten_since(endpoint, day));
            narrow(&mut allowance, &limit, written.saturating_add(unwritten))?;
        }
        Ok(allowance)
    }

    /// Writes batches until it is told to stop, then what is left.
    pub(super) async fn serve(self: Arc<Self>, store: Store, stop: CancellationToken) {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = receiver else { return };
        let runtime = store.runtime().clone();
        let (mut waiting, mut pruned_at) = (Vec::new(), None::<u64>);
        while !stop.is_cancelled() {
            let rest_ms = if waiting.is_empty() { PRUNE_EVERY_MS } else { BATCH_MS };
            tokio::select! {
                () = stop.cancelled() => {}
                () = runtime.sleep_ms(rest_ms) => {}
                _ = receiver.recv_many(&mut waiting, 1), if waiting.is_empty() => {
                    // The first of a batch waits for company.
                    tokio::select! {
                        () = runtime.sleep_ms(BATCH_MS) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
            gather(&mut receiver, &mut waiting);
            self.write(&store, &mut waiting).await;
            let now = runtime.boot_ms();
            if pruned_at.is_none_or(|at| now.saturating_sub(at) >= PRUNE_EVERY_MS) {
                pruned_at = Some(now);
                prune(&store).await;
            }
        }
        gather(&mut receiver, &mut waiting);
        self.write(&store, &mut waiting).await;
    }

    /// Writes what waits. A batch that failed waits for the next try. When the outcome is not known, what
    /// was read is not sent again, so that nothing is counted twice.
    async fn write(&self, store: &Store, waiting: &mut Vec<LoggedQuery>) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "queries ended faster than the query log could be written");
        }
        let usage = self.take_usage();
        if waiting.is_empty() && usage.is_empty() {
            return;
        }
        let written: Result<(), StoreError> = store
            .run_tx("host.query_log", |tx| {
                let (waiting, usage) = (&*waiting, &usage);
                Box::pin(async move {
                    query_log::append(tx, &SYSTEM, waiting).await?;
                    for ((endpoint, day), bytes) in usage {
                        query_limits::add_usage(tx, &SYSTEM, *endpoint, *day, *bytes).await?;
                    }
                    Ok(())
                })
            })
            .await;
        match written {
            Ok(()) => waiting.clear(),
            Err(error) => {
                tracing::warn!(%error, "the query log could not be written");
                match error.kind() {
                    ErrorKind::Retry => self.give_back(usage),
                    // Lines can be sent again, sums cannot.
                    ErrorKind::Unknown => {}
                    _ => waiting.clear(),
                }
            }
        }
    }
}

/// Takes what is there, up to a full batch.
fn gather(receiver: &mut mpsc::Receiver<LoggedQuery>, waiting: &mut Vec<LoggedQuery>) {
    while waiting.len() < BATCH {
        let Ok(next) = receiver.try_recv() else { return };
        waiting.push(next);
    }
}

/// Lets a limit narrow what a query may read.
fn narrow(allowance: &mut Allowance, limit: &QueryLimit, used: i64) -> Result<(), FederationError> {
    let name = limit.name.as_str();
    let bytes = u64::try_from(limit.bytes).unwrap_or(0);
    let left = bytes.saturating_sub(u64::try_from(used).unwrap_or(0));
    if limit.name != QueryLimitName::Query {
        if left == 0 {
            return Err(FederationError::OverLimit { name: name.to_owned(), bytes });
        }
        if limit.overrun_policy == OverrunPolicy::Block {
            return Ok(());
        }
    }
    if allowance.bytes.as_ref().is_none_or(|(least, _)| left < *least) {
        allowance.bytes = Some((left, name.to_owned()));
    }
    Ok(())
}

/// Drops what is too old or too much, as long as there is some.
async fn prune(store: &Store) {
    let now_ms = store.runtime().now_ms();
    let before_ms = now_ms - KEPT_DAYS * DAY_MS;
    loop {
        let dropped: Result<u64, StoreError> = store
            .run_tx("host.query_log.prune", |tx| {
                Box::pin(async move {
                    query_limits::prune_usage(tx, &SYSTEM, day_of(now_ms) - USAGE_KEPT_DAYS)
                        .await?;
                    let mut dropped = query_log::prune(tx, &SYSTEM, before_ms).await?;
                    for cluster_id in query_log::clusters(tx, &SYSTEM).await? {
                        dropped += query_log::trim(tx, &SYSTEM, cluster_id, ROWS_MAX).await?;
                    }
                    Ok(dropped)
                })
            })
            .await;
        match dropped {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the query log could not be pruned");
                return;
            }
        }
    }
}

/// A query as the log shows it. Names follow those of `$queryHistory` of Atlas Data Federation
/// (<https://www.mongodb.com/docs/atlas/data-federation/supported-unsupported/pipeline/queryhistory/>).
fn line(record: &QueryRecord) -> String {
    let time = |ms| bson::DateTime::from_millis(ms).try_to_rfc3339_string().ok();
    let (db, collection) = record.namespace.split_once('.').unwrap_or((&record.namespace, ""));
    json!({
        "startTime": time(record.started_at),
        "endTime": time(record.ended_at),
        "durationMillis": record.ended_at.saturating_sub(record.started_at),
        "db": db,
        "collection": collection,
        "command": record.command,
        "query": record.query.clone().into_relaxed_extjson(),
        "comment": record.comment,
        "user": record.user,
        "archiveOnly": record.archive_only,
        "documents": record.documents,
        "bytesProcessed": record.bytes,
        "ok": i32::from(record.error.is_none()),
        "error": record.error,
    })
    .to_string()
}

#[cfg(test)]
mod tests;
