//! The catalog: which collections there are, their UUID, options and indexes.
//!
//! One row per namespace, read inside each transaction, so that a snapshot never sees a catalog of
//! another moment. The data tables are named by UUID: renaming is an edit of the catalog.

use std::ops::Bound;

use bson::raw::cstr;
use bson::spec::BinarySubtype;
use bson::{Bson, RawBsonRef, RawDocument, RawDocumentBuf, doc, rawdoc};
use portolan_model::Namespace;
use portolan_mql::key;

use super::index::IndexEntry;
use super::options::CollectionOptions;
use super::{Readable, table_name};
use crate::error::{Failure, codes, refuse};

/// Name of the index on `_id`, which every collection has.
pub(crate) const ID_INDEX: &str = "_id_";

/// A collection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CollectionEntry {
    pub(crate) namespace: Namespace,
    pub(crate) uuid: [u8; 16],
    pub(crate) indexes: Vec<IndexEntry>,
    pub(crate) next_index: u32,
    /// Whether the change log keeps documents as they were before and after a change
    /// (`changeStreamPreAndPostImages`).
    pub(crate) images: bool,
    pub(crate) options: CollectionOptions,
}

impl CollectionEntry {
    /// A collection without documents or secondary indexes.
    pub(crate) fn new(namespace: Namespace, uuid: [u8; 16]) -> Self {
        Self {
            namespace,
            uuid,
            indexes: Vec::new(),
            next_index: 1,
            images: false,
            options: CollectionOptions::default(),
        }
    }

    /// The UUID as BSON has it on the wire.
    pub(crate) fn uuid_binary(&self) -> bson::Binary {
        uuid_binary(self.uuid)
    }

    /// The key of an `_id` in its index.
    pub(crate) fn id_key(&self, id: RawBsonRef<'_>) -> Vec<u8> {
        key::encode_in(id, self.options.collation())
    }

    /// The index on `_id` as `listIndexes` shows it.
    pub(crate) fn id_index(&self) -> RawDocumentBuf {
        let name = self.options.clustered_name().unwrap_or(ID_INDEX);
        let mut shown = rawdoc! { "v": 2, "key": { "_id": 1 }, "name": name };
        if let Some(collation) = self.options.collation() {
            shown.append(cstr!("collation"), collation.spec());
        }
        if self.options.is_clustered() {
            shown.append(cstr!("unique"), true);
            shown.append(cstr!("clustered"), true);
        }
        shown
    }

    /// Where the documents are: record number to BSON.
    pub(crate) fn data_table(&self) -> String {
        table_name("data", self.uuid)
    }

    /// Where the index on `_id` is: key to record number.
    pub(crate) fn ids_table(&self) -> String {
        table_name("ids", self.uuid)
    }

    /// Where the entries of an index are: key and record number to nothing.
    pub(crate) fn index_table(&self, index: &IndexEntry) -> String {
        format!("{}/{}", table_name("idx", self.uuid), index.number)
    }

    fn to_row(&self) -> Result<Vec<u8>, Failure> {
        let indexes: Vec<Bson> =
            self.indexes.iter().map(IndexEntry::to_row).collect::<Result<_, Failure>>()?;
        let options = bson::Document::try_from(self.options.raw())?;
        let row = doc! {
            "uuid": self.uuid_binary(), "indexes": indexes,
            "nextIndex": i64::from(self.next_index), "images": self.images,
            "options": options,
        };
        Ok(RawDocumentBuf::try_from(&row)?.into_bytes())
    }

    fn from_row(name: &[u8], row: &[u8]) -> Result<Self, Failure> {
        let row = RawDocument::from_bytes(row)?;
        let indexes = row
            .get_array("indexes")
            .map_err(|_| damaged("indexes"))?
            .into_iter()
            .map(|index| {
                IndexEntry::from_row(index?.as_document().ok_or_else(|| damaged("indexes"))?)
            })
            .collect::<Result<_, Failure>>()?;
        let uuid = row.get_binary("uuid").map_err(|_| damaged("uuid"))?.bytes;
        Ok(Self {
            namespace: namespace_from_name(name)?,
            uuid: uuid.try_into().map_err(|_| damaged("uuid"))?,
            indexes,
            next_index: number(row, "nextIndex")?,
            images: row.get_bool("images").unwrap_or(false),
            options: match row.get_document("options") {
                Ok(options) => CollectionOptions::read(options)?,
                Err(_) => CollectionOptions::default(),
            },
        })
    }
}

/// A UUID as BSON has it: binary, subtype 4.
pub(crate) fn uuid_binary(uuid: [u8; 16]) -> bson::Binary {
    bson::Binary { subtype: BinarySubtype::Uuid, bytes: uuid.to_vec() }
}

fn damaged(part: &str) -> Failure {
    refuse(codes::INTERNAL_ERROR, format!("the catalog's {part} cannot be read"))
}

fn number(row: &RawDocument, name: &str) -> Result<u32, Failure> {
    row.get_i64(name).ok().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| damaged(name))
}

fn namespace_from_name(name: &[u8]) -> Result<Namespace, Failure> {
    let name = std::str::from_utf8(name).map_err(|_| damaged("namespace"))?;
    let (database, collection) = name.split_once('.').ok_or_else(|| damaged("namespace"))?;
    Ok(Namespace { database: database.to_owned(), collection: collection.to_owned() })
}

/// The catalog as one transaction sees it.
pub(crate) struct Catalog<T> {
    table: T,
}

impl<T: Readable> Catalog<T> {
    pub(crate) fn new(table: T) -> Self {
        Self { table }
    }

    /// The collection of that name.
    pub(crate) fn get(&self, namespace: &Namespace) -> Result<Option<CollectionEntry>, Failure> {
        let name = namespace.to_string();
        match self.table.get(name.as_bytes())? {
            Some(row) => Ok(Some(CollectionEntry::from_row(name.as_bytes(), row.value())?)),
            None => Ok(None),
        }
    }

    /// The collections of a database, in the order of their names.
    pub(crate) fn of_database(&self, database: &str) -> Result<Vec<CollectionEntry>, Failure> {
        let (low, high) = (format!("{database}."), format!("{database}/"));
        let low = Bound::Included(low.as_bytes());
        let high = Bound::Excluded(high.as_bytes());
        let range = self.table.range(low, high, false)?;
        range
            .map(|row| {
                let (name, row) = row?;
                CollectionEntry::from_row(name.value(), row.value())
            })
            .collect()
    }

    /// Every collection.
    pub(crate) fn all(&self) -> Result<Vec<CollectionEntry>, Failure> {
        let rows = self.table.iter()?;
        rows.map(|row| {
            let (name, row) = row?;
            CollectionEntry::from_row(name.value(), row.value())
        })
        .collect()
    }
}

impl Catalog<super::WriteTable<'_>> {
    /// Writes a collection's row.
    pub(crate) fn put(&mut self, entry: &CollectionEntry) -> Result<(), Failure> {
        let name = entry.namespace.to_string();
        self.table.insert(name.as_bytes(), entry.to_row()?.as_slice())
    }

    /// Removes a collection's row.
    pub(crate) fn remove(&mut self, namespace: &Namespace) -> Result<(), Failure> {
        self.table.remove(namespace.to_string().as_bytes())
    }
}
