//! The Portolan binary: reads the command line and the configuration, and joins the rooms.
//!
//! What is not here: rules. The rooms below know those; this crate only starts them, hands each the
//! others that it may use, and stops them.

mod audit;
mod cli;
mod client;
mod commands;
mod config;
mod host;
mod http;
mod instance;
mod keys;
mod locations;
mod lock;
mod logging;
mod preflight;
mod quickstart;
mod serve;
mod signals;
mod state_commands;
mod storage_commands;
mod tls;
mod transfer;
mod worker;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use portolan_runtime::Runtime;

/// The system's allocator does not give back what moves of documents leave between its arenas: a process
/// that archives without end grew to several times what it needs (docs/explanation/measurements.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As a shell tells of a program that ended by SIGPIPE: 128 and the signal's number.
const EXIT_READER_GONE: u8 = 141;

#[tokio::main]
async fn main() -> ExitCode {
    tls::install_provider();
    match run(Cli::parse().command, Runtime::system()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_reader_gone(&error) => ExitCode::from(EXIT_READER_GONE),
        Err(error) => {
            use std::io::Write;
            // Standard error may be closed; the exit code says it all the same.
            writeln!(std::io::stderr(), "portolan: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Whoever read standard output, `head` for one, has seen enough.
fn is_reader_gone(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn run(command: Command, runtime: Runtime) -> anyhow::Result<()> {
    match command {
        Command::Quickstart(arguments) => quickstart::run(arguments, runtime).await,
        Command::Serve(arguments) => serve::serve(arguments, runtime).await,
        Command::Bootstrap(arguments) => serve::bootstrap(arguments, runtime).await,
        Command::Openapi => commands::openapi(),
        Command::Worker(arguments) => worker::run(arguments, runtime).await,
        Command::CheckConfig(arguments) => preflight::check_config(&arguments, runtime).await,
        Command::Audit(arguments) => audit::print(arguments, runtime).await,
        Command::Backup(arguments) => state_commands::backup(arguments, runtime).await,
        Command::Restore(arguments) => state_commands::restore(arguments, runtime).await,
        Command::RotateKey(arguments) => state_commands::rotate_key(arguments, runtime).await,
        Command::Storage(command) => storage_commands::run(command, runtime).await,
        Command::Cluster(command) => commands::cluster(command).await,
        Command::Archive(command) => commands::archive(command).await,
    }
}
