//! Reading the options that many commands share: numbers of any type, `collation`, `let`,
//! `readConcern`, `writeConcern`, and documents inside statements.

use bson::{Bson, RawArray, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_mql::{Collation, Context, Pipeline};
use portolan_runtime::Runtime;
use portolan_wire::{Command, CommandError, type_name};

use crate::error::{Failure, codes, refuse};

/// A number of any type; `None` for other values. Enough for directions and flags.
pub(crate) fn as_f64(value: RawBsonRef<'_>) -> Option<f64> {
    match value {
        RawBsonRef::Int32(number) => Some(f64::from(number)),
        #[expect(clippy::cast_precision_loss, reason = "sign and zero are what callers look at")]
        RawBsonRef::Int64(number) => Some(number as f64),
        RawBsonRef::Double(number) => Some(number),
        RawBsonRef::Decimal128(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// A count as replies have it: int32 where it fits, as drivers expect.
pub(crate) fn count(number: u64) -> Bson {
    match i32::try_from(number) {
        Ok(small) => Bson::Int32(small),
        Err(_) => Bson::Int64(i64::try_from(number).unwrap_or(i64::MAX)),
    }
}

/// Refuses fields that this command does not know.
pub(crate) fn only(command: &Command, known: &[&str]) -> Result<(), Failure> {
    let unknown = command.unknown_fields(known);
    // What makes a command part of a transaction was read and checked before.
    let transaction = ["autocommit", "startTransaction"];
    match unknown.iter().find(|field| !transaction.contains(&field.as_str())) {
        None => Ok(()),
        Some(field) => {
            let message = format!("BSON field '{}.{field}' is an unknown field.", command.name);
            Err(refuse(codes::UNKNOWN_FIELD, message))
        }
    }
}

/// The collection that the command names.
pub(crate) fn namespace(command: &Command) -> Result<Namespace, Failure> {
    namespace_of(&command.database, command.collection()?)
}

/// Checks a database and a collection name.
pub(crate) fn namespace_of(database: &str, collection: &str) -> Result<Namespace, Failure> {
    Namespace::new(database, collection)
        .map_err(|error| refuse(codes::INVALID_NAMESPACE, error.to_string()))
}

/// The namespace of a command that may make a collection.
pub(crate) fn writable(namespace: &Namespace) -> Result<(), Failure> {
    let message = match namespace.database.as_str() {
        "local" | "config" => {
            format!("this cluster stores no collections in the database '{}'", namespace.database)
        }
        _ if namespace.collection.starts_with("system.") => {
            format!("Invalid system namespace: {namespace}")
        }
        _ => return Ok(()),
    };
    Err(refuse(codes::INVALID_NAMESPACE, message))
}

/// Reads a `collation`; `None` is the simple one.
pub(crate) fn collation(collation: Option<&RawDocument>) -> Result<Option<Collation>, Failure> {
    match collation {
        Some(spec) if !spec.is_empty() => Ok(Collation::parse(spec)?),
        _ => Ok(None),
    }
}

/// Accepts the simple collation, and refuses the others by name.
pub(crate) fn simple_collation(given: Option<&RawDocument>) -> Result<(), Failure> {
    let Some(given) = collation(given)? else { return Ok(()) };
    let locale = given.spec().get_str("locale").unwrap_or_default();
    let message =
        format!("collation with locale '{locale}' is not implemented here; only 'simple' is");
    Err(refuse(codes::NOT_IMPLEMENTED, message))
}

/// What a command knows of when it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now_ms: i64,
    /// What `$sample` and `$rand` begin from.
    pub(crate) seed: u64,
}

impl Moment {
    pub(crate) fn now(runtime: &Runtime) -> Self {
        Self::at(runtime.now_ms(), runtime)
    }

    /// A time that was read before.
    pub(crate) fn at(now_ms: i64, runtime: &Runtime) -> Self {
        Self { now_ms, seed: u64::from_le_bytes(runtime.random_bytes()) }
    }

    /// The context of a command that runs now.
    pub(crate) fn context(self, collation: Option<Collation>) -> Context {
        Context { seed: self.seed, ..Context::new(self.now_ms) }.with_collation(collation)
    }
}

/// The context of a command: its time, its collation (`default` when it names none), and its `let`
/// variables, whose expressions see no document.
pub(crate) fn context(
    command: &Command,
    moment: Moment,
    default: Option<&Collation>,
) -> Result<Context, Failure> {
    let collation = match command.get_document("collation")? {
        Some(given) if !given.is_empty() => collation(Some(given))?,
        _ => default.cloned(),
    };
    let context = moment.context(collation);
    let Some(variables) = command.get_document("let")? else { return Ok(context) };
    let vars = evaluated(variables, &context, RawDocumentBuf::new())?;
    Ok(context.with_vars(vars))
}

/// The values that expressions have for a document, by name.
pub(crate) fn evaluated(
    expressions: &RawDocument,
    context: &Context,
    document: RawDocumentBuf,
) -> Result<Vec<(String, Bson)>, Failure> {
    let stage = rawdoc! { "$replaceWith": expressions.to_owned() };
    let evaluate = Pipeline::parse(&[stage], context)?;
    let mut values = Vec::new();
    for found in evaluate.run(std::iter::once(Ok(document))) {
        for element in &found? {
            let (name, value) = element?;
            values.push((name.to_string(), Bson::try_from(value)?));
        }
    }
    Ok(values)
}

/// Checks `writeConcern`. Every write here is durable on the one member when it is acknowledged;
/// what asks for more members gets the `writeConcernError` that is returned.
pub(crate) fn write_concern(command: &Command) -> Result<Option<RawDocumentBuf>, Failure> {
    let Some(concern) = command.get_document("writeConcern")? else { return Ok(None) };
    match concern.get("w")? {
        None | Some(RawBsonRef::String("majority")) => Ok(None),
        Some(RawBsonRef::String(mode)) => Ok(Some(rawdoc! {
            "code": 79, "codeName": "UnknownReplWriteConcern",
            "errmsg": format!("No write concern mode named '{mode}' found in replica set configuration"),
        })),
        Some(value) => match as_f64(value) {
            Some(members) if !(0.0..=50.0).contains(&members) => Err(refuse(
                codes::FAILED_TO_PARSE,
                "w has to be a non-negative number and not greater than 50",
            )),
            Some(members) if members > 1.0 => Ok(Some(rawdoc! {
                "code": 100, "codeName": "UnsatisfiableWriteConcern",
                "errmsg": "Not enough data-bearing nodes",
            })),
            Some(_) => Ok(None),
            None => Err(refuse(codes::FAILED_TO_PARSE, "w has to be a number, string, or object")),
        },
    }
}

/// A statement inside a command, such as one of `deletes`.
#[derive(Clone, Copy)]
pub(crate) struct Statement<'a> {
    /// Where it stands, such as `delete.deletes`.
    pub(crate) place: &'static str,
    pub(crate) document: &'a RawDocument,
}

impl<'a> Statement<'a> {
    /// Refuses fields that this kind of statement does not know.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Failure> {
        for element in self.document {
            let (name, _) = element?;
            if !known.contains(&name.as_str()) {
                let message = format!("BSON field '{}.{name}' is an unknown field.", self.place);
                return Err(refuse(codes::UNKNOWN_FIELD, message));
            }
        }
        Ok(())
    }

    /// A value; an explicit `null` counts as absent.
    pub(crate) fn get(&self, field: &str) -> Result<Option<RawBsonRef<'a>>, Failure> {
        match self.document.get(field)? {
            None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => Ok(None),
            value => Ok(value),
        }
    }

    /// A value that must be there.
    pub(crate) fn required(&self, field: &str) -> Result<RawBsonRef<'a>, Failure> {
        self.get(field)?.ok_or_else(|| {
            let message =
                format!("BSON field '{}.{field}' is missing but a required field", self.place);
            refuse(codes::FIELD_IS_MISSING, message)
        })
    }

    /// An embedded document.
    pub(crate) fn document(&self, field: &str) -> Result<Option<&'a RawDocument>, Failure> {
        match self.get(field)? {
            None => Ok(None),
            Some(RawBsonRef::Document(document)) => Ok(Some(document)),
            Some(other) => Err(self.mismatch(field, "object", &other)),
        }
    }

    /// An array.
    pub(crate) fn array(&self, field: &str) -> Result<Option<&'a RawArray>, Failure> {
        match self.get(field)? {
            None => Ok(None),
            Some(RawBsonRef::Array(array)) => Ok(Some(array)),
            Some(other) => Err(self.mismatch(field, "array", &other)),
        }
    }

    /// A truth value; false when absent.
    pub(crate) fn flag(&self, field: &str) -> Result<bool, Failure> {
        match self.get(field)? {
            None => Ok(false),
            Some(RawBsonRef::Boolean(flag)) => Ok(flag),
            Some(value) => match as_f64(value) {
                Some(number) => Ok(number != 0.0),
                None => Err(self.mismatch(field, "bool", &value)),
            },
        }
    }

    /// The context with the statement's own collation, if it has one.
    pub(crate) fn collated(&self, context: &Context) -> Result<Context, Failure> {
        let context = context.clone();
        match self.document("collation")? {
            Some(given) if !given.is_empty() => Ok(context.with_collation(collation(Some(given))?)),
            _ => Ok(context),
        }
    }

    pub(crate) fn mismatch(&self, field: &str, expected: &str, found: &RawBsonRef<'_>) -> Failure {
        let message = format!(
            "BSON field '{}.{field}' is the wrong type '{}', expected type '{expected}'",
            self.place,
            type_name(found)
        );
        CommandError::type_mismatch(message).into()
    }
}

/// The documents of an array.
pub(crate) fn documents(array: Option<&RawArray>) -> Result<Vec<RawDocumentBuf>, Failure> {
    let Some(array) = array else { return Ok(Vec::new()) };
    array
        .into_iter()
        .map(|value| match value? {
            RawBsonRef::Document(document) => Ok(document.to_owned()),
            other => {
                let message = format!("expected an array of objects, found {}", type_name(&other));
                Err(refuse(codes::TYPE_MISMATCH, message))
            }
        })
        .collect()
}
