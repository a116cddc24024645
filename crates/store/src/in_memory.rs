//! SQLite inside the process and in memory: the same statements on the same database program, without a
//! file, without threads and without waiting for a disk. For simulations, which need many control states
//! that come and go; nothing in it outlives its last [`crate::Store`].
//!
//! There is one connection, which transactions have one after the other.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};
use tokio::sync::OwnedMutexGuard;

use crate::{Row, Value};

/// Statements that are kept prepared; the store has fewer.
const STATEMENTS_MAX: usize = 1_000;
/// Emptied databases that are kept for whoever wants one next.
const SPARE_MAX: usize = 8;

/// The newest schema, made once.
static NEWEST: OnceLock<Template> = OnceLock::new();
static SPARE: Mutex<Vec<Connection>> = Mutex::new(Vec::new());

/// A database as every one begins.
struct Template {
    image: Vec<u8>,
    /// SQLite's own count of changes to the schema.
    schema_version: i64,
    /// Statements that empty all tables, those made last first: they refer to earlier ones.
    clearing: Vec<String>,
}

/// A database.
#[derive(Clone)]
pub(crate) struct Database {
    connection: Arc<tokio::sync::Mutex<Kept>>,
}

impl Database {
    /// One without a schema.
    pub(crate) fn empty() -> rusqlite::Result<Self> {
        Ok(Self::of(open()?))
    }

    /// An empty one of the newest schema; `None` before [`Database::keep_as_newest`].
    pub(crate) fn newest() -> rusqlite::Result<Option<Self>> {
        let Some(template) = NEWEST.get() else { return Ok(None) };
        if let Some(spare) = spare().pop() {
            return Ok(Some(Self::of(spare)));
        }
        let (mut connection, image) = (open()?, template.image.as_slice());
        connection.deserialize_read_exact(rusqlite::MAIN_DB, image, image.len(), false)?;
        Ok(Some(Self::of(connection)))
    }

    /// Keeps it, as it is, as the one that [`Database::newest`] makes again.
    pub(crate) async fn keep_as_newest(&self) -> rusqlite::Result<()> {
        let connection = self.connection.lock().await;
        let mut tables = connection.prepare(
            "SELECT 'DELETE FROM ' || name FROM sqlite_master \
             WHERE type = 'table' AND name <> 'schema_migrations' ORDER BY rowid DESC",
        )?;
        let template = Template {
            image: connection.serialize(rusqlite::MAIN_DB)?.to_vec(),
            schema_version: schema_version(&connection)?,
            clearing: tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?,
        };
        NEWEST.get_or_init(|| template);
        Ok(())
    }

    fn of(connection: Connection) -> Self {
        Self { connection: Arc::new(tokio::sync::Mutex::new(Kept(Some(connection)))) }
    }

    /// Waits for the connection.
    pub(crate) async fn acquire(&self) -> Held {
        Held { connection: self.connection.clone().lock_owned().await }
    }
}

fn open() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch("PRAGMA foreign_keys = ON")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn spare() -> MutexGuard<'static, Vec<Connection>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "schema_version", |row| row.get(0))
}

/// Empties a database of the newest schema; whether it was one.
fn clear(connection: &Connection, newest: &Template) -> rusqlite::Result<bool> {
    if schema_version(connection)? != newest.schema_version {
        return Ok(false);
    }
    connection.prepare_cached("BEGIN")?.raw_execute()?;
    for sql in &newest.clearing {
        connection.prepare_cached(sql)?.raw_execute()?;
    }
    connection.prepare_cached("COMMIT")?.raw_execute()?;
    Ok(true)
}

/// A connection whose statements stay prepared for the next database when its own one is gone.
struct Kept(Option<Connection>);

impl Deref for Kept {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0.as_ref().expect("it is taken out only when it is dropped")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let (Some(connection), Some(newest)) = (self.0.take(), NEWEST.get()) else { return };
        if spare().len() < SPARE_MAX && clear(&connection, newest).unwrap_or(false) {
            spare().push(connection);
        }
    }
}

/// The connection, which one transaction has.
pub(crate) struct Held {
    connection: OwnedMutexGuard<Kept>,
}

impl Held {
    pub(crate) fn run(&mut self, sql: &str) -> rusqlite::Result<()> {
        // Most are single: what begins and ends a transaction.
        match sql.contains(';') {
            true => self.connection.execute_batch(sql),
            false => self.rows(sql, &[], false).map(drop),
        }
    }

    fn bound(&self, sql: &str, values: &[Value]) -> rusqlite::Result<CachedStatement<'_>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        for index in 1..=statement.parameter_count() {
            let named =
                statement.parameter_name(index).and_then(|name| name.get(1..)?.parse().ok());
            let value = named.and_then(|number: usize| values.get(number.checked_sub(1)?));
            if let Some(value) = value {
                statement.raw_bind_parameter(index, value)?;
            }
        }
        Ok(statement)
    }

    pub(crate) fn execute(&mut self, sql: &str, values: &[Value]) -> rusqlite::Result<u64> {
        Ok(self.bound(sql, values)?.raw_execute()? as u64)
    }

    pub(crate) fn rows(
        &mut self,
        sql: &str,
        values: &[Value],
        one: bool,
    ) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.bound(sql, values)?;
        let columns: Arc<[String]> =
            statement.column_names().into_iter().map(str::to_owned).collect();
        let mut found = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let values: Vec<SqlValue> =
                (0..columns.len()).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?;
            found.push(Row::in_memory(columns.clone(), values));
            if one {
                break;
            }
        }
        Ok(found)
    }
}

/// Whatever was begun and not committed is undone.
impl Drop for Held {
    fn drop(&mut self) {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").ok();
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Int(Some(number)) => ValueRef::Integer(*number),
            Self::Blob(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Text(None) | Self::Int(None) | Self::Blob(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}
