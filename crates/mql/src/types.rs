//! BSON types as the query language names and orders them: comparison brackets, `$type` codes and
//! aliases.

use bson::{RawBsonRef, spec::ElementType};

/// The comparison brackets in MongoDB's order, as the first byte of every key.
pub(crate) mod bracket {
    pub(crate) const MIN_KEY: u8 = 10;
    pub(crate) const UNDEFINED: u8 = 15;
    pub(crate) const NULL: u8 = 20;
    pub(crate) const NUMBER: u8 = 30;
    pub(crate) const STRING: u8 = 60;
    pub(crate) const OBJECT: u8 = 70;
    pub(crate) const ARRAY: u8 = 80;
    pub(crate) const BINARY: u8 = 90;
    pub(crate) const OBJECT_ID: u8 = 100;
    pub(crate) const BOOLEAN: u8 = 110;
    pub(crate) const DATE: u8 = 120;
    pub(crate) const TIMESTAMP: u8 = 130;
    pub(crate) const REGEX: u8 = 140;
    pub(crate) const DB_POINTER: u8 = 150;
    pub(crate) const CODE: u8 = 160;
    pub(crate) const CODE_WITH_SCOPE: u8 = 170;
    pub(crate) const MAX_KEY: u8 = 240;
}

/// The bracket of a value: values of different brackets are ordered by it alone.
pub(crate) fn bracket_of(value: RawBsonRef<'_>) -> u8 {
    match value {
        RawBsonRef::MinKey => bracket::MIN_KEY,
        RawBsonRef::Undefined => bracket::UNDEFINED,
        RawBsonRef::Null => bracket::NULL,
        RawBsonRef::Double(_)
        | RawBsonRef::Int32(_)
        | RawBsonRef::Int64(_)
        | RawBsonRef::Decimal128(_) => bracket::NUMBER,
        RawBsonRef::String(_) | RawBsonRef::Symbol(_) => bracket::STRING,
        RawBsonRef::Document(_) => bracket::OBJECT,
        RawBsonRef::Array(_) => bracket::ARRAY,
        RawBsonRef::Binary(_) => bracket::BINARY,
        RawBsonRef::ObjectId(_) => bracket::OBJECT_ID,
        RawBsonRef::Boolean(_) => bracket::BOOLEAN,
        RawBsonRef::DateTime(_) => bracket::DATE,
        RawBsonRef::Timestamp(_) => bracket::TIMESTAMP,
        RawBsonRef::RegularExpression(_) => bracket::REGEX,
        RawBsonRef::DbPointer(_) => bracket::DB_POINTER,
        RawBsonRef::JavaScriptCode(_) => bracket::CODE,
        RawBsonRef::JavaScriptCodeWithScope(_) => bracket::CODE_WITH_SCOPE,
        RawBsonRef::MaxKey => bracket::MAX_KEY,
    }
}

/// Types by the name that `$type` takes and gives.
const NAMES: [(&str, ElementType); 21] = [
    ("double", ElementType::Double),
    ("string", ElementType::String),
    ("object", ElementType::EmbeddedDocument),
    ("array", ElementType::Array),
    ("binData", ElementType::Binary),
    ("undefined", ElementType::Undefined),
    ("objectId", ElementType::ObjectId),
    ("bool", ElementType::Boolean),
    ("date", ElementType::DateTime),
    ("null", ElementType::Null),
    ("regex", ElementType::RegularExpression),
    ("dbPointer", ElementType::DbPointer),
    ("javascript", ElementType::JavaScriptCode),
    ("symbol", ElementType::Symbol),
    ("javascriptWithScope", ElementType::JavaScriptCodeWithScope),
    ("int", ElementType::Int32),
    ("timestamp", ElementType::Timestamp),
    ("long", ElementType::Int64),
    ("decimal", ElementType::Decimal128),
    ("minKey", ElementType::MinKey),
    ("maxKey", ElementType::MaxKey),
];

/// The name of a value's type.
pub(crate) fn name_of(value: RawBsonRef<'_>) -> &'static str {
    let kind = value.element_type();
    NAMES.iter().find(|(_, k)| *k == kind).map_or("unknown", |(name, _)| *name)
}

/// The type with a name, as given to `$type` and `$convert`.
pub(crate) fn by_name(name: &str) -> Option<ElementType> {
    NAMES.iter().find(|(n, _)| *n == name).map(|(_, kind)| *kind)
}

/// The type with a numeric code; minKey is -1 as well as 255.
pub(crate) fn by_code(code: i64) -> Option<ElementType> {
    let byte = if code == -1 { 0xff } else { u8::try_from(code).ok()? };
    ElementType::from(byte)
}

/// The numeric types, which `$type: "number"` stands for.
pub(crate) const NUMERIC: [ElementType; 4] =
    [ElementType::Double, ElementType::Int32, ElementType::Int64, ElementType::Decimal128];

/// What a value means as a condition: false, zero, null and undefined are false.
pub(crate) fn is_truthy(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Boolean(flag) => flag,
        RawBsonRef::Null | RawBsonRef::Undefined => false,
        other => crate::number::Number::of(other).is_none_or(|number| !number.is_zero()),
    }
}
