//! `create`: collections with options, and views.
//!
//! Time series and encrypted collections are refused by name. What is not here: changing options
//! later (`coll_mod`), and what options mean (`store::options`, `views`).

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter};
use portolan_wire::{Command, Reply};

use super::collections::{begin, unsupported};
use super::fields::{self, Statement, as_f64};
use super::writes::write_alone;
use super::{Call, views};
use crate::error::{Failure, codes, refuse};
use crate::store::{CollectionOptions, View, Writing};

/// Options that mean what they say here, or nothing.
const FIELDS: &[&str] = &[
    "autoIndexId",
    "idIndex",
    "collation",
    "capped",
    "size",
    "max",
    "validator",
    "validationLevel",
    "validationAction",
    "viewOn",
    "pipeline",
    "changeStreamPreAndPostImages",
    "clusteredIndex",
    "expireAfterSeconds",
    "storageEngine",
    "indexOptionDefaults",
];
/// Options that MongoDB knows and this cluster does not implement.
const REFUSED: &[&str] = &["timeseries", "encryptedFields"];
/// Bytes of a capped collection are a multiple of this many, as on MongoDB.
const CAPPED_STEP_BYTES: i64 = 256;
/// The largest capped collection.
const CAPPED_BYTES_MAX: i64 = 1 << 50;

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    let command = &call.command;
    if let Some(option) = REFUSED.iter().find(|option| command.has(option)) {
        return Err(unsupported("create", option));
    }
    fields::only(command, FIELDS)?;
    let namespace = begin(&call)?;
    let options = options(command)?;
    let images = images(command)?.unwrap_or(false);
    write_alone(&call, move |writing| {
        create(writing, &namespace, options, images)?;
        Ok(RawDocumentBuf::new())
    })
    .await
}

fn create(
    writing: &Writing<'_>,
    namespace: &Namespace,
    options: CollectionOptions,
    images: bool,
) -> Result<(), Failure> {
    if writing.entry(namespace)?.is_some() {
        let message = format!("Collection {namespace} already exists.");
        return Err(refuse(codes::NAMESPACE_EXISTS, message));
    }
    if let Some(view) = options.view()? {
        views::check(&writing.catalog()?, namespace, &view)?;
    }
    writing.create_with(namespace, options, images).map(drop)
}

/// `changeStreamPreAndPostImages`.
pub(super) fn images(command: &Command) -> Result<Option<bool>, Failure> {
    let Some(document) = command.get_document("changeStreamPreAndPostImages")? else {
        return Ok(None);
    };
    let options = Statement { place: "changeStreamPreAndPostImages", document };
    options.only(&["enabled"])?;
    options.required("enabled")?;
    options.flag("enabled").map(Some)
}

/// The options in the form in which they are kept and shown.
fn options(command: &Command) -> Result<CollectionOptions, Failure> {
    let mut kept = CollectionOptions::default();
    if let Some(on) = command.get_str("viewOn")? {
        return view(command, on, kept);
    }
    if command.has("pipeline") {
        let message = "'pipeline' requires 'viewOn' to also be specified";
        return Err(refuse(codes::INVALID_OPTIONS, message));
    }
    capped(command, &mut kept)?;
    if let Some(collation) = fields::collation(command.get_document("collation")?)? {
        kept.set("collation", Some(collation.spec()))?;
    }
    validation(command, &mut kept)?;
    clustered(command, &mut kept)?;
    Ok(kept)
}

fn view(
    command: &Command,
    on: &str,
    mut kept: CollectionOptions,
) -> Result<CollectionOptions, Failure> {
    for option in ["capped", "validator", "clusteredIndex", "changeStreamPreAndPostImages"] {
        if command.has(option) {
            let message = format!("the option '{option}' is not valid for a view");
            return Err(refuse(codes::INVALID_OPTIONS, message));
        }
    }
    kept.set("viewOn", Some(on))?;
    let stages = command.get_array("pipeline")?;
    fields::documents(stages)?;
    match stages {
        Some(stages) => kept.set("pipeline", Some(RawBsonRef::Array(stages)))?,
        None => kept.set("pipeline", Some(bson::RawArrayBuf::new()))?,
    }
    if let Some(collation) = fields::collation(command.get_document("collation")?)? {
        kept.set("collation", Some(collation.spec()))?;
    }
    Ok(kept)
}

