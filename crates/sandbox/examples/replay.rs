//! A source of any size for measurements: a cluster whose collection `replay.documents` is a seed file
//! served over and over, each time with new `_id`s and dates. Nothing of it is stored; a document is
//! made from its number when it is read, and only which ones were deleted is remembered, one bit each.
//! Everything else (the archiver's own database, transactions, probes) is an ordinary sandbox cluster.
//! `portolan` itself never starts one.
//!
//! Not here: guards. A document never changes, so a guarded delete of one that is there always holds.
//!
//! Usage: `replay FOLDER PORT SEED.bson DOCUMENTS [STEP_MS]`. `_id` counts from 0, `at` from 1 January 2015
//! in steps of STEP_MS (1000 when left out). Ends on SIGTERM.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bson::raw::CString;
use bson::spec::BinarySubtype;
use bson::{Binary, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use futures::{StreamExt, stream};
use portolan_runtime::Runtime;
use portolan_sandbox::{Accounts, Sandbox, SandboxOptions};
use portolan_wire::{
    Account, Backend, Command, CommandContext, CommandError, CursorReply, Identity, Reply, Server,
    ServerOptions, User,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error>;

const DATABASE: &str = "replay";
const COLLECTION: &str = "documents";
const NAMESPACE: &str = "replay.documents";
/// 1 January 2015.
const FIRST_MS: i64 = 1_420_070_400_000;
/// Where the values of `_id` and `at` begin in a document that begins with both.
const ID_AT: usize = 4 + 1 + 4;
const DATE_AT: usize = ID_AT + 8 + 1 + 3;
/// Documents made at a time.
const CHUNK: u64 = 512;

/// The documents of the seed file, each beginning with an `_id` and a date to be written over.
struct Seed {
    documents: Vec<Vec<u8>>,
    count: u64,
    step_ms: i64,
}

impl Seed {
    fn read(path: &PathBuf, count: u64, step_ms: i64) -> Result<Self, Failure> {
        let bytes = std::fs::read(path)?;
        let (mut rest, mut documents) = (bytes.as_slice(), Vec::new());
        while let Some(length) = rest.first_chunk::<4>() {
            let length = usize::try_from(u32::from_le_bytes(*length))?;
            let (document, after) = rest.split_at_checked(length).ok_or("the seed is cut off")?;
            documents.push(template(RawDocument::from_bytes(document)?)?);
            rest = after;
        }
        if documents.is_empty() {
            return Err("the seed holds no document".into());
        }
        Ok(Self { documents, count, step_ms })
    }

    fn document(&self, number: u64) -> Option<RawDocumentBuf> {
        let place = usize::try_from(number % self.documents.len() as u64).ok()?;
        let mut bytes = self.documents.get(place)?.clone();
        let id = i64::try_from(number).ok()?;
        let at_ms = FIRST_MS.checked_add(id.checked_mul(self.step_ms)?)?;
        bytes.get_mut(ID_AT..ID_AT + 8)?.copy_from_slice(&id.to_le_bytes());
        bytes.get_mut(DATE_AT..DATE_AT + 8)?.copy_from_slice(&at_ms.to_le_bytes());
        RawDocumentBuf::from_bytes(bytes).ok()
    }
}

fn template(seed: &RawDocument) -> Result<Vec<u8>, Failure> {
    let mut made = rawdoc! { "_id": 0_i64, "at": bson::DateTime::from_millis(0) };
    for element in seed {
        let (name, value) = element?;
        if !["_id", "at"].contains(&name.as_str()) {
            made.append(CString::try_from(name.as_str().to_owned())?, value);
        }
    }
    Ok(made.into_bytes())
}

/// Which documents were deleted.
#[derive(Default)]
struct Deleted {
    bits: Mutex<Vec<u64>>,
    count: AtomicU64,
}

impl Deleted {
    /// Whether it was there until now.
    fn delete(&self, number: u64) -> bool {
        let (word, bit) = (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64));
        let mut bits = self.bits.lock().unwrap_or_else(PoisonError::into_inner);
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        let fresh = bits[word] & bit == 0;
        bits[word] |= bit;
        self.count.fetch_add(u64::from(fresh), Ordering::Relaxed);
        fresh
    }

    /// The numbers of a range that are still there.
    fn left(&self, range: std::ops::Range<u64>) -> Vec<u64> {
        let bits = self.bits.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = |number: &u64| {
            let word = usize::try_from(number / 64).ok().and_then(|word| bits.get(word));
            word.is_some_and(|word| word & (1 << (number % 64)) != 0)
        };
        range.filter(|number| !gone(number)).collect()
    }
}

struct Replay {
    inner: Arc<dyn Backend>,
    seed: Arc<Seed>,
    deleted: Arc<Deleted>,
    uuid: [u8; 16],
}

#[async_trait]
impl Backend for Replay {
    fn identity(&self) -> Identity {
        self.inner.identity()
    }

    async fn account(&self, database: &str, name: &str) -> Result<Option<Account>, CommandError> {
        self.inner.account(database, name).await
    }

    async fn run(&self, context: &CommandContext, command: Command) -> Result<Reply, CommandError> {
        if command.database != DATABASE {
            return self.inner.run(context, command).await;
        }
        self.begin_transaction(context, &command).await?;
        match command.name.as_str() {
            "find" => self.find(&command),
            "delete" => self.delete(&command),
            "count" => {
                let left = self.seed.count - self.deleted.count.load(Ordering::Relaxed);
                Ok(Reply::Document(rawdoc! { "n": i64::try_from(left).unwrap_or(i64::MAX) }))
            }
            "listCollections" => Ok(cursor("replay.$cmd.listCollections", vec![self.collection()])),
            "listIndexes" => Ok(cursor(NAMESPACE, indexes())),
            _ => self.inner.run(context, command).await,
        }
    }

    fn end_sessions(&self, user: Option<&User>, sessions: Option<&[Vec<u8>]>) {
        self.inner.end_sessions(user, sessions);
    }

    fn reply_fields(&self) -> Vec<(&'static str, bson::Bson)> {
        self.inner.reply_fields()
    }
}

impl Replay {
    /// A transaction that begins here begins in the sandbox, which will be asked to commit it.
    async fn begin_transaction(
        &self,
        context: &CommandContext,
        command: &Command,
    ) -> Result<(), CommandError> {
        if command.get("startTransaction").is_none() {
            return Ok(());
        }
        let mut body = rawdoc! { "find": "nothing", "limit": 1 };
        for name in ["$db", "lsid", "txnNumber", "startTransaction", "autocommit", "readConcern"] {
            if let (Ok(key), Some(value)) = (CString::try_from(name.to_owned()), command.get(name))
            {
                body.append(key, value);
            }
        }
        let nothing = Command::new("portolan", body)?;
        self.inner.run(context, nothing).await.map(|_| ())
    }

    fn find(&self, command: &Command) -> Result<Reply, CommandError> {
        let empty = RawDocumentBuf::new();
        let filter = command.get_document("filter")?.unwrap_or(&empty);
        let wanted: Wanted = match filter.get("_id") {
            Ok(Some(RawBsonRef::Document(condition))) => self.by_id(condition),
            Ok(Some(id)) => number(id).into_iter().collect(),
            _ => Wanted::Range(0..self.seed.count),
        };
        let limit = command.get_u64("limit")?.filter(|limit| *limit > 0);
        let documents = self.documents(wanted);
        let batch_size = command.get_u64("batchSize")?.and_then(|size| u32::try_from(size).ok());
        let single_batch = command.get_bool("singleBatch")?.unwrap_or(false);
        let reply = CursorReply::new(NAMESPACE, documents);
        Ok(Reply::Cursor(CursorReply { batch_size, limit, single_batch, ..reply }))
    }

    fn by_id(&self, condition: &RawDocument) -> Wanted {
        if let Ok(list) = condition.get_array("$in") {
            return list.into_iter().filter_map(Result::ok).filter_map(number).collect();
        }
        let bound = |name: &str| condition.get(name).ok().flatten().and_then(number);
        if let Some(equal) = bound("$eq") {
            return Wanted::Numbers(vec![equal]);
        }
        let low = bound("$gte").unwrap_or(0);
        let high = bound("$lte").map_or(self.seed.count, |high| high.saturating_add(1));
        Wanted::Range(low..high.min(self.seed.count))
    }

    fn documents(
        &self,
        wanted: Wanted,
    ) -> stream::BoxStream<'static, Result<RawDocumentBuf, CommandError>> {
        let (seed, deleted) = (self.seed.clone(), self.deleted.clone());
        let numbers = match wanted {
            Wanted::Numbers(numbers) => {
                let there = |number: &u64| {
                    *number < seed.count && !deleted.left(*number..number + 1).is_empty()
                };
                stream::iter(numbers.into_iter().filter(there).collect::<Vec<_>>()).boxed()
            }
            Wanted::Range(range) => {
                let starts = (range.start..range.end).step_by(CHUNK as usize);
                stream::iter(starts)
                    .flat_map(move |start| {
                        let end = (start + CHUNK).min(range.end);
                        stream::iter(deleted.left(start..end))
                    })
                    .boxed()
            }
        };
        numbers.filter_map(move |number| std::future::ready(seed.document(number).map(Ok))).boxed()
    }

    fn delete(&self, command: &Command) -> Result<Reply, CommandError> {
        let mut n = 0;
        for statement in command.documents("deletes")? {
            let id = match statement.get_document("q").map(|filter| filter.get("_id")) {
                Ok(Ok(Some(RawBsonRef::Document(condition)))) => {
                    condition.get("$eq").ok().flatten().and_then(number)
                }
                Ok(Ok(Some(id))) => number(id),
                _ => None,
            };
            let there = id.filter(|id| *id < self.seed.count);
            n += i32::from(there.is_some_and(|id| self.deleted.delete(id)));
        }
        Ok(Reply::Document(rawdoc! { "n": n }))
    }

    fn collection(&self) -> RawDocumentBuf {
        let uuid = Binary { subtype: BinarySubtype::Uuid, bytes: self.uuid.to_vec() };
        rawdoc! {
            "name": COLLECTION, "type": "collection", "options": {},
            "info": { "readOnly": false, "uuid": uuid },
        }
    }
}

