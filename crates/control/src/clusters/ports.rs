//! Ports for sandbox clusters and read endpoints.
//!
//! Whether a port can be listened on is asked before the transaction that gives it: the answer may be
//! out of date then, and the listener says so when it starts.

use portolan_api_types::{ErrorCode, Problem};
use portolan_model::ClusterId;
use portolan_store::Tx;
use portolan_store::endpoints::{self, Endpoint, EndpointRole};

use super::SYSTEM;
use crate::{Control, ControlError};

/// A port chosen for a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GivenPort {
    role: EndpointRole,
    port: u16,
}

impl GivenPort {
    pub(crate) const fn port(self) -> u16 {
        self.port
    }

    /// Writes it down. A cluster that has a port for the role keeps that one.
    pub(crate) async fn give(
        self,
        tx: &mut Tx<'_>,
        cluster_id: ClusterId,
    ) -> Result<(), ControlError> {
        let endpoint = Endpoint { cluster_id, role: self.role, port: self.port };
        endpoints::assign(tx, &SYSTEM, endpoint).await?;
        Ok(())
    }
}

impl Control {
    /// A port for each role that the cluster has none for yet.
    pub(crate) async fn find_ports(
        &self,
        cluster_id: ClusterId,
        roles: &[EndpointRole],
    ) -> Result<Vec<GivenPort>, ControlError> {
        let range = &self.clusters.port_range();
        let (own, candidates) = self
            .store
            .read_tx("control.ports", |tx| {
                Box::pin(async move {
                    let own = endpoints::of_cluster(tx, &SYSTEM, cluster_id).await?;
                    let free = endpoints::candidates(tx, &SYSTEM, range.clone()).await?;
                    Ok::<_, ControlError>((own, free))
                })
            })
            .await?;
        let mut candidates = candidates.into_iter();
        let mut given = Vec::new();
        for role in roles {
            if own.iter().any(|endpoint| endpoint.role == *role) {
                continue;
            }
            let port = loop {
                let port = candidates.next().ok_or_else(|| self.no_port())?;
                if self.clusters.port_is_free(port).await {
                    break port;
                }
            };
            given.push(GivenPort { role: *role, port });
        }
        Ok(given)
    }

    fn no_port(&self) -> ControlError {
        let range = self.clusters.port_range();
        let (first, last) = (*range.start(), *range.end());
        let detail = format!(
            "No port is free in endpoints.port_range, {first} to {last}; give it more ports."
        );
        Problem::new(ErrorCode::ServiceUnavailable, detail).with(first).with(last).into()
    }
}
