//! Changes pure modules one place at a time, and has the module's own tests notice every change. The work is
//! cargo-mutants'; here is only which modules, and which tests must notice.

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{conformance, run};

/// Package, file, and what the names of the module's tests contain.
const MODULES: [(&str, &str, &str); 2] = [
    ("portolan-archiver", "crates/archiver/src/protocol.rs", "protocol"),
    ("portolan-auth", "crates/auth/src/policy.rs", "policy"),
];
/// For a mutant that loops.
const TIMEOUT_S: &str = "120";

/// Which modules to change.
#[derive(Args)]
pub(crate) struct Options {
    /// Only the modules whose file contains this text.
    #[arg(long)]
    only: Option<String>,
}

/// Runs the mutants; one that no test notices is an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    run::output(&run::cargo(), &["mutants", "--version"])
        .context("needs cargo-mutants: cargo install --locked cargo-mutants")?;
    let wanted = |file: &str| options.only.as_ref().is_none_or(|only| file.contains(only));
    let modules: Vec<_> = MODULES.iter().filter(|(_, file, _)| wanted(file)).collect();
    ensure!(!modules.is_empty(), "no module of that name");
    for (package, file, tests) in modules {
        let output = conformance::target()?.join("../mutants").join(package);
        std::fs::create_dir_all(&output)?;
        let output = output.to_str().context("the target folder has no UTF-8 name")?;
        let arguments = [
            &["mutants", "--package", package, "--file", file, "--output", output][..],
            &["--timeout", TIMEOUT_S, "--cargo-arg=--locked", "--", "--lib", tests],
        ];
        run::run(&run::cargo(), &arguments.concat())?;
    }
    Ok(())
}
