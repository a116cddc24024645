//! A secondary index as the catalog has it: its fields, and which documents it holds.

use bson::raw::cstr;
use bson::{Bson, RawBsonRef, RawDocument, RawDocumentBuf, doc, rawdoc};
use portolan_mql::{Collation, Context, Filter};

use crate::error::{Failure, codes, refuse};

/// What a key pattern says of a hashed field.
pub(crate) const HASHED: &str = "hashed";

/// One field of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexField {
    pub(crate) path: String,
    pub(crate) descending: bool,
    /// Keys are hashes: they find a value, and neither a range nor an order.
    pub(crate) hashed: bool,
}

impl IndexField {
    /// An ascending field.
    pub(crate) fn ascending(path: &str) -> Self {
        Self { path: path.to_owned(), descending: false, hashed: false }
    }
}

/// What an index is asked to be, beside its fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexOptions {
    pub(crate) unique: bool,
    /// Documents without any of the fields are left out.
    pub(crate) sparse: bool,
    /// Kept up to date and not used.
    pub(crate) hidden: bool,
    /// Only documents that match are held.
    pub(crate) partial: Option<Filter>,
    /// Documents are removed when the date is older than so many seconds.
    pub(crate) expire_after_s: Option<i64>,
    pub(crate) collation: Option<Collation>,
}

impl PartialEq for IndexOptions {
    fn eq(&self, other: &Self) -> bool {
        let partial = |one: &Self| one.partial.as_ref().map(|filter| filter.raw().to_owned());
        self.unique == other.unique
            && self.sparse == other.sparse
            && self.hidden == other.hidden
            && self.expire_after_s == other.expire_after_s
            && self.collation == other.collation
            && partial(self) == partial(other)
    }
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
    pub(crate) options: IndexOptions,
    /// An array was seen on an indexed path: a document may have several entries.
    pub(crate) multikey: bool,
}

impl IndexEntry {
    /// Whether the index holds every document of its collection.
    pub(crate) fn is_complete(&self) -> bool {
        !self.options.sparse && self.options.partial.is_none()
    }

    /// The index as `listIndexes` shows it.
    pub(crate) fn document(&self) -> RawDocumentBuf {
        let mut shown = rawdoc! { "v": 2, "key": self.pattern.clone(), "name": self.name.as_str() };
        let options = &self.options;
        for (name, set) in [
            (cstr!("unique"), options.unique),
            (cstr!("sparse"), options.sparse),
            (cstr!("hidden"), options.hidden),
        ] {
            if set {
                shown.append(name, true);
            }
        }
        if let Some(filter) = &options.partial {
            shown.append(cstr!("partialFilterExpression"), filter.raw());
        }
        match options.expire_after_s.map(i32::try_from) {
            Some(Ok(seconds)) => shown.append(cstr!("expireAfterSeconds"), seconds),
            Some(Err(_)) => {
                shown.append(cstr!("expireAfterSeconds"), options.expire_after_s.unwrap_or(0));
            }
            None => {}
        }
        if let Some(collation) = &options.collation {
            shown.append(cstr!("collation"), collation.spec());
        }
        shown
    }

    pub(super) fn to_row(&self) -> Result<Bson, Failure> {
        let mut row = doc! { "number": i64::from(self.number), "multikey": self.multikey };
        row.extend(bson::Document::try_from(&self.document())?);
        Ok(Bson::Document(row))
    }

    pub(super) fn from_row(row: &RawDocument) -> Result<Self, Failure> {
        let damaged = |part: &str| {
            refuse(codes::INTERNAL_ERROR, format!("the catalog's index {part} cannot be read"))
        };
        let pattern = row.get_document("key").map_err(|_| damaged("key"))?.to_owned();
        let number = row.get_i64("number").ok().and_then(|number| u32::try_from(number).ok());
        let flag = |name| row.get_bool(name).unwrap_or(false);
        let document = |name| Ok::<_, Failure>(row.get(name)?.and_then(RawBsonRef::as_document));
        let expire = row.get("expireAfterSeconds")?.and_then(crate::commands::fields::as_f64);
        let options = IndexOptions {
            unique: flag("unique"),
            sparse: flag("sparse"),
            hidden: flag("hidden"),
            partial: document("partialFilterExpression")?
                .map(|filter| Filter::parse(filter, &Context::new(0)))
                .transpose()?,
            #[expect(clippy::cast_possible_truncation, reason = "it was a whole number")]
            expire_after_s: expire.map(|seconds| seconds as i64),
            collation: match document("collation")? {
                Some(spec) => Collation::parse(spec)?,
                None => None,
            },
        };
        Ok(Self {
            number: number.ok_or_else(|| damaged("number"))?,
            name: row.get_str("name").map_err(|_| damaged("name"))?.to_owned(),
            fields: index_fields(&pattern)?,
            pattern,
            options,
            multikey: flag("multikey"),
        })
    }
}

/// Reads a key pattern of ascending, descending and hashed fields.
pub(crate) fn index_fields(pattern: &RawDocument) -> Result<Vec<IndexField>, Failure> {
    pattern
        .iter()
        .map(|element| {
            let (path, value) = element?;
            if value.as_str() == Some(HASHED) {
                return Ok(IndexField { hashed: true, ..IndexField::ascending(path.as_str()) });
            }
            let direction = crate::commands::fields::as_f64(value).unwrap_or(0.0);
            if direction == 0.0 || direction.is_nan() {
                let message =
                    format!("Values in the index key pattern must be nonzero numbers: {path}");
                return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
            }
            let descending = direction < 0.0;
            Ok(IndexField { descending, ..IndexField::ascending(path.as_str()) })
        })
        .collect()
}
