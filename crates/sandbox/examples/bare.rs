//! A sandbox cluster without users, on a loopback port, in test mode: what suites of drivers expect
//! of a server that they may do anything with. `portolan` itself never starts one.
//!
//! Usage: `bare FOLDER PORT`. Ends on SIGTERM.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use portolan_runtime::Runtime;
use portolan_sandbox::{Accounts, Sandbox, SandboxOptions};
use portolan_wire::{Account, Server, ServerOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

struct Nobody;

#[async_trait]
impl Accounts for Nobody {
    async fn account(&self, _database: &str, _name: &str) -> Option<Account> {
        None
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: bare FOLDER PORT")?);
    let port: u16 = arguments.next().ok_or("usage: bare FOLDER PORT")?.parse()?;
    let runtime = Runtime::system();
    let sandbox = Sandbox::open(&folder, SandboxOptions::default(), runtime.clone()).await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let backend = sandbox.backend(Arc::new(Nobody), format!("localhost:{port}"));
    let options = ServerOptions { require_auth: false, ..ServerOptions::default() };
    let shutdown = CancellationToken::new();
    let server = Server::serve(listener, backend, options, runtime, shutdown.clone());
    let mut asked = signal(SignalKind::terminate())?;
    let wait = async {
        asked.recv().await;
        shutdown.cancel();
    };
    tokio::join!(server, wait);
    sandbox.close().await?;
    Ok(())
}
