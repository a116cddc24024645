//! `/groups/{groupId}/clusters`, `/groups/{groupId}/clusters/{clusterName}`.

use serde_json::{Value, json};

use super::world::{Caller, World};

const V20230101: &str = "application/vnd.atlas.2023-01-01+json";
const V20230201: &str = "application/vnd.atlas.2023-02-01+json";
const V20240805: &str = "application/vnd.atlas.2024-08-05+json";

/// Makes a cluster and waits until it is ready, as clients do.
pub(super) async fn ready_cluster(world: &World, group: &str, name: &str) -> Value {
    let path = format!("/groups/{group}/clusters");
    world.post(&world.owner(), &path, json!({ "name": name })).await.expect(201);
    for _ in 0..10_000 {
        let found = world.get(&world.owner(), &format!("{path}/{name}")).await.expect(200);
        if found.json["stateName"] == "IDLE" {
            return found.json;
        }
        tokio::task::yield_now().await;
    }
    panic!("{name} does not become ready");
}

fn body(name: &str) -> Value {
    json!({
        "name": name,
        "clusterType": "REPLICASET",
        "replicationSpecs": [{ "regionConfigs": [{
            "providerName": "AWS",
            "regionName": "US_EAST_1",
            "priority": 7,
            "electableSpecs": { "instanceSize": "M10", "nodeCount": 3, "diskSizeGB": 10.0 },
        }] }],
    })
}

#[tokio::test]
async fn a_cluster_from_creation_to_removal() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/clusters");
    let made = world.post(&owner, &path, body("C")).await.expect(201);
    assert_eq!(made.header("content-type"), "application/vnd.atlas.2024-10-23+json;charset=utf-8");
    assert_eq!(made.json["stateName"], "CREATING");
    assert_eq!(made.json["replicationSpecs"][0]["zoneName"], "Zone 1");
    assert_eq!(made.str("/replicationSpecs/0/id").len(), 24);
    ready_cluster(&world, &group, "D").await;
    let found = world.get(&owner, &format!("{path}/D")).await.expect(200);
    assert_eq!(found.header("content-type"), "application/vnd.atlas.2024-08-05+json;charset=utf-8");
    assert!(found.str("/connectionStrings/standard").starts_with("mongodb://localhost:"));
    assert_eq!(found.json["connectionStrings"].get("standardSrv"), None);
    let deleted = world.delete(&owner, &format!("{path}/D")).await.expect(202);
    assert_eq!(deleted.text, "{}");
    for _ in 0..10_000 {
        let answer = world.get(&owner, &format!("{path}/D")).await;
        if answer.refusal() == (404, "CLUSTER_NOT_FOUND") {
            let detail = format!("No cluster named D exists in group {group}.");
            assert_eq!(answer.json["detail"], detail);
            assert_eq!(answer.json["parameters"], json!(["D", group]));
            return;
        }
        assert_eq!(answer.json["stateName"], "DELETING");
        tokio::task::yield_now().await;
    }
    panic!("the cluster does not go away");
}

#[tokio::test]
async fn the_count_is_always_there() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/clusters?includeCount=false");
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
    ready_cluster(&world, &group, "C").await;
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 1);
}

#[tokio::test]
async fn versions_of_clusters() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/api/atlas/v2/groups/{group}/clusters");
    let made = world.call_as(&owner, "POST", &path, Some(&body("C")), V20240805).await.expect(201);
    assert_eq!(made.header("sunset"), "Mon, 1 Mar 2027 00:00:00 GMT");
    let one = format!("{path}/C");
    let old = world.call_as(&owner, "GET", &one, None, V20230201).await.expect(200);
    assert_eq!(old.json["replicationSpecs"][0]["numShards"], 1);
    assert_eq!(old.json["diskSizeGB"], 10.0);
    assert_eq!(old.header("sunset"), "Thu, 1 Jul 2027 00:00:00 GMT");
    let new = world.call_as(&owner, "GET", &one, None, V20240805).await.expect(200);
    assert_eq!(new.json.get("diskSizeGB"), None);
    assert_eq!(new.header("sunset"), "");
}

