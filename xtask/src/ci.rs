//! All that must pass before a change lands, in the order in which it fails fastest. `cargo test` is
//! not here: `.ci/run` runs it under the README's own command.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::{conformance, run, sim, tidy};

/// Runs everything.
pub(crate) fn run() -> Result<()> {
    let cargo = run::cargo();
    run::run(&cargo, &["fmt", "--all", "--check"])?;
    tidy::run()?;
    run::run(
        &cargo,
        &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
    )?;
    run::run(&cargo, &["test", "--quiet", "--package", "xtask"])?;
    quickstart()?;
    sim::of_ci()?;
    conformance::run(&conformance::Options::default())
}

/// The main job as a new user runs it, in the profile that was built.
fn quickstart() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("portolan-ci-{}", std::process::id()));
    let dir = folder.to_str().context("the temporary folder has no UTF-8 name")?;
    let program = run::portolan(false)?;
    let program = program.to_str().context("the target folder has no UTF-8 name")?;
    run::run(program, &["quickstart", "--once", "--listen", "127.0.0.1:0", "--dir", dir])?;
    let summary = fs::read_to_string(folder.join("quickstart.json"))?;
    let summary: serde_json::Value = serde_json::from_str(&summary)?;
    ensure!(summary["run"]["documents"].as_u64() > Some(0), "the quickstart moved nothing");
    fs::remove_dir_all(&folder)?;
    Ok(())
}
