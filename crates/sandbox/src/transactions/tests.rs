//! Transactions through commands, as drivers send them.

use std::sync::Arc;

use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};
use portolan_runtime::{FaultPlan, Runtime};
use portolan_wire::{Backend, CommandError};

use crate::testing::{Fields, NoAccounts, World, field, open};

/// A session of a driver: it numbers its transactions and writes.
struct Session<'w> {
    world: &'w World,
    id: u8,
    number: i64,
    fresh: bool,
}

impl<'w> Session<'w> {
    fn new(world: &'w World, id: u8) -> Self {
        Self { world, id, number: 0, fresh: false }
    }

    fn lsid(&self) -> Document {
        doc! { "id": Binary { subtype: BinarySubtype::Uuid, bytes: vec![self.id; 16] } }
    }

    fn start(&mut self) -> &mut Self {
        (self.number, self.fresh) = (self.number + 1, true);
        self
    }

    async fn on(
        &mut self,
        database: &str,
        mut command: Document,
    ) -> Result<Document, CommandError> {
        command.extend(doc! { "lsid": self.lsid(), "txnNumber": self.number, "autocommit": false });
        if std::mem::take(&mut self.fresh) {
            command.insert("startTransaction", true);
        }
        self.world.on(database, command).await
    }

    async fn run(&mut self, command: Document) -> Document {
        let shown = command.to_string();
        self.on("db", command).await.unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    async fn fails(&mut self, command: Document) -> i32 {
        self.on("db", command).await.expect_err("a refusal").code
    }

    async fn insert(&mut self, id: i32) -> Document {
        self.run(doc! { "insert": "c", "documents": [{ "_id": id, "n": id }] }).await
    }

    async fn ids(&mut self, filter: Document) -> Vec<i32> {
        let found = self.run(doc! { "find": "c", "filter": filter, "sort": { "_id": 1 } }).await;
        let documents = found.list("documents").expect("documents");
        documents.iter().map(|one| one.as_document().unwrap().int("_id").unwrap()).collect()
    }

    async fn commit(&mut self) -> Result<Document, CommandError> {
        self.on("admin", doc! { "commitTransaction": 1 }).await
    }

    async fn abort(&mut self) -> Result<Document, CommandError> {
        self.on("admin", doc! { "abortTransaction": 1 }).await
    }
}

async fn world() -> World {
    let world = World::new().await;
    let documents = (1..=3).map(|n| doc! { "_id": n, "n": n }).collect();
    world.insert("c", documents).await;
    let index = doc! { "key": { "n": 1 }, "name": "n_1", "unique": true };
    world.run(doc! { "createIndexes": "c", "indexes": [index] }).await;
    world
}

#[tokio::test]
async fn a_transaction_reads_its_own_writes_and_nobody_else_does_before_the_commit() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    session.start().insert(4).await;
    session.run(doc! { "delete": "c", "deletes": [{ "q": { "_id": 1 }, "limit": 1 }] }).await;
    let update = doc! { "q": { "_id": 2 }, "u": { "$set": { "n": 20 } } };
    session.run(doc! { "update": "c", "updates": [update] }).await;
    assert_eq!(session.ids(doc! {}).await, [2, 3, 4]);
    assert_eq!(session.ids(doc! { "n": { "$gte": 4 } }).await, [2, 4], "by the index on n");
    let last = doc! { "find": "c", "sort": { "n": -1 }, "limit": 1 };
    let last = session.run(last).await;
    assert_eq!(last.list("documents").unwrap()[0].as_document().unwrap().int("_id"), Ok(2));
    assert_eq!(field(&world.find("c", doc! {}).await, "n"), [1, 2, 3]);
    session.commit().await.expect("a commit");
    assert_eq!(field(&world.find("c", doc! {}).await, "n"), [20, 3, 4]);
    world.assert_sound("c").await;
}

