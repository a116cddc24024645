//! Tests of the store: opening, damage, durability, retries of failed commits.

use std::fs;
use std::sync::Arc;

use bson::{RawDocumentBuf, doc, rawdoc};
use portolan_runtime::{FaultPlan, Runtime};

use super::*;
use crate::error::SandboxError;
use crate::testing::{Fields, NoAccounts, World, namespace, open};
use crate::{Sandbox, SandboxOptions};

fn documents(ids: std::ops::Range<i32>) -> Vec<RawDocumentBuf> {
    ids.map(|id| rawdoc! { "_id": id, "text": format!("document {id}") }).collect()
}

async fn count(sandbox: &Arc<Sandbox>) -> u64 {
    let snapshot = sandbox.engine.store.snapshot().expect("a snapshot");
    match snapshot.collection(&namespace("c")).expect("a collection") {
        Some(collection) => collection.count().expect("a count"),
        None => 0,
    }
}

async fn open_error(folder: &Path) -> SandboxError {
    let opened = Sandbox::open(folder, SandboxOptions::default(), Runtime::system()).await;
    match opened {
        Err(error) => error,
        Ok(_) => panic!("the file must not be opened"),
    }
}

#[tokio::test]
async fn documents_are_there_after_closing_and_opening() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = open(folder.path(), Runtime::system()).await;
    sandbox.insert_many(&namespace("c"), documents(0..100)).await.expect("inserted");
    let tick = sandbox.engine.store.newest_tick();
    sandbox.close().await.expect("closed");
    let sandbox = open(folder.path(), Runtime::system()).await;
    assert_eq!(count(&sandbox).await, 100);
    assert_eq!(sandbox.engine.store.newest_tick(), tick);
}

#[tokio::test]
async fn an_acknowledged_write_survives_a_copy_of_the_file_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = open(folder.path(), Runtime::system()).await;
    for round in 0..5 {
        let ids = round * 10..round * 10 + 10;
        sandbox.insert_many(&namespace("c"), documents(ids)).await.expect("inserted");
        // What a kill right now would leave behind: nothing was closed.
        let copy = tempfile::tempdir().expect("a folder");
        let file = sandbox.engine.store.path();
        fs::copy(file, copy.path().join(file.file_name().expect("a name"))).expect("copied");
        let survivor = open(copy.path(), Runtime::system()).await;
        assert_eq!(count(&survivor).await, u64::try_from(round + 1).expect("small") * 10);
        survivor.close().await.expect("closed");
    }
}

#[tokio::test]
async fn a_second_opening_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = open(folder.path(), Runtime::system()).await;
    let error = open_error(folder.path()).await;
    assert!(matches!(error, SandboxError::InUse { .. }), "{error}");
}

#[tokio::test]
async fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = open(folder.path(), Runtime::system()).await;
    sandbox.insert_many(&namespace("c"), documents(0..2000)).await.expect("inserted");
    sandbox.close().await.expect("closed");
    let file = sandbox.engine.store.path().to_owned();
    let sound = fs::read(&file).expect("read");
    let half = sound.len() / 2;
    let mut flipped = sound.clone();
    flipped[half..half + 4096].iter_mut().for_each(|byte| *byte = !*byte);
    for broken in [Vec::new(), sound[..100].to_vec(), sound[..half].to_vec(), b"no".repeat(9000)] {
        fs::write(&file, &broken).expect("written");
        let error = open_error(folder.path()).await;
        assert!(matches!(error, SandboxError::Damaged { .. }), "{} bytes: {error}", broken.len());
        assert_eq!(fs::read(&file).expect("read").len(), broken.len(), "the file was touched");
    }
    fs::write(&file, &flipped).expect("written");
    let error = open_error(folder.path()).await;
    assert!(matches!(error, SandboxError::Damaged { .. }), "{error}");
    fs::write(&file, &sound).expect("written");
    assert_eq!(count(&open(folder.path(), Runtime::system()).await).await, 2000);
}

#[tokio::test]
async fn another_layout_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = open(folder.path(), Runtime::system()).await;
    let written = sandbox.engine.store.with_database(|database| {
        let tx = database.begin_write()?;
        tx.open_table(definition(META))?.insert(META_LAYOUT, 9_u64.to_be_bytes().as_slice())?;
        tx.commit()?;
        Ok(())
    });
    written.expect("written");
    sandbox.close().await.expect("closed");
    let error = open_error(folder.path()).await;
    assert!(matches!(error, SandboxError::Layout { found: 9, expected: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_closed_cluster_refuses_commands() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    world.sandbox.close().await.expect("closed");
    let find = world.fails(doc! { "find": "c" }).await;
    let insert = world.fails(doc! { "insert": "c", "documents": [{}] }).await;
    assert_eq!((find.code, insert.code), (91, 91));
}

#[tokio::test]
async fn a_snapshot_does_not_see_later_writes() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let snapshot = world.sandbox.engine.store.snapshot().expect("a snapshot");
    world.insert("c", vec![doc! { "_id": 2 }]).await;
    world.run(doc! { "drop": "c" }).await;
    let collection = snapshot.collection(&namespace("c")).expect("read").expect("still there");
    assert_eq!(collection.count().expect("a count"), 1);
}

#[tokio::test]
async fn writes_that_wait_together_share_a_commit_and_all_are_answered() {
    let world = Arc::new(World::new().await);
    let before = world.sandbox.engine.store.newest_tick();
    let writes = (0..100).map(|id| {
        let world = world.clone();
        async move { world.insert("c", vec![doc! { "_id": id }]).await }
    });
    futures::future::join_all(writes).await;
    assert_eq!(count(&world.sandbox).await, 100);
    assert!(world.sandbox.engine.store.newest_tick() > before);
}

#[tokio::test]
async fn a_lost_commit_has_an_unknown_outcome_and_a_retry_settles_it() {
    for (plan, lost) in
        [("sandbox.commit=reply_lost@2", true), ("sandbox.commit=fails_before@2", false)]
    {
        let runtime = Runtime::system().with_faults(FaultPlan::parse(plan).expect("a plan"));
        let world = World::with(runtime).await;
        world.insert("c", vec![doc! { "_id": 0 }]).await;
        let session = bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![7; 16] };
        let insert = doc! {
            "insert": "c", "documents": [{ "_id": 1 }],
            "lsid": { "id": session }, "txnNumber": 1_i64,
        };
        let error = world.fails(insert.clone()).await;
        assert_eq!(
            (error.code, error.labels.as_slice()),
            (11600, &["RetryableWriteError".to_owned()][..])
        );
        assert_eq!(count(&world.sandbox).await, if lost { 2 } else { 1 });
        let reply = world.run(insert).await;
        assert_eq!(reply, doc! { "n": 1 });
        assert_eq!(count(&world.sandbox).await, 2);
    }
}

