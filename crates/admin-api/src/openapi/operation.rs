//! One operation of the document.

use http::Method;
use portolan_api_types::description::schemas::{Mode, Schemas};
use portolan_api_types::description::{Body, Gives, Operation};
use portolan_api_types::{ErrorCode, error::reason};
use serde_json::{Map, Value, json};

use super::parameters;
use crate::route::{Access, Route};
use crate::router::PlainRoute;

pub(super) const ANSWER: Mode = Mode::Answer;
/// Failures that any operation with authentication can answer with.
const COMMON: &[u16] = &[400, 401, 403, 404, 406, 429, 500, 503];
/// Failures of bodies.
const OF_BODIES: &[u16] = &[408, 413, 415];

/// An operation of the Admin API or of Portolan's own.
pub(super) fn of_route(route: &Route, said: &Operation, schemas: &mut Schemas<'_>) -> Value {
    let mut operation = head(route.operation, said);
    if route.access.is_public() {
        operation["security"] = json!([]);
    } else {
        operation["security"] = json!([{ "Digest": [] }, { "ServiceAccount": [] }]);
    }
    if let Access::Org(action) | Access::Project(action) = route.access {
        operation["x-portolan-permission"] = json!(format!("{action:?}"));
    }
    let old =
        !route.versions.is_empty() && route.versions.iter().all(|version| version.sunset.is_some());
    if old {
        operation["deprecated"] = json!(true);
    }
    operation["parameters"] = parameters::of(route.path, said, true, schemas);
    if !said.takes.is_empty() {
        operation["requestBody"] = request(&request_types(route), said, schemas);
    }
    let mut responses = Map::new();
    for gives in &said.gives {
        let content = answer_content(route, said, gives, schemas);
        add_answer(&mut responses, gives.status, content);
    }
    let bodied = route.method != Method::GET && route.method != Method::DELETE;
    add_failures(&mut responses, said, COMMON, bodied);
    operation["responses"] = Value::Object(responses);
    operation
}

/// An endpoint beside them.
pub(super) fn of_plain(route: &PlainRoute, said: &Operation, schemas: &mut Schemas<'_>) -> Value {
    let mut operation = head(route.operation, said);
    operation["security"] = json!([]);
    if let Some(takes) = said.takes.first() {
        let form = "application/x-www-form-urlencoded";
        let media = if takes.form { form } else { "application/json" };
        operation["requestBody"] = request(&[(media.to_owned(), None)], said, schemas);
    }
    let mut responses = Map::new();
    for gives in &said.gives {
        let content = gives.body.as_ref().map(|body| match body {
            Body::Text(media) => json!({ *media: { "schema": { "type": "string" } } }),
            body => json!({ "application/json": media(body, "", schemas) }),
        });
        add_answer(&mut responses, gives.status, content);
    }
    for (status, text) in route.failures {
        responses.insert(status.to_string(), json!({ "description": text }));
    }
    operation["responses"] = Value::Object(responses);
    operation
}

fn head(id: &str, said: &Operation) -> Value {
    json!({
        "operationId": id,
        "tags": [said.tag],
        "summary": said.summary,
        "description": said.text,
    })
}

/// Media types of bodies with their versions. A plain one is read as the newest.
fn request_types(route: &Route) -> Vec<(String, Option<String>)> {
    let dates = route.dates().into_iter().map(|date| date.to_string());
    let dated = dates.map(|date| (format!("application/vnd.atlas.{date}+json"), Some(date)));
    dated.chain([("application/json".to_owned(), None)]).collect()
}

fn request(
    media_types: &[(String, Option<String>)],
    said: &Operation,
    schemas: &mut Schemas<'_>,
) -> Value {
    let mut content = Map::new();
    for (media, date) in media_types {
        let own = said.takes.iter().find(|takes| takes.version == date.as_deref());
        let general = said.takes.iter().find(|takes| takes.version.is_none());
        let Some(takes) = own.or(general) else { continue };
        let mode = if takes.partial { Mode::Change } else { Mode::Request };
        let schema = schemas.of(&takes.kind, mode);
        let example = said.example.clone().filter(|_| takes.version.is_none());
        let example = example.unwrap_or_else(|| schemas.example(&takes.kind, mode));
        content.insert(media.clone(), json!({ "schema": schema, "example": example }));
    }
    json!({ "required": true, "content": content })
}