#[tokio::test]
async fn a_transaction_reads_one_moment() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    assert_eq!(session.start().ids(doc! {}).await, [1, 2, 3]);
    world.insert("c", vec![doc! { "_id": 4, "n": 4 }]).await;
    assert_eq!(session.ids(doc! {}).await, [1, 2, 3]);
    session.abort().await.expect("an abort");
    assert_eq!(session.start().ids(doc! {}).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing_behind() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    session.start().insert(4).await;
    session.run(doc! { "insert": "made", "documents": [{ "_id": 1 }] }).await;
    session.abort().await.expect("an abort");
    assert_eq!(world.find("c", doc! {}).await.len(), 3);
    assert!(
        world
            .documents(doc! { "listCollections": 1, "filter": { "name": "made" } })
            .await
            .is_empty()
    );
    assert_eq!(session.abort().await.expect_err("no transaction").code, 251);
    assert_eq!(session.commit().await.expect_err("no transaction").code, 251);
    // What it had changed is free for others.
    session.start().insert(4).await;
    session.commit().await.expect("a commit");
}

#[tokio::test]
async fn a_transaction_makes_the_collections_that_it_writes_to() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    session.start().run(doc! { "insert": "made", "documents": [{ "_id": 1 }, { "_id": 2 }] }).await;
    session.run(doc! { "delete": "made", "deletes": [{ "q": { "_id": 1 }, "limit": 1 }] }).await;
    session.commit().await.expect("a commit");
    assert_eq!(world.find("made", doc! {}).await, [doc! { "_id": 2 }]);
    world.assert_sound("made").await;
}

#[tokio::test]
async fn of_two_transactions_that_change_a_document_the_second_is_refused() {
    let world = world().await;
    let (mut first, mut second) = (Session::new(&world, 1), Session::new(&world, 2));
    let update = |n: i32| doc! { "update": "c", "updates": [{ "q": { "_id": 1 }, "u": { "$set": { "n": n } } }] };
    first.start().run(update(10)).await;
    assert_eq!(second.start().fails(update(11)).await, 112);
    assert_eq!(second.commit().await.expect_err("given up").code, 251);
    first.commit().await.expect("a commit");
    second.start().run(update(12)).await;
    second.commit().await.expect("a commit");
    assert_eq!(world.find("c", doc! { "_id": 1 }).await[0].int("n"), Ok(12));
}

#[tokio::test]
async fn two_transactions_cannot_insert_the_same_id() {
    let world = world().await;
    let (mut first, mut second) = (Session::new(&world, 1), Session::new(&world, 2));
    first.start().insert(9).await;
    let insert = doc! { "insert": "c", "documents": [{ "_id": 9, "n": 90 }] };
    assert_eq!(second.start().fails(insert).await, 112);
    first.commit().await.expect("a commit");
}

#[tokio::test]
async fn a_write_outside_goes_on_and_the_transaction_is_refused() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    let update = |n: i32| doc! { "update": "c", "updates": [{ "q": { "_id": 1 }, "u": { "$set": { "n": n } } }] };
    session.start().run(update(10)).await;
    world.run(update(11)).await;
    assert_eq!(session.commit().await.expect_err("a conflict").code, 112);
    assert_eq!(world.find("c", doc! { "_id": 1 }).await[0].int("n"), Ok(11));
    // What was changed after the snapshot is refused at once.
    assert_eq!(session.start().ids(doc! {}).await.len(), 3);
    world.run(update(12)).await;
    assert_eq!(session.fails(update(13)).await, 112);
}

#[tokio::test]
async fn a_unique_key_that_was_taken_meanwhile_is_a_conflict_and_nothing_is_written() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    session.start().insert(7).await;
    session.run(doc! { "insert": "c", "documents": [{ "_id": 8, "n": 80 }] }).await;
    world.insert("c", vec![doc! { "_id": 100, "n": 80 }]).await;
    assert_eq!(session.commit().await.expect_err("a conflict").code, 112);
    assert!(world.find("c", doc! { "_id": { "$in": [7, 8] } }).await.is_empty());
    world.assert_sound("c").await;
}

