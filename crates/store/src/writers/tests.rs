//! Commits that are shared: each is done when it is on the disk, and undone alone.

use std::sync::atomic::{AtomicU32, Ordering};

use portolan_runtime::{Fate, FaultPlan};

use crate::tests::TestStore;
use crate::{Store, StoreError, args};

const INSERT: &str = "INSERT INTO instance_secrets (name, secret, created_at) VALUES ($1, $2, 0)";

async fn write(store: &Store, name: String, fails: bool) -> Result<(), StoreError> {
    let name = &name;
    store
        .run_tx("test.write", |tx| {
            Box::pin(async move {
                tx.execute(INSERT, args![name, b"x"]).await?;
                if fails { Err(StoreError::missing("thing")) } else { Ok(()) }
            })
        })
        .await
}

async fn names(store: &Store) -> Vec<String> {
    let sql = "SELECT name FROM instance_secrets WHERE name >= 'w' ORDER BY name";
    let read = store.read_tx::<_, StoreError, _>("test.read", |tx| {
        Box::pin(async move { tx.fetch_all(sql, args![]).await })
    });
    read.await.expect("names")
}

/// Sixty writers at once, a third of which fail: those rows, and only those, are missing, and every
/// writer that was told of success finds its row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_writer_is_done_or_undone_alone() {
    let store = TestStore::sqlite(FaultPlan::none()).await;
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let store = store.store.clone();
            let name = format!("w{n:02}");
            store.runtime().clone().spawn("writer", async move {
                let outcome = write(&store, name.clone(), n % 3 == 0).await;
                assert_eq!(outcome.is_ok(), n % 3 != 0);
                assert_eq!(names(&store).await.contains(&name), n % 3 != 0);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(names(&store).await.len(), 40);
}

/// A writer that is dropped in the middle of its work takes nobody with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_writer_spoils_nothing() {
    let store = TestStore::sqlite(FaultPlan::none()).await;
    let runtime = store.runtime().clone();
    let begun = AtomicU32::new(0);
    let stuck = store.run_tx::<(), StoreError, _>("test.stuck", |tx| {
        let (runtime, begun) = (runtime.clone(), &begun);
        Box::pin(async move {
            tx.execute(INSERT, args!["w stuck", b"x"]).await?;
            begun.fetch_add(1, Ordering::Relaxed);
            runtime.sleep_ms(60_000).await;
            Ok(())
        })
    });
    let others: Vec<_> = (0..10)
        .map(|n| {
            let store = store.store.clone();
            runtime.spawn("writer", async move { write(&store, format!("w{n}"), false).await })
        })
        .collect();
    assert!(store.runtime().timeout_ms(400, stuck).await.is_err());
    for other in others {
        assert_eq!(other.await.expect("no panic"), Ok(()));
    }
    assert_eq!(begun.into_inner(), 1);
    assert_eq!(names(&store).await.len(), 10);
}

/// A commit that fails before it is sent takes no other with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_meets_one_writer() {
    let plan = FaultPlan::none().with("test.write", 5, Fate::FailsBefore);
    let plan = plan.with("test.write", 9, Fate::ReplyLost);
    let store = TestStore::sqlite(plan).await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let store = store.store.clone();
            let write = async move { write(&store, format!("w{n:02}"), false).await };
            portolan_runtime::Runtime::system().spawn("writer", write)
        })
        .collect();
    let mut unknown = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(()) => {}
            Err(StoreError::Unknown { .. }) => unknown += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(unknown, 2);
    assert_eq!(names(&store).await.len(), 19);
}

/// Light commits are seen by everybody, and are on the disk with the next durable one.
#[tokio::test]
async fn light_commits_count_like_others() {
    let store = TestStore::sqlite(FaultPlan::none()).await;
    for n in 0..3 {
        let name = &format!("w{n}");
        let light: Result<u64, StoreError> = store
            .run_light_tx("test.light", |tx| Box::pin(tx.execute(INSERT, args![name, b"x"])))
            .await;
        assert_eq!(light, Ok(1));
        assert_eq!(names(&store).await.len(), n + 1);
    }
    assert_eq!(write(&store, "w9".to_owned(), false).await, Ok(()));
    assert_eq!(names(&store).await.len(), 4);
}
