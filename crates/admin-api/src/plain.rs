//! Endpoints beside the versioned API: health, version, metrics, and the private ones that the Atlas
//! CLI calls on the way.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::routing::get;
use prometheus_client::registry::Registry;
use serde_json::json;

use crate::answer::{Style, respond, set_header};
use crate::authentication::{authenticate, rejection, remote_address};
use crate::state::ApiState;

/// The major version that new clusters get unless their request names one.
const DEFAULT_MONGODB_MAJOR_VERSION: &str = "8.0";

fn json(status: u16, value: serde_json::Value) -> Response<Body> {
    respond(status, Some("application/json"), Style::default().write(value))
}

/// The process runs.
pub(crate) async fn livez() -> Response<Body> {
    json(200, json!({ "status": "ok" }))
}

/// The process can serve: its store answers.
pub(crate) async fn readyz(State(state): State<ApiState>) -> Response<Body> {
    match state.control().ready().await {
        Ok(()) => json(200, json!({ "status": "ok" })),
        Err(cause) => {
            tracing::warn!(%cause, "not ready");
            json(503, json!({ "status": "the control state does not answer" }))
        }
    }
}

/// Which build this is.
pub(crate) async fn version(State(state): State<ApiState>) -> Response<Body> {
    let settings = &state.inner.settings;
    json(200, json!({ "name": "portolan", "version": settings.version, "commit": settings.build }))
}

/// The API description, for programs. It is public: it says nothing that the documentation does not.
pub(crate) async fn openapi(State(state): State<ApiState>) -> Response<Body> {
    respond(200, Some("application/json"), state.described().json.clone())
}

/// The API description, for people.
pub(crate) async fn docs(State(state): State<ApiState>) -> Response<Body> {
    let page = state.described().page.clone();
    let mut response = respond(200, Some("text/html;charset=utf-8"), page);
    // The page holds its one script and style; nothing else may load or run.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    set_header(&mut response, "content-security-policy", policy);
    set_header(&mut response, "x-content-type-options", "nosniff");
    response
}

/// Prometheus text format.
pub(crate) async fn metrics(State(state): State<ApiState>) -> Response<Body> {
    shown(&state.inner.registry)
}

/// `/metrics` and `/livez` alone, for a process that serves no API.
pub fn metrics_router(registry: Arc<Registry>) -> Router {
    let metrics = || async move { shown(&registry) };
    Router::new().route("/livez", get(livez)).route("/metrics", get(metrics))
}

fn shown(registry: &Registry) -> Response<Body> {
    let mut text = String::new();
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match prometheus_client::encoding::text::encode(&mut text, registry) {
        Ok(()) => respond(200, Some(content_type), text.into_bytes()),
        Err(_) => respond(500, None, Vec::new()),
    }
}

/// The caller's address, as the CLI's `--currentIp` asks for it.
pub(crate) async fn ip_info(State(state): State<ApiState>, request: Request) -> Response<Body> {
    let (parts, _body) = request.into_parts();
    if let Err(rejected) = authenticate(&state, &parts).await {
        return rejection(&state, rejected, Style::default());
    }
    let address = remote_address(&state, &parts).map(|ip| ip.to_canonical().to_string());
    json(200, json!({ "currentIpv4Address": address }))
}

/// The CLI asks for it before it creates a cluster.
pub(crate) async fn default_major_version() -> Response<Body> {
    let version = DEFAULT_MONGODB_MAJOR_VERSION.as_bytes().to_vec();
    respond(200, Some("text/plain;charset=utf-8"), version)
}

/// The CLI's usage events: nothing is kept. Answering quickly keeps the CLI from waiting.
pub(crate) async fn telemetry() -> Response<Body> {
    respond(202, None, Vec::new())
}
