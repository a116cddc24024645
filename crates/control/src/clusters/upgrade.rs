//! From shared hardware to a dedicated cluster, and checking a configuration before it is sent.
//!
//! Behind all of them stands the same kind of sandbox cluster: an upgrade changes what is described and
//! what is allowed (pauses, online archives), and keeps data, port and name.

use portolan_api_types::cluster::{
    ClusterChange, ConfigurationCheck, Form, is_tenant, parse_create, parse_update,
};
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::Action;
use portolan_model::ProjectId;

use super::update::{merged, with_changes, write_change};
use super::{
    FoundCluster, cluster_in, refuse_deleting, refuse_flex, refuse_other, refuse_taken_name,
};
use crate::access::project_in;
use crate::{Caller, Control, ControlError};

impl Control {
    /// Upgrades a cluster on shared hardware, or with `flex` a flex cluster, to a dedicated one.
    ///
    /// # Errors
    /// A 400 when the cluster is dedicated already or the hardware is shared, `CLUSTER_NOT_FOUND`,
    /// those of the two APIs for each other's clusters, 401 without the role, and the store's.
    pub async fn upgrade_cluster(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
        change: ClusterChange,
        flex: bool,
    ) -> Result<FoundCluster, ControlError> {
        let (change, action) = (&change, Action::ClusterManage);
        let stored = self
            .store
            .run_tx("control.clusters.upgrade", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let stored = cluster_in(tx, &witness, name).await?;
                    if flex {
                        refuse_other(&stored)?;
                    } else {
                        refuse_flex(&stored)?;
                        require_tenant(&stored.cluster.replication_specs_json)?;
                    }
                    refuse_deleting(&stored)?;
                    let mut wanted = with_changes(&stored, change)?;
                    if is_tenant(&wanted.cluster.replication_specs_json) {
                        let rule = "must name a dedicated size, M10 or larger";
                        return Err(Problem::validation("instanceSize", rule).into());
                    }
                    wanted.life.flex = false;
                    let event =
                        if flex { "FLEX_UPGRADE_STARTED" } else { "CLUSTER_UPDATE_SUBMITTED" };
                    write_change(tx, caller, &witness, &stored, wanted, event).await
                })
            })
            .await?;
        Ok(self.settle_found(stored))
    }

    /// What creating or changing a cluster by this configuration would be refused for.
    ///
    /// # Errors
    /// `CLUSTER_NOT_FOUND` when a cluster is to be changed that is not there, 401 without the role, and
    /// the store's.
    pub async fn check_configuration(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        check: ConfigurationCheck,
    ) -> Result<Vec<Problem>, ControlError> {
        let (check, action) = (&check, Action::ClusterManage);
        self.store
            .read_tx("control.clusters.validate", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let mut problems = check.problems.clone();
                    let description = check.description.clone();
                    let result = if let Some(name) = &check.editing {
                        let stored = cluster_in(tx, &witness, name).await?;
                        refuse_flex(&stored)?;
                        let change = parse_update(description, Form::PerShard);
                        change.map_err(ControlError::from).and_then(|change| {
                            refuse_deleting(&stored)?;
                            merged(&stored, &change).map(|_| ())
                        })
                    } else {
                        match parse_create(description, Form::PerShard) {
                            Ok(draft) => refuse_taken_name(tx, &witness, &draft.name).await,
                            Err(problem) => Err(problem.into()),
                        }
                    };
                    match result {
                        Ok(()) => {}
                        Err(
                            error @ (ControlError::Internal { .. } | ControlError::Retry { .. }),
                        ) => {
                            return Err(error);
                        }
                        Err(error) => problems.push(error.problem().clone()),
                    }
                    Ok(problems)
                })
            })
            .await
    }
}

fn require_tenant(replication_specs_json: &str) -> Result<(), ControlError> {
    if is_tenant(replication_specs_json) {
        return Ok(());
    }
    let detail = "The cluster is dedicated already.";
    Err(Problem::new(ErrorCode::ValidationError, detail)
        .at("name", "names a dedicated cluster")
        .into())
}
