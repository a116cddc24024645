//! `bulkWrite`: many kinds of writes in many collections, told one by one; and updates of the first document
//! in an order.

use bson::{Document, doc};

use crate::testing::{Fields, World, field};

async fn bulk(world: &World, ops: Vec<Document>, options: Document) -> Document {
    let names = [doc! { "ns": "db.c" }, doc! { "ns": "other.d" }];
    let mut command = doc! { "bulkWrite": 1, "ops": ops, "nsInfo": names.to_vec() };
    command.extend(options);
    world.on("admin", command).await.expect("a reply")
}

fn results(reply: &Document) -> Vec<Document> {
    let all = reply.list("documents").expect("results").iter();
    all.map(|one| one.as_document().expect("a document").clone()).collect()
}

#[tokio::test]
async fn each_operation_is_done_where_it_belongs_and_told() {
    let world = World::new().await;
    let ops = vec![
        doc! { "insert": 0, "document": { "_id": 1, "n": 1 } },
        doc! { "insert": 1, "document": { "_id": "x" } },
        doc! { "update": 0, "filter": { "n": 1 }, "updateMods": { "$inc": { "n": 1 } } },
        doc! { "update": 1, "filter": { "_id": "y" }, "updateMods": { "z": 1 }, "upsert": true },
        doc! { "update": 0, "filter": { "n": 2 }, "updateMods": [{ "$set": { "m": "$$by" } }], "constants": { "by": 7 } },
        doc! { "delete": 1, "filter": {}, "multi": true },
        doc! { "delete": 0, "filter": { "n": 5 } },
    ];
    let reply = bulk(&world, ops, doc! {}).await;
    assert_eq!(reply.text("ns"), Ok("admin.$cmd.bulkWrite"));
    let counts = ["nErrors", "nInserted", "nMatched", "nModified", "nUpserted", "nDeleted"];
    assert_eq!(counts.map(|name| reply.int(name).expect("a count")), [0, 2, 2, 2, 1, 2]);
    let told = results(&reply);
    assert_eq!(told[0], doc! { "ok": 1.0, "idx": 0, "n": 1 });
    assert_eq!(told[2], doc! { "ok": 1.0, "idx": 2, "n": 1, "nModified": 1 });
    let upserted = doc! { "ok": 1.0, "idx": 3, "n": 1, "nModified": 0, "upserted": { "_id": "y" } };
    assert_eq!(told[3], upserted);
    assert_eq!(told[5], doc! { "ok": 1.0, "idx": 5, "n": 2 });
    assert_eq!(told[6], doc! { "ok": 1.0, "idx": 6, "n": 0 });
    assert_eq!(world.find("c", doc! {}).await, [doc! { "_id": 1, "n": 2, "m": 7 }]);
}

#[tokio::test]
async fn what_is_refused_stops_an_ordered_command_and_not_another() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let ops = || {
        vec![
            doc! { "insert": 0, "document": { "_id": 2 } },
            doc! { "insert": 0, "document": { "_id": 1 } },
            doc! { "insert": 0, "document": { "_id": 3 } },
        ]
    };
    let reply = bulk(&world, ops(), doc! {}).await;
    assert_eq!((reply.int("nErrors"), reply.int("nInserted")), (Ok(1), Ok(1)));
    let told = results(&reply);
    assert_eq!((told.len(), told[1].int("idx"), told[1].int("code")), (2, Ok(1), Ok(11_000)));
    assert_eq!((told[1].double("ok"), told[1].sub("keyValue")), (Ok(0.0), Ok(&doc! { "_id": 1 })));
    let reply = bulk(&world, ops(), doc! { "ordered": false, "errorsOnly": true }).await;
    assert_eq!((reply.int("nErrors"), reply.int("nInserted")), (Ok(2), Ok(1)));
    assert_eq!(field(&results(&reply), "idx"), [0, 1]);
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [1, 2, 3]);
    world.assert_sound("c").await;
}

#[tokio::test]
async fn what_is_no_operation_is_refused_as_a_whole() {
    let world = World::new().await;
    let refused = async |database: &str, op: Document| {
        let command = doc! { "bulkWrite": 1, "ops": [op], "nsInfo": [{ "ns": "db.c" }] };
        world.on(database, command).await.expect_err("a refusal").code
    };
    let insert = doc! { "insert": 0, "document": { "_id": 1 } };
    assert_eq!(refused("db", insert).await, 13);
    assert_eq!(refused("admin", doc! { "insert": 1, "document": {} }).await, 2);
    assert_eq!(refused("admin", doc! { "insert": 0, "document": {}, "x": 1 }).await, 40_415);
    assert_eq!(refused("admin", doc! { "replace": 0 }).await, 9);
    assert_eq!(refused("admin", doc! { "delete": 0 }).await, 40_414);
    let twice = [doc! { "ns": "db.c" }, doc! { "ns": "db.c" }];
    let op = doc! { "insert": 0, "document": {} };
    let command = doc! { "bulkWrite": 1, "ops": [op], "nsInfo": twice.to_vec() };
    assert_eq!(world.on("admin", command).await.expect_err("a refusal").code, 2);
}

#[tokio::test]
async fn an_update_of_one_takes_the_first_in_its_order() {
    let world = World::new().await;
    world.insert("c", (0..6).map(|n| doc! { "_id": n, "a": n % 2, "b": -n }).collect()).await;
    let update = |sort: Document, multi: bool| {
        let set =
            doc! { "q": { "a": 1 }, "u": { "$set": { "x": 1 } }, "sort": sort, "multi": multi };
        doc! { "update": "c", "updates": [set] }
    };
    world.run(update(doc! { "b": 1 }, false)).await;
    assert_eq!(field(&world.find("c", doc! { "x": 1 }).await, "_id"), [5]);
    world
        .run(
            doc! { "createIndexes": "c", "indexes": [{ "key": { "a": 1, "b": 1 }, "name": "ab" }] },
        )
        .await;
    world.run(update(doc! { "b": -1 }, false)).await;
    assert_eq!(field(&world.find("c", doc! { "x": 1 }).await, "_id"), [1, 5]);
    let both = world.run(update(doc! { "b": 1 }, true)).await;
    let error = both.list("writeErrors").expect("errors")[0].as_document().expect("one").clone();
    assert_eq!(error.int("code"), Ok(9));
}
