//! `/api/portolan/v1/groups/{groupId}/clusters`: attaching, connection strings, archives in full.

use serde_json::{Value, json};

use super::groups_clusters::ready_cluster;
use super::world::{Answer, Caller, World};

async fn own(world: &World, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let target = format!("/api/portolan/v1{path}");
    world.call_as(&world.owner(), method, &target, body, "application/json").await
}

#[tokio::test]
async fn an_attached_cluster_is_a_cluster_like_any_other() {
    let world = World::new().await;
    let group = world.project("P").await;
    let path = format!("/groups/{group}/clusters:attach");
    let body = json!({ "name": "Live", "connectionString": "mongodb://u:secret@db1:27017/" });
    let made = own(&world, "POST", &path, Some(&body)).await.expect(201);
    assert_eq!(made.json["level"], "L1");
    assert_eq!(made.json["mongoDBVersion"], "7.0.0");
    assert_eq!(made.json["hosts"], json!(["db1:27017"]));
    assert!(made.json["levelReasons"].is_array() && !made.text.contains("secret"));
    let owner = world.owner();
    let seen = world.get(&owner, &format!("/groups/{group}/clusters/Live")).await.expect(200);
    assert_eq!(seen.str("/connectionStrings/standard"), "mongodb://db1:27017/");
    assert_eq!(seen.json["stateName"], "IDLE");
    let listed = own(&world, "GET", &format!("/groups/{group}/clusters"), None).await.expect(200);
    assert_eq!(listed.str("/results/0/kind"), "ATTACHED");
    let escaped = path.replace(':', "%3A");
    let twin = own(&world, "POST", &escaped, Some(&body)).await;
    assert_eq!(twin.refusal(), (400, "DUPLICATE_CLUSTER_NAME"));
}

#[tokio::test]
async fn strings_that_would_reach_beyond_a_cluster_are_refused() {
    let world = World::new().await;
    let group = world.project("P").await;
    let path = format!("/groups/{group}/clusters:attach");
    for uri in ["file:///etc/passwd", "mongodb://h/?tlsCAFile=/etc/passwd", "mongodb:///tmp/x.sock"]
    {
        let body = json!({ "name": "Live", "connectionString": uri });
        let refused = own(&world, "POST", &path, Some(&body)).await;
        assert_eq!(refused.refusal(), (400, "INVALID_ATTRIBUTE"), "{uri}");
        assert_eq!(refused.str("/badRequestDetail/fields/0/field"), "connectionString");
    }
}

#[tokio::test]
async fn strings_and_details_of_an_archive() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    ready_cluster(&world, &group, "C").await;
    let strings = format!("/groups/{group}/clusters/C/connectionStrings");
    let before = own(&world, "GET", &strings, None).await.expect(200);
    assert_eq!(before.json["archive"], Value::Null, "there is no archive yet");
    let body = json!({
        "dbName": "sales", "collName": "orders",
        "criteria": { "dateField": "at", "expireAfterDays": 1 },
    });
    let path = format!("/groups/{group}/clusters/C/onlineArchives");
    let id = world.post(&owner, &path, body).await.expect(200).str("/_id");
    let after = own(&world, "GET", &strings, None).await.expect(200);
    for name in ["cluster", "archive", "clusterAndArchive"] {
        let string = after.str(&format!("/{name}"));
        assert!(string.starts_with("mongodb://<db_username>:<db_password>@"), "{string}");
    }
    let one = own(&world, "GET", &format!("{path}/{id}"), None).await.expect(200);
    assert_eq!(one.json["state"], "PENDING");
    assert_eq!(one.json["level"], "L1");
    assert_eq!(one.json["totals"]["documents"], 0);
    assert_eq!(one.str("/tableUri"), format!("memory:///archives/{id}"));
    let runs = own(&world, "GET", &format!("{path}/{id}/runs"), None).await.expect(200);
    assert_eq!(runs.json["totalCount"], 0);
    let none = format!("{path}/{id}/runs/0123456789abcdef01234567");
    assert_eq!(own(&world, "GET", &none, None).await.refusal(), (404, "RESOURCE_NOT_FOUND"));
}

/// A ready cluster `C` with an online archive: its path.
async fn new_archive(world: &World, owner: &Caller, group: &str) -> String {
    ready_cluster(world, group, "C").await;
    let body = json!({
        "dbName": "sales", "collName": "orders",
        "criteria": { "dateField": "at", "expireAfterDays": 1 },
    });
    let path = format!("/groups/{group}/clusters/C/onlineArchives");
    let id = world.post(owner, &path, body).await.expect(200).str("/_id");
    format!("{path}/{id}")
}

