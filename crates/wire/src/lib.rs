//! The MongoDB wire protocol, server side.
//!
//! Framing (OP_MSG, the OP_QUERY handshake, OP_COMPRESSED), TLS, `hello`, SCRAM, sessions, cursors,
//! limits and error codes. A [`Backend`] answers what is left: the commands that read and write
//! data. This crate knows nothing about what stands behind that trait.
//!
//! The protocol is public: <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>
//! and the driver specifications at <https://github.com/mongodb/specifications>.

mod authentication;
mod backend;
mod bson_check;
mod command;
mod compression;
mod connection;
mod crc32c;
mod cursors;
mod dispatch;
mod error;
mod fail_point;
mod frame;
mod gate;
mod hello;
mod labels;
mod listener;
mod op_msg;
mod op_query;
mod scram;
mod server_info;
mod shared;
mod user;

pub use backend::{
    Backend, CommandContext, CursorReply, Identity, Reply, Tail, TailBatch, TailReply, Topology,
};
pub use command::{Command, GENERIC_FIELDS, type_name};
pub use error::{CommandError, WireError, code_name, codes};
pub use gate::AddressGate;
pub use listener::{Server, ServerOptions};
pub use user::{Account, User, UserRole};

#[cfg(test)]
mod tests;
