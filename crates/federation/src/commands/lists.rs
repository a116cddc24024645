//! `listDatabases`, `listCollections`, `listIndexes`: what there is to read, by name.

use std::collections::BTreeSet;

use bson::raw::cstr;
use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use futures::StreamExt;
use portolan_model::Namespace;
use portolan_mql::{Context, Filter};
use portolan_wire::{Command, CommandContext, CommandError, CursorReply, Reply, codes};

use super::options;
use crate::endpoint::EndpointMode;
use crate::session::Session;
use crate::{Endpoint, FederationError};

/// Databases of the servers themselves, and ours in the cluster: not data of users.
const INTERNAL: &[&str] = &["admin", "local", "config", "portolan"];

/// Answers `listDatabases`.
pub(super) async fn databases(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    options::check(command, &["filter", "nameOnly", "authorizedDatabases"], &[])?;
    if command.database != "admin" {
        let text = "listDatabases may only be run against the admin database.";
        return Err(CommandError::new(codes::UNAUTHORIZED, text));
    }
    let filter = listing_filter(endpoint, command)?;
    let name_only = command.get_bool("nameOnly")?.unwrap_or(false);
    let mut databases = RawArrayBuf::new();
    for name in database_names(&Session::new(endpoint)).await? {
        let mut database = rawdoc! { "name": name.as_str() };
        if !name_only {
            database.append(cstr!("sizeOnDisk"), 0_i64);
            database.append(cstr!("empty"), false);
        }
        if options::may_see(context, &name) && passes(&filter, &database)? {
            databases.push(database);
        }
    }
    let mut reply = rawdoc! { "databases": databases };
    if !name_only {
        reply.append(cstr!("totalSize"), 0_i64);
    }
    Ok(Reply::Document(reply))
}

async fn database_names(session: &Session) -> Result<BTreeSet<String>, FederationError> {
    let archives = session.catalog.archives(session.cluster_id).await?;
    let mut names: BTreeSet<String> =
        archives.into_iter().map(|archive| archive.namespace.database).collect();
    if session.mode == EndpointMode::ClusterAndArchive {
        names.extend(session.cluster().await?.list_databases().await?);
        names.retain(|name| !INTERNAL.contains(&name.as_str()));
    }
    Ok(names)
}

/// The collections of a database, archived or live.
pub(super) async fn collection_names(
    session: &Session,
    database: &str,
) -> Result<BTreeSet<String>, FederationError> {
    let archives = session.catalog.archives(session.cluster_id).await?;
    let archived = archives.into_iter().map(|archive| archive.namespace);
    let mut names: BTreeSet<String> = archived
        .filter(|namespace| namespace.database == database)
        .map(|namespace| namespace.collection)
        .collect();
    if session.mode == EndpointMode::ClusterAndArchive && !INTERNAL.contains(&database) {
        let live = session.cluster().await?.list_collections(database).await?;
        names.extend(live.into_iter().map(|collection| collection.name));
    }
    Ok(names)
}

/// Answers `listCollections`.
pub(super) async fn collections(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    options::check(command, &["filter", "nameOnly", "authorizedCollections", "cursor"], &[])?;
    let database = command.database.clone();
    if !options::may_see(context, &database) {
        return Err(CommandError::not_authorized(&database, &command.name));
    }
    let filter = listing_filter(endpoint, command)?;
    let name_only = command.get_bool("nameOnly")?.unwrap_or(false);
    let mut listed = Vec::new();
    for collection in collection_names(&Session::new(endpoint), &database).await? {
        let full = described(&collection);
        let namespace = Namespace { database: database.clone(), collection };
        if !options::may_read(context, &namespace) || !passes(&filter, &full)? {
            continue;
        }
        let short = || rawdoc! { "name": namespace.collection.as_str(), "type": "collection" };
        listed.push(if name_only { short() } else { full });
    }
    Ok(listing(format!("{database}.$cmd.listCollections"), listed))
}

fn described(name: &str) -> RawDocumentBuf {
    rawdoc! {
        "name": name,
        "type": "collection",
        "options": {},
        "info": { "readOnly": true },
    }
}

/// Answers `listIndexes`: there are none here, only partition fields that prune.
pub(super) async fn indexes(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    options::check(command, &["cursor"], &["collectionUUID"])?;
    let namespace = options::namespace(context, command)?;
    let names = collection_names(&Session::new(endpoint), &namespace.database).await?;
    if !names.contains(&namespace.collection) {
        let text = format!("ns does not exist: {namespace}");
        return Err(CommandError::new(codes::NAMESPACE_NOT_FOUND, text));
    }
    Ok(listing(namespace.to_string(), Vec::new()))
}

fn listing(namespace: String, documents: Vec<RawDocumentBuf>) -> Reply {
    let documents = futures::stream::iter(documents.into_iter().map(Ok)).boxed();
    Reply::Cursor(CursorReply::new(namespace, documents))
}

fn listing_filter(endpoint: &Endpoint, command: &Command) -> Result<Filter, CommandError> {
    let context = Context::new(endpoint.runtime.now_ms());
    let filter = Filter::parse(options::filter(command, "filter")?, &context);
    Ok(filter.map_err(FederationError::from)?)
}

fn passes(filter: &Filter, document: &RawDocumentBuf) -> Result<bool, CommandError> {
    Ok(filter.matches(document).map_err(FederationError::from)?)
}
