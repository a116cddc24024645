//! The stage of the kill tests: an instance on a chosen database and storage, a cluster with cold and
//! warm documents, an archive of it. A stage that lies in a folder altogether is kept aside and put back,
//! so that each kill begins from the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bson::{Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use mongodb::{Client, Collection};
use portolan_runtime::Runtime;
use serde_json::{Value, json};

use crate::served::{Api, Process, Setting, text, until, with_login};

pub(crate) const DAY_MS: i64 = 86_400_000;
/// Cold documents come in two runs of so many each, so that there are files to compact.
pub(crate) const COLD_HALF: i64 = 40;
pub(crate) const WARM: i64 = 10;
/// Cold documents that come later.
pub(crate) const MORE: i64 = 20;

/// How a process dies at an effect: before it takes place, or after it and before anything is concluded from it.
pub(crate) const BEFORE: &str = "dies_before";
pub(crate) const AFTER: &str = "dies_after";

/// By `_id`.
pub(crate) type Documents = BTreeMap<i64, Vec<u8>>;

/// What a stage stands on. `None`: what needs no server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ground {
    /// URL of a database on PostgreSQL.
    pub(crate) postgres: Option<String>,
    /// Endpoint of MinIO, and a prefix of this stage's own.
    pub(crate) s3: Option<(String, String)>,
    /// FerretDB, and a database of this stage's own in it.
    pub(crate) ferretdb: Option<(String, String)>,
}

impl Ground {
    /// Whether everything lies in the stage's folder.
    fn is_folder(&self) -> bool {
        self.postgres.is_none() && self.s3.is_none() && self.ferretdb.is_none()
    }
}

pub(crate) struct Stage {
    setting: Setting,
    aside: Option<PathBuf>,
    founded: Value,
    group: String,
    pub(crate) archive: String,
    uri: String,
    database: String,
    /// All documents as they were before anything was archived.
    pub(crate) all: Documents,
    /// How old the two ages of cold documents are, in days: of one month, if the day allows it.
    pub(crate) ages: (i64, i64),
}

impl Stage {
    /// Builds a stage in `dir` and stops its process.
    pub(crate) async fn build(dir: &Path, ports: (u16, u16), ground: &Ground) -> Self {
        let home = dir.join("stage");
        let setting = Setting::write(&home, "127.0.0.1", ports, &settings(ground));
        let founded = setting.bootstrap_with(&secrets(ground));
        let process = setting.serve(&secrets(ground)).await;
        let api = setting.api(&founded).await;
        let group = api.project(&founded).await;
        let (uri, database) = cluster(&api, &group, ground).await;
        let ages = ages();
        let mut stage = Self {
            setting,
            aside: None,
            founded,
            group,
            archive: String::new(),
            uri,
            database,
            all: Documents::new(),
            ages,
        };
        stage.fill(&api).await;
        process.stop().await;
        if ground.is_folder() {
            let aside = dir.join("aside");
            copy(&home, &aside);
            stage.aside = Some(aside);
        }
        stage
    }

    /// Two runs, each of one half of what is cold.
    async fn fill(&mut self, api: &Api) {
        insert(&self.client().await, &self.database, 2 * COLD_HALF..2 * COLD_HALF + WARM, 1).await;
        for half in 0..2 {
            let (old, young) = self.ages;
            let first = half * COLD_HALF;
            let middle = first + COLD_HALF / 2;
            let client = self.client().await;
            insert(&client, &self.database, first..middle, old).await;
            insert(&client, &self.database, middle..first + COLD_HALF, young).await;
            let live = self.live().await;
            self.all.extend(live);
            if half == 0 {
                let created = api.post(&self.archives(), &self.archive_body()).await;
                self.archive = text(&created, "_id");
            } else {
                api.post(&self.own(":run"), &json!({})).await;
            }
            self.archived_is(api, (half + 1) * COLD_HALF).await;
        }
        // Two days later the old ones have expired and the young ones have not.
        let rule = json!({ "expireAfterDays": self.ages.1 + 4 });
        let changes = json!({ "paused": true, "dataExpirationRule": rule });
        let (status, answer) = api.call(reqwest::Method::PATCH, &self.path(), Some(&changes)).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Puts the stage back to how it was built.
    pub(crate) fn reset(&self) {
        let Some(aside) = &self.aside else { return };
        std::fs::remove_dir_all(&self.setting.dir).expect("removed");
        copy(aside, &self.setting.dir);
    }

    /// Starts a process that is expected to die soon.
    pub(crate) fn start(&self, ground: &Ground, more: &[(&str, &str)]) -> Process {
        let mut environment = secrets(ground);
        environment.extend_from_slice(more);
        self.setting.start("serve", &environment)
    }

    pub(crate) async fn serve(&self, ground: &Ground, more: &[(&str, &str)]) -> (Process, Api) {
        let mut environment = secrets(ground);
        environment.extend_from_slice(more);
        let process = self.setting.serve(&environment).await;
        (process, self.setting.api(&self.founded).await)
    }

    /// All archives of the cluster on the Admin API.
    pub(crate) fn archives(&self) -> String {
        format!("atlas/v2/groups/{}/clusters/Box/onlineArchives", self.group)
    }

    /// The archive on the Admin API.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.archives(), self.archive)
    }

