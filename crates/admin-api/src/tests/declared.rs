//! Every answer of every test must be one that the API description declares: status, media type, body
//! and query parameters. So a shape that says less or more than the code fails the tests of that code.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use axum::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::world::Answer;
use crate::path::RequestPath;
use crate::router::RouteTable;

pub(super) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| crate::openapi("http://portolan.test", "0.0.0"));

static TABLE: LazyLock<RouteTable> = LazyLock::new(RouteTable::new);

static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> =
    LazyLock::new(Mutex::default);

/// Checks one answer.
pub(super) fn check(method: &Method, target: &str, answer: &Answer) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some((route, _)) = TABLE.find(method, &RequestPath::new(path)) else { return };
    let operation = &DOCUMENT["paths"][route.path][method.as_str().to_ascii_lowercase()];
    let who = format!("{} ({method} {target} answered {})", route.operation, answer.status);
    assert!(operation.is_object(), "{who}: not described; see openapi::tests");
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if answer.status < 400 {
        check_query(&who, operation, &query);
    }
    let enveloped = query.iter().any(|(key, value)| key == "envelope" && value == "true");
    if enveloped {
        return;
    }
    let response = resolved(&operation["responses"][answer.status.to_string()]);
    assert!(
        response.is_object(),
        "{who}, which is not declared: add `gives` or `refuses` to it in its .api file.\n{}",
        answer.text
    );
    if answer.text.is_empty() {
        return;
    }
    let media = answer.header("content-type").split(';').next().unwrap_or_default().to_owned();
    let place = &response["content"][&media];
    assert!(place.is_object(), "{who}: {media} is not declared for it");
    // What is in a file is the business of the tests that read it.
    if !media.ends_with("gzip") {
        check_body(&who, &place["schema"], &answer.json);
    }
}

fn check_query(who: &str, operation: &Value, query: &[(String, String)]) {
    let declared: Vec<Value> =
        operation["parameters"].as_array().into_iter().flatten().map(resolved).collect();
    for (key, _) in query {
        let known = declared.iter().any(|one| one["name"] == key.as_str() && one["in"] == "query");
        assert!(known, "{who}: add `query {key} …` to it in its .api file");
    }
}

/// Validates a value against a schema of the document.
pub(super) fn check_body(who: &str, schema: &Value, body: &Value) {
    let validator = validator(schema);
    let errors: Vec<String> = validator
        .iter_errors(body)
        .take(5)
        .map(|error| format!("  at {}: {error}", error.instance_path()))
        .collect();
    assert!(
        errors.is_empty(),
        "{who}: the body is not as its .api file says.\n{}\n{body}",
        errors.join("\n")
    );
}

fn validator(schema: &Value) -> &'static Validator {
    let key = schema.to_string();
    let mut known = VALIDATORS.lock().expect("no test panics while it holds this");
    known.entry(key).or_insert_with(|| {
        let mut whole = json!({ "components": DOCUMENT["components"] });
        for (name, value) in schema.as_object().expect("a schema is an object") {
            whole[name] = value.clone();
        }
        let built = jsonschema::draft202012::options().should_validate_formats(true).build(&whole);
        Box::leak(Box::new(built.expect("a right schema")))
    })
}

/// Follows a reference within the document.
pub(super) fn resolved(value: &Value) -> Value {
    let place = value["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
    place.and_then(|place| DOCUMENT.pointer(place)).unwrap_or(value).clone()
}
