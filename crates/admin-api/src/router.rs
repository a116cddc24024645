//! The one table of operations, and the HTTP surface around it.
//!
//! One line per operation stands in the handler's own file; here their lists are put together.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::routing::{get, post};
use portolan_auth::Action;

use crate::dispatch::dispatch;
use crate::handlers;
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

fn routes() -> Vec<Route> {
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
        handlers::api_keys::routes(),
        handlers::project_api_keys::routes(),
        handlers::service_accounts::routes(),
        handlers::project_service_accounts::routes(),
        handlers::access_lists::routes(),
        handlers::events::routes(),
        handlers::previews::routes(),
        handlers::clusters::routes(),
        handlers::database_users::routes(),
        handlers::online_archives::routes(),
        handlers::link_tokens::routes(),
        handlers::own_api::routes(),
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
    /// What the caller must be allowed; `None` when any credentials do, or none are needed.
    pub action: Option<Action>,
    /// Whether it asks for no credentials at all.
    pub public: bool,
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
        action: match route.access {
            Access::Public | Access::Authenticated => None,
            Access::Org(action) | Access::Project(action) => Some(action),
        },
        public: route.access == Access::Public,
    }
}

/// The whole HTTP surface. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, so
/// that events can name the caller's address.
pub fn router(state: ApiState) -> Router {
    let plain = Router::new()
        .route("/livez", get(plain::livez))
        .route("/readyz", get(plain::readyz))
        .route("/version", get(plain::version))
        .route("/metrics", get(plain::metrics))
        .route("/api/oauth/token", post(oauth::token))
        .route("/api/oauth/revoke", post(oauth::revoke))
        .route("/api/private/ipinfo", get(plain::ip_info))
        .route(
            "/api/private/unauth/nds/defaultMongoDBMajorVersion",
            get(plain::default_major_version),
        )
        .route("/api/private/unauth/telemetry/events", post(plain::telemetry))
        .route("/api/private/v1.0/telemetry/events", post(plain::telemetry))
        .with_state(state.clone());
    plain.fallback(dispatch).with_state((state, RouteTable::new()))
}
