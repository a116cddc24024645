//! Bringing the schema up to date: numbered SQL texts inside the program, applied forward only.
//!
//! Table `schema_migrations` records each applied text by its checksum. A database that a newer
//! program wrote is refused before anything is changed; so is one whose applied texts are not ours.

use portolan_security::sha256;
use sqlx::AssertSqlSafe;

use crate::{Dialect, FromRow, Row, Store, StoreError, Tx, args};

struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
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

const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_identity",
    2 "0002_clusters_archives",
    3 "0003_jobs_moves",
    4 "0004_project_settings_network",
    5 "0005_query_log",
    6 "0006_live_migrations",
    7 "0007_people",
    8 "0008_cluster_lifecycle",
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

async fn apply_all(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if tx.dialect() == Dialect::Postgres {
        // Replicas that start together take turns.
        tx.execute("SELECT pg_advisory_xact_lock($1)", args![POSTGRES_LOCK]).await?;
    }
    tx.execute(CREATE_TABLE, args![]).await?;
    let applied: Vec<Applied> =
        tx.fetch_all("SELECT version, checksum FROM schema_migrations", args![]).await?;
    check(&applied)?;
    for migration in MIGRATIONS {
        if applied.iter().all(|done| done.version != migration.version) {
            apply(tx, migration).await?;
        }
    }
    Ok(())
}

fn check(applied: &[Applied]) -> Result<(), StoreError> {
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
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
