//! Real object stores: MinIO, Azurite and fake-gcs-server, built once outside the checkout, started on
//! free loopback ports. The lake's suite runs on each, then a whole archive on S3.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::process::Running;
use super::{Folder, STOP_TIMEOUT_S, free_port, npm_folder, target};
use crate::run;

/// The release of MinIO whose module can still be built from its source.
const MINIO: &str = "github.com/minio/minio@v0.0.0-20250907161309-07c3a429bfed";
/// The root user of MinIO, as `crates/lake/tests/stores/places.rs` has it.
const S3_KEY: (&str, &str) = ("portolan-test", "portolan-test-secret");
/// The key with which MinIO encrypts where it is asked to, as `places.rs` names it.
const KMS_KEY: &str = "portolan-test-key:c2l4dGVlbiBhbmQgc2l4dGVlbiBieXRlcyBvZiBrZXk=";
/// The account that Azurite has (its README).
const AZURE_ACCOUNT: &str = "devstoreaccount1";
/// The bucket that the suite makes.
const BUCKET: &str = "portolan-test";
/// Each server has cases of its own.
const STORES: [&str; 3] = ["on_s3", "on_azure", "on_gcs"];
/// How long a server may take to listen.
const START_TIMEOUT_S: u64 = 30;

/// A MinIO that runs.
pub(super) struct Minio {
    process: Running,
    port: u16,
}

impl Minio {
    /// Starts one whose data lies in a folder of the run.
    pub(super) fn start(folder: &Folder, name: &str) -> Result<Self> {
        let (program, port) = (minio_program()?, free_port()?);
        let mut command = Command::new(program);
        command.args(["server", "--quiet", "--address"]).arg(local(port));
        command.arg("--console-address").arg(local(free_port()?)).arg(folder.path.join(name));
        command.env("MINIO_ROOT_USER", S3_KEY.0).env("MINIO_ROOT_PASSWORD", S3_KEY.1);
        command.env("MINIO_KMS_SECRET_KEY", KMS_KEY);
        Ok(Self { process: listening("minio", &mut command, port)?, port })
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", local(self.port))
    }

    pub(super) fn stop(self) -> Result<()> {
        self.process.stop(STOP_TIMEOUT_S)
    }
}

/// Servers that run.
struct Stores {
    minio: Minio,
    /// Ends when it is dropped: Azurite waits for idle connections when it is asked to end.
    _azurite: Running,
    gcs: Running,
    ports: [u16; 2],
}

/// Runs the lake's suite on real servers, then a quickstart whose archive lies on S3.
pub(super) fn run(folder: &Folder, program: &Path) -> Result<()> {
    let stores = Stores::start(folder)?;
    let result = suite(&stores)
        .and_then(|()| storage_test(folder, program, &stores))
        .and_then(|()| walk(folder, program, &stores));
    let stopped = stores.stop();
    result.and(stopped)
}

/// Every test that is ignored without a server must run here, and is counted.
fn suite(stores: &Stores) -> Result<()> {
    let listed = cargo_test(&["--list", "--ignored"], stores)?;
    let expected = listed.lines().filter(|line| line.ends_with(": test")).count();
    for store in STORES {
        ensure!(listed.contains(&format!("{store}::")), "the suite has no case {store}");
    }
    let answer = cargo_test(&["--ignored"], stores)?;
    let passed = format!("test result: ok. {expected} passed; 0 failed; 0 ignored");
    ensure!(expected > 0 && answer.contains(&passed), "not {expected} tests passed:\n{answer}");
    println!("· stores: {expected} tests passed on MinIO, Azurite and fake-gcs-server");
    Ok(())
}

fn cargo_test(arguments: &[&str], stores: &Stores) -> Result<String> {
    // Without a package, so that it is built with the features that everything else was built with.
    let mut all = vec!["test", "--test", "stores", "--"];
    all.extend(arguments);
    run::output_with(&run::cargo(), &all, &stores.environment())
}

/// `portolan storage test`: a bucket that is there is fit, one that is not is named with its remedy.
fn storage_test(folder: &Folder, program: &Path, stores: &Stores) -> Result<()> {
    let (key, secret) = S3_KEY;
    let endpoint = stores.s3();
    let location = |name: &str, bucket: &str, regions: &str| {
        format!(
            "[[storage]]\nname = \"{name}\"\nurl = \"s3://{bucket}\"\nregions = [{regions}]\n\
             endpoint = \"{endpoint}\"\nallow_http = true\n[storage.s3]\n\
             access_key_id = \"{key}\"\nsecret_access_key_env = \"S3_SECRET\"\n"
        )
    };
    let config = folder.path.join("storage.toml");
    let text = location("here", BUCKET, "") + &location("gone", "absent", "\"AWS/EU_WEST_1\"");
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    let command = command.args(["storage", "test", "--config"]).arg(&config);
    let answer = command.env("S3_SECRET", secret).output()?;
    let said = String::from_utf8_lossy(&answer.stdout).into_owned();
    ensure!(said.contains(&format!("here: s3://{BUCKET}/ is fit")), "storage test said: {said}");
    ensure!(said.contains("create the bucket") && !answer.status.success(), "and: {said}");
    ensure!(!said.contains(secret), "storage test shows a secret");
    Ok(())
}

