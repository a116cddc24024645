//! Tests of the query log, on a SQLite file.

use portolan_model::{ClusterId, ProjectId};
use portolan_runtime::FaultPlan;
use portolan_security::KeyRing;
use portolan_store::query_log::{LogPart, first_id};

use super::*;

const CLUSTER: ClusterId = ClusterId::new([9; 12]);

fn record(at: i64, bytes: u64) -> QueryRecord {
    QueryRecord {
        cluster_id: CLUSTER,
        archive_only: true,
        command: "find".into(),
        namespace: "sales.orders.eu".into(),
        query: bson::Bson::Document(bson::doc! { "n": { "$gt": 5_i64 } }),
        comment: None,
        user: Some("admin.ada".into()),
        started_at: at - 7,
        ended_at: at,
        documents: 3,
        bytes,
        error: None,
    }
}

async fn store(dir: &std::path::Path) -> Store {
    store_with(dir, Runtime::system()).await
}

async fn store_with(dir: &std::path::Path, runtime: Runtime) -> Store {
    let url = format!("sqlite:{}", dir.join("control.db").display());
    Store::open(&url, KeyRing::new(&[1; 32], &[]), runtime).await.expect("a store")
}

async fn count(store: &Store) -> i64 {
    let counted: Result<i64, StoreError> = store
        .read_tx("test.count", |tx| {
            Box::pin(tx.count("SELECT COUNT(*) FROM query_log", Vec::new()))
        })
        .await;
    counted.expect("a number")
}

#[test]
fn a_line_is_one_document_of_what_was_asked() {
    let line = line(&record(1_786_330_966_123, 99));
    assert!(!line.contains('\n'));
    let shown: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(shown["db"], "sales");
    assert_eq!(shown["collection"], "orders.eu");
    assert_eq!(shown["query"], json!({ "n": { "$gt": 5 } }));
    assert_eq!(shown["endTime"], "2026-08-10T03:02:46.123Z");
    assert_eq!(shown["durationMillis"], 7);
    assert_eq!(shown["bytesProcessed"], 99);
    assert_eq!(shown["ok"], 1);
}

#[tokio::test]
async fn what_waits_is_written_at_the_end_and_what_is_old_goes() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let (log, stop) = (QueryLog::new(), CancellationToken::new());
    let runtime = store.runtime().clone();
    let now_ms = runtime.now_ms();
    for at in [now_ms, now_ms - 29 * DAY_MS, now_ms - 31 * DAY_MS] {
        log.note(&record(at, 10), &runtime);
    }
    let serving = runtime.spawn("test", log.clone().serve(store.clone(), stop.clone()));
    runtime.sleep_ms(50).await;
    stop.cancel();
    serving.await.expect("it ends");
    assert_eq!(count(&store).await, 2, "the writer prunes when it starts");
    let part = &LogPart {
        cluster_id: CLUSTER,
        archive_only: None,
        after: first_id(0),
        before: first_id(i64::MAX),
    };
    let nobody = SYSTEM.in_org(portolan_model::OrgId::new([0; 12]));
    let witness = &nobody.in_project(ProjectId::new([0; 12]));
    let foreign: Result<Vec<_>, StoreError> =
        store.read_tx("test.read", |tx| Box::pin(query_log::read(tx, witness, part, 10))).await;
    assert_eq!(foreign.expect("an answer"), [], "no project has this cluster");
}

/// A commit that was not answered: the lines are sent again and are there once, what was read counts
/// once.
#[tokio::test]
async fn a_batch_whose_outcome_is_unknown_is_not_counted_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let plan = FaultPlan::parse("host.query_log=reply_lost@1").expect("a plan");
    let store = store_with(dir.path(), Runtime::system().with_faults(plan)).await;
    let (log, now_ms) = (QueryLog::new(), store.runtime().now_ms());
    log.note(&record(now_ms, 10), store.runtime());
    let mut receiver = log.receiver.lock().expect("free").take().expect("nobody took it");
    let mut waiting = Vec::new();
    gather(&mut receiver, &mut waiting);
    log.write(&store, &mut waiting).await;
    assert_eq!(waiting.len(), 1, "it is not known whether it is there");
    log.write(&store, &mut waiting).await;
    assert_eq!((waiting.len(), count(&store).await), (0, 1));
    let endpoint = ReadEndpoint { cluster_id: CLUSTER, archive_only: true };
    let used: Result<i64, StoreError> = store
        .read_tx("test.usage", |tx| {
            Box::pin(query_limits::usage(tx, endpoint, QueryLimitName::Daily, now_ms))
        })
        .await;
    assert_eq!(used.expect("a sum"), 10);
}

#[tokio::test]
async fn a_full_buffer_drops_records_and_still_counts_what_they_read() {
    let runtime = Runtime::system();
    let log = QueryLog::new();
    let now_ms = runtime.now_ms();
    for _ in 0..BUFFER + 5 {
        log.note(&record(now_ms, 2), &runtime);
    }
    assert_eq!(log.dropped.load(Ordering::Relaxed), 5);
    let endpoint = ReadEndpoint { cluster_id: CLUSTER, archive_only: true };
    let sum = i64::try_from(2 * (BUFFER + 5)).expect("small");
    assert_eq!(log.unwritten_since(endpoint, day_of(now_ms)), sum);
    assert_eq!(log.unwritten_since(endpoint, day_of(now_ms) + 1), 0);
}

#[test]
fn limits_narrow_what_a_query_may_read() {
    let limit =
        |name, bytes, overrun_policy| QueryLimit { name, bytes, overrun_policy, modified_at: 0 };
    let (kill, block) = (OverrunPolicy::BlockAndKill, OverrunPolicy::Block);
    let mut allowance = Allowance::default();
    narrow(&mut allowance, &limit(QueryLimitName::Daily, 100, block), 99).expect("one is left");
    assert_eq!(allowance.bytes, None, "running queries go on");
    narrow(&mut allowance, &limit(QueryLimitName::Query, 50, block), 0).expect("a new query");
    assert_eq!(allowance.bytes, Some((50, "bytesProcessed.query".into())));
    narrow(&mut allowance, &limit(QueryLimitName::Monthly, 100, kill), 70).expect("30 are left");
    assert_eq!(allowance.bytes, Some((30, "bytesProcessed.monthly".into())));
    let refused = narrow(&mut allowance, &limit(QueryLimitName::Weekly, 100, block), 100);
    let error = refused.expect_err("nothing is left").to_string();
    assert_eq!(error, "the limit bytesProcessed.weekly of 100 bytes is reached");
}
