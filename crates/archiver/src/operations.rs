//! Work that operators ask for: verify, estimate, restore and redact. It stands in a queue in the
//! control database, one worker takes each piece, and what it found so far is written down as it goes,
//! so that a process that ends loses no more than the file it was reading. Only redact takes anything
//! out of an archive.

mod estimate;
mod redact;
mod restore;
mod verify;

use portolan_store::archives::StoredArchive;
use portolan_store::operations::{Operation, OperationKind, OperationState};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::worker::Shared;
use crate::{ArchiverError, effects};

/// A worker that was silent for so many times the life of a lease has lost its operation to another one.
pub(crate) const SILENT_LEASES: u64 = 20;

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
    let figures = serde_json::from_str(&operation.progress).unwrap_or_default();
    let mut working = Working { shared, operation, figures, shutdown };
    let done = match stored {
        Some(stored) => work(&mut working, &stored).await,
        None => Err(ArchiverError::Invalid("the archive is gone".to_owned())),
    };
    match done {
        // Whoever comes next goes on with it, at once.
        Err(ArchiverError::Stopping) => return working.hand_back().await.map(|()| false),
        Err(error) => {
            tracing::warn!(operation = %working.operation.id, %error, "an operation failed");
            working.operation.error = Some(error.to_string());
            working.operation.state = OperationState::Failed;
        }
        Ok(Outcome::NotNow) => return working.hand_back().await.map(|()| false),
        Ok(Outcome::Done) => working.operation.state = OperationState::Done,
    }
    working.operation.ended_at = Some(shared.runtime.now_ms());
    let problems = verify::WRONG.iter().map(|name| working.count(name)).sum();
    shared.metrics.operation_ended(&working.operation, problems);
    working.save(effects::OPERATION_DONE).await.map(|()| true)
}

async fn work(working: &mut Working<'_>, stored: &StoredArchive) -> Result<Outcome, ArchiverError> {
    match working.operation.kind {
        OperationKind::Verify => verify::run(working, stored).await?,
        OperationKind::Estimate => estimate::run(working, stored).await?,
        OperationKind::Restore => return restore::run(working, stored).await,
        OperationKind::Redact => return redact::run(working, stored).await,
        other => {
            let what = other.as_str();
            return Err(ArchiverError::Internal(format!("{what} is not asked for")));
        }
    }
    Ok(Outcome::Done)
}

impl Working<'_> {
    /// # Errors
    /// [`ArchiverError::Stopping`] when the process goes down.
    pub(crate) fn check(&self) -> Result<(), ArchiverError> {
        if self.shutdown.is_cancelled() { Err(ArchiverError::Stopping) } else { Ok(()) }
    }

    /// Writes down how far it is.
    pub(crate) async fn progress(&mut self) -> Result<(), ArchiverError> {
        self.save(effects::OPERATION_PROGRESS).await
    }

    /// Puts it back into the queue, behind the others.
    async fn hand_back(&mut self) -> Result<(), ArchiverError> {
        self.operation.state = OperationState::Queued;
        self.progress().await
    }

    async fn save(&mut self, name: &'static str) -> Result<(), ArchiverError> {
        self.operation.progress = Value::Object(self.figures.clone()).to_string();
        self.shared.journal.save_operation(name, &self.operation).await
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
