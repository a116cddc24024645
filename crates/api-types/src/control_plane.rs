//! The addresses of the control plane itself, as an administrator states them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Networks in CIDR notation by provider and region, such as `AWS/US_EAST_1`.
pub type Networks = BTreeMap<String, Vec<String>>;

/// From where clients are called, and where they call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ControlPlaneAddresses {
    /// Addresses on which the API is reached.
    pub inbound: Networks,
    /// Addresses from which attached clusters are dialled.
    pub outbound: Networks,
}

impl ControlPlaneAddresses {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "inbound": by_provider(&self.inbound), "outbound": by_provider(&self.outbound) })
    }
}

fn by_provider(networks: &Networks) -> Value {
    let mut shown = json!({ "aws": {}, "azure": {}, "gcp": {} });
    for (label, list) in networks {
        if let Some((provider, region)) = label.split_once('/') {
            shown[provider.to_ascii_lowercase()][region] = json!(list);
        }
    }
    shown
}
