//! What becomes of archives whose cluster is deleted, and the ways out for those that wait for their
//! operator.

use portolan_api_types::ErrorCode;
use portolan_api_types::online_archive::parse_create;
use portolan_api_types::operators::{parse_reattach, parse_resume};
use portolan_cluster::{CollectionInfo, CollectionKind};
use portolan_model::{
    ArchiveEvent, ArchiveId, ArchiveState, JobId, Namespace, OnlineArchive, SuspendReason,
};
use portolan_store::StoreError;
use portolan_store::leases::{self, LeaseKey, NewLease};
use portolan_store::moves::{self, Move, MoveState};
use serde_json::{Value, json};

use crate::ControlError;
use crate::clusters::fixture::{House, fields};

fn code<T: std::fmt::Debug>(result: Result<T, ControlError>) -> ErrorCode {
    result.expect_err("must be refused").code()
}

impl House {
    async fn archive(&self) -> OnlineArchive {
        let body = json!({
            "dbName": "sales", "collName": "orders",
            "criteria": { "dateField": "at", "expireAfterDays": 30 },
        });
        let draft = parse_create(fields(&body)).expect("a right body");
        let made = self.control.create_archive(&self.owner, self.project_id, "C", draft).await;
        made.expect("created")
    }

    async fn delete(&self) -> Result<(), ControlError> {
        self.control.delete_cluster(&self.owner, self.project_id, "C").await
    }

    async fn undelete(&self, name: &str, id: ArchiveId) -> Result<OnlineArchive, ControlError> {
        self.control.undelete_archive(&self.owner, self.project_id, name, id).await
    }

    async fn resume(&self, id: ArchiveId, body: Value) -> Result<OnlineArchive, ControlError> {
        let accepted = parse_resume(fields(&body))?;
        self.control.resume_archive(&self.owner, self.project_id, "C", id, accepted).await
    }

    async fn reattach(&self, id: ArchiveId, body: Value) -> Result<OnlineArchive, ControlError> {
        let draft = parse_reattach(fields(&body))?;
        self.control.reattach_archive(&self.owner, self.project_id, "C", id, draft).await
    }

    async fn gone(&self) {
        while self.get("C").await.is_ok() {
            self.control.runtime.sleep_ms(10).await;
        }
    }

    async fn save(&self, item: &Move) {
        let saved: Result<(), StoreError> =
            self.control.store.run_tx("test.move", |tx| Box::pin(moves::save(tx, item))).await;
        saved.expect("saved");
    }

    /// The newest event of a type.
    async fn event(&self, type_name: &str) -> Value {
        let mut events = self.events().await.into_iter();
        let event = events.find(|event| event.type_name == type_name).expect("an event");
        Value::Object(event.target)
    }
}

fn key(archive: &OnlineArchive) -> LeaseKey {
    LeaseKey { cluster_id: archive.cluster_id, namespace: archive.namespace.clone() }
}

fn in_state(archive: &OnlineArchive, state: MoveState) -> Move {
    let run = (archive.id, JobId::new([8; 12]));
    Move { state, ..Move::new(JobId::new([7; 12]), run, key(archive), (1, 1), 1) }
}

#[tokio::test]
async fn a_cluster_stays_while_a_move_of_a_deleted_archive_is_open() {
    let house = House::build().await;
    house.cluster("C").await;
    let archive = house.archive().await;
    for state in [MoveState::Committed, MoveState::Deleting, MoveState::Closing] {
        house.save(&in_state(&archive, state)).await;
        assert_eq!(code(house.delete().await), ErrorCode::ConcurrentModification, "{state:?}");
    }
    let (control, owner) = (&house.control, &house.owner);
    control.delete_archive(owner, house.project_id, "C", archive.id).await.expect("deleted");
    assert_eq!(code(house.delete().await), ErrorCode::ConcurrentModification);
    house.save(&in_state(&archive, MoveState::Confirmed)).await;
    house.delete().await.expect("closed");
}

