//! The one table of operations, and the HTTP surface around it.
//!
//! One line per operation stands in the handler's own file; here their lists are put together.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use portolan_api_types::ErrorCode;
use portolan_auth::Action;

use crate::dispatch::dispatch;
use crate::handlers;
use crate::openapi::DESCRIPTION;
use crate::path::{Parameters, RequestPath};
use crate::route::{Access, Route};
use crate::state::ApiState;
use crate::{oauth, plain};

/// The operations, shared by all requests.
#[derive(Clone)]
pub(crate) struct RouteTable {
    routes: Arc<Vec<Route>>,
}

impl RouteTable {
    pub(crate) fn new() -> Self {
        Self { routes: Arc::new(routes()) }
    }

    /// The operation for a request: of all that match, the one with the most literal path.
    pub(crate) fn find(&self, method: &Method, path: &RequestPath) -> Option<(&Route, Parameters)> {
        let matching = self.routes.iter().filter(|route| route.method == *method);
        matching
            .filter_map(|route| {
                route.pattern.matches(path).map(|(rank, parameters)| (rank, route, parameters))
            })
            .min_by(|(a, ..), (b, ..)| a.cmp(b))
            .map(|(_, route, parameters)| (route, parameters))
    }
}

pub(crate) fn routes() -> Vec<Route> {
    [
        handlers::system_status::routes(),
        handlers::control_plane::routes(),
        handlers::rate_limits::routes(),
        handlers::organizations::routes(),
        handlers::organization_settings::routes(),
        handlers::projects::routes(),
        handlers::project_settings::routes(),
        handlers::project_limits::routes(),
        handlers::network::routes(),
        handlers::migrate::routes(),
        handlers::users::routes(),
        handlers::project_users::routes(),
        handlers::org_invitations::routes(),
        handlers::project_invitations::routes(),
        handlers::people::routes(),
        handlers::teams::routes(),
        handlers::project_teams::routes(),
        handlers::api_keys::routes(),
        handlers::project_api_keys::routes(),
        handlers::service_accounts::routes(),
        handlers::project_service_accounts::routes(),
        handlers::access_lists::routes(),
        handlers::events::routes(),
        handlers::previews::routes(),
        handlers::clusters::routes(),
        handlers::cluster_lifecycle::routes(),
        handlers::cluster_details::routes(),
        handlers::flex_clusters::routes(),
        handlers::sample_datasets::routes(),
        handlers::database_users::routes(),
        handlers::online_archives::routes(),
        handlers::query_logs::routes(),
        handlers::data_federation::routes(),
        handlers::link_tokens::routes(),
        handlers::live_migrations::routes(),
        handlers::live_migrations::links::routes(),
        handlers::own_api::routes(),
        handlers::archive_operators::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the world may know of an operation: for the access matrix and the API description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationInfo {
    /// `GET` and so on.
    pub method: String,
    /// The path pattern.
    pub path: &'static str,
    /// The name that clients know it by.
    pub operation_id: &'static str,
    /// The dates of its versions; none for Portolan's own API.
    pub versions: Vec<String>,
    /// What the API description says of its success: statuses, or why it always refuses.
    pub outcome: Outcome,
    /// What the caller must be allowed; `None` when any credentials do, or none are needed.
    pub action: Option<Action>,
    /// Whether it asks for no credentials at all.
    pub public: bool,
}

/// What an operation does here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It answers with one of these statuses.
    Served(Vec<u16>),
    /// It always answers `FEATURE_UNSUPPORTED`, for this reason.
    Refused(&'static str),
}

impl Outcome {
    fn of(operation: &str) -> Self {
        let said = DESCRIPTION.operations.get(operation);
        let mut statuses: Vec<u16> =
            said.iter().flat_map(|said| &said.gives).map(|gives| gives.status).collect();
        statuses.dedup();
        let reason = said.and_then(|said| {
            said.refuses.iter().find(|(code, _)| *code == ErrorCode::FeatureUnsupported.as_str())
        });
        match (statuses.is_empty(), reason) {
            (true, Some((_, reason))) => Self::Refused(reason),
            _ => Self::Served(statuses),
        }
    }
}

/// Every operation, in the order of the table.
#[must_use]
pub fn operations() -> Vec<OperationInfo> {
    routes().iter().map(info).collect()
}

fn info(route: &Route) -> OperationInfo {
    OperationInfo {
        method: route.method.to_string(),
        path: route.path,
        operation_id: route.operation,
        versions: route.dates().iter().map(ToString::to_string).collect(),
        outcome: Outcome::of(route.operation),
        action: match route.access {
            Access::Public | Access::Authenticated => None,
            Access::Org(action) | Access::Project(action) => Some(action),
        },
        public: route.access == Access::Public,
    }
}

/// An endpoint beside the versioned API.
pub(crate) struct PlainRoute {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) operation: &'static str,
    /// Its failures, for the API description.
    pub(crate) failures: &'static [(u16, &'static str)],
    handler: MethodRouter<ApiState>,
}

/// The endpoints beside the versioned API, in the order of the description.
pub(crate) fn plain_routes() -> Vec<PlainRoute> {
    const NOT_READY: &[(u16, &str)] = &[(503, "The control state does not answer.")];
    const TOKENS: &[(u16, &str)] = &[
        (400, "The form is wrong; the body is an error object of RFC 6749."),
        (401, "Client id or secret is wrong; the body is an error object of RFC 6749."),
        (429, "Too many requests."),
        (500, "A fault of the server; the body is an error object of RFC 6749."),
    ];
    const CALLERS: &[(u16, &str)] =
        &[(401, "No or wrong credentials."), (403, "The caller's address is not allowed.")];
    let route = |method, path, operation, failures, handler| PlainRoute {
        method,
        path,
        operation,
        failures,
        handler,
    };
    let (read, send) = (Method::GET, Method::POST);
    vec![
        route(read.clone(), "/livez", "getLivez", &[], get(plain::livez)),
        route(read.clone(), "/readyz", "getReadyz", NOT_READY, get(plain::readyz)),
        route(read.clone(), "/version", "getVersion", &[], get(plain::version)),
        route(read.clone(), "/metrics", "getMetrics", &[], get(plain::metrics)),
        route(read.clone(), "/api/openapi.json", "getOpenapi", &[], get(plain::openapi)),
        route(read.clone(), "/api/docs", "getDocs", &[], get(plain::docs)),
        route(send.clone(), "/api/oauth/token", "createToken", TOKENS, post(oauth::token)),
        route(send.clone(), "/api/oauth/revoke", "revokeToken", TOKENS, post(oauth::revoke)),
        route(read.clone(), "/api/private/ipinfo", "getIpInfo", CALLERS, get(plain::ip_info)),
        route(
            read,
            "/api/private/unauth/nds/defaultMongoDBMajorVersion",
            "getDefaultMongoDbMajorVersion",
            &[],
            get(plain::default_major_version),
        ),
        route(
            send.clone(),
            "/api/private/unauth/telemetry/events",
            "sendTelemetry",
            &[],
            post(plain::telemetry),
        ),
        route(
            send,
            "/api/private/v1.0/telemetry/events",
            "sendAuthenticatedTelemetry",
            &[],
            post(plain::telemetry),
        ),
    ]
}

/// The whole HTTP surface. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, so
/// that events can name the caller's address.
pub fn router(state: ApiState) -> Router {
    let plain = plain_routes()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.handler))
        .with_state(state.clone());
    plain.fallback(dispatch).with_state((state, RouteTable::new()))
}
