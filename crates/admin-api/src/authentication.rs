//! Who calls: HTTP Digest for API keys, Bearer for access tokens of service accounts.
//!
//! Without credentials, or with a scheme that is neither, the answer is a Digest challenge with the
//! JSON body that Atlas sends; a wrong Bearer token gets 401 with an empty body.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use portolan_auth::{DigestOutcome, Principal, parse_digest};
use portolan_control::{ControlError, Login};

use crate::answer::{Style, respond, set_header, write_problem};
use crate::failure::Failure;
use crate::state::ApiState;

/// Where proxies write whom they serve.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Why nobody was recognized or let in.
pub(crate) enum Rejected {
    /// Send a Digest challenge.
    Challenge { stale: bool },
    /// Send 401 without a body.
    Bearer,
    /// The access list does not name the caller, or the store failed.
    Refused(ControlError),
}

/// Finds out who calls.
pub(crate) async fn authenticate(state: &ApiState, parts: &Parts) -> Result<Principal, Rejected> {
    let Some(header) = authorization(&parts.headers) else {
        return Err(Rejected::Challenge { stale: false });
    };
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    let login = if scheme.eq_ignore_ascii_case("bearer") {
        bearer(state, rest.trim()).await?
    } else if scheme.eq_ignore_ascii_case("digest") {
        digest(state, parts, rest).await?
    } else {
        return Err(Rejected::Challenge { stale: false });
    };
    let admitted = login.admit(remote_address(state, parts)).map_err(Rejected::Refused)?;
    if let Some(used) = admitted.used {
        state.note_use(used);
    }
    Ok(admitted.principal)
}

/// Where the request comes from: the other side of the connection, or, when that is a trusted proxy, the
/// last address in `X-Forwarded-For` that is none. What stands before it anybody can have written.
/// Unknown only in tests that make no connection.
pub(crate) fn remote_address(state: &ApiState, parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    let proxies = &state.inner.settings.trusted_proxies;
    let trusted = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(&address));
    let named = parts.headers.get_all(FORWARDED_FOR).iter().rev();
    let named = named.flat_map(|value| value.to_str().unwrap_or("").rsplit(','));
    let mut address = peer;
    for text in named {
        if !trusted(address) {
            break;
        }
        let Ok(before) = text.trim().parse::<IpAddr>() else { break };
        address = before.to_canonical();
    }
    Some(address)
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()
}

async fn bearer(state: &ApiState, token: &str) -> Result<Login, Rejected> {
    let found = state.control().login_of_token(token).await.map_err(Rejected::Refused)?;
    found.ok_or(Rejected::Bearer)
}

async fn digest(state: &ApiState, parts: &Parts, value: &str) -> Result<Login, Rejected> {
    let refused = Rejected::Challenge { stale: false };
    let Ok(credentials) = parse_digest(value) else { return Err(refused) };
    let login = state.control().login_of_key(&credentials.username).await;
    let login = login.map_err(Rejected::Refused)?;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let outcome = state.inner.gate.check(
        &credentials,
        login.as_ref().and_then(|login| login.ha1.as_ref()),
        parts.method.as_str(),
        target,
        state.control().runtime.now_ms(),
    );
    match (outcome, login) {
        (DigestOutcome::Accepted, Some(login)) => Ok(login),
        (DigestOutcome::Stale, _) => Err(Rejected::Challenge { stale: true }),
        _ => Err(refused),
    }
}

/// The answer to somebody who was not recognized or not let in.
pub(crate) fn rejection(state: &ApiState, rejected: Rejected, style: Style) -> Response<Body> {
    match rejected {
        Rejected::Challenge { stale } => challenge(state, stale),
        Rejected::Bearer => respond(401, None, Vec::new()),
        Rejected::Refused(error) => write_problem(&Failure::from(error).problem, style),
    }
}

/// The 401 of a missing or wrong Digest: pretty-printed, in this order of keys, as recorded.
fn challenge(state: &ApiState, stale: bool) -> Response<Body> {
    let body = "{\n  \"error\" : 401,\n  \"reason\" : \"Unauthorized\",\n  \"detail\" : \"You are not \
                authorized for this resource.\",\n  \"errorCode\" : \"UNEXPECTED_ERROR\"\n}";
    let mut response = respond(401, Some("application/json"), body.as_bytes().to_vec());
    let value = state.inner.gate.challenge(&state.control().runtime, stale);
    set_header(&mut response, WWW_AUTHENTICATE.as_str(), &value);
    set_header(&mut response, "x-error-code", "UNEXPECTED_ERROR");
    response
}
