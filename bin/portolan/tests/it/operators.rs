//! The operators' commands against a real process: what they print, and that a hold holds.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Instance, sample};

struct Operator<'a> {
    dir: &'a Path,
    archive: String,
    cluster: String,
}

impl Operator<'_> {
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
        command.arg("archive").args(arguments).arg("--from").arg(self.dir);
        command.args(["--cluster", &self.cluster, "--archive", &self.archive]);
        command.stdin(Stdio::null());
        // The instance may serve on this thread's runtime.
        let runtime = portolan_runtime::Runtime::system();
        runtime.spawn_blocking(move || command.output()).await.expect("a thread").expect("started")
    }

    async fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

fn operator(dir: &Path) -> Operator<'_> {
    let text = std::fs::read_to_string(dir.join("quickstart.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    let text = |name: &str| summary[name].as_str().unwrap_or_else(|| panic!("{name}")).to_owned();
    Operator { dir, archive: text("archiveId"), cluster: text("clusterName") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_look_check_and_hold() {
    let sample = sample(100);
    let dir = tempfile::tempdir().expect("a folder");
    let instance = Instance::start(dir.path(), &sample.path).await;
    let archived = instance.documents().await.archive.len();
    let operator = operator(dir.path());

    let verified = operator.ask(&["verify", "--against-cluster"]).await;
    assert_eq!(verified["progress"]["sound"], true, "{verified}");
    assert_eq!(verified["progress"]["documents"].as_u64(), Some(archived as u64));
    let statistics = operator.ask(&["statistics"]).await;
    assert_eq!(statistics["documents"].as_u64(), Some(archived as u64));
    assert_eq!(statistics["openMove"], false);
    let estimate = operator.ask(&["estimate"]).await;
    assert_eq!(estimate["progress"]["documents"], 0, "everything cold was moved: {estimate}");
    let explained = operator.ask(&["explain"]).await;
    assert!(explained["because"].is_string() && explained["lastRun"]["phase"] == "DONE");
    let runs = operator.ask(&["runs"]).await;
    assert_eq!(runs["results"][0]["level"], "L3", "sandbox clusters have transactions: {runs}");
    let preview = operator.ask(&["expiry-preview", "--expire-after-days", "7"]).await;
    assert_eq!(preview["expireAfterDays"], 7);

    let held = operator.ask(&["hold", "--reason", "case 7"]).await;
    assert_eq!(held["hold"]["reason"], "case 7");
    assert_eq!(operator.ask(&["show"]).await["hold"]["reason"], "case 7");
    operator.ask(&["release"]).await;
    // The quickstart pauses its archive when it is done.
    let refused = operator.run(&["run"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ONLINE_ARCHIVE_NOT_ACTIVE"));
    let operations = operator.ask(&["operations"]).await;
    assert_eq!(operations["totalCount"], 2, "{operations}");

    // A file that is gone is found, and told by the exit code.
    let table = find_table(dir.path(), &operator.archive);
    let file = first_file(&table);
    std::fs::remove_file(file).expect("removed");
    let output = operator.run(&["verify"]).await;
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["progress"]["missingFiles"], 1);
    instance.stop();
}

fn find_table(dir: &Path, archive: &str) -> std::path::PathBuf {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.file_name() == archive {
                return entry.path();
            }
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no table below {}", dir.display())
}

fn first_file(table: &Path) -> std::path::PathBuf {
    let months = std::fs::read_dir(table).expect("a table").flatten();
    let month =
        months.into_iter().find(|entry| entry.file_name().to_string_lossy().starts_with("month="));
    let files = std::fs::read_dir(month.expect("a month").path()).expect("files");
    files.flatten().next().expect("a file").path()
}
