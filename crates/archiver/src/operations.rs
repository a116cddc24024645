//! Work that operators ask for: verify, estimate, restore and redact. It stands in a queue in the
//! control database, one worker takes each piece, and what it found so far is written down as it goes,
//! so that a process that ends loses no more than the file it was reading. Only redact takes anything
//! out of an archive.

mod estimate;
mod redact;
mod restore;
mod verify;

use portolan_cluster::Cluster;
use portolan_model::GuardLevel;
use portolan_store::archives::StoredArchive;
use portolan_store::operations::{Operation, OperationKind, OperationState};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::lease::Held;
use crate::load::Load;
use crate::worker::Shared;
use crate::{ArchiverError, effects, quiet};
pub(crate) use redact::Redacted;

/// A worker that was silent for so many times the life of a lease has lost its operation to another one.
pub(crate) const SILENT_LEASES: u64 = 20;

/// Work that is under way is written down at least so often: others see that it is.
const BEAT_MS: u64 = 5_000;
/// While the cluster has no room, it is asked again so often.
const WAIT_MS: u64 = 1_000;
/// Nobody waits longer for a cluster: the operation goes back to the queue.
const WAIT_MAX_MS: u64 = 5 * 60_000;
/// Failures in a row that may pass, until the operation is given up.
const FAILURES_MAX: i64 = 10;

/// How a piece of work ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// Somebody else works on the collection: later.
    NotNow,
}

/// An operation under way.
pub(crate) struct Working<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) operation: Operation,
    pub(crate) figures: Map<String, Value>,
    /// What is written down: where it goes on after a break.
    saved: Map<String, Value>,
    saved_ms: u64,
    shutdown: CancellationToken,
}

/// Works on one operation until it is done, fails, or the process goes down. Whether it came to an end.
///
/// # Errors
/// Those of writing down how it ended.
pub(crate) async fn run(
    shared: &Shared,
    operation: Operation,
    shutdown: CancellationToken,
) -> Result<bool, ArchiverError> {
    let stored = shared.journal.archive(operation.archive_id).await?;
    let mut working = Working::new(shared, operation, shutdown);
    let done = match stored {
        Some(stored) => Box::pin(work(&mut working, &stored)).await,
        None => Err(ArchiverError::Invalid("the archive is gone".to_owned())),
    };
    match done {
        // Whoever comes next goes on with it, at once.
        Err(ArchiverError::Stopping) | Ok(Outcome::NotNow) => {
            return working.hand_back().await.map(|()| false);
        }
        Err(ArchiverError::Overtaken) => return Err(ArchiverError::Overtaken),
        Err(error) if error.may_pass() && working.operation.failures < FAILURES_MAX => {
            return working.try_later(&error).await.map(|()| false);
        }
        Err(error) => {
            tracing::warn!(operation = %working.operation.id, %error, "an operation failed");
            working.operation.error = Some(error.to_string());
            working.operation.state = OperationState::Failed;
        }
        Ok(Outcome::Done) => {
            working.operation.error = None;
            working.operation.state = OperationState::Done;
        }
    }
    working.operation.ended_at = Some(shared.runtime.now_ms());
    working.save(effects::OPERATION_DONE).await?;
    shared.metrics.operation_ended(working.operation.kind, working.operation.state);
    shared.metrics.problems_found(verify::WRONG.iter().map(|name| working.count(name)).sum());
    Ok(true)
}

/// A time as the API writes it: ISO 8601, UTC, whole seconds.
pub(crate) fn iso8601(ms: i64) -> Value {
    let time = bson::DateTime::from_millis(ms.div_euclid(1_000).saturating_mul(1_000));
    // Beyond the year 9999 there is no such text.
    time.try_to_rfc3339_string().map_or_else(|_| Value::from(ms), Value::from)
}

async fn work(working: &mut Working<'_>, stored: &StoredArchive) -> Result<Outcome, ArchiverError> {
    match working.operation.kind {
        OperationKind::Verify => Box::pin(verify::run(working, stored)).await?,
        OperationKind::Estimate => Box::pin(estimate::run(working, stored)).await?,
        OperationKind::Restore => return Box::pin(restore::run(working, stored)).await,
        OperationKind::Redact => return Box::pin(redact::run(working, stored)).await,
        other => {
            let what = other.as_str();
            return Err(ArchiverError::Internal(format!("{what} is not asked for")));
        }
    }
    Ok(Outcome::Done)
}

impl<'a> Working<'a> {
    fn new(shared: &'a Shared, operation: Operation, shutdown: CancellationToken) -> Self {
        let figures: Map<String, Value> =
            serde_json::from_str(&operation.progress).unwrap_or_default();
        let (saved, saved_ms) = (figures.clone(), shared.runtime.boot_ms());
        Self { shared, operation, figures, saved, saved_ms, shutdown }
    }

