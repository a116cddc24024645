//! What the write commands share: one transaction for a whole command, statements that are refused
//! one by one, collection UUIDs, and replies remembered for retries.

use bson::raw::{CStr, cstr};
use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_wire::{Command, CommandError, Reply, User};

use super::fields::{self, write_concern};
use super::{Call, Need, transaction};
use crate::error::{Failure, codes, refuse};
use crate::store::{
    Catalog, CollectionEntry, Readable, RetryKey, RetryRecord, Writing, uuid_binary,
};

/// Statements of one command, at most; `hello.maxWriteBatchSize` says so, too.
const STATEMENTS_MAX: usize = 100_000;

/// Runs `work` in one transaction, or answers from the record when this numbered write was done
/// before. Adds the `writeConcernError`, if there is one.
pub(crate) async fn write<F>(call: &Call, work: F) -> Result<Reply, Failure>
where
    F: FnOnce(&Writing<'_>) -> Result<RawDocumentBuf, Failure> + Send + 'static,
{
    if call.in_transaction() {
        return Ok(Reply::Document(transaction::write(call, work).await?));
    }
    let concern = write_concern(&call.command)?;
    let (key, name) = (retry_key(call), call.command.name.clone());
    let queue = &call.engine.queue;
    let written = queue.write(move |writing| match key {
        None => work(writing),
        Some(key) => once(writing, &key, name, work),
    });
    with_concern(written.await.map_err(Failure::from), concern)
}

/// What is not met of the write concern is said, whether the write was refused or not.
fn with_concern(
    written: Result<RawDocumentBuf, Failure>,
    concern: Option<RawDocumentBuf>,
) -> Result<Reply, Failure> {
    let Some(error) = concern else { return written.map(Reply::Document) };
    match written {
        Ok(mut reply) => {
            reply.append(cstr!("writeConcernError"), error);
            Ok(Reply::Document(reply))
        }
        Err(Failure::Refused(mut refusal)) => {
            let mut extra = refusal.extra.take().unwrap_or_default();
            extra.append(cstr!("writeConcernError"), error);
            Err(refusal.with_extra(extra).into())
        }
        storage @ Err(_) => storage.map(Reply::Document),
    }
}

/// As [`write`], in a transaction of its own that is given up when `work` is refused.
pub(crate) async fn write_alone<F>(call: &Call, work: F) -> Result<Reply, Failure>
where
    F: FnOnce(&Writing<'_>) -> Result<RawDocumentBuf, Failure> + Send + 'static,
{
    if call.in_transaction() {
        return Ok(Reply::Document(transaction::write(call, work).await?));
    }
    let concern = write_concern(&call.command)?;
    let written = call.engine.queue.write_alone(work).await;
    with_concern(written.map_err(Failure::from), concern)
}

fn once<F>(
    writing: &Writing<'_>,
    key: &RetryKey,
    name: String,
    work: F,
) -> Result<RawDocumentBuf, Failure>
where
    F: FnOnce(&Writing<'_>) -> Result<RawDocumentBuf, Failure>,
{
    if let Some(record) = writing.done_before(key)? {
        if record.command == name {
            return Ok(record.reply);
        }
        let message = format!("transaction number {} was used by {}", key.number, record.command);
        return Err(refuse(codes::ILLEGAL_OPERATION, message));
    }
    let reply = work(writing)?;
    writing.remember(key, &RetryRecord { command: name, reply: reply.clone() })?;
    Ok(reply)
}

/// Sessions belong to their user: nobody is answered from somebody else's record.
pub(crate) fn retry_key(call: &Call) -> Option<RetryKey> {
    let session = session_key(&call.command.lsid()?, call.context.user.as_ref());
    Some(RetryKey { session, number: call.command.txn_number()? })
}

/// A user's session.
pub(crate) fn session_key(lsid: &[u8], user: Option<&User>) -> Vec<u8> {
    let mut key = lsid.to_vec();
    if let Some(user) = user {
        key.extend_from_slice(user.database.as_bytes());
        key.push(b'.');
        key.extend_from_slice(user.name.as_bytes());
    }
    key
}

/// The checks that every write command begins with; returns where it writes.
pub(crate) fn begin(call: &Call, known: &[&str]) -> Result<Namespace, Failure> {
    fields::only(&call.command, known)?;
    let namespace = fields::namespace(&call.command)?;
    call.allow(Need::Write, &namespace)?;
    fields::writable(&namespace)?;
    Ok(namespace)
}

/// The statements of a command, whose number is limited.
pub(crate) fn statements<'c>(
    command: &'c Command,
    field: &str,
) -> Result<Vec<&'c RawDocument>, Failure> {
    let statements = command.documents(field)?;
    if statements.is_empty() || statements.len() > STATEMENTS_MAX {
        let message = format!(
            "Write batch sizes must be between 1 and {STATEMENTS_MAX}. Got {} operations.",
            statements.len()
        );
        return Err(refuse(codes::INVALID_LENGTH, message));
    }
    Ok(statements)
}

/// Whether documents may be stored although they break the collection's rules.
pub(crate) fn bypasses_validation(command: &Command) -> Result<bool, Failure> {
    Ok(command.get_bool("bypassDocumentValidation")?.unwrap_or(false))
}

/// Checks the `collectionUUID` of a command against the collection that it names, as the MongoDB
/// manual describes the error `CollectionUUIDMismatch`.
pub(crate) fn check_uuid(
    catalog: &Catalog<impl Readable>,
    command: &Command,
    namespace: &Namespace,
    entry: Option<&CollectionEntry>,
) -> Result<(), Failure> {
    check_expected(catalog, expected_uuid(command.get("collectionUUID"))?, namespace, entry)
}

/// Likewise, of a UUID that was read already.
pub(crate) fn check_expected(
    catalog: &Catalog<impl Readable>,
    expected: Option<[u8; 16]>,
    namespace: &Namespace,
    entry: Option<&CollectionEntry>,
) -> Result<(), Failure> {
    let Some(expected) = expected else { return Ok(()) };
    if entry.is_some_and(|entry| entry.uuid == expected) {
        return Ok(());
    }
    let holder = catalog.of_database(&namespace.database)?;
    let holder = holder.iter().find(|entry| entry.uuid == expected);
    let mut extra = rawdoc! {
        "db": namespace.database.as_str(),
        "collectionUUID": uuid_binary(expected),
        "expectedCollection": namespace.collection.as_str(),
    };
    match holder {
        Some(holder) => {
            extra.append(cstr!("actualCollection"), holder.namespace.collection.as_str());
        }
        None => extra.append(cstr!("actualCollection"), RawBsonRef::Null),
    }
    let message = "Collection UUID does not match that specified";
    Err(refuse(codes::COLLECTION_UUID_MISMATCH, message).with_extra(extra))
}

/// The UUID that a `collectionUUID` names.
pub(crate) fn expected_uuid(value: Option<RawBsonRef<'_>>) -> Result<Option<[u8; 16]>, Failure> {
    match value {
        None => Ok(None),
        Some(RawBsonRef::Binary(binary)) => match binary.bytes.try_into() {
            Ok(uuid) => Ok(Some(uuid)),
            Err(_) => Err(refuse(codes::BAD_VALUE, "collectionUUID must have 16 bytes")),
        },
        Some(_) => Err(refuse(codes::TYPE_MISMATCH, "collectionUUID must be a UUID")),
    }
}

/// What became of the statements of a command.
pub(crate) struct Outcome {
    ordered: bool,
    errors: RawArrayBuf,
    failed: bool,
}

impl Outcome {
    pub(crate) fn new(command: &Command) -> Result<Self, Failure> {
        let ordered = command.get_bool("ordered")?.unwrap_or(true);
        Ok(Self { ordered, errors: RawArrayBuf::new(), failed: false })
    }

    /// Notes a refused statement; returns whether the next statement is to be run. An error of the
    /// store ends the whole command.
    pub(crate) fn refused(&mut self, index: usize, failure: Failure) -> Result<bool, Failure> {
        let error = match failure {
            Failure::Refused(error) => error,
            storage @ Failure::Storage(_) => return Err(storage),
        };
        self.errors.push(write_error(cstr!("index"), index, &error));
        self.failed = true;
        Ok(!self.ordered)
    }

    /// Adds the `writeErrors` to a reply.
    pub(crate) fn finish(self, reply: &mut RawDocumentBuf) {
        if self.failed {
            reply.append(cstr!("writeErrors"), self.errors);
        }
    }
}

/// What is said of a refused statement; `number` names the field of its number.
pub(crate) fn write_error(number: &CStr, index: usize, error: &CommandError) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(number, i32::try_from(index).unwrap_or(i32::MAX));
    document.append(cstr!("code"), error.code);
    for (name, value) in error.extra.iter().flatten().flatten() {
        document.append(name, value);
    }
    document.append(cstr!("errmsg"), error.message.as_str());
    document
}
