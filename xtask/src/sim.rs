//! Starts the simulation: worlds in which effects fail while clients write. The worlds themselves are
//! in the room `simulation`.

use anyhow::Result;
use clap::Args;

use crate::run;

/// What to play.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Plays in the release profile, which is several times as fast and takes long to build.
    #[arg(long)]
    release: bool,
    /// Options of the simulation itself, after `--`; `-- --help` lists them.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Plays; a broken rule is an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut arguments = vec!["run", "--quiet", "-p", "portolan-simulation", "--example", "sim"];
    arguments.extend(options.release.then_some("--release"));
    arguments.push("--");
    arguments.extend(options.rest.iter().map(String::as_str));
    run::run(&run::cargo(), &arguments)
}
