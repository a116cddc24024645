//! Tests of federated database instances on the wire.

use super::*;

fn fields(body: &Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

/// Code and first field of a refusal.
fn refusal(problem: Problem) -> (&'static str, String) {
    let field = problem.fields.first().map(|violation| violation.field.clone());
    (problem.code.as_str(), field.unwrap_or_default())
}

#[test]
fn a_whole_request_is_read() {
    let body = json!({
        "name": "F0",
        "state": "ACTIVE",
        "cloudProviderConfig": {
            "aws": { "roleId": "0123456789abcdef01234567", "testS3Bucket": "b" },
        },
        "dataProcessRegion": { "cloudProvider": "AWS", "region": "DUBLIN_IRL" },
        "storage": {
            "stores": [{ "name": "s", "provider": "s3", "bucket": "b", "delimiter": "/" }],
            "databases": [{
                "name": "d",
                "collections": [{
                    "name": "c",
                    "dataSources": [{ "storeName": "s", "path": "/x/*", "defaultFormat": ".json" }],
                }],
                "views": [{ "name": "v", "source": "c", "pipeline": "[]" }],
            }],
        },
    });
    assert_eq!(parse_create(fields(&body)), Ok(TenantDraft { name: Some("F0".into()) }));
    assert_eq!(parse_update(fields(&json!({}))), Ok(TenantDraft { name: None }));
}

#[test]
fn each_wrong_field_is_named() {
    for (body, code, field) in [
        (json!({}), "MISSING_ATTRIBUTE", "name"),
        (json!({ "name": "" }), "VALIDATION_ERROR", "name"),
        (json!({ "name": "F", "x": 1 }), "INVALID_ATTRIBUTE", "x"),
        (
            json!({ "name": "F", "cloudProviderConfig": { "aws": { "testS3Bucket": "b" } } }),
            "MISSING_ATTRIBUTE",
            "cloudProviderConfig.aws.roleId",
        ),
        (
            json!({ "name": "F", "dataProcessRegion": { "cloudProvider": "GCP", "region": "X" } }),
            "INVALID_ENUM_VALUE",
            "dataProcessRegion.region",
        ),
        (
            json!({ "name": "F", "storage": { "stores": [{ "provider": "ftp" }] } }),
            "INVALID_ENUM_VALUE",
            "storage.stores[0].provider",
        ),
        (
            json!({ "name": "F", "storage": { "databases": [{ "collections": [{
                "dataSources": [{ "storeName": "none" }] }] }] } }),
            "VALIDATION_ERROR",
            "storage.databases[0].collections[0].dataSources[0].storeName",
        ),
    ] {
        let problem = parse_create(fields(&body)).expect_err("it is wrong");
        assert_eq!(refusal(problem), (code, field.to_owned()), "{body}");
    }
}

#[test]
fn limits_are_read_as_clients_send_them() {
    let body =
        json!({ "name": "bytesProcessed.daily", "value": 5, "overrunPolicy": "BLOCK_AND_KILL" });
    let draft = LimitDraft { bytes: 5, overrun_policy: OverrunPolicy::BlockAndKill };
    assert_eq!(parse_limit(fields(&body)), Ok(draft));
    for (body, code) in [
        (json!({}), "MISSING_ATTRIBUTE"),
        (json!({ "value": 0 }), "VALIDATION_ERROR"),
        (json!({ "value": QUERY_LIMIT_BYTES_MAX + 1 }), "VALIDATION_ERROR"),
        (json!({ "value": "5" }), "INVALID_JSON_ATTRIBUTE"),
        (json!({ "value": 5, "overrunPolicy": "NONE" }), "INVALID_ENUM_VALUE"),
    ] {
        let problem = parse_limit(fields(&body)).expect_err("it is wrong");
        assert_eq!(problem.code.as_str(), code, "{body}");
    }
}

#[test]
fn seconds_of_logs_have_a_first_one() {
    assert_eq!(read_log_second("startDate", "1199145600"), Ok(1_199_145_600_000));
    for text in ["1199145599", "-1", "x", "", "9223372036854775807"] {
        assert!(read_log_second("startDate", text).is_err(), "{text}");
    }
}
