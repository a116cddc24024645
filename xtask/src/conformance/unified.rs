//! The drivers' unified suites: the tests in pymongo's source package, run by its own runner
//! against a sandbox cluster. What is expected to fail stands in
//! `conformance/unified/expected_failures.txt`, and only there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::process::Running;
use super::{Folder, STOP_TIMEOUT_S, free_port, pymongo, target};
use crate::run;

/// Suites that apply to a single replica set of version 7.0 without encryption.
const SUITES: &[&str] = &[
    "test_crud_unified.py",
    "test_collection_management.py",
    "test_index_management.py",
    "test_command_monitoring.py",
    "test_run_command.py",
    "test_read_write_concern_spec.py",
    "test_retryable_reads_unified.py",
    "test_retryable_writes_unified.py",
    "test_sessions_unified.py",
    "test_causal_consistency.py",
    "test_transactions_unified.py",
    "test_change_stream.py",
    "test_gridfs_spec.py",
];
/// Whom the suites log in as: some of them are about logging in.
const USER: (&str, &str) = ("bob", "pwd123");
/// One test may take so long, in seconds.
const TEST_TIMEOUT_S: &str = "60";

/// Runs the suites against a new sandbox cluster.
pub(super) fn run(folder: &Folder) -> Result<()> {
    let cases = run::root().join("conformance/unified");
    let python = super::environment_named(&cases, "python-unified")?;
    let tests = pymongo::source(&python)?;
    let port = free_port()?;
    let server = start_for(Some(USER), &folder.path.join("unified"), port, false)?;
    let result = pytest(&cases, &python, &tests, port);
    server.stop(STOP_TIMEOUT_S)?;
    result
}

/// Starts a sandbox cluster without users.
pub(super) fn start(data: &Path, port: u16, release: bool) -> Result<Running> {
    start_for(None, data, port, release)
}

/// Starts a sandbox cluster for one user, or without users.
fn start_for(user: Option<(&str, &str)>, data: &Path, port: u16, release: bool) -> Result<Running> {
    let mut command = Command::new(example("bare", release)?);
    command.arg(data).arg(port.to_string());
    if let Some((name, password)) = user {
        command.args([name, password]);
    }
    let mut server = Running::start("bare sandbox", &mut command)?;
    server
        .wait_for("its port", 30, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok(server)
}

/// Builds an example of the sandbox.
pub(super) fn example(name: &str, release: bool) -> Result<PathBuf> {
    // With the features of the whole workspace, as `cargo test` builds it.
    let mut arguments = vec!["build", "--example", name];
    arguments.extend(release.then_some("--release"));
    run::run(&run::cargo(), &arguments)?;
    let profile = if release { "release" } else { "debug" };
    Ok(target()?.join(format!("../{profile}/examples/{name}")))
}

fn pytest(cases: &Path, python: &str, tests: &Path, port: u16) -> Result<()> {
    let cases = cases.to_str().context("the repository's path is not UTF-8")?;
    let port = port.to_string();
    let environment = [
        ("DB_IP", "localhost"),
        ("DB_PORT", port.as_str()),
        ("DB_USER", USER.0),
        ("DB_PASSWORD", USER.1),
        ("PYTHONPATH", cases),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ];
    let timeout = format!("--timeout={TEST_TIMEOUT_S}");
    let options = ["-m", "pytest", "-p", "expectations", "-p", "no:cacheprovider", "-q", "-c"];
    let settings = format!("{cases}/pytest.ini");
    let mut arguments = options.to_vec();
    arguments.extend([settings.as_str(), "--rootdir", ".", timeout.as_str(), "--tb=line"]);
    let suites: Vec<String> = SUITES.iter().map(|suite| format!("test/{suite}")).collect();
    arguments.extend(suites.iter().map(String::as_str));
    run::run_in(tests, python, &arguments, &environment)
}
