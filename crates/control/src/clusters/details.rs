//! Clusters across projects, and the containers that Terraform looks up.

use portolan_api_types::cluster::containers;
use portolan_api_types::{Page, Paging};
use portolan_auth::Action;
use portolan_model::{ClusterId, ClusterKind, Project, ProjectId};
use portolan_security::sha256;
use portolan_store::clusters::StoredCluster;
use portolan_store::projects::{self, ProjectFilter};
use portolan_store::{Page as StorePage, clusters, organizations};
use serde_json::Value;

use super::SYSTEM;
use crate::access::project_in;
use crate::paging::store_page;
use crate::{Caller, Control, ControlError};

/// A project with its clusters.
#[derive(Debug, Clone)]
pub struct ProjectClusters {
    /// The project.
    pub project: Project,
    /// The name of its organization.
    pub org_name: String,
    /// Its clusters, each with the bytes of its data where this instance knows.
    pub clusters: Vec<(StoredCluster, Option<u64>)>,
}

impl Control {
    /// The clusters of every project that the caller may read.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_cluster_details(
        &self,
        caller: &Caller,
        paging: Paging,
    ) -> Result<Page<ProjectClusters>, ControlError> {
        let mut page = self
            .store
            .read_tx("control.clusters.details", |tx| {
                Box::pin(async move {
                    let (principal, filter) = (&caller.principal, ProjectFilter::default());
                    let listed =
                        projects::list_visible(tx, principal, filter, store_page(paging)).await?;
                    let mut items = Vec::with_capacity(listed.items.len());
                    for project in listed.items {
                        let action = Action::ProjectRead;
                        let witness = project_in(tx, principal, action, project.id).await?;
                        let owner = SYSTEM.in_org(project.org_id);
                        let org_name = organizations::get(tx, &owner).await?.name;
                        let known = clusters::list(tx, &witness, StorePage::ALL).await?.items;
                        let clusters = known.into_iter().map(|stored| (stored, None)).collect();
                        items.push(ProjectClusters { project, org_name, clusters });
                    }
                    Ok::<_, ControlError>(Page { items, total: listed.total })
                })
            })
            .await?;
        for (stored, bytes) in page.items.iter_mut().flat_map(|item| item.clusters.iter_mut()) {
            if let ClusterKind::Sandbox { .. } = stored.cluster.kind {
                *bytes = self.clusters.data_bytes(stored.cluster.id).await;
            }
        }
        Ok(page)
    }

    /// The network containers of a project: one for each provider and region that its clusters name.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_containers(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        provider: Option<&str>,
    ) -> Result<Vec<Value>, ControlError> {
        let known = self
            .store
            .read_tx("control.clusters.containers", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let listed = clusters::list(tx, &witness, StorePage::ALL).await?;
                    Ok::<_, ControlError>(listed.items)
                })
            })
            .await?;
        let specs: Vec<&str> =
            known.iter().map(|stored| stored.cluster.replication_specs_json.as_str()).collect();
        Ok(containers(&specs, provider, |cloud, region| {
            let hash = sha256(format!("{project_id}:{cloud}:{region}").as_bytes());
            let mut id = [0; 12];
            id.copy_from_slice(&hash[..12]);
            ClusterId::new(id).to_string()
        }))
    }
}
