//! A router of a sharded cluster, as far as clients can tell: it stands before a sandbox cluster, says
//! `isdbgrid` in `hello`, answers what `config.collections` holds, passes everything else on, and remembers
//! what it was asked.
//!
//! It shows what our commands look like to a router. It cannot show what a router does with them: behind it
//! is one server, where `_id` is unique.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::{Bson, Document, RawDocumentBuf, doc};
use portolan_runtime::Runtime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

const OP_MSG: i32 = 2013;
const OP_REPLY: i32 = 1;
const HEADER_BYTES: usize = 16;

/// What only members of a replica set say of themselves, and what lets clients wait for changes of it.
const OF_REPLICA_SETS: [&str; 9] = [
    "setName",
    "setVersion",
    "hosts",
    "primary",
    "me",
    "secondary",
    "electionId",
    "lastWrite",
    "topologyVersion",
];

/// What the router knows and remembers.
#[derive(Default)]
pub(crate) struct Memory {
    /// Entries of `config.collections`; `None`: the account may not read them.
    pub(crate) catalogue: Option<Vec<Document>>,
    /// Queries of delete statements, with the name of the collection.
    pub(crate) deletes: Vec<(String, Document)>,
    /// Read concerns of reads of `portolan.fences`.
    pub(crate) concerns: Vec<Document>,
}

/// A router that listens.
pub(crate) struct Router {
    pub(crate) address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
}

impl Router {
    /// Stands before the server at `behind`.
    pub(crate) async fn start(behind: String, catalogue: Option<Vec<Document>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let memory = Arc::new(Mutex::new(Memory { catalogue, ..Memory::default() }));
        let known = memory.clone();
        Runtime::system().spawn("router", async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&behind).await.expect("the sandbox");
                connect(client, server, known.clone());
            }
        });
        Self { address, memory }
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(client: TcpStream, server: TcpStream, memory: Arc<Mutex<Memory>>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let to_client = Arc::new(tokio::sync::Mutex::new(to_client));
    let runtime = Runtime::system();
    runtime.spawn("router.asked", asked(from_client, to_server, to_client.clone(), memory));
    runtime.spawn("router.answered", answered(from_server, to_client));
}

/// One message, header included.
async fn message(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut bytes = vec![0; HEADER_BYTES];
    from.read_exact(&mut bytes).await.ok()?;
    let length = usize::try_from(number(&bytes, 0)).ok()?;
    bytes.resize(length, 0);
    from.read_exact(&mut bytes[HEADER_BYTES..]).await.ok()?;
    Some(bytes)
}

fn number(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Where the body of a message begins: after the flags and the kind of its first section, or after the
/// fields of a reply of the old protocol.
fn body_at(bytes: &[u8]) -> Option<usize> {
    match number(bytes, 12) {
        OP_MSG if bytes[20] == 0 => Some(21),
        OP_REPLY => Some(36),
        _ => None,
    }
}

fn body(bytes: &[u8]) -> Option<(usize, Document)> {
    let at = body_at(bytes)?;
    let length = usize::try_from(number(bytes, at)).ok()?;
    let raw = RawDocumentBuf::from_bytes(bytes[at..at + length].to_vec()).ok()?;
    Some((at, Document::try_from(raw).ok()?))
}

/// The same message with another body.
fn with_body(bytes: &[u8], at: usize, body: &Document) -> Vec<u8> {
    let body = RawDocumentBuf::try_from(body).expect("BSON").into_bytes();
    let mut changed = bytes[..at].to_vec();
    changed.extend(body);
    let length = i32::try_from(changed.len()).expect("small");
    changed[..4].copy_from_slice(&length.to_le_bytes());
    changed
}

async fn asked(
    mut from: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    client: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    memory: Arc<Mutex<Memory>>,
) {
    while let Some(bytes) = message(&mut from).await {
        let answer = body(&bytes).and_then(|(_, command)| {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            remember(&mut memory, &command);
            of_catalogue(&memory, &command)
        });
        let sent = match answer {
            Some(answer) => client.lock().await.write_all(&reply(&bytes, &answer)).await,
            None => server.write_all(&bytes).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

fn remember(memory: &mut Memory, command: &Document) {
    if let Ok(collection) = command.get_str("delete")
        && let Ok(statements) = command.get_array("deletes")
    {
        let queries = statements.iter().filter_map(|it| it.as_document()?.get_document("q").ok());
        memory.deletes.extend(queries.map(|query| (collection.to_owned(), query.clone())));
    }
    if is_text(command, "find", "fences") && !command.contains_key("txnNumber") {
        memory.concerns.push(command.get_document("readConcern").cloned().unwrap_or_default());
    }
}

fn is_text(command: &Document, name: &str, text: &str) -> bool {
    command.get_str(name).is_ok_and(|found| found == text)
}

/// What the router answers itself.
fn of_catalogue(memory: &Memory, command: &Document) -> Option<Document> {
    if !is_text(command, "find", "collections") || !is_text(command, "$db", "config") {
        return None;
    }
    let Some(entries) = &memory.catalogue else {
        return Some(doc! {
            "ok": 0.0, "code": 13, "codeName": "Unauthorized",
            "errmsg": "not authorized on config to execute command find",
        });
    };
    let entries: Vec<Bson> = entries.iter().cloned().map(Bson::from).collect();
    let cursor = doc! { "id": 0_i64, "ns": "config.collections", "firstBatch": entries };
    Some(doc! { "ok": 1.0, "cursor": cursor })
}

fn reply(to: &[u8], body: &Document) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[8..12].copy_from_slice(&to[4..8]);
    bytes[12..16].copy_from_slice(&OP_MSG.to_le_bytes());
    bytes.extend([0, 0, 0, 0, 0]);
    with_body(&bytes, bytes.len(), body)
}

async fn answered(mut from: OwnedReadHalf, to: Arc<tokio::sync::Mutex<OwnedWriteHalf>>) {
    while let Some(bytes) = message(&mut from).await {
        let bytes = match body(&bytes) {
            Some((at, hello)) if hello.contains_key("maxWireVersion") => {
                with_body(&bytes, at, &disguised(hello))
            }
            _ => bytes,
        };
        if to.lock().await.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

fn disguised(mut hello: Document) -> Document {
    for name in OF_REPLICA_SETS {
        hello.remove(name);
    }
    hello.insert("msg", "isdbgrid");
    hello
}
