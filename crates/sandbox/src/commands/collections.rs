//! `create`, `drop`, `dropDatabase`, `renameCollection`, `collMod`.

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_wire::{Command, Reply};

use super::fields::{self, Statement, writable};
use super::writes::{check_uuid, write_alone};
use super::{Call, Need};
use crate::error::{Failure, codes, refuse};
use crate::store::{Event, Writing, namespace_document};

/// Options of `create` that change nothing here.
const CREATE_FIELDS: &[&str] =
    &["autoIndexId", "idIndex", "collation", "capped", "changeStreamPreAndPostImages"];
/// Options of `create` that MongoDB knows and this cluster does not implement.
const CREATE_REFUSED: &[&str] = &[
    "timeseries",
    "viewOn",
    "pipeline",
    "validator",
    "validationLevel",
    "validationAction",
    "expireAfterSeconds",
    "clusteredIndex",
    "encryptedFields",
    "indexOptionDefaults",
    "storageEngine",
    "size",
    "max",
];

pub(crate) async fn create(call: Call) -> Result<Reply, Failure> {
    let command = &call.command;
    if let Some(option) = CREATE_REFUSED.iter().find(|option| command.has(option)) {
        return Err(unsupported("create", option));
    }
    if command.get_bool("capped")?.unwrap_or(false) {
        return Err(unsupported("create", "capped"));
    }
    fields::only(command, CREATE_FIELDS)?;
    fields::simple_collation(command.get_document("collation")?)?;
    let namespace = begin(&call)?;
    let images = images(command)?.unwrap_or(false);
    write_alone(&call, move |writing| {
        if writing.entry(&namespace)?.is_some() {
            let message = format!("Collection {namespace} already exists.");
            return Err(refuse(codes::NAMESPACE_EXISTS, message));
        }
        let mut entry = writing.create(&namespace)?;
        if images {
            entry.images = true;
            writing.catalog()?.put(&entry)?;
        }
        Ok(RawDocumentBuf::new())
    })
    .await
}

/// `changeStreamPreAndPostImages`.
fn images(command: &Command) -> Result<Option<bool>, Failure> {
    let Some(document) = command.get_document("changeStreamPreAndPostImages")? else {
        return Ok(None);
    };
    let options = Statement { place: "changeStreamPreAndPostImages", document };
    options.only(&["enabled"])?;
    options.required("enabled")?;
    options.flag("enabled").map(Some)
}

fn unsupported(command: &str, option: &str) -> Failure {
    let message = format!("the {command} option '{option}' is not implemented");
    refuse(codes::NOT_IMPLEMENTED, message)
}

fn begin(call: &Call) -> Result<Namespace, Failure> {
    let namespace = fields::namespace(&call.command)?;
    call.allow_database(Need::Manage, &namespace.database)?;
    writable(&namespace)?;
    Ok(namespace)
}

pub(crate) async fn drop(call: Call) -> Result<Reply, Failure> {
    fields::only(&call.command, &["collectionUUID"])?;
    let namespace = begin(&call)?;
    let command = call.command.clone();
    write_alone(&call, move |writing| {
        let entry = writing.entry(&namespace)?;
        check_uuid(writing, &command, &namespace, entry.as_ref())?;
        let Some(entry) = entry else { return Ok(RawDocumentBuf::new()) };
        writing.drop_collection(&entry)?;
        let indexes = i32::try_from(entry.indexes.len() + 1).unwrap_or(i32::MAX);
        Ok(rawdoc! { "nIndexesWas": indexes, "ns": namespace.to_string() })
    })
    .await
}

pub(crate) async fn drop_database(call: Call) -> Result<Reply, Failure> {
    fields::only(&call.command, &[])?;
    let database = call.command.database.clone();
    call.allow_database(Need::Manage, &database)?;
    if matches!(database.as_str(), "admin" | "local" | "config") {
        let message = format!("Dropping the '{database}' database is prohibited.");
        return Err(refuse(codes::ILLEGAL_OPERATION, message));
    }
    write_alone(&call, move |writing| {
        let entries = writing.catalog()?.of_database(&database)?;
        for entry in &entries {
            writing.drop_collection(entry)?;
        }
        if !entries.is_empty() {
            writing.log(Event::drop_database(&database))?;
        }
        let mut reply = RawDocumentBuf::new();
        if !entries.is_empty() {
            reply.append(cstr!("dropped"), database.as_str());
        }
        Ok(reply)
    })
    .await
}

