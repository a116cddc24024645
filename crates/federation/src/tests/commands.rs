//! Commands as clients send them.

use bson::{RawDocumentBuf, rawdoc};
use futures::TryStreamExt;
use portolan_wire::{Backend, Command, CommandContext, CommandError, Reply, User, UserRole, codes};
use tokio_util::sync::CancellationToken;

use super::world::{World, at, doc};
use crate::Limits;
use crate::endpoint::EndpointMode::{self, Archive, ClusterAndArchive};

fn context(roles: &[(&str, &str)]) -> CommandContext {
    let roles = roles.iter().map(|(role, database)| UserRole::new(*role, *database)).collect();
    let user = Some(User { name: "ann".into(), database: "admin".into(), roles });
    CommandContext { connection_id: 1, user, cancelled: CancellationToken::new() }
}

async fn run_as(
    endpoint: &dyn Backend,
    context: &CommandContext,
    database: &str,
    body: RawDocumentBuf,
) -> Result<(RawDocumentBuf, Vec<RawDocumentBuf>), CommandError> {
    match endpoint.run(context, Command::new(database, body)?).await? {
        Reply::Document(document) => Ok((document, Vec::new())),
        Reply::Tail(tail) => panic!("{} has no end", tail.namespace),
        Reply::Cursor(cursor) => {
            Ok((rawdoc! { "ns": cursor.namespace }, cursor.documents.try_collect().await?))
        }
    }
}

async fn try_run(
    world: &World,
    mode: EndpointMode,
    body: RawDocumentBuf,
) -> Result<(RawDocumentBuf, Vec<RawDocumentBuf>), CommandError> {
    let context = context(&[("readAnyDatabase", "admin")]);
    run_as(&world.endpoint(mode), &context, "shop", body).await
}

async fn rows(world: &World, mode: EndpointMode, body: RawDocumentBuf) -> Vec<RawDocumentBuf> {
    try_run(world, mode, body.clone()).await.unwrap_or_else(|error| panic!("{body:?}: {error}")).1
}

async fn document(world: &World, mode: EndpointMode, body: RawDocumentBuf) -> RawDocumentBuf {
    try_run(world, mode, body.clone()).await.unwrap_or_else(|error| panic!("{body:?}: {error}")).0
}

async fn code(world: &World, body: RawDocumentBuf) -> i32 {
    match try_run(world, ClusterAndArchive, body.clone()).await {
        Ok(_) => panic!("{body:?} was accepted"),
        Err(error) => error.code,
    }
}

fn ids(documents: &[RawDocumentBuf]) -> Vec<i32> {
    documents.iter().map(|document| document.get_i32("_id").expect("a number")).collect()
}

/// Ids 0 to 4 archived in two months (0-2 and 1000-1001), 5 and 6 live.
async fn world() -> World {
    let world = World::new();
    let table = world.archive().await;
    let archived = vec![doc(0, "a"), doc(1, "b"), doc(2, "c"), doc(1_000, "a"), doc(1_001, "b")];
    world.moved(&table, 1, archived).await;
    world.insert(doc(5, "a"));
    world.insert(doc(6, "z"));
    world
}

#[tokio::test]
async fn find_sorts_skips_limits_and_projects_above_the_union() {
    let world = world().await;
    let find = rawdoc! { "find": "orders", "sort": { "_id": -1 }, "skip": 1, "limit": 4 };
    assert_eq!(ids(&rows(&world, ClusterAndArchive, find.clone()).await), [1_000, 6, 5, 2]);
    assert_eq!(ids(&rows(&world, Archive, find).await), [1_000, 2, 1, 0]);
    let find =
        rawdoc! { "find": "orders", "sort": { "state": 1 }, "filter": { "_id": { "$lt": 6 } } };
    assert_eq!(ids(&rows(&world, ClusterAndArchive, find).await), [0, 5, 1, 2]);
    let find = rawdoc! { "find": "orders", "filter": { "_id": 5 }, "projection": { "state": 1, "_id": 0 } };
    assert_eq!(rows(&world, ClusterAndArchive, find).await, [rawdoc! { "state": "a" }]);
    let find = rawdoc! { "find": "orders", "limit": 3 };
    assert_eq!(rows(&world, ClusterAndArchive, find).await.len(), 3);
    let find = rawdoc! { "find": "elsewhere" };
    assert!(rows(&world, ClusterAndArchive, find).await.is_empty());
}

