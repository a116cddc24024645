//! Tables of sharded collections: rows that share an `_id` are rows of different documents.

use std::collections::HashSet;

use portolan_model::{ShardField, ShardKey};

use super::*;
use crate::identity_under;

fn key() -> ShardKey {
    let fields = [("customer.zone", true), ("_id", false)];
    let field = |(path, hashed): (&str, bool)| ShardField { path: path.to_owned(), hashed };
    ShardKey { fields: fields.map(field).to_vec() }
}

fn order(id: i32, zone: &str) -> RawDocumentBuf {
    let at = bson::DateTime::from_millis(1_704_067_200_000);
    bson::rawdoc! { "_id": id, "at": at, "customer": { "id": 1, "zone": zone } }
}

async fn table() -> Fixture {
    let fixture = Fixture::new(TableSpec { shard_key: Some(key()), ..spec() }).await;
    fixture.table.commit(&fence(1)).await.unwrap();
    let documents = vec![order(1, "a"), order(1, "b"), order(2, "a")];
    fixture.archive(1, documents).await;
    fixture
}

#[tokio::test]
async fn the_pattern_comes_back_with_the_table() {
    let fixture = table().await;
    let version = fixture.table.load().await.unwrap();
    assert_eq!(version.spec.shard_key, Some(key()));
    assert_eq!(version.files.iter().map(|file| file.rows).sum::<u64>(), 3);
}

#[tokio::test]
async fn rows_are_found_by_the_whole_identity_and_by_less() {
    let fixture = table().await;
    let table = &fixture.table;
    let version = table.load().await.unwrap();
    let wanted = table.spec().identity(&order(1, "b"));
    let whole = HashSet::from([wanted.clone()]);
    let found = table.find_identities(&version, (&whole, Some(&key())), i64::MAX).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].identity, &found[0].sought), (&wanted, &wanted));
    let by_id = HashSet::from([identity_under(&order(1, "b"), None)]);
    let found = table.find_identities(&version, (&by_id, None), i64::MAX).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|row| by_id.contains(&row.sought)));
}

#[tokio::test]
async fn a_rewrite_drops_one_of_two_that_share_an_id() {
    let fixture = table().await;
    let table = &fixture.table;
    let version = table.load().await.unwrap();
    let drop = HashSet::from([(1, table.spec().identity(&order(1, "a")))]);
    let staged = table.rewrite_without(&version, &version.files, &drop).await.unwrap();
    assert_eq!(staged.documents, 2);
    table.verify(&staged).await.unwrap();
}

#[tokio::test]
async fn the_same_document_twice_is_refused_still() {
    let fixture = table().await;
    let twice = vec![order(5, "a"), order(5, "a")];
    let refused = fixture.table.stage(StageRequest::new(2, 1, 0), twice).await;
    assert!(matches!(refused, Err(LakeError::Invalid(_))), "{refused:?}");
}