#[tokio::test]
async fn operators_hold_run_and_take_deletions_back() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let one = new_archive(&world, &owner, &group).await;
    let id = one.rsplit('/').next().expect("a path").to_owned();
    let act = |verb: &str| format!("{one}:{verb}");
    let empty = json!({});

    let ran = own(&world, "POST", &act("run"), Some(&empty)).await.expect(200);
    assert_eq!(ran.json["state"], "PENDING");
    let reason = json!({ "reason": "case 7" });
    let held = own(&world, "POST", &act("hold"), Some(&reason)).await.expect(200);
    assert_eq!(held.json["hold"]["reason"], "case 7");
    assert_eq!(world.host.rules_written(id.parse().expect("an id")), 1);
    let subject = json!({ "_id": 5, "reason": "request 12" });
    let held = own(&world, "POST", &act("redact"), Some(&subject)).await;
    assert_eq!(held.refusal(), (409, "ONLINE_ARCHIVE_HELD"));
    let details = own(&world, "GET", &one, None).await.expect(200);
    assert!(details.str("/hold/placedBy").starts_with("API_KEY "), "{}", details.text);
    let refused = world.delete(&owner, &one).await;
    assert_eq!(refused.refusal(), (409, "ONLINE_ARCHIVE_HELD"));
    let cluster = world.delete(&owner, &format!("/groups/{group}/clusters/C")).await;
    assert_eq!(cluster.refusal(), (409, "ONLINE_ARCHIVE_HELD"));
    world.host.fail_tables(true);
    let failed = own(&world, "POST", &act("release"), Some(&empty)).await;
    assert_eq!(failed.refusal(), (503, "SERVICE_UNAVAILABLE"));
    world.host.fail_tables(false);
    own(&world, "POST", &act("release"), Some(&empty)).await.expect(200);

    assert_eq!(world.delete(&owner, &one).await.status, 200);
    let back = own(&world, "POST", &act("undelete"), Some(&empty)).await.expect(200);
    assert_eq!(back.json["state"], "PAUSED");
    assert_eq!(world.get(&owner, &one).await.expect(200).json["state"], "PAUSED");
    let again = own(&world, "POST", &act("undelete"), Some(&empty)).await;
    assert_eq!(again.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let paused = own(&world, "POST", &act("run"), Some(&empty)).await;
    assert_eq!(paused.refusal(), (409, "ONLINE_ARCHIVE_NOT_ACTIVE"));
    let bad = own(&world, "GET", &format!("{one}:expiryPreview?expireAfterDays=1"), None).await;
    assert_eq!(bad.refusal(), (400, "VALIDATION_ERROR"));
    own(&world, "GET", &act("expiryPreview"), None).await.expect(200);
    let statistics = own(&world, "GET", &format!("{one}/statistics"), None).await.expect(200);
    assert_eq!(statistics.json["documents"], 0);
    let none = own(&world, "GET", &format!("{one}/operations"), None).await.expect(200);
    assert_eq!(none.json["totalCount"], 0);
}

#[tokio::test]
async fn operations_are_asked_for_and_told() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let one = new_archive(&world, &owner, &group).await;
    let act = |verb: &str| format!("{one}:{verb}");
    let empty = json!({});
    // A new archive cannot be paused before it was active; one that was undeleted is.
    world.delete(&owner, &one).await.expect(200);
    own(&world, "POST", &act("undelete"), Some(&empty)).await.expect(200);

    let wrong = json!({ "cluster": true });
    let refused = own(&world, "POST", &act("verify"), Some(&wrong)).await;
    assert_eq!(refused.refusal(), (400, "INVALID_ATTRIBUTE"));
    let queued = own(&world, "POST", &act("verify"), Some(&empty)).await.expect(200);
    assert_eq!((queued.str("/kind"), queued.str("/state")), ("VERIFY".into(), "QUEUED".into()));
    let same = own(&world, "POST", &act("verify"), Some(&empty)).await.expect(200);
    assert_eq!(same.str("/_id"), queued.str("/_id"), "asked for twice, done once");
    own(&world, "POST", &act("estimate"), Some(&empty)).await.expect(200);
    let bad = json!({ "filter": "{\"$nosuch\": 1}" });
    let refused = own(&world, "POST", &act("restore"), Some(&bad)).await;
    assert_eq!(refused.refusal(), (400, "VALIDATION_ERROR"));
    let bad = json!({ "dbName": "admin" });
    let refused = own(&world, "POST", &act("restore"), Some(&bad)).await;
    assert_eq!(refused.refusal(), (400, "VALIDATION_ERROR"));
    let some = json!({ "filter": "{\"a\": 1}", "preview": true });
    let asked = own(&world, "POST", &act("restore"), Some(&some)).await.expect(200);
    assert_eq!(asked.json["request"]["onConflict"], "SKIP");
    for bad in [
        json!({ "$gt": 1 }),
        json!([1]),
        json!({ "$regularExpression": {"pattern": "", "options": ""} }),
    ] {
        let bad = json!({ "_id": bad, "reason": "x" });
        let refused = own(&world, "POST", &act("redact"), Some(&bad)).await;
        assert_eq!(refused.refusal(), (400, "VALIDATION_ERROR"));
    }
    let anonymous = json!({ "reason": "x" });
    let refused = own(&world, "POST", &act("redact"), Some(&anonymous)).await;
    assert_eq!(refused.refusal(), (400, "MISSING_ATTRIBUTE"));
    let subject = json!({ "_id": { "$oid": "650000000000000000000001" }, "reason": "request 12" });
    let asked = own(&world, "POST", &act("redact"), Some(&subject)).await.expect(200);
    assert_eq!(
        (asked.str("/kind"), asked.json["request"]["reason"].clone()),
        ("REDACT".into(), json!("request 12"))
    );
    let one_of_them = format!("{one}/operations/{}", queued.str("/_id"));
    let shown = own(&world, "GET", &one_of_them, None).await.expect(200);
    assert_eq!(shown.json["request"]["againstCluster"], false);
    let explained = own(&world, "GET", &act("explain"), None).await.expect(200);
    assert_eq!(
        (explained.str("/state"), explained.json["operations"].clone()),
        ("PAUSED".into(), json!(4))
    );
    assert!(explained.str("/because").starts_with("Paused"));
}
