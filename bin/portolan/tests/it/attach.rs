//! A lost control database, in real processes: the tables are attached to a new one, every archived document
//! is read through the endpoint as it was, and archiving goes on.

use bson::doc;
use mongodb::Client;
use portolan_archiver::effects;
use portolan_runtime::Runtime;
use serde_json::{Value, json};

use crate::kill_stage::{self, Documents};
use crate::lent;
use crate::served::{Api, Setting, text, until};

const DAY_MS: i64 = 86_400_000;
const COLD: i64 = 300;
const WARM: i64 = 20;

/// An organization, a project with a reader, the cluster attached.
async fn settle(setting: &Setting, founded: &Value, uri: &str) -> (Api, String) {
    let api = setting.api(founded).await;
    let group = api.project(founded).await;
    lent::attach(&api, &group, uri).await;
    (api, group)
}

async fn insert(live: &Client, numbers: std::ops::Range<i64>, days: i64) {
    let at = bson::DateTime::from_millis(Runtime::system().now_ms() - days * DAY_MS);
    let documents: Vec<_> = numbers
        .map(|n| doc! { "_id": n, "at": at, "text": "x".repeat(50), "n": n as f64 })
        .collect();
    live.database("sales").collection("orders").insert_many(documents).await.expect("inserted");
}

async fn read(uri: &str) -> Documents {
    let client = Client::with_uri_str(uri).await.expect("a client");
    kill_stage::read(&client, "sales").await
}

async fn endpoint(api: &Api, group: &str, which: &str) -> Documents {
    read(&lent::endpoint(api, group, which).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_outlive_their_control_database() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_source, uri) = lent::lend(dir.path(), (29_800, 29_809)).await;
    let live = Client::with_uri_str(&uri).await.expect("a client");
    insert(&live, 0..COLD, 40).await;
    insert(&live, COLD..COLD + WARM, 1).await;
    let all = read(&uri).await;

    let more = "[archiver]\ninterval_ms = 600000\nlease_ttl_ms = 3000\n";
    let setting = Setting::write(&dir.path().join("own"), "127.0.0.1", (29_810, 29_819), more);
    let founded = setting.bootstrap();
    let process = setting.serve(&[]).await;
    let (api, group) = settle(&setting, &founded, &uri).await;
    let id = lent::archive_orders(&api, &group).await;
    lent::archived(&api, &group, &id, COLD).await;
    let archived = endpoint(&api, &group, "archive").await;
    assert_eq!(archived.len(), 300);
    process.stop().await;

    for name in ["control.db", "control.db-wal", "control.db-shm"] {
        std::fs::remove_file(setting.dir.join(name)).ok();
    }
    let founded = setting.bootstrap();
    // The first attempt ends with its process, right before the table becomes ours.
    let fault = format!("{}=dies_before", effects::OWN);
    let process = setting.serve(&[("PORTOLAN_FAULTS", &fault)]).await;
    let (_, group) = settle(&setting, &founded, &uri).await;
    let storage = format!("file://{}", setting.dir.join("archives").join(&id).display());
    let (client_id, secret) = (text(&founded, "clientId"), text(&founded, "clientSecret"));
    let command = |more: &[&str]| {
        let mut command = std::process::Command::new(crate::served::PORTOLAN);
        command.args(["archive", "attach", "--cluster", "Live", "--storage", &storage]).args(more);
        command.args(["--base-url", &setting.base_url, "--client-id", &client_id]);
        command.args(["--project", &group]).env("PORTOLAN_CLIENT_SECRET", &secret);
        command
    };
    let run = async |mut command: std::process::Command| {
        let runtime = Runtime::system();
        runtime.spawn_blocking(move || command.output()).await.expect("a thread").expect("started")
    };
    let refused = run(command(&[])).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("takeOver"), "{told}");
    let cut_off = run(command(&["--take-over"])).await;
    assert!(!cut_off.status.success(), "{cut_off:?}");
    process.dies(&fault).await;
    let process = setting.serve(&[]).await;
    let api = setting.api(&founded).await;
    // The lease of the dead process is in the way for its time to live.
    let done = until("the table", 60, async || {
        let done = run(command(&["--take-over"])).await;
        done.status.success().then_some(done)
    })
    .await;
    let shown: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((text(&shown, "_id"), text(&shown, "state")), (id.clone(), "PAUSED".to_owned()));
    assert!(endpoint(&api, &group, "archive").await == archived, "byte for byte");
    assert!(endpoint(&api, &group, "clusterAndArchive").await == all, "both as one");

    insert(&live, 1_000..1_100, 50).await;
    let archive = format!("atlas/v2/groups/{group}/clusters/Live/onlineArchives/{id}");
    let (status, answer) =
        api.call(reqwest::Method::PATCH, &archive, Some(&json!({ "paused": false }))).await;
    assert_eq!(status, 200, "{answer}");
    lent::archived(&api, &group, &id, COLD + 100).await;
    assert_eq!(read(&uri).await.len(), 20, "what was cold left the cluster");
    assert_eq!(endpoint(&api, &group, "clusterAndArchive").await.len(), 420);
    process.stop().await;
}
