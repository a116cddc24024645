//! Where writes go: into the file, or into an open multi-document transaction, which keeps them to
//! itself until it commits. Also what such a transaction is to do at its commit.
//!
//! A commit does the transaction's changes once more, in the file, each only if the document it
//! changes is still what the transaction saw. What is not here: sessions (`transactions`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use bson::{RawArrayBuf, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use redb::{ReadTransaction, WriteTransaction};

use super::catalog::{CollectionEntry, ID_INDEX};
use super::collection::{CollectionWriter, Manner, RecordId};
use super::diff::Diff;
use super::index::IndexEntry;
use super::log::{ChangeLog, Event};
use super::retries::RetryKey;
use super::table::{PrivateTables, WriteTable};
use super::{Snapshot, Writing};
use crate::error::{Failure, codes, refuse};

/// Where a write goes.
#[derive(Clone, Copy)]
pub(crate) enum Target<'t> {
    File { tx: &'t WriteTransaction, log: &'t ChangeLog },
    Private(&'t Private),
}

impl<'t> Target<'t> {
    /// Opens a table, which is made if there is none.
    pub(super) fn table(self, name: &str) -> Result<WriteTable<'t>, Failure> {
        match self {
            Self::File { tx, .. } => WriteTable::stored(tx, name),
            Self::Private(private) => WriteTable::private(&private.tx, &private.tables, name),
        }
    }

    /// The transaction of the file, for what open transactions may not do.
    pub(super) fn file(self) -> Result<&'t WriteTransaction, Failure> {
        match self {
            Self::File { tx, .. } => Ok(tx),
            Self::Private(_) => Err(not_in_transaction()),
        }
    }

    /// Keeps what was done: in the change log of the file, or to be done again at the commit.
    pub(super) fn keep(self, operation: impl FnOnce() -> Operation) -> Result<(), Failure> {
        match self {
            Self::File { tx, log } => {
                if let Some(event) = operation().event() {
                    log.append(tx, event)?;
                }
            }
            Self::Private(private) => private.operations.borrow_mut().push(operation()),
        }
        Ok(())
    }

    /// Keeps the change of a document likewise.
    pub(super) fn keep_change(
        self,
        entry: &CollectionEntry,
        change: ChangeRef<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::File { tx, log } => log.append(tx, change_event(entry, change)?),
            Self::Private(private) => {
                let CollectionEntry { namespace, uuid, .. } = entry;
                let entry = ChangedIn { namespace: namespace.clone(), uuid: *uuid };
                let operation = Operation::Change { entry, change: change.to_owned() };
                private.operations.borrow_mut().push(operation);
                Ok(())
            }
        }
    }

    /// Whether indexes can be made here: in the file always, in a transaction only on a collection
    /// that it made itself.
    pub(super) fn may_index(self, uuid: [u8; 16]) -> bool {
        let Self::Private(private) = self else { return true };
        let made = |operation: &Operation| matches!(operation, Operation::Create(entry) if entry.uuid == uuid);
        private.operations.borrow().iter().any(made)
    }

    /// Writes an event of what open transactions may not do.
    pub(super) fn log(self, event: Event) -> Result<(), Failure> {
        match self {
            Self::File { tx, log } => log.append(tx, event),
            Self::Private(_) => Err(not_in_transaction()),
        }
    }

    /// What follows in the log belongs to one transaction.
    pub(super) fn begin_group(self, key: &RetryKey) {
        if let Self::File { log, .. } = self {
            log.begin_group(&key.session, key.number);
        }
    }
}

pub(super) fn not_in_transaction() -> Failure {
    let message = "this operation is not supported inside a multi-document transaction";
    refuse(codes::OPERATION_NOT_SUPPORTED_IN_TRANSACTION, message)
}

/// What happened to one document.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Insert { record: RecordId, document: RawDocumentBuf },
    Replace { record: RecordId, old: RawDocumentBuf, new: RawDocumentBuf, manner: Manner },
    Remove { record: RecordId, old: RawDocumentBuf },
}

/// The same while the documents are still somebody else's.
#[derive(Debug, Clone, Copy)]
pub(super) enum ChangeRef<'d> {
    Insert {
        record: RecordId,
        document: &'d RawDocument,
    },
    Replace {
        record: RecordId,
        old: &'d RawDocument,
        new: &'d RawDocument,
        manner: Manner,
    },
    Remove {
        record: RecordId,
        old: &'d RawDocument,
    },
    /// Removed from a capped collection, to make room: change streams say nothing of it.
    Trim {
        old: &'d RawDocument,
    },
}

