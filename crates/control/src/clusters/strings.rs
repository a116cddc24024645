//! Connection strings. None carries credentials; those of the own API have placeholders where users
//! put theirs.

use portolan_api_types::cluster::ConnectionStringsView;
use portolan_api_types::own_api::EndpointStrings;
use portolan_model::{AttachedCluster, Cluster, ClusterKind, ClusterState};
use portolan_store::clusters::StoredCluster;
use portolan_store::endpoints::{Endpoint, EndpointRole};

use super::FoundCluster;
use crate::Control;

/// Where users put their credentials, as Atlas writes it.
const PLACEHOLDERS: &str = "<db_username>:<db_password>@";

impl Control {
    pub(crate) fn found_cluster(&self, mut stored: StoredCluster) -> FoundCluster {
        let now_ms = self.runtime.now_ms();
        stored.life.fcv_pin = stored.life.fcv_pin.filter(|pin| pin.until > now_ms);
        let connection_strings = self.cluster_strings(&stored.cluster);
        FoundCluster { stored, connection_strings }
    }

    /// `standardSrv` only where the cluster is reached by SRV records: a sandbox cluster has none. A
    /// cluster that is not ready has no strings yet.
    fn cluster_strings(&self, cluster: &Cluster) -> ConnectionStringsView {
        let standard = match &cluster.kind {
            _ if cluster.state == ClusterState::Creating => None,
            ClusterKind::Sandbox { port } => Some(self.own_string("", *port)),
            ClusterKind::Attached(attached) if is_srv(attached) => {
                let standard_srv = Some(attached_string("", attached));
                return ConnectionStringsView { standard: None, standard_srv };
            }
            ClusterKind::Attached(attached) => Some(attached_string("", attached)),
        };
        ConnectionStringsView { standard, standard_srv: None }
    }

    pub(super) fn endpoint_strings(
        &self,
        cluster: &Cluster,
        given: &[Endpoint],
    ) -> EndpointStrings {
        let string = |role: EndpointRole| {
            let endpoint = given.iter().find(|endpoint| endpoint.role == role)?;
            Some(self.own_string(PLACEHOLDERS, endpoint.port))
        };
        let own = match &cluster.kind {
            ClusterKind::Sandbox { port } => self.own_string(PLACEHOLDERS, *port),
            ClusterKind::Attached(attached) => attached_string(PLACEHOLDERS, attached),
        };
        EndpointStrings {
            cluster: Some(own),
            archive: string(EndpointRole::Archive),
            cluster_and_archive: string(EndpointRole::ClusterAndArchive),
        }
    }

    fn own_string(&self, credentials: &str, port: u16) -> String {
        let host = self.clusters.advertised_host();
        let tls = self.clusters.listens_with_tls();
        format!("mongodb://{credentials}{host}:{port}/?authSource=admin&tls={tls}")
    }
}

/// Only names of SRV records stand without a port.
fn is_srv(attached: &AttachedCluster) -> bool {
    attached.hosts.iter().any(|host| !host.contains(':'))
}

fn attached_string(credentials: &str, attached: &AttachedCluster) -> String {
    let scheme = if is_srv(attached) { "mongodb+srv" } else { "mongodb" };
    format!("{scheme}://{credentials}{}/", attached.hosts.join(","))
}
