//! Tests of transactions, migrations and value types.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::BoxFuture;
use portolan_runtime::{Fate, FaultPlan};

use super::support::{keys, runtime};
use super::{TestStore, in_tx, on_each_database, on_each_lasting_database};
use crate::{Dialect, Store, StoreError, Tx, Value, args};

const TABLE: &str =
    "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, name TEXT, n BIGINT, b {{BLOB}})";

async fn with_table(store: &Store) {
    let sql = store.dialect().expand(TABLE);
    store
        .run_tx("test.table", |tx| {
            let sql = sqlx::AssertSqlSafe(sql.clone());
            Box::pin(async move { tx.execute_script(sql).await })
        })
        .await
        .expect("a table");
}

fn insert<'t>(tx: &'t mut Tx<'_>, id: i64, name: &'t str) -> BoxFuture<'t, Result<(), StoreError>> {
    Box::pin(async move {
        let sql = "INSERT INTO t (id, name, n) VALUES ($1, $2, $3)";
        tx.execute(sql, args![id, name, 0_i64]).await.map(|_| ())
    })
}

async fn count(store: &Store) -> i64 {
    store
        .read_tx::<_, StoreError, _>("test.count", |tx| {
            Box::pin(async move { tx.count("SELECT COUNT(*) FROM t", args![]).await })
        })
        .await
        .expect("a count")
}

struct Values(Option<String>, Option<i64>, Option<Vec<u8>>);

impl crate::FromRow for Values {
    fn from_row(row: &crate::Row) -> Result<Self, StoreError> {
        Ok(Self(row.opt_text("name")?, row.opt_int("n")?, row.opt_blob("b")?))
    }
}