/// The bodies of an answer by media type; `None` when it has none in this status.
fn answer_content(
    route: &Route,
    said: &Operation,
    gives: &Gives,
    schemas: &mut Schemas<'_>,
) -> Option<Value> {
    let body = gives.body.as_ref()?;
    if route.versions.is_empty() {
        return Some(json!({ "application/json": media(body, route.path, schemas) }));
    }
    let mut content = Map::new();
    for version in route.versions {
        let date = version.date.to_string();
        let own =
            |other: &&Gives| other.version == Some(date.as_str()) && other.status == gives.status;
        let wanted = match gives.version {
            Some(named) => named == date,
            None => !said.gives.iter().any(|other| own(&other)),
        };
        if !wanted {
            continue;
        }
        let mut shown = media(body, route.path, schemas);
        if let Some(sunset) = version.sunset {
            shown["x-sunset"] = json!(sunset.to_string());
        }
        let format = route.format.as_str();
        content.insert(format!("application/vnd.atlas.{date}+{format}"), shown);
    }
    Some(Value::Object(content))
}

fn media(body: &Body, path: &str, schemas: &mut Schemas<'_>) -> Value {
    match body {
        Body::Json(kind) => {
            json!({ "schema": schemas.of(kind, ANSWER), "example": schemas.example(kind, ANSWER) })
        }
        Body::Page(kind) => json!({
            "schema": schemas.page(kind),
            "example": schemas.page_example(kind, &format!("http://127.0.0.1:8080{path}")),
        }),
        Body::Gzip | Body::Text(_) => json!({ "schema": { "type": "string" } }),
    }
}

/// Adds an answer, or its media types to those that the status has.
fn add_answer(responses: &mut Map<String, Value>, status: u16, content: Option<Value>) {
    let description = match status {
        204 => "Done; no body.",
        201 => "Created.",
        202 => "Accepted.",
        _ => "Done.",
    };
    let response = responses
        .entry(status.to_string())
        .or_insert_with(|| json!({ "description": description }));
    if let Some(Value::Object(content)) = content {
        for (media, shown) in content {
            response["content"][media] = shown;
        }
    }
}

fn add_failures(
    responses: &mut Map<String, Value>,
    said: &Operation,
    common: &[u16],
    bodied: bool,
) {
    let own = said.refuses.iter().filter_map(|(code, _)| status_of(code));
    let of_bodies = OF_BODIES.iter().copied().filter(|_| bodied);
    let mut statuses: Vec<u16> = common.iter().copied().chain(own).chain(of_bodies).collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let codes: Vec<_> =
            said.refuses.iter().filter(|(code, _)| status_of(code) == Some(status)).collect();
        let shared = format!("#/components/responses/{}", name_of(status));
        let response = match codes.as_slice() {
            [] => json!({ "$ref": shared }),
            codes => {
                let texts: Vec<String> =
                    codes.iter().map(|(code, text)| format!("`{code}`: {text}")).collect();
                let schema = json!({ "$ref": "#/components/schemas/ApiError" });
                json!({
                    "description": texts.join(" "),
                    "content": { "application/json": { "schema": schema } },
                    "x-portolan-codes": codes.iter().map(|(code, _)| code).collect::<Vec<_>>(),
                })
            }
        };
        responses.insert(status.to_string(), response);
    }
}

/// The status of a code that a description names. Codes that exist twice are not named there.
pub(crate) fn status_of(code: &str) -> Option<u16> {
    ErrorCode::ALL.iter().find(|known| known.as_str() == code).map(|known| known.status())
}

fn name_of(status: u16) -> String {
    reason(status).replace(' ', "")
}

/// The failures that operations share.
pub(super) fn shared_responses(error: &Value) -> Value {
    let texts: &[(u16, &str)] = &[
        (400, "The request is wrong; the body names the field or parameter."),
        (401, "No or wrong credentials (a wrong bearer token: no body), or a role is missing."),
        (402, "A payment is due; never answered here."),
        (403, "Forbidden: by access lists, by a rule, or `FEATURE_UNSUPPORTED` here."),
        (404, "Absent, or in an organization that the caller does not see."),
        (406, "`INVALID_VERSION_DATE`: the Accept header names no version that there is."),
        (408, "The body did not arrive in time."),
        (409, "The state of the resource forbids it now."),
        (413, "The body is too large."),
        (415, "The body is labelled as something else than JSON."),
        (429, "Too many requests; Retry-After says how long to wait."),
        (500, "A fault of the server, or an outcome that nobody knows."),
        (503, "Try again later."),
    ];
    let response = |(status, text): &(u16, &str)| {
        let content = json!({ "application/json": { "schema": error } });
        (name_of(*status), json!({ "description": text, "content": content }))
    };
    Value::Object(texts.iter().map(response).collect())
}
