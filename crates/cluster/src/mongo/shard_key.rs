//! The shard keys of a sharded cluster's collections, from `config.collections` (MongoDB manual, "Config
//! Database"): the one place that every version tells the pattern in. `collStats` tells only that a
//! collection is sharded, and `$listClusterCatalog` is known to new servers alone.
//!
//! Whoever may not read it is refused: without the pattern a document is not known.

use bson::{RawBsonRef, RawDocument, rawdoc};
use futures::TryStreamExt;
use portolan_model::{Namespace, ShardField, ShardKey};

use super::MongoCluster;
use crate::{Cluster, ClusterError, CollectionInfo, ReadOptions};

/// The shard key of a collection; `None`: it lies on one shard, or there are no shards.
pub(super) async fn of(
    cluster: &MongoCluster,
    namespace: &Namespace,
) -> Result<Option<ShardKey>, ClusterError> {
    if !cluster.is_sharded().await? {
        return Ok(None);
    }
    let name = namespace.to_string();
    let found = entries(cluster, &rawdoc! { "_id": name.as_str() }).await?;
    Ok(found.into_iter().find_map(|(of, key)| (of == name).then_some(key)))
}

/// Adds the shard keys to the collections of a database.
pub(super) async fn add(
    cluster: &MongoCluster,
    database: &str,
    collections: &mut [CollectionInfo],
) -> Result<(), ClusterError> {
    if !cluster.is_sharded().await? {
        return Ok(());
    }
    // '/' is the character after '.'.
    let (low, high) = (format!("{database}."), format!("{database}/"));
    let found = entries(cluster, &rawdoc! { "_id": { "$gte": low, "$lt": high } }).await?;
    for info in collections {
        let name = format!("{database}.{}", info.name);
        let key = found.iter().find(|(of, _)| *of == name);
        info.shard_key = key.map(|(_, key)| key.clone());
    }
    Ok(())
}

/// Whether the catalogue can be read at all.
pub(super) async fn check(cluster: &MongoCluster) -> Result<(), ClusterError> {
    entries(cluster, &rawdoc! { "_id": "portolan." }).await.map(|_| ())
}

async fn entries(
    cluster: &MongoCluster,
    filter: &RawDocument,
) -> Result<Vec<(String, ShardKey)>, ClusterError> {
    let catalogue = Namespace { database: "config".into(), collection: "collections".into() };
    let options = ReadOptions { majority: true, ..ReadOptions::default() };
    let found = async { cluster.read(&catalogue, filter, options).await?.try_collect().await };
    let found: Vec<_> = found.await.map_err(explained)?;
    found.iter().filter_map(|entry| read(entry).transpose()).collect()
}

fn explained(error: ClusterError) -> ClusterError {
    match error {
        ClusterError::Denied(why) => ClusterError::Denied(format!(
            "the shard keys cannot be read from config.collections, give the account the role read on \
             database config or clusterMonitor: {why}"
        )),
        other => other,
    }
}

/// One entry; `None` for a collection that was dropped, which old servers keep.
fn read(entry: &RawDocument) -> Result<Option<(String, ShardKey)>, ClusterError> {
    let unreadable = || {
        let what = format!("config.collections holds an entry that cannot be read: {entry:?}");
        ClusterError::Unsupported(what)
    };
    if entry.get_bool("dropped").unwrap_or(false) {
        return Ok(None);
    }
    let name = entry.get_str("_id").map_err(|_| unreadable())?;
    let mut fields = Vec::new();
    for element in entry.get_document("key").map_err(|_| unreadable())? {
        let (path, kind) = element.map_err(|_| unreadable())?;
        let hashed = match kind {
            RawBsonRef::String("hashed") => true,
            RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Double(_) => false,
            _ => return Err(unreadable()),
        };
        fields.push(ShardField { path: path.to_string(), hashed });
    }
    if fields.is_empty() {
        return Err(unreadable());
    }
    Ok(Some((name.to_owned(), ShardKey { fields })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_tell_the_pattern_unless_the_collection_was_dropped() {
        let entry = rawdoc! { "_id": "shop.orders", "key": { "customer": 1.0, "_id": "hashed" } };
        let (name, key) = read(&entry).expect("read").expect("there");
        assert_eq!(
            (name.as_str(), key.to_string().as_str()),
            ("shop.orders", "{ customer: 1, _id: \"hashed\" }")
        );
        let dropped = rawdoc! { "_id": "shop.old", "dropped": true };
        assert_eq!(read(&dropped).expect("read"), None);
        for entry in [
            rawdoc! { "_id": "shop.odd" },
            rawdoc! { "_id": "shop.odd", "key": {} },
            rawdoc! { "_id": "shop.odd", "key": { "place": "2dsphere" } },
        ] {
            assert!(read(&entry).is_err(), "{entry:?}");
        }
    }
}
