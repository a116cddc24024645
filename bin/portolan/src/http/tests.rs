//! Limits of the HTTP listener on real sockets: what slow, greedy and broken clients get.

use axum::routing::get;
use portolan_admin_api::{ApiMetrics, ApiSettings, ApiState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::config::Config;
use crate::host::Host;
use crate::instance;
use crate::locations::Locations;

/// Longer than any timeout of these tests, for a busy machine.
const PATIENCE_MS: u64 = 15_000;
/// What hyper takes by itself.
const HEADERS_MAX: usize = 100;
const GREETING: &str = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";

fn short() -> HttpLimits {
    HttpLimits {
        connections_max: 10,
        connections_per_address_max: 10,
        head_timeout_ms: 800,
        write_timeout_ms: 300,
    }
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(router: Router, limits: HttpLimits) -> Running {
    serve_with(router, limits, None).await
}

async fn serve_with(router: Router, limits: HttpLimits, tls: Option<Arc<ServerConfig>>) -> Running {
    let runtime = Runtime::system();
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0)), "--listen").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let trusted_proxies = Vec::new();
    let server = Server { router, tls, limits, trusted_proxies, runtime: runtime.clone() };
    runtime.spawn("test server", server.serve(listener, stop.clone()));
    Running { address, stop }
}

/// Two routes: a short answer, and one that no socket buffer holds.
fn router() -> Router {
    let large = || async { vec![0_u8; 64 << 20] };
    Router::new().route("/hello", get(|| async { "hello" })).route("/large", get(large))
}

struct Client(TcpStream);

impl Client {
    async fn connect(server: &Running) -> Self {
        Self(TcpStream::connect(server.address).await.expect("connected"))
    }

    async fn send(&mut self, text: &str) {
        // The server may have closed already, which is what some tests are about.
        self.0.write_all(text.as_bytes()).await.ok();
    }

