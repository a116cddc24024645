//! Transactions: [`Store::run_tx`], [`Store::read_tx`] and the [`Tx`] that their closures get.

use std::marker::PhantomData;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use portolan_runtime::Runtime;
use portolan_security::{Place, SecretBytes, SecurityError};
use sqlx::any::AnyRow;
use sqlx::pool::PoolConnection;
use sqlx::{Any, SqlSafeStr};

use crate::error::{Phase, classify};
use crate::value::bind;
use crate::{Dialect, FromRow, Listed, Page, Row, Store, StoreError, Value};

/// Tries of one transaction before [`StoreError::Retry`] reaches the caller.
const TRIES_MAX: u32 = 8;
const BACKOFF_FIRST_MS: u64 = 5;

/// A transaction under way. `'e` lets closures borrow from what surrounds them.
///
/// One failed statement fails the whole transaction: PostgreSQL would refuse all later ones and
/// answer a COMMIT with a roll-back, SQLite would go on; here both do the former, loudly.
pub struct Tx<'e> {
    connection: PoolConnection<Any>,
    store: Store,
    name: &'static str,
    writes: bool,
    open: bool,
    failed: Option<StoreError>,
    surroundings: PhantomData<&'e ()>,
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
        self.repeat(name, self.dialect().begin_write(), true, work).await
    }

    /// Runs the migrations.
    pub(crate) async fn migrate_tx<F>(&self, work: F) -> Result<(), StoreError>
    where
        F: for<'t> Fn(&'t mut Tx<'static>) -> BoxFuture<'t, Result<(), StoreError>> + Send + Sync,
    {
        self.repeat("store.migrate", self.dialect().begin_migrate(), true, work).await
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
        self.repeat(name, self.dialect().begin_read(), false, work).await
    }

    async fn repeat<'e, T, E, F>(
        &self,
        name: &'static str,
        begin: &'static str,
        writes: bool,
        work: F,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: for<'t> Fn(&'t mut Tx<'e>) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
    {
        let mut attempt = 1;
        loop {
            match self.attempt(name, begin, writes, &work).await {
                Attempt::Done(result) => return result,
                Attempt::Again(error) if attempt >= TRIES_MAX => return Err(error),
                Attempt::Again(_) => {
                    tracing::debug!(tx = name, attempt, "the transaction starts again");
                    back_off(self.runtime(), attempt).await;
                    attempt += 1;
                }
            }
        }
    }

    async fn attempt<'e, T, E, F>(
        &self,
        name: &'static str,
        begin: &'static str,
        writes: bool,
        work: &F,
    ) -> Attempt<T, E>
    where
        E: From<StoreError>,
        F: for<'t> Fn(&'t mut Tx<'e>) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
    {
        // SQLite has one writer at a time. Waiting here is fair; its own busy wait is not.
        let _turn = if writes { self.writers_turn().await } else { None };
        let mut tx = match Tx::begin(self, name, begin, writes).await {
            Ok(tx) => tx,
            Err(error) => return Attempt::of(error),
        };
        match work(&mut tx).await {
            Ok(value) => match tx.commit().await {
                Ok(()) => Attempt::Done(Ok(value)),
                Err(error) => Attempt::of(error),
            },
            Err(error) => {
                let again = matches!(tx.failed, Some(StoreError::Retry { .. }));
                tx.roll_back().await;
                if again { Attempt::Again(error) } else { Attempt::Done(Err(error)) }
            }
        }
    }
}

