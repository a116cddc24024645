//! Records of retryable writes: the reply of each session's newest numbered write, stored in the
//! transaction of the write itself, so that a repeated command is answered and not repeated.
//!
//! The rules are those of the public retryable-writes specification
//! (<https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md>):
//! a session's numbers rise; the newest is remembered for as long as a session lives. A command is
//! one transaction here, so one reply covers all of its statements.

use bson::{Bson, RawDocument, RawDocumentBuf, doc};

use super::{Readable, SESSIONS, definition};
use crate::error::{Failure, codes, refuse};

/// Sessions end after thirty minutes without use, as `logicalSessionTimeoutMinutes` promises.
const KEEP_MS: i64 = 30 * 60 * 1000;

/// Which write of which session of which user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RetryKey {
    /// Session id and user.
    pub(crate) session: Vec<u8>,
    pub(crate) number: i64,
}

/// What is remembered of a write.
#[derive(Debug, Clone)]
pub(crate) struct RetryRecord {
    pub(crate) command: String,
    pub(crate) reply: RawDocumentBuf,
}

/// The records inside a write transaction.
pub(super) struct Retries<'t> {
    table: redb::Table<'t, &'static [u8], &'static [u8]>,
}

/// The record of this very write in a snapshot, if it was done before.
pub(super) fn find(table: &impl Readable, key: &RetryKey) -> Result<Option<RetryRecord>, Failure> {
    match table.get(&key.session)? {
        Some(row) => record_of(row.value(), key),
        None => Ok(None),
    }
}

fn record_of(row: &[u8], key: &RetryKey) -> Result<Option<RetryRecord>, Failure> {
    let row = RawDocument::from_bytes(row)?;
    let damaged = |_| refuse(codes::INTERNAL_ERROR, "a session's record cannot be read");
    let number = row.get_i64("number").map_err(damaged)?;
    if number > key.number {
        return Err(too_old(key.number, number));
    }
    if number < key.number {
        return Ok(None);
    }
    Ok(Some(RetryRecord {
        command: row.get_str("command").map_err(damaged)?.to_owned(),
        reply: row.get_document("reply").map_err(damaged)?.to_owned(),
    }))
}

/// The refusal of a number that the session has gone beyond.
pub(crate) fn too_old(number: i64, newest: i64) -> Failure {
    let message = format!(
        "Cannot start transaction {number} on session because a newer transaction {newest} has \
         already started"
    );
    refuse(codes::TRANSACTION_TOO_OLD, message)
}

impl<'t> Retries<'t> {
    pub(super) fn open(tx: &'t redb::WriteTransaction) -> Result<Self, Failure> {
        Ok(Self { table: tx.open_table(definition(SESSIONS))? })
    }

    /// The record of this very write, if it was done before.
    pub(super) fn find(&self, key: &RetryKey) -> Result<Option<RetryRecord>, Failure> {
        match redb::ReadableTable::get(&self.table, key.session.as_slice())? {
            Some(row) => record_of(row.value(), key),
            None => Ok(None),
        }
    }

    /// Remembers a write in the place of the session's previous one.
    pub(super) fn put(
        &mut self,
        key: &RetryKey,
        record: &RetryRecord,
        now_ms: i64,
    ) -> Result<(), Failure> {
        let mut row = RawDocumentBuf::try_from(&doc! {
            "number": key.number, "command": &record.command, "atMs": now_ms,
        })?;
        row.append(bson::raw::cstr!("reply"), &record.reply);
        self.table.insert(key.session.as_slice(), row.as_bytes())?;
        Ok(())
    }

    /// Forgets the sessions that ended.
    pub(super) fn forget_old(&mut self, now_ms: i64) -> Result<(), Failure> {
        let ended = |row: &[u8]| {
            let at_ms = RawDocument::from_bytes(row).and_then(|row| row.get("atMs"));
            !matches!(at_ms.map(|at| at.map(Bson::try_from)),
                Ok(Some(Ok(Bson::Int64(at_ms)))) if now_ms.saturating_sub(at_ms) <= KEEP_MS)
        };
        self.table.retain(|_, row| !ended(row))?;
        Ok(())
    }
}
