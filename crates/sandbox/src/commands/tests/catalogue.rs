//! Options of collections and indexes: what they do, and how they are shown and changed.

use bson::{Bson, Document, doc};

use crate::testing::{Fields, World, field};

async fn listed(world: &World, name: &str) -> Document {
    let command = doc! { "listCollections": 1, "filter": { "name": name } };
    world.documents(command).await.remove(0)
}

fn first_error(reply: &Document) -> Document {
    reply.list("writeErrors").expect("errors")[0].as_document().cloned().expect("an error")
}

#[tokio::test]
async fn capped_collections_keep_the_newest() {
    let world = World::new().await;
    world.run(doc! { "create": "c", "capped": true, "size": 4_000, "max": 3 }).await;
    world.insert("c", (0..10).map(|n| doc! { "_id": n }).collect()).await;
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [7, 8, 9]);
    let options = listed(&world, "c").await;
    let expected = doc! { "capped": true, "size": 4_096, "max": 3 };
    assert_eq!(options.sub("options"), Ok(&expected));
    assert_eq!(world.run(doc! { "collStats": "c" }).await.flag("capped"), Ok(true));
    world.run(doc! { "collMod": "c", "cappedMax": 1 }).await;
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [9]);
    world.run(doc! { "collMod": "c", "cappedMax": 0 }).await;
    world.insert("c", (0..9).map(|n| doc! { "n": n, "pad": "x".repeat(1_000) }).collect()).await;
    assert_eq!(field(&world.find("c", doc! {}).await, "n"), [6, 7, 8]);
    let big = doc! { "insert": "c", "documents": [{ "pad": "x".repeat(5_000) }] };
    assert_eq!(first_error(&world.run(big).await).int("code"), Ok(2));
    world.assert_sound("c").await;
    assert_eq!(world.fails(doc! { "create": "d", "capped": true }).await.code, 72);
    assert_eq!(world.fails(doc! { "create": "d", "size": 5 }).await.code, 72);
    assert_eq!(world.fails(doc! { "create": "d", "capped": true, "size": 0 }).await.code, 2);
}

#[tokio::test]
async fn a_validator_refuses_with_its_reasons() {
    let world = World::new().await;
    let schema = doc! { "$jsonSchema": {
        "required": ["n"], "properties": { "n": { "bsonType": "int" } },
    } };
    world.insert("c", vec![doc! { "_id": 0, "n": "old" }]).await;
    world.run(doc! { "collMod": "c", "validator": schema.clone() }).await;
    let insert = |more: Document| {
        let mut command = doc! { "insert": "c", "documents": [{ "_id": 1, "n": "x" }] };
        command.extend(more);
        command
    };
    let error = first_error(&world.run(insert(doc! {})).await);
    assert_eq!(
        (error.int("code"), error.text("errmsg")),
        (Ok(121), Ok("Document failed validation"))
    );
    let info = error.sub("errInfo").expect("reasons");
    assert_eq!(info.int("failingDocumentId"), Ok(1));
    assert_eq!(
        info.sub("details").and_then(|d| d.text("operatorName").map(str::to_owned)),
        Ok("$jsonSchema".to_owned())
    );
    let update =
        doc! { "update": "c", "updates": [{ "q": { "_id": 0 }, "u": { "$set": { "m": 1 } } }] };
    assert_eq!(first_error(&world.run(update.clone()).await).int("code"), Ok(121));
    world.run(doc! { "collMod": "c", "validationLevel": "moderate" }).await;
    assert_eq!(world.run(update).await.int("nModified"), Ok(1));
    world.run(insert(doc! { "bypassDocumentValidation": true })).await;
    world.run(doc! { "collMod": "c", "validationAction": "warn" }).await;
    world.insert("c", vec![doc! { "_id": 2 }]).await;
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [0, 1, 2]);
    let options = listed(&world, "c").await;
    let expected =
        doc! { "validator": schema, "validationLevel": "moderate", "validationAction": "warn" };
    assert_eq!(options.sub("options"), Ok(&expected));
    let find = doc! { "findAndModify": "c", "query": { "_id": 0 }, "update": { "n": "y" } };
    world.run(find).await;
    world.run(doc! { "collMod": "c", "validator": {} }).await;
    assert_eq!(world.fails(doc! { "collMod": "c", "validationLevel": "some" }).await.code, 2);
    assert_eq!(world.fails(doc! { "collMod": "nope", "validator": {} }).await.code, 26);
    assert_eq!(
        world.fails(doc! { "create": "d", "validator": { "$jsonSchema": 1 } }).await.code,
        14
    );
}

