//! One collection inside a transaction: its documents and their index entries, changed together.
//!
//! Every change checks all that can be refused before it writes anything, so a refused statement
//! leaves nothing behind although its transaction goes on.

use std::ops::Bound;

use bson::raw::CStr;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

use super::catalog::{CollectionEntry, ID_INDEX};
use super::index::IndexEntry;
use super::keys::{after_prefix, document_keys};
use super::options::Capped;
use super::target::{ChangeRef, Target};
use super::validation::Validation;
use super::{CATALOG, Catalog, ReadTable, Readable, SIZES, Snapshot, WriteTable};
use crate::error::{Failure, codes, refuse};

/// The largest document that a client may store, in bytes.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
const RECORD_BYTES: usize = 8;

/// How a document gets new contents; change streams tell the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Update,
    Replacement,
}

/// Number of a record: the order of insertion.
pub(crate) type RecordId = u64;

/// A collection's tables, open for reading or for writing.
pub(crate) struct Collection<T> {
    pub(crate) entry: CollectionEntry,
    pub(crate) data: T,
    pub(crate) ids: T,
    /// In the order of `entry.indexes`.
    pub(crate) indexes: Vec<T>,
}

impl Collection<ReadTable> {
    /// Opens the tables of `entry` in a snapshot.
    pub(crate) fn read(snapshot: &Snapshot, entry: CollectionEntry) -> Result<Self, Failure> {
        if entry.options.is_view() {
            return Err(is_a_view(&entry));
        }
        let open = |name: String| snapshot.table(&name);
        Ok(Self {
            data: open(entry.data_table())?,
            ids: open(entry.ids_table())?,
            indexes: entry
                .indexes
                .iter()
                .map(|index| open(entry.index_table(index)))
                .collect::<Result<_, _>>()?,
            entry,
        })
    }
}

impl<T: Readable> Collection<T> {
    /// How many documents there are.
    pub(crate) fn count(&self) -> Result<u64, Failure> {
        self.data.len()
    }

    /// A copy of a document.
    pub(crate) fn document(&self, record: RecordId) -> Result<Option<RawDocumentBuf>, Failure> {
        match self.data.get(record.to_be_bytes().as_slice())? {
            Some(bytes) => Ok(Some(RawDocument::from_bytes(bytes.value())?.to_owned())),
            None => Ok(None),
        }
    }
}

/// Reads a record number.
pub(crate) fn record_id(bytes: &[u8]) -> Result<RecordId, Failure> {
    let bytes = bytes.try_into().map_err(|_| {
        refuse(codes::INTERNAL_ERROR, "a record number in the store has the wrong length")
    })?;
    Ok(RecordId::from_be_bytes(bytes))
}

/// The record number at the end of an entry of a secondary index.
pub(crate) fn record_of_entry(entry: &[u8]) -> Result<RecordId, Failure> {
    record_id(&entry[entry.len().saturating_sub(RECORD_BYTES)..])
}

/// A collection that is being changed.
pub(crate) struct CollectionWriter<'t> {
    pub(crate) tables: Collection<WriteTable<'t>>,
    target: Target<'t>,
    next_record: RecordId,
    size_change: i64,
    entry_changed: bool,
    validation: Option<Validation>,
    /// The limits of a capped collection, and its bytes when it was opened.
    capped: Option<(Capped, u64)>,
}

impl<'t> CollectionWriter<'t> {
    /// Opens the tables of `entry`, making those that do not exist.
    pub(crate) fn open(target: Target<'t>, entry: CollectionEntry) -> Result<Self, Failure> {
        if entry.options.is_view() {
            return Err(is_a_view(&entry));
        }
        let validation = Validation::of(&entry)?;
        let capped = match entry.options.capped() {
            Some(limits) => {
                target.file()?;
                Some((limits, super::read_size(&target.table(SIZES)?, entry.uuid)?))
            }
            None => None,
        };
        let open = |name: String| target.table(&name);
        let tables = Collection {
            data: open(entry.data_table())?,
            ids: open(entry.ids_table())?,
            indexes: entry
                .indexes
                .iter()
                .map(|index| open(entry.index_table(index)))
                .collect::<Result<_, _>>()?,
            entry,
        };
        let last = tables.data.range(Bound::Unbounded, Bound::Unbounded, true)?.next();
        let next_record = match last.transpose()? {
            Some((last, _)) => record_id(last.value())? + 1,
            None => 1,
        };
        Ok(Self {
            tables,
            target,
            next_record,
            size_change: 0,
            entry_changed: false,
            validation,
            capped,
        })
    }

    /// Documents are stored although they break the collection's rules.
    pub(crate) fn without_validation(mut self, without: bool) -> Self {
        if without {
            self.validation = None;
        }
        self
    }

