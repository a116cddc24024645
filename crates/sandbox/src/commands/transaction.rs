//! Commands inside a multi-document transaction: which may take part, how they begin, and
//! `commitTransaction` and `abortTransaction`.

use bson::{RawBsonRef, RawDocumentBuf};
use portolan_wire::{Command, Reply};

use super::fields::{self, write_concern};
use super::timing::ReadAt;
use super::{Call, writes};
use crate::error::{Failure, codes, refuse};
use crate::store::{RetryKey, RetryRecord, Snapshot, Writing, replay};
use crate::transactions::{Ending, Lease};

/// Commands that may be part of a transaction, as the MongoDB manual lists them
/// (<https://www.mongodb.com/docs/manual/core/transactions-operations/>).
const ALLOWED: &[&str] = &[
    "bulkWrite",
    "insert",
    "update",
    "delete",
    "findAndModify",
    "findandmodify",
    "find",
    "aggregate",
    "distinct",
    "create",
    "createIndexes",
];
/// Stages that read something else than the collection of a transaction's snapshot.
const STAGES_REFUSED: &[&str] =
    &["$collStats", "$currentOp", "$indexStats", "$out", "$merge", "$changeStream"];

/// Takes the transaction that a command belongs to; `None` for a command outside of transactions.
pub(crate) fn begin(call: &Call, at: Option<&ReadAt>) -> Result<Option<Lease>, Failure> {
    let command = &call.command;
    let Some(autocommit) = command.get("autocommit") else {
        if command.has("startTransaction") {
            return Err(invalid("'startTransaction' field requires 'autocommit' field"));
        }
        if let Some(key) = writes::retry_key(call) {
            call.engine.transactions.outnumber(&key);
        }
        return Ok(None);
    };
    let key = key(call, autocommit)?;
    let starts = command.get_bool("startTransaction")?.unwrap_or(false);
    check(command, starts)?;
    let transactions = &call.engine.transactions;
    if !starts {
        return transactions.take(&key).map(Some);
    }
    let snapshot = match at {
        Some(at) => at.snapshot.clone(),
        None => call.engine.store.snapshot()?,
    };
    transactions.start(&key, &snapshot, call.tuning.transaction_lifetime_ms()).map(Some)
}

fn key(call: &Call, autocommit: RawBsonRef<'_>) -> Result<RetryKey, Failure> {
    if autocommit != RawBsonRef::Boolean(false) {
        return Err(invalid("Specifying autocommit=true is not allowed."));
    }
    if call.command.lsid().is_none() {
        return Err(invalid("'autocommit' field requires a session"));
    }
    writes::retry_key(call)
        .ok_or_else(|| invalid("'autocommit' field requires a transaction number"))
}

fn invalid(message: &str) -> Failure {
    refuse(codes::INVALID_OPTIONS, message)
}

/// What no statement of a transaction may be or have.
fn check(command: &Command, starts: bool) -> Result<(), Failure> {
    if !ALLOWED.contains(&command.name.as_str()) {
        let message = format!("Cannot run '{}' in a multi-document transaction.", command.name);
        return Err(refuse(codes::OPERATION_NOT_SUPPORTED_IN_TRANSACTION, message));
    }
    if command.has("writeConcern") {
        return Err(invalid("writeConcern is not allowed within a multi-statement transaction"));
    }
    if !starts && command.has("readConcern") {
        let message = "Only the first command in a transaction may specify a readConcern";
        return Err(invalid(message));
    }
    if matches!(command.database.as_str(), "admin" | "config" | "local")
        && !matches!(command.name.as_str(), "find" | "aggregate" | "distinct" | "bulkWrite")
    {
        let message =
            format!("Cannot write to the database '{}' in a transaction", command.database);
        return Err(refuse(codes::OPERATION_NOT_SUPPORTED_IN_TRANSACTION, message));
    }
    for stage in fields::documents(command.get_array("pipeline")?)? {
        let name = stage.iter().next().transpose()?.map(|(name, _)| name.to_string());
        if name.as_deref().is_some_and(|name| STAGES_REFUSED.contains(&name)) {
            let message =
                format!("Stage {} is not allowed in a transaction", name.unwrap_or_default());
            return Err(refuse(codes::OPERATION_NOT_SUPPORTED_IN_TRANSACTION, message));
        }
    }
    Ok(())
}

/// Runs a writing statement; one that is refused ends the transaction.
pub(crate) async fn write<F>(call: &Call, work: F) -> Result<RawDocumentBuf, Failure>
where
    F: FnOnce(&Writing<'_>) -> Result<RawDocumentBuf, Failure> + Send + 'static,
{
    let Some(mut lease) = call.take_lease() else {
        return Err(refuse(codes::NO_SUCH_TRANSACTION, "the transaction is in use"));
    };
    let runtime = call.engine.runtime.clone();
    let done = call.engine.runtime.spawn_blocking(move || {
        let reply = lease.write(|private| work(&Writing::private(private, &runtime)))?;
        // Dropping the lease gives the transaction up.
        let errors = reply.get("nErrors")?.and_then(fields::as_f64).unwrap_or(0.0);
        if reply.get("writeErrors")?.is_none() && errors == 0.0 {
            lease.put_back();
        }
        Ok(reply)
    });
    done.await.unwrap_or_else(|error| {
        Err(refuse(codes::INTERNAL_ERROR, format!("the command failed: {error}")))
    })
}

/// What a reading statement sees. Leaves the transaction in the hands of the command.
pub(crate) fn view(call: &Call) -> Option<Snapshot> {
    call.with_lease(Lease::view)
}

pub(crate) async fn commit(call: Call) -> Result<Reply, Failure> {
    let key = ending_key(&call)?;
    let concern = write_concern(&call.command)?;
    let mut reply = RawDocumentBuf::new();
    if let Ending::Open(mut lease) = call.engine.transactions.find(&key)? {
        let operations = lease.operations();
        if !operations.is_empty() {
            let record = RetryRecord {
                command: "commitTransaction".to_owned(),
                reply: RawDocumentBuf::new(),
            };
            let queue = &call.engine.queue;
            queue
                .write_alone(move |writing| {
                    replay(writing, &key, operations)?;
                    writing.remember(&key, &record)
                })
                .await?;
        }
        lease.committed();
    }
    if let Some(error) = concern {
        reply.append(bson::raw::cstr!("writeConcernError"), error);
    }
    Ok(Reply::Document(reply))
}

pub(crate) fn abort(call: &Call) -> Result<Reply, Failure> {
    let key = ending_key(call)?;
    let concern = write_concern(&call.command)?;
    // Dropping the lease gives the transaction up.
    drop(call.engine.transactions.take(&key)?);
    let mut reply = RawDocumentBuf::new();
    if let Some(error) = concern {
        reply.append(bson::raw::cstr!("writeConcernError"), error);
    }
    Ok(Reply::Document(reply))
}

fn ending_key(call: &Call) -> Result<RetryKey, Failure> {
    call.admin_only()?;
    fields::only(&call.command, &["autocommit", "recoveryToken"])?;
    let Some(autocommit) = call.command.get("autocommit") else {
        let message = format!("{} must be run within a transaction", call.command.name);
        return Err(refuse(codes::NO_SUCH_TRANSACTION, message));
    };
    key(call, autocommit)
}
