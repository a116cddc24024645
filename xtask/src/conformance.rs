//! Starts a real `portolan` and runs real clients against it. The cases live in `conformance/`; here
//! is only what starts, waits and stops.

mod applications;
mod interop;
mod kills;
mod postgres;
pub(crate) mod process;
mod pymongo;
mod stores;
mod unified;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::run;
use process::Running;

/// How long the quickstart may take until its main job is done.
const QUICKSTART_TIMEOUT_S: u64 = 120;
/// How long a server has to end after SIGTERM.
const STOP_TIMEOUT_S: u64 = 10;
/// How long schemathesis may go on.
const FUZZ_S: &str = "110";
/// What the quickstart leaves, in the folder of the run.
const SUMMARY: &str = "portolan/quickstart.json";
/// Requests and answers of the suites, in the folder of the run.
const RECORDINGS: &str = "recordings";
/// What the build says that it serves, in the folder of the run.
const OPENAPI: &str = "openapi.json";

/// Which cases to run.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Runs only the suites whose name contains this text.
    #[arg(long, long_help = suites_help())]
    only: Option<String>,
    /// Runs the suites, too, that otherwise run by name only; not in CI, they take long.
    #[arg(long)]
    full: bool,
}

/// The suites in the order in which they run. The first ones record what they were answered.
const SUITES: &[(&str, &str)] = &[
    ("go", "the Go SDK in three releases: every operation, typed"),
    ("sequences", "what the Atlas CLI and the Terraform provider send"),
    ("contract", "every recorded answer against the public contract (PORTOLAN_CONTRACT)"),
    ("mcp", "MongoDB's MCP server with a service account"),
    ("python", "drivers, the BSON corpus, FerretDB, a Delta reader"),
    ("interop", "tables after every kind of change: delta-rs and DuckDB; --full: Spark"),
    ("unified", "by name or --full: the drivers' unified suites on a sandbox cluster"),
    ("applications", "by name or --full: mongosh, Mongoose and Beanie on a sandbox cluster"),
    ("fuzz", "schemathesis: no 500, no undeclared answer"),
    (
        "postgres",
        "the store's tests on PostgreSQL; by name also the rooms above, two replicas and a quickstart",
    ),
    (
        "stores",
        "by name or --full: tables on MinIO, Azurite and fake-gcs-server; a quickstart on S3",
    ),
    (
        "kills",
        "by name or --full: kill -9 at every step of an archive's work, and on all combinations of servers",
    ),
];
/// Suites that need no running quickstart.
const ALONE: [&str; 6] = ["interop", "unified", "applications", "postgres", "stores", "kills"];

fn suites_help() -> String {
    let lines: Vec<String> =
        SUITES.iter().map(|(name, text)| format!("  {name}: {text}")).collect();
    format!("Runs only the suites whose name contains this text:\n{}", lines.join("\n"))
}

/// Runs the suites; the first that fails is the error, after everything was stopped.
pub(crate) fn run(options: &Options) -> Result<()> {
    let only = options.only.as_deref();
    let wanted = |suite: &str| only.is_none_or(|only| suite.contains(only));
    ensure!(SUITES.iter().any(|(name, _)| wanted(name)), "no suite has that name; see --help");
    let folder = Folder::new()?;
    let by_name = |suite: &str| wanted(suite) && (options.full || only.is_some());
    if by_name("unified") {
        timed("unified", || unified::run(&folder))?;
    }
    if by_name("applications") {
        timed("applications", || applications::run(&folder))?;
    }
    let bare = |name: &str| matches!(name, "unified" | "applications");
    if !SUITES.iter().any(|(name, _)| !bare(name) && wanted(name)) {
        return Ok(());
    }
    let program = run::portolan(false)?;
    if wanted("postgres") {
        postgres::suites(&folder, &program, options.full || only.is_some())?;
    }
    if wanted("stores") && (options.full || only.is_some()) {
        timed("stores", || stores::run(&folder, &program))?;
    }
    if wanted("kills") && (options.full || only.is_some()) {
        timed("kills", || kills::run(&folder))?;
    }
    if wanted("interop") {
        timed("interop", || interop::run(&folder, options.full))?;
    }
    if SUITES.iter().all(|(name, _)| ALONE.contains(name) || !wanted(name)) {
        return Ok(());
    }
    let server = start_portolan(&program, &folder)?;
    let result = suites(&folder, &wanted);
    let stopped = server.stop(STOP_TIMEOUT_S);
    result.and(stopped)
}

