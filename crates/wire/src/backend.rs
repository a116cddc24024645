//! The trait behind which a database stands, and what passes through it.
//!
//! The wire server answers the handshake, authentication, sessions, cursors and the small commands
//! about the server itself; every other command reaches [`Backend::run`].

use async_trait::async_trait;
use bson::{Bson, RawDocumentBuf};
use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;

use crate::command::Command;
use crate::error::CommandError;
use crate::user::{Account, User};

/// How the server presents itself in `hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// A single server: drivers retry reads, send no transaction numbers, resolve no other host.
    Standalone,
    /// A replica set with one member.
    ReplicaSet {
        /// Name of the set.
        set_name: String,
        /// `host:port` under which *clients* reach the member: drivers connect to this address.
        host: String,
    },
}

/// What a server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// MongoDB version whose behaviour is offered, such as `7.0.14`.
    pub server_version: String,
    /// Standalone or replica set.
    pub topology: Topology,
    /// Adds `buildInfo.dataLake`, by which shells and Compass know a federated endpoint.
    pub data_lake: bool,
    /// `hello.readOnly`.
    pub read_only: bool,
    /// `getParameter enableTestCommands`.
    pub test_commands: bool,
}

/// Who runs a command, from where.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// Number of the connection.
    pub connection_id: i32,
    /// The authenticated user; `None` only on servers that require no authentication.
    pub user: Option<User>,
    /// Cancelled when the client is gone or the server shuts down.
    pub cancelled: CancellationToken,
}

/// Answer to a command.
pub enum Reply {
    /// A document without `ok`, which the server adds. (A document that has `ok` stays as it is.)
    Document(RawDocumentBuf),
    /// Documents that the client fetches in batches.
    Cursor(CursorReply),
    /// Documents that go on coming, such as a change stream.
    Tail(TailReply),
}

/// A result that has no end: its cursor stays open when there is nothing more for now, and a
/// `getMore` waits for what comes.
pub struct TailReply {
    /// `cursor.ns`.
    pub namespace: String,
    /// Where the documents come from. Dropped when the cursor is closed.
    pub tail: Box<dyn Tail>,
    /// Documents in the first batch; 101 when absent.
    pub batch_size: Option<u32>,
    /// Whether a `getMore` waits; otherwise it answers at once with what there is.
    pub awaits: bool,
}

/// The source of a [`TailReply`].
#[async_trait]
pub trait Tail: Send + Sync {
    /// What there is now, at most so many documents and 16 MiB. Does not wait for more.
    ///
    /// # Errors
    /// What the client is to see; the cursor is closed.
    async fn read(&mut self, documents_max: Option<u64>) -> Result<TailBatch, CommandError>;

    /// Returns when there may be more than the last [`Tail::read`] gave.
    async fn changed(&mut self);
}

/// What a [`Tail`] gives at a time.
#[derive(Debug, Default)]
pub struct TailBatch {
    /// The documents, in order.
    pub documents: Vec<RawDocumentBuf>,
    /// `cursor.postBatchResumeToken`; only change streams have it.
    pub resume_token: Option<RawDocumentBuf>,
    /// Nothing was found in a part of what there is: read on at once.
    pub unfinished: bool,
    /// The end has come after all.
    pub closed: bool,
}

/// A result that the server cuts into batches.
pub struct CursorReply {
    /// `cursor.ns`, such as `db.collection`.
    pub namespace: String,
    /// The documents, in order. Dropped when the cursor is closed.
    pub documents: BoxStream<'static, Result<RawDocumentBuf, CommandError>>,
    /// Documents in the first batch; 101 when absent. Zero: an empty first batch, a live cursor.
    pub batch_size: Option<u32>,
    /// Documents in all batches together. The stream itself need not obey it.
    pub limit: Option<u64>,
    /// Close after the first batch.
    pub single_batch: bool,
    /// `cursor.atClusterTime`: the time of the past that the documents are of.
    pub at_cluster_time: Option<bson::Timestamp>,
    /// What the reply says beside its cursor.
    pub beside: Option<RawDocumentBuf>,
}

impl CursorReply {
    /// All of `documents`, in batches of the default size.
    pub fn new(
        namespace: impl Into<String>,
        documents: BoxStream<'static, Result<RawDocumentBuf, CommandError>>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            documents,
            batch_size: None,
            limit: None,
            single_batch: false,
            at_cluster_time: None,
            beside: None,
        }
    }
}

/// A database behind the wire protocol.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// How the server presents itself.
    fn identity(&self) -> Identity;

    /// The account `name` defined in `database`, or `None` if there is none.
    ///
    /// # Errors
    /// When accounts cannot be read now.
    async fn account(&self, database: &str, name: &str) -> Result<Option<Account>, CommandError>;

    /// Runs a command that the server does not answer itself. Unknown ones end with
    /// [`CommandError::command_not_found`]. The backend decides what the user may do.
    ///
    /// # Errors
    /// What the client is to see.
    async fn run(&self, context: &CommandContext, command: Command) -> Result<Reply, CommandError>;

    /// Gives up what sessions left open: those in the list, of this user; without a list all of the
    /// user's, and without either all of everybody's.
    fn end_sessions(&self, _user: Option<&User>, _sessions: Option<&[Vec<u8>]>) {}

    /// Fields of every reply, such as `operationTime`.
    fn reply_fields(&self) -> Vec<(&'static str, Bson)> {
        Vec::new()
    }
}
