//! Every default and every refusal of the archive bodies.

use portolan_model::{
    ArchiveId, ArchiveState, ClusterId, CollectionType, Criteria, DateFormat, Namespace,
    OnlineArchive, ProjectId, Schedule,
};
use serde_json::{Value, json};

use super::{ArchiveDraft, ArchivePatch, OnlineArchiveView, parse_create, parse_update};
use crate::{ErrorCode, Fields, Problem};

fn fields(body: &Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

fn create(body: &Value) -> Result<ArchiveDraft, Problem> {
    parse_create(fields(body))
}

fn update(body: &Value) -> Result<ArchivePatch, Problem> {
    parse_update(fields(body))
}

/// The smallest body, as the Atlas CLI sends it: no criteria type.
fn body() -> Value {
    json!({
        "dbName": "sales",
        "collName": "orders",
        "criteria": { "dateField": "created", "dateFormat": "ISODATE", "expireAfterDays": 30 },
        "partitionFields": [],
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = body();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    parent.insert(key.to_owned(), value);
    body
}

fn without(pointer: &str) -> Value {
    let mut body = body();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(key);
    body
}

fn custom(query: &str) -> Value {
    with("/criteria", json!({ "type": "CUSTOM", "query": query }))
}

#[track_caller]
fn refused(body: &Value, code: ErrorCode, field: &str) {
    let problem = create(body).expect_err("must be refused");
    assert_eq!(problem.code, code, "{problem}");
    let fields: Vec<&str> = problem.fields.iter().map(|violation| &*violation.field).collect();
    assert!(fields.contains(&field), "{field} is not named: {fields:?}");
}

#[test]
fn the_cli_body_gets_the_documented_defaults() {
    let draft = create(&body()).unwrap();
    assert_eq!(draft.namespace, Namespace::new("sales", "orders").unwrap());
    assert_eq!(draft.collection_type, CollectionType::Standard);
    let age = Criteria::Date {
        field: "created".into(),
        format: DateFormat::IsoDate,
        expire_after_days: 30,
    };
    assert_eq!(draft.criteria, age);
    assert_eq!(draft.partition_fields.len(), 1);
    assert_eq!(draft.partition_fields[0].name, "created");
    assert_eq!(draft.partition_fields[0].order, 0);
    assert_eq!(draft.schedule, Schedule::Default);
    assert_eq!((draft.region, draft.expire_after_days, draft.paused), (None, None, false));
}

#[test]
fn read_only_fields_are_ignored_and_null_is_absent() {
    let mut all = body();
    let map = all.as_object_mut().unwrap();
    for name in ["_id", "clusterName", "dataSetName", "groupId", "links", "state"] {
        map.insert(name.into(), json!("x"));
    }
    for name in ["dataExpirationRule", "dataProcessRegion", "schedule", "paused"] {
        map.insert(name.into(), Value::Null);
    }
    assert!(create(&all).is_ok());
}

#[test]
fn every_format_and_the_whole_range_of_ages() {
    for format in DateFormat::ALL {
        assert!(create(&with("/criteria/dateFormat", json!(format.as_str()))).is_ok());
    }
    for days in [0, i32::MAX] {
        assert!(create(&with("/criteria/expireAfterDays", json!(days))).is_ok());
    }
    let default = create(&without("/criteria/dateFormat")).unwrap();
    assert!(matches!(default.criteria, Criteria::Date { format: DateFormat::IsoDate, .. }));
}

#[test]
fn required_fields() {
    use ErrorCode::MissingAttribute;
    refused(&without("/dbName"), MissingAttribute, "dbName");
    refused(&without("/collName"), MissingAttribute, "collName");
    refused(&without("/criteria"), MissingAttribute, "criteria");
    refused(&without("/criteria/dateField"), MissingAttribute, "criteria.dateField");
    refused(&without("/criteria/expireAfterDays"), MissingAttribute, "criteria.expireAfterDays");
    let custom = with("/criteria", json!({ "type": "CUSTOM" }));
    refused(&custom, MissingAttribute, "criteria.query");
}

#[test]
fn unknown_fields_are_named_at_every_depth() {
    use ErrorCode::InvalidAttribute;
    refused(&with("/colour", json!(1)), InvalidAttribute, "colour");
    refused(&with("/criteria/colour", json!(1)), InvalidAttribute, "criteria.colour");
    refused(&with("/criteria/query", json!("{\"a\":1}")), InvalidAttribute, "criteria.query");
    let field = json!([{ "fieldName": "created", "order": 0, "colour": 1 }]);
    refused(&with("/partitionFields", field), InvalidAttribute, "partitionFields[0].colour");
    let rule = json!({ "expireAfterDays": 7, "colour": 1 });
    refused(&with("/dataExpirationRule", rule), InvalidAttribute, "dataExpirationRule.colour");
    let schedule = json!({ "type": "DEFAULT", "startHour": 1 });
    refused(&with("/schedule", schedule), InvalidAttribute, "schedule.startHour");
}

#[test]
fn wrong_types() {
    use ErrorCode::InvalidJsonAttribute as Wrong;
    refused(&with("/dbName", json!(1)), Wrong, "dbName");
    refused(&with("/criteria", json!("DATE")), Wrong, "criteria");
    refused(&with("/criteria/expireAfterDays", json!("30")), Wrong, "criteria.expireAfterDays");
    refused(&with("/criteria/expireAfterDays", json!(1.5)), Wrong, "criteria.expireAfterDays");
    refused(&with("/partitionFields", json!({})), Wrong, "partitionFields");
    refused(&with("/partitionFields", json!(["created"])), Wrong, "partitionFields");
    refused(&with("/paused", json!("no")), Wrong, "paused");
    refused(&with("/schedule", json!("DAILY")), Wrong, "schedule");
}

#[test]
fn names_of_collections() {
    use ErrorCode::{InvalidCollectionName as Coll, InvalidDatabaseName as Db, ValidationError};
    for name in ["admin", "local", "config", "portolan", "a.b", "a b", "a$"] {
        refused(&with("/dbName", json!(name)), Db, "dbName");
    }
    refused(&with("/dbName", json!("x".repeat(65))), ValidationError, "dbName");
    refused(&with("/dbName", json!("")), ValidationError, "dbName");
    for name in ["", ".a", "a$b", "system.views", "fs.files", "fs.chunks"] {
        refused(&with("/collName", json!(name)), Coll, "collName");
    }
    refused(&with("/collName", json!("x".repeat(255))), Coll, "collName");
}

#[test]
fn criteria_out_of_range() {
    use ErrorCode::{InvalidEnumValue, ValidationError};
    let at = "criteria.expireAfterDays";
    refused(&with("/criteria/expireAfterDays", json!(-1)), ValidationError, at);
    refused(&with("/criteria/expireAfterDays", json!(2_147_483_648_i64)), ValidationError, at);
    refused(&with("/criteria/type", json!("AGE")), InvalidEnumValue, "criteria.type");
    let format = with("/criteria/dateFormat", json!("INVALID_FORMAT"));
    refused(&format, InvalidEnumValue, "criteria.dateFormat");
    let text = create(&format).unwrap_err().detail;
    assert!(text.contains("An invalid enumeration value INVALID_FORMAT was specified"), "{text}");
    for field in ["", ".a", "a.", "a..b", "$a", "a.$b", &"x".repeat(701)] {
        refused(&with("/criteria/dateField", json!(field)), ValidationError, "criteria.dateField");
    }
}

#[test]
fn custom_filters() {
    use ErrorCode::{InvalidAttribute, ValidationError};
    let draft = create(&custom(r#"{"done": true}"#)).unwrap();
    assert_eq!(draft.criteria, Criteria::Custom { query: r#"{"done": true}"#.into() });
    assert!(draft.partition_fields.is_empty());
    for query in ["", "{}", "  { } ", "[]", "1", "{done: true}", "{'done': 1}", "{\"a\":1"] {
        refused(&custom(query), ValidationError, "criteria.query");
    }
    let mut sdk = custom(r#"{"a":1}"#);
    sdk["criteria"]["dateFormat"] = json!("ISODATE");
    assert!(create(&sdk).is_ok(), "the Go SDK's constructor sends this default");
    sdk["criteria"]["dateFormat"] = json!("OBJECT_ID");
    refused(&sdk, InvalidAttribute, "criteria.dateFormat");
}

#[test]
fn partition_fields_keep_their_order() {
    let given = json!([
        { "fieldName": "carrier", "order": 2 },
        { "fieldName": "created", "order": 0, "fieldType": "date" },
        { "fieldName": "a.b", "order": 1, "fieldType": null },
    ]);
    let draft = create(&with("/partitionFields", given)).unwrap();
    let names: Vec<&str> = draft.partition_fields.iter().map(|field| &*field.name).collect();
    assert_eq!(names, ["created", "a.b", "carrier"]);
    assert!(draft.partition_fields.iter().all(|field| field.field_type.is_none()));
    let unordered = json!([{ "fieldName": "carrier" }, { "fieldName": "created" }]);
    let draft = create(&with("/partitionFields", unordered)).unwrap();
    assert_eq!(draft.partition_fields[1].order, 1);
}

#[test]
fn partition_rules() {
    use ErrorCode::{InvalidAttribute, MissingAttribute, ValidationError};
    let of = |names: &[&str]| {
        let fields = names.iter().zip(0..).map(|(n, o)| json!({ "fieldName": n, "order": o }));
        Value::Array(fields.collect())
    };
    let at = "partitionFields";
    refused(&with("/partitionFields", of(&["a"])), InvalidAttribute, at);
    let four = of(&["created", "a", "b", "c"]);
    refused(&with("/partitionFields", four), ValidationError, at);
    let mut three = custom(r#"{"a":1}"#);
    three["partitionFields"] = of(&["a", "b", "c"]);
    refused(&three, ValidationError, at);
    three["partitionFields"] = of(&["a", "b"]);
    assert!(create(&three).is_ok());
    let twice = of(&["created", "created"]);
    refused(&with("/partitionFields", twice), ValidationError, "partitionFields[1].fieldName");
    let mut same = of(&["created", "a"]);
    same[1]["order"] = json!(0);
    refused(&with("/partitionFields", same), ValidationError, "partitionFields[1].order");
    let mut negative = of(&["created"]);
    negative[0]["order"] = json!(-1);
    refused(&with("/partitionFields", negative), ValidationError, "partitionFields[0].order");
    let long = of(&["created", &"x".repeat(701)]);
    refused(&with("/partitionFields", long), ValidationError, "partitionFields[1].fieldName");
    let nameless = json!([{ "order": 0 }]);
    refused(&with("/partitionFields", nameless), MissingAttribute, "partitionFields[0].fieldName");
}

#[test]
fn expiration_rule() {
    let at = "dataExpirationRule.expireAfterDays";
    let rule = |days: i64| with("/dataExpirationRule", json!({ "expireAfterDays": days }));
    assert_eq!(create(&rule(7)).unwrap().expire_after_days, Some(7));
    assert_eq!(create(&rule(9215)).unwrap().expire_after_days, Some(9215));
    assert_eq!(create(&with("/dataExpirationRule", json!({}))).unwrap().expire_after_days, None);
    for days in [6, 9216, 0, -7] {
        refused(&rule(days), ErrorCode::ValidationError, at);
    }
}

#[test]
fn regions() {
    let of = |provider: &str, region: &str| {
        with("/dataProcessRegion", json!({ "cloudProvider": provider, "region": region }))
    };
    let draft = create(&of("AWS", "EU_CENTRAL_1")).unwrap();
    assert_eq!(draft.region.unwrap().region, "EU_CENTRAL_1");
    let at = "dataProcessRegion.region";
    refused(&of("AWS", "EUROPE_WEST"), ErrorCode::InvalidAttribute, at);
    refused(&of("AWS", "MARS_1"), ErrorCode::InvalidAttribute, at);
    let provider = "dataProcessRegion.cloudProvider";
    refused(&of("ORACLE", "US_EAST_1"), ErrorCode::InvalidEnumValue, provider);
    let half = with("/dataProcessRegion", json!({ "cloudProvider": "AWS" }));
    refused(&half, ErrorCode::MissingAttribute, at);
    let half = with("/dataProcessRegion", json!({ "region": "US_EAST_1" }));
    refused(&half, ErrorCode::MissingAttribute, provider);
}

#[test]
fn schedules() {
    use ErrorCode::{InvalidAttribute, InvalidEnumValue, MissingAttribute, ValidationError};
    let day = json!({
        "type": "DAILY", "startHour": 1, "startMinute": 1, "endHour": 1, "endMinute": 1
    });
    assert!(matches!(
        create(&with("/schedule", day.clone())).unwrap().schedule,
        Schedule::Daily(_)
    ));
    let change = |name: &str, value: Value| {
        let mut changed = day.clone();
        changed[name] = value;
        with("/schedule", changed)
    };
    refused(&change("type", json!("HOURLY")), InvalidEnumValue, "schedule.type");
    refused(&change("type", Value::Null), MissingAttribute, "schedule.type");
    refused(&change("startHour", json!(24)), ValidationError, "schedule.startHour");
    refused(&change("endMinute", json!(60)), ValidationError, "schedule.endMinute");
    refused(&change("startHour", Value::Null), MissingAttribute, "schedule.startHour");
    refused(&change("endHour", json!(2)), ValidationError, "schedule");
    refused(&change("dayOfWeek", json!(2)), InvalidAttribute, "schedule.dayOfWeek");
    refused(&change("type", json!("WEEKLY")), MissingAttribute, "schedule.dayOfWeek");
    refused(&change("type", json!("MONTHLY")), MissingAttribute, "schedule.dayOfMonth");
    let weekly = json!({ "type": "WEEKLY", "dayOfWeek": 8, "startHour": 0, "endHour": 3 });
    refused(&with("/schedule", weekly), ValidationError, "schedule.dayOfWeek");
    let monthly = json!({ "type": "MONTHLY", "dayOfMonth": 31, "startHour": 22, "endHour": 3 });
    let schedule = create(&with("/schedule", monthly)).unwrap().schedule;
    assert!(matches!(schedule, Schedule::Monthly(_, 31)));
}

#[test]
fn time_series_take_iso_dates_only() {
    let mut body = with("/collectionType", json!("TIMESERIES"));
    assert_eq!(create(&body).unwrap().collection_type, CollectionType::TimeSeries);
    body["criteria"]["dateFormat"] = json!("EPOCH_MILLIS");
    refused(&body, ErrorCode::InvalidAttribute, "criteria.dateFormat");
    body["criteria"] = json!({ "type": "CUSTOM", "query": "{\"a\":1}" });
    refused(&body, ErrorCode::InvalidAttribute, "criteria.type");
    refused(&with("/collectionType", json!("VIEW")), ErrorCode::InvalidEnumValue, "collectionType");
}

#[test]
fn the_forms_of_updates_that_clients_send() {
    let cli = update(&json!({ "_id": "a", "criteria": { "expireAfterDays": 9 } })).unwrap();
    assert_eq!(cli.criteria.unwrap().expire_after_days, Some(9));
    assert_eq!(cli.fixed.id.as_deref(), Some("a"));
    let pause = update(&json!({ "_id": "a", "state": "PAUSING" })).unwrap();
    assert_eq!(pause.state.as_deref(), Some("PAUSING"));
    let dropped = update(&json!({ "dataExpirationRule": {} })).unwrap();
    assert_eq!(dropped.expire_after_days, Some(None));
    let kept = update(&json!({ "paused": true })).unwrap();
    assert_eq!((kept.expire_after_days, kept.paused), (None, Some(true)));
    assert_eq!(update(&json!({})).unwrap(), ArchivePatch::default());
}

#[test]
fn updates_are_checked_like_creations() {
    for body in [
        json!({ "state": "SLEEPING" }),
        json!({ "criteria": { "expireAfterDays": -1 } }),
        json!({ "criteria": { "query": "{}" } }),
        json!({ "schedule": { "type": "DAILY", "startHour": 1, "endHour": 2 } }),
        json!({ "dataExpirationRule": { "expireAfterDays": 1 } }),
        json!({ "colour": 1 }),
    ] {
        assert!(update(&body).is_err(), "{body}");
    }
}

fn archive(draft: ArchiveDraft) -> OnlineArchive {
    OnlineArchive {
        id: ArchiveId::new([1; 12]),
        project_id: ProjectId::new([2; 12]),
        cluster_id: ClusterId::new([3; 12]),
        cluster_name: "Cluster0".into(),
        namespace: draft.namespace,
        collection_type: draft.collection_type,
        criteria: draft.criteria,
        criteria_version: 1,
        partition_fields: draft.partition_fields,
        expire_after_days: draft.expire_after_days,
        region: draft.region.unwrap_or_default(),
        schedule: draft.schedule,
        state: ArchiveState::Pending,
        table_uri: "memory:///x".into(),
        created_at: 0,
        deleted_at: None,
    }
}

/// Keys, order and values as public client recordings show them.
#[test]
fn a_new_archive_on_the_wire() {
    let view = OnlineArchiveView::from(&archive(create(&body()).unwrap()));
    let text = serde_json::to_string(&view).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"_id":"010101010101010101010101","clusterName":"Cluster0","collName":"orders","#,
            r#""collectionType":"STANDARD","criteria":{"dateField":"created","dateFormat":"#,
            r#""ISODATE","expireAfterDays":30,"type":"DATE"},"dataProcessRegion":"#,
            r#"{"cloudProvider":"AWS","region":"US_EAST_1"},"dbName":"sales","groupId":"#,
            r#""020202020202020202020202","partitionFields":[{"fieldName":"created","#,
            r#""fieldType":null,"order":0}],"paused":false,"schedule":{"type":"DEFAULT"},"#,
            r#""state":"PENDING"}"#
        )
    );
}

#[test]
fn states_and_schedules_on_the_wire() {
    let weekly = json!({ "type": "WEEKLY", "dayOfWeek": 5, "startHour": 22, "endHour": 3 });
    let mut body = with("/schedule", weekly);
    body["dataExpirationRule"] = json!({ "expireAfterDays": 365 });
    let mut archive = archive(create(&body).unwrap());
    archive.state = ArchiveState::Idle;
    let wire = serde_json::to_value(OnlineArchiveView::from(&archive)).unwrap();
    assert_eq!(wire["state"], "ACTIVE");
    assert_eq!(wire["paused"], false);
    assert_eq!(wire["dataExpirationRule"], json!({ "expireAfterDays": 365 }));
    let schedule = json!({
        "dayOfWeek": 5, "endHour": 3, "endMinute": 0, "startHour": 22, "startMinute": 0,
        "type": "WEEKLY"
    });
    assert_eq!(wire["schedule"], schedule);
    archive.state = ArchiveState::Pausing;
    let wire = serde_json::to_value(OnlineArchiveView::from(&archive)).unwrap();
    assert_eq!((&wire["state"], &wire["paused"]), (&json!("PAUSING"), &json!(true)));
}