fn capped(command: &Command, kept: &mut CollectionOptions) -> Result<(), Failure> {
    let size = command.get("size").and_then(as_f64);
    if !command.get_bool("capped")?.unwrap_or(false) {
        if size.is_some() || command.has("max") {
            let message = "the 'size' and 'max' options require 'capped' to be true";
            return Err(refuse(codes::INVALID_OPTIONS, message));
        }
        return Ok(());
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    let size = match size {
        Some(size) if size > 0.0 && size <= CAPPED_BYTES_MAX as f64 => size as i64,
        Some(_) => {
            let message = "the 'size' of a capped collection must be positive and at most 1 PB";
            return Err(refuse(codes::BAD_VALUE, message));
        }
        None => {
            let message = "the 'size' field is required when 'capped' is true";
            return Err(refuse(codes::INVALID_OPTIONS, message));
        }
    };
    let size = (size + CAPPED_STEP_BYTES - 1) / CAPPED_STEP_BYTES * CAPPED_STEP_BYTES;
    kept.set("capped", Some(true))?;
    kept.set("size", Some(bson::RawBson::try_from(fields::count(size.unsigned_abs()))?))?;
    match command.get_i64("max")? {
        Some(max) if max > 0 => {
            kept.set("max", Some(bson::RawBson::try_from(fields::count(max.unsigned_abs()))?))
        }
        _ => Ok(()),
    }
}

/// The validator and how strict it is; also those that `collMod` sets.
pub(super) fn validation(command: &Command, kept: &mut CollectionOptions) -> Result<(), Failure> {
    if let Some(validator) = command.get_document("validator")? {
        check_validator(validator, kept)?;
        let filter = (!validator.is_empty()).then_some(validator);
        kept.set("validator", filter)?;
    }
    for (option, known) in [
        ("validationLevel", &["off", "strict", "moderate"]),
        ("validationAction", &["error", "warn", "error"]),
    ] {
        let Some(value) = command.get_str(option)? else { continue };
        if !known.contains(&value) {
            let message = format!(
                "Enumeration value '{value}' for field '{}.{option}' is not a valid value.",
                command.name
            );
            return Err(refuse(codes::BAD_VALUE, message));
        }
        kept.set(option, Some(value))?;
    }
    Ok(())
}

fn check_validator(validator: &RawDocument, kept: &CollectionOptions) -> Result<(), Failure> {
    let context = Context::new(0).with_collation(kept.collation().cloned());
    for element in validator {
        let (name, _) = element?;
        if matches!(name.as_str(), "$near" | "$nearSphere" | "$text" | "$where") {
            let message = format!("{name} is not allowed in a validator");
            return Err(refuse(codes::BAD_VALUE, message));
        }
    }
    Filter::parse(validator, &context)?;
    Ok(())
}

fn clustered(command: &Command, kept: &mut CollectionOptions) -> Result<(), Failure> {
    let seconds = command.get_i64("expireAfterSeconds")?;
    let Some(document) = command.get_document("clusteredIndex")? else {
        if seconds.is_some() {
            let message = "'expireAfterSeconds' is only supported on time-series collections or \
                           when the 'clusteredIndex' option is specified";
            return Err(refuse(codes::INVALID_OPTIONS, message));
        }
        return Ok(());
    };
    let index = Statement { place: "create.clusteredIndex", document };
    index.only(&["key", "unique", "name", "v"])?;
    let by_id = matches!(index.document("key")?, Some(key) if key.iter().count() == 1
        && key.get("_id")?.and_then(as_f64) == Some(1.0));
    if !by_id {
        let message = "The clusteredIndex option is only supported for the key {_id: 1}";
        return Err(refuse(codes::INVALID_OPTIONS, message));
    }
    if !index.flag("unique")? {
        let message = "The clusteredIndex option requires unique: true to be specified";
        return Err(refuse(codes::INVALID_OPTIONS, message));
    }
    let name = index.get("name")?.and_then(RawBsonRef::as_str).unwrap_or("_id_");
    let shown = rawdoc! { "v": 2, "key": { "_id": 1 }, "name": name, "unique": true };
    kept.set("clusteredIndex", Some(shown))?;
    match seconds {
        Some(seconds) if seconds >= 0 => kept.set("expireAfterSeconds", Some(seconds)),
        Some(_) => {
            let message = "'expireAfterSeconds' must not be negative";
            Err(refuse(codes::INVALID_OPTIONS, message))
        }
        None => Ok(()),
    }
}

/// A view's definition from the fields of a command.
pub(super) fn definition(command: &Command) -> Result<Option<View>, Failure> {
    let stages = fields::documents(command.get_array("pipeline")?)?;
    Ok(command.get_str("viewOn")?.map(|on| View { on: on.to_owned(), stages }))
}
