//! The `delete` command: one statement per document, unordered, never sent twice.

use std::time::Duration;

use bson::raw::{RawArrayBuf, cstr};
use bson::{Bson, Document, RawDocumentBuf, rawdoc};
use portolan_model::{GuardLevel, Namespace};

use super::{MongoCluster, UUID_TAKEN, errors, replies};
use crate::fence::uuid_binary;
use crate::{Cluster, ClusterError, DeleteRequest, Deleted, Refused, guard};

/// Time allowed for the majority. Past it the outcome counts as unknown.
const MAJORITY_WAIT_MS: i32 = 30_000;

/// The write concern of everything that Portolan writes to a cluster.
pub(super) fn majority() -> RawDocumentBuf {
    rawdoc! { "w": "majority", "wtimeout": MAJORITY_WAIT_MS }
}

/// How long it waits.
pub(super) fn majority_wait() -> Duration {
    Duration::from_millis(u64::from(MAJORITY_WAIT_MS.unsigned_abs()))
}

pub(super) async fn run(
    cluster: &MongoCluster,
    namespace: &Namespace,
    request: &DeleteRequest<'_>,
) -> Result<Deleted, ClusterError> {
    if request.documents.is_empty() {
        return Ok(Deleted::default());
    }
    let in_command = request.level > GuardLevel::L0 && cluster.takes_uuid() == UUID_TAKEN;
    let uuid = if in_command {
        request.uuid
    } else {
        check_uuid(cluster, namespace, request.uuid).await?;
        None
    };
    let command = command(namespace, request, uuid)?;
    let reply = send(cluster, namespace, command).await?;
    outcome(&reply)
}

/// Without `collectionUUID` in the command the pinned collection is looked up just before.
pub(super) async fn check_uuid(
    cluster: &MongoCluster,
    namespace: &Namespace,
    pinned: Option<[u8; 16]>,
) -> Result<(), ClusterError> {
    let Some(info) = cluster.collection(namespace).await? else {
        return Err(ClusterError::NamespaceMissing(namespace.clone()));
    };
    if info.uuid != pinned {
        return Err(ClusterError::CollectionReplaced(namespace.clone()));
    }
    Ok(())
}

fn command(
    namespace: &Namespace,
    request: &DeleteRequest<'_>,
    uuid: Option<[u8; 16]>,
) -> Result<RawDocumentBuf, ClusterError> {
    let (level, deadline_ms) = (request.level, request.deadline_ms);
    let mut statements = RawArrayBuf::new();
    for document in request.documents {
        statements.push(guard::statement(document, level, deadline_ms, request.shard_key)?);
    }
    let mut command = rawdoc! {
        "delete": namespace.collection.as_str(),
        "deletes": statements,
        "ordered": false,
        "writeConcern": majority(),
    };
    if let Some(uuid) = uuid {
        command.append(cstr!("collectionUUID"), uuid_binary(uuid));
    }
    Ok(command)
}

async fn send(
    cluster: &MongoCluster,
    namespace: &Namespace,
    command: RawDocumentBuf,
) -> Result<Document, ClusterError> {
    cluster.watch.check()?;
    let sent = cluster.client.database(&namespace.database).run_raw_command(command).await;
    sent.map_err(|error| {
        errors::name_collection(&error, namespace).unwrap_or_else(|| errors::of_write(&error))
    })
}

fn outcome(reply: &Document) -> Result<Deleted, ClusterError> {
    if let Ok(problem) = reply.get_document("writeConcernError") {
        return Err(ClusterError::Unknown(format!("the majority did not acknowledge: {problem}")));
    }
    let n = replies::count(reply, "n")?;
    let errors = reply.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default();
    Ok(Deleted { n, refused: errors.iter().filter_map(refused).collect() })
}

fn refused(error: &Bson) -> Option<Refused> {
    let error = error.as_document()?;
    let index = usize::try_from(replies::count(error, "index").ok()?).ok()?;
    let code = replies::count(error, "code").ok().and_then(|code| i32::try_from(code).ok());
    let message = error.get_str("errmsg").unwrap_or("refused").to_owned();
    Some(Refused { index, code: code.unwrap_or(0), message })
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    /// As a server answers whose secondaries are too slow: the documents are gone at the primary, and may
    /// come back with another one.
    #[test]
    fn a_delete_that_the_majority_did_not_acknowledge_in_time_is_unknown() {
        let reply = doc! {
            "n": 3,
            "ok": 1.0,
            "writeConcernError": {
                "code": 64,
                "codeName": "WriteConcernTimeout",
                "errmsg": "waiting for replication timed out",
                "errInfo": { "wtimeout": true, "writeConcern": { "w": "majority", "wtimeout": 30_000 } },
            },
        };
        let outcome = outcome(&reply);
        assert!(matches!(&outcome, Err(ClusterError::Unknown(why)) if why.contains("timed out")));
        let acknowledged = doc! { "n": 3, "ok": 1.0 };
        let all = super::outcome(&acknowledged).expect("an outcome");
        assert_eq!(all, Deleted { n: 3, refused: Vec::new() });
    }

    #[test]
    fn a_statement_that_was_refused_is_named() {
        let refused = doc! { "index": 1, "code": 5, "errmsg": "no" };
        let reply = doc! { "n": 1, "ok": 1.0, "writeErrors": [refused] };
        let refused = vec![Refused { index: 1, code: 5, message: "no".to_owned() }];
        assert_eq!(outcome(&reply).expect("an outcome"), Deleted { n: 1, refused });
    }
}
