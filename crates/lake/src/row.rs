//! From a document to its row: identity, hash, keys, typed columns, month. The verifier computes
//! the same things again from the stored bytes, with this code.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use portolan_model::{PartitionFieldType, ShardKey};
use portolan_mql::{identity, key, path};

use crate::layout::{ID, Layout};
use crate::month::month;
use crate::{LakeError, TableSpec, text};

/// Bytes of a full key that go into a prune key.
const PRUNE_BYTES: usize = 16;

/// Identity of a document of a collection that is not sharded: its `_id` under MongoDB equality. A document
/// without `_id` has the identity of a missing value; staging refuses it.
#[must_use]
pub fn identity(doc: &RawDocument) -> Vec<u8> {
    identity_under(doc, None)
}

/// Identity of a document of a collection with that shard key: the values of the key belong to it.
#[must_use]
pub fn identity_under(doc: &RawDocument, shard_key: Option<&ShardKey>) -> Vec<u8> {
    identity::of(doc, shard_key.into_iter().flat_map(ShardKey::beside_id))
}

/// BLAKE3 of a document's bytes.
#[must_use]
pub fn hash(doc: &RawDocument) -> [u8; 32] {
    *blake3::hash(doc.as_bytes()).as_bytes()
}

/// The prune key of a document's `_id`, from its identity under that shard key.
pub(crate) fn prune_key_of(identity: &[u8], shard_key: Option<&ShardKey>) -> String {
    let is_alone = ShardKey::tell_alike(shard_key, None);
    let identity = if is_alone { identity } else { identity::id_part(identity) };
    hex::encode(&identity[..identity.len().min(PRUNE_BYTES)])
}

/// One value of a column other than `_doc` and `_doc_hash`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Int(i32),
    Long(i64),
    /// Microseconds since the epoch.
    Timestamp(i64),
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// What follows from a document alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Derived {
    /// `_id`, `_id_key`, the keys of the partition fields, their typed columns: in layout order.
    pub(crate) cells: Vec<Cell>,
    pub(crate) month: Option<String>,
}

/// A row of a data file.
#[derive(Debug, Clone)]
pub(crate) struct FileRow {
    pub(crate) doc: RawDocumentBuf,
    pub(crate) hash: [u8; 32],
    pub(crate) derived: Derived,
    pub(crate) place: Place,
}

/// A row's place in the move protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) archived_at_us: i64,
    pub(crate) seq: i64,
    pub(crate) batch: i32,
    pub(crate) superseded_by: Option<i64>,
}

impl Place {
    /// The columns `_archived_at`, `_seq`, `_batch`, `_superseded_by`, in layout order.
    pub(crate) fn cells(&self) -> [Cell; 4] {
        [
            Cell::Timestamp(self.archived_at_us),
            Cell::Long(self.seq),
            Cell::Int(self.batch),
            self.superseded_by.map_or(Cell::Null, Cell::Long),
        ]
    }
}

/// Computes what follows from a document.
pub(crate) fn derive(doc: &RawDocument, spec: &TableSpec) -> Result<Derived, LakeError> {
    let id = doc
        .get(ID)
        .map_err(|error| LakeError::Invalid(format!("a document cannot be read: {error}")))?
        .ok_or_else(|| LakeError::Invalid("a document has no _id".into()))?;
    let mut cells = vec![Cell::from(text::canonical(id))];
    cells
        .extend(Layout::key_columns(spec).into_iter().map(|(_, path)| prune_key(doc, path).into()));
    let typed = spec.partition_paths.iter().enumerate();
    cells.extend(typed.map(|(index, path)| typed_cell(doc, path, spec.partition_type(index))));
    Ok(Derived { cells, month: spec.month.as_ref().map(|spec| month(doc, spec)) })
}

/// The prune key of the value at `path`; `None` when there is an array on the way, because what
/// such a value matches depends on its elements.
pub(crate) fn prune_key(doc: &RawDocument, path: &str) -> Option<String> {
    if path::has_array_on_path(doc, path) {
        return None;
    }
    key::prune_key(path::get(doc, path))
}

fn typed_cell(doc: &RawDocument, path: &str, kind: Option<PartitionFieldType>) -> Cell {
    if path::has_array_on_path(doc, path) {
        return Cell::Null;
    }
    let Some(value) = path::get(doc, path) else { return Cell::Null };
    use PartitionFieldType as Type;
    match (kind, value) {
        (Some(Type::Date), RawBsonRef::DateTime(date)) => timestamp(date.timestamp_millis()),
        (Some(Type::Int), RawBsonRef::Int32(number)) => Cell::Int(number),
        (Some(Type::Long), RawBsonRef::Int64(number)) => Cell::Long(number),
        (Some(Type::ObjectId), RawBsonRef::ObjectId(id)) => Cell::Text(id.to_hex()),
        (Some(Type::Uuid), RawBsonRef::Binary(binary)) => {
            text::uuid(binary.subtype, binary.bytes).into()
        }
        (Some(Type::String), value) if has_plain_text(value) => text::canonical(value).into(),
        (None, RawBsonRef::Null) => Cell::Null,
        (None, value) => text::canonical(value).into(),
        _ => Cell::Null,
    }
}

/// Types whose partition columns are strings.
fn has_plain_text(value: RawBsonRef<'_>) -> bool {
    matches!(
        value,
        RawBsonRef::String(_)
            | RawBsonRef::Double(_)
            | RawBsonRef::Boolean(_)
            | RawBsonRef::Decimal128(_)
    )
}

/// A timestamp that every engine can read: in the years 1 to 9999.
fn timestamp(ms: i64) -> Cell {
    match text::date_time(ms) {
        Some(_) => Cell::Timestamp(ms * 1_000),
        None => Cell::Null,
    }
}

#[cfg(test)]
mod tests;
