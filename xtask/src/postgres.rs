//! A PostgreSQL server for the length of a run: Debian's, started in a temporary folder on a free
//! port under a user of its own, because PostgreSQL refuses to run as root. It forgets everything
//! with its folder, so it never waits for the disk.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::run;

/// Whom the server runs as when this run is root's.
const USER: &str = "portolan-postgres";
const START_TIMEOUT_MS: u64 = 30_000;
const STOP_TIMEOUT_MS: u64 = 20_000;
const POLL_MS: u64 = 100;

/// A running server.
pub(crate) struct Postgres {
    server: Child,
    /// `postgres://…/postgres`, for a user that may create databases.
    pub(crate) url: String,
}

impl Postgres {
    /// Starts a server whose data lies in `folder`, which must be a new one.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let bin = bin()?;
        let account = Account::choose()?;
        std::fs::create_dir_all(folder)?;
        account.give(folder)?;
        let data = folder.join("data");
        let mut initdb = account.command(bin.join("initdb"));
        initdb.args(["--username=portolan", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        initdb.args(["--no-sync", "-D"]).arg(&data).stdout(Stdio::null()).current_dir(folder);
        let status = initdb.status().context("cannot start initdb")?;
        ensure!(status.success(), "initdb ended with {status}");
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut command = account.command(bin.join("postgres"));
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string()).arg("-k").arg(folder);
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=300"] {
            command.args(["-c", setting]);
        }
        let log = std::fs::File::create(folder.join("server.log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).current_dir(folder);
        let server = command.spawn().context("cannot start postgres")?;
        let url = format!("postgres://portolan@127.0.0.1:{port}/postgres");
        let mut postgres = Self { server, url };
        postgres.wait_until_ready(&bin, port, folder)?;
        Ok(postgres)
    }

    fn wait_until_ready(&mut self, bin: &Path, port: u16, folder: &Path) -> Result<()> {
        for _ in 0..START_TIMEOUT_MS / POLL_MS {
            if let Some(status) = self.server.try_wait()? {
                let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
                bail!("postgres ended with {status}: {log}");
            }
            let mut probe = Command::new(bin.join("pg_isready"));
            probe.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            if probe.status().context("cannot start pg_isready")?.success() {
                return Ok(());
            }
            sleep(Duration::from_millis(POLL_MS));
        }
        bail!("postgres did not answer within {START_TIMEOUT_MS} ms")
    }

    /// Makes an empty database and gives its URL.
    pub(crate) fn database(&self, name: &str) -> Result<String> {
        let psql = bin()?.join("psql");
        let psql = psql.to_str().context("the folder of psql has no UTF-8 name")?;
        let sql = format!("CREATE DATABASE {name}");
        run::run(psql, &["--quiet", "--no-psqlrc", "-c", &sql, &self.url])?;
        let (server, _) = self.url.rsplit_once('/').context("the URL names no database")?;
        Ok(format!("{server}/{name}"))
    }
}

/// SIGINT is PostgreSQL's fast shutdown: it sends its clients away and ends.
impl Drop for Postgres {
    fn drop(&mut self) {
        let id = self.server.id().to_string();
        Command::new("kill").args(["-INT", &id]).status().ok();
        for _ in 0..STOP_TIMEOUT_MS / POLL_MS {
            if !matches!(self.server.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(POLL_MS));
        }
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// The folder of the server's programs: `PG_BIN`, else the PATH, else where Debian puts them.
fn bin() -> Result<PathBuf> {
    if let Some(bin) = std::env::var_os("PG_BIN") {
        let bin = PathBuf::from(bin);
        ensure!(holds_server(&bin), "PG_BIN={} holds no initdb and postgres", bin.display());
        return Ok(bin);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = debian_folders();
    let found = std::env::split_paths(&path).chain(debian).find(|folder| holds_server(folder));
    found.context("PostgreSQL is missing: apt-get install postgresql-15, or set PG_BIN")
}

fn holds_server(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_isready", "psql"].iter().all(|name| folder.join(name).is_file())
}

/// `/usr/lib/postgresql/*/bin`, the newest first.
fn debian_folders() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut versions: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    versions.into_iter().map(|version| version.join("bin")).collect()
}

/// Whom the server runs as; `None`: whoever runs this.
struct Account(Option<(u32, u32)>);

impl Account {
    fn choose() -> Result<Self> {
        if run::output("id", &["-u"])?.trim() != "0" {
            return Ok(Self(None));
        }
        if run::output("id", &["-u", USER]).is_err() {
            let home = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER];
            run::run("useradd", &home)?;
        }
        let number =
            |flag: &str| -> Result<u32> { Ok(run::output("id", &[flag, USER])?.trim().parse()?) };
        Ok(Self(Some((number("-u")?, number("-g")?))))
    }

    fn give(&self, folder: &Path) -> Result<()> {
        if let Self(Some((user, group))) = self {
            std::os::unix::fs::chown(folder, Some(*user), Some(*group))?;
        }
        Ok(())
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Self(Some((user, group))) = self {
            command.uid(*user).gid(*group);
        }
        command
    }
}
