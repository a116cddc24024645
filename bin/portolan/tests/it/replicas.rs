//! Two real processes on one PostgreSQL: they share the work, and when one is killed in the middle of a
//! run the other finishes it, with every document in exactly one place.

use std::collections::BTreeMap;
use std::path::Path;

use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::{Client, Collection};
use portolan_runtime::Runtime;
use serde_json::{Value, json};

use crate::served::{Api, Process, Setting, free_port, text, until, with_login};

const DAY_MS: i64 = 86_400_000;
const COLD: i64 = 300;
const WARM: i64 = 50;

/// The cluster's own instance, which knows nothing of the two replicas.
struct Source {
    _process: Process,
    uri: String,
}

async fn source(dir: &Path) -> Source {
    let setting = Setting::write(&dir.join("source"), "127.0.0.1", (29_700, 29_709), "");
    let founded = setting.bootstrap();
    let process = setting.serve(&[]).await;
    let api = setting.api(&founded).await;
    let group = api.project(&founded).await;
    let uri = api.sandbox(&group, "Live").await;
    Source { _process: process, uri }
}

/// One of the two: a folder and an address of its own, the same database, key and storage.
fn replica(dir: &Path, name: &str, ip: &str, url: &str) -> Setting {
    let shared = format!(
        "[state]\nurl = \"{url}\"\n[keys]\nmaster_key_file = {:?}\n\
         [[storage]]\nname = \"shared\"\nurl = \"file://{}\"\n\
         [archiver]\ninterval_ms = 600000\nlease_ttl_ms = 3000\n",
        dir.join("master.key"),
        dir.join("archives").display()
    );
    Setting::write(&dir.join(name), ip, (29_710, 29_739), &shared)
}

async fn database() -> String {
    let server = std::env::var(portolan_store::scratch::POSTGRES_VARIABLE);
    let server = server.expect("a PostgreSQL server: cargo xtask conformance --only postgres");
    portolan_store::scratch::postgres_url(&server).await
}

fn collection(client: &Client, name: &str) -> Collection<Document> {
    client.database("sales").collection(name)
}

/// Cold and warm documents, by number.
async fn fill(client: &Client, name: &str) {
    let now_ms = Runtime::system().now_ms();
    let at = |n: i64| if n < COLD { now_ms - (20 + n % 60) * DAY_MS } else { now_ms - DAY_MS };
    let documents: Vec<Document> = (0..COLD + WARM)
        .map(|n| doc! { "_id": n, "at": bson::DateTime::from_millis(at(n)), "text": "x".repeat(200) })
        .collect();
    collection(client, name).insert_many(documents).await.expect("inserted");
}

async fn read(client: &Client, name: &str) -> BTreeMap<i64, Document> {
    let found = collection(client, name).find(doc! {}).await.expect("find");
    let found: Vec<Document> = found.try_collect().await.expect("all documents");
    let count = found.len();
    let by_id: BTreeMap<i64, Document> =
        found.into_iter().map(|it| (it.get_i64("_id").expect("a number"), it)).collect();
    assert_eq!(by_id.len(), count, "{name}: a document comes twice");
    by_id
}

struct Stage {
    a: Setting,
    b: Setting,
    founded: Value,
    group: String,
    live: Client,
    _source: Source,
}

impl Stage {
    /// Both replicas configured, the cluster attached, nothing running but the source.
    async fn build(dir: &Path) -> Self {
        let (source, url) = (source(dir).await, database().await);
        let a = replica(dir, "a", "127.0.0.1", &url);
        let b = replica(dir, "b", "127.0.0.2", &url);
        let founded = a.bootstrap();
        let process = a.serve(&[]).await;
        let api = a.api(&founded).await;
        let group = api.project(&founded).await;
        let body = json!({
            "name": "Live", "connectionString": source.uri, "writesQuiesced": false,
        });
        api.post(&format!("portolan/v1/groups/{group}/clusters:attach"), &body).await;
        let user = json!({
            "databaseName": "admin", "username": "reader", "password": "correct-horse-9",
            "roles": [{ "databaseName": "admin", "roleName": "readAnyDatabase" }],
        });
        api.post(&format!("atlas/v2/groups/{group}/databaseUsers"), &user).await;
        process.stop().await;
        let live = Client::with_uri_str(&source.uri).await.expect("a client");
        Self { a, b, founded, group, live, _source: source }
    }

