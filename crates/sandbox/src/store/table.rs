//! One table as transactions see it: the stored entries, and over them the changes that an open
//! multi-document transaction has made and nobody else sees yet.

use std::cell::RefCell;
use std::collections::btree_map;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use redb::{AccessGuard, ReadTransaction, ReadableTableMetadata, TableError, WriteTransaction};

use super::definition;
use crate::error::Failure;

type Bytes = &'static [u8];
type StoredRead = redb::ReadOnlyTable<Bytes, Bytes>;
type StoredWrite<'t> = redb::Table<'t, Bytes, Bytes>;

/// Changes of one table by key; `None` is a removal.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
/// Changes of each table by its name.
pub(crate) type PrivateTables = HashMap<String, Arc<Changes>>;

/// A value of a table.
pub(crate) enum Value<'a> {
    Stored(AccessGuard<'a, Bytes>),
    Private(&'a [u8]),
}

impl Value<'_> {
    pub(crate) fn value(&self) -> &[u8] {
        match self {
            Self::Stored(guard) => guard.value(),
            Self::Private(bytes) => bytes,
        }
    }
}

/// A table in a read or a write transaction.
pub(crate) trait Readable {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>, Failure>;
    /// The entries between two bounds, in the order of their keys or against it.
    fn range(
        &self,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        reverse: bool,
    ) -> Result<Entries<'_>, Failure>;
    /// How many entries there are.
    fn len(&self) -> Result<u64, Failure>;

    /// All entries.
    fn iter(&self) -> Result<Entries<'_>, Failure> {
        self.range(Bound::Unbounded, Bound::Unbounded, false)
    }
}

/// Entries of a range: stored ones and private ones, merged.
pub(crate) struct Entries<'a> {
    stored: Option<redb::Range<'a, Bytes, Bytes>>,
    private: Option<btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>>,
    next_stored: Option<(AccessGuard<'a, Bytes>, AccessGuard<'a, Bytes>)>,
    next_private: Option<(&'a Vec<u8>, &'a Option<Vec<u8>>)>,
    reverse: bool,
}

impl<'a> Entries<'a> {
    fn new(
        stored: Option<redb::Range<'a, Bytes, Bytes>>,
        private: Option<btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>>,
        reverse: bool,
    ) -> Self {
        Self { stored, private, next_stored: None, next_private: None, reverse }
    }

    fn fill(&mut self) -> Result<(), Failure> {
        if self.next_stored.is_none()
            && let Some(stored) = &mut self.stored
        {
            let next = if self.reverse { stored.next_back() } else { stored.next() };
            self.next_stored = next.transpose()?;
        }
        if self.next_private.is_none()
            && let Some(private) = &mut self.private
        {
            self.next_private = if self.reverse { private.next_back() } else { private.next() };
        }
        Ok(())
    }

    fn take(&mut self) -> Result<Option<(Value<'a>, Value<'a>)>, Failure> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        loop {
            self.fill()?;
            let order = match (&self.next_stored, &self.next_private) {
                (None, None) => return Ok(None),
                (Some(_), None) => Less,
                (None, Some(_)) => Greater,
                (Some((stored, _)), Some((private, _))) => {
                    let order = stored.value().cmp(private.as_slice());
                    if self.reverse { order.reverse() } else { order }
                }
            };
            if order == Less {
                let taken = self.next_stored.take();
                return Ok(taken.map(|(key, value)| (Value::Stored(key), Value::Stored(value))));
            }
            if order == Equal {
                self.next_stored = None;
            }
            if let Some((key, Some(value))) = self.next_private.take() {
                return Ok(Some((Value::Private(key), Value::Private(value))));
            }
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(Value<'a>, Value<'a>), Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take().transpose()
    }
}

/// Whether a range holds nothing, which `BTreeMap` answers with a panic.
fn is_empty(low: Bound<&[u8]>, high: Bound<&[u8]>) -> bool {
    use Bound::{Excluded, Included, Unbounded};
    match (low, high) {
        (Unbounded, _) | (_, Unbounded) => false,
        (Included(low), Included(high)) => low > high,
        (Included(low) | Excluded(low), Included(high) | Excluded(high)) => low >= high,
    }
}

fn merged<'a>(
    stored: Option<redb::Range<'a, Bytes, Bytes>>,
    changes: Option<&'a Changes>,
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
    reverse: bool,
) -> Entries<'a> {
    let private = changes.filter(|_| !is_empty(bounds.0, bounds.1));
    Entries::new(stored, private.map(|changes| changes.range::<[u8], _>(bounds)), reverse)
}

/// A table of a snapshot.
pub(crate) struct ReadTable {
    /// `None`: the table exists only in the transaction.
    stored: Option<StoredRead>,
    private: Option<Arc<Changes>>,
}

impl ReadTable {
    pub(super) fn open(
        tx: &ReadTransaction,
        private: &PrivateTables,
        name: &str,
    ) -> Result<Self, Failure> {
        let private = private.get(name).cloned();
        let stored = match tx.open_table(definition(name)) {
            Ok(table) => Some(table),
            Err(TableError::TableDoesNotExist(_)) if private.is_some() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { stored, private })
    }

