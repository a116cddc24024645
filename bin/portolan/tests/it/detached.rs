//! A live cluster that is detached while its archive holds documents that are nowhere else: the archive is
//! taken back after the cluster was attached again, follows its collection to another name, is resumed by name
//! after the fence was lost, and goes on.

use bson::doc;
use mongodb::Client;
use portolan_runtime::Runtime;
use reqwest::Method;
use serde_json::{Value, json};

use crate::kill_stage::{self, Documents};
use crate::lent;
use crate::served::{Api, Setting, text, until};

const DAY_MS: i64 = 86_400_000;

async fn insert(live: &Client, collection: &str, numbers: std::ops::Range<i64>, days: i64) {
    let at = bson::DateTime::from_millis(Runtime::system().now_ms() - days * DAY_MS);
    let documents: Vec<_> = numbers.map(|n| doc! { "_id": n, "at": at, "n": n as f64 }).collect();
    live.database("sales").collection(collection).insert_many(documents).await.expect("inserted");
}

async fn read(uri: &str) -> Documents {
    let client = Client::with_uri_str(uri).await.expect("a client");
    kill_stage::read(&client, "sales").await
}

async fn state(api: &Api, archive: &str, wanted: &str) {
    until(wanted, 60, async || (text(&api.get(archive).await, "state") == wanted).then_some(()))
        .await;
}

async fn patch(api: &Api, path: &str, paused: bool) {
    let body = json!({ "paused": paused });
    let (status, answer) = api.call(Method::PATCH, path, Some(&body)).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_outlives_the_detaching_of_its_cluster() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_source, uri) = lent::lend(dir.path(), (28_400, 28_409)).await;
    let live = Client::with_uri_str(&uri).await.expect("a client");
    insert(&live, "orders", 0..200, 40).await;
    insert(&live, "orders", 200..210, 1).await;
    let more = "[archiver]\ninterval_ms = 1000\nlease_ttl_ms = 3000\n";
    let setting = Setting::write(&dir.path().join("own"), "127.0.0.1", (28_410, 28_429), more);
    let founded = setting.bootstrap();
    let process = setting.serve(&[]).await;
    let api = setting.api(&founded).await;
    let group = api.project(&founded).await;
    lent::attach(&api, &group, &uri).await;
    let id = lent::archive_orders(&api, &group).await;
    lent::archived(&api, &group, &id, 200).await;
    let archived = read(&lent::endpoint(&api, &group, "archive").await).await;
    assert_eq!(archived.len(), 200);

    let cluster = format!("atlas/v2/groups/{group}/clusters/Live");
    let admin = format!("{cluster}/onlineArchives/{id}");
    let own = format!("portolan/v1/groups/{group}/clusters/Live/onlineArchives/{id}");
    patch(&api, &admin, true).await;
    state(&api, &own, "PAUSED").await;
    until("the end of its move", 60, async || {
        let (status, _) = api.call(Method::DELETE, &cluster, None).await;
        (status == 202 || status == 200 || status == 204).then_some(())
    })
    .await;
    until("the cluster to go", 60, async || {
        let (status, _) = api.call(Method::GET, &cluster, None).await;
        (status == 404).then_some(())
    })
    .await;

    let attach = format!("portolan/v1/groups/{group}/clusters:attach");
    api.post(&attach, &lent::attach_body(&uri)).await;
    let back = api.post(&format!("{own}:undelete"), &json!({})).await;
    assert_eq!(text(&back, "state"), "PAUSED", "{back}");
    assert!(
        read(&lent::endpoint(&api, &group, "archive").await).await == archived,
        "byte for byte"
    );
    insert(&live, "orders", 300..350, 50).await;
    patch(&api, &admin, false).await;
    lent::archived(&api, &group, &id, 250).await;

    let rename = doc! { "renameCollection": "sales.orders", "to": "sales.old" };
    live.database("admin").run_command(rename).await.expect("renamed");
    state(&api, &own, "ORPHANED").await;
    let given: Value = api.post(&format!("{own}:reattach"), &json!({ "collName": "old" })).await;
    assert_eq!(text(&given, "state"), "PAUSED", "{given}");
    insert(&live, "old", 400..450, 50).await;
    patch(&api, &admin, false).await;
    lent::archived(&api, &group, &id, 300).await;

    // What a cluster looks like that was restored from before there was an archive.
    live.database("portolan").drop().await.expect("dropped");
    insert(&live, "old", 500..550, 50).await;
    state(&api, &own, "SUSPENDED").await;
    let resume = format!("{own}:resume");
    let (status, named) = api.call(Method::POST, &resume, Some(&json!({}))).await;
    assert_eq!(status, 400, "{named}");
    assert!(named.to_string().contains("SOURCE_OLDER"), "{named}");
    let released = api.post(&resume, &json!({ "accept": ["SOURCE_OLDER"] })).await;
    assert_eq!(text(&released, "state"), "PAUSED", "{released}");
    patch(&api, &admin, false).await;
    lent::archived(&api, &group, &id, 350).await;
    process.stop().await;
}