on_each_database! {
    async fn values_and_nulls_come_back(store) {
        with_table(&store).await;
        let (text, number, bytes) = ("naïve \u{1f5fa}".to_owned(), i64::MIN, vec![0_u8, 255, 7]);
        let rows: Vec<Values> = store
            .run_tx::<_, StoreError, _>("test.values", |tx| {
                let (text, bytes) = (&text, &bytes);
                Box::pin(async move {
                    let sql = "INSERT INTO t (id, name, n, b) VALUES ($1, $2, $3, $4)";
                    tx.execute(sql, args![1_i64, text, number, bytes]).await?;
                    let (no_text, no_number) = (None::<String>, None::<i64>);
                    tx.execute(sql, args![2_i64, no_text, no_number, Value::Blob(None)]).await?;
                    tx.fetch_all("SELECT name, n, b FROM t ORDER BY id", args![]).await
                })
            })
            .await
            .expect("rows");
        assert_eq!(rows[0].0.as_deref(), Some(text.as_str()));
        assert_eq!((rows[0].1, rows[0].2.as_ref()), (Some(number), Some(&bytes)));
        assert!(rows[1].0.is_none() && rows[1].1.is_none() && rows[1].2.is_none());
    }

    async fn an_error_rolls_back(store) {
        with_table(&store).await;
        let refused = store
            .run_tx::<(), StoreError, _>("test.refused", |tx| {
                Box::pin(async move {
                    insert(tx, 1, "a").await?;
                    Err(StoreError::missing("thing"))
                })
            })
            .await;
        assert_eq!(refused, Err(StoreError::missing("thing")));
        assert_eq!(count(&store).await, 0);
    }

    async fn a_swallowed_failure_does_not_commit(store) {
        with_table(&store).await;
        let outcome = store
            .run_tx::<(), StoreError, _>("test.swallowed", |tx| {
                Box::pin(async move {
                    insert(tx, 1, "a").await?;
                    let _clash = insert(tx, 1, "b").await;
                    Ok(())
                })
            })
            .await;
        assert!(outcome.expect_err("it must not commit").is_conflict_in("t"));
        assert_eq!(count(&store).await, 0);
    }

    async fn a_dropped_transaction_leaves_nothing(store) {
        with_table(&store).await;
        let runtime = store.runtime().clone();
        let work = store.run_tx::<(), StoreError, _>("test.dropped", |tx| {
            let runtime = runtime.clone();
            Box::pin(async move {
                insert(tx, 1, "a").await?;
                runtime.sleep_ms(60_000).await;
                Ok(())
            })
        });
        assert!(store.runtime().timeout_ms(300, work).await.is_err());
        assert_eq!(count(&store).await, 0);
        store.run_tx("test.next", |tx| insert(tx, 2, "b")).await.expect("the lock is free");
    }

    async fn rivals_take_turns(store) {
        with_table(&store).await;
        store.run_tx("test.first", |tx| insert(tx, 1, "a")).await.expect("a row");
        let tasks: Vec<_> = (0..12)
            .map(|_| {
                let store = store.store.clone();
                store.runtime().clone().spawn("rival", async move { add_one(&store).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic").expect("it gets its turn");
        }
        let sum = store
            .read_tx::<_, StoreError, _>("test.sum", |tx| {
                Box::pin(async move { tx.count("SELECT n FROM t WHERE id = 1", args![]).await })
            })
            .await;
        assert_eq!(sum, Ok(12));
    }

    async fn a_reading_transaction_does_not_write(store) {
        with_table(&store).await;
        let refused = store.read_tx("test.read", |tx| insert(tx, 1, "a")).await;
        assert!(matches!(refused, Err(StoreError::Internal { .. })), "{refused:?}");
        assert_eq!(count(&store).await, 0);
    }
}

on_each_lasting_database! {
    async fn replicas_that_start_together_take_turns(store) {
        // On SQLite one process owns the folder; only its second opening is tested there.
        let replicas = if store.dialect() == Dialect::Sqlite { 1 } else { 4 };
        let url = if replicas == 1 { store.url.clone() } else { store.another_url().await };
        let tasks: Vec<_> = (0..replicas)
            .map(|_| {
                let (url, runtime) = (url.clone(), runtime(FaultPlan::none()));
                store.runtime().spawn("replica", async move {
                    Store::open(&url, keys(), runtime).await
                })
            })
            .collect();
        for task in tasks {
            let opened = task.await.expect("no panic").expect("it opens");
            opened.close().await;
        }
    }

    async fn opening_again_changes_nothing(store) {
        let again = Store::open(&store.url, keys(), runtime(FaultPlan::none())).await;
        again.expect("it opens again").close().await;
    }

    async fn a_newer_database_is_refused(store) {
        store
            .run_tx::<_, StoreError, _>("test.newer", |tx| {
                Box::pin(async move {
                    let sql = "INSERT INTO schema_migrations VALUES (99999, 'future', '', 0)";
                    tx.execute(sql, args![]).await
                })
            })
            .await
            .expect("a row");
        let refused = Store::open(&store.url, keys(), runtime(FaultPlan::none())).await;
        let refused = refused.expect_err("it is newer");
        assert!(matches!(refused, StoreError::NewerDatabase { found: 99_999, .. }), "{refused}");
    }

    async fn a_changed_migration_is_noticed(store) {
        store
            .run_tx::<_, StoreError, _>("test.changed", |tx| {
                Box::pin(async move {
                    let sql = "UPDATE schema_migrations SET checksum = 'x' WHERE version = 1";
                    tx.execute(sql, args![]).await
                })
            })
            .await
            .expect("a row");
        let refused = Store::open(&store.url, keys(), runtime(FaultPlan::none())).await;
        assert_eq!(refused.err(), Some(StoreError::MigrationChanged { version: 1 }));
    }
}

/// Reads, then writes what it read: rivals would lose updates without a serial order.
async fn add_one(store: &Store) -> Result<(), StoreError> {
    store
        .run_tx("test.add", |tx| {
            Box::pin(async move {
                let n = tx.count("SELECT n FROM t WHERE id = 1", args![]).await?;
                tx.execute("UPDATE t SET n = $1 WHERE id = 1", args![n + 1]).await?;
                Ok(())
            })
        })
        .await
}

fn failing() -> FaultPlan {
    let plan = FaultPlan::none().with("test.lost", 1, Fate::ReplyLost);
    plan.with("test.failed", 1, Fate::FailsBefore)
}

async fn an_unanswered_commit_is_unknown(store: TestStore) {
    with_table(&store).await;
    let lost = store.run_tx("test.lost", |tx| insert(tx, 1, "a")).await;
    assert!(matches!(lost, Err(StoreError::Unknown { operation: "test.lost", .. })), "{lost:?}");
    let failed = store.run_tx("test.failed", |tx| insert(tx, 2, "b")).await;
    assert!(matches!(failed, Err(StoreError::Unknown { .. })), "{failed:?}");
    assert_eq!(count(&store).await, 1);
    store.close().await;
}

#[tokio::test]
async fn an_unanswered_commit_is_unknown_on_sqlite() {
    an_unanswered_commit_is_unknown(TestStore::sqlite(failing()).await).await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server: cargo xtask conformance --only postgres"]
async fn an_unanswered_commit_is_unknown_on_postgres() {
    an_unanswered_commit_is_unknown(TestStore::postgres(failing()).await).await;
}

#[tokio::test]
async fn sqlite_is_durable_and_private() {
    let store = TestStore::sqlite(FaultPlan::none()).await;
    for (pragma, expected) in [("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)] {
        let sql = format!("PRAGMA {pragma}");
        let value = store
            .read_tx::<_, StoreError, _>("test.pragma", |tx| {
                let sql = sqlx::AssertSqlSafe(sql.clone());
                Box::pin(async move { tx.count(sql, args![]).await })
            })
            .await;
        assert_eq!(value, Ok(expected), "{pragma}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = store.url.trim_start_matches("sqlite:");
        for file in [path.to_owned(), format!("{path}-wal")] {
            let mode = std::fs::metadata(&file).expect(&file).permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}

#[tokio::test]
async fn odd_paths_and_bad_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a b#%?é.db");
    let store = Store::open_file(&path, keys(), runtime(FaultPlan::none())).await;
    store.expect("it opens").close().await;
    assert!(path.exists());
    for url in ["mysql://h/d", "sqlite::memory:", "sqlite:", "sqlite:/nonexistent/x.db", "x"] {
        let refused = Store::open(url, keys(), runtime(FaultPlan::none())).await;
        assert!(matches!(refused, Err(StoreError::InvalidUrl { .. })), "{url}: {refused:?}");
    }
    let nobody =
        Store::open("postgres://u@127.0.0.1:1/d", keys(), runtime(FaultPlan::none())).await;
    assert!(matches!(nobody, Err(StoreError::Retry { .. })), "{nobody:?}");
    let secret = "postgres://u:hunter2@[bad";
    let refused = Store::open(secret, keys(), runtime(FaultPlan::none())).await;
    assert!(!refused.expect_err("no address").to_string().contains("hunter2"));
}

/// A lost connection before the COMMIT starts the transaction again.
#[tokio::test]
#[ignore = "needs a PostgreSQL server: cargo xtask conformance --only postgres"]
async fn a_lost_connection_is_replaced_on_postgres() {
    let store = TestStore::postgres(FaultPlan::none()).await;
    with_table(&store).await;
    let attempts = AtomicU32::new(0);
    let outcome = store
        .run_tx::<_, StoreError, _>("test.killed", |tx| {
            let attempts = &attempts;
            Box::pin(async move {
                insert(tx, 1, "a").await?;
                if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                    let kill = "SELECT pg_terminate_backend(pg_backend_pid())";
                    tx.execute(kill, args![]).await?;
                }
                Ok(())
            })
        })
        .await;
    assert_eq!(outcome, Ok(()));
    assert_eq!((attempts.into_inner(), count(&store).await), (2, 1));
    store.close().await;
}

#[tokio::test]
async fn a_full_disk_is_named_and_survived() {
    let store = TestStore::sqlite(FaultPlan::none()).await;
    with_table(&store).await;
    let full = in_tx!(store, tx => {
        tx.execute_script("PRAGMA max_page_count = 1").await?;
        let big = vec![7_u8; 1 << 22];
        tx.execute("INSERT INTO t (id, b) VALUES (1, $1)", args![big]).await
    });
    assert_eq!(full, Err(StoreError::Full));
    assert_eq!(count(&store).await, 0);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control.db");
    std::fs::write(&path, "not a database, but long enough to be read as one".repeat(40))
        .expect("a file");
    let refused = Store::open_file(&path, keys(), runtime(FaultPlan::none())).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
}
