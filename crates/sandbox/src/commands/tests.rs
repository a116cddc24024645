//! Tests of the commands, through the trait that the wire server uses.

mod bulk;
mod catalogue;
mod pipelines;

use bson::{Bson, Document, doc};

use crate::testing::{Fields, World, field};

#[tokio::test]
async fn an_insert_generates_ids_and_puts_them_first() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "a": 1 }, doc! { "b": 2, "_id": "x" }]).await;
    let found = world.find("c", doc! {}).await;
    assert!(matches!(found[0].iter().next(), Some((name, Bson::ObjectId(_))) if name == "_id"));
    assert_eq!(found[1], doc! { "_id": "x", "b": 2 });
}

#[tokio::test]
async fn a_duplicate_key_names_pattern_and_value_and_stops_an_ordered_insert() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let documents = vec![doc! { "_id": 2 }, doc! { "_id": 1.0 }, doc! { "_id": 3 }];
    let reply = world.run(doc! { "insert": "c", "documents": documents.clone() }).await;
    assert_eq!(reply.int("n"), Ok(1));
    let errors = reply.list("writeErrors").expect("errors");
    let error = errors[0].as_document().expect("an error");
    assert_eq!((error.int("index"), error.int("code")), (Ok(1), Ok(11000)));
    assert_eq!(error.sub("keyPattern"), Ok(&doc! { "_id": 1 }));
    assert_eq!(error.sub("keyValue"), Ok(&doc! { "_id": 1.0 }));
    assert!(
        error
            .text("errmsg")
            .expect("a text")
            .starts_with("E11000 duplicate key error collection: db.c index: _id_")
    );
    let unordered = doc! { "insert": "c", "documents": documents, "ordered": false };
    let reply = world.run(unordered).await;
    assert_eq!((reply.int("n"), reply.list("writeErrors").map(Vec::len)), (Ok(1), Ok(2)));
    assert_eq!(field(&world.find("c", doc! {}).await, "_id"), [1, 2, 3]);
}

#[tokio::test]
async fn documents_that_cannot_be_stored_are_refused_one_by_one() {
    let world = World::new().await;
    let bad = [
        (doc! { "_id": [1] }, 53),
        (doc! { "_id": Bson::Undefined }, 53),
        (doc! { "_id": { "$x": 1 } }, 52),
        (doc! { "_id": 1, "big": "x".repeat(16 * 1024 * 1024) }, 10334),
    ];
    for (document, code) in bad {
        let reply = world.run(doc! { "insert": "c", "documents": [document] }).await;
        let error = reply.list("writeErrors").expect("errors")[0].as_document().cloned();
        assert_eq!(error.expect("an error").int("code"), Ok(code));
    }
    assert!(world.find("c", doc! {}).await.is_empty());
    assert_eq!(world.fails(doc! { "insert": "c", "documents": [] }).await.code, 16);
    assert_eq!(world.fails(doc! { "insert": "c", "documents": [{}], "wat": 1 }).await.code, 40415);
    assert_eq!(world.fails(doc! { "insert": "a$b", "documents": [{}] }).await.code, 73);
    let local = world.on("local", doc! { "insert": "c", "documents": [{}] }).await;
    assert_eq!(local.expect_err("refused").code, 73);
}

#[tokio::test]
async fn find_filters_sorts_skips_limits_and_projects() {
    let world = World::new().await;
    world
        .insert("c", (0..300).map(|n| doc! { "_id": n, "r": 299 - n, "odd": n % 2 }).collect())
        .await;
    let sorted = doc! {
        "find": "c", "filter": { "odd": 1 }, "sort": { "r": 1 }, "skip": 10, "limit": 3,
        "projection": { "r": 1 },
    };
    let found = world.documents(sorted).await;
    assert_eq!(
        found,
        [doc! { "_id": 279, "r": 20 }, doc! { "_id": 277, "r": 22 }, doc! { "_id": 275, "r": 24 }]
    );
    let backwards = world.documents(doc! { "find": "c", "sort": { "_id": -1 }, "limit": 2 }).await;
    assert_eq!(field(&backwards, "_id"), [299, 298]);
    assert_eq!(world.find("c", doc! {}).await.len(), 300);
    assert!(world.find("missing", doc! {}).await.is_empty());
    let natural =
        world.documents(doc! { "find": "c", "hint": { "$natural": -1 }, "limit": 1 }).await;
    assert_eq!(field(&natural, "_id"), [299]);
    let natural =
        world.documents(doc! { "find": "c", "sort": { "$natural": -1 }, "limit": 1 }).await;
    assert_eq!(field(&natural, "_id"), [299]);
}

