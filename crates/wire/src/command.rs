//! A command as it came over the wire, with readers for the fields that many commands share.
//!
//! What is not here: which fields a command knows. Backends decide that.

use bson::{RawArray, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::error::CommandError;

/// A command.
#[derive(Debug, Clone)]
pub struct Command {
    /// Name: the first key of the body.
    pub name: String,
    /// Database that it addresses (`$db`).
    pub database: String,
    /// The whole body, generic fields such as `lsid` included. It was checked to be sound BSON.
    pub body: RawDocumentBuf,
    /// Document sequences that came beside the body, such as `documents` of an insert.
    pub sequences: Vec<(String, Vec<RawDocumentBuf>)>,
}

/// Fields that any command may carry and that say nothing about what it does. Backends that refuse
/// unknown fields let these pass.
pub const GENERIC_FIELDS: &[&str] = &[
    "$db",
    "$clusterTime",
    "$readPreference",
    "$configTime",
    "$topologyTime",
    "$audit",
    "$client",
    "apiDeprecationErrors",
    "apiStrict",
    "apiVersion",
    "clientOperationKey",
    "comment",
    "lsid",
    "maxTimeMS",
    "maxTimeMSOpOnly",
    "mayBypassWriteBlocking",
    "readConcern",
    "txnNumber",
    "writeConcern",
];

impl Command {
    /// A command built by hand, for tests and for commands inside commands such as `explain`.
    ///
    /// # Errors
    /// `FailedToParse` when the body is empty.
    pub fn new(database: &str, body: RawDocumentBuf) -> Result<Self, CommandError> {
        let name = match body.iter().next() {
            Some(element) => element?.0.as_str().to_owned(),
            None => return Err(CommandError::failed_to_parse("a command needs a name")),
        };
        Ok(Self { name, database: database.to_owned(), body, sequences: Vec::new() })
    }

    /// The value of a field; an explicit `null` counts as absent.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<RawBsonRef<'_>> {
        match self.body.get(field) {
            Ok(None | Some(RawBsonRef::Null | RawBsonRef::Undefined)) | Err(_) => None,
            Ok(value) => value,
        }
    }

    /// A string field.
    ///
    /// # Errors
    /// `TypeMismatch` when it is something else.
    pub fn get_str(&self, field: &str) -> Result<Option<&str>, CommandError> {
        match self.get(field) {
            None => Ok(None),
            Some(RawBsonRef::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.mismatch(field, "a string", &other)),
        }
    }

    /// A whole number of any numeric type.
    ///
    /// # Errors
    /// `TypeMismatch` when it is not a number, `BadValue` when it is not whole.
    pub fn get_i64(&self, field: &str) -> Result<Option<i64>, CommandError> {
        self.get(field).map(|value| whole_number(&value, || self.label(field))).transpose()
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// As [`Command::get_i64`], and `BadValue` when it is negative.
    pub fn get_u64(&self, field: &str) -> Result<Option<u64>, CommandError> {
        let Some(value) = self.get_i64(field)? else { return Ok(None) };
        u64::try_from(value).map(Some).map_err(|_| {
            CommandError::bad_value(format!(
                "BSON field '{}' value must be >= 0, actual value '{value}'",
                self.label(field)
            ))
        })
    }

    /// A truth value: a boolean, or a number as older clients send it.
    ///
    /// # Errors
    /// `TypeMismatch` when it is something else.
    pub fn get_bool(&self, field: &str) -> Result<Option<bool>, CommandError> {
        match self.get(field) {
            None => Ok(None),
            Some(RawBsonRef::Boolean(value)) => Ok(Some(value)),
            Some(RawBsonRef::Int32(value)) => Ok(Some(value != 0)),
            Some(RawBsonRef::Int64(value)) => Ok(Some(value != 0)),
            Some(RawBsonRef::Double(value)) => Ok(Some(value != 0.0)),
            Some(other) => Err(self.mismatch(field, "a boolean", &other)),
        }
    }

    /// An embedded document.
    ///
    /// # Errors
    /// `TypeMismatch` when it is something else.
    pub fn get_document(&self, field: &str) -> Result<Option<&RawDocument>, CommandError> {
        match self.get(field) {
            None => Ok(None),
            Some(RawBsonRef::Document(document)) => Ok(Some(document)),
            Some(other) => Err(self.mismatch(field, "an object", &other)),
        }
    }

    /// An array.
    ///
    /// # Errors
    /// `TypeMismatch` when it is something else.
    pub fn get_array(&self, field: &str) -> Result<Option<&RawArray>, CommandError> {
        match self.get(field) {
            None => Ok(None),
            Some(RawBsonRef::Array(array)) => Ok(Some(array)),
            Some(other) => Err(self.mismatch(field, "an array", &other)),
        }
    }

    /// The documents of a field, whether they came as an array or as a document sequence.
    ///
    /// # Errors
    /// `TypeMismatch` when it is not an array of documents.
    pub fn documents(&self, field: &str) -> Result<Vec<&RawDocument>, CommandError> {
        if let Some((_, documents)) = self.sequences.iter().find(|(name, _)| name == field) {
            return Ok(documents.iter().map(|document| &**document).collect());
        }
        let Some(array) = self.get_array(field)? else { return Ok(Vec::new()) };
        array
            .into_iter()
            .map(|value| match value? {
                RawBsonRef::Document(document) => Ok(document),
                other => Err(self.mismatch(field, "an array of objects", &other)),
            })
            .collect()
    }

    /// Whether the field came at all, as array, sequence or anything else.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.get(field).is_some() || self.sequences.iter().any(|(name, _)| name == field)
    }

    /// The collection that the command's first field names.
    ///
    /// # Errors
    /// `InvalidNamespace` when it is not a usable name, `BadValue` when it is not a string.
    pub fn collection(&self) -> Result<&str, CommandError> {
        let name = match self.get(&self.name) {
            Some(RawBsonRef::String(name)) => name,
            _ => {
                let message = format!("collection name has invalid type for command {}", self.name);
                return Err(CommandError::bad_value(message));
            }
        };
        if name.is_empty() || name.starts_with('.') || name.contains('\0') {
            let namespace = format!("{}.{name}", self.database);
            let message = format!("Invalid namespace specified '{namespace}'");
            return Err(CommandError::new(crate::codes::INVALID_NAMESPACE, message));
        }
        Ok(name)
    }

    /// `database.collection` of the command.
    ///
    /// # Errors
    /// As [`Command::collection`].
    pub fn namespace(&self) -> Result<String, CommandError> {
        Ok(format!("{}.{}", self.database, self.collection()?))
    }

    /// `comment`, as text where it is text.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        match self.get("comment") {
            Some(RawBsonRef::String(text)) => Some(text),
            _ => None,
        }
    }

    /// `maxTimeMS`; zero means no limit and counts as absent.
    ///
    /// # Errors
    /// When it is not a number that is at least zero.
    pub fn max_time_ms(&self) -> Result<Option<u64>, CommandError> {
        Ok(self.get_u64("maxTimeMS")?.filter(|limit_ms| *limit_ms > 0))
    }

    /// The bytes of the logical session id.
    #[must_use]
    pub fn lsid(&self) -> Option<Vec<u8>> {
        session_id(self.get("lsid")?)
    }

    /// Number of the retryable write or transaction.
    #[must_use]
    pub fn txn_number(&self) -> Option<i64> {
        self.get_i64("txnNumber").ok().flatten()
    }

    /// The top-level fields that are neither the name, nor generic, nor in `known`.
    #[must_use]
    pub fn unknown_fields(&self, known: &[&str]) -> Vec<String> {
        let names = self.body.iter().flatten().map(|(name, _)| name.as_str());
        let strange = |name: &&str| !known.contains(name) && !GENERIC_FIELDS.contains(name);
        names.skip(1).filter(strange).map(str::to_owned).collect()
    }

    fn label(&self, field: &str) -> String {
        format!("{}.{field}", self.name)
    }

    fn mismatch(&self, field: &str, expected: &str, found: &RawBsonRef<'_>) -> CommandError {
        CommandError::type_mismatch(format!(
            "BSON field '{}' is the wrong type '{}', expected {expected}",
            self.label(field),
            type_name(found)
        ))
    }
}

