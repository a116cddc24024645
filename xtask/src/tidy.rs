//! What a program can check about the repository. Each check returns findings; any finding fails.

mod architecture;
mod dependencies;
mod sources;

use anyhow::{Result, bail};

use crate::run;

/// Runs every check and prints all findings.
pub(crate) fn run() -> Result<()> {
    let root = run::root();
    let files = tracked_files()?;
    let mut findings = architecture::check(&root)?;
    findings.extend(sources::check(&root, &files)?);
    findings.extend(dependencies::check(&root, &files)?);
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    eprintln!("tidy: {} files, nothing found", files.len());
    Ok(())
}

/// Files that git knows or would add.
fn tracked_files() -> Result<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    Ok(run::output("git", &arguments)?.lines().map(str::to_owned).collect())
}