#[tokio::test]
async fn refusals_change_nothing() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/clusters");
    let mut protected = body("C");
    protected["terminationProtectionEnabled"] = json!(true);
    world.post(&owner, &path, protected).await.expect(201);
    let kept = world.delete(&owner, &format!("{path}/C")).await;
    let code = "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED";
    assert_eq!(kept.refusal(), (400, code));
    let twin = world.post(&owner, &path, body("C")).await;
    assert_eq!(twin.refusal(), (400, "DUPLICATE_CLUSTER_NAME"));
    let mut unknown = body("D");
    unknown["colour"] = json!("red");
    let unknown = world.post(&owner, &path, unknown).await;
    assert_eq!(unknown.refusal(), (400, "INVALID_ATTRIBUTE"));
    assert_eq!(unknown.str("/badRequestDetail/fields/0/field"), "colour");
    let named = world.post(&owner, &path, body("a b")).await;
    assert_eq!(named.refusal(), (400, "CLUSTER_NAME_INVALID"));
    let mut backups = body("D");
    backups["backupEnabled"] = json!(true);
    let backups = world.post(&owner, &path, backups).await;
    assert_eq!(backups.refusal(), (403, "FEATURE_UNSUPPORTED"));
    let retained = world.delete(&owner, &format!("{path}/C?retainBackups=perhaps")).await;
    assert_eq!(retained.refusal(), (400, "INVALID_QUERY_PARAMETER"));
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 1);
    let closing = world.delete(&owner, &format!("/groups/{group}")).await;
    assert_eq!(closing.refusal(), (409, "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS"));
}

#[tokio::test]
async fn readers_may_look_but_not_make() {
    let world = World::new().await;
    let group = world.project("P").await;
    let reader: Caller = world.key(&world.owner(), &world.org(), &["ORG_READ_ONLY"]).await;
    let path = format!("/groups/{group}/clusters");
    world.get(&reader, &path).await.expect(200);
    let made = world.post(&reader, &path, body("C")).await;
    assert_eq!(made.refusal(), (401, "USER_UNAUTHORIZED"));
}

/// Waits until nothing is under way.
async fn settled(world: &World, group: &str, name: &str) -> Value {
    for _ in 0..10_000 {
        let path = format!("/groups/{group}/clusters/{name}");
        let found = world.get(&world.owner(), &path).await.expect(200);
        if found.json["stateName"] == "IDLE" {
            return found.json;
        }
        assert!(["CREATING", "UPDATING"].contains(&found.json["stateName"].as_str().unwrap_or("")));
        tokio::task::yield_now().await;
    }
    panic!("{name} does not settle");
}

#[tokio::test]
async fn the_older_forms_are_read_and_written() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/api/atlas/v2/groups/{group}/clusters");
    let mut advanced = body("A");
    advanced["diskSizeGB"] = json!(20);
    advanced["replicationSpecs"][0]["numShards"] = json!(1);
    let specs = &mut advanced["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"];
    specs.as_object_mut().expect("hardware").remove("diskSizeGB");
    let made = world.call_as(&owner, "POST", &path, Some(&advanced), V20230201).await.expect(201);
    assert_eq!(made.header("sunset"), "Thu, 1 Jul 2027 00:00:00 GMT");
    assert_eq!(made.header("deprecation"), "Mon, 5 Aug 2024 00:00:00 GMT");
    assert_eq!(made.json["diskSizeGB"], 20.0);
    let flat = json!({ "name": "F", "providerSettings": {
        "providerName": "AZURE", "instanceSizeName": "M20", "regionName": "EUROPE_WEST",
    } });
    let made = world.call_as(&owner, "POST", &path, Some(&flat), V20230101).await.expect(201);
    assert_eq!(made.header("content-type"), "application/vnd.atlas.2023-01-01+json;charset=utf-8");
    assert_eq!(made.json["providerSettings"]["instanceSizeName"], "M20");
    assert_eq!(made.json["replicationSpec"]["EUROPE_WEST"]["electableNodes"], 3);
    settled(&world, &group, "F").await;
    let one = format!("{path}/F");
    let change =
        json!({ "providerSettings": { "providerName": "AZURE", "instanceSizeName": "M30" } });
    let changed = world.call_as(&owner, "PATCH", &one, Some(&change), V20230101).await.expect(200);
    assert_eq!(changed.json["stateName"], "UPDATING");
    let found = settled(&world, &group, "F").await;
    let hardware = &found["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"];
    assert_eq!((&hardware["instanceSize"], &hardware["nodeCount"]), (&json!("M30"), &json!(3)));
    let list = world.call_as(&owner, "GET", &path, None, V20230101).await.expect(200);
    let listed = list.json["results"].as_array().expect("a list");
    let flat = listed.iter().find(|cluster| cluster["name"] == "F").expect("it is listed");
    assert_eq!(flat["providerSettings"]["regionName"], "EUROPE_WEST");
    let wrong = world.call_as(&owner, "POST", &path, Some(&body("X")), V20230101).await;
    assert_eq!(wrong.refusal(), (400, "INVALID_ATTRIBUTE"));
}

