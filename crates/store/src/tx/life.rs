//! The life of a transaction's connection: how it is got, shared, committed and given back. What happens in
//! between is in [`crate::tx`].

use super::{Link, Tx};
use crate::connection::Connection;
use crate::error::{Phase, classify};
use crate::transactions::Kind;
use crate::writers::{self, Group};
use crate::{Dialect, Store, StoreError};

impl Tx<'_> {
    /// Gets a reading transaction's connection, if it was not needed before.
    pub(crate) async fn reach(&mut self) -> Result<(), StoreError> {
        if !matches!(self.link, Link::Unopened) {
            return Ok(());
        }
        self.read_version = self.store.memory().map_or(0, |memory| memory.version());
        match connect(self.store.clone(), self.kind, self.name).await {
            Ok(connection) => {
                self.link = Link::Alone(connection);
                Ok(())
            }
            Err(error) => {
                self.failed.get_or_insert_with(|| error.clone());
                Err(error)
            }
        }
    }

    /// Gets a writing transaction's turn and connection.
    pub(crate) async fn begin_writing(&mut self) -> Result<(), StoreError> {
        let (store, kind, name) = (self.store.clone(), self.kind, self.name);
        let Some(writers) = store.writers().cloned() else {
            self.link = Link::Alone(connect(store, kind, name).await?);
            return Ok(());
        };
        let mut turn = match kind {
            Kind::Schema => writers.turn_alone(&store).await,
            _ => writers.turn().await,
        };
        self.link = match (turn.take(), kind) {
            (Some(mut group), _) => {
                run_in(&mut group, "SAVEPOINT shared", name).await?;
                Link::Shared(group, false)
            }
            (None, Kind::Light | Kind::Schema) => Link::Alone(connect(store, kind, name).await?),
            (None, _) => Link::Shared(Group::new(connect(store, kind, name).await?), true),
        };
        self.turn = Some(turn);
        if let Some(memory) = self.store.memory() {
            memory.writer_began();
        }
        Ok(())
    }

    /// Writes what was done. A failed statement before makes this fail.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        if let Some(error) = self.failed.take() {
            self.roll_back().await?;
            return Err(error);
        }
        if !self.kind.writes() {
            return self.finish().await;
        }
        let runtime = self.store.runtime().clone();
        let name = self.name;
        let outcome = runtime.effect(name, self.finish()).await;
        if outcome.is_err() {
            self.roll_back().await.ok();
        }
        outcome
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        let (dialect, name) = (self.dialect(), self.name);
        if let Link::Shared(..) = self.link {
            return self.leave(true).await;
        }
        let memory = self.store.memory().filter(|_| self.kind.writes());
        let flux = memory.map(|memory| memory.changing(self.changed));
        // Dropped half-way, the connection is closed.
        let Link::Alone(connection) = &mut self.link else { return Ok(()) };
        let outcome = connection.run("COMMIT").await;
        let outcome = outcome.map_err(|error| classify(error, dialect, name, Phase::Commit));
        if outcome.is_err() {
            connection.close_on_drop();
        }
        self.link = Link::Ended;
        // Whether an unanswered commit is over, only the next writer knows.
        if let (Some(flux), false) = (flux, matches!(outcome, Err(StoreError::Unknown { .. }))) {
            flux.end();
        }
        outcome
    }

    /// Gives a shared transaction back and waits for its end.
    async fn leave(&mut self, wrote: bool) -> Result<(), StoreError> {
        let link = std::mem::replace(&mut self.link, Link::Ended);
        let (Link::Shared(mut group, first), Some(mut turn)) = (link, self.turn.take()) else {
            return Ok(());
        };
        if wrote {
            group.note_changed(self.changed);
        }
        let outcome = group.outcome();
        *turn = Some(group);
        drop(turn);
        if first {
            writers::commit_later(&self.store);
        }
        outcome.wait(self.name).await
    }

    /// Undoes what was done.
    ///
    /// # Errors
    /// The end of a transaction that others share: what `self` read in it did not come to be.
    pub(crate) async fn roll_back(mut self) -> Result<(), StoreError> {
        match &mut self.link {
            Link::Unopened | Link::Ended => Ok(()),
            Link::Alone(connection) => {
                if connection.run("ROLLBACK").await.is_err() {
                    connection.close_on_drop();
                }
                self.link = Link::Ended;
                Ok(())
            }
            Link::Shared(group, first) => {
                let sql = if *first { "ROLLBACK" } else { "ROLLBACK TO shared" };
                run_in(group, sql, self.name).await?;
                if !*first {
                    return self.leave(false).await;
                }
                if let Link::Shared(group, _) = std::mem::replace(&mut self.link, Link::Ended) {
                    drop(group.into_connection());
                }
                Ok(())
            }
        }
    }
}

/// A transaction dropped half-way (a cancelled request, a panic) must not go back into the pool:
/// closing its connection rolls it back. A shared one does so itself.
impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if let Link::Alone(connection) = &mut self.link {
            connection.close_on_drop();
        }
    }
}

/// A connection with a transaction begun.
async fn connect(
    store: Store,
    kind: Kind,
    operation: &'static str,
) -> Result<Connection, StoreError> {
    let dialect = store.dialect();
    let failed = |error| classify(error, dialect, operation, Phase::Work);
    let mut held = Held(Some(store.acquire(kind).await.map_err(failed)?));
    if let Some(connection) = &mut held.0 {
        connection.run(kind.begin(dialect)).await.map_err(failed)?;
    }
    let detail = "the connection is gone".to_owned();
    held.0.take().ok_or(StoreError::Internal { operation, detail })
}

/// A connection on its way into a transaction: closed when that is given up.
struct Held(Option<Connection>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

async fn run_in(
    group: &mut Group,
    sql: &'static str,
    operation: &'static str,
) -> Result<(), StoreError> {
    let detail = "the shared transaction has ended".to_owned();
    let connection = group.connection().ok_or(StoreError::Retry { operation, detail })?;
    let outcome = connection.run(sql).await;
    outcome.map_err(|error| classify(error, Dialect::Sqlite, operation, Phase::Work))
}
