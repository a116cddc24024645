//! Tests of change streams: what they show, where they go on, and when they end.

use bson::{Bson, Document, doc};
use portolan_runtime::Runtime;
use portolan_wire::{CommandError, Tail, TailBatch};

use crate::testing::{Fields, World};

fn watching(collection: impl Into<Bson>, options: Document) -> Document {
    let stage = doc! { "$changeStream": options };
    doc! { "aggregate": collection, "pipeline": [stage], "cursor": {} }
}

async fn read(stream: &mut Box<dyn Tail>) -> Vec<Document> {
    let batch = stream.read(None).await.expect("a batch");
    documents(&batch)
}

fn documents(batch: &TailBatch) -> Vec<Document> {
    batch.documents.iter().map(|raw| Document::try_from(raw).expect("a document")).collect()
}

fn kinds(events: &[Document]) -> Vec<&str> {
    events.iter().map(|event| event.text("operationType").expect("a kind")).collect()
}

fn token(batch: &TailBatch) -> Document {
    Document::try_from(batch.resume_token.as_ref().expect("a token")).expect("a document")
}

async fn refused(world: &World, options: Document) -> CommandError {
    let opened = world.watch("db", watching("c", options)).await;
    match opened {
        Err(error) => error,
        Ok(mut stream) => stream.read(None).await.expect_err("a refusal"),
    }
}

#[tokio::test]
async fn every_kind_of_write_is_an_event() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 0 }]).await;
    let mut stream = world.watch("db", watching("c", doc! {})).await.expect("a stream");
    assert!(read(&mut stream).await.is_empty());
    world.insert("c", vec![doc! { "_id": 1, "x": [1, 2, 3] }, doc! { "_id": 2 }]).await;
    let set = doc! { "q": { "_id": 1 }, "u": { "$set": { "y": 5 } } };
    let whole = doc! { "q": { "_id": 1 }, "u": { "z": 1 } };
    world.run(doc! { "update": "c", "updates": [set, whole] }).await;
    world.run(doc! { "delete": "c", "deletes": [{ "q": { "_id": 2 }, "limit": 1 }] }).await;
    world.insert("other", vec![doc! { "_id": 1 }]).await;
    let events = read(&mut stream).await;
    assert_eq!(kinds(&events), ["insert", "insert", "update", "replace", "delete"]);
    let times: Vec<_> =
        events.iter().map(|event| event.get_timestamp("clusterTime").expect("a time")).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "one time per event: {times:?}");
    assert_eq!(events[0].sub("fullDocument"), Ok(&doc! { "_id": 1, "x": [1, 2, 3] }));
    assert_eq!(events[0].sub("ns"), Ok(&doc! { "db": "db", "coll": "c" }));
    let changed = doc! { "updatedFields": { "y": 5 }, "removedFields": [], "truncatedArrays": [] };
    assert_eq!(events[2].sub("updateDescription"), Ok(&changed));
    assert!(!events[2].contains_key("fullDocument"));
    assert_eq!(events[3].sub("fullDocument"), Ok(&doc! { "_id": 1, "z": 1 }));
    assert_eq!(events[4].sub("documentKey"), Ok(&doc! { "_id": 2 }));
}

#[tokio::test]
async fn a_stream_goes_on_behind_any_of_its_tokens() {
    let world = World::new().await;
    let mut stream = world.watch("db", watching("c", doc! {})).await.expect("a stream");
    let beginning = token(&stream.read(Some(0)).await.expect("a batch"));
    world.insert("c", (0..4).map(|id| doc! { "_id": id }).collect()).await;
    let first = stream.read(Some(2)).await.expect("a batch");
    let shown = documents(&first);
    assert_eq!(shown.len(), 2);
    assert_eq!(Ok(&token(&first)), shown[1].sub("_id"), "the batch ends with its last event");
    for (after, rest) in [(&beginning, 4), (shown[0].sub("_id").expect("a token"), 3)] {
        for option in ["resumeAfter", "startAfter"] {
            let options = doc! { option: after.clone() };
            let mut again = world.watch("db", watching("c", options)).await.expect("a stream");
            assert_eq!(read(&mut again).await.len(), rest);
        }
    }
    let at = *shown[1].get("clusterTime").as_ref().expect("a time");
    let options = doc! { "startAtOperationTime": at.clone() };
    let mut again = world.watch("db", watching("c", options)).await.expect("a stream");
    assert_eq!(read(&mut again).await.len(), 3, "the event at the time is shown, too");
    assert_eq!(read(&mut stream).await.len(), 2);
    let last = token(&stream.read(None).await.expect("a batch"));
    assert!(last.text("_data") > shown[1].sub("_id").expect("a token").text("_data"));
}

