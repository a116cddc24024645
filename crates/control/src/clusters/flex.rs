//! Flex clusters: create, get, change, delete. One is a sandbox cluster like any other; only the API
//! that shows it differs, and that it has no pauses and no online archives.

use portolan_api_types::cluster::{ClusterDraft, default_settings};
use portolan_api_types::flex::{FlexChange, FlexDraft};
use portolan_auth::Action;
use portolan_model::{ClusterId, ProjectId};
use portolan_store::endpoints::EndpointRole;

use super::update::write_change;
use super::{FoundCluster, cluster_in, refuse_deleting, refuse_other};
use crate::access::project_in;
use crate::{Caller, Control, ControlError};

impl Control {
    /// One flex cluster.
    ///
    /// # Errors
    /// `CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API`, and those of [`Control::get_cluster`].
    pub async fn get_flex(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<FoundCluster, ControlError> {
        let found = self.get_cluster(caller, project_id, name).await?;
        refuse_other(&found.stored)?;
        Ok(found)
    }

    /// Creates a flex cluster. It is CREATING until it listens.
    ///
    /// # Errors
    /// Those of [`Control::create_cluster`].
    pub async fn create_flex(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        draft: FlexDraft,
    ) -> Result<FoundCluster, ControlError> {
        let action = Action::ClusterAdminister;
        self.check_new_cluster(caller, project_id, &draft.name, action).await?;
        let id = ClusterId::new(self.runtime.object_id());
        let ports = self.find_ports(id, &[EndpointRole::Cluster]).await?;
        let [port] = ports[..] else { return Err(ControlError::internal("one port for one role")) };
        let cluster = ClusterDraft {
            replication_specs: draft.replication_specs(),
            name: draft.name,
            tags: draft.tags,
            termination_protection_enabled: draft.termination_protection_enabled,
            // What the cluster API shows after an upgrade.
            settings: default_settings(),
        };
        let mut stored = self.new_sandbox(id, project_id, port.port(), cluster);
        stored.life.flex = true;
        self.make_cluster(caller, &stored, port, action).await
    }

    /// Changes labels and termination protection of a flex cluster.
    ///
    /// # Errors
    /// Those of [`Control::get_flex`], `CLUSTER_ALREADY_REQUESTED_DELETION`, 401 without the role, and
    /// the store's.
    pub async fn update_flex(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
        change: FlexChange,
    ) -> Result<FoundCluster, ControlError> {
        let (change, action) = (&change, Action::ClusterAdminister);
        let stored = self
            .store
            .run_tx("control.clusters.change_flex", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let stored = cluster_in(tx, &witness, name).await?;
                    refuse_other(&stored)?;
                    refuse_deleting(&stored)?;
                    let mut wanted = stored.clone();
                    if let Some(tags) = &change.tags {
                        wanted.cluster.tags.clone_from(tags);
                    }
                    if let Some(protected) = change.termination_protection_enabled {
                        wanted.cluster.termination_protection_enabled = protected;
                    }
                    let event = "CLUSTER_UPDATE_SUBMITTED";
                    write_change(tx, caller, &witness, &stored, wanted, event).await
                })
            })
            .await?;
        Ok(self.settle_found(stored))
    }

    /// Deletes a flex cluster with its data.
    ///
    /// # Errors
    /// Those of [`Control::delete_cluster`], and `CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API`.
    pub async fn delete_flex(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<(), ControlError> {
        self.delete_of_kind(caller, project_id, name, true).await
    }
}
