//! Databases for tests, of this crate and of those above it.
//!
//! Tests run on a SQLite file, unless [`POSTGRES_VARIABLE`] names a PostgreSQL server: then each gets
//! an empty database of its own there. Databases are left behind: the server of a test run is thrown
//! away with its folder. `cargo xtask conformance --only postgres` starts one and sets the variable. Statements that would
//! read a whole table fail there.

use std::path::Path;

use portolan_runtime::Runtime;

/// The environment variable that names a PostgreSQL server for tests: `postgres://USER@HOST:PORT/DB`,
/// where the user may create databases.
pub const POSTGRES_VARIABLE: &str = "PORTOLAN_TEST_POSTGRES_URL";

/// The URL of an empty database: on the PostgreSQL server where one is named, else a file in `folder`.
///
/// # Panics
/// When the server that is named does not answer or refuses.
pub async fn url(folder: &Path) -> String {
    crate::plans::forbid_scans();
    match std::env::var(POSTGRES_VARIABLE) {
        Ok(server) => postgres_url(&server).await,
        Err(_) => sqlite_url(folder),
    }
}

/// The URL of a file in `folder`.
#[must_use]
pub fn sqlite_url(folder: &Path) -> String {
    crate::plans::forbid_scans();
    format!("sqlite:{}", folder.join("control.db").display())
}

/// Empties the audit trail, which tests of very many calls would otherwise drag along.
///
/// # Panics
/// When the database refuses.
pub async fn forget_audit(store: &crate::Store) {
    let emptied: Result<u64, crate::StoreError> = store
        .run_tx("scratch.forget_audit", |tx| {
            Box::pin(tx.execute("DELETE FROM audit WHERE created_at >= $1", crate::args![0_i64]))
        })
        .await;
    emptied.expect("the audit trail can be emptied");
}

/// The URL of a new database on `server`.
///
/// # Panics
/// When the server does not answer or refuses.
pub async fn postgres_url(server: &str) -> String {
    crate::plans::forbid_scans();
    let name = format!("t_{}", u64::from_be_bytes(Runtime::system().random_bytes()));
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(server).await.expect("the PostgreSQL server answers");
    let sql = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(sql).execute(&pool).await.expect("the user may create databases");
    pool.close().await;
    let (base, _) = server.rsplit_once('/').expect("an address with a database");
    format!("{base}/{name}")
}
