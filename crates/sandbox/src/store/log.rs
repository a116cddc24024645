//! The change log: what every commit changed, one row per event, written in the commit itself.
//!
//! A row's key is its [`Position`]: the event's time and its number within that time. Events of one
//! multi-document transaction share a time, all others have one of their own. The log is bounded by
//! [`LogLimits`]; the oldest rows go first, in the commit that exceeds a limit. What is not here: what
//! a change stream makes of a row (`changes`).

use std::cell::RefCell;

use bson::raw::cstr;
use bson::{DateTime, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::diff::Diff;
use super::{LOG, META, META_LOG_BYTES, META_LOG_START, definition, tick};
use crate::error::Failure;

/// Rows that wait in memory for the end of the transaction, in bytes, at most.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogLimits {
    pub(crate) bytes_max: u64,
    pub(crate) events_max: u64,
}

/// Where an event stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Time, as `tick` numbers it.
    pub(crate) tick: u64,
    /// Number of the event among those of the same time.
    pub(crate) number: u32,
}

impl Position {
    pub(crate) fn to_key(self) -> [u8; 12] {
        let mut key = [0; 12];
        key[..8].copy_from_slice(&self.tick.to_be_bytes());
        key[8..].copy_from_slice(&self.number.to_be_bytes());
        key
    }

    pub(crate) fn from_key(key: &[u8]) -> Option<Self> {
        let tick = u64::from_be_bytes(key.get(..8)?.try_into().ok()?);
        let number = u32::from_be_bytes(key.get(8..)?.try_into().ok()?);
        Some(Self { tick, number })
    }

    /// The end of everything that happened at `tick`.
    pub(crate) fn end_of(tick: u64) -> Self {
        Self { tick, number: u32::MAX }
    }
}

/// An event, as those who change something describe it.
pub(crate) struct Event {
    row: RawDocumentBuf,
}

impl Event {
    /// An event of a namespace; `kind` is the `operationType` that change streams show.
    pub(crate) fn new(kind: &str, namespace: &Namespace, uuid: [u8; 16]) -> Self {
        let mut row = rawdoc! {
            "kind": kind,
            "db": namespace.database.as_str(),
            "coll": namespace.collection.as_str(),
        };
        row.append(cstr!("uuid"), super::uuid_binary(uuid));
        Self { row }
    }

    /// The end of a database.
    pub(crate) fn drop_database(database: &str) -> Self {
        Self { row: rawdoc! { "kind": "dropDatabase", "db": database } }
    }

    /// The document as it is now.
    pub(crate) fn document(mut self, document: &RawDocument) -> Self {
        self.row.append(cstr!("doc"), document);
        self
    }

    /// The document's `_id`.
    pub(crate) fn key(mut self, document: &RawDocument) -> Result<Self, Failure> {
        if let Some(id) = document.get("_id")? {
            let mut key = RawDocumentBuf::new();
            key.append(cstr!("_id"), id);
            self.row.append(cstr!("key"), key);
        }
        Ok(self)
    }

    /// What an update changed.
    pub(crate) fn diff(mut self, diff: Diff, new: &RawDocument) -> Self {
        if diff.moved {
            // The description does not say where fields stand now.
            self.row.append(cstr!("after"), new);
        }
        self.row.append(cstr!("diff"), diff.into_document());
        self
    }

    /// Kept for the log's own completeness: no change stream shows it.
    pub(crate) fn silent(mut self) -> Self {
        self.row.append(cstr!("silent"), true);
        self
    }

    /// The document before and after, for collections that keep both.
    pub(crate) fn images(mut self, before: &RawDocument, after: Option<&RawDocument>) -> Self {
        self.row.append(cstr!("pre"), before);
        if let Some(after) = after {
            self.row.append(cstr!("post"), after);
        }
        self
    }

    /// The new name of a collection.
    pub(crate) fn to(mut self, namespace: &Namespace) -> Self {
        self.row.append(cstr!("to"), namespace_document(namespace));
        self
    }

    /// `operationDescription`.
    pub(crate) fn description(mut self, description: RawDocumentBuf) -> Self {
        self.row.append(cstr!("desc"), description);
        self
    }
}

/// `{db, coll}`.
pub(crate) fn namespace_document(namespace: &Namespace) -> RawDocumentBuf {
    rawdoc! { "db": namespace.database.as_str(), "coll": namespace.collection.as_str() }
}

/// The session and the number of a transaction whose events are being written.
struct Group {
    tick: u64,
    next: u32,
    lsid: Vec<u8>,
    number: i64,
}