#[tokio::test]
async fn a_refused_statement_ends_the_transaction() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    session.start().insert(4).await;
    let twice = doc! { "insert": "c", "documents": [{ "_id": 1 }] };
    let reply = session.run(twice).await;
    let error = reply.list("writeErrors").unwrap()[0].as_document().unwrap().int("code");
    assert_eq!(error, Ok(11000));
    assert_eq!(session.fails(doc! { "find": "c" }).await, 251);
    assert_eq!(world.find("c", doc! {}).await.len(), 3);
}

#[tokio::test]
async fn a_commit_may_be_repeated() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    session.start().insert(4).await;
    session.commit().await.expect("a commit");
    session.commit().await.expect("the same again");
    assert_eq!(session.abort().await.expect_err("committed").code, 256);
    assert_eq!(session.fails(doc! { "find": "c" }).await, 256);
    assert_eq!(world.find("c", doc! {}).await.len(), 4);
    // One that only read can be repeated, too.
    session.start().ids(doc! {}).await;
    session.commit().await.expect("a commit");
    session.commit().await.expect("the same again");
    assert_eq!(
        Session { number: 1, ..Session::new(&world, 1) }.commit().await.expect_err("old").code,
        225
    );
}

#[tokio::test]
async fn a_commit_whose_reply_was_lost_is_known_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let command = |name: &str| {
        let id = Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] };
        doc! { name: 1, "lsid": { "id": id }, "txnNumber": 1_i64, "autocommit": false }
    };
    for round in 0..2 {
        let sandbox = open(folder.path(), Runtime::system()).await;
        let backend = sandbox.backend(Arc::new(NoAccounts), "127.0.0.1:1");
        if round == 0 {
            let mut insert = command("insert");
            insert.insert("insert", "c");
            insert.insert("documents", vec![doc! { "_id": 1 }]);
            insert.insert("startTransaction", true);
            send(&*backend, "db", insert).await.expect("an insert");
        }
        send(&*backend, "admin", command("commitTransaction")).await.expect("a commit");
        drop(backend);
        sandbox.close().await.expect("closed");
    }
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_resolved_by_the_next() {
    let faults = FaultPlan::parse("sandbox.commit=reply_lost@2").expect("a plan");
    let runtime = Runtime::system().with_faults(faults);
    let world = World::with(runtime).await;
    world.run(doc! { "create": "c" }).await;
    let mut session = Session::new(&world, 1);
    session.start().insert(1).await;
    let lost = session.commit().await.expect_err("a lost reply");
    assert_eq!((lost.code, lost.labels.len()), (11600, 1), "{lost}");
    session.commit().await.expect("it was durable");
    assert_eq!(world.find("c", doc! {}).await.len(), 1);
}

async fn send(
    backend: &dyn Backend,
    database: &str,
    command: Document,
) -> Result<portolan_wire::Reply, CommandError> {
    let body = bson::RawDocumentBuf::try_from(&command).unwrap();
    let context = portolan_wire::CommandContext {
        connection_id: 1,
        user: None,
        cancelled: tokio_util::sync::CancellationToken::new(),
    };
    backend.run(&context, portolan_wire::Command::new(database, body).unwrap()).await
}

#[tokio::test]
async fn sessions_that_end_give_up_their_transactions() {
    let world = world().await;
    let (mut ended, mut kept) = (Session::new(&world, 1), Session::new(&world, 2));
    ended.start().insert(4).await;
    kept.start().insert(5).await;
    world.backend.end_sessions(None, Some(&[vec![1; 16]]));
    assert_eq!(ended.commit().await.expect_err("ended").code, 251);
    kept.insert(6).await;
    world.backend.end_sessions(None, None);
    assert_eq!(kept.commit().await.expect_err("ended").code, 251);
    assert_eq!(world.find("c", doc! {}).await.len(), 3);
}

