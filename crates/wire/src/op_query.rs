//! OP_QUERY and OP_REPLY, only as far as old handshakes need them.
//!
//! Servers of this version answer OP_QUERY only for `hello` and `isMaster` on a `$cmd` namespace
//! (<https://www.mongodb.com/docs/manual/legacy-opcodes/>); several clients still open with it.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

use crate::command::Command;
use crate::error::{CommandError, WireError, codes};
use crate::frame::{Frame, OP_REPLY};
use crate::op_msg::{Reader, checked};

/// `AwaitCapable`: set in every reply of a server.
const AWAIT_CAPABLE: i32 = 8;
const QUERY_FAILURE: i32 = 2;

/// A query cut into what matters here.
#[derive(Debug)]
pub(crate) struct OpQuery<'a> {
    namespace: &'a str,
    query: &'a [u8],
}

/// Cuts a message into its parts. The flags (`secondaryOk` and others) have no meaning here.
pub(crate) fn decode(frame: &Frame) -> Result<OpQuery<'_>, WireError> {
    let mut reader = Reader { bytes: &frame.body };
    reader.i32()?;
    let namespace = reader.text()?;
    reader.i32()?;
    reader.i32()?;
    let query = reader.document()?;
    Ok(OpQuery { namespace, query })
}

impl OpQuery<'_> {
    /// The handshake command inside; anything else is refused by name.
    pub(crate) fn to_command(&self) -> Result<Command, CommandError> {
        let Some(database) = self.namespace.strip_suffix(".$cmd") else {
            return Err(refused("query"));
        };
        let command = Command::new(database, unwrapped(checked(self.query)?)?)?;
        match command.name.as_str() {
            "hello" | "isMaster" | "ismaster" => Ok(command),
            other => Err(refused(other)),
        }
    }
}

/// Old drivers wrap a command that carries a read preference: `{$query: {…}, $readPreference: …}`.
fn unwrapped(document: RawDocumentBuf) -> Result<RawDocumentBuf, CommandError> {
    let inner = match document.iter().next().transpose()? {
        Some((name, RawBsonRef::Document(inner)))
            if matches!(name.as_str(), "$query" | "query") =>
        {
            inner.to_owned()
        }
        _ => return Ok(document),
    };
    Ok(inner)
}

fn refused(name: &str) -> CommandError {
    CommandError::new(
        codes::UNSUPPORTED_OP_QUERY_COMMAND,
        format!("Unsupported OP_QUERY command: {name}. The client driver may require an upgrade."),
    )
}

/// A reply with one document.
pub(crate) fn encode(
    request_id: i32,
    response_to: i32,
    document: &RawDocument,
    failed: bool,
) -> Frame {
    let flags = if failed { AWAIT_CAPABLE | QUERY_FAILURE } else { AWAIT_CAPABLE };
    let mut body = Vec::with_capacity(20 + document.as_bytes().len());
    body.extend_from_slice(&flags.to_le_bytes());
    body.extend_from_slice(&0_i64.to_le_bytes());
    body.extend_from_slice(&0_i32.to_le_bytes());
    body.extend_from_slice(&1_i32.to_le_bytes());
    body.extend_from_slice(document.as_bytes());
    Frame { request_id, response_to, op_code: OP_REPLY, body }
}