#[tokio::test]
async fn a_dated_body_is_read_in_its_own_form() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let Caller::Key(public, private) = &owner else { panic!("a key") };
    let target = format!("/api/atlas/v2/groups/{group}/clusters");
    let challenge = world.send("POST", &target, &[], Vec::new()).await;
    let nonce = super::world::nonce_of(challenge.header("www-authenticate"));
    let answer = super::world::digest_answer(public, private, &nonce, "POST", &target);
    let flat = json!({ "name": "F", "providerSettings": {
        "providerName": "AWS", "instanceSizeName": "M20", "regionName": "US_EAST_1",
    } });
    let headers = [
        ("accept", "application/vnd.atlas.2024-10-23+json".to_owned()),
        ("content-type", "application/vnd.atlas.2023-01-01+json".to_owned()),
        ("authorization", answer),
    ];
    let made = world.send("POST", &target, &headers, flat.to_string().into_bytes()).await;
    let made = made.expect(201);
    let hardware = &made.json["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"];
    assert_eq!(hardware["instanceSize"], "M20");
}

#[tokio::test]
async fn what_terraform_applies_it_reads_back() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/clusters");
    let sent = json!({
        "clusterType": "REPLICASET", "labels": [], "name": "T", "tags": [],
        "replicationSpecs": [{ "zoneName": "ZoneName managed by Terraform", "regionConfigs": [{
            "autoScaling": {
                "compute": { "enabled": false, "scaleDownEnabled": false },
                "diskGB": { "enabled": true },
            },
            "electableSpecs": { "diskSizeGB": 10, "instanceSize": "M10", "nodeCount": 3 },
            "priority": 7, "providerName": "AWS", "regionName": "US_EAST_1",
        }] }],
    });
    world.post(&owner, &path, sent.clone()).await.expect(201);
    let ready = settled(&world, &group, "T").await;
    let (asked, shown) = (
        &sent["replicationSpecs"][0]["regionConfigs"][0],
        &ready["replicationSpecs"][0]["regionConfigs"][0],
    );
    assert_eq!(asked["autoScaling"], shown["autoScaling"]);
    for name in ["instanceSize", "nodeCount"] {
        assert_eq!(asked["electableSpecs"][name], shown["electableSpecs"][name]);
    }
    let one = format!("{path}/T");
    let change = json!({
        "advancedConfiguration": {
            "customOpensslCipherConfigTls12": ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"],
            "customOpensslCipherConfigTls13": [],
            "minimumEnabledTlsProtocol": "TLS1_2", "tlsCipherConfigMode": "CUSTOM",
        },
        "labels": [{ "key": "env", "value": "test" }], "redactClientLogData": true,
        "replicaSetScalingStrategy": "NODE_TYPE", "tags": [{ "key": "env", "value": "test" }],
        "versionReleaseSystem": "CONTINUOUS", "terminationProtectionEnabled": true,
    });
    world.patch(&owner, &one, change.clone()).await.expect(200);
    let arguments = json!({
        "changeStreamOptionsPreAndPostImagesExpireAfterSeconds": 100, "defaultMaxTimeMS": 65,
        "defaultWriteConcern": "majority", "noTableScan": true, "transactionLifetimeLimitSeconds": 300,
    });
    world.patch(&owner, &format!("{one}/processArgs"), arguments.clone()).await.expect(200);
    let found = settled(&world, &group, "T").await;
    for (name, value) in change.as_object().expect("an object") {
        assert_eq!(&found[name], value, "{name}");
    }
    let read = world.get(&owner, &format!("{one}/processArgs")).await.expect(200);
    for (name, value) in arguments.as_object().expect("an object") {
        assert_eq!(&read.json[name], value, "{name}");
    }
    assert_eq!(read.json["tlsCipherConfigMode"], "CUSTOM");
    let containers = format!("/groups/{group}/containers?providerName=AWS");
    let containers = world.get(&owner, &containers).await.expect(200);
    assert_eq!(containers.json["results"][0]["regionName"], "US_EAST_1");
    assert_eq!(containers.json["totalCount"], 1);
    let clear = json!({ "labels": [], "tags": [], "terminationProtectionEnabled": false });
    world.patch(&owner, &one, clear).await.expect(200);
    assert_eq!(settled(&world, &group, "T").await["tags"], json!([]));
    world.delete(&owner, &format!("{one}?retainBackups=true")).await.expect(202);
}

