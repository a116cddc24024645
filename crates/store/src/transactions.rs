//! Running transactions: [`Store::run_tx`], [`Store::run_light_tx`] and [`Store::read_tx`]. What happens
//! inside them is in [`crate::tx`].

use std::marker::PhantomData;

use futures::future::BoxFuture;
use portolan_runtime::Runtime;

use crate::tx::Link;
use crate::{Dialect, Store, StoreError, Tx};

/// Tries of one transaction before [`StoreError::Retry`] reaches the caller.
const TRIES_MAX: u32 = 8;
const BACKOFF_FIRST_MS: u64 = 5;

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads one consistent state.
    Read,
    /// Writes, durably.
    Write,
    /// Writes; its commit does not wait for the disk.
    Light,
    /// Writes the schema.
    Schema,
}

impl Kind {
    pub(crate) const fn writes(self) -> bool {
        !matches!(self, Self::Read)
    }

    /// What begins it.
    pub(crate) const fn begin(self, dialect: Dialect) -> &'static str {
        match self {
            Self::Read => dialect.begin_read(),
            Self::Write | Self::Light => dialect.begin_write(),
            Self::Schema => dialect.begin_migrate(),
        }
    }
}

impl Store {
    /// Runs `work` in a transaction that may write, in serial order with all others. A busy database
    /// or a serialization failure starts it again, so `work` must have no effects but those on `tx`.
    ///
    /// `name` shows in logs and errors, and is the effect point of the COMMIT.
    ///
    /// # Errors
    /// Those of `work`, which roll back; [`StoreError::Retry`] when it was still busy after all
    /// tries; [`StoreError::Unknown`] when the COMMIT was sent and not answered.
    pub async fn run_tx<'e, T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: for<'t> Fn(&'t mut Tx<'e>) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
    {
        self.repeat(name, Kind::Write, work).await
    }

    /// [`Store::run_tx`] for what may be lost when the machine, not only the process, ends before the
    /// next transaction of [`Store::run_tx`] is committed, which makes it durable, too: its commit does
    /// not wait for the disk where the database can do without.
    ///
    /// # Errors
    /// As [`Store::run_tx`].
    pub async fn run_light_tx<'e, T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: for<'t> Fn(&'t mut Tx<'e>) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
    {
        self.repeat(name, Kind::Light, work).await
    }

    /// Runs the migrations.
    pub(crate) async fn migrate_tx<F>(&self, work: F) -> Result<(), StoreError>
    where
        F: for<'t> Fn(&'t mut Tx<'static>) -> BoxFuture<'t, Result<(), StoreError>> + Send + Sync,
    {
        self.repeat("store.migrate", Kind::Schema, work).await
    }

    /// Runs `work` on one consistent state. Nothing may be written.
    ///
    /// # Errors
    /// Those of `work`, and [`StoreError::Retry`] when the database stays out of reach.
    pub async fn read_tx<'e, T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: for<'t> Fn(&'t mut Tx<'e>) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
    {
        self.repeat(name, Kind::Read, work).await
    }

    async fn repeat<'e, T, E, F>(&self, name: &'static str, kind: Kind, work: F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: for<'t> Fn(&'t mut Tx<'e>) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
    {
        let (mut attempt, mut recalls) = (1, true);
        loop {
            match self.attempt(name, kind, recalls, &work).await {
                Attempt::Done(result) => return result,
                Attempt::Again(error) if attempt >= TRIES_MAX => return Err(error),
                Attempt::Again(_) => {
                    tracing::debug!(tx = name, attempt, "the transaction starts again");
                    back_off(self.runtime(), attempt).await;
                    attempt += 1;
                }
                Attempt::Anew => recalls = false,
            }
        }
    }

    async fn attempt<'e, T, E, F>(
        &self,
        name: &'static str,
        kind: Kind,
        recalls: bool,
        work: &F,
    ) -> Attempt<T, E>
    where
        E: From<StoreError>,
        F: for<'t> Fn(&'t mut Tx<'e>) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
    {
        let mut tx = match Tx::begin(self, name, kind, recalls).await {
            Ok(tx) => tx,
            Err(error) => return Attempt::of(error),
        };
        let outcome = work(&mut tx).await;
        match outcome {
            _ if tx.is_outdated() => {
                tx.roll_back().await.ok();
                Attempt::Anew
            }
            Ok(value) => match tx.commit().await {
                Ok(()) => Attempt::Done(Ok(value)),
                Err(error) => Attempt::of(error),
            },
            Err(error) => {
                let again = tx.must_start_again();
                match tx.roll_back().await {
                    Ok(()) if !again => Attempt::Done(Err(error)),
                    _ => Attempt::Again(error),
                }
            }
        }
    }
}

enum Attempt<T, E> {
    Done(Result<T, E>),
    Again(E),
    /// What was recalled is not true any more: at once, without recalling.
    Anew,
}

impl<T, E: From<StoreError>> Attempt<T, E> {
    fn of(error: StoreError) -> Self {
        match error {
            StoreError::Retry { .. } => Self::Again(error.into()),
            _ => Self::Done(Err(error.into())),
        }
    }
}

/// Doubles each time, with as much again at random so that rivals part.
async fn back_off(runtime: &Runtime, attempt: u32) {
    let base = BACKOFF_FIRST_MS << attempt.min(8);
    let jitter = u64::from(u16::from_be_bytes(runtime.random_bytes::<2>())) % base;
    runtime.sleep_ms(base + jitter).await;
}

impl Tx<'_> {
    /// Begins a transaction that reads one consistent state, for work that cannot be done twice. The
    /// caller ends it by [`Tx::close`].
    pub(crate) async fn begin_read(store: &Store, name: &'static str) -> Result<Self, StoreError> {
        let mut tx = Self::begin(store, name, Kind::Read, false).await?;
        tx.reach().await?;
        Ok(tx)
    }

    /// Begins a transaction that makes a schema and fills it, for work that cannot be done twice. The
    /// caller ends it by [`Tx::commit`] or [`Tx::close`].
    pub(crate) async fn begin_schema_change(
        store: &Store,
        name: &'static str,
    ) -> Result<Self, StoreError> {
        Self::begin(store, name, Kind::Schema, false).await
    }

    /// Ends it without writing anything.
    pub(crate) async fn close(self) {
        self.roll_back().await.ok();
    }

    async fn begin(
        store: &Store,
        name: &'static str,
        kind: Kind,
        recalls: bool,
    ) -> Result<Self, StoreError> {
        let memory = store.memory().filter(|_| recalls && kind == Kind::Read);
        let mut tx = Self {
            store: store.clone(),
            name,
            kind,
            link: Link::Unopened,
            turn: None,
            failed: None,
            changed: 0,
            recalled: memory.map(|memory| memory.begin()),
            read_version: 0,
            outdated: false,
            surroundings: PhantomData,
        };
        if kind.writes() {
            tx.begin_writing().await?;
        }
        Ok(tx)
    }
}
