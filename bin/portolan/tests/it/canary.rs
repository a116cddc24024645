//! Known secrets go into a running instance; afterwards none of them stands in anything that it gave out
//! or wrote: answers other than the one that makes the secret, errors, logs at the finest level, metrics,
//! events, audit rows, the database's files, a backup, what the commands print.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mongodb::Client;
use portolan_admin_api::operations;
use reqwest::Method;
use serde_json::{Value, json};

use crate::served::{Api, Setting, text, with_login};

const PASSWORD: &str = "canary-password-5pQ";
const SECOND_PASSWORD: &str = "canary-second-password-8rT";
const URI_PASSWORD: &str = "canary-uri-password-2wX";
const WRONG_SECRET: &str = "canary-wrong-secret-7yZ";

/// What must not be found, and what was given out.
#[derive(Default)]
struct Watch {
    secrets: Vec<(String, String)>,
    outputs: Vec<(String, Vec<u8>)>,
}

impl Watch {
    fn secret(&mut self, name: &str, value: &str) {
        assert!(value.len() >= 12, "{name} is too short to look for");
        self.secrets.push((name.to_owned(), value.to_owned()));
        self.secrets.push((format!("{name} in base64"), STANDARD.encode(value)));
        self.secrets.push((format!("{name} in hexadecimal"), hex::encode(value)));
    }

    fn output(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.outputs.push((name.into(), bytes.into()));
    }

    fn check(&self) {
        for (output, bytes) in &self.outputs {
            for (secret, value) in &self.secrets {
                let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
                assert!(!found, "{secret} stands in {output}");
            }
        }
    }
}