enum Attempt<T, E> {
    Done(Result<T, E>),
    Again(E),
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
        Self::begin(store, name, store.dialect().begin_read(), false).await
    }

    /// Begins a transaction that makes a schema and fills it, for work that cannot be done twice. The
    /// caller has the writer's turn, and ends it by [`Tx::commit`] or [`Tx::close`].
    pub(crate) async fn begin_schema_change(
        store: &Store,
        name: &'static str,
    ) -> Result<Self, StoreError> {
        Self::begin(store, name, store.dialect().begin_migrate(), true).await
    }

    /// Ends it without writing anything.
    pub(crate) async fn close(self) {
        self.roll_back().await;
    }

    async fn begin(
        store: &Store,
        name: &'static str,
        statement: &'static str,
        writes: bool,
    ) -> Result<Self, StoreError> {
        let failed = |error| classify(&error, store.dialect(), name, Phase::Work);
        let connection = store.pool().acquire().await.map_err(failed)?;
        let mut tx = Self {
            connection,
            store: store.clone(),
            name,
            writes,
            open: true,
            failed: None,
            surroundings: PhantomData,
        };
        sqlx::raw_sql(statement).execute(&mut *tx.connection).await.map_err(failed)?;
        Ok(tx)
    }

    /// Writes what was done. A failed statement before makes this fail.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        if let Some(error) = self.failed.take() {
            self.roll_back().await;
            return Err(error);
        }
        if !self.writes {
            return self.finish().await;
        }
        let runtime = self.store.runtime().clone();
        let name = self.name;
        runtime.effect(name, self.finish()).await
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        let outcome = sqlx::raw_sql("COMMIT").execute(&mut *self.connection).await;
        match outcome {
            Ok(_) => {
                self.open = false;
                Ok(())
            }
            Err(error) => Err(classify(&error, self.dialect(), self.name, Phase::Commit)),
        }
    }

    /// A connection whose roll-back fails stays `open` and is closed when this is dropped.
    async fn roll_back(mut self) {
        if sqlx::raw_sql("ROLLBACK").execute(&mut *self.connection).await.is_ok() {
            self.open = false;
        }
    }

    /// Keeps the first failure: what follows it is only its echo.
    fn note(&mut self, error: &sqlx::Error) -> StoreError {
        let error = classify(error, self.dialect(), self.name, Phase::Work);
        self.failed.get_or_insert_with(|| error.clone());
        error
    }

    /// Which database this is. For statements that cannot be written alike.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.store.dialect()
    }

    /// Time, randomness and ids.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        self.store.runtime()
    }

    /// Wall-clock time in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.store.runtime().now_ms()
    }

    /// The database's own clock, in milliseconds since the epoch. An embedded database has none but
    /// ours.
    ///
    /// # Errors
    /// The database's.
    pub async fn clock_ms(&mut self) -> Result<i64, StoreError> {
        match self.dialect() {
            Dialect::Sqlite => Ok(self.now_ms()),
            Dialect::Postgres => {
                let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
                self.count(sql, crate::args![]).await
            }
        }
    }

    /// Seals a secret for its place.
    #[must_use]
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Vec<u8> {
        self.store.keys().seal(place, plain, &self.store.runtime().random_bytes())
    }

    /// Whether a sealed value is under the newest key.
    pub(crate) fn is_current(&self, sealed: &[u8]) -> bool {
        self.store.keys().is_current(sealed)
    }

    /// Opens a sealed secret.
    ///
    /// # Errors
    /// [`StoreError::Secret`] when it was changed, moved or sealed under a key that is gone.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<SecretBytes, StoreError> {
        match self.store.keys().open(place, sealed) {
            // The key may have been changed by another process since this one read it.
            Err(SecurityError::UnknownKey { .. }) if self.store.read_keys_again() => {
                Ok(self.store.keys().open(place, sealed)?)
            }
            opened => Ok(opened?),
        }
    }

    pub(crate) fn connection(&mut self) -> &mut sqlx::AnyConnection {
        &mut self.connection
    }

    /// The statement, once it is known not to read a whole table. In tests only.
    async fn checked(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value],
    ) -> Result<sqlx::SqlStr, StoreError> {
        let sql = sql.into_sql_str();
        if crate::plans::is_new(sql.as_str()) {
            let checked = self.refuse_scan(sql.as_str(), values).await;
            checked.inspect_err(|error| self.failed = Some(error.clone()))?;
        }
        Ok(sql)
    }

    /// Runs a statement; the number of rows that it changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        if !self.writes {
            // PostgreSQL would refuse it, SQLite would do it.
            let detail = "a reading transaction may not write".to_owned();
            return Err(StoreError::Internal { operation: self.name, detail });
        }
        let sql = self.checked(sql, &values).await?;
        let query = sqlx::query_with(sql, bind(values)?);
        match query.execute(&mut *self.connection).await {
            Ok(outcome) => Ok(outcome.rows_affected()),
            Err(error) => Err(self.note(&error)),
        }
    }

    /// Runs several statements without values: a migration.
    pub(crate) async fn execute_script(&mut self, sql: impl SqlSafeStr) -> Result<(), StoreError> {
        match sqlx::raw_sql(sql).execute(&mut *self.connection).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.note(&error)),
        }
    }

    /// Runs a statement that must change a row.
    ///
    /// # Errors
    /// [`StoreError::Missing`] of `what` when it changed none, and the database's.
    pub async fn execute_one(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
        what: &'static str,
    ) -> Result<(), StoreError> {
        match self.execute(sql, values).await? {
            0 => Err(StoreError::missing(what)),
            _ => Ok(()),
        }
    }

    /// Every row.
    ///
    /// # Errors
    /// The database's, and [`StoreError::Corrupt`].
    pub async fn fetch_all<R: FromRow>(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Vec<R>, StoreError> {
        let sql = self.checked(sql, &values).await?;
        let query = sqlx::query_with(sql, bind(values)?);
        let rows: Result<Vec<AnyRow>, sqlx::Error> = query.fetch_all(&mut *self.connection).await;
        let rows = rows.map_err(|error| self.note(&error))?;
        rows.into_iter().map(|row| R::from_row(&Row::new(row))).collect()
    }

    /// Hands over every row, one after the other, without keeping them.
    pub(crate) async fn for_each(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
        mut take: impl FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let query = sqlx::query_with(sql, bind(values)?);
        let mut rows = query.fetch(&mut *self.connection);
        let failed = loop {
            match rows.try_next().await {
                Ok(Some(row)) => take(&Row::new(row))?,
                Ok(None) => return Ok(()),
                Err(error) => break error,
            }
        };
        drop(rows);
        Err(self.note(&failed))
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// The database's, and [`StoreError::Corrupt`].
    pub async fn fetch_optional<R: FromRow>(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Option<R>, StoreError> {
        let sql = self.checked(sql, &values).await?;
        let query = sqlx::query_with(sql, bind(values)?);
        let row = query.fetch_optional(&mut *self.connection).await;
        let row = row.map_err(|error| self.note(&error))?;
        row.map(|row| R::from_row(&Row::new(row))).transpose()
    }

    /// The first row.
    ///
    /// # Errors
    /// [`StoreError::Missing`] of `what`, the database's, and [`StoreError::Corrupt`].
    pub async fn fetch_one<R: FromRow>(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
        what: &'static str,
    ) -> Result<R, StoreError> {
        self.fetch_optional(sql, values).await?.ok_or(StoreError::missing(what))
    }

    /// One number, such as a count.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<i64, StoreError> {
        self.fetch_one(sql, values, "count").await
    }

    /// One page of `SELECT {columns} {tail} ORDER BY {order}` and the number of all rows. The parts
    /// are texts of this program, never of users.
    ///
    /// # Errors
    /// The database's, and [`StoreError::Corrupt`].
    pub async fn fetch_page<R: FromRow>(
        &mut self,
        columns: &str,
        tail: &str,
        order: &str,
        values: Vec<Value>,
        page: Page,
    ) -> Result<Listed<R>, StoreError> {
        let counting = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) {tail}"));
        let total = self.count(counting, values.clone()).await?;
        let (limit, offset) = (values.len() + 1, values.len() + 2);
        let reading = sqlx::AssertSqlSafe(format!(
            "SELECT {columns} {tail} ORDER BY {order} LIMIT ${limit} OFFSET ${offset}"
        ));
        let mut values = values;
        values.extend(crate::args![page.limit, page.offset]);
        let items = self.fetch_all(reading, values).await?;
        Ok(Listed { items, total })
    }
}

/// A transaction dropped half-way (a cancelled request, a panic) must not go back into the pool:
/// closing its connection rolls it back.
impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if self.open {
            self.connection.close_on_drop();
        }
    }
}
