//! The world of a test: one instance, and callers that speak Digest or Bearer as clients do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use portolan_control::fake::FakeHost;
use portolan_control::{Bootstrapped, Control, Founding};
use portolan_model::Limits;
use portolan_runtime::{ManualClock, Runtime};
use portolan_security::KeyRing;
use portolan_store::Store;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tower::ServiceExt;

use super::declared;
use crate::{ApiMetrics, ApiSettings, ApiState, router};

/// The newest date that the tests' clients name: resources resolve downwards from it.
pub(super) const NEWEST: &str = "application/vnd.atlas.2025-03-12+json";
const NOW_MS: i64 = 1_786_330_966_000;

pub(super) struct World {
    pub(super) router: Router,
    pub(super) control: Control,
    pub(super) clock: Arc<ManualClock>,
    pub(super) founded: Bootstrapped,
    pub(super) host: Arc<FakeHost>,
    _dir: tempfile::TempDir,
}

/// How a caller proves who it is.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    Nobody,
    Key(String, String),
    Token(String),
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) json: Value,
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn code(&self) -> &str {
        self.json["errorCode"].as_str().unwrap_or_default()
    }

    /// Status and error code, for refusals.
    pub(super) fn refusal(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    pub(super) fn str(&self, pointer: &str) -> String {
        let found = self.json.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no {pointer} in {}", self.text)).to_owned()
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::build(42, |_| {}).await
    }

    /// A world whose settings differ from the usual ones.
    pub(super) async fn with(change: impl FnOnce(&mut ApiSettings)) -> Self {
        Self::build(42, change).await
    }

    /// Worlds of different seeds have different ids and keys.
    pub(super) async fn seeded(seed: u64) -> Self {
        Self::build(seed, |_| {}).await
    }

    async fn build(seed: u64, change: impl FnOnce(&mut ApiSettings)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (runtime, clock) = Runtime::manual(NOW_MS, seed);
        let url = portolan_store::scratch::url(dir.path()).await;
        let keys = KeyRing::new(&[7; 32], &[]);
        let store = Store::open(&url, keys, runtime.clone()).await.expect("a store");
        store.remember_reads().await.expect("tables");
        let host = Arc::new(FakeHost::default());
        let control = Control {
            store,
            runtime,
            limits: Arc::new(Limits::default()),
            clusters: host.clone(),
            archives: host.clone(),
            links: host.clone(),
            public_url: Arc::from("http://portolan.test"),
            turns: portolan_control::Turns::default(),
        };
        let founding =
            Founding { org_name: "First".into(), user_email: "Owner@example.org".into() };
        let founded = control.bootstrap(&founding).await.expect("the first organization");
        let mut registry = Registry::default();
        let metrics = ApiMetrics::register(&mut registry);
        // Tests ask more than a bucket holds, and their clock stands still.
        let mut settings = ApiSettings {
            body_bytes_max: 64 * 1024,
            rate_multiplier: 1_000.0,
            ..ApiSettings::new([9; 32])
        };
        change(&mut settings);
        let state = ApiState::new(control.clone(), settings, metrics, Arc::new(registry));
        Self { router: router(state), control, clock, founded, host, _dir: dir }
    }

    pub(super) fn org(&self) -> String {
        self.founded.org_id.to_string()
    }

    /// The key pair of the first organization's bootstrap.
    pub(super) fn owner(&self) -> Caller {
        let private = self.founded.private_key.expose().to_owned();
        Caller::Key(self.founded.public_key.clone(), private)
    }

    /// Sends one request, after a challenge where the caller holds a key.
    pub(super) async fn call(
        &self,
        caller: &Caller,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Answer {
        self.call_as(caller, method, target, body, NEWEST).await
    }

    pub(super) async fn call_as(
        &self,
        caller: &Caller,
        method: &str,
        target: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> Answer {
        let text = body.map(ToString::to_string).unwrap_or_default();
        let send = async |authorization: Option<String>| {
            let mut headers = vec![("accept", accept.to_owned())];
            if body.is_some() {
                headers.push(("content-type", "application/json".to_owned()));
            }
            headers.extend(authorization.map(|value| ("authorization", value)));
            self.send(method, target, &headers, text.clone().into_bytes()).await
        };
        match caller {
            Caller::Nobody => send(None).await,
            Caller::Token(token) => send(Some(format!("Bearer {token}"))).await,
            Caller::Key(public_key, private_key) => {
                let challenged = send(None).await;
                if challenged.status != 401 {
                    return challenged;
                }
                let nonce = nonce_of(challenged.header("www-authenticate"));
                let answer = digest_answer(public_key, private_key, &nonce, method, target);
                send(Some(answer)).await
            }
        }
    }

    pub(super) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Answer {
        let answer = send(self.router.clone(), method, target, headers, body).await;
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        declared::check(&method, target, &answer);
        answer
    }

    pub(super) async fn get(&self, caller: &Caller, path: &str) -> Answer {
        self.call(caller, "GET", &format!("/api/atlas/v2{path}"), None).await
    }

    pub(super) async fn post(&self, caller: &Caller, path: &str, body: Value) -> Answer {
        self.call(caller, "POST", &format!("/api/atlas/v2{path}"), Some(&body)).await
    }

    pub(super) async fn patch(&self, caller: &Caller, path: &str, body: Value) -> Answer {
        self.call(caller, "PATCH", &format!("/api/atlas/v2{path}"), Some(&body)).await
    }

    pub(super) async fn delete(&self, caller: &Caller, path: &str) -> Answer {
        self.call(caller, "DELETE", &format!("/api/atlas/v2{path}"), None).await
    }

    pub(super) async fn put(&self, caller: &Caller, path: &str, body: Value) -> Answer {
        self.call(caller, "PUT", &format!("/api/atlas/v2{path}"), Some(&body)).await
    }

    /// Accepts, for its owner, the invitation of this user name into the first organization.
    pub(super) async fn accept(&self, username: &str) -> Answer {
        let path = format!("/orgs/{}/invites", self.org());
        let all = self.get(&self.owner(), &format!("{path}?username={username}")).await;
        let id = all.expect(200).str("/0/id");
        let target = format!("/api/portolan/v1{path}/{id}:accept");
        self.call(&self.owner(), "POST", &target, None).await
    }

    /// A member of the first organization; its id.
    pub(super) async fn member(&self, username: &str, roles: &[&str]) -> String {
        let body = serde_json::json!({ "username": username, "roles": { "orgRoles": roles } });
        let path = format!("/orgs/{}/users", self.org());
        self.post(&self.owner(), &path, body).await.expect(201);
        self.accept(username).await.expect(200).str("/id")
    }

    /// The types of an organization's or a project's events, newest first.
    pub(super) async fn event_types(&self, path: &str) -> Vec<String> {
        let all = self.get(&self.owner(), &format!("{path}/events")).await.expect(200);
        let events = all.json["results"].as_array().expect("events").clone();
        let name = |event: &Value| event["eventTypeName"].as_str().map(str::to_owned);
        events.iter().filter_map(name).collect()
    }

    /// A key of an organization with these roles.
    pub(super) async fn key(&self, caller: &Caller, org: &str, roles: &[&str]) -> Caller {
        let body = serde_json::json!({ "desc": "test", "roles": roles });
        let made = self.post(caller, &format!("/orgs/{org}/apiKeys"), body).await.expect(200);
        Caller::Key(made.str("/publicKey"), made.str("/privateKey"))
    }

    /// A second organization, with a key that owns it.
    pub(super) async fn second_org(&self) -> (String, Caller) {
        let body = serde_json::json!({
            "name": "Second", "apiKey": { "desc": "owner", "roles": ["ORG_OWNER"] },
        });
        let made = self.post(&self.owner(), "/orgs", body).await.expect(201);
        let key = Caller::Key(made.str("/apiKey/publicKey"), made.str("/apiKey/privateKey"));
        (made.str("/organization/id"), key)
    }

    /// A project of the first organization.
    pub(super) async fn project(&self, name: &str) -> String {
        let body = serde_json::json!({ "name": name, "orgId": self.org() });
        self.post(&self.owner(), "/groups", body).await.expect(201).str("/id")
    }
}

/// Sends one request from loopback.
pub(super) async fn send(
    router: Router,
    method: &str,
    target: &str,
    headers: &[(&str, String)],
    body: Vec<u8>,
) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 4242));
    let request = request.extension(ConnectInfo(from)).body(Body::from(body));
    let request = request.expect("a request");
    let response = router.oneshot(request).await.expect("infallible");
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    let status = parts.status.as_u16();
    Answer { status, headers: parts.headers, text, json, bytes: bytes.to_vec() }
}

pub(super) fn nonce_of(challenge: &str) -> String {
    let start = challenge.find("nonce=\"").expect("a challenge") + 7;
    challenge[start..].split('"').next().expect("its end").to_owned()
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

/// As the Go client answers: a new nonce each time, the algorithm quoted.
pub(super) fn digest_answer(
    public_key: &str,
    private_key: &str,
    nonce: &str,
    method: &str,
    target: &str,
) -> String {
    let ha1 = md5(&format!("{public_key}:MMS Public API:{private_key}"));
    let ha2 = md5(&format!("{method}:{target}"));
    let response = md5(&format!("{ha1}:{nonce}:00000001:0a4f113b:auth:{ha2}"));
    format!(
        "Digest username=\"{public_key}\", realm=\"MMS Public API\", nonce=\"{nonce}\", \
         uri=\"{target}\", response=\"{response}\", algorithm=\"MD5\", cnonce=\"0a4f113b\", \
         qop=auth, nc=00000001"
    )
}