/// Nobody can look at the cluster any more to give the move up: the purge would wait for ever.
#[tokio::test]
async fn moves_that_reached_no_table_end_with_their_cluster() {
    for state in [MoveState::Planned, MoveState::Staged, MoveState::Uploaded, MoveState::Verified] {
        let house = House::build().await;
        house.cluster("C").await;
        let archive = house.archive().await;
        house.save(&in_state(&archive, state)).await;
        let (id, key) = (archive.id, &key(&archive));
        let lease = &NewLease { token: "t".into(), epoch: 1, holder: "a worker".into() };
        let taken: Result<_, StoreError> = house
            .control
            .store
            .run_tx("test.lease", |tx| Box::pin(leases::take(tx, key, None, lease)))
            .await;
        assert_eq!(taken, Ok(true));
        house.delete().await.expect("submitted");
        let after: Result<_, StoreError> = house
            .control
            .store
            .run_tx("test.after", |tx| {
                Box::pin(async move {
                    Ok((moves::has_unfinished(tx, id).await?, leases::hold(tx, key, "t").await?))
                })
            })
            .await;
        assert_eq!(after, Ok((false, false)), "{state:?}");
    }
}

#[tokio::test]
async fn an_archive_goes_on_in_another_cluster_after_its_own_was_deleted() {
    let house = House::build().await;
    house.cluster("C").await;
    let other = house.cluster("D").await.stored.cluster;
    let archive = house.archive().await;
    let early = house.undelete("D", archive.id).await;
    assert_eq!(code(early), ErrorCode::ResourceNotFound, "it is not deleted");
    house.delete().await.expect("submitted");
    let event = house.event("ONLINE_ARCHIVE_DELETED").await;
    assert!(event["purgedAfter"].as_str().is_some_and(|at| at.ends_with('Z')), "{event}");
    house.gone().await;
    let back = house.undelete("D", archive.id).await.expect("taken back");
    assert_eq!((back.state, back.cluster_id), (ArchiveState::Paused, other.id));
    let found = house.control.get_archive(&house.owner, house.project_id, "D", archive.id).await;
    assert_eq!(found.expect("it is there").cluster_name, "D");
    let strings = house.control.connection_strings(&house.owner, house.project_id, "D").await;
    assert!(strings.expect("strings").archive.is_some(), "its endpoints are opened");
}

#[tokio::test]
async fn a_suspended_archive_is_released_by_name() {
    let house = House::build().await;
    house.cluster("C").await;
    let id = house.archive().await.id;
    assert_eq!(code(house.resume(id, json!({})).await), ErrorCode::OnlineArchiveNotActive);
    house.happen(id, ArchiveEvent::Suspended(SuspendReason::SourceOlder)).await;
    house.host.find_wrong(SuspendReason::SourceOlder, "the cluster has no fence");
    let refused = house.resume(id, json!({})).await.expect_err("not accepted");
    let field = &refused.problem().fields[0];
    assert_eq!(field.field, "accept");
    assert!(field.description.contains("SOURCE_OLDER: the cluster has no fence"), "{field:?}");
    for wrong in [json!({ "accept": ["OLD"] }), json!({ "level": "L9" })] {
        assert_eq!(refused.code(), code(house.resume(id, wrong).await));
    }
    let accepted = json!({ "accept": ["SOURCE_OLDER"] });
    let archive = house.resume(id, accepted).await.expect("released");
    assert_eq!(archive.state, ArchiveState::Paused);
    let event = house.event("ONLINE_ARCHIVE_RESUMED").await;
    assert_eq!(
        (&event["reason"], &event["accepted"]),
        (&json!("SOURCE_OLDER"), &json!("SOURCE_OLDER"))
    );
}

#[tokio::test]
async fn an_orphaned_archive_is_given_a_collection() {
    let house = House::build().await;
    house.cluster("C").await;
    let id = house.archive().await.id;
    let to = Namespace { database: "sales".into(), collection: "old".into() };
    let body = json!({ "collName": "old", "otherCollection": true });
    assert_eq!(
        code(house.reattach(id, body.clone()).await),
        ErrorCode::OnlineArchiveNotActive,
        "it is not orphaned"
    );
    house.happen(id, ArchiveEvent::CollectionLost).await;
    let refused = house.reattach(id, body.clone()).await.expect_err("there is none");
    assert_eq!(refused.problem().fields[0].field, "collName");
    let kind = CollectionKind::Collection;
    let uuid = Some([6; 16]);
    let info = CollectionInfo { name: "old".into(), uuid, kind, capped: false, shard_key: None };
    house.host.add_collection(to.clone(), info);
    let archive = house.reattach(id, body).await.expect("given");
    assert_eq!((archive.state, &archive.namespace), (ArchiveState::Paused, &to));
    let event = house.event("ONLINE_ARCHIVE_REATTACHED").await;
    assert_eq!(
        (&event["namespace"], &event["otherCollection"]),
        (&json!("sales.old"), &json!("true"))
    );
}
