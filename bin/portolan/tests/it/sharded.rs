//! A sharded cluster, attached through a router: what is asked of it carries the shard key and the time,
//! and a collection that is sharded otherwise ends its archive.

use std::path::Path;

use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::Client;
use portolan_runtime::Runtime;
use reqwest::Method;
use serde_json::json;

use crate::lent;
use crate::router::Router;
use crate::served::{Process, Setting, text, until, with_login};

const DAY_MS: i64 = 86_400_000;

/// A lent cluster and a router before it: the cluster's own connection string and the one through the
/// router.
async fn source(
    dir: &Path,
    ports: (u16, u16),
    entries: Option<Vec<Document>>,
) -> (Process, String, Router, String) {
    let (process, uri) = lent::lend(dir, ports).await;
    let host = uri.rsplit_once('@').map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    let router = Router::start(host.expect("a host").to_owned(), entries).await;
    let through = format!("mongodb://{}/", router.address);
    let through = with_login(&through, "userlive", "correct-horse-9");
    (process, uri, router, through)
}

fn entry(key: Document) -> Document {
    doc! { "_id": "sales.orders", "key": key, "unique": false }
}

async fn insert(live: &Client, numbers: std::ops::Range<i64>, days: i64) {
    let at = bson::DateTime::from_millis(Runtime::system().now_ms() - days * DAY_MS);
    let documents: Vec<_> = numbers
        .map(|n| doc! { "_id": n, "at": at, "customer": { "zone": n % 3 }, "text": "x".repeat(50) })
        .collect();
    live.database("sales").collection("orders").insert_many(documents).await.expect("inserted");
}

async fn numbers(uri: &str) -> Vec<i64> {
    let client = Client::with_uri_str(uri).await.expect("a client");
    let found = client.database("sales").collection::<Document>("orders").find(doc! {}).await;
    let found: Vec<Document> = found.expect("find").try_collect().await.expect("all documents");
    let mut numbers: Vec<_> = found.iter().map(|it| it.get_i64("_id").expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sharded_collection_is_archived_by_its_whole_key() {
    let dir = tempfile::tempdir().expect("a folder");
    let entries = vec![entry(doc! { "customer.zone": 1 })];
    let (_source, uri, router, through) = source(dir.path(), (29_830, 29_839), Some(entries)).await;
    let live = Client::with_uri_str(&uri).await.expect("a client");
    insert(&live, 0..200, 40).await;
    insert(&live, 200..220, 1).await;

    let setting = Setting::write(&dir.path().join("own"), "127.0.0.1", (29_840, 29_849), "");
    let founded = setting.bootstrap();
    let process = setting.serve(&[]).await;
    let api = setting.api(&founded).await;
    let group = api.project(&founded).await;
    let attached = lent::attach(&api, &group, &through).await;
    assert_eq!(text(&attached, "level"), "L3", "{attached}");
    let shown = api.get(&format!("atlas/v2/groups/{group}/clusters/Live")).await;
    assert_eq!(text(&shown, "clusterType"), "SHARDED", "{shown}");
    let id = lent::archive_orders(&api, &group).await;
    let own = format!("portolan/v1/groups/{group}/clusters/Live/onlineArchives/{id}");
    lent::archived(&api, &group, &id, 200).await;
    assert_eq!(numbers(&uri).await, (200..220).collect::<Vec<_>>());
    let both = lent::endpoint(&api, &group, "clusterAndArchive").await;
    assert_eq!(numbers(&both).await, (0..220).collect::<Vec<_>>(), "each once");

    {
        let memory = router.memory();
        let of_orders: Vec<_> =
            memory.deletes.iter().filter(|(name, _)| name == "orders").collect();
        assert!(of_orders.len() >= 200, "{}", of_orders.len());
        for (_, query) in of_orders {
            assert!(query.contains_key("_id") && query.contains_key("customer.zone"), "{query}");
        }
        assert!(!memory.concerns.is_empty());
        for concern in &memory.concerns {
            assert!(concern.get_timestamp("afterClusterTime").is_ok(), "{concern}");
        }
    }

    // The key is refined: documents are told apart otherwise from now on.
    router.memory().catalogue = Some(vec![entry(doc! { "customer.zone": 1, "text": 1 })]);
    insert(&live, 300..310, 40).await;
    api.post(&format!("{own}:run"), &json!({})).await;
    until("the archive to end", 60, async || {
        (api.get(&own).await["state"] == "ORPHANED").then_some(())
    })
    .await;
    assert_eq!(numbers(&uri).await.len(), 30, "nothing was deleted");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_hides_its_shard_keys_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_source, _, router, through) = source(dir.path(), (29_880, 29_889), None).await;
    let setting = Setting::write(&dir.path().join("own"), "127.0.0.1", (29_890, 29_899), "");
    let founded = setting.bootstrap();
    let process = setting.serve(&[]).await;
    let api = setting.api(&founded).await;
    let group = api.project(&founded).await;
    let path = format!("portolan/v1/groups/{group}/clusters:attach");
    let body = lent::attach_body(&through);
    let (status, answer) = api.call(Method::POST, &path, Some(&body)).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer.to_string().contains("config.collections"), "{answer}");
    router.memory().catalogue = Some(Vec::new());
    api.post(&path, &body).await;
    process.stop().await;
}