#[tokio::test]
async fn a_newer_number_ends_the_transaction_of_its_session() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    session.start().insert(4).await;
    let write = doc! {
        "insert": "c", "documents": [{ "_id": 4, "n": 4 }], "lsid": session.lsid(), "txnNumber": 2_i64,
    };
    world.run(write).await;
    assert_eq!(session.commit().await.expect_err("ended").code, 225);
    assert_eq!(world.find("c", doc! {}).await.len(), 4);
}

#[tokio::test]
async fn what_does_not_belong_in_a_transaction_is_refused() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    for (command, code) in [
        (doc! { "count": "c" }, 263),
        (doc! { "drop": "c" }, 263),
        (doc! { "createIndexes": "c", "indexes": [{ "key": { "x": 1 }, "name": "x" }] }, 263),
        (doc! { "aggregate": "c", "pipeline": [{ "$collStats": {} }], "cursor": {} }, 263),
        (doc! { "insert": "c", "documents": [{}], "writeConcern": { "w": 1 } }, 72),
    ] {
        assert_eq!(session.start().fails(command.clone()).await, code, "{command}");
    }
    session.start().ids(doc! {}).await;
    assert_eq!(session.fails(doc! { "find": "c", "readConcern": { "level": "local" } }).await, 72);
    assert_eq!(world.fails(doc! { "find": "c", "startTransaction": true }).await.code, 72);
    assert_eq!(world.fails(doc! { "find": "c", "autocommit": false }).await.code, 72);
    assert_eq!(
        world.fails(doc! { "find": "c", "autocommit": true, "txnNumber": 1_i64 }).await.code,
        72
    );
    let mut stray = Session { number: 5, ..Session::new(&world, 3) };
    assert_eq!(stray.fails(doc! { "find": "c" }).await, 251);
}

#[tokio::test]
async fn a_transactions_life_is_limited_as_tuned() {
    let (runtime, clock) = Runtime::manual(1_700_000_000_000, 1);
    let mut world = World::with(runtime).await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let tuning = Arc::new(crate::Tuning::default());
    tuning.set_transaction_lifetime(Some(5));
    world.backend = world.sandbox.tuned_backend(Arc::new(NoAccounts), "127.0.0.1:27017", tuning);
    let mut session = Session::new(&world, 1);
    session.start().insert(2).await;
    clock.advance_ms(4_000);
    session.insert(3).await;
    clock.advance_ms(2_000);
    let late = doc! { "insert": "c", "documents": [{ "_id": 4 }] };
    assert_eq!(session.fails(late).await, 251);
    assert_eq!(world.find("c", doc! {}).await.len(), 1);
}

#[tokio::test]
async fn a_users_sessions_end_without_those_of_others() {
    let mut world = world().await;
    world.acting_as(&[("readWriteAnyDatabase", "admin")]);
    let mut session = Session::new(&world, 1);
    session.start().insert(4).await;
    let user = |name: &str| portolan_wire::User {
        name: name.into(),
        database: "admin".into(),
        roles: Vec::new(),
    };
    world.backend.end_sessions(Some(&user("somebody")), None);
    session.insert(5).await;
    world.backend.end_sessions(Some(&user("u")), None);
    assert_eq!(session.commit().await.expect_err("ended").code, 251);
}

#[tokio::test]
async fn a_new_collection_gets_its_indexes_with_the_commit() {
    let world = World::new().await;
    let index = doc! { "key": { "n": 1 }, "name": "n_1", "unique": true };
    let mut session = Session::new(&world, 1);
    session.start().run(doc! { "create": "c" }).await;
    session.run(doc! { "createIndexes": "c", "indexes": [index] }).await;
    session.insert(1).await;
    let twice = doc! { "insert": "c", "documents": [{ "_id": 2, "n": 1 }] };
    assert!(session.run(twice).await.contains_key("writeErrors"));
    session.start().run(doc! { "create": "c" }).await;
    let index = doc! { "key": { "n": 1 }, "name": "n_1" };
    session.run(doc! { "createIndexes": "c", "indexes": [index.clone()] }).await;
    session.insert(1).await;
    let late = doc! { "createIndexes": "c", "indexes": [{ "key": { "m": 1 }, "name": "m_1" }] };
    assert_eq!(session.fails(late).await, 263);
    session.start().run(doc! { "create": "c" }).await;
    session.run(doc! { "createIndexes": "c", "indexes": [index] }).await;
    session.insert(1).await;
    session.commit().await.expect("committed");
    assert_eq!(world.documents(doc! { "listIndexes": "c" }).await.len(), 2);
    world.assert_sound("c").await;
}