#[tokio::test]
async fn options_that_are_not_implemented_are_named() {
    let world = World::new().await;
    world.insert("c", vec![doc! {}]).await;
    for (command, name) in [
        (doc! { "find": "c", "collation": { "locale": "fr", "backwards": true } }, "backwards"),
        (doc! { "create": "d", "timeseries": { "timeField": "t" } }, "timeseries"),
        (doc! { "create": "d", "validator": { "$jsonSchema": { "encrypt": {} } } }, "encrypt"),
        (doc! { "collMod": "c", "index": { "name": "x", "prepareUnique": true } }, "prepareUnique"),
        (
            doc! { "createIndexes": "c", "indexes": [{ "key": { "t": "text" }, "name": "t" }] },
            "text",
        ),
        (
            doc! { "createIndexes": "c", "indexes": [{ "key": { "t.$**": 1 }, "name": "t" }] },
            "wildcard",
        ),
        (doc! { "aggregate": "c", "pipeline": [{ "$densify": {} }], "cursor": {} }, "$densify"),
    ] {
        let error = world.fails(command).await;
        assert_eq!(error.code, 238, "{error}");
        assert!(error.message.contains(name), "{error}");
    }
    assert_eq!(world.fails(doc! { "find": "c", "hint": "nope" }).await.code, 2);
    assert_eq!(world.fails(doc! { "atlasVersion": 1 }).await.code, 59);
}

#[tokio::test]
async fn updates_count_what_matched_and_what_changed() {
    let world = World::new().await;
    world.insert("c", (0..5).map(|n| doc! { "_id": n, "n": n }).collect()).await;
    let reply = world
        .run(doc! { "update": "c", "updates": [
            { "q": { "n": { "$gte": 2 } }, "u": { "$set": { "n": 2 } }, "multi": true },
            { "q": { "_id": 0 }, "u": { "n": 10, "x": true } },
            { "q": { "_id": 9 }, "u": { "$set": { "n": 9 } }, "upsert": true },
            { "q": { "_id": 77 }, "u": { "$set": { "n": 9 } } },
        ] })
        .await;
    assert_eq!((reply.int("n"), reply.int("nModified")), (Ok(5), Ok(3)));
    assert_eq!(reply.list("upserted"), Ok(&vec![Bson::from(doc! { "index": 2, "_id": 9 })]));
    let found = world.find("c", doc! {}).await;
    assert_eq!(found[0], doc! { "_id": 0, "n": 10, "x": true });
    assert_eq!(field(&found, "n"), [10, 1, 2, 2, 2, 9]);
    let reply = world
        .run(doc! { "update": "c", "updates": [{ "q": { "_id": 1 }, "u": { "_id": 2 } }] })
        .await;
    let errors = reply.list("writeErrors").expect("errors");
    assert_eq!(errors[0].as_document().expect("an error").int("code"), Ok(66));
    world.assert_sound("c").await;
}

#[tokio::test]
async fn updates_reach_into_arrays_and_run_pipelines() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1, "a": [1, 2, 3], "g": [{ "n": 1 }, { "n": 2 }] }]).await;
    let updates = vec![
        doc! { "q": { "_id": 1, "a": 2 }, "u": { "$set": { "a.$": 20 } } },
        doc! { "q": { "_id": 1 }, "u": { "$inc": { "g.$[x].n": 5 } }, "arrayFilters": [{ "x.n": 2 }] },
        doc! { "q": { "_id": 1 }, "u": [{ "$set": { "size": { "$size": "$a" }, "v": "$$v" } }] },
        doc! { "q": { "_id": 5, "k": "x" }, "u": { "$setOnInsert": { "new": true } }, "upsert": true },
    ];
    let command = doc! { "update": "c", "updates": updates, "let": { "v": { "$add": [1, 2] } } };
    let reply = world.run(command).await;
    assert_eq!((reply.int("n"), reply.int("nModified")), (Ok(4), Ok(3)), "{reply}");
    assert_eq!(
        world.find("c", doc! {}).await,
        [
            doc! { "_id": 1, "a": [1, 20, 3], "g": [{ "n": 1 }, { "n": 7 }], "size": 3, "v": 3 },
            doc! { "_id": 5, "k": "x", "new": true },
        ]
    );
    let multi = doc! { "q": {}, "u": { "x": 1 }, "multi": true };
    let reply = world.run(doc! { "update": "c", "updates": [multi] }).await;
    assert!(reply.contains_key("writeErrors"), "{reply}");
}

