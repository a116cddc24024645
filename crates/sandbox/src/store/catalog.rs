//! The catalog: which collections there are, their UUID, options and indexes.
//!
//! One row per namespace, read inside each transaction, so that a snapshot never sees a catalog of
//! another moment. The data tables are named by UUID: renaming is an edit of the catalog.

use std::ops::Bound;

use bson::spec::BinarySubtype;
use bson::{Bson, RawDocument, RawDocumentBuf, doc};
use portolan_model::Namespace;

use super::{Readable, table_name};
use crate::error::{Failure, codes, refuse};

/// Name of the index on `_id`, which every collection has.
pub(crate) const ID_INDEX: &str = "_id_";

/// One field of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexField {
    pub(crate) path: String,
    pub(crate) descending: bool,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IndexEntry {
    /// Number within the collection; never used again after a drop.
    pub(crate) number: u32,
    pub(crate) name: String,
    /// The key pattern as the client gave it.
    pub(crate) pattern: RawDocumentBuf,
    pub(crate) fields: Vec<IndexField>,
    pub(crate) unique: bool,
    /// An array was seen on an indexed path: a document may have several entries.
    pub(crate) multikey: bool,
}

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
}

impl CollectionEntry {
    /// A collection without documents or secondary indexes.
    pub(crate) fn new(namespace: Namespace, uuid: [u8; 16]) -> Self {
        Self { namespace, uuid, indexes: Vec::new(), next_index: 1, images: false }
    }

    /// The UUID as BSON has it on the wire.
    pub(crate) fn uuid_binary(&self) -> bson::Binary {
        uuid_binary(self.uuid)
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
        let indexes: Vec<Bson> = self
            .indexes
            .iter()
            .map(|index| {
                let pattern = bson::Document::try_from(&index.pattern)?;
                Ok(Bson::Document(doc! {
                    "number": i64::from(index.number), "name": &index.name, "key": pattern,
                    "unique": index.unique, "multikey": index.multikey,
                }))
            })
            .collect::<Result<_, Failure>>()?;
        let row = doc! {
            "uuid": self.uuid_binary(), "indexes": indexes,
            "nextIndex": i64::from(self.next_index), "images": self.images,
        };
        Ok(RawDocumentBuf::try_from(&row)?.into_bytes())
    }

    fn from_row(name: &[u8], row: &[u8]) -> Result<Self, Failure> {
        let row = RawDocument::from_bytes(row)?;
        let indexes = row
            .get_array("indexes")
            .map_err(|_| damaged("indexes"))?
            .into_iter()
            .map(|index| index_from_row(index?.as_document().ok_or_else(|| damaged("indexes"))?))
            .collect::<Result<_, Failure>>()?;
        let uuid = row.get_binary("uuid").map_err(|_| damaged("uuid"))?.bytes;
        Ok(Self {
            namespace: namespace_from_name(name)?,
            uuid: uuid.try_into().map_err(|_| damaged("uuid"))?,
            indexes,
            next_index: number(row, "nextIndex")?,
            images: row.get_bool("images").unwrap_or(false),
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

fn index_from_row(row: &RawDocument) -> Result<IndexEntry, Failure> {
    let pattern = row.get_document("key").map_err(|_| damaged("key"))?.to_owned();
    Ok(IndexEntry {
        number: number(row, "number")?,
        name: row.get_str("name").map_err(|_| damaged("name"))?.to_owned(),
        fields: index_fields(&pattern)?,
        pattern,
        unique: row.get_bool("unique").map_err(|_| damaged("unique"))?,
        multikey: row.get_bool("multikey").map_err(|_| damaged("multikey"))?,
    })
}

/// Reads a key pattern of ascending and descending fields.
pub(crate) fn index_fields(pattern: &RawDocument) -> Result<Vec<IndexField>, Failure> {
    pattern
        .iter()
        .map(|element| {
            let (path, value) = element?;
            let direction = crate::commands::fields::as_f64(value).unwrap_or(0.0);
            if direction == 0.0 || direction.is_nan() {
                let message =
                    format!("Values in the index key pattern must be nonzero numbers: {path}");
                return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
            }
            Ok(IndexField { path: path.to_string(), descending: direction < 0.0 })
        })
        .collect()
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
