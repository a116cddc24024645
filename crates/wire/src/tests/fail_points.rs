//! Commands that fail on purpose.

use bson::rawdoc;
use portolan_runtime::Runtime;

use super::client::Client;
use super::*;

async fn set(client: &mut Client, mode: impl Into<bson::RawBson>, data: bson::RawDocumentBuf) {
    let body = rawdoc! { "configureFailPoint": "failCommand", "mode": mode.into(), "data": data };
    let reply = client.run_on("admin", body).await;
    assert_eq!(reply.get_f64("ok").unwrap(), 1.0, "{reply:?}");
}

fn insert(number: Option<i64>) -> bson::RawDocumentBuf {
    let mut body = rawdoc! { "insert": "items", "documents": [{ "_id": 1 }] };
    if let Some(number) = number {
        body.append(bson::raw::cstr!("txnNumber"), number);
    }
    body
}

fn code(reply: &bson::RawDocument) -> i32 {
    reply.get_i32("code").unwrap_or(0)
}

fn labels(reply: &bson::RawDocument) -> Vec<String> {
    let Ok(labels) = reply.get_array("errorLabels") else { return Vec::new() };
    labels.into_iter().map(|label| label.unwrap().as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_command_fails_as_often_as_asked_and_then_runs() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let data = rawdoc! { "failCommands": ["insert"], "errorCode": 10107 };
    set(&mut client, rawdoc! { "times": 2 }, data).await;
    let plain = client.run(insert(None)).await;
    assert_eq!((code(&plain), labels(&plain)), (10107, vec![]));
    assert_eq!(plain.get_str("codeName").unwrap(), "NotWritablePrimary");
    let numbered = client.run(insert(Some(1))).await;
    assert_eq!(labels(&numbered), ["RetryableWriteError"]);
    assert_eq!(client.run(insert(Some(1))).await.get_i32("n").unwrap(), 1);
    assert_eq!(server.backend.ran.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn labels_are_those_asked_for_or_those_of_the_code() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let data = rawdoc! { "failCommands": ["insert"], "errorCode": 91, "errorLabels": ["Mine"] };
    set(&mut client, "alwaysOn", data).await;
    let told = client.run(insert(None)).await;
    assert_eq!(labels(&told), ["Mine"]);
    let data = rawdoc! { "failCommands": ["insert"], "errorCode": 91, "errorLabels": [] };
    set(&mut client, "alwaysOn", data).await;
    assert!(labels(&client.run(insert(Some(1))).await).is_empty(), "none is what was asked for");
    let data = rawdoc! { "failCommands": ["insert", "commitTransaction"], "errorCode": 91 };
    set(&mut client, "alwaysOn", data).await;
    let mut statement = insert(Some(1));
    statement.append(bson::raw::cstr!("autocommit"), false);
    assert_eq!(labels(&client.run(statement).await), ["TransientTransactionError"]);
    let commit = rawdoc! { "commitTransaction": 1, "txnNumber": 1_i64, "autocommit": false };
    assert_eq!(labels(&client.run(commit.clone()).await), ["RetryableWriteError"]);
    let data = rawdoc! { "failCommands": ["commitTransaction"], "errorCode": 24 };
    set(&mut client, "alwaysOn", data).await;
    assert_eq!(labels(&client.run(commit.clone()).await), ["TransientTransactionError"]);
    let none = bson::RawArrayBuf::new();
    let data =
        rawdoc! { "failCommands": ["commitTransaction"], "errorCode": 91, "errorLabels": none };
    set(&mut client, "alwaysOn", data).await;
    assert!(labels(&client.run(commit).await).is_empty());
    let off = rawdoc! { "configureFailPoint": "failCommand", "mode": "off" };
    assert_eq!(client.run_on("admin", off).await.get_i64("count").unwrap(), 1);
    assert_eq!(code(&client.run(insert(None)).await), 0);
}

#[tokio::test]
async fn connections_close_without_a_reply() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let data = rawdoc! { "failCommands": ["insert"], "closeConnection": true };
    set(&mut client, rawdoc! { "times": 1 }, data).await;
    let body = crate::tests::command(insert(None), "shop");
    client.send(crate::frame::OP_MSG, super::client::message(&body)).await;
    assert!(client.is_closed().await);
    assert_eq!(server.backend.ran.load(Ordering::SeqCst), 0);
    let mut next = Client::connect(server.address).await;
    assert_eq!(next.run(insert(None)).await.get_i32("n").unwrap(), 1);
}

#[tokio::test]
async fn a_numbered_write_is_done_and_its_reply_lost() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let body =
        rawdoc! { "configureFailPoint": "onPrimaryTransactionalWrite", "mode": { "times": 2 } };
    client.run_on("admin", body).await;
    assert_eq!(code(&client.run(insert(None)).await), 0, "a write without a number passes");
    let body = crate::tests::command(insert(Some(3)), "shop");
    client.send(crate::frame::OP_MSG, super::client::message(&body)).await;
    assert!(client.is_closed().await);
    assert_eq!(server.backend.ran.load(Ordering::SeqCst), 2);
    let mut client = Client::connect(server.address).await;
    assert_eq!(code(&client.run(insert(Some(3))).await), 0, "sent again, it writes nothing");
    let body = crate::tests::command(insert(Some(4)), "shop");
    client.send(crate::frame::OP_MSG, super::client::message(&body)).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_write_concern_error_comes_beside_the_result() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let concern = rawdoc! { "code": 91, "errmsg": "going down" };
    let data = rawdoc! { "failCommands": ["insert"], "writeConcernError": concern };
    set(&mut client, rawdoc! { "times": 1 }, data).await;
    let reply = client.run(insert(Some(1))).await;
    assert_eq!(reply.get_i32("n").unwrap(), 1);
    assert_eq!(reply.get_document("writeConcernError").unwrap().get_i32("code").unwrap(), 91);
    assert_eq!(labels(&reply), ["RetryableWriteError"]);
}

#[tokio::test]
async fn only_the_named_application_is_met() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let data = rawdoc! { "failCommands": ["ping"], "errorCode": 11, "appName": "shop" };
    set(&mut client, "alwaysOn", data).await;
    client.ping().await;
    let mut named = Client::connect(server.address).await;
    named.run(rawdoc! { "hello": 1, "client": { "application": { "name": "shop" } } }).await;
    assert_eq!(code(&named.run(rawdoc! { "ping": 1 }).await), 11);
}

#[tokio::test]
async fn a_blocked_command_waits() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let data = rawdoc! { "failCommands": ["ping"], "blockConnection": true, "blockTimeMS": 60 };
    set(&mut client, rawdoc! { "skip": 1 }, data).await;
    let runtime = Runtime::system();
    let begun_ms = runtime.boot_ms();
    client.ping().await;
    let passed_ms = runtime.boot_ms();
    client.ping().await;
    let waited_ms = runtime.boot_ms() - passed_ms;
    assert!(waited_ms >= 60, "{waited_ms}, before {}", passed_ms - begun_ms);
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    for (body, expected) in [
        (rawdoc! { "configureFailPoint": "other", "mode": "off" }, 238),
        (rawdoc! { "configureFailPoint": "failCommand", "mode": "sometimes" }, 2),
        (
            rawdoc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": { "x": 1 } },
            238,
        ),
    ] {
        assert_eq!(code(&client.run_on("admin", body.clone()).await), expected, "{body:?}");
    }
    let body = rawdoc! { "configureFailPoint": "failCommand", "mode": "off" };
    assert_eq!(code(&client.run(body).await), codes::UNAUTHORIZED);
}
