//! The way of one request: body, operation, caller, permission, rate limit, version, audit row, handler,
//! answer.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use portolan_api_types::check_unwanted;
use portolan_api_types::time::header_date;
use portolan_api_types::version::V2025_02_19;
use portolan_api_types::version::newest_not_after;
use portolan_api_types::{ErrorCode, MediaType, Problem, VersionDate};
use portolan_control::Caller;
use portolan_model::RequestId;

use crate::answer::{Style, set_common_headers, set_header, write_problem, write_reply};
use crate::authentication::{authenticate, rejection, remote_address};
use crate::body::read_body;
use crate::call::{Call, parse_id};
use crate::failure::Failure;
use crate::openapi::DESCRIPTION;
use crate::path::{Parameters, RequestPath, decode};
use crate::route::{Access, Answer, Route};
use crate::router::RouteTable;
use crate::state::ApiState;

/// Answers one request to the Admin API or to Portolan's own API.
pub(crate) async fn dispatch(
    State((state, table)): State<(ApiState, RouteTable)>,
    request: Request,
) -> Response<Body> {
    let runtime = state.control().runtime.clone();
    let (started_ms, request_id) = (runtime.boot_ms(), RequestId::new(runtime.object_id()));
    let (parts, body) = request.into_parts();
    let path = RequestPath::new(parts.uri.path());
    let query = query_of(&parts);
    let style = Style::of(&query);
    let found = table.find(&parts.method, &path);
    let operation = found.as_ref().map_or("none", |(route, _)| route.operation);
    let inbound = Inbound { state: &state, parts, path, query, request_id, style };
    let mut response = inbound.answer(found, body).await;
    let settings = &state.inner.settings;
    let service = format!("gitHash={}; versionString={}", settings.build, settings.version);
    set_common_headers(&mut response, &request_id.to_string(), &service);
    if state.inner.base.public_url().starts_with("https://") {
        set_header(&mut response, "strict-transport-security", "max-age=31536000");
    }
    let duration_ms = runtime.boot_ms().saturating_sub(started_ms);
    let status = response.status().as_u16();
    state.inner.metrics.observe(operation, status, duration_ms);
    tracing::debug!(%request_id, operation, status, duration_ms, "request");
    response
}

struct Inbound<'a> {
    state: &'a ApiState,
    parts: Parts,
    path: RequestPath,
    query: Vec<(String, String)>,
    request_id: RequestId,
    style: Style,
}

impl Inbound<'_> {
    async fn answer(self, found: Option<(&Route, Parameters)>, body: Body) -> Response<Body> {
        let style = self.style;
        // The body is read before anything is refused: Digest clients send it with both legs, and an
        // unread body would break the connection that the second leg wants to use.
        let body = match read_body(self.state, body).await {
            Ok(body) => body,
            Err(problem) => return closing(write_problem(&problem, style)),
        };
        let Some((route, parameters)) = found else {
            let problem = Problem::new(ErrorCode::ResourceNotFound, "No such operation.");
            return write_problem(&problem, style);
        };
        let remote_address = remote_address(self.state, &self.parts);
        let caller = if route.access == Access::Public {
            Caller::anonymous(remote_address, self.request_id)
        } else {
            let principal = match authenticate(self.state, &self.parts).await {
                Ok(principal) => principal,
                Err(rejected) => return rejection(self.state, rejected, style),
            };
            Caller { principal, remote_address, request_id: self.request_id }
        };
        self.serve(route, parameters, caller, body).await
    }

    /// Permission, rate limit, and what is left of the request's way.
    async fn serve(
        self,
        route: &Route,
        parameters: Parameters,
        caller: Caller,
        body: Bytes,
    ) -> Response<Body> {
        let call = Call {
            state: self.state.clone(),
            caller,
            version: None,
            body_version: None,
            parameters,
            query: self.query,
            broken_query: broken_query(&self.parts),
            body,
            path: self.path.to_string(),
        };
        let access = check_access(route.access, &call).await;
        let limiter = &self.state.inner.limiter;
        let taken = limiter.take_for(route.path, &call, access.is_ok());
        let mut response = match taken.problem(&call.path) {
            Some(problem) => write_problem(&problem, self.style),
            None => answer_call(route, call, access, &self.parts.headers, self.style).await,
        };
        taken.set_headers(&mut response);
        response
    }
}

/// Media type, body type, handler, answer.
async fn answer_call(
    route: &Route,
    mut call: Call,
    access: Result<(), Failure>,
    headers: &HeaderMap,
    style: Style,
) -> Response<Body> {
    let media = match negotiate(route, headers) {
        Ok(media) => media,
        Err(problem) => return write_problem(&problem, style),
    };
    if let Err(problem) = check_body_type(headers, &call.body) {
        return write_problem(&problem, style);
    }
    call.version = media.map(|media| media.date);
    call.body_version = body_version(route, headers).or(call.version);
    match run(route, access, call).await {
        Ok(reply) => {
            let mut response = write_reply(reply, &content_type(media), style);
            set_lifecycle_headers(&mut response, route, media);
            response
        }
        Err(failure) => write_problem(&failure.problem, style),
    }
}

