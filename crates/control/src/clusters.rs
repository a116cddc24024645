//! Clusters of a project: create, list, get, and how they are reached. Attaching a live cluster is in
//! [`attach`], changing one in [`update`], deleting or detaching one in [`delete`], starting and stopping
//! in [`lifecycle`], ports in [`ports`].

mod attach;
mod delete;
mod details;
mod flex;
mod lifecycle;
mod ports;
mod sample_data;
mod strings;
mod turns;
mod update;
mod upgrade;

use portolan_api_types::cluster::{ClusterDraft, ConnectionStringsView, with_ids};
use portolan_api_types::own_api::EndpointStrings;
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Authorized, Instance, ProjectScope};
use portolan_model::{
    Cluster, ClusterId, ClusterKind, ClusterState, GuardLevel, ProjectId, ProjectLimit,
};
use portolan_store::clusters::{ClusterLife, StoredCluster};
use portolan_store::endpoints::EndpointRole;
use portolan_store::events::EventScope;
use portolan_store::{Tx, clusters, endpoints};

use crate::access::project_in;
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, trail};

pub use details::ProjectClusters;
pub use lifecycle::server_settings;
pub(crate) use ports::GivenPort;
pub use turns::Turns;

/// The witness of work that a use case does on its own account: ports and states of clusters.
pub(crate) static SYSTEM: Authorized<Instance> = Authorized::system("keeps clusters");

/// A cluster as its answers need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCluster {
    /// The cluster.
    pub stored: StoredCluster,
    /// How it is reached.
    pub connection_strings: ConnectionStringsView,
}

impl Control {
    /// The clusters of a project, flex ones included, oldest first.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_clusters(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        paging: Paging,
    ) -> Result<Page<FoundCluster>, ControlError> {
        self.store
            .read_tx("control.clusters.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let listed = clusters::list(tx, &witness, store_page(paging)).await?;
                    Ok(api_page(listed.map(|stored| self.found_cluster(stored))))
                })
            })
            .await
    }

    /// The clusters that the cluster API shows, or those that the flex API shows.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_clusters_of_kind(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        flex: bool,
        paging: Paging,
    ) -> Result<Page<FoundCluster>, ControlError> {
        self.store
            .read_tx("control.clusters.list_of_kind", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let page = store_page(paging);
                    let listed = clusters::list_of_kind(tx, &witness, flex, page).await?;
                    Ok(api_page(listed.map(|stored| self.found_cluster(stored))))
                })
            })
            .await
    }

    /// One cluster, as the cluster API knows it.
    ///
    /// # Errors
    /// `CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API`, and those of [`Control::get_cluster`].
    pub async fn get_dedicated(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<FoundCluster, ControlError> {
        let found = self.get_cluster(caller, project_id, name).await?;
        refuse_flex(&found.stored)?;
        Ok(found)
    }

    /// One cluster.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, `CLUSTER_NOT_FOUND`, and the store's.
    pub async fn get_cluster(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<FoundCluster, ControlError> {
        self.store
            .read_tx("control.clusters.get", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    Ok(self.found_cluster(cluster_in(tx, &witness, name).await?))
                })
            })
            .await
    }

    /// Creates a sandbox cluster. It is CREATING until it listens.
    ///
    /// # Errors
    /// `DUPLICATE_CLUSTER_NAME`, 401 without the role, `SERVICE_UNAVAILABLE` when no port is left, and
    /// the store's.
    pub async fn create_cluster(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        draft: ClusterDraft,
    ) -> Result<FoundCluster, ControlError> {
        self.check_new_cluster(caller, project_id, &draft.name, Action::ClusterCreate).await?;
        let id = ClusterId::new(self.runtime.object_id());
        let ports = self.find_ports(id, &[EndpointRole::Cluster]).await?;
        let [port] = ports[..] else { return Err(ControlError::internal("one port for one role")) };
        let stored = self.new_sandbox(id, project_id, port.port(), draft);
        self.make_cluster(caller, &stored, port, Action::ClusterCreate).await
    }

    /// Writes a new sandbox cluster down and starts it.
    async fn make_cluster(
        &self,
        caller: &Caller,
        stored: &StoredCluster,
        port: GivenPort,
        action: Action,
    ) -> Result<FoundCluster, ControlError> {
        let (id, project_id) = (stored.cluster.id, stored.cluster.project_id);
        self.store
            .run_tx("control.clusters.create", |tx| {
                Box::pin(async move {
                    let witness =
                        self.admit_cluster(tx, caller, project_id, &stored.cluster, action).await?;
                    port.give(tx, id).await?;
                    clusters::insert(tx, &witness, stored, None).await?;
                    note(tx, caller, &stored.cluster, "CLUSTER_CREATED").await
                })
            })
            .await?;
        self.settle(id);
        Ok(self.found_cluster(stored.clone()))
    }

    fn new_sandbox(
        &self,
        id: ClusterId,
        project_id: ProjectId,
        port: u16,
        draft: ClusterDraft,
    ) -> StoredCluster {
        let next_id = || ClusterId::new(self.runtime.object_id()).to_string();
        StoredCluster {
            cluster: Cluster {
                id,
                project_id,
                name: draft.name,
                kind: ClusterKind::Sandbox { port },
                state: ClusterState::Creating,
                version: None,
                level: GuardLevel::L1,
                termination_protection_enabled: draft.termination_protection_enabled,
                tags: draft.tags,
                replication_specs_json: with_ids(draft.replication_specs, next_id).to_string(),
                created_at: self.runtime.now_ms(),
            },
            level_reasons: vec![
                "transactions work, but Portolan does not delete in them yet".to_owned(),
            ],
            time_series: false,
            settings_json: serde_json::Value::Object(draft.settings).to_string(),
            life: ClusterLife::default(),
        }
    }

    /// Whether a cluster of this name may be made, before anything is done for it.
    async fn check_new_cluster(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
        action: Action,
    ) -> Result<(), ControlError> {
        self.store
            .read_tx("control.clusters.check", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    refuse_taken_name(tx, &witness, name).await
                })
            })
            .await
    }

    /// Permission, limit, name: inside the transaction that makes the cluster.
    async fn admit_cluster(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        project_id: ProjectId,
        cluster: &Cluster,
        action: Action,
    ) -> Result<Authorized<ProjectScope>, ControlError> {
        let witness = project_in(tx, &caller.principal, action, project_id).await?;
        refuse_taken_name(tx, &witness, &cluster.name).await?;
        self.check_room(tx, &witness, ProjectLimit::Clusters, "clusters").await?;
        Ok(witness)
    }

    /// The three ways to a cluster's data, with placeholders for the credentials.
    ///
    /// # Errors
    /// Those of [`Control::get_cluster`].
    pub async fn connection_strings(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<EndpointStrings, ControlError> {
        self.store
            .read_tx("control.clusters.strings", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let cluster = cluster_in(tx, &witness, name).await?.cluster;
                    let given = endpoints::of_cluster(tx, &SYSTEM, cluster.id).await?;
                    Ok(self.endpoint_strings(&cluster, &given))
                })
            })
            .await
    }
}