impl ChangeRef<'_> {
    fn to_owned(self) -> Change {
        match self {
            Self::Insert { record, document } => {
                Change::Insert { record, document: document.to_owned() }
            }
            Self::Replace { record, old, new, manner } => {
                Change::Replace { record, old: old.to_owned(), new: new.to_owned(), manner }
            }
            Self::Remove { record, old } => Change::Remove { record, old: old.to_owned() },
            // Transactions do not write to capped collections.
            Self::Trim { old } => Change::Remove { record: 0, old: old.to_owned() },
        }
    }
}

impl Change {
    pub(crate) fn record(&self) -> RecordId {
        match self {
            Self::Insert { record, .. }
            | Self::Replace { record, .. }
            | Self::Remove { record, .. } => *record,
        }
    }

    /// The document by whose `_id` others know that they are in the way.
    pub(crate) fn document(&self) -> &RawDocumentBuf {
        match self {
            Self::Insert { document, .. } => document,
            Self::Replace { old, .. } | Self::Remove { old, .. } => old,
        }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Insert { document, .. } => document.as_bytes().len(),
            Self::Replace { old, new, .. } => old.as_bytes().len() + new.as_bytes().len(),
            Self::Remove { old, .. } => old.as_bytes().len(),
        }
    }
}

/// Something to do at the commit.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Create(CollectionEntry),
    /// Indexes on a collection that is empty.
    CreateIndexes {
        namespace: Namespace,
        uuid: [u8; 16],
        indexes: Vec<IndexEntry>,
    },
    Change {
        entry: ChangedIn,
        change: Change,
    },
}

/// What a change has to know of its collection.
#[derive(Debug, Clone)]
pub(crate) struct ChangedIn {
    pub(crate) namespace: Namespace,
    pub(crate) uuid: [u8; 16],
}

impl Operation {
    /// What the change log says of it.
    fn event(&self) -> Option<Event> {
        match self {
            Self::Create(entry) => Some(created(entry)),
            Self::CreateIndexes { namespace, uuid, indexes } => {
                let shown: RawArrayBuf = indexes.iter().map(IndexEntry::document).collect();
                let event = Event::new("createIndexes", namespace, *uuid);
                Some(event.description(rawdoc! { "indexes": shown }))
            }
            // Said by whoever does it.
            Self::Change { .. } => None,
        }
    }
}

/// What the change log says of the change of a document.
fn change_event(entry: &CollectionEntry, change: ChangeRef<'_>) -> Result<Event, Failure> {
    let event = |kind| Event::new(kind, &entry.namespace, entry.uuid);
    Ok(match change {
        ChangeRef::Insert { document, .. } => event("insert").key(document)?.document(document),
        ChangeRef::Replace { old, new, manner, .. } => {
            let event = match manner {
                Manner::Replacement => event("replace").key(new)?.document(new),
                Manner::Update => event("update").key(new)?.diff(Diff::of(old, new)?, new),
            };
            if entry.images { event.images(old, Some(new)) } else { event }
        }
        ChangeRef::Remove { old, .. } => {
            let event = event("delete").key(old)?;
            if entry.images { event.images(old, None) } else { event }
        }
        ChangeRef::Trim { old } => event("delete").key(old)?.silent(),
    })
}

fn created(entry: &CollectionEntry) -> Event {
    let id_index = rawdoc! { "v": 2, "key": { "_id": 1 }, "name": ID_INDEX };
    Event::new("create", &entry.namespace, entry.uuid).description(rawdoc! { "idIndex": id_index })
}

/// The writes of an open transaction, over the snapshot that it reads.
pub(crate) struct Private {
    tx: Arc<ReadTransaction>,
    tables: RefCell<PrivateTables>,
    operations: RefCell<Vec<Operation>>,
}

impl Private {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        Self { tx: snapshot.tx.clone(), tables: RefCell::default(), operations: RefCell::default() }
    }

    /// What the transaction sees: its snapshot and its own writes so far.
    pub(crate) fn view(&self) -> Snapshot {
        Snapshot { tx: self.tx.clone(), private: self.tables.borrow().clone() }
    }

    /// How many operations there are.
    pub(crate) fn len(&self) -> usize {
        self.operations.borrow().len()
    }

    /// The operations from a position on.
    pub(crate) fn since(&self, position: usize) -> Vec<Operation> {
        self.operations.borrow().get(position..).map(<[_]>::to_vec).unwrap_or_default()
    }

    /// All that is to be done at the commit.
    pub(crate) fn into_operations(self) -> Vec<Operation> {
        self.operations.into_inner()
    }
}

