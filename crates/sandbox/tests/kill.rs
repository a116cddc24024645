//! Kills a served sandbox cluster at random moments, starts it again, and holds what is there against
//! what was acknowledged and against its own change stream. The server is this program itself, started
//! a second time; that is why it has no test harness.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bson::{Document, RawDocumentBuf, Timestamp, doc};
use futures::TryStreamExt;
use mongodb::options::{ChangeStreamOptions, ClientOptions};
use mongodb::{Client, Collection};
use portolan_runtime::Runtime;
use portolan_sandbox::{Accounts, Sandbox, SandboxOptions};
use portolan_wire::{Account, Server, ServerOptions, User};
use tokio_util::sync::CancellationToken;

/// Names the folder of the cluster to the process that serves it.
const FOLDER: &str = "PORTOLAN_TEST_FOLDER";
const ROUNDS: u32 = 8;
const WRITERS: i32 = 3;

struct Nobody;

#[async_trait]
impl Accounts for Nobody {
    async fn account(&self, _database: &str, _name: &str) -> Option<Account> {
        None
    }

    async fn users(&self) -> Vec<User> {
        Vec::new()
    }
}

fn main() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    match std::env::var_os(FOLDER) {
        Some(folder) => runtime.block_on(serve(PathBuf::from(folder))),
        None => runtime.block_on(kill_again_and_again()),
    }
}

/// Serves until it is killed.
async fn serve(folder: PathBuf) {
    let runtime = Runtime::system();
    let options = SandboxOptions::default();
    let sandbox = Sandbox::open(&folder, options, runtime.clone()).await.expect("a sandbox");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let backend = sandbox.backend(Arc::new(Nobody), host.clone());
    println!("{host}");
    let options = ServerOptions { require_auth: false, ..ServerOptions::default() };
    Server::serve(listener, backend, options, runtime, CancellationToken::new()).await;
}

/// A server in a process of its own; killed when dropped.
struct Served {
    child: Child,
    host: String,
}

impl Served {
    fn start(folder: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.env(FOLDER, folder).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().expect("a process");
        let mut host = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut host).expect("its address");
        assert!(!host.is_empty(), "the server did not start");
        Self { child, host: host.trim().to_owned() }
    }

    fn kill(&mut self) {
        // SIGKILL: nothing of the process runs any more.
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    async fn client(&self) -> Client {
        let uri = format!("mongodb://{}/?replicaSet=portolan", self.host);
        let mut options = ClientOptions::parse(uri).await.expect("options");
        options.server_selection_timeout = Some(Duration::from_secs(5));
        options.connect_timeout = Some(Duration::from_secs(5));
        Client::with_options(options).expect("a client")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

async fn kill_again_and_again() {
    let runtime = Runtime::system();
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Served::start(folder.path());
    let began = prepare(&server.client().await).await;
    let acknowledged: Arc<Vec<AtomicI32>> =
        Arc::new((0..WRITERS).map(|_| AtomicI32::new(0)).collect());
    for round in 0..ROUNDS {
        let client = server.client().await;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let work = write(client.clone(), writer, acknowledged.clone());
                runtime.spawn("test.write", work)
            })
            .collect();
        let wait_ms = 40 + u64::from(runtime.random_bytes::<1>()[0]) * 2;
        runtime.sleep_ms(wait_ms).await;
        server.kill();
        for writer in writers {
            writer.abort();
        }
        server = Served::start(folder.path());
        check(&server.client().await, began, &acknowledged).await;
        let counts: Vec<_> = acknowledged.iter().map(|n| n.load(Ordering::SeqCst)).collect();
        println!("round {round}: killed after {wait_ms} ms, acknowledged so far: {counts:?}");
    }
    let written: i32 = acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).sum();
    assert!(written > 20, "too little was written to tell anything: {written}");
}

fn collection(client: &Client) -> Collection<Document> {
    client.database("db").collection("c")
}

/// Makes the collection, and gives a time before everything that the writers do.
async fn prepare(client: &Client) -> Timestamp {
    let began = client.database("db").run_command(doc! { "ping": 1 }).await.expect("a reply");
    let index = doc! { "key": { "tags": 1, "n": -1 }, "name": "tags_n" };
    let create = doc! { "createIndexes": "c", "indexes": [index] };
    client.database("db").run_command(create).await.expect("an index");
    began.get_timestamp("operationTime").expect("a time")
}

/// Inserts, updates and deletes, alone and in transactions, until the server is gone. Documents of a
/// writer are numbered; the even ones stay.
async fn write(client: Client, writer: i32, acknowledged: Arc<Vec<AtomicI32>>) {
    let done = &acknowledged[usize::try_from(writer).expect("small")];
    loop {
        let n = done.load(Ordering::SeqCst);
        if step(&client, writer, n).await.is_err() {
            return;
        }
        done.store(n + 1, Ordering::SeqCst);
    }
}

