//! Live migrations: validating, asking for one, watching one, cutting over.
//!
//! Portolan has no mover yet. Requests are read and validated in full, by a job that looks at the
//! destination, at what the linked source offers, and at the migration host; then creating one is
//! refused. Migrations that are in the store are shown and cut over like any other.

mod checks;

use portolan_api_types::live_migration::MigrationRequest;
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{MigrationId, ProjectId};
use portolan_store::events::EventScope;
use portolan_store::link_tokens::{self, MigrationDetails};
use portolan_store::live_validations::{self, LiveValidation};
use portolan_store::{StoreError, Tx};

use crate::access::project_in;
use crate::clusters::{SYSTEM, cluster_in};
use crate::{Caller, Control, ControlError, trail};

/// Validations are kept for so long.
const VALIDATIONS_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// A validation that is still pending after so long was cut off by the end of its process.
const PENDING_MS: i64 = 10 * 60 * 1_000;
/// A migration host must answer within.
const REACH_MS: u64 = 10_000;

impl Control {
    /// Starts validating a migration. The answer is pending; [`Control::live_validation`] tells what
    /// came of it.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the destination is in another project, 401 without the role, and the
    /// store's.
    pub async fn validate_live_migration(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: MigrationRequest,
    ) -> Result<LiveValidation, ControlError> {
        check_destination_project(project_id, &request)?;
        let now_ms = self.runtime.now_ms();
        let validation = LiveValidation {
            id: MigrationId::new(self.runtime.object_id()),
            project_id,
            source_project_id: request.source.project_id,
            status: "PENDING".to_owned(),
            error_message: None,
            created_at: now_ms,
        };
        let row = &validation;
        let witness = self
            .store
            .run_tx("control.live_validations.create", |tx| {
                Box::pin(async move {
                    let action = Action::LiveMigrationsWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let oldest = now_ms - VALIDATIONS_KEPT_MS;
                    live_validations::insert(tx, &witness, row, oldest).await?;
                    Ok::<_, ControlError>(witness)
                })
            })
            .await?;
        let (control, id) = (self.clone(), validation.id);
        self.runtime.spawn("live_validation", async move {
            control.run_validation(&witness, id, &request).await;
        });
        Ok(validation)
    }

