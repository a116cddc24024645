//! What is remembered is what the database would say.

use portolan_runtime::FaultPlan;

use super::Tables;
use crate::tests::{TestStore, in_tx};
use crate::{Store, StoreError, args};

async fn remembering() -> TestStore {
    let store = TestStore::sqlite(FaultPlan::none()).await;
    store.remember_reads().await.expect("it remembers");
    store
}

async fn set(store: &Store, name: &'static str, value: &'static [u8]) {
    let sql = "INSERT INTO instance_secrets (name, secret, created_at) VALUES ($1, $2, 0) \
               ON CONFLICT (name) DO UPDATE SET secret = excluded.secret";
    let written = in_tx!(store, tx => tx.execute(sql, args![name, value]).await);
    assert_eq!(written, Ok(1));
}

const READ: &str = "SELECT COUNT(*) FROM instance_secrets WHERE name = $1 AND secret = $2";

async fn has(store: &Store, name: &'static str, value: &'static [u8]) -> bool {
    let read = store.read_tx::<_, StoreError, _>("test.read", |tx| {
        Box::pin(async move { tx.count(READ, args![name, value]).await })
    });
    read.await.expect("a count") == 1
}

/// Whether the next read would need no database.
fn is_remembered(store: &Store, name: &str, value: &[u8]) -> bool {
    let memory = store.memory().expect("a memory");
    memory.recall(&mut memory.begin(), READ, &args![name, value], true).is_some()
}

#[test]
fn a_deletion_changes_what_refers_to_it() {
    let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let tables = Tables::new(names, &[pair("b", "a"), pair("c", "b")]);
    let bits = |names: &[&str]| names.iter().fold(0, |set, name| set | tables.named_in(name));
    assert_eq!(tables.changed_by("DELETE FROM a WHERE x = 1"), bits(&["a", "b", "c"]));
    assert_eq!(tables.changed_by("DELETE FROM c WHERE x = 1"), bits(&["c"]));
    assert_eq!(tables.changed_by("UPDATE a SET b_id = 1"), bits(&["a"]));
    assert_eq!(tables.changed_by("INSERT INTO a SELECT * FROM d"), bits(&["a", "d"]));
    assert_eq!(tables.changed_by("INSERT OR REPLACE INTO a VALUES (1)"), super::ALL_TABLES);
    assert_eq!(tables.changed_by("ALTER TABLE a ADD x TEXT"), super::ALL_TABLES);
}

#[tokio::test]
async fn a_change_is_seen_at_once() {
    let store = remembering().await;
    assert!(!has(&store, "k", b"1").await);
    assert!(is_remembered(&store, "k", b"1"));
    set(&store, "k", b"1").await;
    assert!(!is_remembered(&store, "k", b"1"));
    assert!(has(&store, "k", b"1").await && has(&store, "k", b"1").await);
    set(&store, "k", b"2").await;
    assert!(!has(&store, "k", b"1").await && has(&store, "k", b"2").await);
}

#[tokio::test]
async fn a_change_elsewhere_disturbs_nothing() {
    let store = remembering().await;
    assert!(!has(&store, "k", b"1").await);
    let sql = "INSERT INTO restore_holds (cluster_id, database_name, collection_name, identity, until) \
               VALUES ('a', 'b', 'c', 'd', 0)";
    in_tx!(store, tx => tx.execute(sql, args![]).await).expect("a row");
    assert!(is_remembered(&store, "k", b"1"));
}

#[tokio::test]
async fn a_change_that_was_undone_leaves_nothing() {
    let store = remembering().await;
    let undone: Result<(), StoreError> = store
        .run_tx("test.undone", |tx| {
            Box::pin(async move {
                let sql =
                    "INSERT INTO instance_secrets (name, secret, created_at) VALUES ($1, $2, 0)";
                tx.execute(sql, args!["k", b"1"]).await?;
                assert_eq!(tx.count(READ, args!["k", b"1"]).await, Ok(1));
                Err(StoreError::missing("thing"))
            })
        })
        .await;
    assert_eq!(undone, Err(StoreError::missing("thing")));
    assert!(!has(&store, "k", b"1").await);
}

#[tokio::test]
async fn a_transaction_sees_one_state() {
    let store = remembering().await;
    assert!(!has(&store, "k", b"1").await);
    let (tries, shared) = (std::sync::atomic::AtomicU32::new(0), &store.store);
    // Recalls that there is none; meanwhile one comes; then it needs the database.
    let seen = store.read_tx::<_, StoreError, _>("test.read", |tx| {
        let tries = &tries;
        Box::pin(async move {
            let tried = tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let before = tx.count(READ, args!["k", b"1"]).await?;
            if tried == 0 {
                set(shared, "k", b"1").await;
            }
            let sql = "SELECT COUNT(*) FROM instance_secrets WHERE name = $1";
            Ok((before, tx.count(sql, args!["k"]).await?))
        })
    });
    assert_eq!(seen.await, Ok((1, 1)));
    assert_eq!(tries.into_inner(), 2);
}

/// While a commit is under way, and after one that nobody waited for, nothing is recalled.
#[tokio::test]
async fn a_commit_that_was_left_alone_is_not_trusted() {
    let store = remembering().await;
    let memory = store.memory().expect("a memory");
    assert!(!has(&store, "k", b"1").await);
    let flux = memory.changing(super::ALL_TABLES);
    assert!(!is_remembered(&store, "k", b"1"));
    assert!(!has(&store, "k", b"1").await);
    assert!(!is_remembered(&store, "k", b"1"));
    drop(flux);
    assert!(!has(&store, "k", b"1").await);
    assert!(!is_remembered(&store, "k", b"1"));
    set(&store, "other", b"1").await;
    assert!(!has(&store, "k", b"1").await);
    assert!(is_remembered(&store, "k", b"1"));
}

/// Readers beside a writer never see it go back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_see_the_past() {
    let store = remembering().await;
    set(&store, "n", b"0").await;
    let runtime = store.runtime().clone();
    let written = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (store, written) = (store.store.clone(), written.clone());
            runtime.spawn("reader", async move {
                let mut reads = 0;
                loop {
                    let least = written.load(std::sync::atomic::Ordering::SeqCst);
                    let sql =
                        "SELECT COUNT(*) FROM instance_secrets WHERE name > $1 AND name < 's'";
                    let seen = store.read_tx::<_, StoreError, _>("test.read", |tx| {
                        Box::pin(async move { tx.count(sql, args!["row "]).await })
                    });
                    let seen = seen.await.expect("a count");
                    assert!(seen >= least, "{seen} rows after {least}");
                    reads += 1;
                    // What is remembered is read without a wait, and others need the thread.
                    tokio::task::yield_now().await;
                    if seen == 60 {
                        return reads;
                    }
                }
            })
        })
        .collect();
    for n in 1..=60_i64 {
        let name = &format!("row {n}");
        let sql = "INSERT INTO instance_secrets (name, secret, created_at) VALUES ($1, $2, 0)";
        in_tx!(store, tx => tx.execute(sql, args![name, b"x"]).await).expect("a row");
        written.store(n, std::sync::atomic::Ordering::SeqCst);
    }
    for reader in readers {
        assert!(reader.await.expect("no panic") > 0);
    }
}