    /// Bytes that the table takes in the file.
    pub(crate) fn stored_bytes(&self) -> Result<u64, Failure> {
        let Some(stored) = &self.stored else { return Ok(0) };
        let stats = stored.stats()?;
        Ok(stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes())
    }
}

impl Readable for ReadTable {
    fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>, Failure> {
        match self.private.as_ref().and_then(|changes| changes.get(key)) {
            Some(changed) => Ok(changed.as_deref().map(Value::Private)),
            None => stored_get(self.stored.as_ref(), key),
        }
    }

    fn range(
        &self,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        reverse: bool,
    ) -> Result<Entries<'_>, Failure> {
        let stored = self.stored.as_ref().map(|table| table.range::<&[u8]>((low, high)));
        Ok(merged(stored.transpose()?, self.private.as_deref(), (low, high), reverse))
    }

    fn len(&self) -> Result<u64, Failure> {
        length(self.stored.as_ref(), self.private.as_deref())
    }
}

fn stored_get<'a>(
    stored: Option<&'a StoredRead>,
    key: &[u8],
) -> Result<Option<Value<'a>>, Failure> {
    let Some(stored) = stored else { return Ok(None) };
    Ok(stored.get(key)?.map(Value::Stored))
}

fn length(stored: Option<&StoredRead>, private: Option<&Changes>) -> Result<u64, Failure> {
    let mut length = stored.map_or(Ok(0), ReadableTableMetadata::len)?;
    for (key, value) in private.into_iter().flatten() {
        let was_there = stored_get(stored, key)?.is_some();
        match (was_there, value.is_some()) {
            (false, true) => length += 1,
            (true, false) => length -= 1,
            _ => {}
        }
    }
    Ok(length)
}

/// A table that is being changed: in the file, or for one transaction only.
pub(crate) enum WriteTable<'t> {
    Stored(StoredWrite<'t>),
    Private(PrivateTable<'t>),
}

/// A table of an open transaction. Its changes go home when it is dropped.
pub(crate) struct PrivateTable<'t> {
    name: String,
    stored: Option<StoredRead>,
    changes: Arc<Changes>,
    home: &'t RefCell<PrivateTables>,
}

impl Drop for PrivateTable<'_> {
    fn drop(&mut self) {
        let (name, changes) = (std::mem::take(&mut self.name), std::mem::take(&mut self.changes));
        self.home.borrow_mut().insert(name, changes);
    }
}

impl<'t> WriteTable<'t> {
    pub(super) fn stored(tx: &'t WriteTransaction, name: &str) -> Result<Self, Failure> {
        Ok(Self::Stored(tx.open_table(definition(name))?))
    }

    pub(super) fn private(
        tx: &ReadTransaction,
        home: &'t RefCell<PrivateTables>,
        name: &str,
    ) -> Result<Self, Failure> {
        let stored = match tx.open_table(definition(name)) {
            Ok(table) => Some(table),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let changes = home.borrow_mut().remove(name).unwrap_or_default();
        Ok(Self::Private(PrivateTable { name: name.to_owned(), stored, changes, home }))
    }

    /// Stores a value.
    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stored(table) => {
                table.insert(key, value)?;
            }
            Self::Private(table) => {
                Arc::make_mut(&mut table.changes).insert(key.to_vec(), Some(value.to_vec()));
            }
        }
        Ok(())
    }

    /// Removes a value, if it is there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stored(table) => {
                table.remove(key)?;
            }
            Self::Private(table) => {
                Arc::make_mut(&mut table.changes).insert(key.to_vec(), None);
            }
        }
        Ok(())
    }
}

impl Readable for WriteTable<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>, Failure> {
        match self {
            Self::Stored(table) => Ok(redb::ReadableTable::get(table, key)?.map(Value::Stored)),
            Self::Private(table) => match table.changes.get(key) {
                Some(changed) => Ok(changed.as_deref().map(Value::Private)),
                None => stored_get(table.stored.as_ref(), key),
            },
        }
    }

    fn range(
        &self,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        reverse: bool,
    ) -> Result<Entries<'_>, Failure> {
        match self {
            Self::Stored(table) => {
                let stored = redb::ReadableTable::range::<&[u8]>(table, (low, high))?;
                Ok(merged(Some(stored), None, (low, high), reverse))
            }
            Self::Private(table) => {
                let stored = table.stored.as_ref().map(|table| table.range::<&[u8]>((low, high)));
                Ok(merged(stored.transpose()?, Some(&table.changes), (low, high), reverse))
            }
        }
    }

    fn len(&self) -> Result<u64, Failure> {
        match self {
            Self::Stored(table) => Ok(ReadableTableMetadata::len(table)?),
            Self::Private(table) => length(table.stored.as_ref(), Some(&table.changes)),
        }
    }
}