pub(crate) async fn rename(call: Call) -> Result<Reply, Failure> {
    call.admin_only()?;
    fields::only(&call.command, &["to", "dropTarget", "stayTemp", "collectionUUID"])?;
    let from = full_name(&call.command, "renameCollection")?;
    let to = full_name(&call.command, "to")?;
    for namespace in [&from, &to] {
        call.allow_database(Need::Manage, &namespace.database)?;
        writable(namespace)?;
    }
    let drop_target = match call.command.get("dropTarget") {
        // A UUID is allowed, too, and names the collection that may be dropped.
        Some(RawBsonRef::Binary(_)) => {
            return Err(unsupported("renameCollection", "dropTarget: UUID"));
        }
        _ => call.command.get_bool("dropTarget")?.unwrap_or(false),
    };
    let command = call.command.clone();
    write_alone(&call, move |writing| {
        check_uuid(writing, &command, &from, writing.entry(&from)?.as_ref())?;
        rename_to(writing, &from, &to, drop_target)
    })
    .await
}

fn full_name(command: &Command, field: &str) -> Result<Namespace, Failure> {
    let name = command.get_str(field)?.unwrap_or_default();
    let Some((database, collection)) = name.split_once('.') else {
        let message = format!("Invalid namespace specified '{name}'");
        return Err(refuse(codes::INVALID_NAMESPACE, message));
    };
    fields::namespace_of(database, collection)
}

fn rename_to(
    writing: &Writing<'_>,
    from: &Namespace,
    to: &Namespace,
    drop_target: bool,
) -> Result<RawDocumentBuf, Failure> {
    let Some(mut entry) = writing.entry(from)? else {
        let message = format!("Source collection {from} does not exist");
        return Err(refuse(codes::NAMESPACE_NOT_FOUND, message));
    };
    if from == to {
        let message = "Can't rename a collection to itself";
        return Err(refuse(codes::ILLEGAL_OPERATION, message));
    }
    let mut description = rawdoc! { "to": namespace_document(to) };
    match writing.entry(to)? {
        Some(target) if drop_target => {
            writing.remove_collection(&target)?;
            description.append(cstr!("dropTarget"), target.uuid_binary());
        }
        Some(_) => return Err(refuse(codes::NAMESPACE_EXISTS, "target namespace exists")),
        None => {}
    }
    writing.log(Event::new("rename", from, entry.uuid).to(to).description(description))?;
    let mut catalog = writing.catalog()?;
    catalog.remove(from)?;
    entry.namespace = to.clone();
    catalog.put(&entry)?;
    Ok(RawDocumentBuf::new())
}

pub(crate) async fn modify(call: Call) -> Result<Reply, Failure> {
    let namespace = begin(&call)?;
    if let Some(option) = call.command.unknown_fields(&["changeStreamPreAndPostImages"]).first() {
        return Err(unsupported("collMod", option));
    }
    let images = images(&call.command)?;
    write_alone(&call, move |writing| {
        let Some(mut entry) = writing.entry(&namespace)? else {
            let message = format!("ns does not exist: {namespace}");
            return Err(refuse(codes::NAMESPACE_NOT_FOUND, message));
        };
        let mut options = RawDocumentBuf::new();
        if let Some(enabled) = images {
            entry.images = enabled;
            writing.catalog()?.put(&entry)?;
            options.append(cstr!("changeStreamPreAndPostImages"), rawdoc! { "enabled": enabled });
        }
        writing.log(Event::new("modify", &namespace, entry.uuid).description(options))?;
        Ok(RawDocumentBuf::new())
    })
    .await
}
