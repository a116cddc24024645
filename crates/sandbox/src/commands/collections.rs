//! `drop`, `dropDatabase`, `renameCollection`, and what all commands on the catalog begin with.

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_wire::{Command, Reply};

use super::fields::{self, writable};
use super::writes::{check_uuid, write_alone};
use super::{Call, Need};
use crate::error::{Failure, codes, refuse};
use crate::store::{Event, Writing, namespace_document};

pub(super) fn unsupported(command: &str, option: &str) -> Failure {
    let message = format!("the {command} option '{option}' is not implemented");
    refuse(codes::NOT_IMPLEMENTED, message)
}

pub(super) fn begin(call: &Call) -> Result<Namespace, Failure> {
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
        check_uuid(&writing.catalog()?, &command, &namespace, entry.as_ref())?;
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
        Some(RawBsonRef::Binary(uuid)) => DropTarget::Only(uuid.bytes.to_vec()),
        _ if call.command.get_bool("dropTarget")?.unwrap_or(false) => DropTarget::Any,
        _ => DropTarget::None,
    };
    let command = call.command.clone();
    write_alone(&call, move |writing| {
        let entry = writing.entry(&from)?;
        check_uuid(&writing.catalog()?, &command, &from, entry.as_ref())?;
        rename_to(writing, &from, &to, &drop_target)
    })
    .await
}

/// Which collection a renaming may drop.
enum DropTarget {
    None,
    Any,
    Only(Vec<u8>),
}

impl DropTarget {
    fn allows(&self, uuid: [u8; 16]) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Only(only) => only.as_slice() == uuid,
        }
    }
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
    drop_target: &DropTarget,
) -> Result<RawDocumentBuf, Failure> {
    let Some(mut entry) = writing.entry(from)? else {
        let message = format!("Source collection {from} does not exist");
        return Err(refuse(codes::NAMESPACE_NOT_FOUND, message));
    };
    if entry.options.is_view() {
        let message = format!("cannot rename view: {from}");
        return Err(refuse(codes::COMMAND_NOT_SUPPORTED_ON_VIEW, message));
    }
    if from == to {
        let message = "Can't rename a collection to itself";
        return Err(refuse(codes::ILLEGAL_OPERATION, message));
    }
    let mut description = rawdoc! { "to": namespace_document(to) };
    match writing.entry(to)? {
        Some(target) if drop_target.allows(target.uuid) => {
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