/// The main job with its archive on S3, read through every endpoint and by another engine.
fn walk(folder: &Folder, program: &Path, stores: &Stores) -> Result<()> {
    let place = format!("s3://{BUCKET}/quickstart");
    let (key, secret) = S3_KEY;
    let endpoint = stores.s3();
    let storage = format!(
        "[{{name = \"s3\", url = \"{place}\", endpoint = \"{endpoint}\", allow_http = true, \
         s3 = {{access_key_id = \"{key}\", secret_access_key_env = \"S3_SECRET\"}}}}]"
    );
    let own = [
        ("PORTOLAN__STORAGE", storage.as_str()),
        ("PORTOLAN__ENDPOINTS__PORT_RANGE", "[27450, 27499]"),
        ("S3_SECRET", secret),
    ];
    let server = super::start_quickstart(program, folder, "portolan-on-s3", &own)?;
    let summary = folder.text("portolan-on-s3/quickstart.json")?;
    let written = std::fs::read_to_string(&summary)?;
    ensure!(written.contains(&place), "the archive is not on S3");
    ensure!(!folder.path.join("portolan-on-s3/archives").exists(), "there is a folder of archives");
    let cases = ["test_endpoints.py", "test_table.py"];
    let clients = [
        ("PORTOLAN_QUICKSTART", summary.as_str()),
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ALLOW_HTTP", "true"),
    ];
    let result = super::pytest(folder, &cases, &clients);
    let stopped = server.stop(STOP_TIMEOUT_S);
    result.and(stopped)
}

impl Stores {
    fn start(folder: &Folder) -> Result<Self> {
        let minio = Minio::start(folder, "minio")?;
        let (azurite, gcs) = (azurite_program()?, gcs_program()?);
        let ports = [free_port()?, free_port()?];
        let mut command = Command::new("node");
        command.arg(azurite).args(["--silent", "--skipApiVersionCheck", "--disableTelemetry"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort"]).arg(ports[0].to_string());
        command.arg("--location").arg(folder.path.join("azurite"));
        let azurite = listening("azurite", &mut command, ports[0])?;
        let mut command = Command::new(gcs);
        command.arg("-listen").arg(local(ports[1]));
        let gcs = listening("gcs", &mut command, ports[1])?;
        Ok(Self { minio, _azurite: azurite, gcs, ports })
    }

    fn s3(&self) -> String {
        self.minio.endpoint()
    }

    /// What the suite wants to know.
    fn environment(&self) -> [(&'static str, String); 3] {
        let [azure, gcs] = self.ports.map(|port| format!("http://{}", local(port)));
        [
            ("PORTOLAN_TEST_S3", self.s3()),
            ("PORTOLAN_TEST_AZURE", format!("{azure}/{AZURE_ACCOUNT}")),
            ("PORTOLAN_TEST_GCS", gcs),
        ]
    }

    fn stop(self) -> Result<()> {
        let minio = self.minio.stop();
        self.gcs.stop(STOP_TIMEOUT_S).and(minio)
    }
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn listening(name: &'static str, command: &mut Command, port: u16) -> Result<Running> {
    let mut server = Running::start(name, command)?;
    let ready = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    server.wait_for("its port", START_TIMEOUT_S, ready)?;
    Ok(server)
}

/// Built from its module, once for each release: that takes minutes.
fn minio_program() -> Result<PathBuf> {
    let release = MINIO.rsplit_once('-').map_or(MINIO, |(_, commit)| commit);
    let folder = target()?.join(format!("minio-{release}"));
    let program = folder.join("minio");
    if !program.exists() {
        let place = folder.to_str().context("the target folder has no UTF-8 name")?;
        let environment = [("GOBIN", place), ("CGO_ENABLED", "0")];
        run::run_in(&run::root(), "go", &["install", MINIO], &environment)?;
    }
    Ok(program)
}

fn azurite_program() -> Result<PathBuf> {
    Ok(npm_folder("azurite")?.join("node_modules/azurite/dist/src/blob/main.js"))
}

fn gcs_program() -> Result<PathBuf> {
    let program = target()?.join("gcs");
    let output = program.to_str().context("the target folder has no UTF-8 name")?;
    let module = run::root().join("conformance/gcs");
    run::run_in(&module, "go", &["build", "-o", output, "."], &[("CGO_ENABLED", "0")])?;
    Ok(program)
}
