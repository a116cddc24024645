//! The HTTP listener: plain or TLS, with limits that keep slow and greedy clients from holding it, and a
//! clean end. What is not here: limits of bodies and rates, which `admin-api` keeps.

mod places;
mod write_limit;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use portolan_runtime::Runtime;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config;
use places::{Place, Places};
use write_limit::WriteLimit;

/// Requests under way when the server is told to stop have so long to end.
const DRAIN_MS: u64 = 5_000;
/// Bytes of a request's head. (Its headers are at most 100: so many hyper takes by itself, and a number of
/// our own would cost an allocation per request.)
const HEAD_BYTES_MAX: usize = 64 << 10;
/// What a client hears when there are too many.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
                      content-length: 0\r\n\r\n";

/// Limits of the listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpLimits {
    /// Open connections; one more is told to come back.
    pub(crate) connections_max: usize,
    /// Of these, from one address that is no trusted proxy.
    pub(crate) connections_per_address_max: usize,
    /// How long the head of a request may take, counted from when it could have come: so it ends idle
    /// connections, too. A TLS handshake has as long again before it.
    pub(crate) head_timeout_ms: u64,
    /// How long a client may accept nothing of an answer.
    pub(crate) write_timeout_ms: u64,
}

impl HttpLimits {
    /// As configured.
    pub(crate) fn of(limits: &config::Limits) -> Self {
        Self {
            connections_max: limits.http_connections_max,
            connections_per_address_max: limits.http_connections_per_address_max,
            head_timeout_ms: limits.http_head_timeout_ms,
            write_timeout_ms: limits.http_write_timeout_ms,
        }
    }
}

/// Binds, with an error that names the address and the remedy.
pub(crate) async fn bind(address: SocketAddr, remedy: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another address with {remedy}")
    })
}

/// What answers, and how.
#[derive(Clone)]
pub(crate) struct Server {
    /// Answers requests.
    pub(crate) router: Router,
    /// TLS; plain HTTP when absent.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// What clients may take up.
    pub(crate) limits: HttpLimits,
    /// Proxies, each of which stands for many clients.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Time and tasks.
    pub(crate) runtime: Runtime,
}

impl Server {
    /// Serves until `stop`, then lets requests under way end.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let graceful = GracefulShutdown::new();
        let limits = self.limits;
        let proxies = self.trusted_proxies.clone();
        let places =
            Places::new(limits.connections_max, limits.connections_per_address_max, proxies);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted.map(|(stream, peer)| (stream, peer, places.take(peer.ip()))) {
                Ok((stream, peer, Some(place))) => {
                    let connection = Connection { peer, server: self.clone(), _place: place };
                    connection.spawn(stream, graceful.watcher());
                }
                Ok((stream, peer, None)) => {
                    tracing::warn!(%peer, limit = limits.connections_max, "too many connections");
                    // A courtesy that waits for nobody.
                    stream.try_write(BUSY).ok();
                }
                Err(error) => {
                    // Out of file handles, most likely: others must end first.
                    tracing::warn!(%error, "cannot accept a connection");
                    self.runtime.sleep_ms(100).await;
                }
            }
        }
        drop(listener);
        if self.runtime.timeout_ms(DRAIN_MS, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still under way {DRAIN_MS} ms after the stop");
        }
    }
}

struct Connection {
    peer: SocketAddr,
    server: Server,
    /// Given back however the connection ends.
    _place: Place,
}

impl Connection {
    fn spawn(self, stream: TcpStream, watcher: Watcher) {
        stream.set_nodelay(true).ok();
        let runtime = self.server.runtime.clone();
        let task = async move {
            let Some(tls) = self.server.tls.clone() else { return self.run(stream, watcher).await };
            let accepting = TlsAcceptor::from(tls).accept(stream);
            let limited =
                self.server.runtime.timeout_ms(self.server.limits.head_timeout_ms, accepting);
            let handshake = limited.await;
            if let Ok(Ok(stream)) = handshake {
                self.run(stream, watcher).await;
            }
        };
        runtime.spawn("http connection", task);
    }

    async fn run<S>(self, stream: S, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Server { router, limits, runtime, .. } = &self.server;
        let stream = WriteLimit::new(stream, limits.write_timeout_ms, runtime.clone());
        let service = router.clone().layer(axum::Extension(ConnectInfo(self.peer)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(limits.head_timeout_ms))
            .max_buf_size(HEAD_BYTES_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(peer = %self.peer, %error, "a connection ended early");
        }
    }
}

#[cfg(test)]
mod tests;
