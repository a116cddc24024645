//! Measures what an archiving process needs of memory: a `portolan serve` of its own archives a source that
//! the sandbox's example `replay` makes up as it is read, so that neither disk nor memory of the source
//! counts. Prints figures; it asserts nothing about them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::conformance::{self, process::Running};
use crate::run;

/// Bytes of a document of the seed, about.
const DOCUMENT_BYTES: u64 = 2_000;

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Measures the release profile instead of the dev profile.
    #[arg(long)]
    release: bool,
    /// Megabytes of BSON to archive, about.
    #[arg(long, default_value_t = 1_000)]
    megabytes: u64,
    /// `archiver.move_bytes_max` in megabytes.
    #[arg(long, default_value_t = 64)]
    move_megabytes: u64,
}

/// Measures, and prints a table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let cases = run::root().join("conformance/python");
    let python = conformance::virtual_environment(&cases)?;
    let program = run::portolan(options.release)?;
    let program = program.to_str().context("the target folder has no UTF-8 name")?;
    let folder = conformance::Folder::new()?;
    let script = cases.join("bench_memory.py");
    let script = script.to_str().context("the repository's path is not UTF-8")?;
    let seed = folder.path.join("seed.bson");
    run::run(&python, &[script, "seed", seed.to_str().context("no UTF-8 name")?])?;
    let documents = options.megabytes * 1_000_000 / DOCUMENT_BYTES;
    let source = folder.path.join("source");
    let (source, uri) = conformance::replay_source(&source, &seed, documents, options.release)?;
    let config = folder.path.join("portolan.toml");
    let port = conformance::free_port()?;
    std::fs::write(&config, settings(&folder.path, port, options))?;
    let shown = config.to_str().context("no UTF-8 name")?;
    let founding = ["bootstrap", "--config", shown, "--org", "Acme", "--user", "a@example.com"];
    let founded: Value = serde_json::from_str(&run::output(program, &founding)?)?;
    let mut command = Command::new(program);
    command.args(["serve", "--config", shown]);
    let mut server = Running::start("portolan", &mut command)?;
    server
        .wait_for("its port", 30, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    let text = |name: &str| founded[name].as_str().unwrap_or_default().to_owned();
    let output = Command::new(&python)
        .args([script, "run", &format!("http://127.0.0.1:{port}"), &text("clientId")])
        .args([text("orgId"), uri, server.id().to_string(), documents.to_string()])
        .env("PORTOLAN_CLIENT_SECRET", text("clientSecret"))
        .stderr(Stdio::inherit())
        .output()?;
    server.stop(20)?;
    source.stop(10)?;
    ensure!(output.status.success(), "bench_memory.py ended with {}", output.status);
    print(&serde_json::from_slice(&output.stdout)?);
    Ok(())
}

fn settings(folder: &std::path::Path, port: u16, options: &Options) -> String {
    format!(
        "dir = {:?}\n[server]\nlisten = \"127.0.0.1:{port}\"\n\
         [endpoints]\nport_range = [27500, 27549]\n\
         [clusters]\nallowed_networks = [\"127.0.0.0/8\"]\n\
         [archiver]\nmove_bytes_max = {}\n[log]\nlevel = \"warn\"\n",
        folder.join("portolan"),
        options.move_megabytes * 1_000_000
    )
}

fn print(measured: &Value) {
    let number = |name: &str| measured[name].as_f64().unwrap_or(0.0);
    println!("documents archived           {}", measured["documents"]);
    println!("BSON read                    {:.1} MB", number("bytes") / 1e6);
    println!("stored                       {:.1} MB", number("stored") / 1e6);
    println!("seconds                      {:.1}", number("seconds"));
    println!("archive rate                 {:.2} MB/s", number("bytes") / 1e6 / number("seconds"));
    println!("guard level                  {}", measured["level"].as_str().unwrap_or("?"));
    println!("memory before                {:.0} MB", number("before_kb") / 1e3);
    let tenths = measured["tenths_kb"].as_array().into_iter().flatten();
    let tenths: Vec<String> =
        tenths.map(|kb| format!("{:.0}", kb.as_f64().unwrap_or(0.0) / 1e3)).collect();
    println!("memory at each tenth         {} MB", tenths.join(", "));
    println!("peak memory                  {:.0} MB", number("peak_kb") / 1e3);
}