    async fn run_validation(
        &self,
        witness: &Authorized<ProjectScope>,
        id: MigrationId,
        request: &MigrationRequest,
    ) {
        let outcome = match self.look_at(witness, request).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%id, %error, "a validation failed by a fault of ours");
                Some("The validation could not be carried out; try again.".to_owned())
            }
        };
        let outcome = outcome.as_deref();
        let ended: Result<(), StoreError> = self
            .store
            .run_tx("control.live_validations.finish", |tx| {
                Box::pin(live_validations::finish(tx, witness, id, outcome))
            })
            .await;
        if let Err(error) = ended {
            tracing::warn!(%id, %error, "the outcome of a validation was not written");
        }
    }

    /// What stands in the way of a migration; `None` when nothing does.
    async fn look_at(
        &self,
        witness: &Authorized<ProjectScope>,
        request: &MigrationRequest,
    ) -> Result<Option<String>, ControlError> {
        let known = self
            .store
            .read_tx("control.live_validations.check", |tx| {
                Box::pin(self.obstacle(tx, witness, request))
            })
            .await?;
        if known.is_some() {
            return Ok(known);
        }
        let host = &request.migration_host;
        let reached = self.runtime.timeout_ms(REACH_MS, self.links.reach(host)).await;
        Ok(match reached {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("Migration host {host} cannot be reached: {error}.")),
            Err(_) => Some(format!("Migration host {host} did not answer within 10 seconds.")),
        })
    }

    /// What the control state alone says against a migration.
    async fn obstacle(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<ProjectScope>,
        request: &MigrationRequest,
    ) -> Result<Option<String>, ControlError> {
        let name = &request.destination.cluster_name;
        let destination = portolan_store::clusters::by_name(tx, witness, name).await?;
        let offered = self.offered(tx, &SYSTEM.in_org(witness.org_id())).await?;
        Ok(checks::obstacle(request, destination.as_ref(), &offered))
    }

    /// What came of a validation.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn live_validation(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: MigrationId,
    ) -> Result<LiveValidation, ControlError> {
        let found = self
            .store
            .read_tx("control.live_validations.get", |tx| {
                Box::pin(async move {
                    let action = Action::LiveMigrationsWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    Ok::<_, ControlError>(live_validations::fetch(tx, &witness, id).await?)
                })
            })
            .await?;
        let missing = || Problem::resource_not_found(format!("Validation with id {id}"));
        let mut found = found.ok_or_else(missing)?;
        if found.status == "PENDING" && self.runtime.now_ms() - found.created_at > PENDING_MS {
            "FAILED".clone_into(&mut found.status);
            found.error_message = Some("The validation was interrupted; validate again.".into());
        }
        Ok(found)
    }

    /// Refuses to migrate, once the request is known to be right.
    ///
    /// # Errors
    /// Always: `VALIDATION_ERROR` with what stands in the way, `CLUSTER_NOT_FOUND`, `FEATURE_UNSUPPORTED`,
    /// 401 without the role, or the store's.
    pub async fn create_live_migration(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: &MigrationRequest,
    ) -> Result<MigrationDetails, ControlError> {
        check_destination_project(project_id, request)?;
        self.store
            .read_tx("control.live_migrations.check", |tx| {
                Box::pin(async move {
                    let action = Action::LiveMigrationsWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    cluster_in(tx, &witness, &request.destination.cluster_name).await?;
                    match self.obstacle(tx, &witness, request).await? {
                        Some(obstacle) => {
                            Err(Problem::new(ErrorCode::ValidationError, obstacle).into())
                        }
                        None => Ok::<_, ControlError>(()),
                    }
                })
            })
            .await?;
        let what = "running live migrations; requests are validated, but there is no mover yet";
        Err(Problem::unsupported(what).into())
    }

    /// One migration.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `GROUP_NOT_FOUND`, and the store's.
    pub async fn live_migration(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: MigrationId,
    ) -> Result<MigrationDetails, ControlError> {
        self.store
            .read_tx("control.live_migrations.get", |tx| {
                Box::pin(async move {
                    let action = Action::LiveMigrationsRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    migration_in(tx, &witness, id).await
                })
            })
            .await
    }

    /// Asks for the cutover of a migration that is ready for it.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it is not ready, `RESOURCE_NOT_FOUND`, 401 without the role, and the
    /// store's.
    pub async fn cutover_live_migration(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: MigrationId,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.live_migrations.cutover", |tx| {
                Box::pin(async move {
                    let action = Action::LiveMigrationsWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let found = migration_in(tx, &witness, id).await?;
                    if !found.ready_for_cutover || found.row.status != "WORKING" {
                        let detail = format!("Live migration {id} is not ready for cutover.");
                        let problem = Problem::new(ErrorCode::ValidationError, detail);
                        return Err(problem.with(id.to_string()).into());
                    }
                    link_tokens::request_cutover(tx, &witness, id).await?;
                    let target = [("liveMigrationId", id.to_string())];
                    let scope = EventScope::Project(project_id);
                    trail::note(tx, caller, scope, "CLUSTER_IMPORT_CUTOVER", &target).await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn migration_in(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    id: MigrationId,
) -> Result<MigrationDetails, ControlError> {
    let found = link_tokens::migration(tx, witness, id).await?;
    let missing = || Problem::resource_not_found(format!("Live migration with id {id}"));
    Ok(found.ok_or_else(missing)?)
}

fn check_destination_project(
    project_id: ProjectId,
    request: &MigrationRequest,
) -> Result<(), ControlError> {
    if request.destination.project_id == project_id {
        return Ok(());
    }
    Err(Problem::validation("destination.groupId", "must be the project of the path").into())
}
