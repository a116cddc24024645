//! `saslStart`, `saslContinue`, `logout`, and the speculative first step inside `hello`.

use bson::spec::BinarySubtype;
use bson::{Binary, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use crate::command::Command;
use crate::connection::Session;
use crate::error::{CommandError, codes};
use crate::scram::{ClientFirst, Exchange, Mechanism};
use crate::shared::Shared;
use crate::user::User;

/// Drivers start at one, and a connection has one conversation at a time.
const CONVERSATION_ID: i32 = 1;

/// A conversation under way on a connection.
pub(crate) struct Conversation {
    exchange: Exchange,
    user: Option<User>,
    skip_empty_exchange: bool,
    proven: bool,
}

/// The fields of a `saslStart`, wherever it stands.
struct Start<'a> {
    mechanism: Mechanism,
    payload: &'a [u8],
    database: &'a str,
    skip_empty_exchange: bool,
}

impl<'a> Start<'a> {
    fn parse(body: &'a RawDocument, database: &'a str) -> Result<Self, CommandError> {
        let name = match body.get("mechanism")? {
            Some(RawBsonRef::String(name)) => name,
            _ => return Err(CommandError::bad_value("saslStart needs a mechanism")),
        };
        let mechanism = Mechanism::by_name(name).ok_or_else(|| {
            let message = format!(
                "Received authentication for mechanism {name} which is not enabled; enabled are \
                 SCRAM-SHA-1 and SCRAM-SHA-256"
            );
            CommandError::new(codes::MECHANISM_UNAVAILABLE, message)
        })?;
        let options = match body.get("options")? {
            Some(RawBsonRef::Document(options)) => options.get("skipEmptyExchange")?,
            _ => None,
        };
        let skip_empty_exchange = options == Some(RawBsonRef::Boolean(true));
        Ok(Self { mechanism, payload: payload(body)?, database, skip_empty_exchange })
    }
}

fn payload(body: &RawDocument) -> Result<&[u8], CommandError> {
    match body.get("payload")? {
        Some(RawBsonRef::Binary(payload)) => Ok(payload.bytes),
        Some(RawBsonRef::String(payload)) => Ok(payload.as_bytes()),
        _ => Err(CommandError::bad_value("a SASL step needs a payload")),
    }
}

fn failed() -> CommandError {
    CommandError::new(codes::AUTHENTICATION_FAILED, "Authentication failed.")
}

/// Why a step was refused goes to the log, never to the client.
fn refused(session: &mut Session, reason: &str) -> CommandError {
    tracing::info!(connection = session.connection_id, reason, "authentication failed");
    session.conversation = None;
    session.close_after_reply = true;
    failed()
}

fn step_reply(done: bool, payload: &[u8]) -> RawDocumentBuf {
    let payload = Binary { subtype: BinarySubtype::Generic, bytes: payload.to_vec() };
    rawdoc! { "conversationId": CONVERSATION_ID, "done": done, "payload": payload }
}

/// The command `saslStart`.
pub(crate) async fn sasl_start(
    shared: &Shared,
    session: &mut Session,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    let start = Start::parse(&command.body, &command.database)?;
    begin(shared, session, &start).await
}

/// The step inside a `hello`. A bad one is left out of the reply: the client then starts anew.
pub(crate) async fn speculative(
    shared: &Shared,
    session: &mut Session,
    body: &RawDocument,
) -> Option<RawDocumentBuf> {
    let database = body.get_str("db").ok()?;
    let start = Start::parse(body, database).ok()?;
    let reply = begin(shared, session, &start).await.ok();
    session.close_after_reply = false;
    reply
}

async fn begin(
    shared: &Shared,
    session: &mut Session,
    start: &Start<'_>,
) -> Result<RawDocumentBuf, CommandError> {
    let first = match ClientFirst::parse(start.payload) {
        Ok(first) => first,
        Err(reason) => return Err(refused(session, reason)),
    };
    let account = shared.backend.account(start.database, &first.user).await?;
    let full_name = format!("{}.{}", start.database, first.user);
    let (secret, user) = match account {
        Some(account) => (start.mechanism.secret(&account.credentials).clone(), Some(account.user)),
        None => (start.mechanism.fake_secret(&shared.fake_salt_key, &full_name), None),
    };
    let nonce = shared.runtime.random_bytes();
    let exchange = Exchange::begin(start.mechanism, first, secret, user.is_some(), &nonce);
    let reply = step_reply(false, exchange.server_first().as_bytes());
    let skip_empty_exchange = start.skip_empty_exchange;
    session.conversation =
        Some(Conversation { exchange, user, skip_empty_exchange, proven: false });
    Ok(reply)
}

/// The command `saslContinue`.
pub(crate) fn sasl_continue(
    session: &mut Session,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    let Some(mut conversation) = session.conversation.take() else {
        return Err(CommandError::new(codes::PROTOCOL_ERROR, "No SASL session state found"));
    };
    if command.get_i64("conversationId")? != Some(i64::from(CONVERSATION_ID)) {
        let message = "sasl: Mismatched conversation id";
        return Err(CommandError::new(codes::PROTOCOL_ERROR, message));
    }
    let payload = payload(&command.body)?;
    if conversation.proven {
        return Ok(finish(session, conversation, &[]));
    }
    let signature = match conversation.exchange.finish(payload) {
        Ok(signature) => signature,
        Err(reason) => return Err(refused(session, reason)),
    };
    if conversation.skip_empty_exchange {
        return Ok(finish(session, conversation, signature.as_bytes()));
    }
    conversation.proven = true;
    session.conversation = Some(conversation);
    Ok(step_reply(false, signature.as_bytes()))
}

fn finish(session: &mut Session, conversation: Conversation, payload: &[u8]) -> RawDocumentBuf {
    session.log_in(conversation.user);
    step_reply(true, payload)
}
