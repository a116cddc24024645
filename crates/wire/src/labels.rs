//! Labels on errors, by which drivers decide whether to send a command or a transaction again.
//!
//! The lists of codes are those of the public driver specifications: retryable writes
//! (<https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md>),
//! transactions and change streams in the same repository.

use crate::command::Command;
use crate::error::CommandError;
use crate::fail_point::Named;

const RETRYABLE_WRITE: &str = "RetryableWriteError";
const RESUMABLE: &str = "ResumableChangeStreamError";
const TRANSIENT: &str = "TransientTransactionError";

/// Codes after which a numbered write may be sent again: the server went away or gave up its place.
const RETRYABLE: &[i32] = &[6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436];
/// Codes after which a whole transaction may be run again, beside the ones above:
/// LockTimeout, WriteConflict, StaleConfig's kin of snapshots, NoSuchTransaction,
/// PreparedTransactionInProgress.
const TRANSIENT_ONLY: &[i32] = &[24, 112, 239, 246, 251, 267];

/// Codes after which a change stream may go on where it stood, beside the ones above: StaleShardVersion,
/// FailedToSatisfyReadPreference, StaleEpoch, RetryChangeStream, StaleConfig.
const RESUMABLE_ONLY: &[i32] = &[63, 133, 150, 234, 13_388];

/// The labels of an error that a command ended with.
pub(crate) fn of_error(command: Named<'_>, code: i32) -> Vec<String> {
    let mut labels = Vec::new();
    let transient = match command.name {
        "commitTransaction" => TRANSIENT_ONLY.contains(&code),
        "abortTransaction" => false,
        _ => RETRYABLE.contains(&code) || TRANSIENT_ONLY.contains(&code),
    };
    if command.in_transaction && transient {
        labels.push(TRANSIENT.to_owned());
    }
    if command.is_retryable() && RETRYABLE.contains(&code) {
        labels.push(RETRYABLE_WRITE.to_owned());
    }
    if command.change_stream && (RETRYABLE.contains(&code) || RESUMABLE_ONLY.contains(&code)) {
        labels.push(RESUMABLE.to_owned());
    }
    labels
}

/// The labels of a reply whose `writeConcernError` has this code.
pub(crate) fn of_write_concern_error(command: Named<'_>, code: i32) -> Vec<String> {
    if command.is_retryable() && RETRYABLE.contains(&code) {
        vec![RETRYABLE_WRITE.to_owned()]
    } else {
        Vec::new()
    }
}

/// Adds the labels that follow from the code, unless the error has all of its labels already.
pub(crate) fn complete(
    mut error: CommandError,
    command: Named<'_>,
    labelled: bool,
) -> CommandError {
    for label in of_error(command, error.code) {
        if !labelled && !error.labels.contains(&label) {
            error.labels.push(label);
        }
    }
    // A label that belongs to writes sent again says nothing inside a transaction.
    if command.is_statement() {
        error.labels.retain(|label| label != RETRYABLE_WRITE);
    }
    error
}

/// What [`complete`] needs of a command that is about to be given away.
pub(crate) struct Owned {
    name: String,
    numbered: bool,
    in_transaction: bool,
    pub(crate) change_stream: bool,
}

impl Owned {
    pub(crate) fn of(command: &Command) -> Self {
        let Named { name, numbered, in_transaction, change_stream } = Named::of(command);
        Self { name: name.to_owned(), numbered, in_transaction, change_stream }
    }

    pub(crate) fn named(&self) -> Named<'_> {
        let Self { name, numbered, in_transaction, change_stream } = self;
        Named {
            name,
            numbered: *numbered,
            in_transaction: *in_transaction,
            change_stream: *change_stream,
        }
    }
}
