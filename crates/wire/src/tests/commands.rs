//! The small commands, time limits, disconnects and shutdown.

use std::sync::atomic::Ordering;

use bson::rawdoc;
use portolan_runtime::Runtime;

use super::client::{Client, message};
use super::*;
use crate::frame::OP_MSG;

#[tokio::test]
async fn shells_get_what_they_ask_at_start() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let info = client.run_on("admin", rawdoc! { "buildInfo": 1 }).await;
    assert_eq!(info.get_str("version").unwrap(), "7.0.14");
    assert!(info.get_document("dataLake").is_ok());
    let array = info.get_array("versionArray").unwrap();
    assert_eq!(
        array.into_iter().flatten().filter_map(|n| n.as_i32()).collect::<Vec<_>>(),
        [7, 0, 14, 0]
    );
    let version = rawdoc! { "getParameter": 1, "featureCompatibilityVersion": 1 };
    let version = client.run_on("admin", version).await;
    let version = version.get_document("featureCompatibilityVersion").unwrap();
    assert_eq!(version.get_str("version").unwrap(), "7.0");
    let tests = rawdoc! { "getParameter": 1, "enableTestCommands": 1 };
    assert!(client.run_on("admin", tests).await.get_bool("enableTestCommands").unwrap());
    let foo = client.run_on("admin", rawdoc! { "getParameter": "foo" }).await;
    assert_eq!(foo.get_i32("code").unwrap(), codes::INVALID_OPTIONS);
    for body in [
        rawdoc! { "getCmdLineOpts": 1 },
        rawdoc! { "getLog": "startupWarnings" },
        rawdoc! { "getLog": "*" },
        rawdoc! { "hostInfo": 1 },
        rawdoc! { "refreshSessions": [] },
    ] {
        let reply = client.run_on("admin", body.clone()).await;
        assert_eq!(reply.get_f64("ok").unwrap(), 1.0, "{body:?}");
    }
    let status = client.run_on("admin", rawdoc! { "serverStatus": 1 }).await;
    assert_eq!(status.get_document("connections").unwrap().get_i32("current").unwrap(), 1);
}

#[tokio::test]
async fn errors_carry_labels_and_fields() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let reply = client.run(rawdoc! { "duplicate": 1 }).await;
    assert_eq!(reply.get_i32("code").unwrap(), 11000);
    assert_eq!(reply.get_str("codeName").unwrap(), "DuplicateKey");
    assert_eq!(reply.get_document("keyPattern").unwrap().get_i32("_id").unwrap(), 1);
    assert!(!reply.get_array("errorLabels").unwrap().is_empty());
    assert!(reply.get_timestamp("operationTime").is_ok());
}

#[tokio::test]
async fn api_versions_other_than_one_are_refused() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    for (body, ok) in [
        (rawdoc! { "ping": 1, "apiVersion": "1", "apiStrict": false }, true),
        (rawdoc! { "ping": 1, "apiVersion": "2" }, false),
        (rawdoc! { "ping": 1, "apiStrict": true }, false),
    ] {
        let reply = client.run(body).await;
        assert_eq!(reply.get_i32("code").unwrap_or(0), if ok { 0 } else { 322 });
    }
}

#[tokio::test]
async fn a_time_limit_ends_the_command() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let reply = client.run(rawdoc! { "wait": 1, "maxTimeMS": 20 }).await;
    assert_eq!(reply.get_i32("code").unwrap(), codes::MAX_TIME_EXPIRED);
    assert_eq!(server.backend.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_command_ends_when_its_client_is_gone() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    client.send(OP_MSG, message(&rawdoc! { "wait": 1, "$db": "shop" })).await;
    eventually("the command runs", || server.backend.ran.load(Ordering::SeqCst) == 1).await;
    drop(client);
    eventually("the command ends", || server.backend.dropped.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let options = ServerOptions { connections_max: 1, ..open_server() };
    let server = serve(options, Runtime::system()).await;
    let mut first = Client::connect(server.address).await;
    first.ping().await;
    assert!(Client::connect(server.address).await.is_closed().await);
    first.ping().await;
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_cuts_off_long_work() {
    let options = ServerOptions { drain_ms: 100, ..open_server() };
    let server = serve(options, Runtime::system()).await;
    let mut idle = Client::connect(server.address).await;
    idle.ping().await;
    let mut busy = Client::connect(server.address).await;
    busy.send(OP_MSG, message(&rawdoc! { "wait": 1, "$db": "shop" })).await;
    eventually("the command runs", || server.backend.ran.load(Ordering::SeqCst) == 1).await;
    server.shutdown.cancel();
    assert!(idle.is_closed().await);
    server.task.await.unwrap();
    assert_eq!(server.backend.dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn fields_are_read_leniently_where_clients_differ() {
    let body = rawdoc! {
        "find": "items", "limit": 3.0, "skip": 2_i64, "batchSize": "x", "singleBatch": 1, "strange": 1,
        "$db": "shop", "maxTimeMS": 0, "filter": null,
    };
    let command = Command::new("shop", body).unwrap();
    assert_eq!(command.get_u64("limit").unwrap(), Some(3));
    assert_eq!(command.get_u64("skip").unwrap(), Some(2));
    assert_eq!(command.get_u64("batchSize").unwrap_err().code, codes::TYPE_MISMATCH);
    assert_eq!(command.get_bool("singleBatch").unwrap(), Some(true));
    assert_eq!(command.max_time_ms().unwrap(), None);
    assert_eq!(command.get_document("filter").unwrap(), None);
    assert_eq!(command.namespace().unwrap(), "shop.items");
    let known = ["limit", "skip", "batchSize", "singleBatch", "filter"];
    assert_eq!(command.unknown_fields(&known), ["strange"]);
    let nameless = Command::new("shop", rawdoc! { "find": "" }).unwrap();
    assert_eq!(nameless.collection().unwrap_err().code, codes::INVALID_NAMESPACE);
}
