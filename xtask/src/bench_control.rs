//! Measures the control plane at size. The measurement itself is a test of the binary, which has what it
//! needs to make a large state; here is only how it is started.

use anyhow::Result;
use clap::Args;

use crate::run;

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Measures the release profile instead of the dev profile.
    #[arg(long)]
    release: bool,
}

/// Measures, and prints a table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut arguments = vec!["test", "-q", "-p", "portolan", "--test", "it"];
    arguments.extend(options.release.then_some("--release"));
    arguments.extend(["--", "--ignored", "--exact", "--nocapture"]);
    arguments.push("bench::the_control_plane_at_size");
    run::run(&run::cargo(), &arguments)
}