#[tokio::test]
async fn pause_and_resume() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    ready_cluster(&world, &group, "C").await;
    let one = format!("/groups/{group}/clusters/C");
    let pausing = world.patch(&owner, &one, json!({ "paused": true })).await.expect(200);
    assert_eq!(
        (&pausing.json["stateName"], &pausing.json["paused"]),
        (&json!("UPDATING"), &json!(true))
    );
    settled(&world, &group, "C").await;
    let again = world.patch(&owner, &one, json!({ "paused": true })).await;
    assert_eq!(again.refusal(), (409, "CLUSTER_ALREADY_PAUSED"));
    let tags = json!({ "tags": [{ "key": "a", "value": "b" }] });
    let refused = world.patch(&owner, &one, tags).await;
    assert_eq!(refused.refusal(), (409, "CANNOT_UPDATE_PAUSED_CLUSTER"));
    assert_eq!(
        refused.json["detail"],
        "Cannot update cluster C while it is paused or being paused."
    );
    assert_eq!(refused.json["parameters"], json!(["C"]));
    world.patch(&owner, &one, json!({ "paused": false })).await.expect(200);
    assert_eq!(settled(&world, &group, "C").await["paused"], false);
    let both = json!({ "paused": true, "tags": [{ "key": "a", "value": "b" }] });
    let both = world.patch(&owner, &one, both).await;
    assert_eq!(both.refusal(), (409, "CANNOT_UPDATE_AND_PAUSE_CLUSTER"));
    let events = world.get(&owner, &format!("/groups/{group}/events")).await.expect(200);
    let names: Vec<&str> = events.json["results"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|event| event["eventTypeName"].as_str())
        .collect();
    for name in ["CLUSTER_READY", "CLUSTER_UPDATE_SUBMITTED", "CLUSTER_UPDATE_COMPLETED"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn process_arguments_in_both_versions() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    ready_cluster(&world, &group, "C").await;
    let path = format!("/api/atlas/v2/groups/{group}/clusters/C/processArgs");
    let old = json!({ "defaultReadConcern": "local", "oplogSizeMB": 990 });
    let changed = world.call_as(&owner, "PATCH", &path, Some(&old), V20230101).await.expect(200);
    assert_eq!(changed.header("deprecation"), "Mon, 5 Aug 2024 00:00:00 GMT");
    assert_eq!(changed.json["defaultReadConcern"], "local");
    let new = world.call_as(&owner, "GET", &path, None, V20240805).await.expect(200);
    assert_eq!((&new.json["oplogSizeMB"], new.json.get("defaultReadConcern")), (&json!(990), None));
    let gone = world.call_as(&owner, "PATCH", &path, Some(&old), V20240805).await;
    assert_eq!(gone.refusal(), (400, "INVALID_ATTRIBUTE"));
    let wrong = json!({ "setParameter": { "a": 1 } });
    let wrong = world.call_as(&owner, "PATCH", &path, Some(&wrong), V20240805).await;
    assert_eq!(wrong.str("/badRequestDetail/fields/0/field"), "setParameter");
}

#[tokio::test]
async fn the_small_operations_of_a_cluster() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    ready_cluster(&world, &group, "C").await;
    let one = format!("/groups/{group}/clusters/C");
    let status = world.get(&owner, &format!("{one}/status")).await.expect(200);
    assert_eq!(status.json["changeStatus"], "APPLIED");
    let scaling = world.get(&owner, &format!("{one}/autoScalingConfiguration")).await.expect(200);
    assert_eq!(scaling.json["autoScalingMode"], "CLUSTER_WIDE_SCALING");
    let restarted = world.post(&owner, &format!("{one}/restartPrimaries"), json!({})).await;
    assert_eq!(restarted.expect(200).text, "{}");
    settled(&world, &group, "C").await;
    let pin = format!("{one}:pinFeatureCompatibilityVersion");
    let late = json!({ "expirationDate": "2027-01-01T00:00:00Z" });
    assert_eq!(world.post(&owner, &pin, late).await.refusal(), (400, "VALIDATION_ERROR"));
    let soon = json!({ "expirationDate": "2026-08-20T00:00:00Z" });
    world.post(&owner, &pin, soon).await.expect(204);
    let found = settled(&world, &group, "C").await;
    assert_eq!(found["featureCompatibilityVersion"], "7.0");
    assert_eq!(found["featureCompatibilityVersionExpirationDate"], "2026-08-20T00:00:00Z");
    let unpin = pin.replace(":pin", "%3Aunpin");
    world.post(&owner, &unpin, json!({})).await.expect(204);
    let found = settled(&world, &group, "C").await;
    assert_eq!(found.get("featureCompatibilityVersionExpirationDate"), None);
}

