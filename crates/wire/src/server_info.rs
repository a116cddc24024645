//! Small commands about the server itself and about who is connected.
//!
//! Shells and Compass ask them at start. Every figure is real; what we do not know is left out.

use std::sync::atomic::Ordering;

use bson::raw::cstr;
use bson::{DateTime, RawArrayBuf, RawBsonRef, RawDocumentBuf, rawdoc};

use crate::backend::Topology;
use crate::command::Command;
use crate::connection::Session;
use crate::error::{CommandError, codes};
use crate::op_msg::DOCUMENT_BYTES_MAX;
use crate::shared::Shared;
use crate::user::{User, UserRole};

const PORTOLAN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The command `buildInfo`.
pub(crate) fn build_info(shared: &Shared) -> RawDocumentBuf {
    let identity = shared.backend.identity();
    let mut reply = rawdoc! {
        "version": identity.server_version.as_str(),
        "gitVersion": "unknown",
        "modules": [],
        "allocator": "system",
        "javascriptEngine": "none",
        "sysInfo": "deprecated",
        "versionArray": version_array(&identity.server_version),
        "bits": 64,
        "debug": cfg!(debug_assertions),
        "maxBsonObjectSize": i32::try_from(DOCUMENT_BYTES_MAX).unwrap_or(i32::MAX),
        "storageEngines": [],
        "portolan": { "version": PORTOLAN_VERSION },
    };
    if identity.data_lake {
        reply.append(
            cstr!("dataLake"),
            rawdoc! { "version": PORTOLAN_VERSION, "gitVersion": "unknown" },
        );
    }
    reply
}

fn version_array(version: &str) -> RawArrayBuf {
    let mut numbers = RawArrayBuf::new();
    let parts = version.split(['.', '-']).filter_map(|part| part.parse::<i32>().ok());
    for number in parts.chain(std::iter::repeat(0)).take(4) {
        numbers.push(number);
    }
    numbers
}

/// The command `connectionStatus`.
pub(crate) fn connection_status(
    session: &Session,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    let mut users = RawArrayBuf::new();
    let mut roles = RawArrayBuf::new();
    let mut privileges = RawArrayBuf::new();
    if let Some(user) = &session.user {
        users.push(rawdoc! { "user": user.name.as_str(), "db": user.database.as_str() });
        append_roles(user, &mut roles, &mut privileges);
    }
    let mut info = rawdoc! { "authenticatedUsers": users, "authenticatedUserRoles": roles };
    if command.get_bool("showPrivileges")? == Some(true) {
        info.append(cstr!("authenticatedUserPrivileges"), privileges);
    }
    Ok(rawdoc! { "authInfo": info })
}

fn append_roles(user: &User, roles: &mut RawArrayBuf, privileges: &mut RawArrayBuf) {
    for role in &user.roles {
        roles.push(rawdoc! { "role": role.role.as_str(), "db": role.database.as_str() });
        privileges.push(privilege(role));
    }
}

fn privilege(role: &UserRole) -> RawDocumentBuf {
    let grant = role.grant();
    let lists: [(bool, &[&str]); 3] = [
        (grant.read, &["find", "listCollections", "listIndexes", "collStats", "dbStats"]),
        (grant.write, &["insert", "update", "remove", "createCollection", "createIndex"]),
        (grant.admin, &["dropDatabase", "dropCollection", "collMod", "dropIndex"]),
    ];
    let allowed = lists.iter().filter(|(granted, _)| *granted).flat_map(|(_, actions)| *actions);
    let actions: RawArrayBuf = allowed.copied().collect();
    let database = if grant.everywhere { "" } else { role.database.as_str() };
    let collection = role.collection.as_deref().unwrap_or_default();
    rawdoc! { "resource": { "db": database, "collection": collection }, "actions": actions }
}

