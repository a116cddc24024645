//! How answers are written: sorted keys, `envelope`, `pretty`, dated content types, fixed headers.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use portolan_api_types::Problem;
use serde_json::{Map, Value, json};

/// What a handler answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: ReplyBody,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// One thing.
    One(Value),
    /// A list, which is its own envelope.
    List(Value),
    /// A file, made while it is sent.
    Download(Body),
    /// Nothing.
    Empty,
}

impl Reply {
    fn new(status: u16, body: ReplyBody) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    /// 200 with one thing.
    pub(crate) fn ok(body: Value) -> Self {
        Self::new(200, ReplyBody::One(body))
    }

    /// 201 with one thing.
    pub(crate) fn created(body: Value) -> Self {
        Self::new(201, ReplyBody::One(body))
    }

    /// 202 with an empty object.
    pub(crate) fn accepted() -> Self {
        Self::new(202, ReplyBody::One(json!({})))
    }

    /// 204.
    pub(crate) fn no_content() -> Self {
        Self::new(204, ReplyBody::Empty)
    }

    /// 200 with a list.
    pub(crate) fn list(body: Value) -> Self {
        Self::new(200, ReplyBody::List(body))
    }

    /// 200 with a file.
    pub(crate) fn download(body: Body) -> Self {
        Self::new(200, ReplyBody::Download(body))
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// How the caller wants JSON written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Style {
    pub(crate) envelope: bool,
    pub(crate) pretty: bool,
}

impl Style {
    /// Reads `envelope` and `pretty`; anything but `true` means no, as on Atlas.
    pub(crate) fn of(query: &[(String, String)]) -> Self {
        let is = |name: &str| query.iter().any(|(key, value)| key == name && value == "true");
        Self { envelope: is("envelope"), pretty: is("pretty") }
    }

    fn body(self, value: Value) -> Body {
        Body::from(self.write(value))
    }

    pub(crate) fn write(self, value: Value) -> Vec<u8> {
        let sorted = sorted(value);
        let written = if self.pretty {
            serde_json::to_vec_pretty(&sorted)
        } else {
            serde_json::to_vec(&sorted)
        };
        written.expect("a JSON value always serializes")
    }
}

/// Keys in alphabetical order at each depth, as the service writes them.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(entries.into_iter().map(|(key, item)| (key, sorted(item))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Writes a successful answer.
pub(crate) fn write_reply(reply: Reply, content_type: &str, style: Style) -> Response<Body> {
    let (status, body) = match reply.body {
        ReplyBody::Download(body) => (reply.status, body),
        ReplyBody::Empty if !style.envelope => (reply.status, Body::empty()),
        ReplyBody::Empty => (200, style.body(enveloped(json!({}), reply.status))),
        ReplyBody::One(value) if style.envelope => {
            (200, style.body(enveloped(value, reply.status)))
        }
        ReplyBody::List(value) if style.envelope => {
            (200, style.body(with_status(value, reply.status)))
        }
        ReplyBody::One(value) | ReplyBody::List(value) => (reply.status, style.body(value)),
    };
    let mut response = respond(status, Some(content_type), body);
    for (name, value) in reply.headers {
        set_header(&mut response, name, &value);
    }
    response
}

/// Writes an error: always plain JSON. Its status stays on the HTTP level even inside an envelope,
/// so that no client takes a failure for a success.
pub(crate) fn write_problem(problem: &Problem, style: Style) -> Response<Body> {
    let status = problem.code.status();
    let body = if style.envelope { enveloped(problem.body(), status) } else { problem.body() };
    let mut response = respond(status, Some("application/json"), style.write(body));
    set_header(&mut response, "x-error-code", problem.code.as_str());
    if matches!(status, 429 | 503) {
        set_header(&mut response, "retry-after", "1");
    }
    response
}

fn enveloped(content: Value, status: u16) -> Value {
    json!({ "content": content, "status": status })
}

fn with_status(list: Value, status: u16) -> Value {
    let mut map = match list {
        Value::Object(map) => map,
        other => Map::from_iter([("results".to_owned(), other)]),
    };
    map.insert("status".to_owned(), Value::from(status));
    Value::Object(map)
}

/// A bare response.
pub(crate) fn respond(
    status: u16,
    content_type: Option<&str>,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(content_type) = content_type {
        set_header(&mut response, CONTENT_TYPE.as_str(), content_type);
    }
    response
}

/// Sets a header; one that cannot be written is left out rather than failing the answer.
pub(crate) fn set_header(response: &mut Response<Body>, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
        response.headers_mut().insert(name, value);
    }
}

/// Headers of every answer of the API: what the service sends and makes sense without its proxies.
pub(crate) fn set_common_headers(response: &mut Response<Body>, request_id: &str, service: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-permitted-cross-domain-policies", "none"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("cache-control", "no-store"),
        ("x-request-id", request_id),
        ("x-mongodb-service-version", service),
    ] {
        set_header(response, name, value);
    }
}
