//! What happens inside a transaction: its statements. How it gets its connection and ends is in [`life`],
//! running it in [`crate::transactions`].

mod life;

use std::marker::PhantomData;
use std::sync::Arc;

use futures::TryStreamExt as _;
use portolan_runtime::Runtime;
use portolan_security::{Place, SecretBytes, SecurityError};
use sqlx::{SqlSafeStr, SqlStr};

use crate::connection::{Connection, DriverError};
use crate::error::{Phase, classify};
use crate::memory::{ALL_TABLES, Recalled, TableSet};
use crate::transactions::Kind;
use crate::writers::{Group, Turn};
use crate::{Dialect, FromRow, Listed, Page, Row, Store, StoreError, Value};

/// The connection of a transaction.
pub(crate) enum Link {
    /// None yet: nothing was needed that is not remembered.
    Unopened,
    /// One of its own.
    Alone(Connection),
    /// One in a transaction that others share; whether this is their first.
    Shared(Group, bool),
    /// Given back.
    Ended,
}

/// A transaction under way. `'e` lets closures borrow from what surrounds them.
///
/// One failed statement fails the whole transaction: PostgreSQL would refuse all later ones and
/// answer a COMMIT with a roll-back, SQLite would go on; here both do the former, loudly.
pub struct Tx<'e> {
    pub(crate) store: Store,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) link: Link,
    /// Held by the one writer that SQLite allows.
    pub(crate) turn: Option<Turn>,
    pub(crate) failed: Option<StoreError>,
    /// The tables that were written to.
    pub(crate) changed: TableSet,
    /// What was recalled, unless this transaction may not.
    pub(crate) recalled: Option<Recalled>,
    /// What is read is not older than this.
    pub(crate) read_version: u64,
    /// What was recalled is of another state than what was read.
    pub(crate) outdated: bool,
    pub(crate) surroundings: PhantomData<&'e ()>,
}

impl Tx<'_> {
    /// Whether the transaction met something that the next try may not meet.
    pub(crate) fn must_start_again(&self) -> bool {
        matches!(self.failed, Some(StoreError::Retry { .. }))
    }

    /// Whether what was recalled does not go with what was read.
    pub(crate) const fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// Keeps the first failure: what follows it is only its echo.
    fn note(&mut self, error: DriverError) -> StoreError {
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

    /// The connection. A reading transaction's is opened by [`Tx::reach`].
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        let found = match &mut self.link {
            Link::Alone(connection) => Some(connection),
            Link::Shared(group, _) => group.connection(),
            Link::Unopened | Link::Ended => None,
        };
        let detail = "the transaction has no connection";
        let missing = StoreError::Internal { operation: self.name, detail: detail.to_owned() };
        found.ok_or(missing)
    }

    /// Refuses, in tests only, a statement that reads a whole table.
    async fn check(&mut self, sql: &SqlStr, values: &[Value]) -> Result<(), StoreError> {
        if crate::plans::is_new(sql.as_str()) {
            let checked = self.refuse_scan(sql.as_str(), values).await;
            checked.inspect_err(|error| self.failed = Some(error.clone()))?;
        }
        Ok(())
    }

    fn note_change(&mut self, sql: &str) {
        if let Some(memory) = self.store.memory() {
            self.changed |= memory.tables.changed_by(sql);
        }
    }

    /// The rows of a statement, remembered or read; only the first when `one`.
    async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
        one: bool,
    ) -> Result<Arc<Vec<Row>>, StoreError> {
        let sql = sql.into_sql_str();
        if let Some(rows) = self.recall(sql.as_str(), &values, one) {
            return Ok(rows);
        }
        self.reach().await?;
        self.check(&sql, &values).await?;
        let memory = self.store.memory().filter(|_| self.kind == Kind::Read).cloned();
        let kept = memory.map(|memory| (memory, (sql.as_str().to_owned(), values.clone(), one)));
        let read = self.connection()?.rows(sql, values, one).await;
        let rows = Arc::new(read.map_err(|error| self.note(error))?);
        self.agree()?;
        if let Some((memory, key)) = kept {
            memory.keep(self.read_version, key, rows.clone());
        }
        Ok(rows)
    }

    /// What is remembered, as long as the transaction did not need the database.
    fn recall(&mut self, sql: &str, values: &[Value], one: bool) -> Option<Arc<Vec<Row>>> {
        let (Link::Unopened, Some(recalled)) = (&self.link, &mut self.recalled) else {
            return None;
        };
        self.store.memory()?.recall(recalled, sql, values, one)
    }

    /// That what was just read is of the same state as what was recalled before.
    fn agree(&mut self) -> Result<(), StoreError> {
        let Some(recalled) = self.recalled.take() else { return Ok(()) };
        if self.store.memory().is_none_or(|memory| memory.agrees(recalled)) {
            return Ok(());
        }
        self.outdated = true;
        let detail = "what was recalled has changed since".to_owned();
        Err(StoreError::Retry { operation: self.name, detail })
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
        if !self.kind.writes() {
            // PostgreSQL would refuse it, SQLite would do it.
            let detail = "a reading transaction may not write".to_owned();
            return Err(StoreError::Internal { operation: self.name, detail });
        }
        let sql = sql.into_sql_str();
        self.check(&sql, &values).await?;
        let outcome = self.connection()?.execute(sql.clone(), values).await;
        let rows = outcome.map_err(|error| self.note(error))?;
        if rows > 0 {
            self.note_change(sql.as_str());
        }
        Ok(rows)
    }

    /// Runs several statements without values: a migration.
    pub(crate) async fn execute_script(&mut self, sql: impl SqlSafeStr) -> Result<(), StoreError> {
        self.changed = ALL_TABLES;
        let outcome = self.connection()?.run(sql).await;
        outcome.map_err(|error| self.note(error))
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
        self.rows(sql, values, false).await?.iter().map(R::from_row).collect()
    }

    /// Hands over every row, one after the other, without keeping them.
    pub(crate) async fn for_each(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
        mut take: impl FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.reach().await?;
        let failed = match self.connection()?.stream(sql.into_sql_str(), values) {
            Ok(mut rows) => loop {
                match rows.try_next().await {
                    Ok(Some(row)) => take(&row)?,
                    Ok(None) => return Ok(()),
                    Err(error) => break error,
                }
            },
            Err(error) => error,
        };
        Err(self.note(failed))
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
        self.rows(sql, values, true).await?.first().map(R::from_row).transpose()
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