/// The command `getParameter`.
pub(crate) fn get_parameter(
    shared: &Shared,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    if command.database != "admin" {
        let message = "getParameter may only be run against the admin database.";
        return Err(CommandError::new(codes::UNAUTHORIZED, message));
    }
    let all = command.get("getParameter") == Some(RawBsonRef::String("*"));
    let wanted = |name: &str| all || command.body.get(name).is_ok_and(|value| value.is_some());
    let mut reply = RawDocumentBuf::new();
    if wanted("featureCompatibilityVersion") {
        let version = shared.backend.identity().server_version;
        let major = version.split('.').take(2).collect::<Vec<_>>().join(".");
        reply.append(cstr!("featureCompatibilityVersion"), rawdoc! { "version": major });
    }
    if wanted("enableTestCommands") {
        reply.append(cstr!("enableTestCommands"), shared.backend.identity().test_commands);
    }
    if wanted("authenticationMechanisms") {
        let names = crate::scram::Mechanism::ALL.iter().map(|mechanism| mechanism.name());
        reply.append(cstr!("authenticationMechanisms"), names.collect::<RawArrayBuf>());
    }
    if reply.is_empty() {
        return Err(CommandError::new(codes::INVALID_OPTIONS, "no option found to get"));
    }
    Ok(reply)
}

/// The command `getCmdLineOpts`. Arguments are not told: they may hold paths and addresses. Drivers' tests
/// learn from it whether users must log in.
pub(crate) fn command_line(shared: &Shared) -> RawDocumentBuf {
    let parsed = match shared.options.require_auth {
        true => rawdoc! { "security": { "authorization": "enabled" } },
        false => RawDocumentBuf::new(),
    };
    rawdoc! { "argv": ["portolan"], "parsed": parsed }
}

/// The command `getLog`. Logs go to the process's log, not to clients.
pub(crate) fn get_log(command: &Command) -> Result<RawDocumentBuf, CommandError> {
    match command.get("getLog") {
        Some(RawBsonRef::String("*")) => Ok(rawdoc! { "names": ["global", "startupWarnings"] }),
        Some(RawBsonRef::String("global" | "startupWarnings")) => {
            Ok(rawdoc! { "totalLinesWritten": 0, "log": [] })
        }
        Some(RawBsonRef::String(name)) => {
            Err(CommandError::new(codes::OPERATION_FAILED, format!("No log named '{name}'")))
        }
        _ => Err(CommandError::type_mismatch("Argument to getLog must be of type String")),
    }
}

/// The command `hostInfo`.
pub(crate) fn host_info(shared: &Shared) -> RawDocumentBuf {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    rawdoc! {
        "system": {
            "currentTime": DateTime::from_millis(shared.runtime.now_ms()),
            "cpuAddrSize": i32::try_from(usize::BITS).unwrap_or(64),
            "numCores": i32::try_from(cores).unwrap_or(i32::MAX),
            "cpuArch": std::env::consts::ARCH,
        },
        "os": { "type": std::env::consts::OS, "name": std::env::consts::OS },
        "extra": {},
    }
}

/// The command `serverStatus`.
pub(crate) fn server_status(shared: &Shared) -> RawDocumentBuf {
    let counters = &shared.counters;
    let uptime_ms = shared.runtime.boot_ms().saturating_sub(shared.started_boot_ms);
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let small = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let open = counters.connections.load(Ordering::Relaxed);
    #[expect(clippy::cast_precision_loss, reason = "an uptime in seconds, shown to people")]
    let uptime_seconds = (uptime_ms / 1_000) as f64;
    let mut status = rawdoc! {
        "version": shared.backend.identity().server_version,
        "process": "portolan",
        "pid": i64::from(std::process::id()),
        "uptime": uptime_seconds,
        "uptimeMillis": signed(uptime_ms),
        "localTime": DateTime::from_millis(shared.runtime.now_ms()),
        "connections": {
            "current": small(open),
            "available": small(shared.options.connections_max.saturating_sub(open)),
            "totalCreated": counters.connections_created(),
        },
        "network": {
            "bytesIn": signed(counters.bytes_in.load(Ordering::Relaxed)),
            "bytesOut": signed(counters.bytes_out.load(Ordering::Relaxed)),
            "numRequests": signed(counters.requests.load(Ordering::Relaxed)),
        },
        "metrics": { "cursor": { "open": { "total": signed(shared.cursors.count() as u64) } } },
    };
    if let Topology::ReplicaSet { set_name, host } = shared.backend.identity().topology {
        let member = host.as_str();
        let set = rawdoc! {
            "setName": set_name, "setVersion": 1, "isWritablePrimary": true, "secondary": false,
            "primary": member, "me": member, "hosts": [member],
        };
        status.append(cstr!("repl"), set);
    }
    status
}
