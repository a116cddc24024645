//! Tests of the simulated cluster: its guard refuses what the documentation says it refuses.

use futures::TryStreamExt;

use super::*;

fn flights() -> Namespace {
    Namespace::new("air", "flights").expect("a namespace")
}

async fn delete(cluster: &MemoryCluster, document: &RawDocumentBuf, deadline_ms: i64) -> u64 {
    let info = cluster.collection(&flights()).await.expect("up").expect("there");
    let request = DeleteRequest {
        uuid: info.uuid,
        documents: std::slice::from_ref(document),
        level: GuardLevel::L1,
        deadline_ms,
    };
    cluster.delete_guarded(&flights(), &request).await.expect("an outcome").n
}

#[tokio::test]
async fn a_changed_document_is_not_deleted() {
    let (runtime, _clock) = Runtime::manual(1_000_000, 1);
    let cluster = MemoryCluster::new(&runtime);
    let archived = rawdoc! { "_id": 1, "a": 1 };
    cluster.insert(&flights(), [rawdoc! { "_id": 1, "a": 1, "b": 2 }]).expect("inserted");
    assert_eq!(delete(&cluster, &archived, 2_000_000).await, 0);
    assert!(cluster.replace(&flights(), rawdoc! { "_id": 1, "a": 1.0 }).expect("replaced"));
    assert_eq!(delete(&cluster, &archived, 2_000_000).await, 0);
    assert!(cluster.replace(&flights(), archived.clone()).expect("replaced"));
    assert_eq!(delete(&cluster, &archived, 999_999).await, 0, "after the deadline");
    assert_eq!(delete(&cluster, &archived, 2_000_000).await, 1);
    assert!(cluster.documents(&flights()).is_empty());
}

#[tokio::test]
async fn another_collection_of_that_name_is_left_alone() {
    let (runtime, _clock) = Runtime::manual(1_000_000, 1);
    let cluster = MemoryCluster::new(&runtime);
    let document = rawdoc! { "_id": 1 };
    cluster.insert(&flights(), [document.clone()]).expect("inserted");
    let request = DeleteRequest {
        uuid: Some([9; 16]),
        documents: &[document],
        level: GuardLevel::L1,
        deadline_ms: i64::MAX,
    };
    let error = cluster.delete_guarded(&flights(), &request).await.expect_err("replaced");
    assert!(error.is_collection_lost());
    let left: Vec<_> = cluster
        .read(&flights(), &RawDocumentBuf::new(), ReadOptions::default())
        .await
        .expect("up")
        .try_collect()
        .await
        .expect("documents");
    assert_eq!(left.len(), 1);
}