#[tokio::test]
async fn dropping_and_renaming_end_a_collections_stream() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let mut stream = world.watch("db", watching("c", doc! {})).await.expect("a stream");
    let mut database = world.watch("db", watching(1, doc! {})).await.expect("a stream");
    world.run(doc! { "drop": "c" }).await;
    world.insert("c", vec![doc! { "_id": 2 }]).await;
    let batch = stream.read(None).await.expect("a batch");
    let events = documents(&batch);
    assert_eq!(kinds(&events), ["drop", "invalidate"]);
    assert!(batch.closed);
    let invalidate = events[1].sub("_id").expect("a token").clone();
    let error = refused(&world, doc! { "resumeAfter": invalidate.clone() }).await;
    assert_eq!(error.code, 260);
    let options = doc! { "startAfter": invalidate };
    let mut again = world.watch("db", watching("c", options)).await.expect("a stream");
    assert_eq!(kinds(&read(&mut again).await), ["insert"]);
    let resumed = doc! { "resumeAfter": events[0].sub("_id").expect("a token").clone() };
    let mut again = world.watch("db", watching("c", resumed)).await.expect("a stream");
    assert_eq!(kinds(&read(&mut again).await), ["invalidate"], "the end is not skipped");
    let rename = doc! { "renameCollection": "db.c", "to": "db.d" };
    let mut renamed = world.watch("db", watching("d", doc! {})).await.expect("a stream");
    world.on("admin", rename).await.expect("renamed");
    let events = read(&mut renamed).await;
    assert_eq!(kinds(&events), ["rename", "invalidate"]);
    assert_eq!(events[0].sub("to"), Ok(&doc! { "db": "db", "coll": "d" }));
    world.run(doc! { "dropDatabase": 1 }).await;
    let batch = database.read(None).await.expect("a batch");
    let expected = ["drop", "insert", "rename", "drop", "dropDatabase", "invalidate"];
    assert_eq!(kinds(&documents(&batch)), expected);
    assert!(batch.closed);
}

#[tokio::test]
async fn expanded_events_tell_of_collections_and_indexes() {
    let world = World::new().await;
    let options = doc! { "showExpandedEvents": true };
    let mut stream = world.watch("db", watching(1, options)).await.expect("a stream");
    world.run(doc! { "create": "c", "changeStreamPreAndPostImages": { "enabled": true } }).await;
    let index = doc! { "key": { "a": 1 }, "name": "a_1" };
    world.run(doc! { "createIndexes": "c", "indexes": [index] }).await;
    world.run(doc! { "dropIndexes": "c", "index": "a_1" }).await;
    world.run(doc! { "collMod": "c" }).await;
    let events = read(&mut stream).await;
    assert_eq!(kinds(&events), ["create", "createIndexes", "dropIndexes", "modify"]);
    assert!(events.iter().all(|event| event.contains_key("collectionUUID")), "{events:?}");
    let described = events[1].sub("operationDescription").expect("a description");
    assert_eq!(described.list("indexes").map(Vec::len), Ok(1));
}

#[tokio::test]
async fn images_are_shown_where_a_collection_keeps_them() {
    let world = World::new().await;
    world.run(doc! { "create": "c", "changeStreamPreAndPostImages": { "enabled": true } }).await;
    world.insert("c", vec![doc! { "_id": 1, "a": 1 }]).await;
    let options = doc! { "fullDocument": "required", "fullDocumentBeforeChange": "required" };
    let mut stream = world.watch("db", watching("c", options.clone())).await.expect("a stream");
    let looking = doc! { "fullDocument": "updateLookup" };
    let mut looking = world.watch("db", watching("c", looking)).await.expect("a stream");
    for number in 2..4 {
        let update = doc! { "q": { "_id": 1 }, "u": { "$set": { "a": number } } };
        world.run(doc! { "update": "c", "updates": [update] }).await;
    }
    world.run(doc! { "delete": "c", "deletes": [{ "q": {}, "limit": 0 }] }).await;
    let events = read(&mut stream).await;
    assert_eq!(events[0].sub("fullDocument"), Ok(&doc! { "_id": 1, "a": 2 }));
    assert_eq!(events[0].sub("fullDocumentBeforeChange"), Ok(&doc! { "_id": 1, "a": 1 }));
    assert_eq!(events[2].sub("fullDocumentBeforeChange"), Ok(&doc! { "_id": 1, "a": 3 }));
    let looked_up = read(&mut looking).await;
    assert_eq!(looked_up[0].get("fullDocument"), Some(&Bson::Null), "it is gone by now");
    let off = doc! { "collMod": "c", "changeStreamPreAndPostImages": { "enabled": false } };
    world.run(off).await;
    let mut stream = world.watch("db", watching("c", options)).await.expect("a stream");
    world
        .run(doc! { "update": "c", "updates": [{ "q": { "_id": 9 }, "u": { "$set": { "a": 1 } },
        "upsert": true }] })
        .await;
    assert_eq!(kinds(&read(&mut stream).await), ["insert"]);
    world.run(doc! { "delete": "c", "deletes": [{ "q": {}, "limit": 0 }] }).await;
    let error = stream.read(None).await.expect_err("no image");
    assert_eq!(error.code, 47);
}