#[tokio::test]
async fn a_guarded_delete_removes_only_an_equal_document() {
    let world = World::new().await;
    let documents: Vec<Document> = (0..3).map(|n| doc! { "_id": n, "v": n, "s": "$x" }).collect();
    world.insert("c", documents.clone()).await;
    world
        .run(
            doc! { "update": "c", "updates": [{ "q": { "_id": 1 }, "u": { "$set": { "v": 7 } } }] },
        )
        .await;
    let far = bson::DateTime::from_millis(i64::MAX / 2);
    let statements: Vec<Document> = documents
        .iter()
        .map(|document| {
            let size = i32::try_from(
                bson::RawDocumentBuf::try_from(document).expect("raw").as_bytes().len(),
            );
            let id = document.int("_id").expect("an id");
            doc! { "q": { "_id": id, "$expr": { "$and": [
                { "$eq": ["$$ROOT", { "$literal": document.clone() }] },
                { "$eq": [{ "$bsonSize": "$$ROOT" }, size.expect("small")] },
                { "$lt": ["$$NOW", far] },
            ] } }, "limit": 1, "collation": { "locale": "simple" }, "hint": { "_id": 1 } }
        })
        .collect();
    let reply = world.run(doc! { "delete": "c", "deletes": statements, "ordered": false }).await;
    assert_eq!(reply, doc! { "n": 2 });
    assert_eq!(world.find("c", doc! {}).await, [doc! { "_id": 1, "v": 7, "s": "$x" }]);
    let late = doc! { "q": { "$expr": { "$gt": ["$$NOW", far] } }, "limit": 0 };
    assert_eq!(world.run(doc! { "delete": "c", "deletes": [late] }).await, doc! { "n": 0 });
    world.assert_sound("c").await;
}

#[tokio::test]
async fn a_bad_delete_statement_leaves_the_others_alone() {
    let world = World::new().await;
    world.insert("c", (0..3).map(|n| doc! { "_id": n }).collect()).await;
    let statements = vec![
        doc! { "q": { "_id": { "$nope": 1 } }, "limit": 1 },
        doc! { "q": { "_id": 1 }, "limit": 1 },
    ];
    let ordered = world.run(doc! { "delete": "c", "deletes": statements.clone() }).await;
    assert_eq!((ordered.int("n"), ordered.list("writeErrors").map(Vec::len)), (Ok(0), Ok(1)));
    let unordered =
        world.run(doc! { "delete": "c", "deletes": statements, "ordered": false }).await;
    assert_eq!((unordered.int("n"), unordered.list("writeErrors").map(Vec::len)), (Ok(1), Ok(1)));
    assert_eq!(world.fails(doc! { "delete": "c", "deletes": [{ "q": {} }] }).await.code, 40414);
    assert_eq!(
        world.fails(doc! { "delete": "c", "deletes": [{ "q": {}, "limit": 2 }] }).await.code,
        9
    );
}

#[tokio::test]
async fn a_wrong_collection_uuid_changes_nothing() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    world.insert("other", vec![doc! { "_id": 1 }]).await;
    let listed = world.documents(doc! { "listCollections": 1 }).await;
    let uuid = |name: &str| {
        let one = listed.iter().find(|one| one.text("name") == Ok(name)).expect("listed");
        one.sub("info").expect("info").get("uuid").expect("a uuid").clone()
    };
    assert!(
        matches!(uuid("c"), Bson::Binary(binary) if binary.subtype == bson::spec::BinarySubtype::Uuid)
    );
    let delete = |uuid: Bson| {
        doc! {
            "delete": "c", "deletes": [{ "q": {}, "limit": 0 }], "collectionUUID": uuid,
        }
    };
    let error = world.fails(delete(uuid("other"))).await;
    assert_eq!((error.code, error.code_name.as_str()), (361, "CollectionUUIDMismatch"));
    let extra = Document::try_from(error.extra.expect("fields")).expect("a document");
    assert_eq!(extra.text("actualCollection"), Ok("other"));
    assert_eq!(world.run(delete(uuid("c"))).await, doc! { "n": 1 });
}

