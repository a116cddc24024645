//! Defaults, refusals, and the three forms of a cluster, read and written.

use portolan_model::{
    Cluster, ClusterId, ClusterKind, ClusterState, FcvPin, GuardLevel, ProjectId, ServerVersion,
};
use serde_json::{Map, Value, json};

use super::*;
use crate::{ErrorCode, Fields, Problem};

fn fields(body: &Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

fn create(body: &Value) -> Result<ClusterDraft, Problem> {
    parse_create(fields(body), Form::PerShard)
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
fn what_clients_describe_is_kept_and_completed() {
    let draft = create(&body()).unwrap();
    assert_eq!(draft.name, "Cluster0");
    assert_eq!(draft.settings["versionReleaseSystem"], "LTS");
    let specs = with_ids(draft.replication_specs, || "5".repeat(24));
    assert_eq!(specs[0]["id"], "5".repeat(24));
    let config = &specs[0]["regionConfigs"][0];
    assert_eq!(config["electableSpecs"]["diskSizeGB"], 20.0);
    assert_eq!(config["autoScaling"]["diskGB"]["enabled"], true);
    assert_eq!(config["autoScaling"]["compute"]["enabled"], false);
    let none = json!({
        "diskIOPS": 3000, "diskSizeGB": 20.0, "ebsVolumeType": "STANDARD",
        "instanceSize": "M10", "nodeCount": 0,
    });
    assert_eq!((&config["readOnlySpecs"], &config["analyticsSpecs"]), (&none, &none));
    assert_eq!(provider_of(&specs.to_string()).as_deref(), Some("AWS"));
}

#[test]
fn a_name_is_enough() {
    for form in [Form::Flat, Form::Advanced, Form::PerShard] {
        let draft = parse_create(fields(&json!({ "name": "c" })), form).unwrap();
        let config = &draft.replication_specs[0]["regionConfigs"][0];
        assert_eq!(config["electableSpecs"]["instanceSize"], "M10");
        assert_eq!(config["electableSpecs"]["diskSizeGB"], 10.0);
    }
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
    let mut shards = body();
    shards["replicationSpecs"][0]["numShards"] = json!(2);
    let problem = parse_create(fields(&shards), Form::Advanced).unwrap_err();
    assert_eq!(problem.code, FeatureUnsupported);
    assert_eq!(problem.fields[0].field, "replicationSpecs[0].numShards");
}

fn config(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = body();
    change(&mut body["replicationSpecs"][0]["regionConfigs"][0]);
    body
}

#[test]
fn wrong_values() {
    use ErrorCode::{
        InvalidAttribute, InvalidEnumValue, InvalidRegion, MissingAttribute, ValidationError,
    };
    refused(&with("colour", json!(1)), InvalidAttribute, "colour");
    refused(&with("clusterType", json!("ROUND")), InvalidEnumValue, "clusterType");
    refused(&with("replicationSpecs", json!([])), ValidationError, "replicationSpecs");
    let version = "mongoDBMajorVersion";
    for text in ["seven", "7.0.1", "7."] {
        refused(&with(version, json!(text)), ValidationError, version);
    }
    let tags = json!([{ "key": "a", "value": "" }]);
    refused(&with("tags", tags), ValidationError, "tags[0].value");
    let at = |name: &str| format!("replicationSpecs[0].regionConfigs[0].{name}");
    let flex = config(|config| config["providerName"] = json!("FLEX"));
    refused(&flex, InvalidEnumValue, &at("providerName"));
    let nowhere = config(|config| config["regionName"] = Value::Null);
    refused(&nowhere, MissingAttribute, &at("regionName"));
    let elsewhere = config(|config| config["regionName"] = json!("EUROPE_WEST"));
    refused(&elsewhere, InvalidRegion, &at("regionName"));
    let eager = config(|config| config["priority"] = json!(8));
    refused(&eager, ValidationError, &at("priority"));
    let odd = config(|config| config["electableSpecs"]["colour"] = json!(8));
    refused(&odd, InvalidAttribute, &at("electableSpecs.colour"));
    let size = config(|config| config["electableSpecs"]["instanceSize"] = json!("M11"));
    refused(&size, InvalidEnumValue, &at("electableSpecs.instanceSize"));
    let disk = config(|config| config["electableSpecs"]["diskSizeGB"] = json!(5));
    refused(&disk, ValidationError, &at("electableSpecs.diskSizeGB"));
    let nodes = config(|config| config["electableSpecs"]["nodeCount"] = json!(4));
    refused(&nodes, ValidationError, "replicationSpecs[0].regionConfigs");
    let scaling = config(|config| config["autoScaling"]["compute"] = json!({ "enabled": 1 }));
    let field = at("autoScaling.compute.enabled");
    refused(&scaling, ErrorCode::InvalidJsonAttribute, &field);
    let cipher = json!({ "customOpensslCipherConfigTls12": ["ROT13"] });
    let field = "advancedConfiguration.customOpensslCipherConfigTls12";
    refused(&with("advancedConfiguration", cipher), InvalidEnumValue, field);
    let reads = json!({ "readPreference": "tertiary" });
    refused(&with("biConnector", reads), InvalidEnumValue, "biConnector.readPreference");
}

#[test]
fn shared_hardware_names_the_cloud_behind_it() {
    let tenant = config(|config| {
        *config = json!({
            "providerName": "TENANT", "backingProviderName": "AWS", "regionName": "US_EAST_1",
            "priority": 7, "electableSpecs": { "instanceSize": "M5" },
        });
    });
    let specs = Value::Array(create(&tenant).unwrap().replication_specs);
    assert!(is_tenant(&specs.to_string()));
    let hardware =
        json!({ "diskSizeGB": 5.0, "effectiveInstanceSize": "FLEX", "instanceSize": "M5" });
    let shown = &specs[0]["regionConfigs"][0];
    assert_eq!(shown["electableSpecs"], hardware);
    assert_eq!(shown.get("readOnlySpecs"), None);
    let mut nobody = tenant;
    let config = &mut nobody["replicationSpecs"][0]["regionConfigs"][0];
    config["backingProviderName"] = Value::Null;
    let field = "replicationSpecs[0].regionConfigs[0].backingProviderName";
    refused(&nobody, ErrorCode::MissingAttribute, field);
}

fn cluster(draft: &ClusterDraft) -> Cluster {
    let specs = with_ids(draft.replication_specs.clone(), || "5".repeat(24));
    Cluster {
        id: ClusterId::new([1; 12]),
        project_id: ProjectId::new([2; 12]),
        name: draft.name.clone(),
        kind: ClusterKind::Sandbox { port: 27100 },
        state: ClusterState::Idle,
        version: Some(ServerVersion("7.0.0".into())),
        level: GuardLevel::L1,
        termination_protection_enabled: false,
        tags: draft.tags.clone(),
        replication_specs_json: specs.to_string(),
        created_at: 1_700_000_000_000,
    }
}

fn shown(draft: &ClusterDraft, form: Form) -> Value {
    let (cluster, settings) = (cluster(draft), Value::Object(draft.settings.clone()).to_string());
    let pin = FcvPin { version: "6.0".into(), until: 1_700_000_000_000 };
    let strings = ConnectionStringsView {
        standard: Some("mongodb://localhost:27100/?tls=false".into()),
        standard_srv: None,
    };
    let picture = ClusterPicture {
        cluster: &cluster,
        settings_json: &settings,
        paused: true,
        fcv_pin: Some(&pin),
        connection_strings: strings,
        links: json!([]),
    };
    cluster_json(&picture, form)
}

#[test]
fn the_newest_form() {
    let new = shown(&create(&body()).unwrap(), Form::PerShard);
    assert_eq!(new["createDate"], "2023-11-14T22:13:20Z");
    assert_eq!(new["stateName"], "IDLE");
    assert_eq!(new["mongoDBMajorVersion"], "7.0");
    assert_eq!(new["mongoDBVersion"], "7.0.0");
    assert_eq!(new["featureCompatibilityVersion"], "6.0");
    assert_eq!(new["featureCompatibilityVersionExpirationDate"], "2023-11-14T22:13:20Z");
    assert_eq!((&new["redactClientLogData"], &new["paused"]), (&json!(false), &json!(true)));
    assert_eq!(new["effectiveReplicationSpecs"], new["replicationSpecs"]);
    let strings = json!({ "standard": "mongodb://localhost:27100/?tls=false" });
    assert_eq!(new["connectionStrings"], strings);
}

#[test]
fn the_form_with_one_disk_and_shards() {
    let mut old = body();
    old["diskSizeGB"] = json!(40);
    old["replicationSpecs"][0]["numShards"] = json!(1);
    let hardware = &mut old["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"];
    hardware.as_object_mut().unwrap().remove("diskSizeGB");
    let draft = parse_create(fields(&old), Form::Advanced).unwrap();
    let shown = shown(&draft, Form::Advanced);
    assert_eq!(shown["diskSizeGB"], 40.0);
    assert_eq!(shown["replicationSpecs"][0]["numShards"], 1);
    assert_eq!(shown.get("redactClientLogData"), None);
    assert_eq!(shown.get("effectiveReplicationSpecs"), None);
    let hardware = &shown["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"];
    let expected = json!({
        "diskIOPS": 3000, "ebsVolumeType": "STANDARD", "instanceSize": "M10", "nodeCount": 3,
    });
    assert_eq!(hardware, &expected);
    assert_eq!(create(&old).unwrap_err().code, ErrorCode::InvalidAttribute);
}

fn flat_body() -> Value {
    json!({
        "name": "Old",
        "diskSizeGB": 30.0,
        "numShards": 1,
        "replicationFactor": 3,
        "autoScaling": { "diskGBEnabled": true, "compute": { "enabled": true } },
        "providerSettings": {
            "providerName": "AWS", "instanceSizeName": "M20", "regionName": "EU_WEST_1",
            "diskIOPS": 120, "encryptEBSVolume": true, "volumeType": "PROVISIONED",
            "autoScaling": { "compute": { "maxInstanceSize": "M40" } },
        },
        "providerBackupEnabled": false,
    })
}

#[test]
fn the_flat_form_there_and_back() {
    let draft = parse_create(fields(&flat_body()), Form::Flat).unwrap();
    let shown = shown(&draft, Form::Flat);
    let sent = flat_body();
    for name in ["diskSizeGB", "numShards", "replicationFactor", "providerSettings"] {
        assert_eq!(shown[name], sent[name], "{name}");
    }
    let scaling = json!({
        "compute": { "enabled": true, "scaleDownEnabled": false }, "diskGBEnabled": true,
    });
    assert_eq!(shown["autoScaling"], scaling);
    assert_eq!(shown["mongoURI"], "mongodb://localhost:27100");
    assert_eq!(shown["mongoURIWithOptions"], "mongodb://localhost:27100/?tls=false");
    let regions = json!({ "EU_WEST_1": {
        "analyticsNodes": 0, "electableNodes": 3, "priority": 7, "readOnlyNodes": 0,
    } });
    assert_eq!(shown["replicationSpec"], regions);
    assert_eq!(shown["replicationSpecs"][0]["regionsConfig"], regions);
    assert_eq!(shown.get("redactClientLogData"), None);
    let newer = super::tests::shown(&draft, Form::PerShard);
    let hardware = &newer["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"];
    assert_eq!((&hardware["diskSizeGB"], &hardware["diskIOPS"]), (&json!(30.0), &json!(120)));
}

#[test]
fn flat_changes_touch_what_they_name() {
    let draft = parse_create(fields(&flat_body()), Form::Flat).unwrap();
    let stored = cluster(&draft).replication_specs_json;
    let apply = |body: Value| -> Result<Value, Problem> {
        parse_update(fields(&body), Form::Flat)?.apply_hardware(&stored)
    };
    let bigger =
        json!({ "providerSettings": { "providerName": "AWS", "instanceSizeName": "M30" } });
    let specs = apply(bigger).unwrap();
    let config = &specs[0]["regionConfigs"][0];
    assert_eq!(config["electableSpecs"]["instanceSize"], "M30");
    assert_eq!(config["electableSpecs"]["diskSizeGB"], 40.0, "the disk of the new size");
    assert_eq!(
        (&config["regionName"], &specs[0]["id"]),
        (&json!("EU_WEST_1"), &json!("5".repeat(24)))
    );
    assert_eq!(config["autoScaling"]["compute"]["maxInstanceSize"], "M40");
    let regions = json!({ "replicationSpec": {
        "EU_WEST_1": { "electableNodes": 3, "priority": 7 },
        "US_EAST_1": { "electableNodes": 2, "priority": 6, "readOnlyNodes": 1 },
    } });
    let specs = apply(regions).unwrap();
    assert_eq!(specs[0]["regionConfigs"].as_array().map(Vec::len), Some(2));
    assert_eq!(specs[0]["regionConfigs"][1]["readOnlySpecs"]["nodeCount"], 1);
    let even = json!({ "replicationSpec": { "EU_WEST_1": { "electableNodes": 2 } } });
    assert_eq!(apply(even).unwrap_err().code, ErrorCode::ValidationError);
    let moved = json!({ "providerSettings": {
        "providerName": "GCP", "instanceSizeName": "M30", "regionName": "WESTERN_EUROPE",
    } });
    let specs = apply(moved).unwrap();
    assert_eq!(specs[0]["regionConfigs"][0]["electableSpecs"].get("diskIOPS"), None);
    let nowhere = json!({ "providerSettings": { "providerName": "GCP", "regionName": "MOON" } });
    assert_eq!(apply(nowhere).unwrap_err().code, ErrorCode::InvalidRegion);
    for (body, code) in [
        (json!({ "numShards": 2 }), ErrorCode::FeatureUnsupported),
        (json!({ "replicationFactor": 4 }), ErrorCode::ValidationError),
        (json!({ "providerSettings": { "providerName": "FLEX" } }), ErrorCode::FeatureUnsupported),
        (json!({ "providerSettings": {} }), ErrorCode::MissingAttribute),
        (json!({ "deleteAfterCreationHours": 1 }), ErrorCode::FeatureUnsupported),
        (
            json!({ "replicationSpec": { "EU_WEST_1": { "colour": 1 } } }),
            ErrorCode::InvalidAttribute,
        ),
    ] {
        assert_eq!(apply(body.clone()).unwrap_err().code, code, "{body}");
    }
}

#[test]
fn changes_are_merged() {
    let change = parse_update(
        fields(&json!({
            "advancedConfiguration": { "minimumEnabledTlsProtocol": "TLS1_3" },
            "biConnector": { "readPreference": "ANALYTICS" },
            "labels": [],
        })),
        Form::PerShard,
    );
    let change = change.unwrap();
    assert!(!change.touches_hardware());
    let mut settings = default_settings();
    merge_settings(&mut settings, change.settings);
    assert_eq!(settings["advancedConfiguration"]["tlsCipherConfigMode"], "DEFAULT");
    let text = Value::Object(settings.clone()).to_string();
    assert_eq!(minimum_tls(&text), "TLS1_3");
    assert_eq!(settings["biConnector"], json!({ "enabled": false, "readPreference": "analytics" }));
    let replaced = parse_update(fields(&body()), Form::PerShard).unwrap();
    let stored = cluster(&create(&body()).unwrap()).replication_specs_json;
    let specs = replaced.apply_hardware(&stored).unwrap();
    assert_eq!(specs, serde_json::from_str::<Value>(&stored).unwrap(), "ids are kept");
}

#[test]
fn process_arguments() {
    let read = |body: Value, form| ProcessArgsChange::read(fields(&body), form);
    let change = read(
        json!({
            "defaultMaxTimeMS": 65, "noTableScan": true, "oplogMinRetentionHours": 1.5,
            "oplogSizeMB": null, "tlsCipherConfigMode": "CUSTOM", "defaultWriteConcern": "majority",
        }),
        Form::PerShard,
    );
    let change = change.unwrap();
    assert_eq!(change.tls, Map::from_iter([("tlsCipherConfigMode".into(), json!("CUSTOM"))]));
    let text = Value::Object(change.arguments).to_string();
    let obeyed = ServerArgs {
        default_max_time_ms: Some(65),
        no_table_scan: true,
        transaction_lifetime_s: None,
    };
    assert_eq!(ServerArgs::of(&text), obeyed);
    let limited = ServerArgs::of(r#"{"transactionLifetimeLimitSeconds":30}"#);
    assert_eq!(limited.transaction_lifetime_s, Some(30));
    let shown = process_args_json(&text, "{}", Form::PerShard);
    assert_eq!((&shown["javascriptEnabled"], &shown["noTableScan"]), (&json!(true), &json!(true)));
    assert_eq!(shown["minimumEnabledTlsProtocol"], "TLS1_2");
    let old = json!({ "defaultReadConcern": "local", "failIndexKeyTooLong": false });
    let change = read(old.clone(), Form::Flat).unwrap();
    let text = Value::Object(change.arguments).to_string();
    assert_eq!(process_args_json(&text, "{}", Form::Flat)["defaultReadConcern"], "local");
    assert_eq!(process_args_json(&text, "{}", Form::PerShard).get("failIndexKeyTooLong"), None);
    for (body, code) in [
        (old, ErrorCode::InvalidAttribute),
        (json!({ "oplogSizeMB": 0 }), ErrorCode::ValidationError),
        (json!({ "oplogMinRetentionHours": "x" }), ErrorCode::ValidationError),
        (json!({ "transactionLifetimeLimitSeconds": 0 }), ErrorCode::ValidationError),
        (json!({ "noTableScan": "yes" }), ErrorCode::InvalidJsonAttribute),
        (json!({ "minimumEnabledTlsProtocol": "SSL3" }), ErrorCode::InvalidEnumValue),
    ] {
        assert_eq!(read(body.clone(), Form::PerShard).unwrap_err().code, code, "{body}");
    }
}

#[test]
fn providers_regions_and_containers() {
    let all = provider_regions(&[], None).unwrap();
    assert_eq!(all.len(), 3);
    let one = provider_regions(&["GCP"], Some("M10")).unwrap();
    assert_eq!(one.len(), 1);
    let sizes = one[0]["instanceSizes"].as_array().unwrap();
    assert_eq!((sizes.len(), &sizes[0]["name"]), (1, &json!("M10")));
    assert_eq!(sizes[0]["availableRegions"][0], json!({ "default": true, "name": "CENTRAL_US" }));
    assert!(
        provider_regions(&["IBM"], None).is_err() && provider_regions(&[], Some("M11")).is_err()
    );
    let stored = cluster(&create(&body()).unwrap()).replication_specs_json;
    let id_of = |cloud: &str, region: &str| format!("{cloud}/{region}");
    let found = containers(&[&stored, &stored, "[]"], Some("AWS"), id_of);
    let expected = json!({
        "id": "AWS/EU_WEST_1", "providerName": "AWS", "provisioned": false, "regionName": "EU_WEST_1",
    });
    assert_eq!(found, [expected]);
    assert!(containers(&[&stored], Some("GCP"), id_of).is_empty());
}

#[test]
fn configurations_are_judged() {
    let read = |body: Value| ConfigurationCheck::read(fields(&body));
    let good = read(json!({ "clusterDescription": body(), "editing": false })).unwrap();
    assert_eq!((good.editing, good.problems.len()), (None, 0));
    let edited = json!({
        "clusterDescription": {}, "clusterName": "C", "editing": true,
        "advancedConfiguration": { "noTableScan": 1 }, "searchDeploymentSpec": {},
    });
    let edited = read(edited).unwrap();
    assert_eq!((edited.editing.as_deref(), edited.problems.len()), (Some("C"), 2));
    let answer = ConfigurationCheck::json(&edited.problems);
    assert_eq!(answer["valid"], false);
    assert_eq!(answer["errors"][1]["errorCode"], "FEATURE_UNSUPPORTED");
    assert!(read(json!({ "editing": false })).is_err());
    assert!(read(json!({ "clusterDescription": {} })).is_err());
    assert!(read(json!({ "clusterDescription": {}, "editing": true })).is_err());
}

#[test]
fn upgrades_name_the_cluster_and_its_hardware() {
    let body = json!({
        "name": "C",
        "providerSettings": {
            "providerName": "AWS", "instanceSizeName": "M10", "regionName": "US_EAST_1",
        },
    });
    let (name, change) = parse_tenant_upgrade(fields(&body)).unwrap();
    assert_eq!(name, "C");
    let tenant = json!([{ "id": "a", "regionConfigs": [{
        "providerName": "TENANT", "backingProviderName": "AWS", "regionName": "US_EAST_1",
        "priority": 7, "electableSpecs": { "instanceSize": "M5" },
    }] }]);
    let specs = change.apply_hardware(&tenant.to_string()).unwrap();
    let config = &specs[0]["regionConfigs"][0];
    assert_eq!((&config["providerName"], &specs[0]["id"]), (&json!("AWS"), &json!("a")));
    assert_eq!(config["electableSpecs"]["instanceSize"], "M10");
    assert_eq!(config["electableSpecs"]["nodeCount"], 3);
    assert_eq!(config.get("backingProviderName"), None);
    for body in [json!({ "name": "C" }), json!({ "providerSettings": { "providerName": "AWS" } })] {
        assert_eq!(
            parse_tenant_upgrade(fields(&body)).unwrap_err().code,
            ErrorCode::MissingAttribute
        );
    }
}