#[tokio::test]
async fn a_transactions_events_share_one_time_and_name_it() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 0 }]).await;
    let mut stream = world.watch("db", watching("c", doc! {})).await.expect("a stream");
    let session = bson::Binary::from(bson::Uuid::from_bytes([7; 16]));
    let part = |mut command: Document, starts: bool| {
        command.extend(doc! { "lsid": { "id": session.clone() }, "txnNumber": 5_i64,
        "autocommit": false });
        if starts {
            command.insert("startTransaction", true);
        }
        command
    };
    let insert = |id: i32| doc! { "insert": "c", "documents": [{ "_id": id }] };
    world.run(part(insert(1), true)).await;
    world.run(part(insert(2), false)).await;
    assert!(read(&mut stream).await.is_empty(), "nothing before the commit");
    let commit = part(doc! { "commitTransaction": 1 }, false);
    world.on("admin", commit).await.expect("committed");
    let events = read(&mut stream).await;
    assert_eq!(kinds(&events), ["insert", "insert"]);
    assert_eq!(events[0].get("clusterTime"), events[1].get("clusterTime"));
    assert_eq!(events[1].get("txnNumber"), Some(&Bson::Int64(5)));
    assert_eq!(events[1].sub("lsid").map(|lsid| lsid.len()), Ok(1));
    let after = events[0].sub("_id").expect("a token").clone();
    let options = doc! { "resumeAfter": after };
    let mut again = world.watch("db", watching("c", options)).await.expect("a stream");
    assert_eq!(read(&mut again).await.len(), 1);
}

#[tokio::test]
async fn a_bounded_log_loses_its_beginning_and_says_so() {
    let world = World::with_log(Runtime::system(), 1_000_000, 10).await;
    let mut slow = world.watch("db", watching("c", doc! {})).await.expect("a stream");
    let early = token(&slow.read(Some(0)).await.expect("a batch"));
    for round in 0..4 {
        let documents = (0..5).map(|id| doc! { "_id": round * 5 + id }).collect();
        world.insert("c", documents).await;
    }
    for error in [
        slow.read(None).await.expect_err("lost"),
        refused(&world, doc! { "resumeAfter": early }).await,
        refused(&world, doc! { "startAtOperationTime": bson::Timestamp { time: 1, increment: 1 } })
            .await,
    ] {
        assert_eq!(error.code, 286);
        assert_eq!(error.labels, ["NonResumableChangeStreamError"]);
    }
}

#[tokio::test]
async fn what_cannot_be_a_stream_is_refused() {
    let mut world = World::new().await;
    for (options, code) in [
        (doc! { "fullDocument": "sometimes" }, 2),
        (doc! { "strange": 1 }, 40415),
        (doc! { "resumeAfter": { "_data": "zz" } }, 260),
        (doc! { "resumeAfter": { "_data": "8200" } }, 260),
        (doc! { "resumeAfter": {} }, 40647),
        (doc! { "allChangesForCluster": true }, 72),
        (doc! { "startAtOperationTime": 5 }, 14),
    ] {
        let shown = options.to_string();
        assert_eq!(refused(&world, options).await.code, code, "{shown}");
    }
    let pipeline = |stages: Vec<Document>| {
        doc! { "aggregate": "c", "pipeline": stages, "cursor": {} }
    };
    let stream = doc! { "$changeStream": {} };
    for (stages, code) in [
        (vec![doc! { "$match": {} }, stream.clone()], 40602),
        (vec![stream.clone(), doc! { "$limit": 1 }], 20),
        (vec![stream.clone(), doc! { "$strange": 1 }], 40324),
    ] {
        assert_eq!(world.fails(pipeline(stages)).await.code, code);
    }
    let whole = doc! { "$changeStream": { "allChangesForCluster": true } };
    let whole = doc! { "aggregate": 1, "pipeline": [whole], "cursor": {} };
    assert!(world.watch("admin", whole.clone()).await.is_ok());
    world.acting_as(&[("read", "db")]);
    assert!(world.watch("db", watching("c", doc! {})).await.is_ok());
    for (database, command) in [("admin", whole), ("elsewhere", watching("c", doc! {}))] {
        let Err(error) = world.watch(database, command).await else { panic!("must be denied") };
        assert_eq!(error.code, 13);
    }
}

