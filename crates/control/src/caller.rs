//! Who calls, from where, and under which request id.

use std::net::IpAddr;

use portolan_auth::{Actor, Grants, Principal};
use portolan_model::RequestId;

/// The caller of one use case.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is and what it may do.
    pub principal: Principal,
    /// Where the request came from, for events.
    pub remote_address: Option<IpAddr>,
    /// The request: the key of its audit row.
    pub request_id: RequestId,
}

impl Caller {
    /// Somebody who was asked for no credentials. It holds no role and passes no check.
    #[must_use]
    pub fn anonymous(remote_address: Option<IpAddr>, request_id: RequestId) -> Self {
        Self { remote_address, ..Self::system("answers the public", request_id) }
    }

    /// Portolan itself: it holds no role and passes no check, it only signs events.
    pub(crate) fn system(reason: &'static str, request_id: RequestId) -> Self {
        let actor = Actor::System { reason };
        let principal = Principal { actor, home_org_id: None, grants: Grants::default() };
        Self { principal, remote_address: None, request_id }
    }
}
