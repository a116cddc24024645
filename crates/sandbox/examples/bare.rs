//! A sandbox cluster on a loopback port, in test mode, with one user who may do anything, or without
//! users: what suites of drivers expect of a server. `portolan` itself never starts one.
//!
//! Usage: `bare FOLDER PORT [USER PASSWORD]`. Ends on SIGTERM.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use portolan_auth::scram;
use portolan_runtime::Runtime;
use portolan_sandbox::{Accounts, Sandbox, SandboxOptions};
use portolan_security::SecretString;
use portolan_wire::{Account, Server, ServerOptions, User, UserRole};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The one user, if there is one.
struct One(Option<Account>);

#[async_trait]
impl Accounts for One {
    async fn account(&self, database: &str, name: &str) -> Option<Account> {
        let is = |user: &User| user.database == database && user.name == name;
        self.0.clone().filter(|account| is(&account.user))
    }

    async fn users(&self) -> Vec<User> {
        self.0.iter().map(|account| account.user.clone()).collect()
    }
}

fn account(
    runtime: &Runtime,
    name: String,
    password: String,
) -> Result<Account, Box<dyn std::error::Error>> {
    let credentials = scram::derive(runtime, &name, &SecretString::new(password))?;
    let roles = vec![UserRole::new("root", "admin")];
    Ok(Account { user: User { name, database: "admin".to_owned(), roles }, credentials })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: bare FOLDER PORT")?);
    let port: u16 = arguments.next().ok_or("usage: bare FOLDER PORT")?.parse()?;
    let runtime = Runtime::system();
    let sandbox = Sandbox::open(&folder, SandboxOptions::default(), runtime.clone()).await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let one = match (arguments.next(), arguments.next()) {
        (Some(name), Some(password)) => Some(account(&runtime, name, password)?),
        _ => None,
    };
    let options = ServerOptions { require_auth: one.is_some(), ..ServerOptions::default() };
    let backend = sandbox.backend(Arc::new(One(one)), format!("localhost:{port}"));
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
