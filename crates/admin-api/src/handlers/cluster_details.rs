//! Clusters of all projects, providers' regions, network containers.

use portolan_api_types::Page;
use portolan_api_types::cluster::{ClusterSummary, project_clusters_json, provider_regions};
use portolan_auth::Action;
use portolan_control::ProjectClusters;
use portolan_model::ClusterKind;
use portolan_store::clusters::StoredCluster;
use serde_json::Value;

use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let (any, read) = (Access::Authenticated, Access::Project(Action::ProjectRead));
    vec![
        atlas!(GET "/clusters", "listClusterDetails", V23, any, list),
        atlas!(
            GET "/groups/{groupId}/clusters/provider/regions",
            "listGroupClusterProviderRegions", V23, read, regions
        ),
        atlas!(GET "/groups/{groupId}/containers", "listGroupContainers", V23, read, containers),
    ]
}

async fn list(call: Call) -> Answer {
    let paging = call.paging()?;
    let page = call.control().list_cluster_details(&call.caller, paging).await?;
    let tls = call.control().clusters.listens_with_tls();
    Ok(call.list(paging, &[], page.map(|item| shown(&item, tls))))
}

fn shown(item: &ProjectClusters, tls: bool) -> Value {
    let clusters: Vec<ClusterSummary<'_>> =
        item.clusters.iter().map(|(stored, bytes)| summary_of(stored, *bytes, tls)).collect();
    project_clusters_json(&item.project, &item.org_name, &clusters)
}

fn summary_of(stored: &StoredCluster, data_bytes: Option<u64>, tls: bool) -> ClusterSummary<'_> {
    let (nodes, tls) = match &stored.cluster.kind {
        ClusterKind::Sandbox { .. } => (1, Some(tls)),
        ClusterKind::Attached(attached) => (attached.hosts.len(), None),
    };
    ClusterSummary { cluster: &stored.cluster, paused: stored.life.paused, nodes, data_bytes, tls }
}

async fn regions(call: Call) -> Answer {
    let (paging, project_id) = (call.paging()?, call.project_id()?);
    call.control().project(&call.caller.principal, Action::ProjectRead, project_id).await?;
    let tier = call.query("tier").filter(|tier| !tier.is_empty());
    let all = provider_regions(&call.query_all("providers"), tier)?;
    Ok(call.list(paging, &["providers", "tier"], Page::cut(all, paging)))
}

async fn containers(call: Call) -> Answer {
    let (paging, project_id) = (call.paging()?, call.project_id()?);
    let provider = call.query("providerName").filter(|name| !name.is_empty());
    let all = call.control().list_containers(&call.caller, project_id, provider).await?;
    Ok(call.list(paging, &["providerName"], Page::cut(all, paging)))
}
