//! pymongo's source package, which holds the drivers' unified suites and the BSON corpus; fetched once,
//! by its hash, into cargo's target folder.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::target;
use crate::run;

/// The release; `pymongo-source.txt` names it with its hash, the suites' requirements pin the same.
const PYMONGO: &str = "4.20.0";

/// The unpacked package.
pub(super) fn source(python: &str) -> Result<PathBuf> {
    let folder = target()?.join(format!("pymongo-{PYMONGO}"));
    if !folder.join("test").exists() {
        let download = target()?;
        let place = download.to_str().context("the target folder has no UTF-8 name")?;
        let wanted = run::root().join("conformance/python/pymongo-source.txt");
        let wanted = wanted.to_str().context("the repository's path is not UTF-8")?;
        let source = ["--no-deps", "--no-binary", "pymongo", "--require-hashes", "--dest", place];
        let arguments =
            [&["-m", "pip", "download", "--quiet"][..], &source, &["-r", wanted]].concat();
        run::run(python, &arguments)?;
        let archive = format!("pymongo-{PYMONGO}.tar.gz");
        run::run_in(&download, python, &["-m", "tarfile", "-e", &archive, "."], &[])?;
    }
    // The package beside the tests would hide the installed one, which has its C extensions.
    for name in ["bson", "gridfs", "pymongo"] {
        std::fs::remove_dir_all(folder.join(name)).ok();
    }
    Ok(folder)
}
