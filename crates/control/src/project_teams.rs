//! Teams in projects: the roles that they give their members there.

use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{ProjectId, ProjectRole, TeamId};
use portolan_store::teams::{self, TeamRoles};
use portolan_store::{StoreError, Tx};

use crate::access::project_in;
use crate::members::missing_team;
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, trail};

const WRITE: Action = Action::ProjectUsersWrite;

impl Control {
    /// The teams with a role in a project.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_project_teams(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        paging: Paging,
    ) -> Result<Page<TeamRoles>, ControlError> {
        let page = store_page(paging);
        self.store
            .read_tx("control.project_teams.list", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    Ok(api_page(teams::list_in_project(tx, &witness, page).await?))
                })
            })
            .await
    }

    /// Gives teams of the organization roles in the project, in place of those that they had there.
    ///
    /// # Errors
    /// `TEAM_NOT_FOUND`, `MAX_TEAMS_PER_GROUP_EXCEEDED`, `GROUP_NOT_FOUND`, 401 without the role,
    /// and the store's. All or none.
    pub async fn add_project_teams(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        wanted: &[(TeamId, Vec<ProjectRole>)],
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.project_teams.add", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, WRITE, project_id).await?;
                    for (id, roles) in wanted {
                        let known = teams::get_in_project(tx, &witness, *id).await;
                        let event = match known {
                            Ok(_) => "TEAM_ROLES_MODIFIED",
                            Err(StoreError::Missing { .. }) => "TEAM_ADDED_TO_GROUP",
                            Err(error) => return Err(error.into()),
                        };
                        set_roles(tx, caller, &witness, *id, roles, event).await?;
                    }
                    self.check_team_room(tx, &witness).await
                })
            })
            .await
    }

    async fn check_team_room(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<ProjectScope>,
    ) -> Result<(), ControlError> {
        let max = self.limits.teams_per_project;
        let one = portolan_store::Page::new(1, 0);
        let count = teams::list_in_project(tx, witness, one).await?.total;
        if usize::try_from(count).is_ok_and(|count| count <= max) {
            return Ok(());
        }
        let detail = format!("The project has room for {max} teams only.");
        Err(Problem::new(ErrorCode::MaxTeamsPerGroupExceeded, detail).with(max).into())
    }

    /// The roles of one team in the project.
    ///
    /// # Errors
    /// `TEAM_NOT_FOUND`, `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_project_team(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: TeamId,
    ) -> Result<TeamRoles, ControlError> {
        self.store
            .read_tx("control.project_teams.get", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    here(tx, &witness, id).await
                })
            })
            .await
    }

    /// Replaces the roles of a team in the project.
    ///
    /// # Errors
    /// As [`Control::get_project_team`], and 401 without the role.
    pub async fn update_project_team(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: TeamId,
        roles: &[ProjectRole],
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.project_teams.update", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, WRITE, project_id).await?;
                    here(tx, &witness, id).await?;
                    set_roles(tx, caller, &witness, id, roles, "TEAM_ROLES_MODIFIED").await
                })
            })
            .await
    }

    /// Takes a team out of the project.
    ///
    /// # Errors
    /// As [`Control::update_project_team`].
    pub async fn remove_project_team(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: TeamId,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.project_teams.remove", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, WRITE, project_id).await?;
                    here(tx, &witness, id).await?;
                    set_roles(tx, caller, &witness, id, &[], "TEAM_REMOVED_FROM_GROUP").await
                })
            })
            .await
    }
}

async fn here(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    id: TeamId,
) -> Result<TeamRoles, ControlError> {
    teams::get_in_project(tx, witness, id).await.map_err(|error| missing_team(error, id))
}

async fn set_roles(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    id: TeamId,
    roles: &[ProjectRole],
    event: &str,
) -> Result<(), ControlError> {
    let set = teams::set_roles(tx, witness, id, roles).await;
    set.map_err(|error| missing_team(error, id))?;
    let target = ("teamId", id);
    Ok(trail::note_in_project(tx, caller, witness.project_id(), event, target).await?)
}