    fn archives(&self) -> String {
        format!("atlas/v2/groups/{}/clusters/Live/onlineArchives", self.group)
    }

    async fn archive(&self, api: &Api, name: &str) -> String {
        let body = json!({
            "dbName": "sales", "collName": name,
            "criteria": {
                "type": "DATE", "dateField": "at", "dateFormat": "ISODATE", "expireAfterDays": 10,
            },
            "partitionFields": [{ "fieldName": "at", "order": 0 }],
        });
        text(&api.post(&self.archives(), &body).await, "_id")
    }

    async fn runs(&self, api: &Api, archive: &str) -> Vec<Value> {
        let group = &self.group;
        let path =
            format!("portolan/v1/groups/{group}/clusters/Live/onlineArchives/{archive}/runs");
        let answer = api.get(&path).await;
        answer["results"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until a run of the archive is done, and checks every document's place through `replica`.
    async fn check(&self, replica: &Setting, api: &Api, name: &str, archive: &str) {
        let done = until("the end of the run", 150, async || {
            let runs = self.runs(api, archive).await;
            runs.into_iter().find(|run| run["phase"] == "DONE")
        })
        .await;
        assert_eq!(done["error"], Value::Null, "{done}");
        let strings = format!("portolan/v1/groups/{}/clusters/Live/connectionStrings", self.group);
        let strings = api.get(&strings).await;
        let ip = replica.base_url.trim_start_matches("http://").split(':').next().expect("a host");
        let client = async |which: &str| {
            let uri = with_login(&text(&strings, which), "reader", "correct-horse-9");
            assert!(uri.contains(ip), "{uri} does not lead to {ip}");
            Client::with_uri_str(&uri).await.expect("a client")
        };
        let live = read(&self.live, name).await;
        let archived = read(&client("archive").await, name).await;
        let union = read(&client("clusterAndArchive").await, name).await;
        assert_eq!(live.len() as i64, WARM, "{name}");
        assert_eq!(archived.len() as i64, COLD, "{name}");
        assert!(live.keys().all(|id| !archived.contains_key(id)), "{name}: in two places");
        assert_eq!(union.len() as i64, COLD + WARM, "{name}");
    }
}

fn sum(runs: &[Value], field: &str) -> i64 {
    runs.iter().filter_map(|run| run[field].as_i64()).sum()
}

/// The one that does the run is killed at a point of its own each time; the other takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server: cargo xtask conformance --only postgres"]
async fn a_killed_replica_is_taken_over_on_postgres() {
    let dir = tempfile::tempdir().expect("a folder");
    let stage = Stage::build(dir.path()).await;
    for (name, point) in [
        ("upload", "archiver.upload"),
        ("commit", "archiver.committed"),
        ("delete", "archiver.delete"),
    ] {
        fill(&stage.live, name).await;
        // Stalls there, its lease renewed, until it is killed.
        let faults = format!("{point}=delayed:600000");
        let doomed = stage.a.serve(&[("PORTOLAN_FAULTS", &faults)]).await;
        let api = stage.a.api(&stage.founded).await;
        let archive = stage.archive(&api, name).await;
        until("a run", 60, async || (!stage.runs(&api, &archive).await.is_empty()).then_some(()))
            .await;
        let b = stage.b.serve(&[]).await;
        let api = stage.b.api(&stage.founded).await;
        // Longer than the lease lives without renewal: a living holder keeps it.
        Runtime::system().sleep_ms(5_000).await;
        assert_eq!(stage.runs(&api, &archive).await.len(), 1, "{name}: the other one began, too");
        doomed.kill();
        stage.check(&stage.b, &api, name, &archive).await;
        let runs = stage.runs(&api, &archive).await;
        assert_eq!(runs.len(), 2, "{name}: {runs:?}");
        assert_eq!(sum(&runs, "documentsDeleted"), COLD, "{name}: {runs:?}");
        b.stop().await;
    }
}

/// Several archives, two replicas and a worker: each archive is run once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server: cargo xtask conformance --only postgres"]
async fn no_run_happens_twice_on_postgres() {
    let dir = tempfile::tempdir().expect("a folder");
    let stage = Stage::build(dir.path()).await;
    let (a, b) = (stage.a.serve(&[]).await, stage.b.serve(&[]).await);
    let address = format!("127.0.0.1:{}", free_port("127.0.0.1"));
    let worker = stage.a.start("worker", &[("PORTOLAN__WORKER__LISTEN", &address)]);
    let api = stage.b.api(&stage.founded).await;
    let mut archives = Vec::new();
    for n in 0..8 {
        let name = format!("c{n}");
        fill(&stage.live, &name).await;
        archives.push((stage.archive(&api, &name).await, name));
    }
    for (archive, name) in &archives {
        stage.check(&stage.b, &api, name, archive).await;
    }
    Runtime::system().sleep_ms(3_000).await;
    for (archive, name) in &archives {
        let runs = stage.runs(&api, archive).await;
        assert_eq!(runs.len(), 1, "{name}: {runs:?}");
        assert_eq!(sum(&runs, "documentsDeleted"), COLD, "{name}");
    }
    // Each process counts what it did itself; the worker, too, has a listener to tell it.
    let mut counted = 0;
    for url in [&stage.a.base_url, &stage.b.base_url, &format!("http://{address}")] {
        counted += runs_done(url).await;
    }
    assert_eq!(counted, archives.len());
    worker.stop().await;
    a.stop().await;
    b.stop().await;
}

/// Runs that a process did, as its metrics say.
async fn runs_done(base_url: &str) -> usize {
    let answer = reqwest::get(format!("{base_url}/metrics")).await.expect("an answer");
    let text = answer.text().await.expect("text");
    let name = "portolan_archiver_runs_total{outcome=\"done\"} ";
    let count = text.lines().find_map(|line| line.strip_prefix(name)).expect("runs");
    count.parse().expect("a number")
}

/// A sandbox cluster lives in one folder: the other replica neither opens an empty one nor works on it,
/// and its deletion there removes the data here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server: cargo xtask conformance --only postgres"]
async fn a_sandbox_cluster_lives_in_one_folder_on_postgres() {
    let dir = tempfile::tempdir().expect("a folder");
    let url = database().await;
    let a = replica(dir.path(), "a", "127.0.0.1", &url);
    let b = replica(dir.path(), "b", "127.0.0.2", &url);
    let founded = a.bootstrap();
    let (first, second) = (a.serve(&[]).await, b.serve(&[]).await);
    let (on_a, on_b) = (a.api(&founded).await, b.api(&founded).await);
    let group = on_a.project(&founded).await;
    on_a.sandbox(&group, "Box").await;
    let folders = |setting: &Setting| {
        std::fs::read_dir(setting.dir.join("clusters")).map_or(0, Iterator::count)
    };
    assert_eq!((folders(&a), folders(&b)), (1, 0));
    second.stop().await;
    let second = b.serve(&[]).await;
    assert_eq!(folders(&b), 0, "started again, it leaves the cluster to the other");
    let path = format!("atlas/v2/groups/{group}/clusters/Box");
    let (status, answer) = on_b.call(reqwest::Method::DELETE, &path, None).await;
    assert!(status < 300, "{answer}");
    until("the end of the data", 30, async || (folders(&a) == 0).then_some(())).await;
    second.stop().await;
    first.stop().await;
}