/// Asks and keeps the answer, whatever it is.
async fn ask(
    watch: &mut Watch,
    api: &Api,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Value {
    let (status, answer) = api.call(method.clone(), path, body).await;
    watch.output(format!("{method} {path} ({status})"), answer.to_string());
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_leaves_by_any_way() {
    let dir = tempfile::tempdir().expect("a folder");
    let home = dir.path().join("home");
    let log = "[log]\nlevel = \"trace\"\nformat = \"json\"\n";
    let here = Setting::write(&home, "127.0.0.1", (29_660, 29_669), log);
    let mut watch = Watch::default();
    let founded = here.bootstrap();
    let (public, private) = (text(&founded, "publicKey"), text(&founded, "privateKey"));
    watch.secret("the private key", &private);
    watch.secret("the client secret", &text(&founded, "clientSecret"));
    watch.secret("a wrong secret", WRONG_SECRET);
    let process = here.serve(&[]).await;
    let api = here.api(&founded).await;
    watch.secret("the access token", &api.token);
    let org = text(&founded, "orgId");
    let group = api.project(&founded).await;
    make_secrets(&mut watch, &api, &org, &group).await;
    let uri = api.sandbox(&group, "Box").await;
    log_in(&uri).await;
    misuse(&mut watch, &here, &api, &org, &group).await;
    read_everything(&mut watch, &api, &org, &group).await;
    let metrics = reqwest::get(format!("{}/metrics", here.base_url)).await.expect("metrics");
    watch.output("the metrics", metrics.text().await.expect("text"));
    let file = dir.path().join("copy.backup");
    here.run(&["backup", "--to", file.to_str().expect("UTF-8")]).expect("a backup");
    let copy = zstd::decode_all(std::fs::File::open(&file).expect("it")).expect("zstd");
    let contains = |bytes: &[u8], text: &str| {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(contains(&copy, &public) && contains(&copy, "\"audit\""), "the search finds things");
    watch.output("the backup", copy);
    for command in ["audit", "check-config", "rotate-key"] {
        let printed = here.run(&[command]).expect("it runs beside the server").to_string();
        assert!(command != "audit" || printed.contains("createGroupDatabaseUser"), "{printed}");
        watch.output(format!("portolan {command}"), printed);
    }
    process.stop().await;
    files(&mut watch, &home);
    let log = watch.outputs.iter().find(|(name, _)| name.ends_with("serve.log")).expect("a log");
    assert!(contains(&log.1, "TRACE"), "the log is at its finest level");
    watch.check();
}

/// Makes one secret of each kind. The answer that makes it is the one that may show it.
async fn make_secrets(watch: &mut Watch, api: &Api, org: &str, group: &str) {
    let body = json!({ "desc": "a key", "roles": ["ORG_OWNER"] });
    let made = api.post(&format!("atlas/v2/orgs/{org}/apiKeys"), &body).await;
    watch.secret("a new private key", &text(&made, "privateKey"));
    let body = json!({
        "name": "robot", "description": "d", "roles": ["ORG_READ_ONLY"],
        "secretExpiresAfterHours": 8,
    });
    let made = api.post(&format!("atlas/v2/orgs/{org}/serviceAccounts"), &body).await;
    watch.secret("a new client secret", made["secrets"][0]["secret"].as_str().expect("a secret"));
    let path = format!("atlas/v2/orgs/{org}/serviceAccounts/{}/secrets", text(&made, "clientId"));
    let made = api.post(&path, &json!({ "secretExpiresAfterHours": 8 })).await;
    watch.secret("a second client secret", &text(&made, "secret"));
    let path = format!("atlas/v2/orgs/{org}/liveMigrations/linkTokens");
    let made = api.post(&path, &json!({ "accessListIps": ["192.0.2.1"] })).await;
    let link = text(&made, "linkToken");
    let inside = URL_SAFE_NO_PAD.decode(link.trim_end_matches('=')).expect("base64");
    let inside: Value = serde_json::from_slice(&inside).expect("JSON");
    watch.secret("the link token", &link);
    watch.secret("the link's private key", &text(&inside, "privateKey"));
    let users = format!("atlas/v2/groups/{group}/databaseUsers");
    let roles = json!([{ "databaseName": "admin", "roleName": "readAnyDatabase" }]);
    let body = json!({
        "databaseName": "admin", "username": "watched", "password": PASSWORD, "roles": roles,
    });
    watch.secret("a password", PASSWORD);
    watch.secret("a changed password", SECOND_PASSWORD);
    ask(watch, api, Method::POST, &users, Some(&body)).await;
    let body = json!({ "password": SECOND_PASSWORD });
    ask(watch, api, Method::PATCH, &format!("{users}/admin/watched"), Some(&body)).await;
}

/// Logs in to a cluster with the right password and a wrong one.
async fn log_in(uri: &str) {
    let right = with_login(uri, "watched", SECOND_PASSWORD);
    let wrong = with_login(uri, "watched", WRONG_SECRET);
    let client = Client::with_uri_str(&right).await.expect("a client");
    client.list_database_names().await.expect("logged in");
    let client = Client::with_uri_str(&wrong).await.expect("a client");
    client.list_database_names().await.expect_err("a wrong password");
}

/// Secrets where they do not belong: in bad bodies, wrong credentials, refused connection strings.
async fn misuse(watch: &mut Watch, here: &Setting, api: &Api, org: &str, group: &str) {
    watch.secret("the password of a connection string", URI_PASSWORD);
    let attach = format!("portolan/v1/groups/{group}/clusters:attach");
    for host in ["127.0.0.1:9", "no such host", "169.254.169.254:80"] {
        let uri = format!("mongodb://root:{URI_PASSWORD}@{host}/?serverSelectionTimeoutMS=500");
        let body = json!({ "name": "Live", "connectionString": uri });
        ask(watch, api, Method::POST, &attach, Some(&body)).await;
    }
    let users = format!("atlas/v2/groups/{group}/databaseUsers");
    for body in [
        json!({ "password": PASSWORD }),
        json!({ "password": PASSWORD, "unknown": 1 }),
        json!({ "password": [PASSWORD], "username": "x", "databaseName": "admin", "roles": [] }),
        json!({ "password": { "value": PASSWORD } }),
    ] {
        ask(watch, api, Method::POST, &users, Some(&body)).await;
    }
    let http = reqwest::Client::new();
    for body in
        [format!("{{\"password\": \"{PASSWORD}"), format!("{{\"a\": 1, \"a\": \"{PASSWORD}\"}}")]
    {
        let request = http.post(format!("{}/api/{users}", here.base_url)).bearer_auth(&api.token);
        let answer = request.header("Content-Type", "application/json").body(body).send().await;
        watch
            .output("the answer to a broken body", answer.expect("it").text().await.expect("text"));
    }
    for authorization in [
        format!("Bearer {WRONG_SECRET}"),
        format!("Basic {}", STANDARD.encode(format!("a:{WRONG_SECRET}"))),
        format!("Digest username=\"{WRONG_SECRET}\", response=\"{WRONG_SECRET}\""),
        WRONG_SECRET.to_owned(),
    ] {
        let request = http.get(format!("{}/api/atlas/v2/orgs/{org}", here.base_url));
        let answer = request.header("Authorization", authorization).send().await.expect("it");
        watch.output("the answer to a wrong credential", format!("{answer:?}"));
        watch.output("its body", answer.text().await.expect("text"));
    }
    let token = http.post(format!("{}/api/oauth/token", here.base_url));
    let token = token.basic_auth("mdb_sa_id_0123456789abcdef01234567", Some(WRONG_SECRET));
    let token = token.header("Content-Type", "application/x-www-form-urlencoded");
    let answer = token.body("grant_type=client_credentials").send().await.expect("it");
    watch.output("the answer to a wrong client", answer.text().await.expect("text"));
}

/// Every reading operation that the router has.
async fn read_everything(watch: &mut Watch, api: &Api, org: &str, group: &str) {
    for operation in operations().into_iter().filter(|operation| operation.method == "GET") {
        let path = operation.path.trim_start_matches("/api/");
        let path = path.replace("{orgId}", org).replace("{groupId}", group);
        let path = path.replace("{clusterName}", "Box").replace("{username}", "watched");
        let path = path.replace("{databaseName}", "admin");
        let path: Vec<String> = path
            .split('/')
            .map(|part| match part.find('{') {
                Some(at) => format!("{}0123456789abcdef01234567", &part[..at]),
                None => part.to_owned(),
            })
            .collect();
        ask(watch, api, Method::GET, &path.join("/"), None).await;
    }
}

/// Every file of the instance but the master key.
fn files(watch: &mut Watch, folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(watch, &path);
        } else if !path.ends_with("master.key") {
            watch.output(path.display().to_string(), std::fs::read(&path).expect("a file"));
        }
    }
}