/// Which documents a query asks for.
enum Wanted {
    Numbers(Vec<u64>),
    Range(std::ops::Range<u64>),
}

impl FromIterator<u64> for Wanted {
    fn from_iter<T: IntoIterator<Item = u64>>(numbers: T) -> Self {
        Self::Numbers(numbers.into_iter().collect())
    }
}

fn number(id: RawBsonRef<'_>) -> Option<u64> {
    match id {
        RawBsonRef::Int64(id) => u64::try_from(id).ok(),
        RawBsonRef::Int32(id) => u64::try_from(id).ok(),
        _ => None,
    }
}

fn indexes() -> Vec<RawDocumentBuf> {
    let index = |name: &str, key: RawDocumentBuf| rawdoc! { "v": 2, "key": key, "name": name };
    vec![index("_id_", rawdoc! { "_id": 1 }), index("at_1", rawdoc! { "at": 1 })]
}

fn cursor(namespace: &str, documents: Vec<RawDocumentBuf>) -> Reply {
    let documents = stream::iter(documents.into_iter().map(Ok)).boxed();
    Reply::Cursor(CursorReply::new(namespace, documents))
}

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

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let usage = "usage: replay FOLDER PORT SEED.bson DOCUMENTS [STEP_MS]";
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(usage);
    let (folder, port) = (PathBuf::from(next()?), next()?.parse::<u16>()?);
    let (seed, count) = (PathBuf::from(next()?), next()?.parse()?);
    let step_ms = next().map_or(Ok(1_000), |text| text.parse())?;
    let seed = Arc::new(Seed::read(&seed, count, step_ms)?);
    let runtime = Runtime::system();
    let sandbox = Sandbox::open(&folder, SandboxOptions::default(), runtime.clone()).await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let inner = sandbox.backend(Arc::new(Nobody), format!("127.0.0.1:{port}"));
    let uuid = runtime.uuid_v4();
    let backend = Arc::new(Replay { inner, seed, deleted: Arc::default(), uuid });
    let options = ServerOptions { require_auth: false, ..ServerOptions::default() };
    let shutdown = CancellationToken::new();
    let server = Server::serve(listener, backend, options, runtime, shutdown.clone());
    let mut asked = signal(SignalKind::terminate())?;
    let wait = async {
        asked.recv().await;
        shutdown.cancel();
    };
    tokio::join!(server, wait);
    sandbox.close().await?;
    Ok(())
}
