//! Defaults, refusals and the two forms of a cluster.

use portolan_model::{
    Cluster, ClusterId, ClusterKind, ClusterState, GuardLevel, ProjectId, ServerVersion,
};
use serde_json::{Value, json};

use super::{
    ClusterDraft, ClusterPicture, ConnectionStringsView, cluster_json, cluster_json_20230201,
    parse_create, provider_of, with_ids,
};
use crate::{ErrorCode, Fields, Problem};

fn create(body: &Value) -> Result<ClusterDraft, Problem> {
    parse_create(Fields::parse(body.to_string().as_bytes()).expect("an object"))
}

fn body() -> Value {
    json!({
        "name": "Cluster0",
        "clusterType": "REPLICASET",
        "replicationSpecs": [{
            "zoneName": "Zone 1",
            "regionConfigs": [{
                "providerName": "AWS",
                "regionName": "EU_WEST_1",
                "priority": 7,
                "electableSpecs": { "instanceSize": "M10", "nodeCount": 3, "diskSizeGB": 20.0 },
                "autoScaling": { "diskGB": { "enabled": true } },
            }],
        }],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut body = body();
    body[name] = value;
    body
}

#[track_caller]
fn refused(body: &Value, code: ErrorCode, field: &str) {
    let problem = create(body).expect_err("must be refused");
    assert_eq!(problem.code, code, "{problem}");
    assert!(problem.fields.iter().any(|violation| violation.field == field), "{problem:?}");
}

#[test]
fn what_clients_describe_is_kept() {
    let draft = create(&body()).unwrap();
    assert_eq!(draft.name, "Cluster0");
    assert_eq!(draft.settings["versionReleaseSystem"], "LTS");
    let specs = with_ids(draft.replication_specs, || "5".repeat(24));
    assert_eq!(specs[0]["id"], "5".repeat(24));
    let config = &specs[0]["regionConfigs"][0];
    assert_eq!(config["electableSpecs"]["diskSizeGB"], 20.0);
    assert_eq!(config["autoScaling"]["diskGB"]["enabled"], true);
    assert_eq!(provider_of(&specs.to_string()).as_deref(), Some("AWS"));
}

#[test]
fn a_name_is_enough() {
    let draft = create(&json!({ "name": "c" })).unwrap();
    assert_eq!(draft.replication_specs.len(), 1);
}

#[test]
fn names() {
    for name in ["", "-a", "a_b", "a b", "ä", &"x".repeat(65)] {
        refused(&with("name", json!(name)), ErrorCode::ClusterNameInvalid, "name");
    }
    refused(&with("name", Value::Null), ErrorCode::MissingAttribute, "name");
    assert!(create(&with("name", json!("x".repeat(64)))).is_ok());
}

#[test]
fn promises_that_cannot_be_kept_are_refused() {
    use ErrorCode::FeatureUnsupported;
    for name in ["backupEnabled", "pitEnabled", "paused", "globalClusterSelfManagedSharding"] {
        refused(&with(name, json!(true)), FeatureUnsupported, name);
        assert!(create(&with(name, json!(false))).is_ok());
    }
    refused(&with("clusterType", json!("SHARDED")), FeatureUnsupported, "clusterType");
    let provider = "encryptionAtRestProvider";
    refused(&with(provider, json!("AWS")), FeatureUnsupported, provider);
    let connector = json!({ "enabled": true });
    refused(&with("biConnector", connector), FeatureUnsupported, "biConnector.enabled");
    let mut two = body();
    let spec = two["replicationSpecs"][0].clone();
    two["replicationSpecs"].as_array_mut().unwrap().push(spec);
    refused(&two, FeatureUnsupported, "replicationSpecs");
}

#[test]
fn wrong_values() {
    use ErrorCode::{InvalidAttribute, InvalidEnumValue, MissingAttribute, ValidationError};
    refused(&with("colour", json!(1)), InvalidAttribute, "colour");
    refused(&with("clusterType", json!("ROUND")), InvalidEnumValue, "clusterType");
    refused(&with("replicationSpecs", json!([])), ValidationError, "replicationSpecs");
    let version = "mongoDBMajorVersion";
    for text in ["seven", "7", "7.0.1", "7."] {
        refused(&with(version, json!(text)), ValidationError, version);
    }
    let tags = json!([{ "key": "a", "value": "" }]);
    refused(&with("tags", tags), ValidationError, "tags[0].value");
    let twice = json!([{ "key": "a", "value": "1" }, { "key": "a", "value": "2" }]);
    refused(&with("tags", twice), ValidationError, "tags");
    let config = |change: fn(&mut Value)| {
        let mut body = body();
        change(&mut body["replicationSpecs"][0]["regionConfigs"][0]);
        body
    };
    let at = |name: &str| format!("replicationSpecs[0].regionConfigs[0].{name}");
    let flex = config(|config| config["providerName"] = json!("FLEX"));
    refused(&flex, InvalidEnumValue, &at("providerName"));
    let nowhere = config(|config| config["regionName"] = Value::Null);
    refused(&nowhere, MissingAttribute, &at("regionName"));
    let eager = config(|config| config["priority"] = json!(8));
    refused(&eager, ValidationError, &at("priority"));
    let odd = config(|config| config["electableSpecs"]["colour"] = json!(8));
    refused(&odd, InvalidAttribute, &at("electableSpecs.colour"));
}

fn picture_of(cluster: &Cluster, settings: &str) -> (Value, Value) {
    let picture = ClusterPicture {
        cluster,
        settings_json: settings,
        connection_strings: ConnectionStringsView {
            standard: Some("mongodb://localhost:27100/".into()),
            standard_srv: None,
        },
        links: json!([]),
    };
    (cluster_json(&picture), cluster_json_20230201(&picture))
}

#[test]
fn the_two_forms_of_a_cluster() {
    let draft = create(&body()).unwrap();
    let cluster = Cluster {
        id: ClusterId::new([1; 12]),
        project_id: ProjectId::new([2; 12]),
        name: draft.name,
        kind: ClusterKind::Sandbox { port: 27100 },
        state: ClusterState::Idle,
        version: Some(ServerVersion("7.0.0".into())),
        level: GuardLevel::L1,
        termination_protection_enabled: false,
        tags: draft.tags,
        replication_specs_json: with_ids(draft.replication_specs, || "5".repeat(24)).to_string(),
        created_at: 1_700_000_000_000,
    };
    let settings = Value::Object(draft.settings).to_string();
    let (new, old) = picture_of(&cluster, &settings);
    assert_eq!(new["createDate"], "2023-11-14T22:13:20Z");
    assert_eq!(new["stateName"], "IDLE");
    assert_eq!(new["mongoDBMajorVersion"], "7.0");
    assert_eq!(new["mongoDBVersion"], "7.0.0");
    assert_eq!(new["redactClientLogData"], false);
    assert_eq!(new["connectionStrings"], json!({ "standard": "mongodb://localhost:27100/" }));
    assert_eq!(old["diskSizeGB"], 20.0);
    assert_eq!(old["replicationSpecs"][0]["numShards"], 1);
    assert_eq!(old.get("redactClientLogData"), None);
    let hardware = &old["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"];
    assert_eq!(hardware, &json!({ "instanceSize": "M10", "nodeCount": 3 }));
}
