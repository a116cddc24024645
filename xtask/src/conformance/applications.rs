//! Applications and their tools against a sandbox cluster: two object mappers (Beanie, Mongoose), the shell
//! itself (mongosh), and what Compass, mongodump and mongorestore send. The cases lie in
//! `conformance/applications`.

use anyhow::{Context, Result};

use super::{Folder, STOP_TIMEOUT_S, free_port, unified};
use crate::run;

/// One test may take so long, in seconds.
const TEST_TIMEOUT_S: &str = "60";

/// Runs them against a new sandbox cluster.
pub(super) fn run(folder: &Folder) -> Result<()> {
    let packages = super::npm_folder("applications")?;
    let modules = packages.join("node_modules");
    let modules = modules.to_str().context("the target folder has no UTF-8 name")?;
    let python =
        super::environment_named(&run::root().join("conformance/unified"), "python-unified")?;
    let port = free_port()?;
    let server = unified::start(&folder.path.join("applications"), port, false)?;
    let result = in_python(&python, modules, port).and_then(|()| in_node(modules, port));
    server.stop(STOP_TIMEOUT_S)?;
    result
}

fn in_python(python: &str, modules: &str, port: u16) -> Result<()> {
    let timeout = format!("--timeout={TEST_TIMEOUT_S}");
    let arguments =
        ["-m", "pytest", "-p", "no:cacheprovider", "-q", "--rootdir", ".", timeout.as_str()];
    let shell = format!("{modules}/mongosh/bin/mongosh.js");
    let port = port.to_string();
    let environment = [
        ("DB_IP", "localhost"),
        ("DB_PORT", port.as_str()),
        ("PORTOLAN_MONGOSH", shell.as_str()),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ];
    run::run_in(&run::root().join("conformance/applications"), python, &arguments, &environment)
}

fn in_node(modules: &str, port: u16) -> Result<()> {
    let port = port.to_string();
    let environment = [("DB_IP", "localhost"), ("DB_PORT", port.as_str()), ("NODE_PATH", modules)];
    let arguments = ["--test", "--test-force-exit", "mongoose.test.cjs"];
    run::run_in(&run::root().join("conformance/applications"), "node", &arguments, &environment)
}