/// Audit row, and the handler for whom permission was found. Who tried what in vain is what an audit asks
/// for first, so a refused change has its row, too.
async fn run(route: &Route, access: Result<(), Failure>, call: Call) -> Answer {
    if !route.is_mutating() {
        access?;
        call.check_escapes()?;
        return (route.handler)(call).await;
    }
    let control = call.control().clone();
    let caller = call.caller.clone();
    control.note_intent(&caller, route.operation, &call.path).await?;
    let result = match access.and_then(|()| Ok(check_form(route, &call)?)) {
        Ok(()) => (route.handler)(call).await,
        Err(refused) => Err(refused),
    };
    let failure = result.as_ref().err().map(|failure| failure.problem.as_ref());
    control.note_outcome(&caller, failure).await;
    result
}

/// What holds for every change before its handler looks: escapes that mean something, and no broken body
/// where none is wanted.
fn check_form(route: &Route, call: &Call) -> Result<(), Problem> {
    call.check_escapes()?;
    let takes =
        DESCRIPTION.operations.get(route.operation).is_some_and(|said| !said.takes.is_empty());
    if takes { Ok(()) } else { check_unwanted(&call.body) }
}

async fn check_access(access: Access, call: &Call) -> Result<(), Failure> {
    let principal = &call.caller.principal;
    match access {
        Access::Public | Access::Authenticated => Ok(()),
        Access::Org(action) => {
            let org_id = parse_id("orgId", call.text("orgId"))?;
            call.control().org(principal, action, org_id).await?;
            Ok(())
        }
        Access::Project(action) => {
            let project_id = parse_id("groupId", call.text("groupId"))?;
            call.control().project(principal, action, project_id).await?;
            Ok(())
        }
    }
}

/// The version of the answer. Portolan's own API has no versions.
fn negotiate(route: &Route, headers: &HeaderMap) -> Result<Option<MediaType>, Problem> {
    if route.versions.is_empty() {
        return Ok(None);
    }
    let accept: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    MediaType::resolve(&accept.join(","), &route.dates(), route.format).map(Some)
}

/// The version of the operation in which a dated body is written.
fn body_version(route: &Route, headers: &HeaderMap) -> Option<VersionDate> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    newest_not_after(MediaType::parse(content_type)?.date, &route.dates())
}

/// A body is JSON: dated, plain, or not labelled at all. It is not packed.
fn check_body_type(headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
    let packed = headers.get(CONTENT_ENCODING).filter(|value| *value != "identity");
    if let Some(packed) = packed.filter(|_| !body.is_empty()) {
        let packed = packed.to_str().unwrap_or("");
        let detail = format!("Content encoding {packed} is not supported; send the body as it is.");
        return Err(Problem::new(ErrorCode::UnsupportedMediaType, detail).with(packed));
    }
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or("");
    let essence = text.split(';').next().unwrap_or("").trim();
    let plain = essence.eq_ignore_ascii_case("application/json");
    if body.is_empty() || plain || MediaType::parse(text).is_some() {
        return Ok(());
    }
    let detail = format!("Content type {essence} is not supported; send application/json.");
    Err(Problem::new(ErrorCode::UnsupportedMediaType, detail).with(essence))
}

fn content_type(media: Option<MediaType>) -> String {
    match media {
        Some(media) if media.format == portolan_api_types::version::Format::Json => {
            format!("{media};charset=utf-8")
        }
        Some(media) => media.to_string(),
        None => "application/json".to_owned(),
    }
}

/// `Deprecation` and `Sunset` of a version or an operation that a newer one replaced.
fn set_lifecycle_headers(response: &mut Response<Body>, route: &Route, media: Option<MediaType>) {
    let Some(date) = media.map(|media| media.date) else { return };
    let served = route.versions.iter().find(|version| version.date == date);
    let Some(sunset) = served.and_then(|version| version.sunset) else { return };
    // Deprecated operations without a newer version are those that the user operations of 2025-02-19
    // replaced.
    let newer = route.dates().into_iter().filter(|other| *other > date).min();
    set_header(response, "deprecation", &header_date(newer.unwrap_or(V2025_02_19)));
    set_header(response, "sunset", &header_date(sunset));
}

/// The rest of an oversized body stays unread, so the connection cannot be used again.
fn closing(mut response: Response<Body>) -> Response<Body> {
    set_header(&mut response, "connection", "close");
    response
}

/// The first parameter whose escapes are cut short, give no UTF-8, or hold a NUL.
fn broken_query(parts: &Parts) -> Option<String> {
    let pairs = parts.uri.query().unwrap_or("").split('&');
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let broken = pairs.find(|(name, value)| decode(name).is_none() || decode(value).is_none())?;
    Some(decode(broken.0).unwrap_or_else(|| "of the query".to_owned()))
}

fn query_of(parts: &Parts) -> Vec<(String, String)> {
    let query = parts.uri.query().unwrap_or("");
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}
