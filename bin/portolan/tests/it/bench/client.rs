//! A small HTTP client that costs little, so that the server is what is measured: keep-alive connections,
//! requests one after the other on each, Digest answers as the Go client sends them.

use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

/// A request: method, path, body.
pub(super) type Request = (&'static str, String, Option<Value>);

/// How requests are authenticated.
#[derive(Clone)]
pub(super) enum Login {
    Bearer(String),
    Digest(Digest),
}

/// A key pair.
#[derive(Clone)]
pub(super) struct Digest {
    public: String,
    ha1: String,
}

impl Digest {
    pub(super) fn new(public: &str, private: &str) -> Self {
        let ha1 = md5(&format!("{public}:MMS Public API:{private}"));
        Self { public: public.to_owned(), ha1 }
    }

    fn answer(&self, challenge: &str, method: &str, path: &str) -> String {
        let nonce = challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
        let nonce = nonce.expect("a nonce");
        let ha2 = md5(&format!("{method}:{path}"));
        let response = md5(&format!("{}:{nonce}:00000001:0a4f113b:auth:{ha2}", self.ha1));
        format!(
            "Digest username=\"{}\", realm=\"MMS Public API\", nonce=\"{nonce}\", uri=\"{path}\", \
             response=\"{response}\", algorithm=\"MD5\", cnonce=\"0a4f113b\", qop=auth, nc=00000001",
            self.public
        )
    }
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

struct Connection {
    stream: BufStream<TcpStream>,
    login: Login,
}

impl Connection {
    async fn open(address: &str, login: Login) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        Self { stream: BufStream::new(stream), login }
    }

    /// One call, of two requests with Digest; the status.
    async fn call(&mut self, (method, path, body): &Request) -> u16 {
        let body = body.as_ref().map(ToString::to_string).unwrap_or_default();
        match self.login.clone() {
            Login::Bearer(token) => {
                self.send(method, path, &body, Some(&format!("Bearer {token}"))).await.0
            }
            Login::Digest(pair) => {
                let (status, challenge) = self.send(method, path, &body, None).await;
                assert_eq!(status, 401);
                let answer = pair.answer(&challenge, method, path);
                self.send(method, path, &body, Some(&answer)).await.0
            }
        }
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
        authorization: Option<&str>,
    ) -> (u16, String) {
        let authorization =
            authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\
             Accept: application/vnd.atlas.2025-03-12+json\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await.expect("sent");
        self.stream.flush().await.expect("sent");
        let (mut status, mut length, mut challenge) = (0, 0, String::new());
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.expect("a line");
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            let (name, value) = text.split_once(':').unwrap_or((text, ""));
            if status == 0 {
                status = text.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
            } else if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            } else if name.eq_ignore_ascii_case("www-authenticate") && challenge.is_empty() {
                challenge = value.trim().to_owned();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.expect("a body");
        (status, challenge)
    }
}

/// What was measured.
pub(super) struct Sample {
    /// Sorted, in milliseconds.
    pub(super) ms: Vec<f64>,
    seconds: f64,
    cpu_s: f64,
}

impl Sample {
    pub(super) fn rate(&self) -> f64 {
        self.ms.len() as f64 / self.seconds
    }

    /// Calls for each second of processor time that the server used.
    pub(super) fn per_core(&self) -> f64 {
        self.ms.len() as f64 / self.cpu_s.max(0.01)
    }
}

/// The value below which so many percent lie.
pub(super) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// Runs calls against one server.
#[derive(Clone)]
pub(super) struct Sampler {
    address: String,
    server: u32,
    status: u16,
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn now() -> Instant {
    Instant::now()
}

impl Sampler {
    pub(super) fn new(base_url: &str, server: u32) -> Self {
        Self { address: base_url.trim_start_matches("http://").to_owned(), server, status: 200 }
    }

    /// One whose calls must be answered with another status.
    pub(super) fn expecting(&self, status: u16) -> Self {
        Self { status, ..self.clone() }
    }

    /// Processor time of the server so far, in seconds (Linux counts in hundredths).
    pub(super) fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.server)).expect("stat");
        let fields: Vec<&str> =
            stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
        (ticks(11) + ticks(12)) / 100.0
    }

    /// As many calls as go, each connection one after the other.
    pub(super) async fn flat_out(
        &self,
        connections: usize,
        seconds: u64,
        login: &Login,
        request: impl Fn(usize) -> Request,
    ) -> Sample {
        self.run(connections, seconds, None, login, request).await
    }

    /// So many calls a second; a call's time counts from when it was due.
    pub(super) async fn paced(
        &self,
        connections: usize,
        seconds: u64,
        rate: u64,
        login: &Login,
        request: impl Fn(usize) -> Request,
    ) -> Sample {
        let gap = Duration::from_secs_f64(connections as f64 / rate as f64);
        self.run(connections, seconds, Some(gap), login, request).await
    }

    async fn run(
        &self,
        connections: usize,
        seconds: u64,
        gap: Option<Duration>,
        login: &Login,
        request: impl Fn(usize) -> Request,
    ) -> Sample {
        let (begin, cpu_before) = (now(), self.cpu_s());
        let end = begin + Duration::from_secs(seconds);
        let request = &request;
        let workers = (0..connections).map(|worker| async move {
            let mut connection = Connection::open(&self.address, login.clone()).await;
            let mut ms = Vec::new();
            for turn in 0_u32.. {
                let started = match gap {
                    Some(gap) => begin + gap * turn + gap * worker as u32 / connections as u32,
                    None => now(),
                };
                if started >= end {
                    break;
                }
                // A call that waits for the one before it on its connection counts from when it was due;
                // that our own timer is late does not count.
                let wait = started.saturating_duration_since(now());
                let late = wait.is_zero();
                portolan_runtime::Runtime::system().sleep_ms(wait.as_millis() as u64).await;
                let started = if late { started } else { now() };
                let number = turn as usize * connections + worker;
                let status = connection.call(&request(number)).await;
                assert_eq!(status, self.status);
                ms.push(now().duration_since(started).as_secs_f64() * 1e3);
            }
            ms
        });
        let mut ms: Vec<f64> = futures::future::join_all(workers).await.concat();
        ms.sort_by(f64::total_cmp);
        let seconds = now().duration_since(begin).as_secs_f64();
        Sample { ms, seconds, cpu_s: self.cpu_s() - cpu_before }
    }
}
