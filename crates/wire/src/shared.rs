//! What all connections of one server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

use portolan_runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::backend::Backend;
use crate::cursors::Cursors;
use crate::fail_point::FailPoints;
use crate::listener::ServerOptions;

/// State of a server.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) options: ServerOptions,
    pub(crate) runtime: Runtime,
    pub(crate) shutdown: CancellationToken,
    pub(crate) cursors: Cursors,
    pub(crate) counters: Counters,
    pub(crate) fail_points: FailPoints,
    /// Salts of unknown users are made from it.
    pub(crate) fake_salt_key: [u8; 32],
    pub(crate) started_boot_ms: u64,
}

/// Figures of `serverStatus`.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    last_connection: AtomicI32,
    last_request: AtomicI32,
}

impl Shared {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        options: ServerOptions,
        runtime: Runtime,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            backend,
            cursors: Cursors::new(options.cursors_max, options.cursor_idle_ms, runtime.clone()),
            options,
            fake_salt_key: runtime.random_bytes(),
            started_boot_ms: runtime.boot_ms(),
            runtime,
            shutdown,
            counters: Counters::default(),
            fail_points: FailPoints::default(),
        }
    }
}

impl Counters {
    /// A number for a new connection.
    pub(crate) fn next_connection(&self) -> i32 {
        next_positive(&self.last_connection)
    }

    /// Connections accepted since the start.
    pub(crate) fn connections_created(&self) -> i32 {
        self.last_connection.load(Ordering::Relaxed)
    }

    /// A number for a reply.
    pub(crate) fn next_request(&self) -> i32 {
        next_positive(&self.last_request)
    }

    /// Takes a place among the open connections, if one is free.
    pub(crate) fn admit(self: &Counters, connections_max: usize) -> bool {
        let take = |open: usize| (open < connections_max).then_some(open + 1);
        self.connections.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }

    pub(crate) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

fn next_positive(counter: &AtomicI32) -> i32 {
    let next = |last: i32| Some(last.checked_add(1).unwrap_or(1));
    let last = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(0);
    last.checked_add(1).unwrap_or(1)
}
