//! Running other programs from the root of the repository, with their names in every error.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map_or_else(|| xtask.to_path_buf(), Path::to_path_buf)
}

/// The cargo that runs this program, else the one on the PATH.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs a program to its end; a status other than 0 is an error that shows the command.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    run_in(&root(), program, arguments, &[])
}

/// Like [`run`], in a folder and with more environment.
pub(crate) fn run_in(
    folder: &Path,
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<()> {
    let shown = format!("{program} {}", arguments.join(" "));
    eprintln!("· {shown}");
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(status.success(), "`{shown}` ended with {status}");
    Ok(())
}

/// What a program prints.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    output_with(program, arguments, &[])
}

/// Like [`output`], with more environment; in an error what it printed is shown, too.
pub(crate) fn output_with(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, String)],
) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(root())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(
        output.status.success(),
        "`{program} {}` ended with {}: {}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// The built `portolan` binary, of the dev or the release profile.
pub(crate) fn portolan(release: bool) -> Result<PathBuf> {
    Ok(built(&["--package", "portolan"], release)?.join("portolan"))
}

/// Builds what is named; the folder of the profile that it was built in.
pub(crate) fn built(what: &[&str], release: bool) -> Result<PathBuf> {
    let mut arguments = vec!["build"];
    arguments.extend(what);
    arguments.extend(release.then_some("--release"));
    run(&cargo(), &arguments)?;
    let metadata = output(&cargo(), &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"].as_str().context("cargo names no target folder")?;
    let profile = if release { "release" } else { "debug" };
    Ok(Path::new(target).join(profile))
}
