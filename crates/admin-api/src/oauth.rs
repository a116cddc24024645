//! OAuth 2.0 client credentials (RFC 6749, 4.4) and revocation (RFC 7009) for service accounts.
//!
//! Client id and secret come in a Basic header, percent-encoded or not (RFC 6749, 2.3.1; Go's client
//! encodes, curl does not), or in the form. Errors are RFC 6749 objects, not the Admin API's.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portolan_security::SecretString;
use serde_json::{Value, json};

use crate::answer::{Style, respond, set_header, write_problem};
use crate::authentication::remote_address;
use crate::body::read_body;
use crate::path::decode;
use crate::rate::{TOKEN_PATH, set_of};
use crate::state::ApiState;

struct Client {
    id: String,
    secret: SecretString,
}

type Form = Vec<(String, String)>;

/// `POST /api/oauth/token`.
pub(crate) async fn token(State(state): State<ApiState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = read_body(&state, body).await else { return unreadable() };
    let address = remote_address(&state, &parts).map(|ip| ip.to_string()).unwrap_or_default();
    let now_boot_ms = state.control().runtime.boot_ms();
    let taken = state.inner.limiter.take(set_of(TOKEN_PATH), &address, now_boot_ms);
    let mut response = match taken.token_problem() {
        Some(problem) => write_problem(&problem, Style::default()),
        None => issue(&state, &parts.headers, &form(&body)).await,
    };
    taken.set_headers(&mut response);
    response
}

async fn issue(state: &ApiState, headers: &HeaderMap, form: &Form) -> Response<Body> {
    let Some(client) = client(headers, form) else { return invalid_client() };
    match value(form, "grant_type") {
        Some("client_credentials") => {}
        Some(_) => return refused(400, "unsupported_grant_type", "Use client_credentials."),
        None => return refused(400, "invalid_request", "grant_type is missing."),
    }
    match state.control().issue_token(&client.id, &client.secret).await {
        Ok(Some(token)) => no_store(json(
            200,
            json!({
                "access_token": token.token.expose(),
                "expires_in": token.expires_in_s,
                "token_type": "Bearer",
            }),
        )),
        Ok(None) => invalid_client(),
        Err(cause) => failed(&cause),
    }
}

/// `POST /api/oauth/revoke`: 200 with no body, whether there was such a token or not.
pub(crate) async fn revoke(State(state): State<ApiState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = read_body(&state, body).await else { return unreadable() };
    let form = form(&body);
    let Some(client) = client(&parts.headers, &form) else { return invalid_client() };
    let Some(token) = value(&form, "token") else {
        return refused(400, "invalid_request", "token is missing.");
    };
    let token = SecretString::new(token);
    match state.control().revoke_token(&client.id, &client.secret, &token).await {
        Ok(true) => respond(200, None, Vec::new()),
        Ok(false) => invalid_client(),
        Err(cause) => failed(&cause),
    }
}

fn form(body: &[u8]) -> Form {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn value<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn client(headers: &HeaderMap, form: &Form) -> Option<Client> {
    match headers.get(AUTHORIZATION) {
        Some(header) => basic(header.to_str().ok()?),
        None => Some(Client {
            id: value(form, "client_id")?.to_owned(),
            secret: SecretString::new(value(form, "client_secret")?),
        }),
    }
}

fn basic(header: &str) -> Option<Client> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some(Client { id: decode(id)?, secret: SecretString::new(decode(secret)?) })
}

fn json(status: u16, body: Value) -> Response<Body> {
    respond(status, Some("application/json"), Style::default().write(body))
}

fn refused(status: u16, error: &str, description: &str) -> Response<Body> {
    no_store(json(status, json!({ "error": error, "error_description": description })))
}

/// A form that is longer than any of these can be, that broke off, or that came too slowly. What is left
/// of it stays unread.
fn unreadable() -> Response<Body> {
    let detail = "The body is too long, ended early or did not arrive in time.";
    let mut response = refused(400, "invalid_request", detail);
    set_header(&mut response, "connection", "close");
    response
}

fn invalid_client() -> Response<Body> {
    refused(401, "invalid_client", "Invalid credentials provided.")
}

fn failed(cause: &portolan_control::ControlError) -> Response<Body> {
    tracing::error!(%cause, "a token request failed");
    refused(500, "server_error", "The server could not answer; try again later.")
}

/// Tokens must not be cached (RFC 6749, 5.1).
fn no_store(mut response: Response<Body>) -> Response<Body> {
    set_header(&mut response, "cache-control", "no-store");
    set_header(&mut response, "pragma", "no-cache");
    response
}
