//! From the driver's errors to ours. The direction matters: the same lost connection means "ask
//! again" to a read and "perhaps done" to a write.

use mongodb::error::{
    CommandError, Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT,
};
use portolan_model::Namespace;

use crate::ClusterError;

const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
pub(super) const NAMESPACE_NOT_FOUND: i32 = 26;
pub(super) const COLLECTION_UUID_MISMATCH: i32 = 361;
const WRITE_CONFLICT: i32 = 112;
const NO_SUCH_TRANSACTION: i32 = 251;
const COMMAND_NOT_FOUND: i32 = 59;
const NOT_IMPLEMENTED: i32 = 238;
const COMMAND_NOT_SUPPORTED: i32 = 115;
const BAD_VALUE: i32 = 2;
const FAILED_TO_PARSE: i32 = 9;
const TYPE_MISMATCH: i32 = 14;
const UNKNOWN_FIELD: i32 = 40415;
/// Also: transaction numbers on a server that stands alone.
const ILLEGAL_OPERATION: i32 = 20;
const INVALID_OPTIONS: i32 = 72;
const INVALID_PIPELINE_OPERATOR: i32 = 168;
const NOT_IN_TRANSACTION: i32 = 263;
const UNKNOWN_VARIABLE: i32 = 17276;
const UNKNOWN_STAGE: i32 = 40324;
/// Amazon DocumentDB: "feature not supported".
const FEATURE_NOT_SUPPORTED: [i32; 2] = [303, 304];

/// Codes with which a server refuses a command before it does anything, because it does not know how.
const REFUSED_BEFORE: [i32; 12] = [
    BAD_VALUE,
    FAILED_TO_PARSE,
    TYPE_MISMATCH,
    UNKNOWN_FIELD,
    ILLEGAL_OPERATION,
    INVALID_OPTIONS,
    INVALID_PIPELINE_OPERATOR,
    NOT_IN_TRANSACTION,
    UNKNOWN_VARIABLE,
    UNKNOWN_STAGE,
    FEATURE_NOT_SUPPORTED[0],
    FEATURE_NOT_SUPPORTED[1],
];

/// Codes with which a server says that it does not have a command, or not yet.
const NOT_THERE: [i32; 3] = [COMMAND_NOT_FOUND, NOT_IMPLEMENTED, COMMAND_NOT_SUPPORTED];

/// Whether the error is the answer of a server that cannot do what was asked, and will not be able to a
/// moment later. A lost connection, an election, a missing right and an answer that nobody knows tell
/// nothing of what a server can do.
pub(super) fn says_cannot(error: &ClusterError) -> bool {
    match error {
        ClusterError::Unsupported(_) => true,
        ClusterError::Server { code, .. } => is_refusal(*code),
        _ => false,
    }
}

/// The same of the code of one statement.
pub(super) fn is_refusal(code: i32) -> bool {
    REFUSED_BEFORE.contains(&code) || NOT_THERE.contains(&code)
}

/// Codes of a server that is changing its state or is busy: interrupted, not primary, shutting down,
/// timed out.
const PASSING: [i32; 17] =
    [6, 7, 50, 64, 89, 91, 134, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436, 11601];

/// Error of an operation that changes nothing.
pub(super) fn of_read(error: &Error) -> ClusterError {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => of_command(command, ClusterError::Unavailable),
        _ => of_driver(error, ClusterError::Unavailable),
    }
}

/// Error of an operation that may have changed something: whatever is not plainly a refusal leaves
/// the outcome open.
pub(super) fn of_write(error: &Error) -> ClusterError {
    match error.kind.as_ref() {
        ErrorKind::Command(command) if REFUSED_BEFORE.contains(&command.code) => server(command),
        ErrorKind::Command(command) => match of_command(command, ClusterError::Unknown) {
            ClusterError::Server { code, name, message } => {
                ClusterError::Unknown(format!("the cluster answered {name} ({code}): {message}"))
            }
            other => other,
        },
        _ => of_driver(error, ClusterError::Unknown),
    }
}

/// Error inside a transaction that was not committed: nothing was done.
pub(super) fn of_transaction(error: &Error) -> ClusterError {
    let conflict = matches!(error.kind.as_ref(), ErrorKind::Command(command)
        if command.code == WRITE_CONFLICT || command.code == NO_SUCH_TRANSACTION);
    if conflict || error.contains_label(TRANSIENT_TRANSACTION_ERROR) {
        return ClusterError::Aborted(error.kind.to_string());
    }
    of_read(error)
}

/// Error of a commit. Only one that says so was an abort (driver specification, "Transactions").
pub(super) fn of_commit(error: &Error) -> ClusterError {
    if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) {
        return ClusterError::Unknown(error.kind.to_string());
    }
    if error.contains_label(TRANSIENT_TRANSACTION_ERROR) {
        return ClusterError::Aborted(error.kind.to_string());
    }
    match of_write(error) {
        ClusterError::Server { code, name, message } => {
            ClusterError::Unknown(format!("the cluster answered {name} ({code}): {message}"))
        }
        other => other,
    }
}

