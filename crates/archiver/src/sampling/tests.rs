//! Tests of sampling: the most frequent type wins, and arrays have none.

use bson::rawdoc;
use portolan_model::{
    ArchiveId, ArchiveState, ClusterId, CollectionType, Criteria, DataProcessRegion, Namespace,
    PartitionField, ProjectId, Schedule,
};

use super::*;

fn archive(names: &[&str]) -> OnlineArchive {
    let fields = names.iter().enumerate().map(|(order, name)| PartitionField {
        name: (*name).to_owned(),
        order: i32::try_from(order).expect("few"),
        field_type: None,
    });
    OnlineArchive {
        id: ArchiveId::new([1; 12]),
        project_id: ProjectId::new([2; 12]),
        cluster_id: ClusterId::new([3; 12]),
        cluster_name: "c".into(),
        namespace: Namespace { database: "d".into(), collection: "c".into() },
        collection_type: CollectionType::Standard,
        criteria: Criteria::Custom { query: "{\"a\": 1}".into() },
        criteria_version: 1,
        partition_fields: fields.collect(),
        expire_after_days: None,
        region: DataProcessRegion::default(),
        schedule: Schedule::Default,
        state: ArchiveState::Pending,
        table_uri: String::new(),
        created_at: 0,
        deleted_at: None,
    }
}

#[test]
fn the_most_frequent_type_wins() {
    let sample =
        [rawdoc! { "a": 1, "b": { "c": "x" } }, rawdoc! { "a": 2 }, rawdoc! { "a": "3", "d": [1] }];
    let found = types(&archive(&["a", "b.c", "d", "e"]), &sample);
    let expected = vec![
        ("a".to_owned(), PartitionFieldType::Int),
        ("b.c".to_owned(), PartitionFieldType::String),
    ];
    assert_eq!(found, expected);
}
