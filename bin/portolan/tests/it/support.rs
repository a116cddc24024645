//! A real `portolan` process on a small sample, for tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bson::RawDocumentBuf;
use futures::TryStreamExt;
use mongodb::{Client, Collection};

const PORTOLAN: &str = env!("CARGO_BIN_EXE_portolan");
/// Exit code of a process that a fault plan ended.
const KILLED: i32 = 137;

/// Some of the flights, as a file and by `_id`.
pub(crate) struct Sample {
    pub(crate) path: PathBuf,
    pub(crate) documents: BTreeMap<Vec<u8>, Vec<u8>>,
    _dir: tempfile::TempDir,
}

/// Every `step`-th flight.
pub(crate) fn sample(step: usize) -> Sample {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/flights.bson.zst");
    let raw = zstd::decode_all(std::fs::File::open(file).expect("the sample")).expect("zstd");
    let mut documents = BTreeMap::new();
    let mut chosen = Vec::new();
    let mut rest = raw.as_slice();
    let mut index = 0;
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().expect("four bytes")) as usize;
        let (document, after) = rest.split_at(length);
        if index % step == 0 {
            chosen.extend_from_slice(document);
            documents.insert(id(document), document.to_vec());
        }
        index += 1;
        rest = after;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("sample.bson.zst");
    std::fs::write(&path, zstd::encode_all(chosen.as_slice(), 1).expect("zstd")).expect("written");
    Sample { path, documents, _dir: dir }
}

fn id(document: &[u8]) -> Vec<u8> {
    let document = bson::RawDocument::from_bytes(document).expect("a document");
    document.get_object_id("_id").expect("an _id").bytes().to_vec()
}

/// Runs the quickstart under a fault plan until it ends; whether the fault ended it.
pub(crate) fn run_until_killed(dir: &Path, sample: &Sample, fault: &str) -> bool {
    let mut command = quickstart(dir, &sample.path);
    let status = command.arg("--once").env("PORTOLAN_FAULTS", fault).status().expect("started");
    assert!(
        status.success() || status.code() == Some(KILLED),
        "{fault}: the process ended with {status}"
    );
    !status.success()
}

/// Ports of their own for each folder, so that tests that run side by side never race for one.
fn ports(dir: &Path) -> String {
    static GIVEN: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());
    let mut given = GIVEN.lock().expect("no test panics while it holds this");
    let next = given.len();
    let first = 31_000 + 10 * *given.entry(dir.to_owned()).or_insert(next);
    format!("[{first}, {}]", first + 9)
}

fn quickstart(dir: &Path, sample: &Path) -> Command {
    let mut command = Command::new(PORTOLAN);
    command.env("PORTOLAN__ENDPOINTS__PORT_RANGE", ports(dir));
    command.args(["quickstart", "--quiet", "--listen", "127.0.0.1:0", "--dir"]).arg(dir);
    command.arg("--sample").arg(sample).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// What each connection string shows, by `_id`.
pub(crate) struct Documents {
    pub(crate) cluster: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) archive: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) union: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) union_count: usize,
}

/// A quickstart that serves.
pub(crate) struct Instance {
    child: Child,
    summary: serde_json::Value,
}

impl Instance {
    /// Starts it and waits until the main job is done.
    pub(crate) async fn start(dir: &Path, sample: &Path) -> Self {
        Self::wait(dir, quickstart(dir, sample).spawn().expect("started"), None).await
    }

    /// Starts it on a folder whose main job is done, and waits until it says so again.
    pub(crate) async fn start_again(dir: &Path, sample: &Path) -> Self {
        let written = std::fs::metadata(dir.join("quickstart.json")).expect("a summary");
        let written = written.modified().expect("a time");
        Self::wait(dir, quickstart(dir, sample).spawn().expect("started"), Some(written)).await
    }

    async fn wait(dir: &Path, mut child: Child, after: Option<SystemTime>) -> Self {
        let summary = dir.join("quickstart.json");
        let is_new = || {
            let written = std::fs::metadata(&summary).and_then(|found| found.modified());
            written.is_ok_and(|written| after.is_none_or(|after| written > after))
        };
        for _ in 0..900 {
            if is_new() {
                break;
            }
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "the process ended with {ended:?}");
            pause().await;
        }
        let text = std::fs::read_to_string(&summary).expect("the main job was not done in time");
        Self { child, summary: serde_json::from_str(&text).expect("JSON") }
    }

    /// Everything that the three connection strings show.
    pub(crate) async fn documents(&self) -> Documents {
        let (cluster, _) = self.read("cluster").await;
        let (archive, _) = self.read("archive").await;
        let (union, union_count) = self.read("clusterAndArchive").await;
        Documents { cluster, archive, union, union_count }
    }

    async fn read(&self, name: &str) -> (BTreeMap<Vec<u8>, Vec<u8>>, usize) {
        let uri = self.summary["connectionStrings"][name].as_str().expect("a connection string");
        let client = Client::with_uri_str(uri).await.expect("a client");
        let flights: Collection<RawDocumentBuf> =
            client.database("sample_flights").collection("flights");
        let found = flights.find(bson::doc! {}).await.expect("find");
        let found: Vec<RawDocumentBuf> = found.try_collect().await.expect("all documents");
        let count = found.len();
        let by_id = found.into_iter().map(|d| (id(d.as_bytes()), d.into_bytes())).collect();
        (by_id, count)
    }

    /// A text of the summary, such as `groupId`.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.summary[name].as_str().unwrap_or_else(|| panic!("the summary has no {name}"))
    }

    /// The connection string of the quickstart's cluster, credentials included.
    pub(crate) fn cluster_uri(&self) -> &str {
        self.summary["connectionStrings"]["cluster"].as_str().expect("a connection string")
    }

    /// SIGTERM; it must end with status 0 within ten seconds.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill");
        for _ in 0..100 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert!(status.success(), "ended with {status} after SIGTERM");
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("still there ten seconds after SIGTERM");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) async fn pause() {
    portolan_runtime::Runtime::system().sleep_ms(100).await;
}
