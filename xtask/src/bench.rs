//! Measures on real data.

use anyhow::Result;
use clap::Args;

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {}

/// Measures.
pub(crate) fn run(_options: &Options) -> Result<()> {
    Ok(())
}
