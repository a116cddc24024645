//! `/groups/{groupId}/clusters/{clusterName}/onlineArchives`, and one archive below it.

use serde_json::{Value, json};

use super::groups_clusters::ready_cluster;
use super::world::World;

struct Place {
    world: World,
    group: String,
    path: String,
}

async fn place() -> Place {
    let world = World::new().await;
    let group = world.project("P").await;
    ready_cluster(&world, &group, "C").await;
    let path = format!("/groups/{group}/clusters/C/onlineArchives");
    Place { world, group, path }
}

/// As the Atlas CLI sends it: no criteria type, no partition fields.
fn body() -> Value {
    json!({
        "dbName": "sample_flights",
        "collName": "flights",
        "criteria": { "dateField": "time_hour", "dateFormat": "ISODATE", "expireAfterDays": 3 },
        "partitionFields": [],
    })
}

/// Keys, order and values as public recordings of the service show them.
const RECORDED: &str = concat!(
    r#"{"_id":"{id}","clusterName":"C","collName":"flights","collectionType":"STANDARD","#,
    r#""criteria":{"dateField":"time_hour","dateFormat":"ISODATE","expireAfterDays":3,"#,
    r#""type":"DATE"},"dataProcessRegion":{"cloudProvider":"AWS","region":"US_EAST_1"},"#,
    r#""dbName":"sample_flights","groupId":"{group}","partitionFields":[{"fieldName":"#,
    r#""time_hour","fieldType":null,"order":0}],"paused":false,"#,
    r#""schedule":{"type":"DEFAULT"},"state":"PENDING"}"#,
);

#[tokio::test]
async fn an_archive_as_the_cli_makes_it() {
    let Place { world, group, path } = place().await;
    let owner = world.owner();
    let made = world.post(&owner, &path, body()).await.expect(200);
    let id = made.str("/_id");
    let expected = RECORDED.replace("{id}", &id).replace("{group}", &group);
    assert_eq!(made.text, expected);
    let one = world.get(&owner, &format!("{path}/{id}")).await.expect(200);
    assert_eq!(one.text, expected);
    let list = world.get(&owner, &path).await.expect(200);
    assert_eq!((&list.json["totalCount"], &list.json["results"][0]), (&json!(1), &one.json));
}

