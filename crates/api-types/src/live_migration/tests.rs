//! Tests of live migrations on the wire.

use super::*;
use crate::version::{V2023_01_01, V2024_05_30};
use crate::{Fields, Problem};

const ID: &str = "0123456789abcdef01234567";

fn fields(body: &Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

/// As the Atlas CLI sends it: an empty string for each option that was not given.
fn by_cli() -> Value {
    json!({
        "destination": { "clusterName": "D", "groupId": ID, "hostnameSchemaType": "" },
        "migrationHosts": ["h.example:8080"],
        "source": {
            "clusterName": "S", "groupId": ID, "managedAuthentication": true, "ssl": true,
            "username": "", "password": "", "caCertificatePath": "",
        },
        "dropDestinationData": true,
    })
}

fn refused(body: &Value) -> (&'static str, String) {
    let problem: Problem = parse_request(fields(body), Some(V2024_05_30)).expect_err("it is wrong");
    let field = problem.fields.first().map(|violation| violation.field.clone());
    (problem.code.as_str(), field.unwrap_or_default())
}

#[test]
fn empty_strings_are_absent() {
    let request = parse_request(fields(&by_cli()), Some(V2024_05_30)).expect("right");
    assert_eq!(request.destination.hostname_schema, HostnameSchema::Public);
    assert_eq!(request.source.username, None);
    assert_eq!(request.migration_host, "h.example:8080");
    assert!(request.drop_destination_data && request.sharding.is_none());
}

#[test]
fn the_versions_differ_in_one_field() {
    let mut body = by_cli();
    let old = parse_request(fields(&body), Some(V2023_01_01)).expect_err("the old field is needed");
    assert_eq!(old.fields[0].field, "dropEnabled");
    let map = body.as_object_mut().expect("an object");
    map.remove("dropDestinationData");
    map.insert("dropEnabled".into(), json!(true));
    let read = parse_request(fields(&body), Some(V2023_01_01)).expect("right");
    assert!(read.drop_destination_data);
    assert_eq!(refused(&body), ("INVALID_ATTRIBUTE", "dropEnabled".into()));
}

#[test]
fn each_wrong_field_is_named() {
    for (pointer, value, code, field) in [
        ("/source/clusterName", json!(""), "MISSING_ATTRIBUTE", "source.clusterName"),
        ("/source/groupId", json!("x"), "VALIDATION_ERROR", "source.groupId"),
        ("/source/ssl", json!("yes"), "INVALID_JSON_ATTRIBUTE", "source.ssl"),
        ("/source/username", json!("u"), "VALIDATION_ERROR", "source.username"),
        ("/source/password", json!("p"), "VALIDATION_ERROR", "source.password"),
        (
            "/destination/hostnameSchemaType",
            json!("PIGEON"),
            "INVALID_ENUM_VALUE",
            "destination.hostnameSchemaType",
        ),
        (
            "/destination/hostnameSchemaType",
            json!("PRIVATE_LINK"),
            "MISSING_ATTRIBUTE",
            "destination.privateLinkId",
        ),
        ("/migrationHosts", json!([]), "VALIDATION_ERROR", "migrationHosts"),
        ("/migrationHosts", json!(["a", "b"]), "VALIDATION_ERROR", "migrationHosts"),
        ("/migrationHosts", json!([""]), "VALIDATION_ERROR", "migrationHosts"),
    ] {
        let mut body = by_cli();
        *body.pointer_mut(pointer).expect("it is there") = value;
        assert_eq!(refused(&body), (code, field.to_owned()), "{body}");
    }
}

#[test]
fn shard_keys_are_one_or_hashed() {
    let with = |key: Value| {
        let mut body = by_cli();
        let entry =
            json!({ "database": "d", "collection": "c", "shardCollection": { "key": key } });
        body["sharding"] = json!({ "createSupportingIndexes": false, "shardingEntries": [entry] });
        body
    };
    let read = parse_request(fields(&with(json!([{ "a": 1 }, { "b": "hashed" }]))), None);
    let entries = read.expect("right").sharding.expect("given");
    assert_eq!(entries[0].key, [("a".to_owned(), false), ("b".to_owned(), true)]);
    let path = "sharding.shardingEntries[0].shardCollection.key";
    for (key, field) in [
        (json!([]), path.to_owned()),
        (json!([{ "a": -1 }]), format!("{path}[0]")),
        (json!([{ "a": 1, "b": 1 }]), format!("{path}[0]")),
        (json!([{}]), format!("{path}[0]")),
    ] {
        assert_eq!(refused(&with(key)), ("VALIDATION_ERROR", field));
    }
    let mut twice = with(json!([{ "a": 1 }]));
    let entries = twice["sharding"]["shardingEntries"].as_array_mut().expect("a list");
    entries.push(entries[0].clone());
    assert_eq!(refused(&twice).1, "sharding.shardingEntries[1].collection");
}

#[test]
fn a_source_is_read_as_it_is_written() {
    let id = ID.parse().expect("an id");
    let view = SourceView {
        org_id: ID.parse().expect("an id"),
        org_name: "Old".into(),
        projects: vec![OfferedProject {
            project_id: id,
            name: "P".into(),
            migration_hosts: vec!["h:1".into()],
            deployments: vec![Deployment {
                cluster_id: Some(ID.parse().expect("an id")),
                name: "C".into(),
                mongodb_version: "7.0.14".into(),
                fcv: "7.0".into(),
                managed: true,
                sharded: false,
                tls_enabled: false,
            }],
        }],
    };
    assert_eq!(parse_source(view.org_id, fields(&view.json())), Ok(view));
}
