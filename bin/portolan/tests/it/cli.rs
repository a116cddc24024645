//! The command line as a user meets it: a real process, its exit code, its words.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PORTOLAN: &str = env!("CARGO_BIN_EXE_portolan");

fn portolan(arguments: &[&str]) -> Output {
    Command::new(PORTOLAN).args(arguments).stdin(Stdio::null()).output().expect("started")
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A configuration on free ports below `dir`.
fn write_config(dir: &Path, listen: u16) -> std::path::PathBuf {
    let file = dir.join("portolan.toml");
    let content = format!(
        "dir = \"{}\"\n[server]\nlisten = \"127.0.0.1:{listen}\"\n[log]\nlevel = \"warn\"\n",
        text(&dir.join("data"))
    );
    std::fs::write(&file, content).expect("written");
    file
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address").port()
}

#[test]
fn help_teaches_every_command() {
    let output = portolan(&["--help"]);
    let help = String::from_utf8_lossy(&output.stdout);
    for command in [
        "quickstart",
        "serve",
        "worker",
        "bootstrap",
        "check-config",
        "backup",
        "restore",
        "rotate-key",
        "cluster",
        "archive",
    ] {
        assert!(help.contains(command), "{help}");
        assert!(portolan(&[command, "--help"]).status.success(), "{command}");
    }
}

#[test]
fn a_port_in_use_is_named_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let parent = tempfile::tempdir().expect("a folder");
    let dir = parent.path().join("data");
    let output = portolan(&["quickstart", "--once", "--listen", &address, "--dir", text(&dir)]);
    let refusal = refusal(&output);
    assert!(refusal.contains(&address) && refusal.contains("choose another address"), "{refusal}");
    assert!(!dir.exists(), "a refused start leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_folder_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let sample = crate::support::sample(400);
    let first = crate::support::Instance::start(dir.path(), &sample.path).await;
    let output =
        portolan(&["quickstart", "--once", "--listen", "127.0.0.1:0", "--dir", text(dir.path())]);
    assert!(refusal(&output).contains("in use by another Portolan process"));
    first.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quickstart_starts_again_from_what_is_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let sample = crate::support::sample(400);
    let first = crate::support::Instance::start(dir.path(), &sample.path).await;
    let before = first.documents().await;
    let summary = std::fs::read_to_string(dir.path().join("quickstart.json")).expect("there");
    first.stop();
    let second = crate::support::Instance::start_again(dir.path(), &sample.path).await;
    let after = second.documents().await;
    assert!(before.union == after.union && before.cluster == after.cluster);
    let again = std::fs::read_to_string(dir.path().join("quickstart.json")).expect("there");
    let archive = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
        value["archiveId"].clone()
    };
    assert_eq!(archive(&summary), archive(&again));
    second.stop();
}

#[test]
fn bootstrap_works_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = write_config(dir.path(), free_port());
    let arguments =
        ["bootstrap", "--config", text(&config), "--org", "Acme", "--user", "owner@example.com"];
    let first = portolan(&arguments);
    assert!(first.status.success(), "{first:?}");
    let keys: serde_json::Value = serde_json::from_slice(&first.stdout).expect("JSON");
    assert_eq!(keys["publicKey"].as_str().map(str::len), Some(8));
    assert!(keys["clientId"].as_str().is_some_and(|id| id.starts_with("mdb_sa_id_")));
    let again = portolan(&arguments);
    assert!(refusal(&again).contains("organization"), "{again:?}");
}

#[test]
fn a_configuration_is_checked_without_starting_anything() {
    let dir = tempfile::tempdir().expect("a folder");
    let good = write_config(dir.path(), 1);
    assert!(portolan(&["check-config", "--config", text(&good)]).status.success());
    assert!(!dir.path().join("data").exists());
    let bad = dir.path().join("bad.toml");
    std::fs::write(&bad, "[server]\nlisten = \"0.0.0.0:80\"\n").expect("written");
    assert!(refusal(&portolan(&["check-config", "--config", text(&bad)])).contains("server.tls"));
    let absent = portolan(&["check-config", "--config", "/nowhere/portolan.toml"]);
    assert!(refusal(&absent).contains("/nowhere/portolan.toml"));
}

/// The description of the API is longer than a pipe holds.
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = Command::new(PORTOLAN)
        .arg("openapi")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), told.as_ref()), (Some(141), ""));
}
