//! Limits of a project: shown with real usage, set by its owner, and in force where this product can
//! make what they count: clusters, database users, entries of the IP access list. Limits of what does
//! not exist here (private endpoints, custom roles) are kept for the clients that manage them; they
//! hold, because there is none of it.

use portolan_api_types::Problem;
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{LimitBounds, ProjectId, ProjectLimit};
use portolan_store::events::EventScope;
use portolan_store::{Tx, clusters, database_users, network_entries, project_settings};

use crate::access::project_in;
use crate::{Caller, Control, ControlError, trail};

/// A limit as its answer needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundLimit {
    /// Which one.
    pub limit: ProjectLimit,
    /// The value in force.
    pub value: i64,
    /// What it may be set to.
    pub bounds: LimitBounds,
    /// How much of it is used.
    pub usage: i64,
}

impl Control {
    /// The limits that have a value, in the order of the enumeration.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_project_limits(
        &self,
        caller: &Caller,
        project_id: ProjectId,
    ) -> Result<Vec<FoundLimit>, ControlError> {
        self.store
            .read_tx("control.project_limits.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let mut found = Vec::new();
                    for limit in ProjectLimit::ALL {
                        found.extend(self.find_limit(tx, &witness, limit).await?);
                    }
                    Ok::<_, ControlError>(found)
                })
            })
            .await
    }

    /// One limit.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND` for a limit that has no value, `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_project_limit(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        limit: ProjectLimit,
    ) -> Result<FoundLimit, ControlError> {
        self.store
            .read_tx("control.project_limits.get", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let found = self.find_limit(tx, &witness, limit).await?;
                    found.ok_or_else(|| no_value(limit).into())
                })
            })
            .await
    }

    /// Sets a limit. What is there already stays, be it more than the limit.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` outside the bounds, `FEATURE_UNSUPPORTED` for bytes of queries,
    /// `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn set_project_limit(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        limit: ProjectLimit,
        value: i64,
    ) -> Result<FoundLimit, ControlError> {
        let bounds = limit.bounds(&self.limits).ok_or_else(unmetered)?;
        if !(bounds.min..=bounds.max).contains(&value) {
            let rule = format!("must be between {} and {}", bounds.min, bounds.max);
            return Err(Problem::validation("value", rule).into());
        }
        self.store
            .run_tx("control.project_limits.set", |tx| {
                Box::pin(async move {
                    let witness = writable(tx, caller, project_id).await?;
                    project_settings::set_limit(tx, &witness, limit, value).await?;
                    note(tx, caller, project_id).await?;
                    let found = self.find_limit(tx, &witness, limit).await?;
                    found.ok_or_else(|| no_value(limit).into())
                })
            })
            .await
    }

    /// Gives a limit its default again.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND` for a limit that has no value, `GROUP_NOT_FOUND`, 401 without the role, and
    /// the store's.
    pub async fn clear_project_limit(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        limit: ProjectLimit,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.project_limits.clear", |tx| {
                Box::pin(async move {
                    let witness = writable(tx, caller, project_id).await?;
                    if limit.bounds(&self.limits).is_none() {
                        return Err(no_value(limit).into());
                    }
                    project_settings::clear_limit(tx, &witness, limit).await?;
                    note(tx, caller, project_id).await
                })
            })
            .await
    }

    async fn find_limit(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<ProjectScope>,
        limit: ProjectLimit,
    ) -> Result<Option<FoundLimit>, ControlError> {
        let Some(bounds) = limit.bounds(&self.limits) else { return Ok(None) };
        let set = project_settings::limit(tx, witness, limit).await?;
        let usage = usage(tx, witness, limit).await?;
        Ok(Some(FoundLimit { limit, value: set.unwrap_or(bounds.default), bounds, usage }))
    }

    /// Refuses one more of what a limit counts, inside the transaction that makes it. `what` is its
    /// plural.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the limit is reached, and the store's.
    pub(crate) async fn check_room(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<ProjectScope>,
        limit: ProjectLimit,
        what: &str,
    ) -> Result<(), ControlError> {
        let Some(found) = self.find_limit(tx, witness, limit).await? else { return Ok(()) };
        if found.usage < found.value {
            return Ok(());
        }
        let max = found.value;
        let detail = format!("The project has the maximum of {max} {what}.");
        let problem = Problem::new(portolan_api_types::ErrorCode::ValidationError, detail);
        Err(problem.with(max).into())
    }
}

async fn writable(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
) -> Result<Authorized<ProjectScope>, ControlError> {
    project_in(tx, &caller.principal, Action::ProjectUpdate, project_id).await
}

/// How many there are; nothing else that a limit counts can exist here.
async fn usage(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    limit: ProjectLimit,
) -> Result<i64, ControlError> {
    Ok(match limit {
        ProjectLimit::Clusters => clusters::count(tx, witness).await?,
        ProjectLimit::DatabaseUsers => database_users::count(tx, witness).await?,
        ProjectLimit::NetworkEntries | ProjectLimit::CrossRegionEntries => {
            network_entries::count(tx, witness).await?
        }
        _ => 0,
    })
}

fn no_value(limit: ProjectLimit) -> Problem {
    Problem::resource_not_found(format!("limit {}, which is not set", limit.as_str()))
}

fn unmetered() -> Problem {
    Problem::unsupported("limits on the bytes of queries, which are not counted per project")
}

async fn note(tx: &mut Tx<'_>, caller: &Caller, project_id: ProjectId) -> Result<(), ControlError> {
    let scope = EventScope::Project(project_id);
    Ok(trail::note(tx, caller, scope, "PROJECT_LIMIT_UPDATED", &[]).await?)
}
