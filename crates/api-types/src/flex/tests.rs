//! Flex clusters, read and written.

use serde_json::{Value, json};

use super::{FlexChange, FlexDraft};
use crate::{ErrorCode, Fields, Problem};

fn fields(body: &Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

fn create(body: &Value) -> Result<FlexDraft, Problem> {
    FlexDraft::read(fields(body))
}

fn body() -> Value {
    json!({
        "name": "F",
        "providerSettings": {
            "backingProviderName": "AWS", "providerName": "FLEX", "regionName": "US_EAST_1",
        },
        "terminationProtectionEnabled": true,
    })
}

#[test]
fn a_flex_cluster_is_described_by_provider_and_region() {
    let draft = create(&body()).unwrap();
    assert_eq!((draft.name.as_str(), draft.termination_protection_enabled), ("F", true));
    let specs = draft.replication_specs();
    assert_eq!(specs[0]["regionConfigs"][0]["providerName"], "FLEX");
}

#[test]
fn wrong_bodies() {
    let with = |pointer: &str, value: Value| {
        let mut body = body();
        *body.pointer_mut(pointer).expect("it is there") = value;
        create(&body).unwrap_err().code
    };
    assert_eq!(with("/name", json!("a b")), ErrorCode::ClusterNameInvalid);
    assert_eq!(with("/providerSettings", Value::Null), ErrorCode::MissingAttribute);
    let backing = "/providerSettings/backingProviderName";
    assert_eq!(with(backing, Value::Null), ErrorCode::MissingAttribute);
    assert_eq!(with(backing, json!("IBM")), ErrorCode::InvalidEnumValue);
    assert_eq!(with("/providerSettings/providerName", json!("AWS")), ErrorCode::InvalidEnumValue);
    assert_eq!(with("/providerSettings/regionName", json!("MOON")), ErrorCode::InvalidRegion);
    let unknown = FlexChange::read(fields(&json!({ "name": "G" }))).unwrap_err();
    assert_eq!(unknown.code, ErrorCode::InvalidAttribute);
    assert_eq!(FlexChange::read(fields(&json!({}))).unwrap(), FlexChange::default());
}
