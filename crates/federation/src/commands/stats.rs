//! `collStats` and `dbStats`: figures of the archive's tables, and the cluster's own count.

use bson::{RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_wire::{Command, CommandContext, CommandError, Reply, codes};

use super::{lists, options};
use crate::endpoint::EndpointMode;
use crate::session::Session;
use crate::{Endpoint, FederationError};

/// Sizes of the archived part of one or more collections. Rows that are about to leave a table are
/// counted until they do.
#[derive(Debug, Default, Clone, Copy)]
struct Sizes {
    documents: u64,
    stored_bytes: u64,
    files: u64,
}

async fn sizes(session: &Session, namespace: &Namespace) -> Result<Sizes, FederationError> {
    let mut sizes = Sizes::default();
    for archive in session.archives(namespace).await? {
        let version = session.catalog.table(&archive.table_uri).await?.load().await?;
        for file in &version.files {
            sizes.documents += file.rows;
            sizes.stored_bytes += file.size_bytes;
            sizes.files += 1;
        }
    }
    if session.mode == EndpointMode::ClusterAndArchive {
        sizes.documents += session.cluster().await?.estimated_count(namespace).await?;
    }
    Ok(sizes)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Answers `collStats`.
pub(super) async fn collection(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    options::check(command, &["sync", "scale"], &[])?;
    let namespace = options::namespace(context, command)?;
    let session = Session::new(endpoint);
    let names = lists::collection_names(&session, &namespace.database).await?;
    if !names.contains(&namespace.collection) {
        let text = format!("Collection [{namespace}] not found.");
        return Err(CommandError::new(codes::NAMESPACE_NOT_FOUND, text));
    }
    let sizes = sizes(&session, &namespace).await?;
    Ok(Reply::Document(rawdoc! {
        "ns": namespace.to_string(),
        "count": signed(sizes.documents),
        "size": signed(sizes.stored_bytes),
        "storageSize": signed(sizes.stored_bytes),
        "nindexes": 0,
        "totalIndexSize": 0_i64,
        "indexSizes": {},
        "dataLake": partitions(sizes),
    }))
}

fn partitions(sizes: Sizes) -> RawDocumentBuf {
    let average = sizes.stored_bytes.checked_div(sizes.files).unwrap_or(0);
    rawdoc! { "partitionCount": signed(sizes.files), "avgPartitionSize": signed(average) }
}

/// Answers `dbStats`.
pub(super) async fn database(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    options::check(command, &["sync", "freeStorage", "scale"], &[])?;
    let scale = command.get_u64("scale")?.unwrap_or(1).max(1);
    let database = command.database.clone();
    if !options::may_see(context, &database) {
        return Err(CommandError::not_authorized(&database, &command.name));
    }
    let session = Session::new(endpoint);
    let (mut all, mut count) = (Sizes::default(), 0_i64);
    for collection in lists::collection_names(&session, &database).await? {
        let namespace = Namespace { database: database.clone(), collection };
        if !options::may_read(context, &namespace) {
            continue;
        }
        let sizes = sizes(&session, &namespace).await?;
        all.documents += sizes.documents;
        all.stored_bytes += sizes.stored_bytes;
        all.files += sizes.files;
        count += 1;
    }
    let stored = signed(all.stored_bytes / scale);
    Ok(Reply::Document(rawdoc! {
        "db": database,
        "collections": count,
        "views": 0_i64,
        "objects": signed(all.documents),
        "dataSize": stored,
        "storageSize": stored,
        "indexes": 0_i64,
        "indexSize": 0_i64,
        "totalSize": stored,
        "scaleFactor": signed(scale),
        "dataLake": partitions(all),
    }))
}
