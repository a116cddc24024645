//! The addresses on which the clusters of a project are reached.

use std::collections::BTreeSet;
use std::net::IpAddr;

use portolan_auth::Action;
use portolan_model::{Cluster, ClusterKind, ProjectId};
use portolan_store::endpoints::EndpointRole;
use portolan_store::{Page, clusters, endpoints};

use crate::access::project_in;
use crate::clusters::SYSTEM;
use crate::{Caller, Control, ControlError};

/// The addresses of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterAddresses {
    /// Its name.
    pub cluster_name: String,
    /// Where clients reach it and its read endpoints.
    pub inbound: Vec<String>,
}

impl Control {
    /// The addresses of every cluster of a project. An attached cluster is reached where its connection
    /// string says; names in it are left to the clients' own resolver.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn project_addresses(
        &self,
        caller: &Caller,
        project_id: ProjectId,
    ) -> Result<Vec<ClusterAddresses>, ControlError> {
        let own: &[IpAddr] = &self.clusters.advertised_addresses().await;
        self.store
            .read_tx("control.addresses.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let mut found = Vec::new();
                    for stored in clusters::list(tx, &witness, Page::ALL).await?.items {
                        let cluster = stored.cluster;
                        let given = endpoints::of_cluster(tx, &SYSTEM, cluster.id).await?;
                        let listens = matches!(cluster.kind, ClusterKind::Sandbox { .. })
                            || given.iter().any(|known| known.role != EndpointRole::Cluster);
                        found.push(addresses(cluster, if listens { own } else { &[] }));
                    }
                    Ok(found)
                })
            })
            .await
    }
}

fn addresses(cluster: Cluster, own: &[IpAddr]) -> ClusterAddresses {
    let mut inbound: BTreeSet<IpAddr> = own.iter().copied().collect();
    if let ClusterKind::Attached(attached) = &cluster.kind {
        inbound.extend(attached.hosts.iter().filter_map(|host| literal(host)));
    }
    let inbound = inbound.iter().map(ToString::to_string).collect();
    ClusterAddresses { cluster_name: cluster.name, inbound }
}

/// The address in `192.0.2.1:27017` or `[2001:db8::1]:27017`.
fn literal(host: &str) -> Option<IpAddr> {
    let socket: Option<std::net::SocketAddr> = host.parse().ok();
    socket.map(|socket| socket.ip()).or_else(|| host.trim_matches(['[', ']']).parse().ok())
}
