//! One operation as the router knows it. Handlers export their operations as a list of these, one
//! line each, through the macros [`atlas!`](crate::route::atlas), [`own!`](crate::route::own) and
//! [`public!`](crate::route::public).

use std::future::Future;
use std::pin::Pin;

use axum::http::Method;
use portolan_api_types::VersionDate;
use portolan_api_types::version::Format;
use portolan_auth::Action;

use crate::answer::Reply;
use crate::call::Call;
use crate::failure::Failure;
use crate::path::PathPattern;

/// What a handler gives back.
pub(crate) type Answer = Result<Reply, Failure>;

/// A handler, boxed.
pub(crate) type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What a caller needs before its handler runs. The scope is the `orgId` or `groupId` of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// No credentials at all: nobody is asked for any, and any are ignored.
    Public,
    /// Any valid credentials; the use case filters what it shows.
    Authenticated,
    /// A role on the organization of the path.
    Org(Action),
    /// A role on the project of the path.
    Project(Action),
}

impl Access {
    /// Whether anybody may call it.
    pub(crate) const fn is_public(self) -> bool {
        match self {
            Self::Public => true,
            Self::Authenticated | Self::Org(_) | Self::Project(_) => false,
        }
    }
}

/// A dated version of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) date: VersionDate,
    /// For versions that a newer one replaced: when they end.
    pub(crate) sunset: Option<VersionDate>,
}

/// A version in good standing.
pub(crate) const fn current(date: VersionDate) -> Version {
    Version { date, sunset: None }
}

/// A version that a newer one replaced. Atlas names one sunset for nearly all of them.
pub(crate) const fn deprecated(date: VersionDate) -> Version {
    Version { date, sunset: Some(VersionDate::constant(2027, 7, 1)) }
}

/// The versions of most operations: 2023-01-01 only.
pub(crate) const V23: &[Version] = &[current(portolan_api_types::version::V2023_01_01)];

/// An operation.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) pattern: PathPattern,
    pub(crate) operation: &'static str,
    /// Empty for Portolan's own API, which is plain JSON.
    pub(crate) versions: &'static [Version],
    pub(crate) format: Format,
    pub(crate) access: Access,
    pub(crate) handler: Handler,
}

impl Route {
    pub(crate) fn dates(&self) -> Vec<VersionDate> {
        self.versions.iter().map(|version| version.date).collect()
    }

    /// Whether the operation changes something, and so gets an audit row.
    pub(crate) fn is_mutating(&self) -> bool {
        self.method != Method::GET
    }
}

/// An operation below a prefix.
macro_rules! below {
    ($prefix:literal, $method:ident $($path:literal)+, $operation:literal, $versions:expr, $access:expr, $handler:path) => {
        $crate::route::Route {
            method: axum::http::Method::$method,
            path: concat!($prefix, $($path),+),
            pattern: $crate::path::PathPattern::parse(concat!($prefix, $($path),+)),
            operation: $operation,
            versions: $versions,
            format: portolan_api_types::version::Format::Json,
            access: $access,
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// An operation below `/api/atlas/v2`:
/// `atlas!(GET "/orgs/{orgId}", "getOrg", V23, Access::Org(Action::OrgRead), get)`.
macro_rules! atlas {
    ($method:ident $path:literal, $operation:literal, $versions:expr, $access:expr, $handler:path) => {
        $crate::route::below!(
            "/api/atlas/v2", $method $path, $operation, $versions, $access, $handler
        )
    };
}

/// An operation of Portolan's own API, below `/api/portolan/v1`: plain JSON without versions.
macro_rules! own {
    ($method:ident $($path:literal)+, $operation:literal, $access:expr, $handler:path) => {
        $crate::route::below!(
            "/api/portolan/v1", $method $($path)+, $operation, &[], $access, $handler
        )
    };
}

/// An operation of the API of Ops Manager that other instances expect, below `/api/public/v1.0`: plain
/// JSON without versions.
macro_rules! public {
    ($method:ident $path:literal, $operation:literal, $access:expr, $handler:path) => {
        $crate::route::below!(
            "/api/public/v1.0", $method $path, $operation, &[], $access, $handler
        )
    };
}

/// An operation below `/api/atlas/v1.0`, which has no dated versions and answers plain JSON. Only what
/// the Atlas CLI still calls there.
macro_rules! first {
    ($method:ident $path:literal, $operation:literal, $access:expr, $handler:path) => {
        $crate::route::below!(
            "/api/atlas/v1.0", $method $path, $operation, &[], $access, $handler
        )
    };
}

pub(crate) use {atlas, below, first, own, public};
