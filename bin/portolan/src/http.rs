//! The HTTP listener: plain or TLS, with a limit on how long a client may take, and a clean end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use portolan_runtime::Runtime;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A client that takes longer to send its request's head is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// A client that takes longer for the TLS handshake is cut off.
const HANDSHAKE_TIMEOUT_MS: u64 = 10_000;
/// Requests under way when the server is told to stop have so long to end.
const DRAIN_MS: u64 = 5_000;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Binds, with an error that names the address and the remedy.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another address with --listen or server.listen")
    })
}

/// Serves until `stop`, then lets requests under way end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<ServerConfig>>,
    runtime: Runtime,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection =
                    Connection { peer, router: router.clone(), runtime: runtime.clone() };
                connection.spawn(stream, acceptor.clone(), &graceful);
            }
            Err(error) => {
                // Out of file handles, most likely: others must end first.
                tracing::warn!(%error, "cannot accept a connection");
                runtime.sleep_ms(100).await;
            }
        }
    }
    drop(listener);
    if runtime.timeout_ms(DRAIN_MS, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way {DRAIN_MS} ms after the stop");
    }
}

struct Connection {
    peer: SocketAddr,
    router: Router,
    runtime: Runtime,
}

impl Connection {
    fn spawn(self, stream: TcpStream, tls: Option<TlsAcceptor>, graceful: &GracefulShutdown) {
        stream.set_nodelay(true).ok();
        let watcher = graceful.watcher();
        let runtime = self.runtime.clone();
        runtime.spawn("http connection", async move {
            let Some(tls) = tls else { return self.run(TokioIo::new(stream), watcher).await };
            let handshake = self.runtime.timeout_ms(HANDSHAKE_TIMEOUT_MS, tls.accept(stream)).await;
            if let Ok(Ok(stream)) = handshake {
                self.run(TokioIo::new(stream), watcher).await;
            }
        });
    }

    async fn run<I>(self, io: I, watcher: hyper_util::server::graceful::Watcher)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let service = self.router.layer(axum::Extension(ConnectInfo(self.peer)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(io, TowerToHyperService::new(service));
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(peer = %self.peer, %error, "a connection ended early");
        }
    }
}
