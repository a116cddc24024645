//! Deleting a project, and what stands in the way of it.

use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::ProjectId;
use portolan_store::events::EventScope;
use portolan_store::{Page, StoreError, Tx, clusters, database_users, projects};

use crate::access::project_in;
use crate::project_users::withdraw_invited;
use crate::{Caller, Control, ControlError, trail};

impl Control {
    /// Deletes a project. Its clusters must be gone, and with them their archives.
    ///
    /// # Errors
    /// `CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS`, `GROUP_NOT_FOUND`, 401 without the role, and the
    /// store's.
    pub async fn delete_project(
        &self,
        caller: &Caller,
        project_id: ProjectId,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.projects.delete", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectDelete;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    if clusters::count(tx, &witness).await? > 0 {
                        return Err(active_clusters());
                    }
                    let project = projects::get(tx, &witness).await?;
                    forget_database_users(tx, &witness).await?;
                    withdraw_invited(tx, caller, &witness).await?;
                    projects::delete(tx, &witness).await?;
                    let target = [("groupId", project_id.to_string()), ("groupName", project.name)];
                    for scope in [EventScope::Project(project_id), EventScope::Org(project.org_id)]
                    {
                        trail::note(tx, caller, scope, "GROUP_DELETED", &target).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

fn active_clusters() -> ControlError {
    let detail = "Cannot close group while it has active clusters; please terminate all clusters.";
    Problem::new(ErrorCode::CannotCloseGroupActiveClusters, detail).into()
}

/// Their secrets must not outlive the project.
async fn forget_database_users(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
) -> Result<(), StoreError> {
    for user in database_users::list(tx, witness, Page::ALL).await?.items {
        database_users::remove(tx, witness, &user.database, &user.username).await?;
    }
    Ok(())
}
