//! A connection, whichever database it leads to: one of the driver's pools, or SQLite in memory
//! ([`crate::in_memory`]). What a transaction does with it is in [`crate::tx`].

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::{Any, SqlSafeStr, SqlStr};

use crate::in_memory::Held;
use crate::value::bind;
use crate::{Row, StoreError, Value};

/// What went wrong below.
#[derive(Debug)]
pub(crate) enum DriverError {
    /// In the driver of the two databases.
    Pooled(sqlx::Error),
    /// In SQLite in memory.
    InMemory(rusqlite::Error),
    /// A value that cannot be bound.
    Value(StoreError),
}

impl From<sqlx::Error> for DriverError {
    fn from(error: sqlx::Error) -> Self {
        Self::Pooled(error)
    }
}

impl From<rusqlite::Error> for DriverError {
    fn from(error: rusqlite::Error) -> Self {
        Self::InMemory(error)
    }
}

impl From<StoreError> for DriverError {
    fn from(error: StoreError) -> Self {
        Self::Value(error)
    }
}

/// A connection that somebody has for himself.
pub(crate) enum Connection {
    /// To a file or a server.
    Pooled(PoolConnection<Any>),
    /// To a database in memory.
    InMemory(Held),
}

impl Connection {
    /// Runs statements without values, and without an answer.
    pub(crate) async fn run(&mut self, sql: impl SqlSafeStr) -> Result<(), DriverError> {
        match self {
            Self::Pooled(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await?;
            }
            Self::InMemory(held) => held.run(sql.into_sql_str().as_str())?,
        }
        Ok(())
    }

    /// Runs a statement; the number of rows that it changed.
    pub(crate) async fn execute(
        &mut self,
        sql: SqlStr,
        values: Vec<Value>,
    ) -> Result<u64, DriverError> {
        match self {
            Self::Pooled(connection) => {
                let query = sqlx::query_with(sql, bind(values)?);
                Ok(query.execute(&mut **connection).await?.rows_affected())
            }
            Self::InMemory(held) => Ok(held.execute(sql.as_str(), &values)?),
        }
    }

    /// The rows of a statement; only the first when `one`.
    pub(crate) async fn rows(
        &mut self,
        sql: SqlStr,
        values: Vec<Value>,
        one: bool,
    ) -> Result<Vec<Row>, DriverError> {
        match self {
            Self::Pooled(connection) => {
                let query = sqlx::query_with(sql, bind(values)?);
                let rows = match one {
                    true => query.fetch_optional(&mut **connection).await?.into_iter().collect(),
                    false => query.fetch_all(&mut **connection).await?,
                };
                Ok(rows.into_iter().map(Row::new).collect())
            }
            Self::InMemory(held) => Ok(held.rows(sql.as_str(), &values, one)?),
        }
    }

    /// The rows of a statement, one after the other.
    pub(crate) fn stream(
        &mut self,
        sql: SqlStr,
        values: Vec<Value>,
    ) -> Result<BoxStream<'_, Result<Row, DriverError>>, DriverError> {
        Ok(match self {
            Self::Pooled(connection) => {
                let rows = sqlx::query_with(sql, bind(values)?).fetch(&mut **connection);
                rows.map_ok(Row::new).map_err(DriverError::from).boxed()
            }
            Self::InMemory(held) => {
                stream::iter(held.rows(sql.as_str(), &values, false)?).map(Ok).boxed()
            }
        })
    }

    /// The rows of statements whose values are written out, or left open.
    pub(crate) async fn raw_rows(&mut self, sql: SqlStr) -> Result<Vec<Row>, DriverError> {
        match self {
            Self::Pooled(connection) => {
                let rows = sqlx::raw_sql(sql).fetch_all(&mut **connection).await?;
                Ok(rows.into_iter().map(Row::new).collect())
            }
            Self::InMemory(held) => Ok(held.rows(sql.as_str(), &[], false)?),
        }
    }

    /// Undoes whatever it is in the middle of, when it is dropped: it must not go back as it is.
    pub(crate) fn close_on_drop(&mut self) {
        match self {
            Self::Pooled(connection) => connection.close_on_drop(),
            // It always does.
            Self::InMemory(_) => {}
        }
    }
}