#[tokio::test]
async fn pipelines_choose_and_shape_but_keep_the_token() {
    let world = World::new().await;
    let open = |stage: Document| {
        doc! { "aggregate": "c", "pipeline": [{ "$changeStream": {} }, stage], "cursor": {} }
    };
    let chosen = open(doc! { "$match": { "fullDocument.n": { "$gt": 1 } } });
    let mut chosen = world.watch("db", chosen).await.expect("a stream");
    let broken = open(doc! { "$project": { "_id": 0 } });
    let mut broken = world.watch("db", broken).await.expect("a stream");
    world.insert("c", (0..4).map(|n| doc! { "_id": n, "n": n }).collect()).await;
    assert_eq!(read(&mut chosen).await.len(), 2);
    let error = broken.read(None).await.expect_err("no token");
    assert_eq!(error.code, 280);
}

#[tokio::test]
async fn large_events_are_split_where_asked() {
    let world = World::new().await;
    world.run(doc! { "create": "c", "changeStreamPreAndPostImages": { "enabled": true } }).await;
    let text = |letter: &str| letter.repeat(10 * 1024 * 1024);
    world.insert("c", vec![doc! { "_id": 1, "text": text("a") }]).await;
    let stage = doc! { "$changeStream": { "fullDocumentBeforeChange": "required" } };
    let split = doc! { "$changeStreamSplitLargeEvent": {} };
    let open = |stages: Vec<Document>| doc! { "aggregate": "c", "pipeline": stages, "cursor": {} };
    let mut whole = world.watch("db", open(vec![stage.clone()])).await.expect("a stream");
    let mut parts = world.watch("db", open(vec![stage, split.clone()])).await.expect("a stream");
    let update = doc! { "q": { "_id": 1 }, "u": { "$set": { "text": text("b") } } };
    world.run(doc! { "update": "c", "updates": [update] }).await;
    assert_eq!(whole.read(None).await.expect_err("too large").code, 10334);
    let first = read(&mut parts).await;
    assert_eq!(first[0].sub("splitEvent"), Ok(&doc! { "fragment": 1, "of": 2 }));
    let second = read(&mut parts).await;
    assert_eq!(second[0].sub("splitEvent"), Ok(&doc! { "fragment": 2, "of": 2 }));
    assert!(second[0].contains_key("fullDocumentBeforeChange"));
    let after = first[0].sub("_id").expect("a token").clone();
    let stage = doc! { "$changeStream": { "fullDocumentBeforeChange": "required",
    "resumeAfter": after } };
    let mut again = world.watch("db", open(vec![stage, split])).await.expect("a stream");
    assert_eq!(read(&mut again).await, second, "a stream goes on between two fragments");
}

#[tokio::test]
async fn waiting_ends_with_the_next_commit() {
    let world = World::new().await;
    let mut stream = world.watch("db", watching("c", doc! {})).await.expect("a stream");
    assert!(read(&mut stream).await.is_empty());
    let runtime = Runtime::system();
    assert!(runtime.timeout_ms(20, stream.changed()).await.is_err(), "nothing was written");
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    runtime.timeout_ms(5_000, stream.changed()).await.expect("woken");
    assert_eq!(read(&mut stream).await.len(), 1);
}

#[tokio::test]
async fn what_a_capped_collection_lets_go_of_is_no_event() {
    let world = World::new().await;
    world.run(doc! { "create": "c", "capped": true, "size": 4_096, "max": 2 }).await;
    let mut stream = world.watch("db", watching("c", doc! {})).await.expect("a stream");
    world.insert("c", (0..4).map(|id| doc! { "_id": id }).collect()).await;
    world.run(doc! { "delete": "c", "deletes": [{ "q": { "_id": 3 }, "limit": 1 }] }).await;
    let events = read(&mut stream).await;
    assert_eq!(kinds(&events), ["insert", "insert", "insert", "insert", "delete"]);
}