#[tokio::test]
async fn find_and_modify_returns_the_document_before_or_after() {
    let world = World::new().await;
    world.insert("c", (0..4).map(|n| doc! { "_id": n, "n": 10 - n }).collect()).await;
    let reply = world.run(doc! {
        "findAndModify": "c", "query": {}, "sort": { "n": 1 }, "update": { "$inc": { "n": 100 } },
        "new": true, "fields": { "n": 1, "_id": 0 },
    }).await;
    assert_eq!(
        reply,
        doc! { "lastErrorObject": { "n": 1, "updatedExisting": true }, "value": { "n": 107 } }
    );
    let reply =
        world.run(doc! { "findAndModify": "c", "query": { "_id": 0 }, "remove": true }).await;
    assert_eq!(reply, doc! { "lastErrorObject": { "n": 1 }, "value": { "_id": 0, "n": 10 } });
    let reply = world.run(doc! {
        "findAndModify": "c", "query": { "_id": 50 }, "update": { "$set": { "a": 1 } }, "upsert": true,
    }).await;
    assert_eq!(
        reply,
        doc! {
            "lastErrorObject": { "n": 1, "updatedExisting": false, "upserted": 50 }, "value": null,
        }
    );
    let reply =
        world.run(doc! { "findAndModify": "c", "query": { "_id": 60 }, "remove": true }).await;
    assert_eq!(reply, doc! { "lastErrorObject": { "n": 0 }, "value": null });
    world.assert_sound("c").await;
}

#[tokio::test]
async fn count_and_distinct_agree_with_find() {
    let world = World::new().await;
    world
        .insert(
            "c",
            (0..20).map(|n| doc! { "_id": n, "a": [n % 3, "x"], "b": { "c": n % 4 } }).collect(),
        )
        .await;
    assert_eq!(world.run(doc! { "count": "c" }).await, doc! { "n": 20 });
    assert_eq!(world.run(doc! { "count": "c", "query": { "b.c": 1 } }).await, doc! { "n": 5 });
    assert_eq!(
        world.run(doc! { "count": "c", "query": { "b.c": 1 }, "skip": 1, "limit": 3 }).await,
        doc! { "n": 3 }
    );
    assert_eq!(world.run(doc! { "count": "missing" }).await, doc! { "n": 0 });
    let distinct = world.run(doc! { "distinct": "c", "key": "a" }).await;
    assert_eq!(distinct, doc! { "values": [0, "x", 1, 2] });
    let distinct =
        world.run(doc! { "distinct": "c", "key": "b.c", "query": { "_id": { "$lt": 2 } } }).await;
    assert_eq!(distinct, doc! { "values": [0, 1] });
}

#[tokio::test]
async fn aggregate_runs_stages_behind_a_planned_match() {
    let world = World::new().await;
    world.insert("c", (0..20).map(|n| doc! { "_id": n, "k": n % 2 }).collect()).await;
    let pipeline = vec![
        doc! { "$match": { "_id": { "$gte": 10 } } },
        doc! { "$group": { "_id": "$k", "n": { "$sum": 1 } } },
        doc! { "$sort": { "_id": 1 } },
    ];
    let found =
        world.documents(doc! { "aggregate": "c", "pipeline": pipeline, "cursor": {} }).await;
    assert_eq!(found, [doc! { "_id": 0, "n": 5 }, doc! { "_id": 1, "n": 5 }]);
    let stats = vec![
        doc! { "$collStats": { "count": {}, "storageStats": {} } },
        doc! { "$project": { "count": 1 } },
    ];
    let found = world.documents(doc! { "aggregate": "c", "pipeline": stats, "cursor": {} }).await;
    assert_eq!(found, [doc! { "count": 20 }]);
    assert_eq!(world.fails(doc! { "aggregate": "c", "pipeline": [] }).await.code, 9);
    assert_eq!(
        world
            .fails(doc! { "aggregate": 1, "pipeline": [{ "$match": {} }], "cursor": {} })
            .await
            .code,
        73
    );
}