#[tokio::test]
async fn views_show_what_their_pipeline_gives() {
    let world = World::new().await;
    world.insert("c", (0..6).map(|n| doc! { "_id": n, "odd": n % 2, "n": n * 10 }).collect()).await;
    let pipeline = vec![doc! { "$match": { "odd": 1 } }, doc! { "$project": { "n": 1 } }];
    world.run(doc! { "create": "v", "viewOn": "c", "pipeline": pipeline.clone() }).await;
    world.run(doc! { "create": "w", "viewOn": "v", "pipeline": [{ "$match": { "n": { "$gt": 10 } } }] }).await;
    assert_eq!(field(&world.find("v", doc! {}).await, "n"), [10, 30, 50]);
    let find =
        doc! { "find": "w", "filter": { "_id": { "$gt": 1 } }, "sort": { "n": -1 }, "limit": 1 };
    assert_eq!(world.documents(find).await, [doc! { "_id": 5, "n": 50 }]);
    assert_eq!(world.run(doc! { "count": "w" }).await, doc! { "n": 2 });
    let distinct = doc! { "distinct": "v", "key": "n", "query": { "n": { "$lt": 50 } } };
    assert_eq!(world.run(distinct).await, doc! { "values": [10, 30] });
    let sum = vec![doc! { "$group": { "_id": null, "n": { "$sum": "$n" } } }];
    let found = world.documents(doc! { "aggregate": "w", "pipeline": sum, "cursor": {} }).await;
    assert_eq!(found, [doc! { "_id": null, "n": 80 }]);
    let entry = listed(&world, "v").await;
    assert_eq!(entry.text("type"), Ok("view"));
    assert_eq!(entry.sub("options"), Ok(&doc! { "viewOn": "c", "pipeline": pipeline }));
    assert_eq!(entry.sub("info"), Ok(&doc! { "readOnly": true }));
    for write in [
        doc! { "insert": "v", "documents": [{}] },
        doc! { "update": "v", "updates": [{ "q": {}, "u": { "$set": { "a": 1 } } }] },
        doc! { "delete": "v", "deletes": [{ "q": {}, "limit": 0 }] },
        doc! { "createIndexes": "v", "indexes": [{ "key": { "a": 1 }, "name": "a" }] },
        doc! { "listIndexes": "v" },
    ] {
        assert_eq!(world.fails(write).await.code, 166);
    }
    world.run(doc! { "collMod": "v", "viewOn": "c", "pipeline": [] }).await;
    assert_eq!(world.find("v", doc! {}).await.len(), 6);
    assert_eq!(world.fails(doc! { "collMod": "v", "viewOn": "w", "pipeline": [] }).await.code, 5);
    world.run(doc! { "drop": "v" }).await;
    assert!(world.find("w", doc! {}).await.is_empty());
}

#[tokio::test]
async fn partial_and_sparse_indexes_are_used_where_they_hold_all() {
    let world = World::new().await;
    world
        .insert("c", (0..50).map(|n| doc! { "_id": n, "a": n, "live": n % 5 == 0 }).collect())
        .await;
    world.insert("c", vec![doc! { "_id": 100 }]).await;
    let indexes = vec![
        doc! { "key": { "a": 1 }, "name": "live", "partialFilterExpression": { "live": true } },
        doc! { "key": { "s": 1 }, "name": "s", "sparse": true, "unique": true },
        doc! { "key": { "_id": 1, "a": 1 }, "name": "hid", "hidden": true },
    ];
    world.run(doc! { "createIndexes": "c", "indexes": indexes }).await;
    let stage = |filter: Document| {
        let world = &world;
        async move {
            let command =
                doc! { "explain": { "find": "c", "filter": filter }, "verbosity": "queryPlanner" };
            let reply = world.run(command).await;
            let plan = reply.sub("queryPlanner").and_then(|plan| plan.sub("winningPlan")).cloned();
            let plan = plan.expect("a plan");
            plan.sub("inputStage")
                .and_then(|scan| scan.text("indexName").map(str::to_owned))
                .unwrap_or("none".to_owned())
        }
    };
    assert_eq!(stage(doc! { "a": 5, "live": true }).await, "live");
    assert_eq!(stage(doc! { "a": 5 }).await, "none");
    assert_eq!(stage(doc! { "s": 5 }).await, "s");
    assert_eq!(stage(doc! { "s": Bson::Null }).await, "none");
    assert_eq!(
        field(&world.find("c", doc! { "a": { "$lt": 12 }, "live": true }).await, "_id"),
        [0, 5, 10]
    );
    assert_eq!(world.fails(doc! { "find": "c", "hint": "hid" }).await.code, 2);
    let shown = world.documents(doc! { "listIndexes": "c" }).await;
    assert_eq!(shown[1].sub("partialFilterExpression"), Ok(&doc! { "live": true }));
    assert_eq!((shown[2].flag("sparse"), shown[3].flag("hidden")), (Ok(true), Ok(true)));
    let reply =
        world.run(doc! { "collMod": "c", "index": { "name": "hid", "hidden": false } }).await;
    assert_eq!(reply, doc! { "hidden_old": true, "hidden_new": false });
    let ttl =
        doc! { "collMod": "c", "index": { "keyPattern": { "a": 1 }, "expireAfterSeconds": 5 } };
    assert_eq!(world.run(ttl).await, doc! { "expireAfterSeconds_new": 5_i64 });
    world.run(doc! { "update": "c", "updates": [{ "q": {}, "u": { "$set": { "live": true } }, "multi": true }] }).await;
    world.assert_sound("c").await;
    let bad = |index: Document| doc! { "createIndexes": "c", "indexes": [index] };
    for (index, code) in [
        (doc! { "key": { "b": 1, "c": 1 }, "name": "b", "expireAfterSeconds": 1 }, 67),
        (
            doc! { "key": { "b": 1 }, "name": "b", "partialFilterExpression": { "x": { "$ne": 1 } } },
            67,
        ),
        (
            doc! { "key": { "a": 1 }, "name": "other", "partialFilterExpression": { "live": true } },
            85,
        ),
        (doc! { "key": { "z": 1 }, "name": "s" }, 86),
    ] {
        assert_eq!(world.fails(bad(index)).await.code, code);
    }
}

