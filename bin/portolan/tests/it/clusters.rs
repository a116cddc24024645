//! A cluster's life through the Admin API, seen by an ordinary driver: sample data, process arguments,
//! restart, pause over a restart of the process, resume.

use std::net::TcpStream;
use std::path::{Path, PathBuf};

use bson::{Document, doc};
use mongodb::{Client, Collection};
use serde_json::{Value, json};

use crate::support::{Instance, pause, sample};

const FLIGHTS: u64 = 24_056;

pub(crate) struct Api<'a> {
    instance: &'a Instance,
    token: String,
}

impl<'a> Api<'a> {
    pub(crate) async fn of(instance: &'a Instance) -> Self {
        let answer = reqwest::Client::new()
            .post(format!("{}/api/oauth/token", instance.text("baseUrl")))
            .basic_auth(instance.text("clientId"), Some(instance.text("clientSecret")))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .send()
            .await
            .expect("a token");
        let answer: Value = answer.json().await.expect("JSON");
        Self { instance, token: answer["access_token"].as_str().expect("a token").to_owned() }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let group = self.instance.text("groupId");
        let url = format!("{}/api/atlas/v2/groups/{group}{path}", self.instance.text("baseUrl"));
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = reqwest::Client::new().request(method, url).bearer_auth(&self.token);
        request = request.header("Accept", "application/vnd.atlas.2025-03-12+json");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") }
    }

    /// The cluster once nothing is under way.
    async fn idle(&self) -> Value {
        for _ in 0..300 {
            let found = self.call("GET", "/clusters/S", None).await;
            if found["stateName"] == "IDLE" {
                return found;
            }
            pause().await;
        }
        panic!("the cluster does not settle");
    }

    async fn sample(&self) -> Value {
        let asked = self.call("POST", "/sampleDatasetLoad/S", Some(json!({}))).await;
        let path = format!("/sampleDatasetLoad/{}", asked["_id"].as_str().expect("an id"));
        for _ in 0..600 {
            let found = self.call("GET", &path, None).await;
            if found["state"] != "WORKING" {
                return found;
            }
            pause().await;
        }
        panic!("the load does not end");
    }

    /// A client of the cluster, as the quickstart's database user.
    async fn driver(&self, cluster: &Value) -> (Collection<Document>, u16) {
        let uri = self.instance.cluster_uri();
        let credentials = uri.split_once("//").and_then(|(_, rest)| rest.split_once('@'));
        let (credentials, _) = credentials.expect("credentials");
        let standard = cluster["connectionStrings"]["standard"].as_str().expect("a string");
        let plain = standard.strip_prefix("mongodb://").expect("a scheme");
        let port = plain.split(['/', '?']).next().and_then(|host| host.rsplit(':').next());
        let port = port.and_then(|port| port.parse().ok()).expect("a port");
        let uri = format!("mongodb://{credentials}@{plain}");
        let client = Client::with_uri_str(uri).await.expect("a client");
        (client.database("sample_flights").collection("flights"), port)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_lives_as_the_admin_api_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let sample = sample(400);
    let instance = Instance::start(dir.path(), &sample.path).await;
    let api = Api::of(&instance).await;
    api.call("POST", "/clusters", Some(json!({ "name": "S" }))).await;
    let found = api.idle().await;
    assert_eq!(api.sample().await["state"], "COMPLETED");
    let (flights, port) = api.driver(&found).await;
    assert_eq!(flights.count_documents(doc! {}).await.expect("a count"), FLIGHTS);
    assert_eq!(api.sample().await["state"], "COMPLETED", "they are there");
    flights.insert_one(doc! { "_id": "another" }).await.expect("inserted");
    let failed = api.sample().await;
    assert_eq!(failed["state"], "FAILED");
    assert!(failed["errorMessage"].as_str().expect("a reason").contains("other documents"));

    api.call("PATCH", "/clusters/S/processArgs", Some(json!({ "noTableScan": true }))).await;
    api.idle().await;
    let refused = flights.find_one(doc! { "carrier": "UA" }).await.expect_err("no index");
    assert!(refused.to_string().contains("notablescan"), "{refused}");
    api.call("POST", "/clusters/S/restartPrimaries", Some(json!({}))).await;
    api.idle().await;
    let refused = flights.find_one(doc! { "carrier": "UA" }).await.expect_err("still none");
    assert!(refused.to_string().contains("notablescan"), "{refused}");
    let one = flights.find_one(doc! { "_id": "another" }).await.expect("by _id");
    assert!(one.is_some());

    api.call("PATCH", "/clusters/S", Some(json!({ "paused": true }))).await;
    api.idle().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "its port is closed");
    instance.stop();
    let instance = Instance::start_again(dir.path(), &sample.path).await;
    let api = Api::of(&instance).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it stays paused");
    api.call("PATCH", "/clusters/S", Some(json!({ "paused": false }))).await;
    let found = api.idle().await;
    let (flights, again) = api.driver(&found).await;
    assert_eq!(again, port);
    let count = flights.count_documents(doc! { "_id": { "$gte": "" } }).await.expect("a count");
    assert_eq!(count, 1, "its data and its settings are those of before");
    instance.stop();
}

/// The files of clusters below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let below = std::fs::read_dir(folder.join("clusters")).expect("a folder");
    let files = below.map(|entry| entry.expect("an entry").path().join("cluster.redb"));
    files.filter(|file| file.exists()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_keeps_its_cluster_down_and_no_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let sample = sample(400);
    let instance = Instance::start(dir.path(), &sample.path).await;
    let before = files(dir.path());
    let api = Api::of(&instance).await;
    api.call("POST", "/clusters", Some(json!({ "name": "S" }))).await;
    let (_, port) = api.driver(&api.idle().await).await;
    let all = files(dir.path());
    let file = all.iter().find(|file| !before.contains(file)).expect("its file");
    instance.stop();
    let mut bytes = std::fs::read(file).expect("read");
    bytes.truncate(bytes.len() / 2);
    std::fs::write(file, &bytes).expect("written");
    let instance = Instance::start_again(dir.path(), &sample.path).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "what is damaged is not served");
    assert_eq!(std::fs::read(file).expect("read"), bytes, "nor touched");
    let other = Client::with_uri_str(instance.cluster_uri()).await.expect("a client");
    let names = other.list_database_names().await.expect("the other cluster answers");
    assert!(!names.is_empty());
    instance.stop();
}
