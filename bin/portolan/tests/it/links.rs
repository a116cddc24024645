//! Two instances on loopback that are linked for live migrations, and the query log of one.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

const PORTOLAN: &str = env!("CARGO_BIN_EXE_portolan");
const ACCEPT: &str = "application/vnd.atlas.2025-03-12+json";

/// A `portolan serve` of its own, with its first organization.
struct Served {
    child: Child,
    url: String,
    org: String,
    token: String,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Served {
    /// `allowed`: what it may dial.
    async fn start(port_range: &str, allowed: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let listen = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let config = dir.path().join("portolan.toml");
        let data = dir.path().join("data");
        let content = format!(
            "dir = {data:?}\n[server]\nlisten = \"{listen}\"\n[endpoints]\nport_range = {port_range}\n\
             [clusters]\nallowed_networks = {allowed}\n[log]\nlevel = \"warn\"\n"
        );
        std::fs::write(&config, content).expect("written");
        let keys = bootstrap(&config);
        let child = Command::new(PORTOLAN)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .expect("started");
        let (url, http) = (format!("http://{listen}"), reqwest::Client::new());
        let token = log_in(&http, &url, &keys).await;
        let org = keys["orgId"].as_str().expect("an id").to_owned();
        Self { child, url, org, token, http, _dir: dir }
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.url));
        let mut request = request.bearer_auth(&self.token).header("accept", ACCEPT);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn bootstrap(config: &Path) -> Value {
    let output = Command::new(PORTOLAN)
        .args(["bootstrap", "--org", "Acme", "--user", "owner@example.com", "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .expect("started");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

async fn log_in(http: &reqwest::Client, url: &str, keys: &Value) -> String {
    let text = |name: &str| keys[name].as_str().expect("a text").to_owned();
    for _ in 0..200 {
        let answer = http
            .post(format!("{url}/api/oauth/token"))
            .basic_auth(text("clientId"), Some(text("clientSecret")))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .send()
            .await;
        if let Ok(answer) = answer {
            let body: Value = answer.json().await.expect("JSON");
            return body["access_token"].as_str().expect("a token").to_owned();
        }
        portolan_runtime::Runtime::system().sleep_ms(100).await;
    }
    panic!("the instance does not come up");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_registers_itself_at_another() {
    let destination = Served::start("[31900, 31909]", "[]").await;
    let source = Served::start("[31910, 31919]", "[\"127.0.0.0/8\"]").await;
    let project = json!({ "name": "Old", "orgId": source.org });
    let (status, project) = source.call("POST", "/api/atlas/v2/groups", Some(project)).await;
    assert_eq!(status, 201, "{project}");
    let tokens = format!("/api/atlas/v2/orgs/{}/liveMigrations/linkTokens", destination.org);
    let (status, made) = destination.call("POST", &tokens, Some(json!({}))).await;
    assert_eq!(status, 201, "{made}");
    let body = || Some(json!({ "linkToken": made["linkToken"] }));
    let link = format!("/api/public/v1.0/orgs/{}/liveExport/migrationLink", source.org);
    let linked = source.call("POST", &link, body()).await;
    assert_eq!(linked, (201, json!({ "status": "SYNCED" })));
    let status = source.call("GET", &format!("{link}/status"), None).await;
    assert_eq!(status, (200, json!({ "status": "SYNCED" })));
    let available =
        format!("/api/atlas/v2/orgs/{}/liveMigrations/availableProjects", destination.org);
    let (_, projects) = destination.call("GET", &available, None).await;
    assert_eq!(projects[0]["projectId"], project["id"]);
    let host = source.url.trim_start_matches("http://");
    assert_eq!(projects[0]["migrationHosts"], json!([host]));
    let own = format!("/api/public/v1.0/orgs/{}/liveExport/migrationLink", destination.org);
    let (status, refused) = destination.call("POST", &own, body()).await;
    assert_eq!(status, 400, "an instance that may not dial loopback does not: {refused}");
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("not dialled")));
    assert_eq!(source.call("DELETE", &link, None).await.0, 204);
    let (_, projects) = destination.call("GET", &available, None).await;
    assert_eq!(projects, json!([]));
}

/// The log of a quickstart's endpoints, as clients download it.
#[tokio::test(flavor = "multi_thread")]
async fn queries_on_endpoints_can_be_downloaded() {
    let dir = tempfile::tempdir().expect("a folder");
    let sample = crate::support::sample(400);
    let instance = crate::support::Instance::start(dir.path(), &sample.path).await;
    let documents = instance.documents().await;
    let text = std::fs::read_to_string(dir.path().join("quickstart.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    let http = reqwest::Client::new();
    let url = summary["baseUrl"].as_str().expect("a URL");
    let token = log_in(&http, url, &summary).await;
    let path = format!(
        "{url}/api/atlas/v2/groups/{}/clusters/{}/onlineArchives/queryLogs.gz",
        summary["groupId"].as_str().expect("an id"),
        summary["clusterName"].as_str().expect("a name"),
    );
    let mut found = Vec::new();
    for _ in 0..100 {
        let request = http.get(&path).bearer_auth(&token);
        let request = request.header("accept", ACCEPT.replace("json", "gzip"));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let bytes = answer.bytes().await.expect("a body");
        let file = std::io::read_to_string(flate2::read::GzDecoder::new(&bytes[..]));
        let lines = file.expect("a whole gzip file");
        found = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let finds = |only: bool| {
            let mut all = found.iter().filter(|line: &&Value| line["command"] == "find");
            all.any(|line| line["archiveOnly"] == only)
        };
        if finds(true) && finds(false) {
            break;
        }
        portolan_runtime::Runtime::system().sleep_ms(100).await;
    }
    let of = |only: bool| {
        let is = |line: &&Value| line["command"] == "find" && line["archiveOnly"] == only;
        found.iter().rfind(is).expect("a find").clone()
    };
    let (archive, union) = (of(true), of(false));
    assert_eq!(archive["documents"], documents.archive.len());
    assert_eq!(union["documents"], documents.union_count);
    assert_eq!(
        (&archive["db"], &archive["collection"], &archive["ok"]),
        (&json!("sample_flights"), &json!("flights"), &json!(1))
    );
    assert!(archive["bytesProcessed"].as_i64().is_some_and(|bytes| bytes > 0));
    instance.stop();
}
