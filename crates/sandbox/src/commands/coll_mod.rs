//! `collMod`: changes the options of a collection, of one of its indexes, or of a view.

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocumentBuf, rawdoc};
use portolan_wire::{Command, Reply};

use super::collections::begin;
use super::fields::{self, Statement};
use super::indexes::{expire_after_s, not_found, position_of};
use super::writes::{check_uuid, write_alone};
use super::{Call, create, views};
use crate::error::{Failure, codes, refuse};
use crate::store::{CollectionEntry, Event, Writing};

const FIELDS: &[&str] = &[
    "index",
    "validator",
    "validationLevel",
    "validationAction",
    "viewOn",
    "pipeline",
    "changeStreamPreAndPostImages",
    "expireAfterSeconds",
    "cappedSize",
    "cappedMax",
    "collectionUUID",
    "dryRun",
];

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    fields::only(&call.command, FIELDS)?;
    let namespace = begin(&call)?;
    if call.command.get_bool("dryRun")?.unwrap_or(false) {
        return Err(super::collections::unsupported("collMod", "dryRun"));
    }
    let command = call.command.clone();
    write_alone(&call, move |writing| {
        let entry = writing.entry(&namespace)?;
        check_uuid(&writing.catalog()?, &command, &namespace, entry.as_ref())?;
        let entry = entry.ok_or_else(|| not_found(&namespace))?;
        if entry.options.is_view() {
            return view(writing, &command, entry);
        }
        collection(writing, &command, entry)
    })
    .await
}

fn view(
    writing: &Writing<'_>,
    command: &Command,
    mut entry: CollectionEntry,
) -> Result<RawDocumentBuf, Failure> {
    if let Some(option) = command.unknown_fields(&["viewOn", "pipeline", "collectionUUID"]).first()
    {
        let message = format!("option not supported on a view: {option}");
        return Err(refuse(codes::INVALID_OPTIONS, message));
    }
    let Some(view) = create::definition(command)?.filter(|_| command.has("pipeline")) else {
        let message = "Must specify both 'viewOn' and 'pipeline' when modifying a view";
        return Err(refuse(codes::INVALID_OPTIONS, message));
    };
    views::check(&writing.catalog()?, &entry.namespace, &view)?;
    entry.options.set("viewOn", Some(view.on.as_str()))?;
    if let Some(stages) = command.get_array("pipeline")? {
        entry.options.set("pipeline", Some(RawBsonRef::Array(stages)))?;
    }
    writing.catalog()?.put(&entry)?;
    Ok(RawDocumentBuf::new())
}

fn collection(
    writing: &Writing<'_>,
    command: &Command,
    mut entry: CollectionEntry,
) -> Result<RawDocumentBuf, Failure> {
    if command.has("viewOn") || command.has("pipeline") {
        let message = "'viewOn' and 'pipeline' are only supported on a view";
        return Err(refuse(codes::INVALID_OPTIONS, message));
    }
    let before = entry.options.raw().to_owned();
    create::validation(command, &mut entry.options)?;
    resize(command, &mut entry)?;
    expire(command, &mut entry)?;
    let mut described = RawDocumentBuf::new();
    for element in entry.options.raw() {
        let (name, value) = element?;
        if before.get(name.as_str())? != Some(value) {
            described.append(name, value);
        }
    }
    if let Some(enabled) = create::images(command)? {
        entry.images = enabled;
        described.append(cstr!("changeStreamPreAndPostImages"), rawdoc! { "enabled": enabled });
    }
    let mut reply = RawDocumentBuf::new();
    if let Some(document) = command.get_document("index")? {
        let statement = Statement { place: "collMod.index", document };
        reply = index(statement, &mut entry)?;
        described.append(cstr!("index"), document);
    }
    writing.catalog()?.put(&entry)?;
    let event = Event::new("modify", &entry.namespace, entry.uuid).description(described);
    writing.log(event)?;
    trim(writing, command, entry)?;
    Ok(reply)
}

fn resize(command: &Command, entry: &mut CollectionEntry) -> Result<(), Failure> {
    for (field, option) in [("cappedSize", "size"), ("cappedMax", "max")] {
        let Some(value) = command.get_i64(field)? else { continue };
        if entry.options.capped().is_none() {
            let message = format!("option only supported on a capped collection: {field}");
            return Err(refuse(codes::INVALID_OPTIONS, message));
        }
        entry.options.set(option, (value > 0).then_some(value))?;
    }
    Ok(())
}

/// Documents beyond new limits go at once.
fn trim(writing: &Writing<'_>, command: &Command, entry: CollectionEntry) -> Result<(), Failure> {
    if !command.has("cappedSize") && !command.has("cappedMax") {
        return Ok(());
    }
    let mut collection = writing.open(entry)?;
    collection.trim()?;
    writing.finish(collection)
}

/// `expireAfterSeconds` of a clustered collection: seconds, or `"off"`.
fn expire(command: &Command, entry: &mut CollectionEntry) -> Result<(), Failure> {
    let Some(value) = command.get("expireAfterSeconds") else { return Ok(()) };
    if !entry.options.is_clustered() {
        let message = "'expireAfterSeconds' is only supported on clustered collections here";
        return Err(refuse(codes::INVALID_OPTIONS, message));
    }
    match value {
        RawBsonRef::String("off") => entry.options.set("expireAfterSeconds", None::<i64>),
        value => {
            let seconds = expire_after_s(value)?;
            entry.options.set("expireAfterSeconds", Some(seconds))
        }
    }
}

/// Changes one index; the reply says what it was and what it is.
fn index(statement: Statement<'_>, entry: &mut CollectionEntry) -> Result<RawDocumentBuf, Failure> {
    statement.only(&[
        "name",
        "keyPattern",
        "expireAfterSeconds",
        "hidden",
        "unique",
        "prepareUnique",
    ])?;
    for option in ["unique", "prepareUnique"] {
        if statement.get(option)?.is_some() {
            return Err(super::collections::unsupported("collMod", option));
        }
    }
    let position = position_of(statement, entry)?;
    let index = &mut entry.indexes[position];
    let mut reply = RawDocumentBuf::new();
    let (hidden, seconds) = (statement.get("hidden")?, statement.get("expireAfterSeconds")?);
    if hidden.is_none() && seconds.is_none() {
        let message = "no expireAfterSeconds, hidden, unique, or prepareUnique field";
        return Err(refuse(codes::INVALID_OPTIONS, message));
    }
    if let Some(value) = seconds {
        let seconds = expire_after_s(value)?;
        match index.options.expire_after_s.replace(seconds) {
            Some(old) => reply.append(cstr!("expireAfterSeconds_old"), old),
            None if index.fields.len() > 1 => {
                let message = "TTL indexes are single-field indexes, compound indexes do not \
                               support TTL";
                return Err(refuse(codes::INVALID_OPTIONS, message));
            }
            None => {}
        }
        reply.append(cstr!("expireAfterSeconds_new"), seconds);
    }
    if hidden.is_some() {
        let hidden = statement.flag("hidden")?;
        reply.append(cstr!("hidden_old"), index.options.hidden);
        reply.append(cstr!("hidden_new"), hidden);
        index.options.hidden = hidden;
    }
    Ok(reply)
}
