//! The one error of this crate: a MongoDB error code with its name and a message.
//!
//! Codes are MongoDB's own, because drivers and tools branch on them.

/// A refusal in MongoDB's terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MqlError {
    /// MongoDB's error code.
    pub code: i32,
    /// MongoDB's name of the code.
    pub name: &'static str,
    /// What is wrong, in words.
    pub message: String,
}

/// The codes used by this crate.
pub mod code {
    /// A value of a wrong kind or range.
    pub const BAD_VALUE: i32 = 2;
    /// The request could not be parsed.
    pub const FAILED_TO_PARSE: i32 = 9;
    /// A value of a wrong BSON type.
    pub const TYPE_MISMATCH: i32 = 14;
    /// A number that does not fit.
    pub const OVERFLOW: i32 = 15;
    /// Nesting beyond the limit.
    pub const DEPTH: i32 = 15;
    /// Bytes that are not BSON.
    pub const INVALID_BSON: i32 = 22;
    /// An update path runs through a value that has no fields.
    pub const PATH_NOT_VIABLE: i32 = 28;
    /// Two update operators touch one path.
    pub const CONFLICTING_UPDATE: i32 = 40;
    /// A field name starts with a dollar sign.
    pub const DOLLAR_PREFIXED: i32 = 52;
    /// An update path has an empty part.
    pub const EMPTY_FIELD_NAME: i32 = 56;
    /// The update would change an immutable field.
    pub const IMMUTABLE_FIELD: i32 = 66;
    /// An option that is not allowed here.
    pub const INVALID_OPTIONS: i32 = 72;
    /// No such expression or stage.
    pub const INVALID_PIPELINE_OPERATOR: i32 = 168;
    /// A valid operator that this product does not implement.
    pub const NOT_IMPLEMENTED: i32 = 238;
    /// `$convert` could not convert.
    pub const CONVERSION_FAILURE: i32 = 241;
    /// A value beyond what a document could hold.
    pub const OBJECT_TOO_LARGE: i32 = 10334;
    /// A blocking stage exceeded its memory.
    pub const MEMORY_LIMIT: i32 = 292;
}

impl MqlError {
    /// An error with a code of [`code`] or one of MongoDB's numbered locations.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, name: name_of(code), message: message.into() }
    }

    /// A value of a wrong kind or range (code 2).
    pub fn bad_value(message: impl Into<String>) -> Self {
        Self::new(code::BAD_VALUE, message)
    }

    /// A request that cannot be parsed (code 9).
    pub fn failed_to_parse(message: impl Into<String>) -> Self {
        Self::new(code::FAILED_TO_PARSE, message)
    }

    /// A value of a wrong BSON type (code 14).
    pub fn type_mismatch(message: impl Into<String>) -> Self {
        Self::new(code::TYPE_MISMATCH, message)
    }

    /// A documented operator or option that is not implemented here (code 238).
    pub fn not_implemented(what: impl AsRef<str>) -> Self {
        Self::new(code::NOT_IMPLEMENTED, format!("{} is not implemented", what.as_ref()))
    }
}

impl From<bson::error::Error> for MqlError {
    fn from(error: bson::error::Error) -> Self {
        Self::new(code::INVALID_BSON, format!("invalid BSON: {error}"))
    }
}

/// Numbered locations are named after their number, as MongoDB does; the ones used here are listed
/// so that a name can stay a static string.
fn name_of(code: i32) -> &'static str {
    match code {
        code::BAD_VALUE => "BadValue",
        code::FAILED_TO_PARSE => "FailedToParse",
        code::TYPE_MISMATCH => "TypeMismatch",
        code::OVERFLOW => "Overflow",
        code::INVALID_BSON => "InvalidBSON",
        code::PATH_NOT_VIABLE => "PathNotViable",
        code::CONFLICTING_UPDATE => "ConflictingUpdateOperators",
        code::DOLLAR_PREFIXED => "DollarPrefixedFieldName",
        code::EMPTY_FIELD_NAME => "EmptyFieldName",
        code::IMMUTABLE_FIELD => "ImmutableField",
        code::INVALID_OPTIONS => "InvalidOptions",
        code::INVALID_PIPELINE_OPERATOR => "InvalidPipelineOperator",
        code::NOT_IMPLEMENTED => "NotImplemented",
        code::CONVERSION_FAILURE => "ConversionFailure",
        code::OBJECT_TOO_LARGE => "BSONObjectTooLarge",
        code::MEMORY_LIMIT => "QueryExceededMemoryLimitNoDiskUseAllowed",
        _ => "Location",
    }
}