/// A delete that is guarded by a document elsewhere: both, or neither.
#[tokio::test]
async fn a_guarded_delete_holds_its_guard_until_it_commits() {
    let world = world().await;
    let until = bson::DateTime::from_millis(Runtime::system().now_ms() + 60_000);
    let fence = doc! { "_id": "c", "epoch": 5, "until": until, "guard": 0 };
    let insert = doc! { "insert": "fences", "documents": [fence] };
    world.on("portolan", insert).await.expect("inserted");
    let listed = world.documents(doc! { "listCollections": 1 }).await;
    let uuid = listed[0].sub("info").expect("info").get("uuid").expect("a UUID").clone();
    let take = |epoch: i32| {
        let alive = doc! { "$gt": ["$until", "$$NOW"] };
        let q = doc! { "_id": "c", "epoch": epoch, "$expr": alive };
        doc! { "update": "fences", "updates": [{ "q": q, "u": { "$inc": { "guard": 1 } } }] }
    };
    let old = doc! { "$lt": ["$n", { "$subtract": [{ "$toLong": "$$NOW" }, 1_000] }] };
    let filter =
        doc! { "$and": [{ "_id": { "$in": [1, 2] } }, { "n": { "$lte": 2 } }], "$expr": old };
    let delete = doc! {
        "delete": "c", "deletes": [{ "q": filter, "limit": 0 }], "collectionUUID": uuid,
    };
    let mut session = Session::new(&world, 1);
    let missed = session.start().on("portolan", take(4)).await.expect("a reply");
    assert_eq!(missed.int("n"), Ok(0), "another epoch holds the fence");
    session.abort().await.expect("an abort");
    let taken = session.start().on("portolan", take(5)).await.expect("a reply");
    assert_eq!(taken.int("n"), Ok(1));
    assert_eq!(session.run(delete).await.int("n"), Ok(2));
    let mut other = Session::new(&world, 2);
    let in_the_way = other.start().on("portolan", take(5)).await.expect_err("a conflict");
    assert_eq!(in_the_way.code, 112);
    session.commit().await.expect("a commit");
    session.commit().await.expect("the same commit once more");
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [3]);
}

#[tokio::test]
async fn a_bulk_write_is_part_of_its_transaction() {
    let world = world().await;
    let mut session = Session::new(&world, 1);
    let bulk =
        |ops: Vec<Document>| doc! { "bulkWrite": 1, "ops": ops, "nsInfo": [{ "ns": "db.c" }] };
    let insert = |id: i32| doc! { "insert": 0, "document": { "_id": id, "n": id } };
    let remove = doc! { "delete": 0, "filter": { "_id": 1 } };
    let done = session.start().on("admin", bulk(vec![insert(4), remove])).await.expect("done");
    assert_eq!((done.int("nInserted"), done.int("nDeleted")), (Ok(1), Ok(1)));
    assert_eq!(session.ids(doc! {}).await, [2, 3, 4]);
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [1, 2, 3]);
    session.commit().await.expect("a commit");
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [2, 3, 4]);
    let refused = session.start().on("admin", bulk(vec![insert(5), insert(2)])).await;
    assert_eq!(refused.expect("told").int("nErrors"), Ok(1));
    assert_eq!(session.commit().await.expect_err("given up").code, 251);
    let elsewhere = doc! { "bulkWrite": 1, "ops": [insert(1)], "nsInfo": [{ "ns": "admin.c" }] };
    assert_eq!(session.start().on("admin", elsewhere).await.expect_err("refused").code, 263);
}