#[tokio::test]
async fn regions_are_listed_by_provider_and_tier() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/clusters/provider/regions");
    let all = world.get(&owner, &path).await.expect(200);
    assert_eq!(all.json["totalCount"], 3);
    let some = format!("{path}?providers=AWS&providers=GCP&tier=M10");
    let some = world.get(&owner, &some).await.expect(200);
    assert_eq!(some.json["totalCount"], 2);
    assert_eq!(some.json["results"][0]["instanceSizes"][0]["name"], "M10");
    let wrong = world.get(&owner, &format!("{path}?providers=IBM")).await;
    assert_eq!(wrong.refusal(), (400, "INVALID_ENUM_VALUE"));
}

#[tokio::test]
async fn configurations_are_judged_without_making_anything() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    ready_cluster(&world, &group, "C").await;
    let path = format!("/groups/{group}/clusterConfigurations:validate");
    let check = async |body: Value| world.post(&owner, &path, body).await.expect(200).json;
    let good = check(json!({ "clusterDescription": body("D"), "editing": false })).await;
    assert_eq!(good, json!({ "errors": [], "valid": true }));
    let twin = check(json!({ "clusterDescription": body("C"), "editing": false })).await;
    assert_eq!(twin["errors"][0]["errorCode"], "DUPLICATE_CLUSTER_NAME");
    let edit =
        json!({ "clusterDescription": { "paused": true }, "clusterName": "C", "editing": true });
    assert_eq!(check(edit).await["valid"], true);
    let bad = json!({ "clusterDescription": { "backupEnabled": true }, "clusterName": "C", "editing": true });
    assert_eq!(check(bad).await["errors"][0]["errorCode"], "FEATURE_UNSUPPORTED");
    let absent = json!({ "clusterDescription": {}, "clusterName": "X", "editing": true });
    assert_eq!(world.post(&owner, &path, absent).await.refusal(), (404, "CLUSTER_NOT_FOUND"));
    let listed = world.get(&owner, &format!("/groups/{group}/clusters")).await.expect(200);
    assert_eq!(listed.json["totalCount"], 1);
}

#[tokio::test]
async fn shared_clusters_are_upgraded_on_both_paths() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    for (name, root) in [("T", "/api/atlas/v1.0"), ("U", "/api/atlas/v2")] {
        let shared = json!({ "name": name, "replicationSpecs": [{ "regionConfigs": [{
            "providerName": "TENANT", "backingProviderName": "AWS", "regionName": "US_EAST_1",
            "priority": 7, "electableSpecs": { "instanceSize": "M0" },
        }] }] });
        world.post(&owner, &format!("/groups/{group}/clusters"), shared).await.expect(201);
        settled(&world, &group, name).await;
        let archives = format!("/groups/{group}/clusters/{name}/onlineArchives");
        let archive = json!({ "dbName": "d", "collName": "c", "criteria": {
            "type": "DATE", "dateField": "t", "expireAfterDays": 1,
        } });
        let refused = world.post(&owner, &archives, archive.clone()).await;
        assert_eq!(refused.refusal(), (403, "FEATURE_UNSUPPORTED"));
        let body = json!({ "name": name, "providerSettings": {
            "instanceSizeName": "M10", "providerName": "AWS", "regionName": "US_EAST_1",
        } });
        let target = format!("{root}/groups/{group}/clusters/tenantUpgrade");
        let done = world.call(&owner, "POST", &target, Some(&body)).await.expect(200);
        assert_eq!(done.json["providerSettings"]["instanceSizeName"], "M10");
        settled(&world, &group, name).await;
        world.post(&owner, &archives, archive).await.expect(200);
    }
}

#[tokio::test]
async fn clusters_of_all_visible_projects() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    ready_cluster(&world, &group, "C").await;
    let listed = world.get(&owner, "/clusters").await.expect(200);
    assert_eq!(listed.json["totalCount"], 1);
    let project = &listed.json["results"][0];
    assert_eq!((&project["groupName"], &project["orgName"]), (&json!("P"), &json!("First")));
    let cluster = &project["clusters"][0];
    assert_eq!((&cluster["name"], &cluster["availability"]), (&json!("C"), &json!("available")));
    assert_eq!((&cluster["type"], &cluster["sslEnabled"]), (&json!("REPLICA_SET"), &json!(false)));
    let (_, stranger) = world.second_org().await;
    assert_eq!(world.get(&stranger, "/clusters").await.expect(200).json["totalCount"], 0);
}