#[tokio::test]
async fn a_limit_of_live_documents_alone_reads_no_archive() {
    let world = world().await;
    let explain = rawdoc! {
        "explain": { "find": "orders", "limit": 2 }, "verbosity": "executionStats",
    };
    let reply = document(&world, ClusterAndArchive, explain).await;
    let stats = reply.get_document("executionStats").expect("stats");
    assert_eq!(stats.get_i32("nReturned").expect("a count"), 2);
    assert_eq!(
        stats.get_document("archive").expect("figures").get_i64("rowsRead").expect("a number"),
        0
    );
}

#[tokio::test]
async fn counting_is_done_above_the_union() {
    let world = world().await;
    for (body, expected) in [
        (rawdoc! { "count": "orders" }, 7),
        (rawdoc! { "count": "orders", "query": { "state": "a" } }, 3),
        (rawdoc! { "count": "orders", "skip": 2, "limit": 3 }, 3),
        (rawdoc! { "count": "orders", "skip": 6, "limit": -3 }, 1),
        (rawdoc! { "count": "nowhere" }, 0),
    ] {
        let reply = document(&world, ClusterAndArchive, body).await;
        assert_eq!(reply.get_i32("n").expect("a count"), expected);
    }
}

#[tokio::test]
async fn distinct_gives_each_value_once() {
    let world = world().await;
    let reply =
        document(&world, ClusterAndArchive, rawdoc! { "distinct": "orders", "key": "state" }).await;
    let values: Vec<_> = reply
        .get_array("values")
        .expect("values")
        .into_iter()
        .map(|value| value.expect("sound").as_str().expect("text").to_owned())
        .collect();
    assert_eq!(values, ["a", "b", "c", "z"]);
}