fn suites(folder: &Folder, wanted: &dyn Fn(&str) -> bool) -> Result<()> {
    let recorded = [wanted("go"), wanted("sequences")];
    if recorded[0] {
        timed("go", || go(folder))?;
    }
    if recorded[1] {
        timed("sequences", || pytest(folder, &["test_sequences.py"], &[]))?;
    }
    // A recording is checked right after it was made.
    if recorded.contains(&true) {
        timed("contract", || contract(folder, recorded == [true; 2]))?;
    }
    if wanted("mcp") {
        timed("mcp", || {
            let program = mcp_server()?;
            pytest(folder, &["test_mcp.py"], &[("PORTOLAN_MCP", &program)])
        })?;
    }
    if wanted("python") {
        timed("python", || drivers(folder))?;
    }
    if wanted("fuzz") {
        timed("fuzz", || fuzz(folder))?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a chore has no Runtime")]
fn timed(suite: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    let result = work();
    eprintln!("· suite {suite}: {} s", started.elapsed().as_secs());
    result
}

/// A folder of this run, removed when it ends.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        let path =
            std::env::temp_dir().join(format!("portolan-conformance-{}", std::process::id()));
        std::fs::create_dir_all(path.join(RECORDINGS))?;
        Ok(Self { path })
    }

    /// A path in it as text, for environments and arguments.
    fn text(&self, name: &str) -> Result<String> {
        let path = self.path.join(name);
        Ok(path.to_str().context("the temporary folder has no UTF-8 name")?.to_owned())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).ok();
    }
}

fn start_portolan(program: &Path, folder: &Folder) -> Result<Running> {
    start_quickstart(program, folder, "portolan", &[])
}

/// Starts a quickstart in a folder of the run, and waits until its main job is done.
fn start_quickstart(
    program: &Path,
    folder: &Folder,
    name: &str,
    environment: &[(&str, &str)],
) -> Result<Running> {
    let dir = folder.path.join(name);
    let mut command = Command::new(program);
    command.args(["quickstart", "--quiet", "--listen", "127.0.0.1:0", "--dir"]).arg(&dir);
    // Clients call every operation within seconds, all of them from one address.
    command.env("PORTOLAN__LIMITS__RATE_MULTIPLIER", "1000.0");
    command.envs(environment.iter().copied());
    let mut server = Running::start("portolan", &mut command)?;
    let summary = dir.join("quickstart.json");
    server.wait_for("quickstart.json", QUICKSTART_TIMEOUT_S, || summary.exists())?;
    Ok(server)
}

struct FerretDb {
    process: Running,
    uri: String,
}

/// FerretDB and its connection string, its files in `ferretdb` of the folder.
pub(crate) fn ferretdb_alone(folder: &Folder) -> Result<(Running, String)> {
    let FerretDb { process, uri } = start_ferretdb(folder)?;
    Ok((process, uri))
}

/// A sandbox cluster without users in a folder, and its port.
pub(crate) fn bare_sandbox(data: &Path, release: bool) -> Result<(Running, u16)> {
    let port = free_port()?;
    Ok((unified::start(data, port, release)?, port))
}

/// A source that makes documents up as they are read, and its connection string.
pub(crate) fn replay_source(
    data: &Path,
    seed: &Path,
    documents: u64,
    release: bool,
) -> Result<(Running, String)> {
    let port = free_port()?;
    let mut command = Command::new(unified::example("replay", release)?);
    command.arg(data).arg(port.to_string()).arg(seed).arg(documents.to_string());
    let mut source = Running::start("replay", &mut command)?;
    source
        .wait_for("its port", 30, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok((source, format!("mongodb://127.0.0.1:{port}/?directConnection=true")))
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

fn go(folder: &Folder) -> Result<()> {
    let module = run::root().join("conformance/go");
    let environment = environment(folder)?;
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    run::run_in(&module, "go", &["test", "-count=1", "-timeout=10m", "-v", "./..."], &environment)
}

fn environment(folder: &Folder) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("PORTOLAN_QUICKSTART", folder.text(SUMMARY)?),
        ("PORTOLAN_RECORDINGS", folder.text(RECORDINGS)?),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
    ])
}