/// The project's cluster of that name, inside a transaction.
pub(crate) async fn cluster_in(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    name: &str,
) -> Result<StoredCluster, ControlError> {
    let found = clusters::by_name(tx, witness, name).await?;
    found.ok_or_else(|| Problem::cluster_not_found(name, witness.project_id()).into())
}

/// The cluster API does not know flex clusters.
pub(crate) fn refuse_flex(stored: &StoredCluster) -> Result<(), ControlError> {
    if !stored.life.flex {
        return Ok(());
    }
    let name = &stored.cluster.name;
    let detail = format!("Flex cluster {name} cannot be used in the Cluster API.");
    Err(Problem::new(ErrorCode::CannotUseFlexCluster, detail).with(name.clone()).into())
}

/// The flex API knows only flex clusters.
fn refuse_other(stored: &StoredCluster) -> Result<(), ControlError> {
    if stored.life.flex {
        return Ok(());
    }
    let name = &stored.cluster.name;
    let detail = format!("Non-flex cluster {name} cannot be used in the Flex API.");
    Err(Problem::new(ErrorCode::CannotUseNonFlexCluster, detail).with(name.clone()).into())
}

/// Nothing more may be done to a cluster that is being deleted.
pub(crate) fn refuse_deleting(stored: &StoredCluster) -> Result<(), ControlError> {
    let cluster = &stored.cluster;
    if cluster.state != ClusterState::Deleting {
        return Ok(());
    }
    let detail = format!("Cluster {} has already been requested for deletion.", cluster.name);
    let problem = Problem::new(ErrorCode::ClusterAlreadyRequestedDeletion, detail);
    Err(problem.with(cluster.name.clone()).into())
}

async fn refuse_taken_name(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    name: &str,
) -> Result<(), ControlError> {
    if clusters::by_name(tx, witness, name).await?.is_none() {
        return Ok(());
    }
    let project_id = witness.project_id().to_string();
    let detail = format!("A cluster named {name} is already present in group {project_id}.");
    let problem = Problem::new(ErrorCode::DuplicateClusterName, detail);
    Err(problem.with(name).with(project_id).at("name", "is taken").into())
}

/// Records an event of a cluster and settles the audit row.
pub(crate) async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    cluster: &Cluster,
    type_name: &str,
) -> Result<(), ControlError> {
    let mut target =
        vec![("clusterId", cluster.id.to_string()), ("clusterName", cluster.name.clone())];
    if type_name == "CLUSTER_TAGS_MODIFIED" {
        // Events about tags say what was tagged (schema `ResourceEventViewForNdsGroup`).
        let id = cluster.id.to_string();
        target.extend([("resourceId", id), ("resourceType", "CLUSTER".to_owned())]);
    }
    let scope = EventScope::Project(cluster.project_id);
    Ok(trail::note(tx, caller, scope, type_name, &target).await?)
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
