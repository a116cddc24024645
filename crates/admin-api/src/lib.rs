//! The Admin API over HTTP: router, handlers, authentication, versions, errors.
//!
//! A handler parses, calls one use case of `control` and converts its result; decisions live there,
//! wire shapes in `api-types`. What is not here: listening and TLS (the binary does both), SQL.
//!
//! A request passes, in this order: path ([`router`]), body limit, authentication, permission, rate limit,
//! media type, audit row, handler, answer.

mod answer;
mod authentication;
mod body;
mod call;
mod dispatch;
mod failure;
mod gzip;
mod handlers;
mod metrics;
mod oauth;
mod openapi;
mod path;
mod plain;
mod rate;
mod route;
mod router;
mod state;
mod usage;

pub use metrics::ApiMetrics;
pub use openapi::openapi;
pub use plain::metrics_router;
pub use portolan_api_types::control_plane::ControlPlaneAddresses;
pub use router::{OperationInfo, Outcome, operations, router};
pub use state::{ApiSettings, ApiState};

#[cfg(test)]
mod tests;
