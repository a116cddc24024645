//! One client connection: reads messages, answers them in order, and ends in good order.
//!
//! A task of its own reads ahead by one message, so that a client's disappearance is noticed while
//! its command still runs; the command is then dropped where it waits. Requests that want no reply
//! run to their end all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bson::raw::cstr;
use bson::{RawDocument, RawDocumentBuf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::authentication::Conversation;
use crate::command::Command;
use crate::compression::{self, Compressor};
use crate::cursors::Owner;
use crate::error::{CommandError, WireError};
use crate::frame::{
    Frame, FrameError, HEADER_BYTES, MESSAGE_BYTES_MAX, OP_COMPRESSED, OP_MSG, OP_QUERY,
    UNAUTHENTICATED_BYTES_MAX, read_frame,
};
use crate::shared::Shared;
use crate::user::User;
use crate::{dispatch, op_msg, op_query};

/// How long a client may take to accept a reply.
const WRITE_MS_MAX: u64 = 60_000;
/// After a broken message: how long, and how much, to read on so that the client can see our reply
/// (closing with unread input would reset the connection).
const LINGER_MS: u64 = 2_000;
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// What a connection remembers between commands.
pub(crate) struct Session {
    pub(crate) connection_id: i32,
    /// Address of the client.
    pub(crate) peer: String,
    pub(crate) user: Option<User>,
    /// When the user's account was last read, on the boot clock.
    pub(crate) user_read_boot_ms: u64,
    pub(crate) conversation: Option<Conversation>,
    /// Compressors that both sides know, in the client's order.
    pub(crate) compressors: Vec<Compressor>,
    pub(crate) close_after_reply: bool,
    /// Closes the connection in the place of the next reply.
    pub(crate) close_without_reply: bool,
    /// The application's name, as the client gave it in its first `hello`.
    pub(crate) app_name: Option<String>,
    /// Lifts the size limit of the reading task.
    trusted: Arc<AtomicBool>,
}

impl Session {
    fn new(connection_id: i32, peer: String, trusted: Arc<AtomicBool>) -> Self {
        Self {
            connection_id,
            peer,
            user: None,
            user_read_boot_ms: 0,
            conversation: None,
            compressors: Vec::new(),
            close_after_reply: false,
            close_without_reply: false,
            app_name: None,
            trusted,
        }
    }

    /// Makes `user` the user of this connection.
    pub(crate) fn log_in(&mut self, user: Option<User>) {
        self.trusted.store(user.is_some(), Ordering::Release);
        self.user = user;
    }

    /// Keeps what the server knows of the client's list.
    pub(crate) fn negotiate(&mut self, offered: impl Iterator<Item = Compressor>) {
        self.compressors.clear();
        for compressor in offered {
            if !self.compressors.contains(&compressor) {
                self.compressors.push(compressor);
            }
        }
    }

    /// Who owns the cursors of this command.
    pub(crate) fn owner(&self, command: &Command) -> Owner {
        let user = self.user.as_ref().map(|user| (user.database.clone(), user.name.clone()));
        Owner { user, session: command.lsid() }
    }
}

/// How a message was framed, and so how to answer it.
#[derive(Debug, Clone, Copy)]
struct Framing {
    request_id: i32,
    legacy: bool,
    compressor: Option<Compressor>,
}

/// A connection over any stream.
pub(crate) struct Connection<S> {
    shared: Arc<Shared>,
    session: Session,
    writer: WriteHalf<S>,
    frames: mpsc::Receiver<Result<Frame, FrameError>>,
    /// Cancelled when the client is gone.
    gone: CancellationToken,
    _reader: AbortOnDropHandle<()>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection<S> {
    pub(crate) fn new(shared: Arc<Shared>, connection_id: i32, peer: String, stream: S) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let (sender, frames) = mpsc::channel(1);
        let gone = CancellationToken::new();
        let trusted = Arc::new(AtomicBool::new(!shared.options.require_auth));
        let task = read_all(reader, sender, Arc::clone(&trusted), gone.clone());
        let reader = AbortOnDropHandle::new(shared.runtime.spawn("wire.read", task));
        let session = Session::new(connection_id, peer, trusted);
        Self { shared, session, writer, frames, gone, _reader: reader }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        loop {
            let next = tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => break,
                next = self.frames.recv() => next,
            };
            let outcome = match next {
                None => break,
                Some(Ok(frame)) => self.answer(&frame).await,
                Some(Err(broken)) => {
                    self.refuse(broken).await;
                    break;
                }
            };
            if let Err(error) = outcome {
                tracing::debug!(connection = self.session.connection_id, %error, "closing");
                break;
            }
            if self.session.close_after_reply {
                break;
            }
        }
        let _ = self.writer.shutdown().await;
    }

    async fn answer(&mut self, frame: &Frame) -> Result<(), WireError> {
        let counters = &self.shared.counters;
        counters.requests.fetch_add(1, Ordering::Relaxed);
        counters.bytes_in.fetch_add((frame.body.len() + HEADER_BYTES) as u64, Ordering::Relaxed);
        let outcome = if frame.op_code == OP_COMPRESSED {
            match compression::unwrap(frame) {
                Ok((inner, compressor)) => self.answer_plain(&inner, Some(compressor)).await,
                Err(error) => Err(error),
            }
        } else {
            self.answer_plain(frame, None).await
        };
        match outcome {
            Err(error @ (WireError::Invalid(_) | WireError::TooLarge { .. })) => {
                self.refuse(FrameError { request_id: Some(frame.request_id), error }).await;
                Err(WireError::invalid("the client broke the protocol"))
            }
            outcome => outcome,
        }
    }

    async fn answer_plain(
        &mut self,
        frame: &Frame,
        compressor: Option<Compressor>,
    ) -> Result<(), WireError> {
        let request_id = frame.request_id;
        match frame.op_code {
            OP_MSG => {
                let message = op_msg::decode(frame)?;
                let command = message.to_command();
                if message.more_to_come {
                    self.run_silently(command).await;
                    return if self.session.close_without_reply { Err(cut()) } else { Ok(()) };
                }
                self.run_and_reply(command, Framing { request_id, legacy: false, compressor }).await
            }
            OP_QUERY => {
                let command = op_query::decode(frame)?.to_command();
                self.run_and_reply(command, Framing { request_id, legacy: true, compressor }).await
            }
            other => Err(WireError::Unsupported(other)),
        }
    }

    /// A request that wants no reply: errors are swallowed, as clients expect.
    async fn run_silently(&mut self, command: Result<Command, CommandError>) {
        let outcome = match command {
            Ok(command) => {
                let never = CancellationToken::new();
                dispatch::run(&self.shared, &mut self.session, command, &never).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            tracing::debug!(connection = self.session.connection_id, %error, "request without reply");
        }
    }

    async fn run_and_reply(
        &mut self,
        command: Result<Command, CommandError>,
        framing: Framing,
    ) -> Result<(), WireError> {
        let outcome = match command {
            Ok(command) => tokio::select! {
                outcome = dispatch::run(&self.shared, &mut self.session, command, &self.gone) => outcome,
                () = self.gone.cancelled() => return Err(client_gone()),
            },
            Err(error) => Err(error),
        };
        if self.session.close_without_reply {
            return Err(cut());
        }
        let failed = outcome.is_err();
        let document = self.complete(outcome.unwrap_or_else(|error| error.to_reply()));
        self.send(&document, framing, failed).await
    }

    /// Adds what every reply has.
    fn complete(&self, mut reply: RawDocumentBuf) -> RawDocumentBuf {
        if reply.get("ok").is_ok_and(|ok| ok.is_none()) {
            reply.append(cstr!("ok"), 1.0);
        }
        for (name, value) in self.shared.backend.reply_fields() {
            let value = bson::RawBson::try_from(value);
            if let (Ok(name), Ok(value)) = (<&bson::raw::CStr>::try_from(name), value) {
                reply.append(name, value);
            }
        }
        reply
    }

    async fn send(
        &mut self,
        document: &RawDocument,
        framing: Framing,
        failed: bool,
    ) -> Result<(), WireError> {
        let reply_id = self.shared.counters.next_request();
        let mut frame = if framing.legacy {
            op_query::encode(reply_id, framing.request_id, document, failed)
        } else {
            op_msg::encode(reply_id, framing.request_id, document)
        };
        if let Some(compressor) = framing.compressor {
            frame = compression::wrap(&frame, compressor)?;
        }
        let bytes = frame.encode();
        self.shared.counters.bytes_out.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let written = self.shared.runtime.timeout_ms(WRITE_MS_MAX, self.writer.write_all(&bytes));
        match written.await {
            Ok(outcome) => Ok(outcome?),
            Err(late) => Err(std::io::Error::new(std::io::ErrorKind::TimedOut, late).into()),
        }
    }

    /// The last word to a client that broke the protocol.
    async fn refuse(&mut self, broken: FrameError) {
        tracing::info!(connection = self.session.connection_id, error = %broken.error, "protocol error");
        let (Some(request_id), Some(error)) = (broken.request_id, broken.error.to_command_error())
        else {
            return;
        };
        let framing = Framing { request_id, legacy: false, compressor: None };
        if self.send(&error.to_reply(), framing, true).await.is_ok() {
            let _ = self.writer.shutdown().await;
            let _ = self.shared.runtime.timeout_ms(LINGER_MS, self.gone.cancelled()).await;
        }
    }
}

/// A fail point closes the connection.
fn cut() -> WireError {
    std::io::Error::other("closed by a fail point").into()
}

fn client_gone() -> WireError {
    std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()
}

/// Reads messages until the stream ends or breaks.
async fn read_all<S: AsyncRead>(
    mut reader: ReadHalf<S>,
    sender: mpsc::Sender<Result<Frame, FrameError>>,
    trusted: Arc<AtomicBool>,
    gone: CancellationToken,
) {
    let _at_the_end = gone.drop_guard();
    let bytes_max = || {
        if trusted.load(Ordering::Acquire) { MESSAGE_BYTES_MAX } else { UNAUTHENTICATED_BYTES_MAX }
    };
    loop {
        let frame = match read_frame(&mut reader, bytes_max).await {
            Ok(None) => return,
            Ok(Some(frame)) => Ok(frame),
            Err(broken) => Err(broken),
        };
        let broken = frame.is_err();
        if sender.send(frame).await.is_err() {
            return;
        }
        if broken {
            return discard(&mut reader).await;
        }
    }
}

async fn discard<S: AsyncRead>(reader: &mut ReadHalf<S>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut discarded = 0;
    while discarded < LINGER_BYTES {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => discarded += count,
        }
    }
}
