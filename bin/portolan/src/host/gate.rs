//! The IP access list of a project at the listeners of its clusters and read endpoints.
//!
//! Loopback is always allowed unless the configuration says `strict_access_list`: whoever works on this
//! machine may read the instance's files as well. What was read of the list counts for half a second,
//! so that a change reaches every connection well within the two seconds that `control` promises.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use portolan_model::ClusterId;
use portolan_security::IpNet;
use portolan_store::network_entries;
use portolan_wire::AddressGate;
use tokio::sync::Mutex;

use super::Host;

const KNOWN_MS_MAX: u64 = 500;

/// Who may connect to the listeners of one cluster.
pub(super) struct ProjectGate {
    host: Host,
    cluster_id: ClusterId,
    known: Mutex<Option<Known>>,
}

struct Known {
    read_boot_ms: u64,
    networks: Arc<[IpNet]>,
}

impl ProjectGate {
    pub(super) fn new(host: Host, cluster_id: ClusterId) -> Self {
        Self { host, cluster_id, known: Mutex::default() }
    }

    /// The networks on the list. When the control state does not answer, what was last known counts; who
    /// never got an answer admits nobody.
    async fn networks(&self) -> Arc<[IpNet]> {
        let now_ms = self.host.inner.runtime.boot_ms();
        let mut known = self.known.lock().await;
        let fresh = |known: &&Known| now_ms.saturating_sub(known.read_boot_ms) < KNOWN_MS_MAX;
        if let Some(known) = known.as_ref().filter(fresh) {
            return known.networks.clone();
        }
        match self.read().await {
            Ok(networks) => {
                let networks: Arc<[IpNet]> = networks.into();
                *known = Some(Known { read_boot_ms: now_ms, networks: networks.clone() });
                networks
            }
            Err(error) => {
                let cluster_id = self.cluster_id;
                tracing::error!(%cluster_id, error = format!("{error:#}"), "no IP access list");
                known.as_ref().map(|known| known.networks.clone()).unwrap_or_default()
            }
        }
    }

    async fn read(&self) -> Result<Vec<IpNet>> {
        let stored = self.host.stored_cluster(self.cluster_id).await?;
        let project_id = stored.context("the cluster is gone")?.cluster.project_id;
        let store = &self.host.inner.store;
        let networks = store
            .read_tx("host.network", |tx| Box::pin(network_entries::open_networks(tx, project_id)));
        networks.await.map_err(|error: portolan_store::StoreError| error.into())
    }
}

#[async_trait]
impl AddressGate for ProjectGate {
    async fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() && !self.host.inner.settings.strict_access_list {
            return true;
        }
        self.networks().await.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests;
