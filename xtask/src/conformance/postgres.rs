//! The control state on PostgreSQL: every test that takes a store, two real replicas of which one is
//! killed, then a whole quickstart.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Folder;
use crate::postgres::Postgres;
use crate::run;

/// Names the server to tests.
const SERVER: &str = "PORTOLAN_TEST_POSTGRES_URL";
/// Rooms whose tests run on whatever database the variable names.
const ROOMS: [&str; 3] = ["portolan-control", "portolan-archiver", "portolan-admin-api"];

/// Starts a server, runs the store's tests on it, and when it was asked for by name (`whole`) all the
/// rest, which takes long; stops it.
pub(super) fn suites(folder: &Folder, program: &Path, whole: bool) -> Result<()> {
    let server = Postgres::start(&folder.path.join("postgres"))?;
    let environment = [(SERVER, server.url.as_str())];
    let cargo = run::cargo();
    let store = ["test", "-q", "-p", "portolan-store", "--", "--include-ignored", "on_postgres"];
    run::run_in(&run::root(), &cargo, &store, &environment)?;
    if !whole {
        println!(
            "· PostgreSQL: the store's tests ran; --only postgres runs those of the rooms above too"
        );
        return Ok(());
    }
    for room in ROOMS {
        // The access matrix asks what roles may do, not what a database does: SQLite answers it in a
        // tenth of the time.
        let room = ["test", "-q", "-p", room, "--lib", "--", "--skip", "access_matrix"];
        run::run_in(&run::root(), &cargo, &room, &environment)?;
    }
    let replicas =
        ["test", "-q", "-p", "portolan", "--test", "it", "--", "--include-ignored", "on_postgres"];
    run::run_in(&run::root(), &cargo, &replicas, &environment)?;
    quickstart(folder, program, &server.database("quickstart")?)
}

/// The main job with its control state on PostgreSQL; run twice, the second starts from what is there.
fn quickstart(folder: &Folder, program: &Path, url: &str) -> Result<()> {
    let dir = folder.path.join("quickstart-on-postgres");
    let shown = dir.to_str().context("the temporary folder has no UTF-8 name")?;
    let program = program.to_str().context("the target folder has no UTF-8 name")?;
    let arguments = ["quickstart", "--once", "--quiet", "--listen", "127.0.0.1:0", "--dir", shown];
    let environment =
        [("PORTOLAN__STATE__URL", url), ("PORTOLAN__ENDPOINTS__PORT_RANGE", "[27400, 27449]")];
    let mut archives = Vec::new();
    for _ in 0..2 {
        run::run_in(&run::root(), program, &arguments, &environment)?;
        let summary: Value =
            serde_json::from_str(&fs::read_to_string(dir.join("quickstart.json"))?)?;
        ensure!(summary["run"]["documents"].as_u64() > Some(0), "the quickstart moved nothing");
        archives.push(summary["archiveId"].clone());
    }
    ensure!(archives[0] == archives[1], "the second quickstart made another archive");
    ensure!(!dir.join("control.db").exists(), "the control state is on SQLite after all");
    Ok(())
}
