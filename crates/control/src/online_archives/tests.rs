//! The merge of updates, in every state, and filters of CUSTOM rules.

use portolan_api_types::online_archive::{ArchivePatch, parse_create, parse_update};
use portolan_api_types::{ErrorCode, Fields};
use portolan_model::{
    ArchiveId, ArchiveState, ClusterId, Criteria, GuardLevel, OnlineArchive, ProjectId,
    SuspendReason,
};
use portolan_store::archives::StoredArchive;
use serde_json::{Value, json};

use super::merge::{Merged, merge};
use super::rules::check_filter;
use crate::ControlError;

fn fields(body: &Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

fn stored(criteria: Value, state: ArchiveState) -> StoredArchive {
    let body = json!({ "dbName": "sales", "collName": "orders", "criteria": criteria });
    let draft = parse_create(fields(&body)).expect("a right body");
    let archive = OnlineArchive {
        id: ArchiveId::new([1; 12]),
        project_id: ProjectId::new([2; 12]),
        cluster_id: ClusterId::new([3; 12]),
        cluster_name: "Cluster0".into(),
        namespace: draft.namespace,
        collection_type: draft.collection_type,
        criteria: draft.criteria,
        criteria_version: 1,
        partition_fields: draft.partition_fields,
        expire_after_days: None,
        region: draft.region.unwrap_or_default(),
        schedule: draft.schedule,
        state,
        table_uri: "memory:///x".into(),
        created_at: 0,
        deleted_at: None,
    };
    StoredArchive {
        archive,
        level: GuardLevel::L1,
        expiry_set_at: None,
        rules_version: 1,
        hold: None,
        purging_at: None,
    }
}

fn date(state: ArchiveState) -> StoredArchive {
    stored(json!({ "dateField": "at", "expireAfterDays": 30 }), state)
}

fn custom() -> StoredArchive {
    stored(json!({ "type": "CUSTOM", "query": "{\"a\":1}" }), ArchiveState::Idle)
}

fn apply(to: &StoredArchive, body: &Value) -> Result<Merged, ControlError> {
    let patch: ArchivePatch = parse_update(fields(body)).expect("a right body");
    merge(to, &patch, 1_000)
}

#[track_caller]
fn refused(to: &StoredArchive, body: &Value, code: ErrorCode) {
    let error = apply(to, body).expect_err("must be refused");
    assert_eq!(error.code(), code, "{body}: {error}");
}

#[test]
fn an_age_alone_changes_nothing_else() {
    let before = date(ArchiveState::Idle);
    let merged = apply(&before, &json!({ "criteria": { "expireAfterDays": 9 } })).unwrap();
    let archive = merged.stored.archive;
    assert!(matches!(archive.criteria, Criteria::Date { ref field, expire_after_days: 9, .. }
        if field == "at"));
    assert_eq!(archive.criteria_version, 2);
    assert!(merged.wakes && !merged.resumed);
    let same = apply(&before, &json!({ "criteria": { "expireAfterDays": 30 } })).unwrap();
    assert_eq!(same.stored, before, "the same age is no new version");
}

#[test]
fn immutable_fields_may_be_repeated_but_not_changed() {
    let archive = date(ArchiveState::Idle);
    let same = json!({
        "_id": "010101010101010101010101",
        "clusterName": "Cluster0",
        "collName": "orders",
        "collectionType": "STANDARD",
        "criteria": {
            "type": "DATE", "dateField": "at", "dateFormat": "ISODATE", "expireAfterDays": 30
        },
        "dataProcessRegion": { "cloudProvider": "AWS", "region": "US_EAST_1" },
        "dbName": "sales",
        "groupId": "020202020202020202020202",
        "partitionFields": [{ "fieldName": "at", "order": 0, "fieldType": "date" }],
        "paused": false,
        "schedule": { "type": "DEFAULT" },
        "state": "ACTIVE",
    });
    assert_eq!(apply(&archive, &same).unwrap().stored, archive);
    for body in [
        json!({ "_id": "020202020202020202020202" }),
        json!({ "clusterName": "Other" }),
        json!({ "collName": "other" }),
        json!({ "collectionType": "TIMESERIES" }),
        json!({ "criteria": { "type": "CUSTOM", "query": "{\"a\":1}" } }),
        json!({ "criteria": { "dateField": "other" } }),
        json!({ "criteria": { "dateFormat": "OBJECT_ID" } }),
        json!({ "dataProcessRegion": { "cloudProvider": "AWS", "region": "EU_WEST_1" } }),
        json!({ "dbName": "other" }),
        json!({ "groupId": "030303030303030303030303" }),
        json!({ "partitionFields": [] }),
        json!({ "partitionFields": [{ "fieldName": "at", "order": 1 }] }),
        json!({ "state": "DELETED" }),
        json!({ "state": "PENDING" }),
    ] {
        refused(&archive, &body, ErrorCode::OnlineArchiveCannotModifyField);
    }
}

#[test]
fn custom_rules_take_a_new_filter() {
    let merged = apply(&custom(), &json!({ "criteria": { "query": "{\"b\":1}" } })).unwrap();
    let query = Criteria::Custom { query: "{\"b\":1}".into() };
    assert_eq!(merged.stored.archive.criteria, query);
    let age = json!({ "criteria": { "expireAfterDays": 3 } });
    refused(&custom(), &age, ErrorCode::InvalidAttribute);
    let field = json!({ "criteria": { "dateField": "a" } });
    refused(&custom(), &field, ErrorCode::InvalidAttribute);
    let query = json!({ "criteria": { "query": "{\"b\":1}" } });
    refused(&date(ArchiveState::Idle), &query, ErrorCode::InvalidAttribute);
}

#[test]
fn expiration_comes_and_goes() {
    let archive = date(ArchiveState::Idle);
    let set = apply(&archive, &json!({ "dataExpirationRule": { "expireAfterDays": 7 } })).unwrap();
    assert_eq!(set.stored.archive.expire_after_days, Some(7));
    assert_eq!(set.stored.expiry_set_at, Some(1_000));
    assert!(set.events.contains(&"ONLINE_ARCHIVE_DATA_EXPIRATION_RULE_ENABLED"));
    let kept = apply(&set.stored, &json!({ "paused": false })).unwrap();
    assert_eq!(kept.stored.archive.expire_after_days, Some(7));
    let gone = apply(&set.stored, &json!({ "dataExpirationRule": {} })).unwrap();
    assert_eq!(gone.stored.archive.expire_after_days, None);
}

/// The two vocabularies of pausing and resuming, as the Atlas CLI and Terraform write them.
#[test]
fn pause_and_resume() {
    use ArchiveState as S;
    let (pause, start) = (json!({ "state": "PAUSING" }), json!({ "state": "ACTIVE" }));
    let (on, off) = (json!({ "paused": true }), json!({ "paused": false }));
    let state = |from: S, body: &Value| apply(&date(from), body).unwrap().stored.archive.state;
    for body in [&pause, &on] {
        assert_eq!(state(S::Idle, body), S::Paused);
        assert_eq!(state(S::Archiving, body), S::Pausing);
        assert_eq!(state(S::Paused, body), S::Paused);
        assert_eq!(state(S::Pausing, body), S::Pausing);
        for from in [S::Pending, S::Orphaned] {
            refused(&date(from), body, ErrorCode::OnlineArchiveMustBeActiveToPause);
        }
    }
    for body in [&start, &off] {
        assert_eq!(state(S::Paused, body), S::Idle);
        assert_eq!(state(S::Pausing, body), S::Archiving);
        assert_eq!(state(S::Idle, body), S::Idle);
        assert!(apply(&date(S::Paused), body).unwrap().resumed);
        let suspended = S::Suspended(SuspendReason::TableOlder);
        refused(&date(suspended), body, ErrorCode::ConcurrentModification);
    }
    refused(&date(S::Pending), &start, ErrorCode::OnlineArchiveCannotModifyField);
    assert_eq!(state(S::Pending, &off), S::Pending);
    let both = json!({ "state": "PAUSING", "paused": true });
    assert_eq!(state(S::Idle, &both), S::Paused);
    let torn = json!({ "state": "ACTIVE", "paused": true });
    assert!(apply(&date(S::Paused), &torn).is_ok_and(|merged| merged.resumed));
}

#[test]
fn filters_are_parsed_before_they_are_kept() {
    for right in [
        r#"{"status": "closed"}"#,
        r#"{"$and": [{"a": {"$lt": {"$date": "2024-01-01T00:00:00Z"}}}, {"b": {"$in": [1, 2]}}]}"#,
    ] {
        assert!(check_filter(right, 0).is_ok(), "{right}");
    }
    for wrong in [r#"{"a": {"$bogus": 1}}"#, r#"{"$or": 1}"#, "[1]", "{"] {
        let error = check_filter(wrong, 0).expect_err("must be refused");
        assert_eq!(error.problem().fields[0].field, "criteria.query", "{wrong}");
    }
}
