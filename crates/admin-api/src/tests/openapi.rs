//! Router and API description are equal, both ways, and all examples are right.

use serde_json::Value;

use super::declared::{DOCUMENT, check_body, resolved};
use super::world::{Caller, World};
use crate::openapi::{DESCRIPTION, differences, status_of};
use crate::router::{plain_routes, routes};

#[test]
fn every_operation_is_described() {
    let (silent, absent) = differences();
    assert!(
        silent.is_empty(),
        "Served but not described: {silent:?}.\nWrite an `operation` block (and the shapes that it \
         names) into a .api file in crates/api-types/src, beside the code of the shapes; list a new \
         file in crates/api-types/src/description.rs, whose header tells the language."
    );
    assert!(absent.is_empty(), "Described but not served: {absent:?}. Delete the blocks.");
}

#[test]
fn paths_methods_and_versions_are_those_of_the_router() {
    let mut count = 0;
    for route in routes() {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = &DOCUMENT["paths"][route.path][&method];
        let id = route.operation;
        assert_eq!(operation["operationId"], id, "{} {}", route.method, route.path);
        let parameters: Vec<Value> =
            operation["parameters"].as_array().expect(id).iter().map(resolved).collect();
        let in_path: Vec<&str> = parameters
            .iter()
            .filter(|one| one["in"] == "path")
            .filter_map(|one| one["name"].as_str())
            .collect();
        assert_eq!(in_path, crate::openapi::parameters_of(route.path), "{id}");
        for one in &parameters {
            let name = &one["name"];
            let words = one["description"].as_str();
            assert!(
                words.is_some_and(|words| !words.is_empty()),
                "{id}: give {name} a line in PATH_WORDS of openapi/parameters.rs"
            );
        }
        let said = &DESCRIPTION.operations[id];
        for gives in said.gives.iter().filter(|gives| gives.body.is_some()) {
            let content = &operation["responses"][gives.status.to_string()]["content"];
            let served: Vec<&String> = content.as_object().expect(id).keys().collect();
            let format = route.format.as_str();
            let expected: Vec<String> = match route.versions {
                [] => vec!["application/json".to_owned()],
                versions => versions
                    .iter()
                    .map(|version| format!("application/vnd.atlas.{}+{format}", version.date))
                    .collect(),
            };
            let missing: Vec<&String> =
                expected.iter().filter(|media| !served.contains(media)).collect();
            assert!(missing.is_empty(), "{id} gives nothing in {missing:?}");
            assert_eq!(served.len(), expected.len(), "{id} gives a version that it has not");
        }
        count += 1;
    }
    count += plain_routes().len();
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let described: usize = paths.values().filter_map(Value::as_object).map(|item| item.len()).sum();
    assert_eq!(described, count, "one operation of the document per route");
}

#[test]
fn an_operation_succeeds_or_says_why_not() {
    for (id, said) in &DESCRIPTION.operations {
        let refused = said.refuses.iter().any(|(code, _)| *code == "FEATURE_UNSUPPORTED");
        assert!(
            !said.gives.is_empty() || refused,
            "{id} in {} has no `gives` and no `refuses FEATURE_UNSUPPORTED: reason`",
            said.file
        );
        for (code, _) in &said.refuses {
            assert!(status_of(code).is_some(), "{id} in {}: no error code {code}", said.file);
        }
    }
}

#[test]
fn every_example_is_as_its_schema_says() {
    let mut count = 0;
    for (path, item) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let bodies = [&operation["requestBody"]];
            let answers = operation["responses"].as_object().expect("answers").values();
            for place in bodies.into_iter().chain(answers) {
                for (media, shown) in place["content"].as_object().into_iter().flatten() {
                    let Some(example) = shown.get("example") else { continue };
                    check_body(&format!("{method} {path}, {media}"), &shown["schema"], example);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 100, "only {count} examples");
    let schemas = DOCUMENT["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in schemas {
        for (field, shown) in schema["properties"].as_object().into_iter().flatten() {
            for example in shown["examples"].as_array().into_iter().flatten() {
                check_body(&format!("{name}.{field}"), shown, example);
            }
        }
    }
}

#[test]
fn every_shape_is_used() {
    let unused = crate::openapi::unused_shapes();
    assert!(unused.is_empty(), "described and used by no operation: {unused:?}");
}

#[tokio::test]
async fn the_document_and_the_page_are_served_to_anybody() {
    let world = World::new().await;
    let document = world.call(&Caller::Nobody, "GET", "/api/openapi.json", None).await.expect(200);
    assert_eq!(document.json["openapi"], "3.1.0");
    assert_eq!(document.json["paths"], DOCUMENT["paths"]);
    let page = world.call(&Caller::Nobody, "GET", "/api/docs", None).await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains("id=\"createGroupClusterOnlineArchive\""));
    let foreign = ["src=", "http-equiv", "@import", "url("];
    assert!(foreign.iter().all(|word| !page.text.contains(word)), "no assets from elsewhere");
}
