//! The reply to `hello`, `isMaster` and `ismaster`: what a server can do, and who it is.
//!
//! No `topologyVersion`: drivers then poll instead of keeping a streaming `hello` open.

use bson::raw::cstr;
use bson::{Bson, DateTime, RawArrayBuf, RawBsonRef, RawDocumentBuf, rawdoc};

use crate::authentication;
use crate::backend::Topology;
use crate::command::Command;
use crate::compression::Compressor;
use crate::connection::Session;
use crate::error::CommandError;
use crate::frame::MESSAGE_BYTES_MAX;
use crate::op_msg::DOCUMENT_BYTES_MAX;
use crate::scram::Mechanism;
use crate::shared::Shared;

/// Wire versions of MongoDB 7.0 and 8.0.
const WIRE_VERSION_7: i32 = 21;
const WIRE_VERSION_8: i32 = 25;
/// Documented life of an idle logical session.
pub(crate) const SESSION_TIMEOUT_MINUTES: i32 = 30;
const WRITE_BATCH_MAX: i32 = 100_000;

/// Answers the handshake.
pub(crate) async fn hello(
    shared: &Shared,
    session: &mut Session,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    let mut reply = RawDocumentBuf::new();
    if let Some(name) = application_name(command)? {
        session.app_name = Some(name);
    }
    if command.get_bool("helloOk")? == Some(true) {
        reply.append(cstr!("helloOk"), true);
    }
    append_topology(&mut reply, &shared.backend.identity().topology, &command.name);
    append_last_write(&mut reply, shared);
    append_limits(&mut reply, shared, session.connection_id);
    if let Some(offered) = command.get_array("compression")? {
        session.negotiate(offered.into_iter().filter_map(|name| match name {
            Ok(RawBsonRef::String(name)) => Compressor::by_name(name),
            _ => None,
        }));
        append_compressors(&mut reply, session);
    }
    if command.get_str("saslSupportedMechs")?.is_some() {
        // The same for every name, so that names cannot be probed.
        let names: RawArrayBuf = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
        reply.append(cstr!("saslSupportedMechs"), names);
    }
    if let Some(first_step) = command.get_document("speculativeAuthenticate")?
        && let Some(answer) = authentication::speculative(shared, session, first_step).await
    {
        reply.append(cstr!("speculativeAuthenticate"), answer);
    }
    Ok(reply)
}

/// `client.application.name` of the handshake.
fn application_name(command: &Command) -> Result<Option<String>, CommandError> {
    let Some(client) = command.get_document("client")? else { return Ok(None) };
    let name =
        client.get_document("application").and_then(|application| application.get_str("name"));
    Ok(name.ok().map(str::to_owned))
}

fn append_topology(reply: &mut RawDocumentBuf, topology: &Topology, spelled: &str) {
    if spelled == "hello" {
        reply.append(cstr!("isWritablePrimary"), true);
    } else {
        reply.append(cstr!("ismaster"), true);
    }
    if let Topology::ReplicaSet { set_name, host } = topology {
        let mut hosts = RawArrayBuf::new();
        hosts.push(host.as_str());
        reply.append(cstr!("secondary"), false);
        reply.append(cstr!("setName"), set_name.as_str());
        reply.append(cstr!("setVersion"), 1_i32);
        reply.append(cstr!("hosts"), hosts);
        reply.append(cstr!("primary"), host.as_str());
        reply.append(cstr!("me"), host.as_str());
    }
}

/// The newest write of a replica set, by which drivers judge how stale a member is.
fn append_last_write(reply: &mut RawDocumentBuf, shared: &Shared) {
    let fields = shared.backend.reply_fields();
    let newest = fields.into_iter().find(|(name, _)| *name == "operationTime");
    let is_set = matches!(shared.backend.identity().topology, Topology::ReplicaSet { .. });
    let (Some((_, Bson::Timestamp(time))), true) = (newest, is_set) else { return };
    let date = DateTime::from_millis(i64::from(time.time) * 1_000);
    let optime = rawdoc! { "ts": time, "t": 1_i64 };
    let last_write = rawdoc! {
        "opTime": optime.clone(),
        "lastWriteDate": date,
        "majorityOpTime": optime,
        "majorityWriteDate": date,
    };
    reply.append(cstr!("lastWrite"), last_write);
}

fn append_limits(reply: &mut RawDocumentBuf, shared: &Shared, connection_id: i32) {
    let now = DateTime::from_millis(shared.runtime.now_ms());
    let size = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    reply.append(cstr!("maxBsonObjectSize"), size(DOCUMENT_BYTES_MAX));
    reply.append(cstr!("maxMessageSizeBytes"), size(MESSAGE_BYTES_MAX));
    reply.append(cstr!("maxWriteBatchSize"), WRITE_BATCH_MAX);
    reply.append(cstr!("localTime"), now);
    reply.append(cstr!("logicalSessionTimeoutMinutes"), SESSION_TIMEOUT_MINUTES);
    reply.append(cstr!("connectionId"), connection_id);
    reply.append(cstr!("minWireVersion"), 0_i32);
    let identity = shared.backend.identity();
    reply.append(cstr!("maxWireVersion"), wire_version(&identity.server_version));
    reply.append(cstr!("readOnly"), identity.read_only);
}

/// What drivers take for the server's version: they ask for no more than it has.
fn wire_version(server_version: &str) -> i32 {
    if server_version.starts_with("8.") { WIRE_VERSION_8 } else { WIRE_VERSION_7 }
}

fn append_compressors(reply: &mut RawDocumentBuf, session: &Session) {
    if !session.compressors.is_empty() {
        let names: RawArrayBuf = session.compressors.iter().map(|common| common.name()).collect();
        reply.append(cstr!("compression"), names);
    }
}

/// The command `startSession`.
pub(crate) fn start_session(shared: &Shared) -> RawDocumentBuf {
    let id = bson::Uuid::from_bytes(shared.runtime.uuid_v4());
    rawdoc! {
        "id": { "id": bson::Binary::from(id) },
        "timeoutMinutes": SESSION_TIMEOUT_MINUTES,
    }
}