#[tokio::test]
async fn collections_come_and_go() {
    let world = World::new().await;
    world.run(doc! { "create": "a" }).await;
    assert_eq!(world.fails(doc! { "create": "a" }).await.code, 48);
    world.insert("b", vec![doc! { "_id": 1 }]).await;
    let names = world.documents(doc! { "listCollections": 1, "nameOnly": true }).await;
    assert_eq!(
        names,
        [doc! { "name": "a", "type": "collection" }, doc! { "name": "b", "type": "collection" }]
    );
    let filtered = world.documents(doc! { "listCollections": 1, "filter": { "name": "b" } }).await;
    assert_eq!(
        filtered[0].sub("idIndex"),
        Ok(&doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" })
    );
    let rename = |to: &str| doc! { "renameCollection": "db.b", "to": to };
    assert_eq!(world.on("admin", rename("db.a")).await.expect_err("exists").code, 48);
    world.on("admin", rename("db2.c")).await.expect("renamed");
    let databases =
        world.on("admin", doc! { "listDatabases": 1, "nameOnly": true }).await.expect("listed");
    assert_eq!(databases, doc! { "databases": [{ "name": "db" }, { "name": "db2" }] });
    assert_eq!(world.run(doc! { "drop": "a" }).await, doc! { "nIndexesWas": 1, "ns": "db.a" });
    assert_eq!(world.run(doc! { "drop": "a" }).await, doc! {});
    let dropped = world.on("db2", doc! { "dropDatabase": 1 }).await.expect("dropped");
    assert_eq!(dropped, doc! { "dropped": "db2" });
    let databases = world.on("admin", doc! { "listDatabases": 1 }).await.expect("listed");
    assert_eq!(databases.list("databases").map(Vec::len), Ok(0));
}

#[tokio::test]
async fn indexes_narrow_and_stay_true_through_writes() {
    let world = World::new().await;
    world
        .insert(
            "c",
            (0..200).map(|n| doc! { "_id": n, "a": n % 10, "b": n, "t": [n % 7, n % 5] }).collect(),
        )
        .await;
    let reply = world.run(doc! { "createIndexes": "c", "indexes": [
        { "key": { "a": 1, "b": -1 }, "name": "a_1_b_-1" }, { "key": { "t": 1 }, "name": "t_1" },
    ] }).await;
    assert_eq!((reply.int("numIndexesBefore"), reply.int("numIndexesAfter")), (Ok(1), Ok(3)));
    let cases = [
        (doc! { "a": 3 }, "a_1_b_-1"),
        (doc! { "a": { "$in": [3, 4.0] }, "b": { "$gt": 50, "$lte": 120 } }, "a_1_b_-1"),
        (doc! { "t": 6 }, "t_1"),
        (doc! { "t": { "$gt": 5, "$lt": 2 } }, "t_1"),
        (doc! { "_id": { "$in": [5, 6, 1000] } }, "_id_"),
        (doc! { "_id": { "$gt": 190 } }, "_id_"),
    ];
    for (filter, index) in cases {
        let plan = explain(&world, doc! { "find": "c", "filter": filter.clone() }).await;
        assert_eq!(plan.text("indexName"), Ok(index), "{filter}: {plan}");
        let mut found = field(&world.find("c", filter.clone()).await, "_id");
        let all = doc! { "find": "c", "filter": filter.clone(), "hint": { "$natural": 1 } };
        let scanned = field(&world.documents(all).await, "_id");
        found.sort_unstable();
        assert_eq!(found, scanned, "{filter}");
    }
    let scan = explain(&world, doc! { "find": "c", "filter": { "z": 1 } }).await;
    assert_eq!(scan.text("stage"), Ok("COLLSCAN"));
    world.run(doc! { "update": "c", "updates": [{ "q": { "a": 3 }, "u": { "$set": { "a": 30, "t": [] } }, "multi": true }] }).await;
    world.run(doc! { "delete": "c", "deletes": [{ "q": { "t": 2 }, "limit": 0 }] }).await;
    world.assert_sound("c").await;
    let sorted = world
        .documents(
            doc! { "find": "c", "sort": { "a": 1, "b": -1 }, "limit": 2, "projection": { "b": 1 } },
        )
        .await;
    assert_eq!(field(&sorted, "b").len(), 2);
}

async fn explain(world: &World, command: Document) -> Document {
    let reply = world.run(doc! { "explain": command, "verbosity": "queryPlanner" }).await;
    let plan = reply.sub("queryPlanner").and_then(|plan| plan.sub("winningPlan"));
    let plan = plan.expect("a plan");
    plan.sub("inputStage").unwrap_or(plan).clone()
}

#[tokio::test]
async fn unique_indexes_refuse_a_second_holder() {
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1, "u": 5 }, doc! { "_id": 2, "u": 6 }]).await;
    let create = |name: &str, key: Document| {
        doc! {
            "createIndexes": "c", "indexes": [{ "key": key, "name": name, "unique": true }],
        }
    };
    world.run(create("u_1", doc! { "u": 1 })).await;
    let reply = world.run(doc! { "insert": "c", "documents": [{ "_id": 3, "u": 5.0 }] }).await;
    let error = reply.list("writeErrors").expect("errors")[0].as_document().cloned().expect("one");
    assert_eq!(error.sub("keyValue"), Ok(&doc! { "u": 5.0 }));
    let reply = world
        .run(
            doc! { "update": "c", "updates": [{ "q": { "_id": 2 }, "u": { "$set": { "u": 5 } } }] },
        )
        .await;
    assert!(reply.contains_key("writeErrors"), "{reply}");
    let reply = world.run(doc! { "update": "c", "updates": [{ "q": { "_id": 2 }, "u": { "$set": { "u": 6.0 } } }] }).await;
    assert_eq!(reply.int("nModified"), Ok(1));
    world
        .insert("c", vec![doc! { "_id": 4, "u": 7, "k": 1 }, doc! { "_id": 5, "u": 8, "k": 1 }])
        .await;
    assert_eq!(world.fails(create("k_1", doc! { "k": 1 })).await.code, 11000);
    assert_eq!(world.documents(doc! { "listIndexes": "c" }).await.len(), 2);
    assert_eq!(world.fails(create("u_1", doc! { "z": 1 })).await.code, 86);
    assert_eq!(world.fails(create("other", doc! { "u": 1 })).await.code, 85);
    assert_eq!(
        world.run(create("u_1", doc! { "u": 1 })).await.text("note"),
        Ok("all indexes already exist")
    );
    assert_eq!(world.fails(doc! { "dropIndexes": "c", "index": "_id_" }).await.code, 72);
    assert_eq!(world.fails(doc! { "dropIndexes": "c", "index": "zz" }).await.code, 27);
    assert_eq!(
        world.run(doc! { "dropIndexes": "c", "index": "*" }).await,
        doc! { "nIndexesWas": 2 }
    );
    assert_eq!(world.fails(doc! { "listIndexes": "missing" }).await.code, 26);
    world.assert_sound("c").await;
}

