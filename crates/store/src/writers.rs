//! SQLite's one writer at a time, and the commits that several of them share: a durable commit costs a
//! wait for the disk, and the transactions that come meanwhile need not wait for one each.
//!
//! Who has the [`Turn`] writes. A transaction that did its work puts the open [`Group`] back and lets go of
//! the turn; the group's first one has a task wait for the turn again, at the end of the queue, and
//! commit. Whoever stood in the queue before it has joined by then. A transaction is done when its group's
//! commit was answered, and shares its outcome.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use crate::connection::Connection;
use crate::error::{Phase, classify};
use crate::memory::{Memory, TableSet};
use crate::{Dialect, Store, StoreError};

/// The right to write, and the group that the next one joins.
pub(crate) type Turn = OwnedMutexGuard<Option<Group>>;

/// The queue of writers.
#[derive(Clone, Default)]
pub(crate) struct Writers {
    turn: Arc<Mutex<Option<Group>>>,
}

impl Writers {
    /// Waits for the turn, in order.
    pub(crate) async fn turn(&self) -> Turn {
        self.turn.clone().lock_owned().await
    }

    /// Waits for the turn with no group under way.
    pub(crate) async fn turn_alone(&self, store: &Store) -> Turn {
        let mut turn = self.turn().await;
        if let Some(group) = turn.take() {
            group.commit(store.memory().cloned()).await;
        }
        turn
    }
}

/// How a group stands.
#[derive(Debug, Clone)]
enum Stand {
    /// Not sent to the disk yet: when it ends so, nothing was written.
    Open,
    /// Sent.
    Committing,
    /// Answered.
    Ended(Result<(), StoreError>),
}

/// Transactions that are committed together, each inside a savepoint of its own but for the first.
pub(crate) struct Group {
    connection: Option<Connection>,
    changed: TableSet,
    stand: watch::Sender<Stand>,
}

impl Group {
    /// Begins one on a connection whose transaction was begun.
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection: Some(connection), changed: 0, stand: watch::Sender::new(Stand::Open) }
    }

    /// The connection; gone only when the group ended.
    pub(crate) fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// Takes the connection out: there is nobody else in the group.
    pub(crate) fn into_connection(mut self) -> Option<Connection> {
        self.connection.take()
    }

    /// Adds what a transaction in it changed.
    pub(crate) fn note_changed(&mut self, tables: TableSet) {
        self.changed |= tables;
    }

    /// What tells its end.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome { stand: self.stand.subscribe() }
    }

    /// Commits and tells everybody in it.
    async fn commit(mut self, memory: Option<Arc<Memory>>) {
        let Some(mut connection) = self.connection.take() else { return };
        self.stand.send_replace(Stand::Committing);
        let flux = memory.map(|memory| memory.changing(self.changed));
        let outcome = connection.run("COMMIT").await;
        let failed = |error| classify(error, Dialect::Sqlite, "store.commit", Phase::Commit);
        let outcome = outcome.map_err(failed);
        if outcome.is_err() {
            connection.close_on_drop();
        }
        // Whether an unanswered commit is over, only the next writer knows.
        if let (Some(flux), false) = (flux, matches!(outcome, Err(StoreError::Unknown { .. }))) {
            flux.end();
        }
        self.stand.send_replace(Stand::Ended(outcome));
    }
}

/// A group that is dropped half-way must not go back into the pool: closing its connection rolls it back.
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.close_on_drop();
        }
    }
}

/// Has the group in `turn` committed when all writers that wait already have joined it.
pub(crate) fn commit_later(store: &Store) {
    let Some(writers) = store.writers().cloned() else { return };
    let memory = store.memory().cloned();
    store.runtime().spawn("commit", async move {
        let mut turn = writers.turn().await;
        if let Some(group) = turn.take() {
            group.commit(memory).await;
        }
    });
}

/// Tells how a group ended.
pub(crate) struct Outcome {
    stand: watch::Receiver<Stand>,
}

impl Outcome {
    /// Waits for the end.
    pub(crate) async fn wait(mut self, operation: &'static str) -> Result<(), StoreError> {
        loop {
            let stand = self.stand.borrow_and_update().clone();
            if let Stand::Ended(outcome) = stand {
                return outcome.map_err(|error| named(error, operation));
            }
            if self.stand.changed().await.is_err() {
                let detail = "the transaction that shared its commit was ended".to_owned();
                // The last word, which may have come between the two looks.
                return match self.stand.borrow().clone() {
                    Stand::Open => Err(StoreError::Retry { operation, detail }),
                    Stand::Committing => Err(StoreError::Unknown { operation, detail }),
                    Stand::Ended(outcome) => outcome.map_err(|error| named(error, operation)),
                };
            }
        }
    }
}

/// The error of a shared commit as each transaction tells it.
fn named(error: StoreError, operation: &'static str) -> StoreError {
    match error {
        StoreError::Retry { detail, .. } => StoreError::Retry { operation, detail },
        StoreError::Unknown { detail, .. } => StoreError::Unknown { operation, detail },
        StoreError::Internal { detail, .. } => StoreError::Internal { operation, detail },
        other => other,
    }
}

#[cfg(test)]
mod tests;
