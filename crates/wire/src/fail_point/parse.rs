//! Reading the command `configureFailPoint`.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

use super::{Action, FAIL_COMMAND, GET_MORE, Mode, NAMES, TRANSACTIONAL_WRITE};
use crate::command::Command;
use crate::error::CommandError;

/// Fields of `data` that are understood; others would make a test believe in what does not happen.
const FIELDS: &[&str] = &[
    "failCommands",
    "errorCode",
    "closeConnection",
    "blockConnection",
    "blockTimeMS",
    "writeConcernError",
    "errorLabels",
    "appName",
    "namespace",
    "failInternalCommands",
    "failBeforeCommitExceptionCode",
];

pub(super) fn name(command: &Command) -> Result<&'static str, CommandError> {
    if command.database != "admin" {
        let message = "configureFailPoint may only be run against the admin database.";
        return Err(CommandError::new(crate::codes::UNAUTHORIZED, message));
    }
    let wanted = command.get_str("configureFailPoint")?.unwrap_or_default();
    let known = NAMES.iter().find(|name| **name == wanted).copied();
    known.ok_or_else(|| {
        CommandError::not_implemented(format!("the fail point '{wanted}' is not implemented"))
    })
}

/// The mode; `None` is off.
pub(super) fn mode(command: &Command) -> Result<Option<Mode>, CommandError> {
    let unknown = || CommandError::bad_value("configureFailPoint.mode is not a known mode");
    match command.get("mode") {
        Some(RawBsonRef::String("off")) => Ok(None),
        Some(RawBsonRef::String("alwaysOn")) => Ok(Some(Mode::Always)),
        Some(RawBsonRef::Document(mode)) => {
            let inner = Command::new("admin", mode.to_owned())?;
            let mode = match inner.name.as_str() {
                "times" => inner.get_u64("times")?.map(Mode::Times),
                "skip" => inner.get_u64("skip")?.map(Mode::Skip),
                "activationProbability" => {
                    mode.get_f64("activationProbability").ok().map(Mode::Sometimes)
                }
                _ => None,
            };
            match mode.ok_or_else(unknown)? {
                Mode::Times(0) => Ok(None),
                mode => Ok(Some(mode)),
            }
        }
        _ => Err(unknown()),
    }
}

pub(super) fn action(command: &Command, name: &str) -> Result<Action, CommandError> {
    let empty = RawDocumentBuf::new();
    let data: &RawDocument = command.get_document("data")?.unwrap_or(&empty);
    for element in data {
        let (field, _) = element?;
        if !FIELDS.contains(&field.as_str()) {
            let message = format!("the fail point option 'data.{field}' is not implemented");
            return Err(CommandError::not_implemented(message));
        }
    }
    // Read as a command, whose readers know numbers of every type.
    let read = Command {
        name: "data".to_owned(),
        database: "admin".to_owned(),
        body: data.to_owned(),
        sequences: Vec::new(),
    };
    let block = read.get_bool("blockConnection")?.unwrap_or(false);
    Ok(Action {
        commands: names(&read, "failCommands")?.unwrap_or_default(),
        app_name: read.get_str("appName")?.map(str::to_owned),
        namespace: read.get_str("namespace")?.map(str::to_owned),
        block_ms: if block { read.get_u64("blockTimeMS")? } else { None },
        error: error_code(&read, name)?,
        close: read.get_bool("closeConnection")?.unwrap_or(name == TRANSACTIONAL_WRITE),
        write_concern_error: read.get_document("writeConcernError")?.map(RawDocument::to_owned),
        labels: names(&read, "errorLabels")?,
    })
}

fn error_code(data: &Command, name: &str) -> Result<Option<i32>, CommandError> {
    let field = match name {
        FAIL_COMMAND | GET_MORE => "errorCode",
        _ => "failBeforeCommitExceptionCode",
    };
    let code = data.get_i64(field)?;
    code.map(|code| i32::try_from(code).map_err(|_| CommandError::bad_value(field))).transpose()
}

fn names(data: &Command, field: &str) -> Result<Option<Vec<String>>, CommandError> {
    let Some(array) = data.get_array(field)? else { return Ok(None) };
    let text = |value: bson::error::Result<RawBsonRef<'_>>| match value? {
        RawBsonRef::String(text) => Ok(text.to_owned()),
        _ => Err(CommandError::type_mismatch(format!("data.{field} must be an array of strings"))),
    };
    array.into_iter().map(text).collect::<Result<Vec<_>, _>>().map(Some)
}