/// The recorded answers of the Atlas CLI's own tests against the service.
#[tokio::test]
async fn pause_and_start_of_a_pending_archive() {
    let Place { world, path, .. } = place().await;
    let owner = world.owner();
    let id = world.post(&owner, &path, body()).await.expect(200).str("/_id");
    let one = format!("{path}/{id}");
    let pause = world.patch(&owner, &one, json!({ "_id": id, "state": "PAUSING" })).await;
    assert_eq!(pause.refusal(), (409, "ONLINE_ARCHIVE_MUST_BE_ACTIVE_TO_PAUSE"));
    assert_eq!(pause.header("x-error-code"), "ONLINE_ARCHIVE_MUST_BE_ACTIVE_TO_PAUSE");
    assert_eq!(
        pause.json["detail"],
        "An archive must be in an active state in order to be paused."
    );
    let start = world.patch(&owner, &one, json!({ "_id": id, "state": "ACTIVE" })).await;
    assert_eq!(start.refusal(), (400, "ONLINE_ARCHIVE_CANNOT_MODIFY_FIELD"));
    assert_eq!(start.json["detail"], "The request contained modifications to immutable fields.");
    let update = json!({ "_id": id, "criteria": { "expireAfterDays": 5 } });
    let updated = world.patch(&owner, &one, update).await.expect(200);
    let criteria = json!({
        "dateField": "time_hour", "dateFormat": "ISODATE", "expireAfterDays": 5, "type": "DATE"
    });
    assert_eq!(updated.json["criteria"], criteria);
    let deleted = world.delete(&owner, &one).await.expect(200);
    assert_eq!(deleted.text, "{}");
    let gone = world.get(&owner, &one).await;
    assert_eq!(gone.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let what = format!("Online archive with id {id}");
    assert_eq!(gone.json["detail"], format!("Cannot find resource {what}."));
    assert_eq!(gone.json["parameters"], json!([what]));
}

/// The forms of the Terraform provider.
#[tokio::test]
async fn what_terraform_sends() {
    let Place { world, path, .. } = place().await;
    let owner = world.owner();
    let made = json!({
        "dbName": "sales",
        "collName": "orders",
        "collectionType": "STANDARD",
        "criteria": {
            "type": "DATE", "dateField": "at", "dateFormat": "ISODATE", "expireAfterDays": 2
        },
        "partitionFields": [
            { "fieldName": "at", "order": 0 },
            { "fieldName": "customer.id", "order": 1 },
        ],
        "dataExpirationRule": { "expireAfterDays": 90 },
        "dataProcessRegion": { "cloudProvider": "AWS", "region": "US_EAST_1" },
        "schedule": {
            "type": "DAILY", "startHour": 1, "startMinute": 1, "endHour": 1, "endMinute": 1
        },
    });
    let id = world.post(&owner, &path, made).await.expect(200).str("/_id");
    let one = format!("{path}/{id}");
    let changed = json!({
        "criteria": {
            "type": "DATE", "dateField": "at", "dateFormat": "ISODATE", "expireAfterDays": 7
        },
        "dataExpirationRule": {},
        "schedule": { "type": "DEFAULT" },
        "collectionType": "STANDARD",
        "paused": false,
    });
    let changed = world.patch(&owner, &one, changed).await.expect(200);
    assert_eq!(changed.json["criteria"]["expireAfterDays"], 7);
    assert_eq!(changed.json["schedule"], json!({ "type": "DEFAULT" }));
    assert_eq!(changed.json.get("dataExpirationRule"), None);
}

/// Errors that the Terraform provider's acceptance tests look for.
#[tokio::test]
async fn errors_that_terraform_expects() {
    let Place { world, path, .. } = place().await;
    let owner = world.owner();
    let mut region = body();
    region["dataProcessRegion"] = json!({ "cloudProvider": "AWS", "region": "UNKNOWN" });
    let region = world.post(&owner, &path, region).await;
    assert_eq!(region.refusal(), (400, "INVALID_ATTRIBUTE"));
    let mut format = body();
    format["criteria"]["dateFormat"] = json!("INVALID_FORMAT");
    let format = world.post(&owner, &path, format).await;
    assert_eq!(format.status, 400);
    let detail = format.str("/detail");
    let words = "An invalid enumeration value INVALID_FORMAT was specified";
    assert!(detail.contains(words), "{detail}");
}

#[tokio::test]
async fn bad_input_names_the_field_and_changes_nothing() {
    let Place { world, path, .. } = place().await;
    let owner = world.owner();
    for (pointer, value, code) in [
        ("/colour", json!(1), "INVALID_ATTRIBUTE"),
        ("/dbName", json!("admin"), "INVALID_DATABASE_NAME"),
        ("/collName", json!(""), "INVALID_COLLECTION_NAME"),
        ("/criteria/expireAfterDays", json!(-1), "VALIDATION_ERROR"),
        ("/criteria/expireAfterDays", json!("3"), "INVALID_JSON_ATTRIBUTE"),
        ("/criteria", json!({ "type": "CUSTOM", "query": "{}" }), "VALIDATION_ERROR"),
        ("/criteria", json!({ "type": "CUSTOM", "query": "{a:1}" }), "VALIDATION_ERROR"),
        (
            "/criteria",
            json!({ "type": "CUSTOM", "query": "{\"a\":{\"$bogus\":1}}" }),
            "VALIDATION_ERROR",
        ),
        ("/partitionFields", json!([{ "fieldName": "x", "order": 0 }]), "INVALID_ATTRIBUTE"),
        ("/schedule", json!({ "type": "DAILY", "startHour": 1, "endHour": 2 }), "VALIDATION_ERROR"),
        ("/dataExpirationRule", json!({ "expireAfterDays": 6 }), "VALIDATION_ERROR"),
        ("/collectionType", json!("TIMESERIES"), "INVALID_ATTRIBUTE"),
    ] {
        let mut body = body();
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        body.pointer_mut(parent).expect("it is there")[key] = value;
        let refused = world.post(&owner, &path, body).await;
        assert_eq!(refused.refusal(), (400, code), "{pointer}: {}", refused.text);
        let field = refused.str("/badRequestDetail/fields/0/field");
        assert!(field.starts_with(pointer[1..].split('/').next().unwrap()), "{field}");
    }
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
}

#[tokio::test]
async fn clashes_and_foreign_ids() {
    let Place { world, group, path } = place().await;
    let owner = world.owner();
    let id = world.post(&owner, &path, body()).await.expect(200).str("/_id");
    let same = world.post(&owner, &path, body()).await;
    assert_eq!(same.refusal(), (409, "ONLINE_ARCHIVE_ALREADY_EXISTS"));
    let mut other = body();
    other["criteria"]["expireAfterDays"] = json!(4);
    let other = world.post(&owner, &path, other).await;
    assert_eq!(other.refusal(), (409, "NAMESPACE_HAS_ONLINE_ARCHIVE"));
    let nowhere = format!("/groups/{group}/clusters/X/onlineArchives");
    let nowhere = world.post(&owner, &nowhere, body()).await;
    assert_eq!(nowhere.refusal(), (404, "CLUSTER_NOT_FOUND"));
    let second = world.project("Q").await;
    ready_cluster(&world, &second, "C").await;
    let foreign = format!("/groups/{second}/clusters/C/onlineArchives/{id}");
    for answer in [
        world.get(&owner, &foreign).await,
        world.patch(&owner, &foreign, json!({ "paused": true })).await,
        world.delete(&owner, &foreign).await,
    ] {
        assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND"));
    }
    world.get(&owner, &format!("{path}/{id}")).await.expect(200);
}

#[tokio::test]
async fn archives_go_with_their_cluster() {
    let Place { world, group, path } = place().await;
    let owner = world.owner();
    world.post(&owner, &path, body()).await.expect(200);
    world.delete(&owner, &format!("/groups/{group}/clusters/C")).await.expect(202);
    let late = world.post(&owner, &path, body()).await;
    let known = [(400, "CLUSTER_ALREADY_REQUESTED_DELETION"), (404, "CLUSTER_NOT_FOUND")];
    assert!(known.contains(&late.refusal()), "{}", late.text);
}