/// The refusal of a transaction that came second.
pub(crate) fn write_conflict() -> Failure {
    let message = "WriteConflict error: this operation conflicted with another operation. \
                   Please retry your operation or multi-document transaction.";
    refuse(codes::WRITE_CONFLICT, message)
}

/// Does a transaction's operations in the file. Must run in a file transaction of its own, which is
/// given up when this is refused.
pub(crate) fn replay(
    writing: &Writing<'_>,
    key: &RetryKey,
    operations: Vec<Operation>,
) -> Result<(), Failure> {
    writing.begin_group(key);
    let mut replay = Replay { writing, open: None, made: HashMap::new() };
    for operation in operations {
        match operation {
            Operation::Create(entry) => replay.create(&entry)?,
            Operation::CreateIndexes { namespace, indexes, .. } => {
                replay.create_indexes(&namespace, indexes)?;
            }
            Operation::Change { entry, change } => {
                replay.change(&entry.namespace, entry.uuid, change)?;
            }
        }
    }
    replay.close()
}

struct Replay<'r, 't> {
    writing: &'r Writing<'t>,
    /// The collection of the operation before, as the transaction knew it.
    open: Option<([u8; 16], CollectionWriter<'t>)>,
    /// Numbers of records that the transaction made, and those that they get in the file.
    made: HashMap<([u8; 16], RecordId), RecordId>,
}

impl Replay<'_, '_> {
    fn close(&mut self) -> Result<(), Failure> {
        match self.open.take() {
            Some((_, collection)) => self.writing.finish(collection),
            None => Ok(()),
        }
    }

    fn create(&mut self, entry: &CollectionEntry) -> Result<(), Failure> {
        self.close()?;
        if self.writing.entry(&entry.namespace)?.is_some() {
            return Err(write_conflict());
        }
        self.writing.create_with(&entry.namespace, entry.options.clone(), entry.images).map(drop)
    }

    fn create_indexes(
        &mut self,
        namespace: &Namespace,
        indexes: Vec<IndexEntry>,
    ) -> Result<(), Failure> {
        self.close()?;
        let mut entry = self.writing.entry(namespace)?.ok_or_else(write_conflict)?;
        let before = entry.indexes.len();
        for index in &indexes {
            entry.next_index = entry.next_index.max(index.number + 1);
            entry.indexes.push(index.clone());
        }
        let uuid = entry.uuid;
        let mut collection = self.writing.open(entry)?;
        for position in before..before + indexes.len() {
            collection.build_index(position)?;
        }
        self.writing.finish(collection)?;
        self.writing.keep_indexes(namespace, uuid, indexes)
    }

    fn change(
        &mut self,
        namespace: &Namespace,
        uuid: [u8; 16],
        change: Change,
    ) -> Result<(), Failure> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != uuid) {
            self.close()?;
            let entry = self.writing.entry(namespace)?.ok_or_else(write_conflict)?;
            // A collection that the transaction made itself has another UUID in the file.
            // The statements were validated when they ran.
            self.open = Some((uuid, self.writing.open(entry)?.without_validation(true)));
        }
        let Some((_, collection)) = &mut self.open else { return Ok(()) };
        let record = self.made.get(&(uuid, change.record())).copied().unwrap_or(change.record());
        match change {
            Change::Insert { record: known_as, document } => {
                let made = collection.insert(&document).map_err(as_conflict)?;
                self.made.insert((uuid, known_as), made);
            }
            Change::Replace { old, new, manner, .. } => {
                unchanged(collection, record, &old)?;
                collection.replace(record, &old, &new, manner).map_err(as_conflict)?;
            }
            Change::Remove { old, .. } => {
                unchanged(collection, record, &old)?;
                collection.remove(record, &old)?;
            }
        }
        Ok(())
    }
}

fn unchanged(
    collection: &CollectionWriter<'_>,
    record: RecordId,
    old: &RawDocumentBuf,
) -> Result<(), Failure> {
    match collection.tables.document(record)? {
        Some(now) if now.as_bytes() == old.as_bytes() => Ok(()),
        _ => Err(write_conflict()),
    }
}

/// A key that was free in the transaction's snapshot was taken since.
fn as_conflict(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(error) if error.code == codes::DUPLICATE_KEY => write_conflict(),
        other => other,
    }
}