struct State {
    newest: u64,
    group: Option<Group>,
    rows: Vec<([u8; 12], RawDocumentBuf)>,
    held_bytes: usize,
    written_bytes: u64,
}

/// The log inside a write transaction.
pub(crate) struct ChangeLog {
    now_ms: i64,
    limits: LogLimits,
    state: RefCell<State>,
}

impl ChangeLog {
    /// `newest` is the time of the newest commit.
    pub(super) fn new(newest: u64, now_ms: i64, limits: LogLimits) -> Self {
        let rows = Vec::new();
        let state = State { newest, group: None, rows, held_bytes: 0, written_bytes: 0 };
        Self { now_ms, limits, state: RefCell::new(state) }
    }

    /// From here on events belong to one transaction, and so to one time.
    pub(super) fn begin_group(&self, lsid: &[u8], number: i64) {
        let mut state = self.state.borrow_mut();
        state.newest = tick::next(state.newest, self.now_ms);
        let tick = state.newest;
        state.group = Some(Group { tick, next: 0, lsid: lsid.to_vec(), number });
    }

    /// Adds an event.
    pub(super) fn append(&self, tx: &WriteTransaction, event: Event) -> Result<(), Failure> {
        let mut state = self.state.borrow_mut();
        let mut row = event.row;
        row.append(cstr!("wall"), DateTime::from_millis(self.now_ms));
        let position = match &mut state.group {
            Some(group) => {
                let position = Position { tick: group.tick, number: group.next };
                group.next += 1;
                let id = bson::Binary {
                    subtype: bson::spec::BinarySubtype::Uuid,
                    bytes: group.lsid.get(..16).unwrap_or(&group.lsid).to_vec(),
                };
                row.append(cstr!("lsid"), rawdoc! { "id": id });
                row.append(cstr!("txnNumber"), group.number);
                position
            }
            None => {
                state.newest = tick::next(state.newest, self.now_ms);
                Position { tick: state.newest, number: 0 }
            }
        };
        state.held_bytes += row.as_bytes().len();
        state.rows.push((position.to_key(), row));
        if state.held_bytes > HELD_BYTES_MAX {
            state.flush(tx)?;
        }
        Ok(())
    }

    /// Writes what waits, forgets the oldest, and returns the time of the commit.
    pub(super) fn finish(&self, tx: &WriteTransaction) -> Result<u64, Failure> {
        let mut state = self.state.borrow_mut();
        let idle = state.rows.is_empty() && state.written_bytes == 0;
        if idle {
            return Ok(tick::next(state.newest, self.now_ms));
        }
        state.flush(tx)?;
        trim(tx, state.written_bytes, self.limits)?;
        Ok(state.newest)
    }
}

impl State {
    fn flush(&mut self, tx: &WriteTransaction) -> Result<(), Failure> {
        let mut table = tx.open_table(definition(LOG))?;
        for (key, row) in self.rows.drain(..) {
            table.insert(key.as_slice(), row.as_bytes())?;
            self.written_bytes += row.as_bytes().len() as u64;
        }
        self.held_bytes = 0;
        Ok(())
    }
}

fn trim(tx: &WriteTransaction, added_bytes: u64, limits: LogLimits) -> Result<(), Failure> {
    let mut meta = tx.open_table(definition(META))?;
    let known = |guard: Option<redb::AccessGuard<'_, &'static [u8]>>| {
        guard.and_then(|bytes| bytes.value().try_into().ok()).map_or(0, u64::from_be_bytes)
    };
    let mut bytes = known(meta.get(META_LOG_BYTES)?).saturating_add(added_bytes);
    let mut table = tx.open_table(definition(LOG))?;
    let mut events = table.len()?;
    let mut forgotten = None;
    while bytes > limits.bytes_max || events > limits.events_max {
        let Some((key, row)) = table.pop_first()? else { break };
        bytes = bytes.saturating_sub(row.value().len() as u64);
        events -= 1;
        forgotten = Some(key.value().to_vec());
    }
    meta.insert(META_LOG_BYTES, bytes.to_be_bytes().as_slice())?;
    if let Some(key) = forgotten {
        meta.insert(META_LOG_START, key.as_slice())?;
    }
    Ok(())
}

/// Makes the log, in a file that has none: it begins at the newest commit.
pub(super) fn prepare(tx: &WriteTransaction, newest: u64) -> Result<(), Failure> {
    tx.open_table(definition(LOG))?;
    let mut meta = tx.open_table(definition(META))?;
    meta.insert(META_LOG_START, Position::end_of(newest).to_key().as_slice())?;
    Ok(())
}