    /// Everything until the server closes the connection.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let runtime = Runtime::system();
        let read = runtime.timeout_ms(PATIENCE_MS, self.0.read_to_end(&mut bytes)).await;
        assert!(read.is_ok(), "the connection is still open");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// One answer with a body of five bytes, the connection left open.
    async fn hello(&mut self) {
        self.send(GREETING).await;
        let mut seen = String::new();
        while !seen.ends_with("hello") {
            let mut byte = [0];
            let read = self.0.read_exact(&mut byte);
            let read = Runtime::system().timeout_ms(PATIENCE_MS, read).await.expect("in time");
            read.expect("an answer");
            seen.push(char::from(byte[0]));
        }
        assert!(seen.starts_with("HTTP/1.1 200 OK"), "{seen}");
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let server = serve(router(), short()).await;
    let mut silent = Client::connect(&server).await;
    assert_eq!(silent.rest().await, "");
    let (mut reader, mut writer) = Client::connect(&server).await.0.into_split();
    let runtime = Runtime::system();
    let drip = async {
        for byte in &GREETING.as_bytes()[..30] {
            writer.write_all(&[*byte]).await.ok();
            runtime.sleep_ms(100).await;
        }
    };
    let mut bytes = Vec::new();
    // Three seconds of dripping: what ends the connection before is the time of the whole head.
    let ended = runtime.timeout_ms(2_500, reader.read_to_end(&mut bytes));
    let ((), ended) = tokio::join!(drip, ended);
    assert!(ended.is_ok(), "the connection is still open");
    Client::connect(&server).await.hello().await;
}

#[tokio::test]
async fn a_handshake_that_drips_is_cut_off() {
    crate::tls::install_provider();
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/wire/testdata");
    let files = config::Tls {
        cert_file: folder.join("localhost.pem"),
        key_file: folder.join("localhost-key.pem"),
    };
    let tls = crate::tls::server_config(&files).expect("a certificate");
    let server = serve_with(router(), short(), Some(tls)).await;
    for start in ["", "\x16\x03\x01\x02\x00\x01"] {
        let mut client = Client::connect(&server).await;
        client.send(start).await;
        client.rest().await;
    }
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let server = serve(router(), short()).await;
    let mut client = Client::connect(&server).await;
    client.hello().await;
    client.hello().await;
    assert_eq!(client.rest().await, "");
}

/// A head that is larger than the limit is not read to its end, so the kernel may reset the connection
/// before the client has seen the answer.
#[tokio::test]
async fn a_large_head_is_refused() {
    let server = serve(router(), short()).await;
    let long = "x".repeat(HEAD_BYTES_MAX);
    for (head, status) in [
        (format!("GET /hello HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"), "431"),
        (format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), "4"),
    ] {
        let mut client = Client::connect(&server).await;
        client.send(&head).await;
        let answer = client.rest().await;
        let refusal = format!("HTTP/1.1 {status}");
        assert!(answer.is_empty() || answer.starts_with(&refusal), "{answer:?}");
    }
    let most = "x".repeat(HEAD_BYTES_MAX - 200);
    let mut client = Client::connect(&server).await;
    client.send(&format!("GET /hello HTTP/1.1\r\nconnection: close\r\nx: {most}\r\n\r\n")).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let server = serve(router(), short()).await;
    let head = |count: usize| {
        let headers: String = (0..count).map(|at| format!("x-{at}: 1\r\n")).collect();
        format!("GET /hello HTTP/1.1\r\nconnection: close\r\n{headers}\r\n")
    };
    let mut few = Client::connect(&server).await;
    few.send(&head(HEADERS_MAX - 1)).await;
    assert!(few.rest().await.starts_with("HTTP/1.1 200 "));
    let mut many = Client::connect(&server).await;
    many.send(&head(HEADERS_MAX + 1)).await;
    assert!(many.rest().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    let limits = HttpLimits { connections_max: 2, head_timeout_ms: 60_000, ..short() };
    let server = serve(router(), limits).await;
    let mut first = Client::connect(&server).await;
    let mut second = Client::connect(&server).await;
    first.hello().await;
    second.hello().await;
    let mut third = Client::connect(&server).await;
    let answer = third.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1"));
    drop(first);
    for _ in 0..100 {
        let mut next = Client::connect(&server).await;
        next.send("GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        if next.rest().await.starts_with("HTTP/1.1 200 ") {
            return;
        }
        Runtime::system().sleep_ms(20).await;
    }
    panic!("a place that was given back is not given again");
}

/// One machine that opens connections and sends nothing leaves places for others.
#[tokio::test]
async fn one_address_does_not_hold_the_server() {
    let limits = HttpLimits { connections_per_address_max: 3, head_timeout_ms: 60_000, ..short() };
    let server = serve(router(), limits).await;
    let address = server.address;
    let from = |host: u8| async move {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).expect("bound");
        Client(socket.connect(address).await.expect("connected"))
    };
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(from(2).await);
    }
    assert!(from(2).await.rest().await.starts_with("HTTP/1.1 503 "));
    from(3).await.hello().await;
    silent[0].hello().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_place() {
    let limits = HttpLimits { connections_max: 1, head_timeout_ms: 60_000, ..short() };
    let server = serve(router(), limits).await;
    let mut greedy = Client::connect(&server).await;
    greedy.send("GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
    for _ in 0..100 {
        Runtime::system().sleep_ms(50).await;
        let mut next = Client::connect(&server).await;
        next.send("GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        if next.rest().await.starts_with("HTTP/1.1 200 ") {
            return;
        }
    }
    panic!("the client still holds its connection");
}

#[tokio::test]
async fn nonsense_is_answered_and_the_server_goes_on() {
    let server = serve(router(), short()).await;
    for bytes in [
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7f\x03\x03",
        "GET /hello HTTP/9.9\r\n\r\n",
        "GET  /hello\r\n\r\n",
        "GET /hello HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "GET /hello HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        "POST /hello HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nZZZ\r\n",
    ] {
        let mut client = Client::connect(&server).await;
        client.send(bytes).await;
        let answer = client.rest().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{bytes:?}: {answer}");
    }
    Client::connect(&server).await.hello().await;
}

/// The API itself, with a short patience for bodies.
async fn api(dir: &std::path::Path) -> Router {
    let config = Config { dir: dir.to_owned(), ..Config::default() };
    let runtime = Runtime::system();
    let store = instance::open_store(&config, &runtime).await.expect("a store");
    let locations = Locations::open(&config).expect("locations");
    let stop = CancellationToken::new();
    let host = Host::new(&config, store.clone(), locations, runtime.clone(), stop, 0);
    let control = instance::control(&store, &runtime, &host.expect("a host"), "http://127.0.0.1");
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = ApiMetrics::register(&mut registry);
    let settings =
        ApiSettings { body_bytes_max: 1_000, body_timeout_ms: 300, ..ApiSettings::new([1; 32]) };
    portolan_admin_api::router(ApiState::new(control, settings, metrics, Arc::new(registry)))
}

#[tokio::test]
async fn bodies_that_drip_break_off_or_never_end_hold_nothing() {
    crate::tls::install_provider();
    let dir = tempfile::tempdir().expect("a folder");
    let limits = HttpLimits { head_timeout_ms: 2_000, ..short() };
    let server = serve(api(dir.path()).await, limits).await;
    for path in ["/api/atlas/v2/groups", "/api/oauth/token", "/api/oauth/revoke"] {
        let head = |length: &str| format!("POST {path} HTTP/1.1\r\nhost: a\r\n{length}\r\n\r\n");
        let mut slow = Client::connect(&server).await;
        slow.send(&head("content-length: 10")).await;
        slow.send("{").await;
        let answer = slow.rest().await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
        assert!(answer.contains("connection: close"), "{path}: {answer}");
        let mut large = Client::connect(&server).await;
        large.send(&head("content-length: 2000")).await;
        large.send(&" ".repeat(2_000)).await;
        let answer = large.rest().await;
        assert!(answer.starts_with("HTTP/1.1 413 ") || path.contains("oauth"), "{path}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        let mut endless = Client::connect(&server).await;
        endless.send(&head("transfer-encoding: chunked")).await;
        for _ in 0..20 {
            endless.send("64\r\n").await;
            endless.send(&" ".repeat(100)).await;
            endless.send("\r\n").await;
        }
        let answer = endless.rest().await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
}