#[tokio::test]
async fn roles_decide() {
    let mut world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    world.acting_as(&[("read", "db")]);
    assert_eq!(world.find("c", doc! {}).await.len(), 1);
    for command in [
        doc! { "insert": "c", "documents": [{}] },
        doc! { "delete": "c", "deletes": [{ "q": {}, "limit": 0 }] },
        doc! { "drop": "c" },
        doc! { "createIndexes": "c", "indexes": [{ "key": { "a": 1 }, "name": "a" }] },
        doc! { "dropDatabase": 1 },
        doc! { "explain": { "delete": "c", "deletes": [{ "q": {}, "limit": 0 }] } },
    ] {
        assert_eq!(world.fails(command).await.code, 13);
    }
    let elsewhere = world.on("secret", doc! { "find": "c" }).await;
    assert_eq!(elsewhere.expect_err("denied").code, 13);
    world.acting_as(&[("readWrite", "db")]);
    world.insert("c", vec![doc! { "_id": 2 }]).await;
    world.run(doc! { "drop": "c" }).await;
}

#[tokio::test]
async fn a_query_ends_when_its_time_is_over_or_its_client_is_gone() {
    use portolan_wire::Command;
    let world = World::new().await;
    world.insert("c", vec![doc! { "_id": 1 }]).await;
    let body = bson::rawdoc! { "count": "c", "query": { "x": 1 } };
    let context = world.context();
    context.cancelled.cancel();
    let command = Command::new("db", body).expect("a command");
    let error = world.backend.run(&context, command).await.err().expect("cancelled");
    assert_eq!(error.code, 11601);
}

