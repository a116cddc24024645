//! Ctrl-C and SIGTERM.

use portolan_runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled when the process is asked to end. A second signal ends it at once.
pub(crate) fn stop_requested(runtime: &Runtime) -> CancellationToken {
    let token = CancellationToken::new();
    let stop = token.clone();
    runtime.spawn("signals", async move {
        next_signal().await;
        tracing::info!("asked to stop");
        stop.cancel();
        next_signal().await;
        std::process::exit(130);
    });
    token
}

async fn next_signal() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("signals cannot be watched; end the process by SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