async fn step(client: &Client, writer: i32, n: i32) -> mongodb::error::Result<()> {
    let documents = collection(client);
    let id = |n: i32| format!("{writer}/{n:06}");
    // What a killed server did of this step is done again.
    let document = doc! { "_id": id(n), "n": n, "tags": ["a", n % 5], "text": "x".repeat(300) };
    documents.replace_one(doc! { "_id": id(n) }, document).upsert(true).await?;
    let update =
        doc! { "$push": { "tags": { "$each": ["b"], "$slice": -3 } }, "$set": { "s.t": n } };
    documents.update_one(doc! { "_id": id(n) }, update).await?;
    if n % 2 == 1 {
        let mut session = client.start_session().await?;
        session.start_transaction().await?;
        let delete = documents.delete_one(doc! { "_id": id(n) });
        delete.session(&mut session).await?;
        let note = doc! { "$inc": { "odd": 1 } };
        let count = format!("count/{writer}");
        let update = documents.update_one(doc! { "_id": count }, note).upsert(true);
        update.session(&mut session).await?;
        session.commit_transaction().await?;
    }
    Ok(())
}

type Documents = BTreeMap<String, Document>;

async fn check(client: &Client, began: Timestamp, acknowledged: &[AtomicI32]) {
    let database = client.database("db");
    let valid = database.run_command(doc! { "validate": "c" }).await.expect("a reply");
    assert!(valid.get_bool("valid").expect("a flag"), "{valid}");
    let stored: Vec<Document> =
        collection(client).find(doc! {}).await.expect("found").try_collect().await.expect("read");
    let id = |document: &Document| document.get_str("_id").expect("an id").to_owned();
    let stored: Documents = stored.into_iter().map(|document| (id(&document), document)).collect();
    for (writer, count) in acknowledged.iter().enumerate() {
        for n in 0..count.load(Ordering::SeqCst) {
            let found = stored.get(&format!("{writer}/{n:06}"));
            assert_eq!(found.is_some(), n % 2 == 0, "document {n} of writer {writer}");
            assert!(found.is_none_or(|document| document.contains_key("s")), "{found:?}");
        }
    }
    let said = replayed(client, began).await;
    assert_eq!(said.len(), stored.len());
    for (id, document) in &stored {
        let raw = |document| RawDocumentBuf::try_from(document).expect("a document");
        assert_eq!(
            raw(&said[id]),
            raw(document),
            "the change stream from its beginning says the same"
        );
    }
}

/// What the change stream says is stored.
async fn replayed(client: &Client, began: Timestamp) -> Documents {
    let options = ChangeStreamOptions::builder().start_at_operation_time(began).build();
    let documents = collection(client);
    let watch = documents.watch().with_options(options);
    let mut stream = watch.await.expect("a stream").with_type::<Document>();
    let mut said = Documents::new();
    let mut idle = 0;
    while idle < 2 {
        match stream.next_if_any().await.expect("an event") {
            Some(event) => replay(&mut said, &event),
            None => idle += 1,
        }
    }
    said
}

fn replay(documents: &mut Documents, event: &Document) {
    let key = || event.get_document("documentKey").and_then(|key| key.get_str("_id"));
    let key = key().expect("a key").to_owned();
    match event.get_str("operationType").expect("a kind") {
        "insert" | "replace" => {
            let document = event.get_document("fullDocument").expect("a document");
            documents.insert(key, document.clone());
        }
        "update" => {
            let changes = event.get_document("updateDescription").expect("a description");
            let document = documents.get_mut(&key).expect("what is updated");
            apply(document, changes);
        }
        "delete" => drop(documents.remove(&key).expect("what is deleted")),
        other => panic!("no such event was made: {other}"),
    }
}

/// The updates of [`step`]: fields, elements of `tags`, and `s.t`.
fn apply(document: &mut Document, changes: &Document) {
    for (path, value) in changes.get_document("updatedFields").expect("fields") {
        match path.split_once('.') {
            Some(("tags", index)) => {
                let index: usize = index.parse().expect("an index");
                let tags = document.get_array_mut("tags").expect("tags");
                if index < tags.len() {
                    tags[index] = value.clone();
                } else {
                    tags.push(value.clone());
                }
            }
            Some(("s", field)) => {
                document.get_document_mut("s").expect("a document").insert(field, value.clone());
            }
            Some(_) => panic!("{path} was not updated"),
            None => drop(document.insert(path, value.clone())),
        }
    }
    assert!(changes.get_array("removedFields").expect("a list").is_empty());
    assert!(changes.get_array("truncatedArrays").expect("a list").is_empty());
}