fn pytest(folder: &Folder, cases: &[&str], more: &[(&str, &str)]) -> Result<()> {
    let place = run::root().join("conformance/python");
    let python = virtual_environment(&place)?;
    let environment = environment(folder)?;
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain(more.iter().copied())
        .collect();
    let arguments = ["-m", "pytest", "-p", "no:cacheprovider", "-v"];
    let arguments: Vec<&str> = arguments.into_iter().chain(cases.iter().copied()).collect();
    run::run_in(&place, &python, &arguments, &environment)
}

fn drivers(folder: &Folder) -> Result<()> {
    let python = virtual_environment(&run::root().join("conformance/python"))?;
    let corpus = pymongo::source(&python)?.join("test/bson_corpus");
    let corpus = corpus.to_str().context("the target folder has no UTF-8 name")?.to_owned();
    let ferretdb = start_ferretdb(folder)?;
    let cases = ["test_endpoints.py", "test_ferretdb.py", "test_table.py", "test_bson_corpus.py"];
    let environment = [("PORTOLAN_FERRETDB", &*ferretdb.uri), ("PORTOLAN_BSON_CORPUS", &corpus)];
    let result = pytest(folder, &cases, &environment);
    ferretdb.process.stop(STOP_TIMEOUT_S)?;
    result
}

/// Holds the recordings against the contract, where there is one, and against what is served.
fn contract(folder: &Folder, all: bool) -> Result<()> {
    let place = run::root().join("conformance/python");
    let python = virtual_environment(&place)?;
    let program = run::portolan(false)?;
    let program = program.to_str().context("the target folder has no UTF-8 name")?;
    std::fs::write(folder.path.join(OPENAPI), run::output(program, &["openapi"])?)?;
    let (recordings, openapi) = (folder.text(RECORDINGS)?, folder.text(OPENAPI)?);
    let known = std::env::var("PORTOLAN_CONTRACT").ok();
    let mut arguments = vec!["conformance/contract/check_answers.py"];
    arguments.extend((!all).then_some("--some"));
    arguments.extend([recordings.as_str(), openapi.as_str()]);
    arguments.extend(known.as_deref());
    run::run(&python, &arguments)
}

fn fuzz(folder: &Folder) -> Result<()> {
    let place = run::root().join("conformance/python");
    let python = virtual_environment(&place)?;
    let summary = folder.text(SUMMARY)?;
    let environment = [("PYTHONDONTWRITEBYTECODE", "1")];
    run::run_in(&place, &python, &["fuzz.py", &summary, FUZZ_S], &environment)
}

/// The MCP server's program.
fn mcp_server() -> Result<String> {
    let program = npm_folder("mcp")?.join("node_modules/mongodb-mcp-server/dist/index.js");
    Ok(program.to_str().context("the target folder has no UTF-8 name")?.to_owned())
}

/// The packages of `conformance/NAME`, installed outside the checkout, once per lock file.
pub(crate) fn npm_folder(name: &str) -> Result<PathBuf> {
    let folder = target()?.join(name);
    std::fs::create_dir_all(&folder)?;
    let source = run::root().join("conformance").join(name);
    let lock = std::fs::read(source.join("package-lock.json"))?;
    let installed = folder.join("installed-lock.json");
    if std::fs::read(&installed).ok().as_ref() != Some(&lock) {
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(source.join(name), folder.join(name))?;
        }
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        run::run_in(&folder, "npm", &arguments, &[])?;
        std::fs::write(&installed, &lock)?;
    }
    Ok(folder)
}

/// The Python of a virtual environment that has the pinned packages; made once, then reused.
pub(crate) fn virtual_environment(cases: &Path) -> Result<String> {
    environment_named(cases, "python")
}

/// As [`virtual_environment`], under another name, for other packages.
pub(crate) fn environment_named(cases: &Path, name: &str) -> Result<String> {
    let folder = target()?.join(name);
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

pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