    /// Stores a document that has an `_id`; returns the number of its record.
    pub(crate) fn insert(&mut self, document: &RawDocument) -> Result<RecordId, Failure> {
        let id = document_id(document)?;
        if let Some(validation) = &self.validation {
            validation.check(document, None)?;
        }
        self.check_fits(document)?;
        let number = self.next_record;
        let record = number.to_be_bytes();
        let entries = self.new_entries(document, None)?;
        let id_key = self.tables.entry.id_key(id);
        if self.tables.ids.get(id_key.as_slice())?.is_some() {
            return Err(self.duplicate_id(id));
        }
        self.tables.ids.insert(id_key.as_slice(), record.as_slice())?;
        for (table, keys) in self.tables.indexes.iter_mut().zip(&entries) {
            for key in keys {
                table.insert(index_entry(key, &record).as_slice(), [].as_slice())?;
            }
        }
        self.tables.data.insert(record.as_slice(), document.as_bytes())?;
        self.next_record += 1;
        self.size_change += signed(document.as_bytes().len());
        self.keep(ChangeRef::Insert { record: number, document })?;
        self.trim()?;
        Ok(number)
    }

    /// A document beyond the limit of a capped collection would push out itself.
    fn check_fits(&self, document: &RawDocument) -> Result<(), Failure> {
        let length = document.as_bytes().len() as u64;
        match self.capped {
            Some((limits, _)) if length > limits.size_bytes => {
                let message = "object to insert exceeds cappedMaxSize";
                Err(refuse(codes::BAD_VALUE, message))
            }
            _ => Ok(()),
        }
    }

    /// Removes the oldest documents of a capped collection until it is within its limits.
    pub(crate) fn trim(&mut self) -> Result<(), Failure> {
        let Some((limits, opened_bytes)) = self.capped else { return Ok(()) };
        loop {
            let size_bytes = opened_bytes.saturating_add_signed(self.size_change);
            let too_many = match limits.documents_max {
                Some(max) => self.tables.count()? > max,
                None => false,
            };
            if size_bytes <= limits.size_bytes && !too_many {
                return Ok(());
            }
            let oldest = self.tables.data.iter()?.next().transpose()?.map(|(record, document)| {
                Ok::<_, Failure>((
                    record_id(record.value())?,
                    RawDocument::from_bytes(document.value())?.to_owned(),
                ))
            });
            let Some((record, document)) = oldest.transpose()? else { return Ok(()) };
            self.take_out(record, &document)?;
            self.keep(ChangeRef::Trim { old: &document })?;
        }
    }

    /// Keeps a change for the change log, or for the commit of the transaction that made it.
    fn keep(&self, change: ChangeRef<'_>) -> Result<(), Failure> {
        self.target.keep_change(&self.tables.entry, change)
    }

    /// Puts `new` in the place of `old`, whose `_id` it shares.
    pub(crate) fn replace(
        &mut self,
        record: RecordId,
        old: &RawDocument,
        new: &RawDocument,
        manner: Manner,
    ) -> Result<(), Failure> {
        if let Some(validation) = &self.validation {
            validation.check(new, Some(old))?;
        }
        let new_entries = self.new_entries(new, Some(record))?;
        let number = record;
        let record = record.to_be_bytes();
        for (position, new_keys) in new_entries.iter().enumerate() {
            let old_keys = document_keys(&self.tables.entry.indexes[position], old)?.keys;
            let table = &mut self.tables.indexes[position];
            for key in old_keys.iter().filter(|key| new_keys.binary_search(key).is_err()) {
                table.remove(index_entry(key, &record).as_slice())?;
            }
            for key in new_keys.iter().filter(|key| old_keys.binary_search(key).is_err()) {
                table.insert(index_entry(key, &record).as_slice(), [].as_slice())?;
            }
        }
        self.tables.data.insert(record.as_slice(), new.as_bytes())?;
        self.size_change += signed(new.as_bytes().len()) - signed(old.as_bytes().len());
        self.keep(ChangeRef::Replace { record: number, old, new, manner })
    }

    /// Removes a document and all that points to it.
    pub(crate) fn remove(
        &mut self,
        record: RecordId,
        document: &RawDocument,
    ) -> Result<(), Failure> {
        self.take_out(record, document)?;
        self.keep(ChangeRef::Remove { record, old: document })
    }

    fn take_out(&mut self, record: RecordId, document: &RawDocument) -> Result<(), Failure> {
        let id_key = self.tables.entry.id_key(document_id(document)?);
        let record = record.to_be_bytes();
        for (index, table) in self.tables.entry.indexes.iter().zip(&mut self.tables.indexes) {
            for key in document_keys(index, document)?.keys {
                table.remove(index_entry(&key, &record).as_slice())?;
            }
        }
        self.tables.ids.remove(id_key.as_slice())?;
        self.tables.data.remove(record.as_slice())?;
        self.size_change -= signed(document.as_bytes().len());
        Ok(())
    }

