//! The errors of the store, and how those of the two databases map to them.

use portolan_runtime::InjectedFault;
use portolan_security::SecurityError;

use crate::Dialect;
use crate::connection::DriverError;

/// What kind of failure an error is; the words are the same in every crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The input cannot be used.
    Invalid,
    /// It is not there.
    Missing,
    /// It clashes with what is there.
    Conflict,
    /// Nothing happened; the same call may succeed later.
    Retry,
    /// It may have happened or not.
    Unknown,
    /// This version cannot do it.
    Unsupported,
    /// A fault of Portolan, the disk or the database.
    Internal,
}

/// Why the store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Invalid: the address of the database.
    #[error("state.url cannot be used: {reason}")]
    InvalidUrl {
        /// Why, without secrets.
        reason: String,
    },
    /// Missing: no such row, or it belongs to another tenant.
    #[error("no such {what}")]
    Missing {
        /// The noun.
        what: &'static str,
    },
    /// Conflict: a unique value is taken.
    #[error("a row of {what} with the same unique value exists")]
    Conflict {
        /// The table.
        what: String,
    },
    /// Conflict: another row still refers to it, or what it refers to is gone.
    #[error("a reference stands in the way: {detail}")]
    Referenced {
        /// What the database said.
        detail: String,
    },
    /// Retry: busy, a serialization failure that repeated itself, or no connection.
    #[error("the database is busy or out of reach ({operation}): {detail}")]
    Retry {
        /// The transaction.
        operation: &'static str,
        /// What the database said.
        detail: String,
    },
    /// Unknown: the COMMIT was sent and not answered.
    #[error("the outcome of {operation} is not known: {detail}")]
    Unknown {
        /// The transaction.
        operation: &'static str,
        /// What happened instead of an answer.
        detail: String,
    },
    /// Unsupported: the database was written by a newer Portolan.
    #[error("the database has schema version {found}; this Portolan knows {known} at most")]
    NewerDatabase {
        /// The version in the database.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// Unsupported: the schema of the database must be brought up to date first.
    #[error(
        "the database has schema version {found}, not {known}, which this Portolan needs: starting the \
         instance once brings it up to date"
    )]
    OlderDatabase {
        /// The version in the database; 0 without a schema.
        found: i64,
        /// The one that is needed.
        known: i64,
    },
    /// Conflict: a restore needs an empty database.
    #[error(
        "the database holds control state already (schema version {found}); restore into an empty one"
    )]
    NotEmpty {
        /// The version of its schema.
        found: i64,
    },
    /// Invalid: a backup that cannot be written or read.
    #[error("the backup: {reason}")]
    Backup {
        /// What is wrong.
        reason: String,
    },
    /// Internal: a migration that was applied is not the one in this binary.
    #[error("migration {version} in the database differs from the one in this program")]
    MigrationChanged {
        /// Its number.
        version: i64,
    },
    /// Internal: no room left.
    #[error("the disk of the database is full")]
    Full,
    /// Internal: a row that cannot be what we wrote.
    #[error("stored value {column} cannot be read: {detail}")]
    Corrupt {
        /// The column or file.
        column: String,
        /// What is wrong.
        detail: String,
    },
    /// Internal: a stored secret does not open.
    #[error("stored secret: {0}")]
    Secret(#[from] SecurityError),
    /// Internal: anything else.
    #[error("{operation}: {detail}")]
    Internal {
        /// The transaction.
        operation: &'static str,
        /// What the database said.
        detail: String,
    },
}

impl StoreError {
    /// Missing.
    #[must_use]
    pub const fn missing(what: &'static str) -> Self {
        Self::Missing { what }
    }

    /// A column that cannot be read.
    #[must_use]
    pub fn corrupt(column: &str, detail: impl std::fmt::Display) -> Self {
        Self::Corrupt { column: column.to_owned(), detail: detail.to_string() }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidUrl { .. } | Self::Backup { .. } => ErrorKind::Invalid,
            Self::Missing { .. } => ErrorKind::Missing,
            Self::Conflict { .. } | Self::Referenced { .. } | Self::NotEmpty { .. } => {
                ErrorKind::Conflict
            }
            Self::Retry { .. } => ErrorKind::Retry,
            Self::Unknown { .. } => ErrorKind::Unknown,
            Self::NewerDatabase { .. } | Self::OlderDatabase { .. } => ErrorKind::Unsupported,
            Self::MigrationChanged { .. }
            | Self::Full
            | Self::Corrupt { .. }
            | Self::Secret(_)
            | Self::Internal { .. } => ErrorKind::Internal,
        }
    }

    /// Whether it is the clash of a unique value in `table`.
    #[must_use]
    pub fn is_conflict_in(&self, table: &str) -> bool {
        matches!(self, Self::Conflict { what } if what == table)
    }
}

/// An injected fault leaves its caller without an answer.
impl From<InjectedFault> for StoreError {
    fn from(fault: InjectedFault) -> Self {
        Self::Unknown { operation: fault.point(), detail: fault.to_string() }
    }
}

