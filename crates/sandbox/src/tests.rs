//! Tests of the room as a whole: with the official driver over a socket, and how fast it is.

use std::sync::Arc;

use bson::{RawDocumentBuf, doc, rawdoc};
use futures::TryStreamExt;
use portolan_runtime::Runtime;
use portolan_wire::{Server, ServerOptions};
use tokio_util::sync::CancellationToken;

use crate::testing::{Fields, NoAccounts, World, namespace, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_driver_writes_and_reads() {
    let runtime = Runtime::system();
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = open(folder.path(), runtime.clone()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let backend = sandbox.backend(Arc::new(NoAccounts), host.clone());
    let shutdown = CancellationToken::new();
    let options = ServerOptions { require_auth: false, ..ServerOptions::default() };
    let served = Server::serve(listener, backend, options, runtime.clone(), shutdown.clone());
    let server = runtime.spawn("server", served);

    let client = mongodb::Client::with_uri_str(format!("mongodb://{host}/?replicaSet=portolan"));
    let client = client.await.expect("a client");
    let collection = client.database("db").collection::<bson::Document>("c");
    let documents = (0..500).map(|n| doc! { "_id": n, "k": n % 5 });
    collection.insert_many(documents).await.expect("inserted");
    let found: Vec<_> = collection
        .find(doc! { "k": 3 })
        .sort(doc! { "_id": -1 })
        .batch_size(20)
        .await
        .expect("found")
        .try_collect()
        .await
        .expect("read");
    assert_eq!((found.len(), found[0].int("_id")), (100, Ok(498)));
    let updated = collection.update_many(doc! { "k": 1 }, doc! { "$inc": { "k": 10 } }).await;
    assert_eq!(updated.expect("updated").modified_count, 100);
    let deleted = collection.delete_one(doc! { "_id": 0 }).await.expect("deleted");
    assert_eq!(deleted.deleted_count, 1);
    assert_eq!(collection.count_documents(doc! {}).await.expect("counted"), 499);
    assert_eq!(client.list_database_names().await.expect("listed"), ["db"]);
    let duplicate = collection.insert_one(doc! { "_id": 5 }).await.expect_err("a duplicate");
    assert!(duplicate.to_string().contains("E11000"), "{duplicate}");
    drop(client);
    shutdown.cancel();
    server.await.expect("the server ends");
}

/// A document of about the size of a flight.
fn flight(n: i32) -> RawDocumentBuf {
    rawdoc! {
        "_id": n, "year": 2013, "month": n % 12 + 1, "day": n % 28 + 1, "dep_time": 517.0,
        "sched_dep_time": 515, "dep_delay": 2.0, "arr_time": 830.0, "sched_arr_time": 819,
        "arr_delay": 11.0, "carrier": "UA", "flight": 1545, "tailnum": "N14228", "origin": "EWR",
        "dest": "IAH", "air_time": 227.0, "distance": 1400, "hour": 5, "minute": 15,
        "time_hour": bson::DateTime::from_millis(1_357_034_400_000 + i64::from(n) * 60_000),
    }
}

/// The sizes of the quickstart: they must take seconds in a debug build, not minutes.
#[tokio::test]
async fn bulk_loads_and_guarded_deletes_take_seconds() {
    let world = World::new().await;
    let runtime = Runtime::system();
    let started_ms = runtime.boot_ms();
    let flights: Vec<RawDocumentBuf> = (0..27_000).map(flight).collect();
    world.sandbox.insert_many(&namespace("flights"), flights.clone()).await.expect("loaded");
    let loaded_ms = runtime.boot_ms();
    for batch in flights[..6_000].chunks(500) {
        let deletes: Vec<_> = batch.iter().map(guarded).collect();
        let reply = world.run(doc! { "delete": "flights", "deletes": deletes }).await;
        assert_eq!(reply, doc! { "n": 500 });
    }
    let deleted_ms = runtime.boot_ms();
    assert_eq!(
        world.run(doc! { "count": "flights", "query": { "distance": 1400 } }).await,
        doc! { "n": 21_000 }
    );
    let scanned_ms = runtime.boot_ms();
    let took = [loaded_ms - started_ms, deleted_ms - loaded_ms, scanned_ms - deleted_ms];
    eprintln!(
        "load 27,000: {} ms; 6,000 guarded deletes: {} ms; scan 21,000: {} ms",
        took[0], took[1], took[2]
    );
    world.assert_sound("flights").await;
    assert!(took.iter().all(|ms| *ms < 30_000), "{took:?}");
}

fn guarded(document: &RawDocumentBuf) -> bson::Document {
    let size = i32::try_from(document.as_bytes().len()).expect("small");
    let document = bson::Document::try_from(document).expect("a document");
    let id = document.int("_id").expect("an id");
    doc! { "q": { "_id": id, "$expr": { "$and": [
        { "$eq": ["$$ROOT", { "$literal": document }] },
        { "$eq": [{ "$bsonSize": "$$ROOT" }, size] },
    ] } }, "limit": 1 }
}
