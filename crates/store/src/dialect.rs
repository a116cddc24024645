//! The few places where the two databases are not spoken to alike.

use crate::StoreError;

/// Which database stands behind the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite: one file, one machine.
    Sqlite,
    /// PostgreSQL: many replicas of the control plane.
    Postgres,
}

impl Dialect {
    /// By the scheme of an address.
    pub fn of_url(url: &str) -> Result<Self, StoreError> {
        match url.split(':').next().unwrap_or_default() {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" | "postgresql" => Ok(Self::Postgres),
            _ => Err(StoreError::InvalidUrl {
                reason: "it begins with neither sqlite: nor postgres:".to_owned(),
            }),
        }
    }

    /// Begins a transaction that will write. SQLite takes its one write lock at once, because a
    /// reader that wants to become a writer cannot wait for another one; PostgreSQL gives the same
    /// guarantee, that of a serial order, by refusing some commits, which are then retried.
    pub(crate) const fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
    }

    /// Begins a transaction that changes the schema. Replicas of PostgreSQL wait for each other inside
    /// it, and must then see what the one before them did, not what was there when they began.
    pub(crate) const fn begin_migrate(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    /// Begins a transaction that reads one consistent state.
    pub(crate) const fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN DEFERRED",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// Fills in what differs in the text of a migration: `{{BLOB}}`, the type of byte strings.
    pub(crate) fn expand(self, sql: &str) -> String {
        let blob = match self {
            Self::Sqlite => "BLOB",
            Self::Postgres => "BYTEA",
        };
        sql.replace("{{BLOB}}", blob)
    }
}