    /// # Errors
    /// [`ArchiverError::Stopping`] when the process goes down.
    pub(crate) fn check(&self) -> Result<(), ArchiverError> {
        if self.shutdown.is_cancelled() { Err(ArchiverError::Stopping) } else { Ok(()) }
    }

    /// Writes down how far it is.
    pub(crate) async fn progress(&mut self) -> Result<(), ArchiverError> {
        self.save(effects::OPERATION_PROGRESS).await
    }

    /// The same after something was done that need not be done again: earlier failures are over.
    pub(crate) async fn advanced(&mut self) -> Result<(), ArchiverError> {
        self.operation.failures = 0;
        self.progress().await
    }

    /// The same now and then. Only where the figures are those that one can go on from.
    pub(crate) async fn beat(&mut self) -> Result<(), ArchiverError> {
        self.check()?;
        let silent_ms = self.shared.runtime.boot_ms().saturating_sub(self.saved_ms);
        if silent_ms < BEAT_MS { Ok(()) } else { self.progress().await }
    }

    /// Waits until the cluster may be burdened further. The figures must be those of [`Self::beat`].
    ///
    /// # Errors
    /// [`ArchiverError::Overburdened`] after five minutes, and those of [`Self::beat`].
    pub(crate) async fn ease(
        &mut self,
        load: &Load,
        cluster: &dyn Cluster,
    ) -> Result<(), ArchiverError> {
        let runtime = &self.shared.runtime;
        let began_ms = runtime.boot_ms();
        while let Some((why, ms)) = load.hindrance(runtime, cluster).await {
            if runtime.boot_ms().saturating_sub(began_ms) > WAIT_MAX_MS {
                return Err(ArchiverError::Overburdened(why.to_string()));
            }
            if ms >= WAIT_MS {
                self.set("waitingFor", why.to_string());
            }
            self.beat().await?;
            let ms = ms.min(WAIT_MS);
            load.waited(why, ms);
            runtime.sleep_ms(ms).await;
        }
        self.figures.remove("waitingFor");
        self.check()
    }

    /// Waits until what was sent before can have no effect any more, by the clock of that level. The figures must
    /// be those of [`Self::beat`]; they say what is waited for.
    pub(crate) async fn wait_until_quiet(
        &mut self,
        (cluster, held): (&dyn Cluster, &Held),
        (level, quiet_at_ms): (GuardLevel, i64),
    ) -> Result<(), ArchiverError> {
        let runtime = &self.shared.runtime;
        while quiet::clock_ms(cluster, runtime, level).await? <= quiet_at_ms {
            held.check()?;
            self.beat().await?;
            runtime.sleep_ms(WAIT_MS).await;
        }
        self.figures.remove("waitingFor");
        Ok(())
    }

    /// Puts it back into the queue, behind the others, as it was written down last.
    async fn hand_back(&mut self) -> Result<(), ArchiverError> {
        self.operation.state = OperationState::Queued;
        self.figures = self.saved.clone();
        self.progress().await
    }

    /// The same after a failure that may pass: the next attempt begins some time later.
    async fn try_later(&mut self, error: &ArchiverError) -> Result<(), ArchiverError> {
        tracing::warn!(operation = %self.operation.id, %error, "an operation is tried again later");
        let operation = &mut self.operation;
        operation.failures += 1;
        operation.error = Some(error.to_string());
        let wait_ms = self.shared.options.backoff_after(operation.failures);
        operation.not_before = self.shared.runtime.now_ms().saturating_add(wait_ms);
        self.hand_back().await
    }

    async fn save(&mut self, name: &'static str) -> Result<(), ArchiverError> {
        self.operation.progress = Value::Object(self.figures.clone()).to_string();
        self.shared.journal.save_operation(name, &self.operation).await?;
        self.saved.clone_from(&self.figures);
        self.saved_ms = self.shared.runtime.boot_ms();
        Ok(())
    }

    /// Whether the request says yes to something.
    pub(crate) fn asked(&self, name: &str) -> bool {
        let request: Value = serde_json::from_str(&self.operation.request).unwrap_or_default();
        request[name].as_bool().unwrap_or(false)
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    pub(crate) fn add(&mut self, name: &str, count: u64) {
        let sum = self.count(name).saturating_add(count);
        self.set(name, sum);
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.figures.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.figures.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// Adds to a list, of which the first hundred entries are kept.
    pub(crate) fn name(&mut self, list: &str, entry: Value) {
        let entries = self.figures.entry(list.to_owned()).or_insert_with(|| Value::Array(vec![]));
        if let Value::Array(entries) = entries
            && entries.len() < 100
        {
            entries.push(entry);
        }
    }
}
