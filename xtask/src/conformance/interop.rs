//! Tables left by the lake after each kind of change, read by other engines: delta-rs and DuckDB always,
//! Spark by `--full`, which needs a Java.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{Folder, environment_named, target};
use crate::run;

/// Where the jars of Delta Lake come from.
const MAVEN: &str = "https://repo1.maven.org/maven2/io/delta";
/// The jars that Spark needs, with their SHA-256.
const JARS: [(&str, &str, &str); 2] = [
    (
        "delta-spark_2.13",
        "4.0.0",
        "538511702aae0ef6973a6a70af3d4543c9009f8edbed786a00737e2d3cd7f04e",
    ),
    ("delta-storage", "4.0.0", "9bdb9fb450f1e119eba53feb427f331b0d09072d26485b8273883ad72c9a2e1d"),
];

/// Leaves the tables, then lets every engine read them.
pub(super) fn run(folder: &Folder, full: bool) -> Result<()> {
    let tables = folder.path.join("tables");
    std::fs::create_dir_all(&tables)?;
    let tables = tables.to_str().context("the temporary folder has no UTF-8 name")?;
    // Without a package, so that it is built with the features that everything else was built with.
    let arguments = ["test", "--test", "tables", "--", "--ignored"];
    let environment = [("PORTOLAN_TEST_TABLES", tables.to_owned())];
    let answer = run::output_with(&run::cargo(), &arguments, &environment)?;
    ensure!(answer.contains("test result: ok. 1 passed"), "the tables were not left:\n{answer}");
    super::pytest(folder, &["test_interop.py"], &[("PORTOLAN_TABLES", tables)])?;
    if full { spark(tables) } else { Ok(()) }
}

fn spark(tables: &str) -> Result<()> {
    java()?;
    let place = run::root().join("conformance/spark");
    let python = environment_named(&place, "spark")?;
    let jars = JARS.iter().map(fetch).collect::<Result<Vec<_>>>()?.join(",");
    let environment = [
        ("PORTOLAN_TABLES", tables),
        ("PORTOLAN_SPARK_JARS", jars.as_str()),
        ("PYSPARK_PYTHON", python.as_str()),
        ("SPARK_LOCAL_IP", "127.0.0.1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ];
    let arguments = ["-m", "pytest", "-p", "no:cacheprovider", "-v", "test_spark.py"];
    run::run_in(&place, &python, &arguments, &environment)
}

/// A suite that was asked for and cannot run has not passed.
fn java() -> Result<()> {
    let answer = Command::new("java").arg("-version").stderr(Stdio::null()).status();
    ensure!(
        answer.is_ok_and(|status| status.success()),
        "interop --full reads the tables with Spark, which needs a Java on the PATH, 17 or newer \
         (Debian: openjdk-17-jre-headless); without --full Spark is left out"
    );
    Ok(())
}

/// A jar, fetched once and checked.
fn fetch((name, version, sum): &(&str, &str, &str)) -> Result<String> {
    let file = format!("{name}-{version}.jar");
    let path = target()?.join(&file);
    let shown = path.to_str().context("the target folder has no UTF-8 name")?.to_owned();
    if !path.exists() {
        let url = format!("{MAVEN}/{name}/{version}/{file}");
        run::run(
            "curl",
            &["--fail", "--silent", "--show-error", "--location", "-o", &shown, &url],
        )?;
    }
    let found = run::output("sha256sum", &[&shown])?;
    if !found.starts_with(sum) {
        std::fs::remove_file(Path::new(&shown))?;
    }
    ensure!(found.starts_with(sum), "{file} is not what it was when it was pinned: {found}");
    Ok(shown)
}
