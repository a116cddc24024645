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
        shard_key: info.shard_key.as_ref(),
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
        shard_key: None,
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

/// A fenced batch on a collection with a document that is equal, one that changed and one that is gone.
#[tokio::test]
async fn a_fenced_batch_is_deleted_once_by_its_holder_alone() {
    let (runtime, _clock) = Runtime::manual(1_000_000, 1);
    let cluster = MemoryCluster::with_level(&runtime, GuardLevel::L3);
    let documents =
        [rawdoc! { "_id": 1, "v": 1 }, rawdoc! { "_id": 2, "v": 1 }, rawdoc! { "_id": 3 }];
    let stored = [documents[0].clone(), rawdoc! { "_id": 2, "v": 1.0 }];
    cluster.insert(&flights(), stored).expect("inserted");
    let info = cluster.collection(&flights()).await.expect("up").expect("there");
    let uuid = info.uuid.expect("a UUID");
    let identities: Vec<Vec<u8>> = (1..4_u8).map(|id| vec![id]).collect();
    let holder = Holder { uuid, owner: "us", epoch: 2, token: "ours" };
    cluster.raise_fence(&holder, 4).await.expect("made");
    cluster.raise_fence(&holder, 4).await.expect("the same again");
    let batch = |holder, seq, batch| {
        let fenced = crate::FencedBatch { holder, seq, batch, keep_all: false };
        let (documents, identities) = (&documents, &identities);
        let cluster = &cluster;
        async move {
            let request = BatchRequest {
                uuid: Some(uuid),
                shard_key: None,
                documents,
                identities,
                deadline_ms: 0,
                fenced: Some(fenced),
            };
            cluster.delete_batch(&flights(), &request).await
        }
    };
    let older = Holder { epoch: 1, token: "theirs", ..holder };
    assert!(matches!(cluster.raise_fence(&older, 4).await, Err(ClusterError::Fenced)));
    assert!(matches!(batch(older, 5, 0).await, Err(ClusterError::Fenced)));
    assert!(matches!(batch(holder, 4, 0).await, Err(ClusterError::Fenced)), "closed when made");
    assert!(matches!(batch(holder, 5, 1).await, Err(ClusterError::Fenced)), "out of order");
    let outcome = batch(holder, 5, 0).await.expect("done");
    let expected = BatchOutcome { deleted: vec![0], kept: vec![1], absent: vec![2] };
    assert_eq!(outcome, expected);
    assert!(matches!(batch(holder, 5, 0).await, Err(ClusterError::Fenced)), "twice");
    let fence = cluster.fence(uuid).await.expect("up").expect("there");
    assert_eq!((fence.seq, fence.done, fence.kept_records), (5, 0, 1));
    let records = cluster.kept_records(uuid, 5).await.expect("up");
    assert_eq!(records[0].identities, [vec![2], vec![3]]);
    cluster.close_fence(&holder, 5).await.expect("closed");
    assert!(matches!(batch(holder, 5, 1).await, Err(ClusterError::Fenced)), "closed");
    cluster.clear_kept(&holder, 5).await.expect("cleared");
    assert!(cluster.kept_records(uuid, 5).await.expect("up").is_empty());
}

fn orders() -> (MemoryCluster, ShardKey) {
    let (runtime, _clock) = Runtime::manual(1_000_000, 1);
    let cluster = MemoryCluster::with_level(&runtime, GuardLevel::L3);
    let key = ShardKey::ranged(&["customer"]);
    cluster.create_sharded(&flights(), key.clone());
    let both = [rawdoc! { "_id": 7, "customer": "a" }, rawdoc! { "_id": 7, "customer": "b" }];
    cluster.insert(&flights(), both).expect("two shards, two documents");
    (cluster, key)
}

async fn delete_batch(
    cluster: &MemoryCluster,
    shard_key: Option<&ShardKey>,
) -> Result<BatchOutcome, ClusterError> {
    let documents = [rawdoc! { "_id": 7, "customer": "b" }];
    let identities = [vec![7]];
    let info = cluster.collection(&flights()).await.expect("up").expect("there");
    let request = BatchRequest {
        uuid: info.uuid,
        shard_key,
        documents: &documents,
        identities: &identities,
        deadline_ms: i64::MAX,
        fenced: None,
    };
    cluster.delete_batch(&flights(), &request).await
}

#[tokio::test]
async fn documents_with_one_id_on_two_shards_are_two() {
    let (cluster, key) = orders();
    let again = cluster.insert(&flights(), [rawdoc! { "_id": 7, "customer": "a", "x": 1 }]);
    assert!(matches!(again, Err(ClusterError::Server { code: 11_000, .. })));
    assert_eq!(cluster.find_by_ids(&flights(), &[7.into()]).await.expect("up").len(), 2);
    let outcome = delete_batch(&cluster, Some(&key)).await.expect("done");
    assert_eq!(outcome.deleted, [0]);
    assert_eq!(cluster.documents(&flights()), [rawdoc! { "_id": 7, "customer": "a" }]);
}

#[tokio::test]
async fn a_pattern_that_lacks_fields_deletes_nothing() {
    let (cluster, _) = orders();
    let outcome = delete_batch(&cluster, None).await.expect("done");
    assert_eq!(outcome.kept, [0], "which of the two is meant is not known");
    assert!(cluster.remove(&flights(), RawBsonRef::Int32(7)));
    cluster.insert(&flights(), [rawdoc! { "_id": 7, "customer": "b" }]).expect("inserted");
    let refused = delete_batch(&cluster, None).await;
    assert!(matches!(refused, Err(ClusterError::Server { code: SHARD_KEY_NOT_FOUND, .. })));
    assert_eq!(cluster.documents(&flights()).len(), 1);
}