    /// Fills the index at `position` from the documents. Used when an index is created.
    pub(crate) fn build_index(&mut self, position: usize) -> Result<(), Failure> {
        let Collection { entry, data, indexes, .. } = &mut self.tables;
        let (index, table) = (&mut entry.indexes[position], &mut indexes[position]);
        for row in data.iter()? {
            let (record, document) = row?;
            let document = RawDocument::from_bytes(document.value())?;
            let found = document_keys(index, document)?;
            index.multikey |= found.multikey;
            for key in found.keys {
                if index.options.unique && taken(table, &key, None)? {
                    return Err(duplicate_key(&entry.namespace.to_string(), index, document));
                }
                table.insert(index_entry(&key, record.value()).as_slice(), [].as_slice())?;
            }
        }
        self.entry_changed = true;
        Ok(())
    }

    /// Writes what belongs to the collection as a whole. Must be the last call.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Self { tables: Collection { entry, .. }, target, size_change, entry_changed, .. } =
            self;
        if size_change != 0 {
            let mut sizes = target.table(SIZES)?;
            let size = super::read_size(&sizes, entry.uuid)?.saturating_add_signed(size_change);
            sizes.insert(entry.uuid.as_slice(), size.to_be_bytes().as_slice())?;
        }
        if entry_changed {
            Catalog::new(target.table(CATALOG)?).put(&entry)?;
        }
        Ok(())
    }

    /// The entries of `document` in each index, after the checks of the unique ones.
    fn new_entries(
        &mut self,
        document: &RawDocument,
        own: Option<RecordId>,
    ) -> Result<Vec<Vec<Vec<u8>>>, Failure> {
        let mut entries = Vec::with_capacity(self.tables.indexes.len());
        for (position, table) in self.tables.indexes.iter().enumerate() {
            let index = &self.tables.entry.indexes[position];
            let found = document_keys(index, document)?;
            if index.options.unique {
                for key in &found.keys {
                    if taken(table, key, own)? {
                        let namespace = self.tables.entry.namespace.to_string();
                        return Err(duplicate_key(&namespace, index, document));
                    }
                }
            }
            if found.multikey && !index.multikey {
                self.tables.entry.indexes[position].multikey = true;
                self.entry_changed = true;
            }
            entries.push(found.keys);
        }
        Ok(entries)
    }

    fn duplicate_id(&self, id: RawBsonRef<'_>) -> Failure {
        let mut value = RawDocumentBuf::new();
        value.append(bson::raw::cstr!("_id"), id);
        let mut pattern = RawDocumentBuf::new();
        pattern.append(bson::raw::cstr!("_id"), 1);
        duplicate(&self.tables.entry.namespace.to_string(), ID_INDEX, &pattern, &value)
    }
}

fn is_a_view(entry: &CollectionEntry) -> Failure {
    let message = format!("Namespace {} is a view, not a collection", entry.namespace);
    refuse(codes::COMMAND_NOT_SUPPORTED_ON_VIEW, message)
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn document_id(document: &RawDocument) -> Result<RawBsonRef<'_>, Failure> {
    document
        .get("_id")?
        .ok_or_else(|| refuse(codes::INTERNAL_ERROR, "a document without _id reached the store"))
}

fn index_entry(key: &[u8], record: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(key.len() + RECORD_BYTES);
    entry.extend_from_slice(key);
    entry.extend_from_slice(record);
    entry
}

/// Whether another record than `own` has `key`.
fn taken(table: &WriteTable<'_>, key: &[u8], own: Option<RecordId>) -> Result<bool, Failure> {
    let high = after_prefix(key);
    let high = high.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    for entry in table.range(Bound::Included(key), high, false)? {
        let (entry, _) = entry?;
        let entry = entry.value();
        if entry.len() == key.len() + RECORD_BYTES && Some(record_of_entry(entry)?) != own {
            return Ok(true);
        }
    }
    Ok(false)
}

fn duplicate_key(namespace: &str, index: &IndexEntry, document: &RawDocument) -> Failure {
    let mut value = RawDocumentBuf::new();
    for field in &index.fields {
        let Ok(name) = <&CStr>::try_from(field.path.as_str()) else { continue };
        match portolan_mql::path::get(document, &field.path) {
            Some(found) => value.append(name, found),
            None => value.append(name, RawBsonRef::Null),
        }
    }
    duplicate(namespace, &index.name, &index.pattern, &value)
}

fn duplicate(namespace: &str, index: &str, pattern: &RawDocument, value: &RawDocument) -> Failure {
    let shown = bson::Document::try_from(value).unwrap_or_default();
    let message = format!(
        "E11000 duplicate key error collection: {namespace} index: {index} dup key: {shown}"
    );
    let mut extra = RawDocumentBuf::new();
    extra.append(bson::raw::cstr!("keyPattern"), pattern);
    extra.append(bson::raw::cstr!("keyValue"), value);
    refuse(codes::DUPLICATE_KEY, message).with_extra(extra)
}
