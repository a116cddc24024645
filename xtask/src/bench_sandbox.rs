//! Measures a sandbox cluster beside FerretDB on SQLite: the same client, the same documents, one server
//! after the other in one run. Prints rates, their ratios, memory and file sizes; it asserts nothing
//! about time. Needs Go, which builds FerretDB.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::conformance::{self, process::Running};
use crate::run;

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Measures the release profile of the sandbox instead of the dev profile.
    #[arg(long)]
    release: bool,
    /// Documents in the collection.
    #[arg(long, default_value_t = 20_000)]
    documents: u32,
    /// Instead measures the memory of so many clusters in one process.
    #[arg(long)]
    clusters: Option<u32>,
}

/// Documents in each of many clusters.
const DOCUMENTS_EACH: &str = "5000";

/// What became of one server.
struct Measured {
    rates: Value,
    peak_kb: u64,
    file_bytes: u64,
}

/// Measures, and prints a table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let cases = run::root().join("conformance/python");
    let python = conformance::virtual_environment(&cases)?;
    if let Some(clusters) = options.clusters {
        return many(options, &python, &cases, clusters);
    }
    let folder = conformance::Folder::new()?;
    let script = cases.join("bench_sandbox.py");
    let data = folder.path.join("sandbox");
    let (server, port) = conformance::bare_sandbox(&data, options.release)?;
    let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
    let sandbox = measure(server, &uri, &data, &python, &script, options)?;
    let (server, uri) = conformance::ferretdb_alone(&folder)?;
    let ferretdb = folder.path.join("ferretdb");
    let other = measure(server, &uri, &ferretdb, &python, &script, options)?;
    print(options, &sandbox, &other);
    Ok(())
}

fn many(options: &Options, python: &str, cases: &Path, clusters: u32) -> Result<()> {
    let program = run::portolan(options.release)?;
    let program = program.to_str().context("the target folder has no UTF-8 name")?;
    let clusters = clusters.to_string();
    run::run_in(cases, python, &["bench_clusters.py", program, &clusters, DOCUMENTS_EACH], &[])
}

fn measure(
    server: Running,
    uri: &str,
    data: &Path,
    python: &str,
    script: &Path,
    options: &Options,
) -> Result<Measured> {
    let output = Command::new(python)
        .arg(script)
        .arg(uri)
        .arg(options.documents.to_string())
        .stderr(Stdio::inherit())
        .output()?;
    let peak_kb = server.peak_memory_kb()?;
    server.stop(10)?;
    ensure!(output.status.success(), "bench_sandbox.py ended with {}", output.status);
    let rates = serde_json::from_slice(&output.stdout)?;
    Ok(Measured { rates, peak_kb, file_bytes: size_of(data)? })
}

fn size_of(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let metadata = entry?.metadata()?;
        bytes += if metadata.is_file() { metadata.len() } else { 0 };
    }
    Ok(bytes)
}

fn print(options: &Options, sandbox: &Measured, other: &Measured) {
    let profile = if options.release { "release" } else { "dev" };
    let row = |name: &str, first: &str, second: &str, ratio: &str| {
        println!("{name:<36} {first:>14} {second:>14} {ratio:>8}");
    };
    row("per second", &format!("sandbox ({profile})"), "FerretDB", "ratio");
    for (name, rate) in sandbox.rates["rates"].as_object().into_iter().flatten() {
        let first = rate.as_f64().unwrap_or(0.0);
        let second = other.rates["rates"][name].as_f64().unwrap_or(0.0);
        let ratio = format!("{:.1}", first / second);
        row(name, &format!("{first:.0}"), &format!("{second:.0}"), &ratio);
    }
    let documents = |measured: &Measured| measured.rates["documents"].to_string();
    row("documents", &documents(sandbox), &documents(other), "");
    let peak = |measured: &Measured| format!("{:.0} MB", measured.peak_kb as f64 / 1e3);
    row("peak memory", &peak(sandbox), &peak(other), "");
    let size = |measured: &Measured| format!("{:.1} MB", measured.file_bytes as f64 / 1e6);
    row("files", &size(sandbox), &size(other), "");
    println!("BSON of the collection: {} bytes", sandbox.rates["bytes"]);
}
