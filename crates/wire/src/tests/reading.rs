//! Cursors, batches and limits.

use std::sync::atomic::Ordering;

use bson::{RawDocumentBuf, rawdoc};
use portolan_runtime::Runtime;

use super::client::Client;
use super::*;

fn cursor(reply: &RawDocumentBuf) -> (i64, Vec<i32>) {
    let cursor = reply.get_document("cursor").unwrap_or_else(|_| panic!("{reply:?}"));
    let batch = cursor.get_array("firstBatch").or_else(|_| cursor.get_array("nextBatch")).unwrap();
    (cursor.get_i64("id").unwrap(), ids(batch))
}

#[tokio::test]
async fn batches_follow_each_other_to_the_end() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let reply =
        client.run(rawdoc! { "find": "items", "filter": { "count": 5 }, "batchSize": 2 }).await;
    assert_eq!(reply.get_document("cursor").unwrap().get_str("ns").unwrap(), "shop.items");
    let (id, batch) = cursor(&reply);
    assert_eq!(batch, [0, 1]);
    let more = rawdoc! { "getMore": id, "collection": "items", "batchSize": 2 };
    // Another connection and another database: the id alone finds the cursor.
    let mut other = Client::connect(server.address).await;
    assert_eq!(cursor(&other.run_on("cursors", more.clone()).await), (id, vec![2, 3]));
    assert_eq!(cursor(&client.run(more.clone()).await), (0, vec![4]));
    let gone = client.run(more).await;
    assert_eq!(gone.get_i32("code").unwrap(), codes::CURSOR_NOT_FOUND);
    assert_eq!(server.backend.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_first_batch_has_101_documents_by_default() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let reply = client.run(rawdoc! { "find": "items", "filter": { "count": 300 } }).await;
    let (id, batch) = cursor(&reply);
    assert_eq!(batch.len(), 101);
    let reply = client.run(rawdoc! { "getMore": id, "collection": "items" }).await;
    assert_eq!(cursor(&reply), (0, (101..300).collect()));
}

#[tokio::test]
async fn a_batch_stops_at_sixteen_mebibytes() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let filter = rawdoc! { "count": 5, "size_bytes": 7_000_000 };
    let (id, batch) = cursor(&client.run(rawdoc! { "find": "items", "filter": filter }).await);
    assert_eq!(batch, [0, 1]);
    let more = rawdoc! { "getMore": id, "collection": "items" };
    assert_eq!(cursor(&client.run(more.clone()).await), (id, vec![2, 3]));
    assert_eq!(cursor(&client.run(more).await), (0, vec![4]));
}

#[tokio::test]
async fn limits_close_the_cursor_in_the_reply_that_reaches_them() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let find = rawdoc! { "find": "items", "filter": { "count": 9 }, "limit": 4, "batchSize": 3 };
    let (id, batch) = cursor(&client.run(find).await);
    assert_eq!(batch, [0, 1, 2]);
    let more = rawdoc! { "getMore": id, "collection": "items" };
    assert_eq!(cursor(&client.run(more).await), (0, vec![3]));
    let single =
        rawdoc! { "find": "items", "filter": { "count": 9 }, "singleBatch": true, "batchSize": 2 };
    assert_eq!(cursor(&client.run(single).await), (0, vec![0, 1]));
    let empty = rawdoc! { "find": "items", "batchSize": 0 };
    let (id, batch) = cursor(&client.run(empty).await);
    assert!(id != 0 && batch.is_empty());
    let more = rawdoc! { "getMore": id, "collection": "items", "batchSize": 0 };
    assert_eq!(cursor(&client.run(more).await), (0, vec![0, 1, 2]));
}

fn opening() -> RawDocumentBuf {
    rawdoc! { "find": "items", "filter": { "count": 9 }, "batchSize": 1 }
}

#[tokio::test]
async fn cursors_can_be_killed() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let (id, _) = cursor(&client.run(opening()).await);
    let reply = client.run(rawdoc! { "killCursors": "items", "cursors": [id, 12345_i64] }).await;
    let list = |field| {
        let numbers = reply.get_array(field).unwrap().into_iter();
        numbers.map(|number| number.unwrap().as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((list("cursorsKilled"), list("cursorsNotFound")), (vec![id], vec![12345]));
    assert!(list("cursorsAlive").is_empty() && list("cursorsUnknown").is_empty());
    assert_eq!(server.backend.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn ending_a_session_closes_its_cursors() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let started = client.run(rawdoc! { "startSession": 1 }).await;
    let lsid = started.get_document("id").unwrap().to_owned();
    let mut find = opening();
    find.append(bson::raw::cstr!("lsid"), &*lsid);
    let (id, _) = cursor(&client.run(find).await);
    let foreign = client.run(rawdoc! { "getMore": id, "collection": "items" }).await;
    assert_eq!(foreign.get_i32("code").unwrap(), codes::UNAUTHORIZED);
    client.run_on("admin", rawdoc! { "endSessions": [lsid] }).await;
    assert_eq!(server.backend.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn idle_cursors_are_closed() {
    let (runtime, clock) = Runtime::manual(1_700_000_000_000, 1);
    let server = serve(open_server(), runtime).await;
    let mut client = Client::connect(server.address).await;
    let mut timeless = opening();
    timeless.append(bson::raw::cstr!("noCursorTimeout"), true);
    client.run(opening()).await;
    let (kept, _) = cursor(&client.run(timeless).await);
    for _ in 0..21 {
        clock.advance_ms(30_000);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    eventually("the idle cursor is closed", || server.backend.dropped.load(Ordering::SeqCst) == 1)
        .await;
    let reply = client.run(rawdoc! { "getMore": kept, "collection": "items" }).await;
    assert_eq!(reply.get_f64("ok").unwrap(), 1.0);
}

#[tokio::test]
async fn the_number_of_cursors_is_bounded() {
    let options = ServerOptions { cursors_max: 2, ..open_server() };
    let server = serve(options, Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    for _ in 0..2 {
        client.run(opening()).await;
    }
    let reply = client.run(opening()).await;
    assert_eq!(reply.get_i32("code").unwrap(), codes::EXCEEDED_MEMORY_LIMIT);
    let all = rawdoc! { "find": "items", "filter": { "count": 2 } };
    assert_eq!(cursor(&client.run(all).await).0, 0);
}