    /// Something of the archive on Portolan's own API.
    pub(crate) fn own(&self, what: &str) -> String {
        self.own_of(&self.archive, what)
    }

    /// The same of another archive.
    pub(crate) fn own_of(&self, archive: &str, what: &str) -> String {
        let group = &self.group;
        format!("portolan/v1/groups/{group}/clusters/Box/onlineArchives/{archive}{what}")
    }

    async fn client(&self) -> Client {
        Client::with_uri_str(&self.uri).await.expect("a client")
    }

    /// A client inserts more cold documents.
    pub(crate) async fn insert_more(&self) {
        insert(&self.client().await, &self.database, 1_000..1_000 + MORE, self.ages.1).await;
    }

    /// A client inserts one document.
    pub(crate) async fn insert_one(&self, document: &Document) {
        let database = self.client().await.database(&self.database);
        let orders: Collection<Document> = database.collection("orders");
        orders.insert_one(document).await.expect("inserted");
    }

    /// A client drops the collection, and makes one of the same name with the same documents.
    pub(crate) async fn make_collection_anew(&self) {
        let database = self.client().await.database(&self.database);
        let orders: Collection<RawDocumentBuf> = database.collection("orders");
        let found = orders.find(doc! {}).await.expect("find");
        let documents: Vec<RawDocumentBuf> = found.try_collect().await.expect("all documents");
        orders.drop().await.expect("dropped");
        orders.insert_many(documents).await.expect("inserted");
    }

    /// What makes an archive like the stage's own.
    pub(crate) fn archive_body(&self) -> Value {
        archive_body(&self.database)
    }

    /// The folder of the table, where the stage lies in a folder.
    pub(crate) fn table(&self) -> PathBuf {
        self.setting.dir.join("archives").join(&self.archive)
    }

    /// Waits until this stands in the table's log.
    pub(crate) async fn log_says(&self, text: &str) {
        let log = self.table().join("_delta_log");
        until(text, 90, async || {
            let entries = std::fs::read_dir(&log).expect("a log");
            let mut entries = entries.map(|entry| entry.expect("an entry").path());
            let says = |path: PathBuf| {
                std::fs::read_to_string(path).is_ok_and(|entry| entry.contains(text))
            };
            entries.any(says).then_some(())
        })
        .await;
    }

    /// How many data files lie in the table's folder, wanted or not.
    pub(crate) fn data_files(&self) -> usize {
        self.table_files().len()
    }

    /// These files.
    pub(crate) fn table_files(&self) -> Vec<PathBuf> {
        files_below(&self.table(), "parquet")
    }

    /// What the cluster holds.
    pub(crate) async fn live(&self) -> Documents {
        read(&self.client().await, &self.database).await
    }

    /// What an endpoint shows.
    pub(crate) async fn endpoint(&self, api: &Api, which: &str) -> Documents {
        let path = format!("portolan/v1/groups/{}/clusters/Box/connectionStrings", self.group);
        let plain = text(&api.get(&path).await, which);
        let uri = with_login(&plain, "userbox", "correct-horse-9");
        let client = Client::with_uri_str(&uri).await.expect("a client");
        read(&client, &self.database).await
    }

    pub(crate) async fn archived_is(&self, api: &Api, documents: i64) {
        let path = self.own("/statistics");
        until("the documents in the archive", 90, async || {
            let shown = api.get(&path).await;
            (shown["documents"] == documents && shown["openMove"] == false).then_some(())
        })
        .await;
    }

    /// The newest operation of a kind, once it is done.
    pub(crate) async fn done(&self, api: &Api, kind: &str) -> Value {
        let path = self.own("/operations");
        until(kind, 120, async || {
            let listed = api.get(&path).await;
            let found = listed["results"].as_array().expect("a list").iter();
            let found = found.filter(|it| it["kind"] == kind).find(|it| it["state"] != "QUEUED");
            let found = found?.clone();
            assert_ne!(found["state"], "FAILED", "{found}");
            (found["state"] == "DONE").then_some(found)
        })
        .await
    }

