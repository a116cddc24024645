//! The OpenAPI 3.1 document of what this build serves.
//!
//! Paths, methods, versions and permissions come from the router, words and shapes from the `.api` files
//! of `api-types` (see [`portolan_api_types::description`]); a test holds both equal. What is not here:
//! the page that shows it ([`page`]).

mod operation;
pub(crate) mod page;
mod parameters;

#[cfg(test)]
pub(crate) use operation::status_of;
#[cfg(test)]
pub(crate) use parameters::names as parameters_of;

use std::sync::LazyLock;

use portolan_api_types::description::schemas::Schemas;
use portolan_api_types::description::{Description, Kind};
use serde_json::{Map, Value, json};

#[cfg(test)]
use crate::route::Route;
#[cfg(test)]
use crate::router::PlainRoute;
use crate::router::{plain_routes, routes};

/// Everything that is said of the API.
pub(crate) static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| {
    Description::load().expect("the .api files are compiled in, and a test reads the same ones")
});

const INTRODUCTION: &str = "Portolan speaks the MongoDB Atlas Administration API v2 below \
    `/api/atlas/v2`, and an API of its own below `/api/portolan/v1`. Callers prove themselves with HTTP \
    Digest (an API key) or a bearer token (a service account). In the Admin API each request names a \
    date, as in `Accept: application/vnd.atlas.2025-03-12+json`; the newest version of the resource \
    that is not newer answers. Fields that only answers have are ignored in requests; other fields \
    that are not described are refused by name.";

/// The document; `public_url` is where the API is reached.
///
/// # Panics
/// Never in a build that passed its tests.
#[must_use]
pub fn openapi(public_url: &str, version: &str) -> Value {
    let description = &*DESCRIPTION;
    let mut schemas = Schemas::new(description);
    let paths = paths(description, &mut schemas);
    let error = schemas.of(&Kind::Named("ApiError"), operation::ANSWER);
    let tags: Vec<Value> = description
        .tags
        .iter()
        .map(|(name, text)| json!({ "name": name, "description": text }))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portolan",
            "version": version,
            "description": INTRODUCTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{ "url": public_url }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "parameters": parameters::shared(),
            "responses": operation::shared_responses(&error),
            "schemas": schemas.finish(),
        },
    })
}

fn paths(description: &Description, schemas: &mut Schemas<'_>) -> Map<String, Value> {
    let mut paths = Map::new();
    for route in &routes() {
        if let Some(said) = description.operations.get(route.operation) {
            let operation = operation::of_route(route, said, schemas);
            insert(&mut paths, route.path, &route.method, operation);
        }
    }
    for route in &plain_routes() {
        if let Some(said) = description.operations.get(route.operation) {
            let operation = operation::of_plain(route, said, schemas);
            insert(&mut paths, route.path, &route.method, operation);
        }
    }
    paths
}

fn insert(paths: &mut Map<String, Value>, path: &str, method: &http::Method, operation: Value) {
    let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
    item[method.as_str().to_ascii_lowercase()] = operation;
}

fn security_schemes() -> Value {
    json!({
        "Digest": {
            "type": "http",
            "scheme": "digest",
            "description": "Public and private half of an API key as user name and password.",
        },
        "ServiceAccount": {
            "type": "oauth2",
            "description": "A bearer token of a service account.",
            "flows": { "clientCredentials": { "tokenUrl": "/api/oauth/token", "scopes": {} } },
        },
    })
}

/// Ids of operations that the router serves and nobody described, and the other way round.
#[cfg(test)]
pub(crate) fn differences() -> (Vec<&'static str>, Vec<&'static str>) {
    let served: Vec<&str> = routes()
        .iter()
        .map(|route: &Route| route.operation)
        .chain(plain_routes().iter().map(|route: &PlainRoute| route.operation))
        .collect();
    let described = &DESCRIPTION.operations;
    let silent = served.iter().copied().filter(|id| !described.contains_key(id)).collect();
    let absent = described.keys().copied().filter(|id| !served.contains(id)).collect();
    (silent, absent)
}

/// Shapes that no operation names.
#[cfg(test)]
pub(crate) fn unused_shapes() -> Vec<&'static str> {
    let mut schemas = Schemas::new(&DESCRIPTION);
    paths(&DESCRIPTION, &mut schemas);
    schemas.of(&Kind::Named("ApiError"), operation::ANSWER);
    schemas.unused()
}
