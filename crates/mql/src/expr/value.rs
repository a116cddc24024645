//! The value of an expression: borrowed from the document where possible, owned where computed.

use bson::raw::{BindRawBsonRef, CStr};
use bson::{DateTime, RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::number::Number;
use crate::{MqlError, Result, code, types};

/// A value, or none at all.
#[derive(Debug, Clone)]
pub(crate) enum Value<'e> {
    Missing,
    Ref(RawBsonRef<'e>),
    Owned(RawBson),
}

impl<'e> Value<'e> {
    pub(crate) const NULL: Value<'static> = Value::Ref(RawBsonRef::Null);

    pub(crate) fn boolean(value: bool) -> Self {
        Self::Ref(RawBsonRef::Boolean(value))
    }

    pub(crate) fn int(value: i32) -> Self {
        Self::Ref(RawBsonRef::Int32(value))
    }

    pub(crate) fn double(value: f64) -> Self {
        Self::Ref(RawBsonRef::Double(value))
    }

    pub(crate) fn date(ms: i64) -> Self {
        Self::Ref(RawBsonRef::DateTime(DateTime::from_millis(ms)))
    }

    pub(crate) fn string(value: impl Into<String>) -> Self {
        Self::Owned(RawBson::String(value.into()))
    }

    pub(crate) fn array(value: RawArrayBuf) -> Self {
        Self::Owned(RawBson::Array(value))
    }

    pub(crate) fn document(value: RawDocumentBuf) -> Self {
        Self::Owned(RawBson::Document(value))
    }

    /// The value, borrowed; `None` when missing.
    pub(crate) fn get(&self) -> Option<RawBsonRef<'_>> {
        match self {
            Self::Missing => None,
            Self::Ref(value) => Some(*value),
            Self::Owned(value) => Some(value.as_raw_bson_ref()),
        }
    }

    /// The same value, borrowed from this one.
    pub(crate) fn reborrow(&self) -> Value<'_> {
        self.get().map_or(Value::Missing, Value::Ref)
    }

    /// The value without any borrow, to leave the scope of a variable.
    pub(crate) fn into_owned<'o>(self) -> Value<'o> {
        match self {
            Self::Missing => Value::Missing,
            Self::Ref(value) => Value::Owned(value.into()),
            Self::Owned(value) => Value::Owned(value),
        }
    }

    /// The value as owned BSON; `None` when missing.
    pub(crate) fn into_raw(self) -> Option<RawBson> {
        match self {
            Self::Missing => None,
            Self::Ref(value) => Some(value.into()),
            Self::Owned(value) => Some(value),
        }
    }

    /// Missing, null or undefined: what most operators answer null to.
    pub(crate) fn is_nullish(&self) -> bool {
        matches!(self.get(), None | Some(RawBsonRef::Null | RawBsonRef::Undefined))
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        self.get().and_then(RawBsonRef::as_str)
    }

    pub(crate) fn as_array(&self) -> Option<&RawArray> {
        self.get().and_then(RawBsonRef::as_array)
    }

    pub(crate) fn as_document(&self) -> Option<&RawDocument> {
        self.get().and_then(RawBsonRef::as_document)
    }

    pub(crate) fn as_number(&self) -> Option<Number> {
        self.get().and_then(Number::of)
    }

    /// The integer this is exactly, if it is a number that is one.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        self.as_number().and_then(Number::as_integer)
    }

    /// The name of the type, `missing` when there is none.
    pub(crate) fn type_name(&self) -> &'static str {
        self.get().map_or("missing", types::name_of)
    }

    /// Something inside an array value; borrowed if the array is.
    pub(crate) fn within(
        self,
        pick: impl for<'x> FnOnce(&'x RawArray) -> Result<Option<RawBsonRef<'x>>>,
    ) -> Result<Value<'e>> {
        match self {
            Self::Ref(RawBsonRef::Array(array)) => {
                Ok(pick(array)?.map_or(Value::Missing, Value::Ref))
            }
            Self::Owned(RawBson::Array(array)) => {
                Ok(pick(&array)?.map_or(Value::Missing, |v| Value::Owned(v.into())))
            }
            _ => Ok(Value::Missing),
        }
    }
}

/// Bytes that a computed value may have: twice a document, so that it can still be cut down.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Refuses a value that grows beyond every document, before it fills the memory.
pub(crate) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= BYTES_MAX {
        return Ok(());
    }
    let message = format!("an expression's value exceeds {BYTES_MAX} bytes");
    Err(MqlError::new(code::OBJECT_TOO_LARGE, message))
}

/// The elements of an array, decoded.
pub(crate) fn elements(array: &RawArray) -> Result<Vec<RawBsonRef<'_>>> {
    Ok(array.into_iter().collect::<std::result::Result<_, _>>()?)
}

/// Appends a field; names with a zero byte cannot be stored.
pub(crate) fn append(
    doc: &mut RawDocumentBuf,
    name: &str,
    value: impl BindRawBsonRef,
) -> Result<()> {
    let name: &CStr = name.try_into()?;
    doc.append(name, value);
    Ok(())
}