#[tokio::test]
async fn aggregate_groups_above_the_union() {
    let world = world().await;
    let pipeline = bson::rawbson!([
        { "$match": { "_id": { "$gte": 1 } } },
        { "$group": { "_id": "$state", "n": { "$sum": 1 } } },
        { "$sort": { "_id": 1 } },
        { "$limit": 2 },
    ]);
    let mut body = rawdoc! { "aggregate": "orders", "cursor": {} };
    body.append(bson::raw::cstr!("pipeline"), pipeline);
    let found = rows(&world, ClusterAndArchive, body).await;
    let expected = [rawdoc! { "_id": "a", "n": 2 }, rawdoc! { "_id": "b", "n": 2 }];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn explain_says_what_pruning_spares() {
    let world = world().await;
    let find = rawdoc! { "find": "orders", "filter": { "at": at(1_000) } };
    let explain = rawdoc! { "explain": find, "verbosity": "queryPlannerExtended" };
    let reply = document(&world, Archive, explain).await;
    let pruning = reply.get_document("pruning").expect("pruning");
    assert_eq!(pruning.get_i64("filesTotal").expect("a number"), 2);
    assert_eq!(pruning.get_i64("filesRead").expect("a number"), 1);
    assert!(pruning.get_i64("bytesRead").expect("bytes") > 0);
    assert!(reply.get_document("queryPlanner").is_ok() && reply.get_document("serverInfo").is_ok());
    let stats = reply.get_document("stats").expect("stats");
    assert_eq!(stats.get_i64("numberOfPartitions").expect("a number"), 1);
    let body = rawdoc! { "explain": { "find": "orders" }, "verbosity": "allPlansExecution" };
    assert_eq!(code(&world, body).await, codes::FAILED_TO_PARSE);
}

#[tokio::test]
async fn explain_of_an_execution_says_what_it_did() {
    let world = world().await;
    let explain = rawdoc! { "explain": { "find": "orders" }, "verbosity": "executionStats" };
    let reply = document(&world, ClusterAndArchive, explain).await;
    let stats = reply.get_document("executionStats").expect("stats");
    assert_eq!(stats.get_i32("nReturned").expect("a number"), 7);
    let archive = stats.get_document("archive").expect("figures");
    assert_eq!(archive.get_i64("rowsRead").expect("a number"), 5);
    // Live ids 5 and 6 lie outside both files' ranges, so no row had to be looked up.
    assert_eq!(archive.get_i64("filesProvedAbsentFromCluster").expect("a number"), 2);
    assert_eq!(archive.get_i64("rowsLookedUp").expect("a number"), 0);
}

#[tokio::test]
async fn names_are_listed_from_both_sides() {
    let world = world().await;
    let other = portolan_model::Namespace::new("bank", "books").expect("a name");
    world.cluster.create(&other, false);
    let all = context(&[("readAnyDatabase", "admin")]);
    for (mode, expected) in [(ClusterAndArchive, vec!["bank", "shop"]), (Archive, vec!["shop"])] {
        let endpoint = world.endpoint(mode);
        let body = rawdoc! { "listDatabases": 1 };
        let (reply, _) = run_as(&endpoint, &all, "admin", body).await.expect("a list");
        let databases = reply.get_array("databases").expect("databases").into_iter();
        let names: Vec<_> = databases
            .map(|entry| entry.expect("sound").as_document().expect("one").get_str("name"))
            .map(|name| name.expect("a name").to_owned())
            .collect();
        assert_eq!(names, expected);
    }
    let body = rawdoc! { "listCollections": 1, "nameOnly": true };
    let listed = rows(&world, Archive, body).await;
    assert_eq!(listed, [rawdoc! { "name": "orders", "type": "collection" }]);
    let body = rawdoc! { "listCollections": 1, "filter": { "name": "nothing" } };
    assert!(rows(&world, Archive, body).await.is_empty());
    assert!(rows(&world, Archive, rawdoc! { "listIndexes": "orders" }).await.is_empty());
    let missing = rawdoc! { "listIndexes": "nothing" };
    assert_eq!(code(&world, missing).await, codes::NAMESPACE_NOT_FOUND);
}

#[tokio::test]
async fn sizes_come_from_the_tables() {
    let world = world().await;
    let stats = document(&world, Archive, rawdoc! { "collStats": "orders" }).await;
    assert_eq!(stats.get_i64("count").expect("a number"), 5);
    assert!(stats.get_i64("storageSize").expect("a size") > 0);
    let stats = document(&world, ClusterAndArchive, rawdoc! { "dbStats": 1 }).await;
    assert_eq!(stats.get_i64("objects").expect("a number"), 7);
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name() {
    let world = world().await;
    for (body, expected) in [
        (rawdoc! { "insert": "orders", "documents": [{ "_id": 1 }] }, codes::ILLEGAL_OPERATION),
        (rawdoc! { "delete": "orders", "deletes": [] }, codes::ILLEGAL_OPERATION),
        (rawdoc! { "findAndModify": "orders" }, codes::ILLEGAL_OPERATION),
        (rawdoc! { "atlasVersion": 1 }, codes::COMMAND_NOT_FOUND),
        (rawdoc! { "find": "orders", "strange": 1 }, codes::UNKNOWN_FIELD),
        (rawdoc! { "find": "orders", "tailable": true }, codes::NOT_IMPLEMENTED),
        (rawdoc! { "find": "orders", "collation": { "locale": "de" } }, codes::NOT_IMPLEMENTED),
        (rawdoc! { "find": "orders", "filter": { "$where": "1" } }, codes::NOT_IMPLEMENTED),
        (rawdoc! { "find": "orders", "txnNumber": 1_i64 }, codes::ILLEGAL_OPERATION),
        (
            rawdoc! { "find": "orders", "readConcern": { "level": "snapshot" } },
            codes::INVALID_OPTIONS,
        ),
        (rawdoc! { "find": "orders", "skip": -1 }, codes::BAD_VALUE),
        (rawdoc! { "find": "or$ers" }, codes::INVALID_NAMESPACE),
        (rawdoc! { "aggregate": "orders", "pipeline": [] }, codes::FAILED_TO_PARSE),
        (rawdoc! { "aggregate": 1, "pipeline": [], "cursor": {} }, codes::NOT_IMPLEMENTED),
        (rawdoc! { "explain": { "insert": "orders" } }, codes::NOT_IMPLEMENTED),
        (rawdoc! { "distinct": "orders" }, codes::FAILED_TO_PARSE),
    ] {
        assert_eq!(code(&world, body.clone()).await, expected, "{body:?}");
    }
    let out = rawdoc! { "aggregate": "orders", "pipeline": [{ "$out": "x" }], "cursor": {} };
    let error = try_run(&world, Archive, out).await.expect_err("a write");
    assert!(error.message.contains("$out"), "{error}");
}

#[tokio::test]
async fn ignorable_options_are_ignored() {
    let world = world().await;
    let body = rawdoc! {
        "find": "orders", "hint": { "$natural": 1 }, "allowDiskUse": true, "noCursorTimeout": true,
        "comment": "x", "readConcern": { "level": "majority" }, "collation": { "locale": "simple" },
        "$readPreference": { "mode": "nearest" }, "maxTimeMS": 1000, "tailable": false,
    };
    assert_eq!(rows(&world, ClusterAndArchive, body).await.len(), 7);
}

#[tokio::test]
async fn users_read_what_their_roles_permit() {
    let world = world().await;
    let endpoint = world.endpoint(ClusterAndArchive);
    let find = rawdoc! { "find": "orders" };
    let other = context(&[("read", "bank")]);
    let refused = run_as(&endpoint, &other, "shop", find.clone()).await.expect_err("no role");
    assert_eq!(refused.code, codes::UNAUTHORIZED);
    let body = rawdoc! { "explain": { "find": "orders" } };
    let refused = run_as(&endpoint, &other, "shop", body).await.expect_err("no role");
    assert_eq!(refused.code, codes::UNAUTHORIZED);
    let (reply, _) = run_as(&endpoint, &other, "admin", rawdoc! { "listDatabases": 1 })
        .await
        .expect("an empty list");
    assert!(reply.get_array("databases").expect("a list").is_empty());
    let reader = context(&[("read", "shop")]);
    assert_eq!(run_as(&endpoint, &reader, "shop", find).await.expect("a role").1.len(), 7);
}

#[tokio::test]
async fn memory_and_life_are_bounded() {
    let world = world().await;
    let limited = |limits| world.limited(ClusterAndArchive, limits);
    let reader = context(&[("read", "shop")]);
    let sorted = rawdoc! { "find": "orders", "sort": { "state": 1 } };
    let small = Limits { sort_bytes: 200, ..Limits::default() };
    let error = run_as(&limited(small), &reader, "shop", sorted).await.expect_err("too large");
    assert_eq!(error.code, codes::QUERY_EXCEEDED_MEMORY_LIMIT);
    let small = Limits { identities_bytes: 60, ..Limits::default() };
    let crowded = Limits { identities_bytes_together: 60, ..Limits::default() };
    let find = rawdoc! { "find": "orders" };
    let error = run_as(&limited(crowded), &reader, "shop", find).await.expect_err("too large");
    assert!(error.message.contains("together"), "{error}");
    let find = rawdoc! { "find": "orders" };
    let error = run_as(&limited(small), &reader, "shop", find).await.expect_err("too large");
    assert_eq!(error.code, codes::QUERY_EXCEEDED_MEMORY_LIMIT);
}

#[tokio::test]
async fn queries_are_noted_when_they_end() {
    let world = world().await;
    let body = rawdoc! { "find": "orders", "filter": { "state": "a" }, "comment": "why" };
    assert_eq!(rows(&world, Archive, body).await.len(), 2);
    for _ in 0..100 {
        if !world.facts.records.lock().expect("free").is_empty() {
            break;
        }
        world.runtime.sleep_ms(5).await;
    }
    let records = world.facts.records.lock().expect("free");
    let record = records.first().expect("a record");
    assert_eq!((record.command.as_str(), record.namespace.as_str()), ("find", "shop.orders"));
    assert_eq!((record.documents, record.comment.as_deref()), (2, Some("why")));
    assert_eq!(record.user.as_deref(), Some("admin.ann"));
    assert!(record.archive_only && record.error.is_none());
    assert!(record.bytes > 0);
}

#[tokio::test]
async fn a_query_that_reads_more_than_it_may_ends() {
    let world = world().await;
    let reader = context(&[("read", "shop")]);
    let allow = |bytes| {
        let limit = "bytesProcessed.query".to_owned();
        let mut allowance = world.facts.allowance.lock().expect("free");
        allowance.bytes = Some((bytes, limit));
    };
    for mode in [Archive, ClusterAndArchive] {
        for find in [
            rawdoc! { "find": "orders" },
            rawdoc! { "find": "orders", "sort": { "state": 1 } },
            rawdoc! { "count": "orders" },
        ] {
            let endpoint = world.limited(mode, Limits::default());
            allow(1_000_000);
            run_as(&endpoint, &reader, "shop", find.clone()).await.expect("enough");
            allow(10);
            let error = run_as(&endpoint, &reader, "shop", find).await.expect_err("too much");
            assert_eq!(error.code, codes::OPERATION_FAILED);
            assert!(error.message.contains("bytesProcessed.query of 10 bytes"), "{error}");
        }
    }
}

#[tokio::test]
async fn long_queries_are_noted_by_their_length() {
    let world = world().await;
    let long = "x".repeat(20_000);
    let body = rawdoc! { "find": "orders", "filter": { "state": long } };
    assert!(rows(&world, Archive, body).await.is_empty());
    for _ in 0..100 {
        if !world.facts.records.lock().expect("free").is_empty() {
            break;
        }
        world.runtime.sleep_ms(5).await;
    }
    let records = world.facts.records.lock().expect("free");
    let query = records.first().expect("a record").query.to_string();
    assert!(query.contains("too long for the query log") && query.len() < 100, "{query}");
}
