//! Attaching archives from tables that hosts show: rows, refusals.

use portolan_api_types::ErrorCode;
use portolan_api_types::operators::parse_attach_archive;
use portolan_model::{
    ArchiveDefinition, ArchiveId, ArchiveRules, ArchiveState, CollectionType, Criteria,
    DataProcessRegion, DateFormat, ExpiryRule, FoundTable, Hold, Namespace, OnlineArchive,
    OpenMove, PartitionField, PartitionFieldType, Schedule,
};
use portolan_store::moves::{self, MoveState};
use portolan_store::{StoreError, archives::work, leases::LeaseKey};
use serde_json::{Value, json};

use crate::ControlError;
use crate::clusters::SYSTEM;
use crate::clusters::fixture::{House, fields};

const URI: &str = "memory:///archives/0101010101010101010101";

fn found() -> FoundTable {
    let expiry = Some(ExpiryRule { expire_after_days: 90, set_at: 7 });
    FoundTable {
        archive_id: ArchiveId::new([1; 12]),
        ours: false,
        namespace: Namespace { database: "sales".into(), collection: "orders".into() },
        collection_uuid: Some([5; 16]),
        partition_fields: vec![PartitionField {
            name: "at".into(),
            order: 0,
            field_type: Some(PartitionFieldType::Date),
        }],
        date: Some(("at".into(), DateFormat::IsoDate)),
        definition: Some(ArchiveDefinition {
            collection_type: CollectionType::Standard,
            criteria: criteria(),
            region: DataProcessRegion::default(),
            schedule: Schedule::Default,
            created_at: 3,
        }),
        rules: ArchiveRules {
            version: 4,
            expiry,
            hold: Some(Hold { reason: "case".into(), placed_by: "x".into(), placed_at: 8 }),
        },
        criteria_version: 6,
        epoch: 12,
        confirmed: 2,
        open: Some(OpenMove { seq: 3, batches: 5, documents: 40 }),
        documents: 140,
        bytes_stored: 1_000,
        foreign: None,
    }
}

fn criteria() -> Criteria {
    Criteria::Date { field: "at".into(), format: DateFormat::IsoDate, expire_after_days: 30 }
}

async fn attach(house: &House, body: Value) -> Result<OnlineArchive, ControlError> {
    let draft = parse_attach_archive(fields(&body)).expect("a right body");
    house.control.attach_archive(&house.owner, house.project_id, "C", draft).await
}

fn code<T: std::fmt::Debug>(result: Result<T, ControlError>) -> ErrorCode {
    result.expect_err("must be refused").code()
}

#[tokio::test]
async fn rows_are_written_as_the_table_tells() {
    let house = House::build().await;
    house.cluster("C").await;
    house.host.put_table(URI, found());
    let body = json!({ "storage": format!("{URI}/"), "takeOver": true });
    let archive = attach(&house, body.clone()).await.expect("attached");
    assert_eq!((archive.state, archive.created_at), (ArchiveState::Paused, 3));
    assert_eq!((&archive.criteria, archive.criteria_version), (&criteria(), 6));
    assert_eq!((archive.expire_after_days, archive.table_uri.as_str()), (Some(90), URI));
    let (id, key) = (
        archive.id,
        LeaseKey { cluster_id: archive.cluster_id, namespace: archive.namespace.clone() },
    );
    let key = &key;
    let read: Result<_, StoreError> = house
        .control
        .store
        .read_tx("test.attached", |tx| {
            Box::pin(async move {
                let stored = work::fetch(tx, &SYSTEM, id).await?.expect("an archive");
                let newest = moves::newest_committed(tx, id).await?.expect("a move");
                Ok((stored, newest, moves::unfinished(tx, key).await?))
            })
        })
        .await;
    let (stored, newest, open) = read.expect("read");
    assert_eq!(stored.rules(), found().rules);
    assert_eq!(newest.collection_uuid, Some([5; 16]));
    let [open] = &open[..] else { panic!("{open:?}") };
    assert_eq!((open.seq, open.state, open.batches, open.done), (3, MoveState::Closing, 5, -1));
    assert_eq!(open.unanswered_epoch, Some(12));
    let strings = house.control.connection_strings(&house.owner, house.project_id, "C").await;
    assert!(strings.expect("strings").archive.is_some(), "its endpoints are opened");
    assert_eq!(code(attach(&house, body).await), ErrorCode::OnlineArchiveAlreadyExists);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name() {
    let house = House::build().await;
    house.cluster("C").await;
    let taken = json!({ "storage": URI, "takeOver": true });
    assert_eq!(code(attach(&house, taken.clone()).await), ErrorCode::InvalidAttribute);
    house.host.put_table(URI, found());
    let theirs = attach(&house, json!({ "storage": URI })).await;
    assert_eq!(code(theirs), ErrorCode::ValidationError);
    house.host.put_table(URI, FoundTable { foreign: Some(9), ..found() });
    assert_eq!(code(attach(&house, taken.clone()).await), ErrorCode::InvalidAttribute);

    let old = FoundTable { definition: None, ours: true, ..found() };
    house.host.put_table(URI, old.clone());
    assert_eq!(code(attach(&house, json!({ "storage": URI })).await), ErrorCode::ValidationError);
    let custom = FoundTable { date: None, ..old };
    house.host.put_table(URI, custom);
    let days = json!({ "storage": URI, "expireAfterDays": 5 });
    assert_eq!(code(attach(&house, days).await), ErrorCode::ValidationError);
    let query = json!({ "storage": URI, "query": "{\"closed\": true}" });
    let archive = attach(&house, query).await.expect("attached");
    assert_eq!(archive.criteria, Criteria::Custom { query: "{\"closed\": true}".into() });
}