#[tokio::test]
async fn time_limits_do_not_count_the_waits_for_the_client() {
    use futures::StreamExt;
    use portolan_wire::{Command, Reply};
    let (runtime, clock) = portolan_runtime::Runtime::manual(1_700_000_000_000, 1);
    let world = World::with(runtime).await;
    world.insert("c", (0..2000).map(|n| doc! { "_id": n }).collect()).await;
    let find = Command::new("db", bson::rawdoc! { "find": "c", "filter": {}, "maxTimeMS": 50 });
    let context = world.context();
    let reply = world.backend.run(&context, find.expect("a command")).await.expect("a cursor");
    let Reply::Cursor(mut cursor) = reply else { panic!("a cursor was expected") };
    cursor.documents.next().await.expect("a document").expect("in time");
    context.cancelled.cancel();
    clock.advance_ms(60_000);
    let rest = cursor.documents.by_ref().take(1900).all(|one| async move { one.is_ok() }).await;
    assert!(rest, "the rest is read in time");
}

#[tokio::test]
async fn write_concerns_of_more_members_are_reported() {
    let world = World::new().await;
    let insert = |w: Bson| doc! { "insert": "c", "documents": [{}], "writeConcern": { "w": w } };
    assert_eq!(world.run(insert("majority".into())).await, doc! { "n": 1 });
    let reply = world.run(insert(3.into())).await;
    assert_eq!(reply.sub("writeConcernError").and_then(|error| error.int("code")), Ok(100));
    let reply = world.run(insert("dc".into())).await;
    assert_eq!(reply.sub("writeConcernError").and_then(|error| error.int("code")), Ok(79));
}

#[tokio::test]
async fn statistics_are_counted() {
    let world = World::new().await;
    world.insert("c", (0..10).map(|n| doc! { "_id": n }).collect()).await;
    let stats = world.run(doc! { "collStats": "c" }).await;
    assert_eq!(
        (stats.int("count"), stats.int("size"), stats.int("avgObjSize")),
        (Ok(10), Ok(140), Ok(14))
    );
    world
        .run(doc! { "delete": "c", "deletes": [{ "q": { "_id": { "$lt": 4 } }, "limit": 0 }] })
        .await;
    let stats = world.run(doc! { "dbStats": 1 }).await;
    assert_eq!((stats.int("objects"), stats.double("dataSize")), (Ok(6), Ok(84.0)));
    let status = world.on("admin", doc! { "replSetGetStatus": 1 }).await.expect("a status");
    assert_eq!(status.text("set"), Ok("portolan"));
}

#[tokio::test]
async fn explain_counts_what_was_looked_at() {
    let world = World::new().await;
    world.insert("c", (0..50).map(|n| doc! { "_id": n, "a": n }).collect()).await;
    let looked = |reply: Document| {
        let stats = reply.sub("executionStats").expect("figures").clone();
        (stats.int("nReturned"), stats.int("totalKeysExamined"), stats.int("totalDocsExamined"))
    };
    let by_id = doc! { "find": "c", "filter": { "_id": { "$gte": 40 } } };
    let reply = world.run(doc! { "explain": by_id, "verbosity": "executionStats" }).await;
    assert_eq!(looked(reply), (Ok(10), Ok(10), Ok(10)));
    let scan = doc! { "delete": "c", "deletes": [{ "q": { "a": 5 }, "limit": 1 }] };
    let reply = world.run(doc! { "explain": scan, "verbosity": "executionStats" }).await;
    assert_eq!(looked(reply), (Ok(1), Ok(0), Ok(50)));
    assert_eq!(world.run(doc! { "count": "c" }).await, doc! { "n": 50 });
}
