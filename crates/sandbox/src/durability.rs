//! Tests of what survives: losses of power at any moment, full disks, and whether the change log from
//! its beginning gives the very data that is stored. Killing the process is in `tests/kill.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use bson::{Document, RawDocument, RawDocumentBuf, doc};
use portolan_runtime::Runtime;

use crate::commands::check_collection;
use crate::store::{Disk, Readable, Store};
use crate::testing::{Fields, World, apply_diff};

type Documents = BTreeMap<Vec<u8>, RawDocumentBuf>;

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).expect("a document")
}

/// What the change log says is stored, by the UUID of each collection.
fn replayed(store: &Store) -> BTreeMap<Vec<u8>, Documents> {
    let snapshot = store.snapshot().expect("a snapshot");
    let log = snapshot.log().expect("a log");
    let mut collections: BTreeMap<Vec<u8>, Documents> = BTreeMap::new();
    for row in log.iter().expect("rows") {
        let (_, row) = row.expect("a row");
        let row = RawDocument::from_bytes(row.value()).expect("a document");
        let row = Document::try_from(row).expect("a document");
        if let Some(bson::Bson::Binary(uuid)) = row.get("uuid") {
            replay_row(&mut collections, uuid.bytes.clone(), &row);
        }
    }
    collections
}

fn replay_row(collections: &mut BTreeMap<Vec<u8>, Documents>, uuid: Vec<u8>, row: &Document) {
    let key = || raw(row.sub("key").expect("a key")).into_bytes();
    let documents = collections.entry(uuid.clone()).or_default();
    match row.text("kind").expect("a kind") {
        "insert" | "replace" => {
            documents.insert(key(), raw(row.sub("doc").expect("a document")));
        }
        "update" => {
            let stored = documents.get_mut(&key()).expect("what is updated");
            *stored = match row.sub("after") {
                Ok(after) => raw(after),
                Err(()) => {
                    let mut document = Document::try_from(&*stored).expect("a document");
                    apply_diff(&mut document, row.sub("diff").expect("a difference"));
                    raw(&document)
                }
            };
        }
        "delete" => {
            documents.remove(&key()).expect("what is deleted");
        }
        "drop" => {
            collections.remove(&uuid);
        }
        _ => {}
    }
}

/// Checks that documents, indexes and the change log say the same; returns the documents' ids.
fn assert_consistent(store: &Store) -> Vec<i32> {
    let mut replayed = replayed(store);
    let snapshot = store.snapshot().expect("a snapshot");
    let mut ids = Vec::new();
    for entry in snapshot.catalog().expect("a catalog").all().expect("entries") {
        let collection = snapshot.open(entry).expect("a collection");
        let found = check_collection(&collection).expect("a check");
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        let mut stored = Documents::new();
        for row in collection.data.iter().expect("rows") {
            let (_, row) = row.expect("a row");
            let document = RawDocument::from_bytes(row.value()).expect("a document").to_owned();
            let id = document.get_i32("_id").expect("an id");
            stored.insert(raw(&doc! { "_id": id }).into_bytes(), document);
            ids.push(id);
        }
        let said = replayed.remove(collection.entry.uuid.as_slice()).unwrap_or_default();
        assert_eq!(said, stored, "the log from empty gives the data");
    }
    assert!(replayed.values().all(BTreeMap::is_empty), "the log knows of nothing else");
    ids.sort_unstable();
    ids
}

/// Writes in every way, and counts how many documents were acknowledged.
async fn churn(world: &World, acknowledged: &AtomicI32, from: i32) {
    for round in from.. {
        let id = round * 3;
        let documents: Vec<_> =
            (id..id + 3).map(|id| doc! { "_id": id, "a": [1, id, 3], "b": { "c": id } }).collect();
        let insert = doc! { "insert": "c", "documents": documents };
        if world.on("db", insert).await.is_err() {
            return;
        }
        acknowledged.store(id + 3, Ordering::SeqCst);
        let updates = vec![
            doc! { "q": { "_id": id }, "u": { "$push": { "a": 4 }, "$set": { "b.d": "x" } } },
            doc! { "q": { "_id": id + 1 }, "u": { "a": [1], "b": 1 } },
            doc! { "q": { "_id": id + 2 }, "u": [{ "$replaceWith": { "_id": id + 2, "z": 1,
            "a": { "$slice": ["$a", 1] } } }] },
        ];
        let extra = doc! { "delete": "other", "deletes": [{ "q": {}, "limit": 0 }] };
        let other = doc! { "insert": "other", "documents": [{ "_id": -1 - round }] };
        for command in [doc! { "update": "c", "updates": updates }, extra, other] {
            if world.on("db", command).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_loss_of_power_at_any_moment() {
    let runtime = Runtime::system();
    for seed in 0..12 {
        let (dice, _) = Runtime::manual(0, seed);
        let disk = Disk::default();
        let world = Arc::new(World::on_disk(&disk, runtime.clone()).await);
        let index = doc! { "key": { "a": 1 }, "name": "a_1" };
        world.run(doc! { "createIndexes": "c", "indexes": [index] }).await;
        let acknowledged = Arc::new(AtomicI32::new(0));
        let (writer, count) = (world.clone(), acknowledged.clone());
        let writing = runtime.spawn("test.churn", async move { churn(&writer, &count, 0).await });
        for _ in 0..6 {
            runtime.sleep_ms(7 + u64::from(dice.random_bytes::<1>()[0] % 30)).await;
            let before = acknowledged.load(Ordering::SeqCst);
            let survivor = disk.without_power(&dice);
            let after = World::on_disk(&survivor, runtime.clone()).await;
            let ids = assert_consistent(&after.sandbox.engine.store);
            let kept = ids.iter().filter(|id| (0..before).contains(*id)).count();
            assert_eq!(i32::try_from(kept), Ok(before), "acknowledged documents are there");
            after.insert("c", vec![doc! { "_id": 1_000_000 }]).await;
        }
        writing.abort();
        world.sandbox.close().await.ok();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_still_reads() {
    let runtime = Runtime::system();
    let disk = Disk::default();
    let world = World::on_disk(&disk, runtime).await;
    world.insert("c", (0..50).map(|id| doc! { "_id": id }).collect()).await;
    disk.fill(true);
    let size = disk.len_bytes();
    let text = "x".repeat(200_000);
    let mut refused = 0;
    for id in 100..140 {
        let insert = doc! { "insert": "c", "documents": [{ "_id": id, "text": &text }] };
        if let Err(error) = world.on("db", insert).await {
            assert_eq!((error.code, error.code_name.as_str()), (14031, "OutOfDiskSpace"));
            refused += 1;
        }
        assert!(world.find("c", doc! { "_id": 7 }).await.len() == 1, "reads go on");
    }
    assert!(refused > 0, "the disk had room for everything: {size}");
    disk.fill(false);
    world.insert("c", vec![doc! { "_id": 200, "text": &text }]).await;
    let ids = assert_consistent(&world.sandbox.engine.store);
    assert_eq!(i32::try_from(ids.len()), Ok(50 + 40 - refused + 1));
}
