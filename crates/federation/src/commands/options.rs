//! Options that several commands share: what is known, what is ignored, what is refused by name.

use bson::{RawBsonRef, RawDocument};
use portolan_model::Namespace;
use portolan_mql::Context;
use portolan_wire::{Command, CommandContext, CommandError, codes};

use crate::Endpoint;

/// Options without a meaning here: they choose between ways to the same answer.
const IGNORED: &[&str] = &["allowDiskUse", "hint", "noCursorTimeout", "allowPartialResults"];

/// Checks the fields of a command against what it knows.
pub(super) fn check(
    command: &Command,
    known: &[&str],
    refused: &[&str],
) -> Result<(), CommandError> {
    if let Some(option) = refused.iter().find(|option| is_set(command, option)) {
        let text = format!("option {option} of {} is not supported here", command.name);
        return Err(CommandError::not_implemented(text));
    }
    check_collation(command)?;
    check_read_concern(command)?;
    let expected = |name: &String| {
        known.contains(&name.as_str())
            || refused.contains(&name.as_str())
            || IGNORED.contains(&name.as_str())
            || name == "collation"
    };
    match command.unknown_fields(&[]).into_iter().find(|name| !expected(name)) {
        None => Ok(()),
        Some(name) => {
            let text = format!("BSON field '{}.{name}' is an unknown field.", command.name);
            Err(CommandError::new(codes::UNKNOWN_FIELD, text))
        }
    }
}

/// Whether an option is there and is not `false` or zero.
fn is_set(command: &Command, option: &str) -> bool {
    let off = matches!(
        command.get(option),
        None | Some(RawBsonRef::Boolean(false) | RawBsonRef::Int32(0) | RawBsonRef::Int64(0))
    );
    !off
}

fn check_collation(command: &Command) -> Result<(), CommandError> {
    let Some(collation) = command.get_document("collation")? else { return Ok(()) };
    match collation.get_str("locale") {
        Ok("simple") => Ok(()),
        _ if collation.is_empty() => Ok(()),
        _ => Err(CommandError::not_implemented("collation is not supported here; only simple is")),
    }
}

fn check_read_concern(command: &Command) -> Result<(), CommandError> {
    let Some(concern) = command.get_document("readConcern")? else { return Ok(()) };
    match concern.get_str("level") {
        Ok("local" | "available" | "majority") | Err(_) => Ok(()),
        Ok(level) => {
            let text = format!("read concern {level} is not supported here");
            Err(CommandError::new(codes::INVALID_OPTIONS, text))
        }
    }
}

/// Transactions need a replica set; drivers know the text.
pub(super) fn refuse_transactions(command: &Command) -> Result<(), CommandError> {
    let fields = ["txnNumber", "startTransaction", "autocommit"];
    if fields.iter().any(|field| command.get(field).is_some()) {
        let text = "Transaction numbers are only allowed on a replica set member or mongos";
        return Err(CommandError::new(codes::ILLEGAL_OPERATION, text));
    }
    Ok(())
}

/// The collection that a command names, which its user must be allowed to read.
pub(super) fn namespace(
    context: &CommandContext,
    command: &Command,
) -> Result<Namespace, CommandError> {
    let namespace = Namespace::new(&command.database, command.collection()?)
        .map_err(|error| CommandError::new(codes::INVALID_NAMESPACE, error.to_string()))?;
    if may_read(context, &namespace) {
        Ok(namespace)
    } else {
        Err(CommandError::not_authorized(&command.database, &command.name))
    }
}

pub(super) fn may_read(context: &CommandContext, namespace: &Namespace) -> bool {
    let Namespace { database, collection } = namespace;
    context.user.as_ref().is_none_or(|user| user.may_read_collection(database, collection))
}

pub(super) fn may_see(context: &CommandContext, database: &str) -> bool {
    context.user.as_ref().is_none_or(|user| user.may_see(database))
}

/// What the language may know of this command: the time and its variables.
pub(super) fn evaluation(endpoint: &Endpoint, command: &Command) -> Result<Context, CommandError> {
    let context = Context::new(endpoint.runtime.now_ms());
    let Some(variables) = command.get_document("let")? else { return Ok(context) };
    let mut values = Vec::new();
    for element in variables {
        let (name, value) = element?;
        if matches!(value, RawBsonRef::Document(_) | RawBsonRef::Array(_)) || is_path(value) {
            let text = format!("let variable {name}: only constants are supported here");
            return Err(CommandError::not_implemented(text));
        }
        values.push((name.as_str().to_owned(), bson::Bson::try_from(value)?));
    }
    Ok(context.with_vars(values))
}

fn is_path(value: RawBsonRef<'_>) -> bool {
    matches!(value, RawBsonRef::String(text) if text.starts_with('$'))
}

/// The filter of a command, everything when it has none.
pub(super) fn filter<'a>(
    command: &'a Command,
    field: &str,
) -> Result<&'a RawDocument, CommandError> {
    const EVERYTHING: &[u8] = &[5, 0, 0, 0, 0];
    match command.get_document(field)? {
        Some(filter) => Ok(filter),
        None => Ok(RawDocument::from_bytes(EVERYTHING)?),
    }
}

/// A batch size; larger ones than any batch can have are cut.
pub(super) fn batch_size(size: Option<u64>) -> Option<u32> {
    size.map(|size| u32::try_from(size).unwrap_or(u32::MAX))
}
