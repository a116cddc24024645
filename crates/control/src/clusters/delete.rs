//! Deleting a sandbox cluster, or detaching a live one. Its archives are deleted with it: they can be taken
//! back into another cluster until their files are removed.

use portolan_api_types::time::iso8601;
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{Cluster, ClusterState, ProjectId};
use portolan_store::events::EventScope;
use portolan_store::{Page, Tx, archives, clusters, leases, moves};

use super::{SYSTEM, cluster_in, note, refuse_deleting, refuse_flex, refuse_other};
use crate::access::project_in;
use crate::online_archives::{about, refuse_held};
use crate::{Caller, Control, ControlError, trail};

impl Control {
    /// Deletes a sandbox cluster with its data, or detaches a live one. Its archives are deleted
    /// with it: gone for clients, their files kept for the days of grace.
    ///
    /// # Errors
    /// `CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED`,
    /// `CLUSTER_ALREADY_REQUESTED_DELETION`, `ONLINE_ARCHIVE_HELD`, `CONCURRENT_MODIFICATION` while a move
    /// is open, `CLUSTER_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn delete_cluster(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<(), ControlError> {
        self.delete_of_kind(caller, project_id, name, false).await
    }

    pub(super) async fn delete_of_kind(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
        flex: bool,
    ) -> Result<(), ControlError> {
        let id = self
            .store
            .run_tx("control.clusters.delete", |tx| {
                Box::pin(async move {
                    let action = Action::ClusterDelete;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let stored = cluster_in(tx, &witness, name).await?;
                    if flex {
                        refuse_other(&stored)?
                    } else {
                        refuse_flex(&stored)?
                    }
                    refuse_deleting(&stored)?;
                    let cluster = stored.cluster;
                    refuse_protected(tx, &cluster).await?;
                    self.delete_archives(tx, caller, &witness, &cluster).await?;
                    clusters::set_state(tx, &SYSTEM, cluster.id, ClusterState::Deleting).await?;
                    note(tx, caller, &cluster, "CLUSTER_DELETE_SUBMITTED").await?;
                    Ok::<_, ControlError>(cluster.id)
                })
            })
            .await?;
        self.archives.wake().await;
        self.settle(id);
        Ok(())
    }

    /// Deletes the archives of a cluster, and lets nobody move documents for any of them any more: moves
    /// that did not reach their tables are given up here, since nobody can look at the cluster for them
    /// later. Each event says when the files go.
    async fn delete_archives(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        witness: &Authorized<ProjectScope>,
        cluster: &Cluster,
    ) -> Result<(), ControlError> {
        let gone = archives::list(tx, witness, cluster.id, Page::ALL).await?.items;
        for stored in &gone {
            refuse_held(stored)?;
        }
        archives::delete_of_cluster(tx, witness, cluster.id).await?;
        leases::revoke_of_cluster(tx, cluster.id).await?;
        moves::abandon_of_cluster(tx, cluster.id).await?;
        let grace_ms = self.archives.deleted_grace_ms();
        let purged_at = grace_ms.map(|ms| iso8601(self.runtime.now_ms().saturating_add(ms)));
        for stored in &gone {
            let archive = &stored.archive;
            let (id, cluster) = (archive.id, &cluster.name);
            tracing::warn!(archive = %id, %cluster, purged_at, "an archive was deleted with its cluster");
            let mut target = about(archive);
            target.extend(purged_at.clone().map(|at| ("purgedAfter", at)));
            let scope = EventScope::Project(archive.project_id);
            trail::note(tx, caller, scope, "ONLINE_ARCHIVE_DELETED", &target).await?;
        }
        Ok(())
    }
}

/// Termination protection, and moves that are neither finished nor given up: their documents are partly
/// here and partly there. Those of archives that were deleted before count, too.
async fn refuse_protected(tx: &mut Tx<'_>, cluster: &Cluster) -> Result<(), ControlError> {
    let name = &cluster.name;
    if cluster.termination_protection_enabled {
        let detail = format!(
            "Cannot terminate cluster {name} while termination protection is enabled. \
             Disable it and try again."
        );
        let problem = Problem::new(ErrorCode::CannotTerminateProtectedCluster, detail);
        return Err(problem.with(name.clone()).into());
    }
    if let Some(id) = moves::open_of_cluster(tx, cluster.id).await? {
        let detail = format!(
            "Online archive {id} of cluster {name} is moving documents. Pause it, unless it is deleted \
             already, wait until its move is closed, and try again."
        );
        let problem = Problem::new(ErrorCode::ConcurrentModification, detail);
        return Err(problem.with(id.to_string()).with(name.clone()).into());
    }
    Ok(())
}
