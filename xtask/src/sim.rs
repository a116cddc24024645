//! Starts the simulation: worlds in which effects fail while clients write. The worlds themselves are
//! in the room `simulation`.

use anyhow::{Context, Result};
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
    let program = run::built(&["--workspace", "--example", "sim"], options.release)?;
    let program = program.join("examples/sim");
    let program = program.to_str().context("the target folder has no UTF-8 name")?;
    let rest: Vec<&str> = options.rest.iter().map(String::as_str).collect();
    run::run(program, &rest)
}

/// What CI plays: every single fault, every two faults, random worlds, some of them on Delta tables.
pub(crate) fn of_ci() -> Result<()> {
    let rest = ["--all-pairs", "--worlds", "20000", "--delta", "100"];
    let rest = rest.into_iter().map(str::to_owned).collect();
    run(&Options { rest, ..Options::default() })
}