    /// Every file read back, compared with the cluster, and nothing wrong in it.
    pub(crate) async fn verify(&self, api: &Api, context: &str) {
        api.post(&self.own(":verify"), &json!({ "againstCluster": true })).await;
        let verified = self.done(api, "VERIFY").await;
        assert_eq!(verified["progress"]["sound"], true, "{context}: {verified}");
    }
}

fn settings(ground: &Ground) -> String {
    let mut text =
        "[archiver]\ninterval_ms = 1000\nlease_ttl_ms = 3000\nupkeep_interval_ms = 1000\n\
                    compaction_files_min = 0\nbatch_documents_max = 8\n"
            .to_owned();
    if let Some(url) = &ground.postgres {
        text += &format!("[state]\nurl = \"{url}\"\n");
    }
    if let Some((endpoint, prefix)) = &ground.s3 {
        text += &format!(
            "[[storage]]\nname = \"s3\"\nurl = \"s3://portolan-test/{prefix}\"\n\
             endpoint = \"{endpoint}\"\nallow_http = true\n[storage.s3]\n\
             access_key_id = \"portolan-test\"\nsecret_access_key_env = \"S3_SECRET\"\n"
        );
    }
    text
}

/// The key of the MinIO that the conformance runner starts.
fn secrets(ground: &Ground) -> Vec<(&'static str, &'static str)> {
    ground.s3.is_some().then_some(("S3_SECRET", "portolan-test-secret")).into_iter().collect()
}

/// The cluster's connection string, and the database to use in it.
async fn cluster(api: &Api, group: &str, ground: &Ground) -> (String, String) {
    let Some((uri, database)) = &ground.ferretdb else {
        return (api.sandbox(group, "Box").await, "sales".to_owned());
    };
    let body = json!({ "name": "Box", "connectionString": uri, "writesQuiesced": true });
    api.post(&format!("portolan/v1/groups/{group}/clusters:attach"), &body).await;
    let user = json!({
        "databaseName": "admin", "username": "userbox", "password": "correct-horse-9",
        "roles": [{ "databaseName": "admin", "roleName": "readAnyDatabase" }],
    });
    api.post(&format!("atlas/v2/groups/{group}/databaseUsers"), &user).await;
    (uri.clone(), database.clone())
}

fn archive_body(database: &str) -> Value {
    json!({
        "dbName": database, "collName": "orders",
        "criteria": {
            "type": "DATE", "dateField": "at", "dateFormat": "ISODATE", "expireAfterDays": 10,
        },
        "partitionFields": [{ "fieldName": "at", "order": 0 }],
    })
}

/// Two ages in the middle of one month, eight days apart.
fn ages() -> (i64, i64) {
    let now_ms = Runtime::system().now_ms();
    let day = |age: i64| {
        let at = bson::DateTime::from_millis(now_ms - age * DAY_MS);
        let text = at.try_to_rfc3339_string().expect("a date");
        text[8..10].parse::<i64>().expect("a day")
    };
    let young = (20..60).find(|age| day(*age) == 20).expect("every month has a 20th");
    (young + 8, young)
}

async fn insert(client: &Client, database: &str, numbers: std::ops::Range<i64>, days: i64) {
    let at = bson::DateTime::from_millis(Runtime::system().now_ms() - days * DAY_MS);
    let documents: Vec<_> = numbers
        .map(|n| doc! { "_id": n, "at": at, "text": "x".repeat(50), "half": n % 2 })
        .collect();
    let orders = client.database(database).collection("orders");
    orders.insert_many(documents).await.expect("inserted");
}

/// The documents of the collection `orders`, each once.
pub(crate) async fn read(client: &Client, database: &str) -> Documents {
    let orders: Collection<RawDocumentBuf> = client.database(database).collection("orders");
    let found: Vec<RawDocumentBuf> =
        orders.find(doc! {}).await.expect("find").try_collect().await.expect("all documents");
    let count = found.len();
    let by_id: Documents = found
        .into_iter()
        .map(|it| (it.get_i64("_id").expect("a number"), it.into_bytes()))
        .collect();
    assert_eq!(by_id.len(), count, "a document comes twice");
    by_id
}

/// Files with that extension; those of the log are left out.
fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| !path.ends_with("_delta_log"))
        .flat_map(|path| match path.is_dir() {
            true => files_below(&path, extension),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect()
}

/// Those of the documents that are wanted.
pub(crate) fn part(documents: &Documents, wanted: impl Fn(i64) -> bool) -> Documents {
    documents.iter().filter(|(n, _)| wanted(**n)).map(|(n, it)| (*n, it.clone())).collect()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(copied.success(), "{} was not copied", from.display());
}
