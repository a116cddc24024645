//! `listCollections` and `listDatabases`.

use std::collections::BTreeMap;

use bson::raw::cstr;
use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use futures::StreamExt;
use futures::stream;
use portolan_mql::{Context, Filter};
use portolan_wire::{Command, CursorReply, Reply};

use super::fields::{self, Statement, as_f64};
use super::{Call, Need, find};
use crate::error::Failure;
use crate::store::CollectionEntry;

pub(crate) async fn collections(call: Call) -> Result<Reply, Failure> {
    fields::only(&call.command, &["filter", "nameOnly", "authorizedCollections", "cursor"])?;
    let database = call.command.database.clone();
    let authorized_only = call.command.get_bool("authorizedCollections")?.unwrap_or(false);
    if !authorized_only {
        call.allow_database(Need::Read, &database)?;
    }
    let batch_size = batch_size(&call.command)?;
    let listed = call.blocking(move |call| list_collections(call, authorized_only)).await?;
    let namespace = format!("{database}.$cmd.listCollections");
    let mut reply = CursorReply::new(namespace, stream::iter(listed.into_iter().map(Ok)).boxed());
    reply.batch_size = batch_size;
    Ok(Reply::Cursor(reply))
}

/// The `cursor.batchSize` of a listing.
pub(crate) fn batch_size(command: &Command) -> Result<Option<u32>, Failure> {
    let Some(document) = command.get_document("cursor")? else { return Ok(None) };
    let size = Statement { place: "cursor", document }.get("batchSize")?.and_then(as_f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    Ok(find::batch_size(size.map(|size| size as u64)))
}

fn list_collections(call: &Call, authorized_only: bool) -> Result<Vec<RawDocumentBuf>, Failure> {
    let command = &call.command;
    let name_only = command.get_bool("nameOnly")?.unwrap_or(false);
    let filter = listing_filter(command)?;
    let catalog = call.snapshot()?.catalog()?;
    let mut listed = Vec::new();
    for entry in catalog.of_database(&command.database)? {
        if authorized_only && call.allow(Need::Read, &entry.namespace).is_err() {
            continue;
        }
        let document = collection_document(&entry);
        if !filter.matches(&document)? {
            continue;
        }
        listed.push(if name_only {
            rawdoc! { "name": entry.namespace.collection.as_str(), "type": kind(&entry) }
        } else {
            document
        });
    }
    Ok(listed)
}

fn kind(entry: &CollectionEntry) -> &'static str {
    if entry.options.is_view() { "view" } else { "collection" }
}

/// A collection with its UUID and index on `_id`, or a view, which has neither.
fn collection_document(entry: &CollectionEntry) -> RawDocumentBuf {
    let mut options = entry.options.raw().to_owned();
    if entry.images {
        options.append(cstr!("changeStreamPreAndPostImages"), rawdoc! { "enabled": true });
    }
    let mut info = rawdoc! { "readOnly": entry.options.is_view() };
    if !entry.options.is_view() {
        info.append(cstr!("uuid"), entry.uuid_binary());
    }
    let mut document = rawdoc! {
        "name": entry.namespace.collection.as_str(),
        "type": kind(entry),
        "options": options,
        "info": info,
    };
    if !entry.options.is_view() && !entry.options.is_clustered() {
        document.append(cstr!("idIndex"), entry.id_index());
    }
    document
}

fn listing_filter(command: &Command) -> Result<Filter, Failure> {
    let empty = RawDocumentBuf::new();
    let filter = command.get_document("filter")?.unwrap_or(&empty);
    Ok(Filter::parse(filter, &Context::new(0))?)
}

pub(crate) async fn databases(call: Call) -> Result<Reply, Failure> {
    call.admin_only()?;
    fields::only(&call.command, &["filter", "nameOnly", "authorizedDatabases"])?;
    call.blocking(list_databases).await
}

/// Users see the databases on which they may do something, as on MongoDB.
fn list_databases(call: &Call) -> Result<Reply, Failure> {
    let name_only = call.command.get_bool("nameOnly")?.unwrap_or(false);
    let filter = listing_filter(&call.command)?;
    let snapshot = call.snapshot()?;
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for entry in snapshot.catalog()?.all()? {
        *sizes.entry(entry.namespace.database).or_default() += snapshot.size_bytes(entry.uuid)?;
    }
    let sees = |name: &str| call.context.user.as_ref().is_none_or(|user| user.may_see(name));
    let (mut listed, mut total) = (RawArrayBuf::new(), 0_i64);
    for (name, size) in sizes.into_iter().filter(|(name, _)| sees(name)) {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let document = rawdoc! { "name": name.as_str(), "sizeOnDisk": size, "empty": false };
        if filter.matches(&document)? {
            total = total.saturating_add(size);
            listed.push(if name_only {
                rawdoc! { "name": name }
            } else {
                document
            });
        }
    }
    let mut reply = rawdoc! { "databases": listed };
    if !name_only {
        reply.append(cstr!("totalSize"), total);
        reply.append(cstr!("totalSizeMb"), total / (1024 * 1024));
    }
    Ok(Reply::Document(reply))
}
