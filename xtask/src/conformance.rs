//! Starts a real `portolan` and runs real clients against it. The cases live in `conformance/`; here
//! is only what starts, waits and stops.

pub(crate) mod process;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::run;
use process::Running;

/// How long the quickstart may take until its main job is done.
const QUICKSTART_TIMEOUT_S: u64 = 120;
/// How long a server has to end after SIGTERM.
const STOP_TIMEOUT_S: u64 = 10;

/// Which cases to run.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Runs only the suites whose name contains this text (`go`, `python`).
    #[arg(long)]
    only: Option<String>,
}

/// Runs the suites; the first that fails is the error, after everything was stopped.
pub(crate) fn run(options: &Options) -> Result<()> {
    let wanted = |suite: &str| options.only.as_deref().is_none_or(|only| suite.contains(only));
    let folder = Folder::new()?;
    let program = run::portolan(false)?;
    let server = start_portolan(&program, &folder)?;
    let result = suites(&folder, &wanted);
    let stopped = server.stop(STOP_TIMEOUT_S);
    result.and(stopped)
}

fn suites(folder: &Folder, wanted: &dyn Fn(&str) -> bool) -> Result<()> {
    let summary = folder.summary();
    if wanted("go") {
        go(&summary)?;
    }
    if wanted("python") {
        let ferretdb = start_ferretdb(folder)?;
        let result = python(&summary, &ferretdb.uri);
        ferretdb.process.stop(STOP_TIMEOUT_S)?;
        result?;
    }
    Ok(())
}

/// A folder of this run, removed when it ends.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        let path =
            std::env::temp_dir().join(format!("portolan-conformance-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    fn summary(&self) -> PathBuf {
        self.path.join("portolan/quickstart.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).ok();
    }
}

fn start_portolan(program: &Path, folder: &Folder) -> Result<Running> {
    let dir = folder.path.join("portolan");
    let mut command = Command::new(program);
    command.args(["quickstart", "--quiet", "--listen", "127.0.0.1:0", "--dir"]).arg(&dir);
    // Clients call every operation within seconds, all of them from one address.
    command.env("PORTOLAN__LIMITS__RATE_MULTIPLIER", "1000.0");
    let mut server = Running::start("portolan", &mut command)?;
    server.wait_for("quickstart.json", QUICKSTART_TIMEOUT_S, || folder.summary().exists())?;
    Ok(server)
}

struct FerretDb {
    process: Running,
    uri: String,
}

fn start_ferretdb(folder: &Folder) -> Result<FerretDb> {
    let program = target()?.join("ferretdb");
    let module = run::root().join("conformance/ferretdb");
    let output = program.to_str().context("the target folder has no UTF-8 name")?;
    run::run_in(&module, "go", &["build", "-o", output, "."], &[("CGO_ENABLED", "0")])?;
    let data = folder.path.join("ferretdb");
    std::fs::create_dir_all(&data)?;
    let port = free_port()?;
    let mut command = Command::new(&program);
    command.arg(format!("--listen=127.0.0.1:{port}")).arg(format!("--dir={}/", data.display()));
    // FerretDB keeps a state file and telemetry settings in the home folder and the environment.
    command.env("DO_NOT_TRACK", "1").current_dir(&data);
    let mut process = Running::start("ferretdb", &mut command)?;
    process
        .wait_for("its port", 30, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok(FerretDb { process, uri: format!("mongodb://127.0.0.1:{port}/") })
}

fn go(summary: &Path) -> Result<()> {
    let summary = summary.to_str().context("the temporary folder has no UTF-8 name")?;
    let module = run::root().join("conformance/go");
    let arguments = ["test", "-count=1", "-v", "./..."];
    run::run_in(&module, "go", &arguments, &[("PORTOLAN_QUICKSTART", summary)])
}

fn python(summary: &Path, ferretdb: &str) -> Result<()> {
    let cases = run::root().join("conformance/python");
    let python = virtual_environment(&cases)?;
    let summary = summary.to_str().context("the temporary folder has no UTF-8 name")?;
    let environment = [
        ("PORTOLAN_QUICKSTART", summary),
        ("PORTOLAN_FERRETDB", ferretdb),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ];
    let arguments = ["-m", "pytest", "-p", "no:cacheprovider", "-v", "."];
    run::run_in(&cases, &python, &arguments, &environment)
}

/// The Python of a virtual environment that has the pinned packages; made once, then reused.
pub(crate) fn virtual_environment(cases: &Path) -> Result<String> {
    let folder = target()?.join("python");
    let python = folder.join("bin/python");
    let python = python.to_str().context("the target folder has no UTF-8 name")?.to_owned();
    if !Path::new(&python).exists() {
        let folder = folder.to_str().context("the target folder has no UTF-8 name")?;
        run::run("python3", &["-m", "venv", folder])?;
    }
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        "requirements.txt",
    ];
    run::run_in(cases, &python, &install, &[])?;
    Ok(python)
}

/// Where built helpers are kept between runs.
pub(crate) fn target() -> Result<PathBuf> {
    let metadata = run::output(&run::cargo(), &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let Some(target) = metadata["target_directory"].as_str() else { bail!("no target folder") };
    let folder = Path::new(target).join("conformance");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
