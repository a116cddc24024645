//! Starts a real `portolan` and runs real clients against it. The cases live in `conformance/`.

use anyhow::Result;
use clap::Args;

/// Which cases to run.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Runs only the cases whose name contains this text.
    #[arg(long)]
    only: Option<String>,
}

/// Runs the cases.
pub(crate) fn run(_options: &Options) -> Result<()> {
    Ok(())
}