#[tokio::test]
async fn a_retried_write_is_answered_and_not_repeated() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1, "n": 0 }]).await;
    let session =
        |byte| bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![byte; 16] };
    let increment = |byte, number: i64| {
        doc! {
            "update": "c", "updates": [{ "q": { "_id": 1 }, "u": { "$inc": { "n": 1 } } }],
            "lsid": { "id": session(byte) }, "txnNumber": number,
        }
    };
    for _ in 0..3 {
        let reply = world.run(increment(1, 5)).await;
        assert_eq!(reply.int("nModified"), Ok(1));
    }
    assert_eq!(crate::testing::field(&world.find("c", doc! {}).await, "n"), [1]);
    world.run(increment(1, 6)).await;
    world.run(increment(2, 5)).await;
    assert_eq!(crate::testing::field(&world.find("c", doc! {}).await, "n"), [3]);
    assert_eq!(world.fails(increment(1, 5)).await.code, 225);
}

#[tokio::test]
async fn sessions_are_forgotten_after_half_an_hour() {
    let (runtime, clock) = Runtime::manual(1_700_000_000_000, 3);
    let world = World::with(runtime).await;
    let insert = |id: i32| {
        doc! {
            "insert": "c", "documents": [{ "_id": id }], "txnNumber": 1_i64,
            "lsid": { "id": bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![1; 16] } },
        }
    };
    world.run(insert(1)).await;
    clock.advance_ms(31 * 60 * 1000);
    world.insert("other", vec![doc! {}]).await;
    let table = world.sandbox.engine.store.snapshot().expect("a snapshot").table_len(SESSIONS);
    assert_eq!(table.expect("a count"), 0);
}

#[test]
fn ticks_follow_the_clock_and_never_fall_back() {
    let first = tick::next(0, 1_700_000_000_500);
    assert_eq!(tick::timestamp(first), bson::Timestamp { time: 1_700_000_000, increment: 1 });
    let second = tick::next(first, 1_600_000_000_000);
    assert_eq!(tick::timestamp(second), bson::Timestamp { time: 1_700_000_000, increment: 2 });
    assert_eq!(tick::timestamp(tick::next(second, 1_700_000_001_000)).increment, 1);
}

#[tokio::test]
async fn the_file_is_reached_through_its_backend_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = open(folder.path(), Runtime::system()).await;
    let backend = sandbox.backend(Arc::new(NoAccounts), "127.0.0.1:1");
    let fields: Vec<&str> = backend.reply_fields().into_iter().map(|(name, _)| name).collect();
    assert_eq!(fields, ["operationTime", "$clusterTime"]);
}

#[test]
fn arrays_give_a_key_for_each_element() {
    let index = |pattern: RawDocumentBuf| IndexEntry {
        number: 1,
        name: "i".into(),
        fields: index_fields(&pattern).expect("a pattern"),
        pattern,
        options: IndexOptions::default(),
        multikey: false,
    };
    let keys = |pattern: RawDocumentBuf, document: RawDocumentBuf| {
        document_keys(&index(pattern), &document).map(|found| (found.keys.len(), found.multikey))
    };
    let simple = || rawdoc! { "a.b": 1 };
    assert_eq!(keys(simple(), rawdoc! { "a": { "b": 1 } }).expect("keys"), (1, false));
    assert_eq!(keys(simple(), rawdoc! {}).expect("keys"), (1, false));
    assert_eq!(
        keys(simple(), rawdoc! { "a": [{ "b": 1 }, { "b": [2, 3] }, 4] }).expect("keys"),
        (3, true)
    );
    assert_eq!(keys(simple(), rawdoc! { "a": { "b": [5, 5.0, 5_i64] } }).expect("keys"), (1, true));
    assert_eq!(
        keys(rawdoc! { "a": 1, "b": -1 }, rawdoc! { "a": [1, 2], "b": 3 }).expect("keys"),
        (2, true)
    );
    let parallel = keys(rawdoc! { "a": 1, "b": 1 }, rawdoc! { "a": [1], "b": [2] });
    let error = portolan_wire::CommandError::from(parallel.expect_err("two arrays"));
    assert_eq!(error.code, 171);
}

#[test]
fn the_key_after_a_prefix_is_beyond_all_that_begin_with_it() {
    assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
    assert_eq!(after_prefix(&[1, 255, 255]), Some(vec![2]));
    assert_eq!(after_prefix(&[255]), None);
}
