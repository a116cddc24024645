//! A real `portolan serve` or `worker` from a configuration, and a client of its API, for tests.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use portolan_runtime::Runtime;
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) const PORTOLAN: &str = env!("CARGO_BIN_EXE_portolan");
const ACCEPT: &str = "application/vnd.atlas.2025-03-12+json";

/// A port that was free a moment ago.
pub(crate) fn free_port(ip: &str) -> u16 {
    TcpListener::bind((ip, 0)).expect("bound").local_addr().expect("an address").port()
}

/// Where and how an instance runs.
pub(crate) struct Setting {
    pub(crate) dir: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) base_url: String,
}

impl Setting {
    /// A configuration in `dir` that listens on `ip`; `more` is TOML.
    pub(crate) fn write(dir: &Path, ip: &str, ports: (u16, u16), more: &str) -> Self {
        std::fs::create_dir_all(dir).expect("a folder");
        let port = free_port(ip);
        let text = format!(
            "dir = {dir:?}\n{more}\n[server]\nlisten = \"{ip}:{port}\"\n\
             [endpoints]\nbind = \"{ip}\"\nadvertised_host = \"{ip}\"\nport_range = [{}, {}]\n\
             [clusters]\nallowed_networks = [\"127.0.0.0/8\"]\n",
            ports.0, ports.1
        );
        let config = dir.join("portolan.toml");
        std::fs::write(&config, text).expect("written");
        let base_url = format!("http://{ip}:{port}");
        Self { dir: dir.to_owned(), config, base_url }
    }

    /// Runs a command to its end; its standard output as JSON.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Value, String> {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Value, String> {
        let mut command = Command::new(PORTOLAN);
        command.args(arguments).arg("--config").arg(&self.config).stdin(Stdio::null());
        command.env("PORTOLAN__LOG__LEVEL", "warn").envs(environment.iter().copied());
        let output = command.output().expect("started");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Makes the first organization.
    pub(crate) fn bootstrap(&self) -> Value {
        self.bootstrap_with(&[])
    }

    /// The same where the configuration names variables that hold secrets.
    pub(crate) fn bootstrap_with(&self, environment: &[(&str, &str)]) -> Value {
        let arguments = ["bootstrap", "--org", "Acme", "--user", "owner@example.com"];
        self.run_with(&arguments, environment).expect("founded")
    }

    /// Starts `serve` or `worker`; its log goes to a file in the folder.
    pub(crate) fn start(&self, command: &str, environment: &[(&str, &str)]) -> Process {
        let log = self.dir.join(format!("{command}.log"));
        let file = File::options().create(true).append(true).open(&log).expect("a log");
        let mut process = Command::new(PORTOLAN);
        process.arg(command).arg("--config").arg(&self.config).stdin(Stdio::null());
        process.stdout(Stdio::null()).stderr(file).envs(environment.iter().copied());
        Process { child: process.spawn().expect("started"), log }
    }

    /// Starts `serve` and waits until it answers.
    pub(crate) async fn serve(&self, environment: &[(&str, &str)]) -> Process {
        let mut process = self.start("serve", environment);
        let ready = format!("{}/readyz", self.base_url);
        for _ in 0..300 {
            process.assert_running();
            if reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success()) {
                return process;
            }
            pause().await;
        }
        panic!("{ready} did not answer: {}", process.log());
    }

    /// A client of this instance as the service account that `founded` names.
    pub(crate) async fn api(&self, founded: &Value) -> Api {
        let http = reqwest::Client::new();
        let answer = http
            .post(format!("{}/api/oauth/token", self.base_url))
            .basic_auth(text(founded, "clientId"), Some(text(founded, "clientSecret")))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .send()
            .await
            .expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        Api { http, base_url: self.base_url.clone(), token: text(&answer, "access_token") }
    }
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn assert_running(&mut self) {
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none(), "ended with {ended:?}: {}", self.log());
    }

    /// `kill -9`: nothing in it runs any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Returns when a fault plan has ended it.
    pub(crate) async fn dies(mut self, context: &str) {
        for _ in 0..900 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert_eq!(status.code(), Some(137), "{context}: {}", self.log());
                return;
            }
            pause().await;
        }
        panic!("{context}: still alive: {}", self.log());
    }

    /// SIGTERM; it must end with status 0 within ten seconds.
    pub(crate) async fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill");
        for _ in 0..100 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert!(status.success(), "ended with {status}: {}", self.log());
                return;
            }
            pause().await;
        }
        panic!("still there ten seconds after SIGTERM: {}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An authenticated client.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base_url: String,
    pub(crate) token: String,
}

impl Api {
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let url = format!("{}/api/{path}", self.base_url);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        request = request.header("Accept", ACCEPT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Asks for something of a process that may die before it answers.
    pub(crate) async fn tell(&self, method: Method, path: &str, body: &Value) {
        let url = format!("{}/api/{path}", self.base_url);
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let request = request.header("Accept", ACCEPT).json(body);
        let Ok(answer) = request.send().await else { return };
        let status = answer.status();
        let said = answer.text().await;
        assert!(status.is_success(), "{path}: {status} {said:?}");
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// A project; its id.
    pub(crate) async fn project(&self, founded: &Value) -> String {
        let body = json!({ "name": "P", "orgId": text(founded, "orgId") });
        text(&self.post("atlas/v2/groups", &body).await, "id")
    }

    /// A sandbox cluster with a database user, once it is ready; its connection string.
    pub(crate) async fn sandbox(&self, group: &str, name: &str) -> String {
        let specs = json!({ "instanceSize": "M10", "nodeCount": 3 });
        let region = json!({
            "providerName": "AWS", "regionName": "US_EAST_1", "priority": 7,
            "electableSpecs": specs,
        });
        let body = json!({
            "name": name, "clusterType": "REPLICASET",
            "replicationSpecs": [{ "regionConfigs": [region] }],
        });
        let clusters = format!("atlas/v2/groups/{group}/clusters");
        self.post(&clusters, &body).await;
        let user = format!("user{}", name.to_lowercase());
        let body = json!({
            "databaseName": "admin", "username": user, "password": "correct-horse-9",
            "roles": [{ "databaseName": "admin", "roleName": "atlasAdmin" }],
        });
        self.post(&format!("atlas/v2/groups/{group}/databaseUsers"), &body).await;
        let path = format!("{clusters}/{name}");
        until("the cluster", 30, async || {
            (self.get(&path).await["stateName"] == "IDLE").then_some(())
        })
        .await;
        let strings = format!("portolan/v1/groups/{group}/clusters/{name}/connectionStrings");
        let plain = text(&self.get(&strings).await, "cluster");
        with_login(&plain, &user, "correct-horse-9")
    }
}

/// A connection string with this login instead of its placeholder.
pub(crate) fn with_login(uri: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = uri.split_once("://").expect("a scheme");
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{user}:{password}@{host}")
}

/// A text of an answer.
pub(crate) fn text(value: &Value, key: &str) -> String {
    let found = value[key].as_str();
    found.unwrap_or_else(|| panic!("no {key} in {value}")).to_owned()
}

/// Looks until there is something, at most so many seconds.
pub(crate) async fn until<T>(
    what: &str,
    timeout_s: u64,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    for _ in 0..timeout_s * 10 {
        if let Some(found) = look().await {
            return found;
        }
        pause().await;
    }
    panic!("{what} was not there after {timeout_s} s");
}

pub(crate) async fn pause() {
    Runtime::system().sleep_ms(100).await;
}
