//! Accepts connections, bounds their number, and lets them end cleanly.

use std::net::SocketAddr;
use std::sync::Arc;

use portolan_runtime::Runtime;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backend::Backend;
use crate::connection::Connection;
use crate::gate::{self, AddressGate};
use crate::shared::Shared;

/// How long a TLS handshake may take.
const TLS_HANDSHAKE_MS: u64 = 10_000;
/// Pause after an accept that failed, so that a lack of file handles does not spin.
const ACCEPT_PAUSE_MS: u64 = 100;

/// Limits and security of a server.
#[derive(Clone)]
pub struct ServerOptions {
    /// TLS; plain TCP when absent.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether commands need an authenticated user.
    pub require_auth: bool,
    /// Open connections; one more is closed at once.
    pub connections_max: usize,
    /// From which addresses clients may connect; from all when absent.
    pub gate: Option<Arc<dyn AddressGate>>,
    /// Open cursors of all users together.
    pub cursors_max: usize,
    /// A cursor that nobody asks for this long is closed.
    pub cursor_idle_ms: u64,
    /// How long running commands may go on after shutdown was asked for.
    pub drain_ms: u64,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            tls: None,
            require_auth: true,
            connections_max: 1_000,
            gate: None,
            cursors_max: 2_000,
            cursor_idle_ms: 10 * 60 * 1_000,
            drain_ms: 3_000,
        }
    }
}

/// The wire protocol server.
pub struct Server;

impl Server {
    /// Serves `backend` on `listener` until `shutdown` is cancelled, then lets running commands end
    /// within a few seconds and returns.
    pub async fn serve(
        listener: TcpListener,
        backend: Arc<dyn Backend>,
        options: ServerOptions,
        runtime: Runtime,
        shutdown: CancellationToken,
    ) {
        let drain_ms = options.drain_ms;
        let shared = Arc::new(Shared::new(backend, options, runtime.clone(), shutdown.clone()));
        let connections = TaskTracker::new();
        let cut_off = CancellationToken::new();
        tokio::select! {
            () = accept_all(&listener, &shared, &connections, &cut_off) => {}
            () = shared.cursors.watch_idle() => {}
            () = shutdown.cancelled() => {}
        }
        drop(listener);
        connections.close();
        if runtime.timeout_ms(drain_ms, connections.wait()).await.is_err() {
            tracing::warn!(connections = connections.len(), "closing connections that still work");
            cut_off.cancel();
            connections.wait().await;
        }
    }
}

async fn accept_all(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    connections: &TaskTracker,
    cut_off: &CancellationToken,
) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                shared.runtime.sleep_ms(ACCEPT_PAUSE_MS).await;
                continue;
            }
        };
        if !shared.counters.admit(shared.options.connections_max) {
            tracing::warn!(%peer, limit = shared.options.connections_max, "too many connections");
            continue;
        }
        let place = Place(Arc::clone(shared));
        let cut_off = cut_off.clone();
        let task = async move {
            tokio::select! {
                () = serve_admitted(&place.0, stream, peer) => {}
                () = cut_off.cancelled() => {}
            }
        };
        shared.runtime.spawn("wire.connection", connections.track_future(task));
    }
}

/// A place among the open connections, given back however the connection ends.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.counters.leave();
    }
}

/// Serves a connection for as long as the gate admits its address.
async fn serve_admitted(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let Some(gate) = shared.options.gate.as_deref() else {
        return serve_one(shared, stream, peer).await;
    };
    // The verdict comes before the first byte is read or written.
    if gate.admits(peer.ip()).await {
        tokio::select! {
            () = serve_one(shared, stream, peer) => return,
            () = gate::refused(gate, peer.ip(), &shared.runtime) => {}
        }
    }
    tracing::info!(%peer, "this address may not connect, or no longer");
}

async fn serve_one(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let connection_id = shared.counters.next_connection();
    tracing::debug!(connection = connection_id, %peer, "connection opened");
    // Replies are whole messages: waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(connection = connection_id, %error, "no-delay could not be set");
    }
    let peer = peer.to_string();
    match shared.options.tls.clone() {
        None => Connection::new(Arc::clone(shared), connection_id, peer, stream).run().await,
        Some(config) => {
            let handshake = TlsAcceptor::from(config).accept(stream);
            match shared.runtime.timeout_ms(TLS_HANDSHAKE_MS, handshake).await {
                Ok(Ok(stream)) => {
                    Connection::new(Arc::clone(shared), connection_id, peer, stream).run().await;
                }
                Ok(Err(error)) => tracing::debug!(connection = connection_id, %error, "no TLS"),
                Err(late) => tracing::debug!(connection = connection_id, %late, "no TLS"),
            }
        }
    }
    tracing::debug!(connection = connection_id, "connection closed");
}
