//! The operators' commands against a real process: what they print, and that a hold holds.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::clusters::Api;
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

/// What changes something: a run that is asked for, documents that return, one that leaves for good, and a
/// deletion that is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_run_restore_redact_and_undelete() {
    let sample = sample(100);
    let dir = tempfile::tempdir().expect("a folder");
    let instance = Instance::start(dir.path(), &sample.path).await;
    let before = instance.documents().await;
    let operator = operator(dir.path());
    let api = Api::of(&instance).await;
    let path = format!("/clusters/{}/onlineArchives/{}", operator.cluster, operator.archive);

    // One document returns. Asked for again, it is there already.
    let mut archived =
        before.archive.keys().map(|id| format!("{{\"$oid\":\"{}\"}}", hex::encode(id)));
    let id = archived.next().expect("a document");
    let filter = format!("{{\"_id\": {id}}}");
    let preview = operator.ask(&["restore", "--filter", &filter, "--preview"]).await;
    assert_eq!(preview["progress"]["documents"], 1, "{preview}");
    let restored = operator.ask(&["restore", "--filter", &filter]).await;
    assert_eq!(restored["progress"]["inserted"], 1, "{restored}");
    assert_eq!(instance.documents().await.cluster.len(), before.cluster.len() + 1);
    let again = operator.ask(&["restore", "--filter", &filter]).await;
    assert_eq!(again["progress"]["alreadyThere"], 1, "{again}");
    let verified = operator.ask(&["verify", "--against-cluster"]).await;
    assert_eq!(verified["progress"]["restoredInCluster"], 1, "{verified}");

    // Another one leaves. While the cluster holds one it is refused.
    let refused = operator.run(&["redact", "--id", &id, "--reason", "request 12"]).await;
    assert_eq!(refused.status.code(), Some(1), "the cluster holds it: {refused:?}");
    let id = archived.next().expect("another document");
    let redacted = operator.ask(&["redact", "--id", &id, "--reason", "request 12"]).await;
    assert_eq!(redacted["progress"]["rows"], 1, "{redacted}");
    assert!(redacted["request"]["_id"].is_null(), "its record does not name it: {redacted}");
    let statistics = operator.ask(&["statistics"]).await;
    assert_eq!(statistics["documents"], before.archive.len() - 1);
    let raw: usize = before.archive.values().map(Vec::len).sum();
    assert!(statistics["bytesRaw"].as_u64().is_some_and(|bytes| bytes < raw as u64));

    // The archive runs when it is told to, and shows what it did.
    api.call("PATCH", &path, Some(json!({ "paused": false }))).await;
    let ran = operator.ask(&["run"]).await;
    assert_eq!(ran["_id"], operator.archive, "{ran}");
    let runs = operator.ask(&["runs", "--per-page", "1"]).await;
    let run = &runs["results"][0];
    assert!(run["documentsPerSecond"].is_number() && run["phaseMs"].is_object(), "{runs}");
    let one = operator.ask(&["runs", "--run", run["_id"].as_str().expect("an id")]).await;
    assert_eq!((&one["documentsNamed"], &one["documents"]), (&0.into(), &json!([])));

    api.call("DELETE", &path, None).await;
    assert_eq!(operator.run(&["show"]).await.status.code(), Some(1));
    let back = operator.ask(&["undelete"]).await;
    assert_eq!(back["state"], "PAUSED", "{back}");
    assert_eq!(operator.ask(&["verify"]).await["progress"]["sound"], true);
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
