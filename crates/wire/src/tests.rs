//! Tests of the server over real sockets: a raw client, and the official driver.

mod client;
mod commands;
mod driver;
mod fail_points;
mod framing;
mod gate;
mod handshake;
mod properties;
mod reading;
mod tailing;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bson::{Bson, RawDocumentBuf, rawdoc};
use futures::StreamExt;
use portolan_runtime::Runtime;
use portolan_security::scram::{ScramCredentials, ScramSecret};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::*;

pub(super) const USER: &str = "ann,=x";
pub(super) const PASSWORD: &str = "secret";

/// Hands out numbered documents, remembers what it ran.
pub(super) struct Numbers {
    pub(super) topology: Topology,
    pub(super) ran: AtomicU32,
    pub(super) dropped: Arc<AtomicU32>,
}

struct CountsDrops(Arc<AtomicU32>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Backend for Numbers {
    fn identity(&self) -> Identity {
        Identity {
            server_version: "7.0.14".into(),
            topology: self.topology.clone(),
            data_lake: true,
            read_only: false,
            test_commands: true,
        }
    }

    async fn account(&self, database: &str, name: &str) -> Result<Option<Account>, CommandError> {
        let roles = match name {
            USER | "ann" => vec![UserRole::new("readWriteAnyDatabase", "admin")],
            "bob" => vec![UserRole::new("read", "shop")],
            _ => return Ok(None),
        };
        let user = User { name: name.into(), database: database.into(), roles };
        Ok((database == "admin").then(|| Account { user, credentials: credentials() }))
    }

    async fn run(&self, context: &CommandContext, command: Command) -> Result<Reply, CommandError> {
        self.ran.fetch_add(1, Ordering::SeqCst);
        match command.name.as_str() {
            "find" => Ok(Reply::Cursor(self.find(&command)?)),
            "insert" => {
                let count = command.documents("documents")?.len();
                Ok(Reply::Document(rawdoc! { "n": i32::try_from(count).unwrap() }))
            }
            "drip" => Ok(Reply::Tail(tailing::Drips::reply(&command)?)),
            "wait" => {
                let _dropped = CountsDrops(self.dropped.clone());
                context.cancelled.cancelled().await;
                std::future::pending().await
            }
            "duplicate" => Err(CommandError::new(codes::DUPLICATE_KEY, "E11000 duplicate key")
                .with_label("TransientTransactionError")
                .with_extra(rawdoc! { "keyPattern": { "_id": 1 } })),
            name => Err(CommandError::command_not_found(name)),
        }
    }

    fn reply_fields(&self) -> Vec<(&'static str, Bson)> {
        vec![("operationTime", Bson::Timestamp(bson::Timestamp { time: 7, increment: 1 }))]
    }
}

impl Numbers {
    /// `{find: …, filter: {count, size_bytes}}` gives `count` documents of about that size.
    fn find(&self, command: &Command) -> Result<CursorReply, CommandError> {
        let filter = command.get_document("filter")?.map(ToOwned::to_owned).unwrap_or_default();
        let count = filter.get_i32("count").unwrap_or(3);
        let text = "x".repeat(usize::try_from(filter.get_i32("size_bytes").unwrap_or(0)).unwrap());
        let dropped = CountsDrops(self.dropped.clone());
        let documents = futures::stream::iter(0..count).map(move |number| {
            let _held = &dropped;
            Ok(rawdoc! { "_id": number, "text": text.as_str() })
        });
        let narrow = |value: Option<u64>| value.map(|value| u32::try_from(value).unwrap());
        Ok(CursorReply {
            namespace: command.namespace()?,
            documents: documents.boxed(),
            batch_size: narrow(command.get_u64("batchSize")?),
            limit: command.get_u64("limit")?,
            single_batch: command.get_bool("singleBatch")?.unwrap_or(false),
            at_cluster_time: None,
            beside: None,
        })
    }
}

/// Derives what a server keeps of [`PASSWORD`] (RFC 5802 section 3).
fn credentials() -> ScramCredentials {
    use ring::{digest, hmac, pbkdf2};
    let derive = |sha256: bool, password: &[u8]| {
        let (pbkdf2_algorithm, hmac_algorithm, hash, length) = if sha256 {
            (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256, 32)
        } else {
            let hash = &digest::SHA1_FOR_LEGACY_USE_ONLY;
            (pbkdf2::PBKDF2_HMAC_SHA1, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, hash, 20)
        };
        let salt = vec![7; 16];
        let iterations = std::num::NonZeroU32::new(4096).unwrap();
        let mut salted = vec![0; length];
        pbkdf2::derive(pbkdf2_algorithm, iterations, &salt, password, &mut salted);
        let key = hmac::Key::new(hmac_algorithm, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        ScramSecret {
            salt,
            iterations: 4096,
            stored_key: digest::digest(hash, client_key.as_ref()).as_ref().to_vec(),
            server_key: hmac::sign(&key, b"Server Key").as_ref().to_vec(),
        }
    };
    // SHA-1 is not derived here: the driver under test prefers SHA-256, which is what is offered.
    let unused = derive(false, b"not used");
    ScramCredentials { sha1: unused, sha256: derive(true, PASSWORD.as_bytes()) }
}

pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) backend: Arc<Numbers>,
    pub(super) shutdown: CancellationToken,
    pub(super) task: AbortOnDropHandle<()>,
}

pub(super) async fn serve(options: ServerOptions, runtime: Runtime) -> Running {
    serve_as(Topology::Standalone, options, runtime).await
}

pub(super) async fn serve_as(
    topology: Topology,
    options: ServerOptions,
    runtime: Runtime,
) -> Running {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dropped = Arc::new(AtomicU32::new(0));
    let backend = Arc::new(Numbers { topology, ran: AtomicU32::new(0), dropped });
    let shutdown = CancellationToken::new();
    let served =
        Server::serve(listener, backend.clone(), options, runtime.clone(), shutdown.clone());
    let task = AbortOnDropHandle::new(runtime.spawn("test.serve", served));
    Running { address, backend, shutdown, task }
}

pub(super) fn open_server() -> ServerOptions {
    ServerOptions { require_auth: false, ..ServerOptions::default() }
}

/// Waits until `condition` holds; fails after five seconds.
pub(super) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let runtime = Runtime::system();
    for _ in 0..500 {
        if condition() {
            return;
        }
        runtime.sleep_ms(10).await;
    }
    panic!("never happened: {what}");
}

pub(super) fn ids(batch: &bson::RawArray) -> Vec<i32> {
    batch.into_iter().map(|d| d.unwrap().as_document().unwrap().get_i32("_id").unwrap()).collect()
}

pub(super) fn command(mut body: RawDocumentBuf, database: &str) -> RawDocumentBuf {
    body.append(bson::raw::cstr!("$db"), database);
    body
}