fn of_command(error: &CommandError, passing: fn(String) -> ClusterError) -> ClusterError {
    let text = || format!("{} ({}): {}", error.code_name, error.code, error.message);
    match error.code {
        UNAUTHORIZED | AUTHENTICATION_FAILED => ClusterError::Denied(text()),
        code if NOT_THERE.contains(&code) => ClusterError::Unsupported(text()),
        code if PASSING.contains(&code) => passing(text()),
        _ => server(error),
    }
}

fn server(error: &CommandError) -> ClusterError {
    ClusterError::Server {
        code: error.code,
        name: error.code_name.clone(),
        message: error.message.clone(),
    }
}

fn of_driver(error: &Error, open: fn(String) -> ClusterError) -> ClusterError {
    let text = error.kind.to_string();
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => ClusterError::Denied(text),
        ErrorKind::ServerSelection { message, .. } => {
            ClusterError::Unavailable(unreachable(message))
        }
        ErrorKind::DnsResolve { .. } => ClusterError::Unavailable(text),
        ErrorKind::InvalidArgument { .. } | ErrorKind::InvalidTlsConfig { .. } => {
            ClusterError::Invalid(text)
        }
        ErrorKind::IncompatibleServer { .. } | ErrorKind::SessionsNotSupported => {
            ClusterError::Unsupported(text)
        }
        _ => open(text),
    }
}

/// Which servers did not answer, and why, out of the driver's description of the topology:
/// `… Servers: [ { Address: a:1, Type: Unknown, Error: Kind: I/O error: …, labels: {} }, … ]`.
fn unreachable(topology: &str) -> String {
    let servers: Vec<String> = topology.split("Address: ").skip(1).map(server_trouble).collect();
    let servers =
        if servers.is_empty() { String::new() } else { format!(" ({})", servers.join("; ")) };
    format!(
        "no server of the cluster that takes the operation answered in time{servers}: check the host \
         names, the ports, TLS and the network"
    )
}

fn server_trouble(description: &str) -> String {
    let address = description.split([',', ' ']).next().unwrap_or_default();
    let cause = description.split_once("Error: ").map_or("no answer", |(_, error)| {
        let error = error.strip_prefix("Kind: ").unwrap_or(error);
        error.split(", labels:").next().unwrap_or(error).split(" }").next().unwrap_or(error)
    });
    format!("{address}: {cause}")
}

/// Makes the answers about missing and replaced collections their own variants.
pub(super) fn name_collection(error: &Error, namespace: &Namespace) -> Option<ClusterError> {
    let ErrorKind::Command(command) = error.kind.as_ref() else { return None };
    match command.code {
        NAMESPACE_NOT_FOUND => Some(ClusterError::NamespaceMissing(namespace.clone())),
        COLLECTION_UUID_MISMATCH => Some(ClusterError::CollectionReplaced(namespace.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i32) -> Error {
        let reply = bson::doc! { "code": code, "codeName": "Name", "errmsg": "text" };
        let command: CommandError = bson::deserialize_from_document(reply).unwrap();
        Error::from(ErrorKind::Command(command))
    }

    /// Every way in which a trial may end, through whichever mapping it went.
    #[test]
    fn only_a_refusal_says_that_a_server_cannot() {
        for mapped in [of_read, of_write, of_transaction] {
            for code in [2, 9, 14, 20, 59, 72, 115, 168, 238, 263, 303, 304, 17276, 40324, 40415] {
                assert!(says_cannot(&mapped(&answer(code))), "{code}");
            }
            // Elections, shutdowns, time-outs, conflicts, rights, and what nobody knows.
            for code in [6, 13, 18, 50, 64, 91, 112, 189, 251, 10107, 11600, 11602, 13435, 1, 4242]
            {
                assert!(!says_cannot(&mapped(&answer(code))), "{code}");
            }
            let lost = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "reset");
            assert!(!says_cannot(&mapped(&Error::from(lost))));
        }
    }

    #[test]
    fn servers_that_do_not_answer_are_named_with_the_cause() {
        let topology = "Server selection timeout: No available servers. Topology: { Type: Unknown, \
                        Servers: [ { Address: 127.0.0.1:1, Type: Unknown, Error: Kind: I/O error: \
                        Connection refused (os error 111), labels: {} }, { Address: db:27017, Type: \
                        Unknown } ] }";
        let text = unreachable(topology);
        let named =
            "(127.0.0.1:1: I/O error: Connection refused (os error 111); db:27017: no answer)";
        assert!(text.contains(named), "{text}");
        assert!(!text.contains("Topology"), "{text}");
        assert!(unreachable("something else").contains("check the host names"));
    }
}
