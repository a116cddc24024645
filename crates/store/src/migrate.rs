//! Bringing the schema up to date: numbered SQL texts inside the program, applied forward only.
//!
//! Table `schema_migrations` records each applied text by its checksum. A database that a newer
//! program wrote is refused before anything is changed; so is one whose applied texts are not ours.

use portolan_security::sha256;
use sqlx::AssertSqlSafe;

use crate::{Dialect, FromRow, Row, Store, StoreError, Tx, args, catalog};

pub(crate) struct Migration {
    version: i64,
    name: &'static str,
    pub(crate) sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal,)*) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../migrations/", $name, ".sql")),
        },)*]
    };
}

pub(crate) const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_identity",
    2 "0002_clusters_archives",
    3 "0003_jobs_moves",
    4 "0004_project_settings_network",
    5 "0005_query_log",
    6 "0006_live_migrations",
    7 "0007_people",
    8 "0008_cluster_lifecycle",
    9 "0009_replicas",
    10 "0010_archive_upkeep",
    11 "0011_restore_holds",
    12 "0012_run_waits",
    13 "0013_operation_claims",
    14 "0014_backlog",
    15 "0015_quarantine",
};

/// Any number: it only has to be the same in all replicas.
const POSTGRES_LOCK: i64 = 0x706f_7274_6f6c_616e;

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (\
     version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, \
     applied_at BIGINT NOT NULL)";

struct Applied {
    version: i64,
    checksum: String,
}

impl FromRow for Applied {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { version: row.int("version")?, checksum: row.text("checksum")? })
    }
}

/// Applies what is missing, all of it or nothing.
pub(crate) async fn run(store: &Store) -> Result<(), StoreError> {
    store.migrate_tx(|tx| Box::pin(apply_all(tx))).await
}

/// The newest version of the schema that this program knows.
#[must_use]
pub fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// The version of the schema; `None` when there is none. Changes nothing.
pub(crate) async fn version(tx: &mut Tx<'_>) -> Result<Option<i64>, StoreError> {
    if !catalog::has_table(tx, "schema_migrations").await? {
        return Ok(None);
    }
    let sql = "SELECT MAX(version) FROM schema_migrations";
    tx.fetch_one::<Option<i64>>(sql, args![], "version").await
}

/// The version and the checksums of a schema that must be this program's newest.
pub(crate) async fn current_history(tx: &mut Tx<'_>) -> Result<(i64, Vec<String>), StoreError> {
    let known = newest();
    let found = version(tx).await?.unwrap_or(0);
    if found < known {
        return Err(StoreError::OlderDatabase { found, known });
    }
    check(&applied(tx).await?)?;
    Ok((known, checksums(known)))
}

/// The checksums of the migrations up to a version.
pub(crate) fn checksums(version: i64) -> Vec<String> {
    let until = MIGRATIONS.iter().filter(|migration| migration.version <= version);
    until.map(checksum).collect()
}

/// Whether a schema of that version and history is, or can become, this program's.
pub(crate) fn check_history(found: i64, theirs: &[String]) -> Result<(), StoreError> {
    let known = newest();
    if found > known {
        return Err(StoreError::NewerDatabase { found, known });
    }
    let ours = checksums(found);
    let differs = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
    match differs {
        Some(at) => Err(StoreError::MigrationChanged { version: MIGRATIONS[at].version }),
        None if ours.len() != theirs.len() => Err(StoreError::MigrationChanged { version: found }),
        None => Ok(()),
    }
}

async fn applied(tx: &mut Tx<'_>) -> Result<Vec<Applied>, StoreError> {
    tx.fetch_all("SELECT version, checksum FROM schema_migrations", args![]).await
}

async fn apply_all(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    up_to(tx, newest()).await
}

/// Applies what is missing up to a version.
pub(crate) async fn up_to(tx: &mut Tx<'_>, version: i64) -> Result<(), StoreError> {
    if tx.dialect() == Dialect::Postgres {
        // Replicas that start together take turns.
        tx.execute("SELECT pg_advisory_xact_lock($1)", args![POSTGRES_LOCK]).await?;
    }
    tx.execute(CREATE_TABLE, args![]).await?;
    let applied = applied(tx).await?;
    check(&applied)?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version <= version) {
        if applied.iter().all(|done| done.version != migration.version) {
            apply(tx, migration).await?;
        }
    }
    Ok(())
}

fn check(applied: &[Applied]) -> Result<(), StoreError> {
    let known = newest();
    let found = applied.iter().map(|done| done.version).max().unwrap_or(0);
    if found > known {
        return Err(StoreError::NewerDatabase { found, known });
    }
    for migration in MIGRATIONS {
        let done = applied.iter().find(|done| done.version == migration.version);
        if done.is_some_and(|done| done.checksum != checksum(migration)) {
            return Err(StoreError::MigrationChanged { version: migration.version });
        }
    }
    Ok(())
}

fn checksum(migration: &Migration) -> String {
    hex::encode(sha256(migration.sql.as_bytes()))
}

async fn apply(tx: &mut Tx<'_>, migration: &Migration) -> Result<(), StoreError> {
    tracing::info!(migration = migration.name, "bringing the schema up to date");
    let sql = tx.dialect().expand(migration.sql);
    tx.execute_script(AssertSqlSafe(sql)).await?;
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) \
         VALUES ($1, $2, $3, $4)",
        args![migration.version, migration.name, checksum(migration), now_ms],
    )
    .await?;
    Ok(())
}
