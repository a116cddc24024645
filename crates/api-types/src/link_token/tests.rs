//! Addresses of link tokens.

use serde_json::{Value, json};

use super::parse_create;
use crate::{ErrorCode, Fields};

fn fields(body: &Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

#[test]
fn addresses_are_checked_and_counted_once() {
    let list = json!({ "accessListIps": ["10.0.0.1", "::1", "10.0.0.1"] });
    assert_eq!(parse_create(fields(&list)).unwrap().len(), 2);
    assert!(parse_create(fields(&json!({}))).unwrap().is_empty());
    let bad = json!({ "accessListIps": ["10.0.0.1", "10.0.0"] });
    let problem = parse_create(fields(&bad)).unwrap_err();
    assert_eq!(problem.code, ErrorCode::ValidationError);
    assert_eq!(problem.fields[0].field, "accessListIps[1]");
    let many = json!({ "accessListIps": vec!["10.0.0.1"; 201] });
    assert!(parse_create(fields(&many)).is_err());
    assert!(parse_create(fields(&json!({ "ips": [] }))).is_err());
}