#[tokio::test]
async fn a_collation_decides_in_queries_and_indexes() {
    let world = World::new().await;
    let english = doc! { "locale": "en_US", "strength": 2 };
    world.run(doc! { "create": "c", "collation": english.clone() }).await;
    world.insert("c", vec![doc! { "_id": 1, "s": "PING" }, doc! { "_id": 2, "s": "pong" }]).await;
    assert_eq!(field(&world.find("c", doc! { "s": "ping" }).await, "_id"), [1]);
    let simple =
        doc! { "find": "c", "filter": { "s": "ping" }, "collation": { "locale": "simple" } };
    assert!(world.documents(simple).await.is_empty());
    let index = doc! { "key": { "s": 1 }, "name": "s", "unique": true };
    world.run(doc! { "createIndexes": "c", "indexes": [index] }).await;
    let twice = doc! { "insert": "c", "documents": [{ "_id": 3, "s": "Pong" }] };
    assert_eq!(first_error(&world.run(twice).await).int("code"), Ok(11000));
    let plan =
        doc! { "explain": { "find": "c", "filter": { "s": "ping" } }, "verbosity": "queryPlanner" };
    let reply = world.run(plan).await;
    let plan = reply.sub("queryPlanner").and_then(|plan| plan.sub("winningPlan")).expect("a plan");
    assert_eq!(plan.text("stage"), Ok("FETCH"), "{plan}");
    let update = doc! { "update": "d", "updates": [
        { "q": { "s": "x" }, "u": { "$set": { "hit": 1 } }, "collation": english.clone() },
    ] };
    world.insert("d", vec![doc! { "_id": 1, "s": "X" }]).await;
    assert_eq!(world.run(update).await.int("nModified"), Ok(1));
    let delete = doc! { "delete": "d", "deletes": [{ "q": { "s": "x" }, "limit": 0 }] };
    assert_eq!(world.run(delete).await.int("n"), Ok(0));
    let ids = doc! { "insert": "c", "documents": [{ "_id": "a" }, { "_id": "A" }] };
    assert_eq!(first_error(&world.run(ids).await).int("code"), Ok(11000));
    world.assert_sound("c").await;
    assert_eq!(world.fails(doc! { "find": "c", "collation": { "locale": "xx" } }).await.code, 2);
}

#[tokio::test]
async fn clustered_collections_are_in_the_order_of_their_ids() {
    let world = World::new().await;
    let index = doc! { "key": { "_id": 1 }, "unique": true, "name": "by id" };
    world.run(doc! { "create": "c", "clusteredIndex": index }).await;
    world.insert("c", vec![doc! { "_id": 3 }, doc! { "_id": 1 }, doc! { "_id": 2 }]).await;
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [1, 2, 3]);
    let expected =
        doc! { "v": 2, "key": { "_id": 1 }, "name": "by id", "unique": true, "clustered": true };
    assert_eq!(world.documents(doc! { "listIndexes": "c" }).await, [expected]);
    assert_eq!(
        world.fails(doc! { "create": "d", "clusteredIndex": { "key": { "a": 1 } } }).await.code,
        72
    );
}

#[tokio::test]
async fn bounds_keys_and_record_numbers() {
    let world = World::new().await;
    world.insert("c", (0..10).map(|n| doc! { "_id": n, "x": n * 11 }).collect()).await;
    let find = doc! {
        "find": "c", "hint": { "_id": 1 }, "min": { "_id": 3 }, "max": { "_id": 6 },
        "sort": { "x": -1 }, "projection": { "_id": 0, "x": 1 },
    };
    assert_eq!(field(&world.documents(find).await, "x"), [55, 44, 33]);
    assert_eq!(world.fails(doc! { "find": "c", "min": { "_id": 3 } }).await.code, 51_173);
    let keys = doc! { "find": "c", "filter": { "_id": { "$gte": 8 } }, "returnKey": true };
    assert_eq!(world.documents(keys).await, [doc! { "_id": 8 }, doc! { "_id": 9 }]);
    let numbers = doc! { "find": "c", "filter": { "_id": 0 }, "showRecordId": true };
    assert_eq!(world.documents(numbers).await, [doc! { "_id": 0, "x": 0, "$recordId": 1_i64 }]);
}
