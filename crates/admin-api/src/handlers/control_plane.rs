//! The addresses of the control plane: what its administrator states in the configuration. Whoever sets
//! up a firewall asks before there are any credentials.

use portolan_api_types::version::V2023_11_15;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, Version, atlas, current};

const VERSIONS: &[Version] = &[current(V2023_11_15)];

pub(crate) fn routes() -> Vec<Route> {
    vec![atlas!(GET "/unauth/controlPlaneIPAddresses", "listControlPlaneIpAddresses", VERSIONS,
        Access::Public, list)]
}

async fn list(call: Call) -> Answer {
    Ok(Reply::ok(call.state.inner.settings.addresses.json()))
}