/// The `id` inside an `lsid` document.
pub(crate) fn session_id(lsid: RawBsonRef<'_>) -> Option<Vec<u8>> {
    let RawBsonRef::Document(document) = lsid else { return None };
    match document.get("id") {
        Ok(Some(RawBsonRef::Binary(id))) => Some(id.bytes.to_vec()),
        _ => None,
    }
}

fn whole_number(value: &RawBsonRef<'_>, label: impl Fn() -> String) -> Result<i64, CommandError> {
    const WHOLE_MAX: f64 = 9_223_372_036_854_774_784.0;
    match value {
        RawBsonRef::Int32(number) => Ok(i64::from(*number)),
        RawBsonRef::Int64(number) => Ok(*number),
        RawBsonRef::Double(number) if number.trunc() == *number && number.abs() <= WHOLE_MAX => {
            #[expect(clippy::cast_possible_truncation, reason = "whole and in range, see above")]
            let whole = *number as i64;
            Ok(whole)
        }
        RawBsonRef::Decimal128(number) => number.to_string().parse().map_err(|_| {
            CommandError::bad_value(format!("{} must be a whole number, not {number}", label()))
        }),
        RawBsonRef::Double(number) => Err(CommandError::bad_value(format!(
            "{} must be a whole number, not {number}",
            label()
        ))),
        other => Err(CommandError::type_mismatch(format!(
            "BSON field '{}' is the wrong type '{}', expected a number",
            label(),
            type_name(other)
        ))),
    }
}

/// The name of a value's type as `$type` spells it.
#[must_use]
pub fn type_name(value: &RawBsonRef<'_>) -> &'static str {
    match value {
        RawBsonRef::Double(_) => "double",
        RawBsonRef::String(_) => "string",
        RawBsonRef::Document(_) => "object",
        RawBsonRef::Array(_) => "array",
        RawBsonRef::Binary(_) => "binData",
        RawBsonRef::Undefined => "undefined",
        RawBsonRef::ObjectId(_) => "objectId",
        RawBsonRef::Boolean(_) => "bool",
        RawBsonRef::DateTime(_) => "date",
        RawBsonRef::Null => "null",
        RawBsonRef::RegularExpression(_) => "regex",
        RawBsonRef::DbPointer(_) => "dbPointer",
        RawBsonRef::JavaScriptCode(_) => "javascript",
        RawBsonRef::Symbol(_) => "symbol",
        RawBsonRef::JavaScriptCodeWithScope(_) => "javascriptWithScope",
        RawBsonRef::Int32(_) => "int",
        RawBsonRef::Timestamp(_) => "timestamp",
        RawBsonRef::Int64(_) => "long",
        RawBsonRef::Decimal128(_) => "decimal",
        RawBsonRef::MinKey => "minKey",
        RawBsonRef::MaxKey => "maxKey",
    }
}