/// Where in a transaction an error came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the COMMIT: the database will roll back.
    Work,
    /// At the COMMIT.
    Commit,
}

/// Maps an error from below.
pub(crate) fn classify(
    error: impl Into<DriverError>,
    dialect: Dialect,
    operation: &'static str,
    phase: Phase,
) -> StoreError {
    match error.into() {
        DriverError::Pooled(error) => classify_pooled(&error, dialect, operation, phase),
        DriverError::InMemory(error) => classify_in_memory(&error, operation, phase),
        DriverError::Value(error) => error,
    }
}

fn classify_pooled(
    error: &sqlx::Error,
    dialect: Dialect,
    operation: &'static str,
    phase: Phase,
) -> StoreError {
    let detail = error.to_string();
    match error {
        sqlx::Error::Database(answer) => {
            classify_answer(answer.as_ref(), dialect, operation, phase)
        }
        // No answer: harmless before the COMMIT, and after it nobody knows.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => no_answer(phase, operation, detail),
        _ if phase == Phase::Commit => StoreError::Unknown { operation, detail },
        _ => StoreError::Internal { operation, detail },
    }
}

fn no_answer(phase: Phase, operation: &'static str, detail: String) -> StoreError {
    match phase {
        Phase::Work => StoreError::Retry { operation, detail },
        Phase::Commit => StoreError::Unknown { operation, detail },
    }
}

fn classify_answer(
    answer: &dyn sqlx::error::DatabaseError,
    dialect: Dialect,
    operation: &'static str,
    phase: Phase,
) -> StoreError {
    let detail = answer.to_string();
    if answer.is_unique_violation() {
        return StoreError::Conflict { what: table_of(answer) };
    }
    if answer.is_foreign_key_violation() {
        return StoreError::Referenced { detail };
    }
    let code = answer.code().unwrap_or_default();
    let verdict = match dialect {
        Dialect::Sqlite => sqlite_verdict(code.parse().unwrap_or(0), phase),
        Dialect::Postgres => postgres_verdict(&code),
    };
    of_verdict(verdict, operation, phase, detail)
}

/// The codes of violated constraints: <https://www.sqlite.org/rescode.html>.
fn classify_in_memory(
    error: &rusqlite::Error,
    operation: &'static str,
    phase: Phase,
) -> StoreError {
    use rusqlite::ffi::{
        SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE,
    };
    let detail = error.to_string();
    match error.sqlite_error().map_or(0, |answer| answer.extended_code) {
        SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE => {
            StoreError::Conflict { what: table_in(&detail) }
        }
        SQLITE_CONSTRAINT_FOREIGNKEY => StoreError::Referenced { detail },
        code => of_verdict(sqlite_verdict(code, phase), operation, phase, detail),
    }
}

fn of_verdict(
    verdict: Verdict,
    operation: &'static str,
    phase: Phase,
    detail: String,
) -> StoreError {
    match verdict {
        Verdict::Retry => StoreError::Retry { operation, detail },
        Verdict::NoAnswer => no_answer(phase, operation, detail),
        Verdict::Full => StoreError::Full,
        Verdict::Corrupt => StoreError::Corrupt { column: "database".to_owned(), detail },
        Verdict::Other => StoreError::Internal { operation, detail },
    }
}

enum Verdict {
    Retry,
    NoAnswer,
    Full,
    Corrupt,
    Other,
}

/// The low byte of a result code is its primary code (<https://www.sqlite.org/rescode.html>). After
/// an I/O error at the COMMIT the log may hold the transaction or not.
fn sqlite_verdict(code: i32, phase: Phase) -> Verdict {
    match code & 0xff {
        5 | 6 => Verdict::Retry,
        10 if phase == Phase::Commit => Verdict::NoAnswer,
        13 => Verdict::Full,
        11 | 26 => Verdict::Corrupt,
        _ => Verdict::Other,
    }
}

/// SQLSTATE codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn postgres_verdict(code: &str) -> Verdict {
    match code {
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => Verdict::Retry,
        // The server goes away, or says itself that it does not know.
        "57P01" | "57P02" | "57P03" | "40003" => Verdict::NoAnswer,
        "53100" => Verdict::Full,
        _ if code.starts_with("08") => Verdict::NoAnswer,
        // Too many connections and its like.
        _ if code.starts_with("53") => Verdict::Retry,
        _ if code.starts_with("XX") => Verdict::Corrupt,
        _ => Verdict::Other,
    }
}

/// PostgreSQL names the table; SQLite's message ends in `table.column, …`.
fn table_of(answer: &dyn sqlx::error::DatabaseError) -> String {
    if let Some(table) = answer.table() {
        return table.to_owned();
    }
    table_in(answer.message())
}

fn table_in(message: &str) -> String {
    let columns = message.rsplit(": ").next().unwrap_or_default();
    columns.split('.').next().unwrap_or_default().to_owned()
}
