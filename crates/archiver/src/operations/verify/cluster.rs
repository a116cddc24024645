//! Archived documents that the cluster holds, too. None of them is a mistake: documents return by a restore,
//! and clients insert what was archived again; readers of both see the cluster's copy, and once it is cold it
//! takes the place of the archived one. So they are told apart and counted, and nothing is concluded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bson::{RawBson, RawDocument};
use futures::TryStreamExt;
use portolan_cluster::Cluster;
use portolan_lake::{LakeError, Table, Version, hash, identity_under};
use portolan_model::{Namespace, ShardKey};
use portolan_store::archives::StoredArchive;
use serde_json::Value;

use super::super::Working;
use super::unread;
use crate::ArchiverError;
use crate::load::Load;
use crate::run::key_of;
use crate::steps::id_of;

/// Identities looked up in the cluster at once.
const LOOK_UP_MAX: usize = 500;
/// Bytes of their documents.
const LOOK_UP_BYTES_MAX: usize = 4 << 20;

/// What it takes to look documents up.
struct Live {
    cluster: Arc<dyn Cluster>,
    namespace: Namespace,
    load: Arc<Load>,
    /// Of the collection as it is now.
    shard_key: Option<ShardKey>,
    /// Identities under that key of documents that returned within the last day.
    restored: HashSet<Vec<u8>>,
}

/// What was found for one file.
#[derive(Default)]
struct Found {
    equal: u64,
    differing: u64,
    restored: u64,
    named: Vec<Value>,
}

/// Documents to look up: identity, `_id` and hash.
#[derive(Default)]
struct Group {
    ids: Vec<RawBson>,
    hashes: HashMap<Vec<u8>, [u8; 32]>,
    bytes: usize,
}

pub(super) async fn run(
    working: &mut Working<'_>,
    stored: &StoredArchive,
    table: &Table,
) -> Result<(), ArchiverError> {
    working.set("phase", "CLUSTER");
    let live = live(working, stored).await?;
    let version = table.load().await?;
    let after = working.text("lastFileInCluster").unwrap_or_default();
    let mut files: Vec<_> = version.files.iter().enumerate().collect();
    files.retain(|(_, file)| file.seq_max <= version.confirmed && file.path > after);
    files.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
    for name in ["alsoInCluster", "equalInCluster", "differentInCluster", "restoredInCluster"] {
        working.add(name, 0);
    }
    for (index, file) in files {
        let found = match live.of_file(working, (table, &version), index).await {
            Err(ArchiverError::Lake(error)) => {
                unread(table, file, error).await?;
                working.unread_files(1);
                Found::default()
            }
            found => found?,
        };
        working.add("alsoInCluster", found.equal + found.differing);
        working.add("equalInCluster", found.equal);
        working.add("differentInCluster", found.differing);
        working.add("restoredInCluster", found.restored);
        for entry in found.named {
            working.name("inCluster", entry);
        }
        working.set("lastFileInCluster", file.path.clone());
        working.advanced().await?;
    }
    Ok(())
}

async fn live(working: &Working<'_>, stored: &StoredArchive) -> Result<Live, ArchiverError> {
    let (shared, archive) = (working.shared, &stored.archive);
    let cluster = shared.outside.cluster(archive.cluster_id).await?;
    let collection = cluster.collection(&archive.namespace).await?;
    Ok(Live {
        shard_key: collection.and_then(|info| info.shard_key),
        cluster,
        namespace: archive.namespace.clone(),
        load: shared.loads.of(archive.cluster_id, &shared.options, &shared.metrics),
        restored: shared.journal.held_back(&key_of(archive)).await?,
    })
}

impl Live {
    async fn of_file(
        &self,
        working: &mut Working<'_>,
        (table, version): (&Table, &Version),
        index: usize,
    ) -> Result<Found, ArchiverError> {
        let (mut found, mut group) = (Found::default(), Group::default());
        let mut rows = table.rows_of(version, index);
        while let Some(row) = rows.try_next().await? {
            if row.superseded_by.is_some() {
                continue;
            }
            group.take(table, &row.doc)?;
            if group.is_full() {
                self.look_up(working, table, std::mem::take(&mut group), &mut found).await?;
            }
        }
        self.look_up(working, table, group, &mut found).await?;
        Ok(found)
    }

    async fn look_up(
        &self,
        working: &mut Working<'_>,
        table: &Table,
        group: Group,
        found: &mut Found,
    ) -> Result<(), ArchiverError> {
        if group.ids.is_empty() {
            return Ok(());
        }
        working.ease(&self.load, self.cluster.as_ref()).await?;
        working.beat().await?;
        let runtime = &working.shared.runtime;
        let began_ms = runtime.boot_ms();
        let live = self.cluster.find_by_ids(&self.namespace, &group.ids).await?;
        self.load.looked_up(runtime, began_ms, &live);
        for document in &live {
            if let Some(archived) = group.hashes.get(&table.spec().identity(document)) {
                self.count(document, *archived == hash(document), found);
            }
        }
        Ok(())
    }

    fn count(&self, document: &RawDocument, equal: bool, found: &mut Found) {
        *(if equal { &mut found.equal } else { &mut found.differing }) += 1;
        let identity = identity_under(document, self.shard_key.as_ref());
        found.restored += u64::from(self.restored.contains(&identity));
        let id = id_of(document).and_then(|id| bson::Bson::try_from(id).ok());
        let id = serde_json::to_value(id).unwrap_or(Value::Null);
        found.named.push(id);
        found.named.truncate(100);
    }
}

impl Group {
    fn take(&mut self, table: &Table, document: &RawDocument) -> Result<(), LakeError> {
        let missing = || LakeError::Internal("a row without an _id".to_owned());
        self.ids.push(id_of(document).ok_or_else(missing)?);
        self.hashes.insert(table.spec().identity(document), hash(document));
        self.bytes += document.as_bytes().len();
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.ids.len() >= LOOK_UP_MAX || self.bytes >= LOOK_UP_BYTES_MAX
    }
}
