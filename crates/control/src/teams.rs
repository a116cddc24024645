//! Teams of organizations: list, create, get, rename, delete.

use portolan_api_types::team::NewTeam;
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Authorized, OrgScope};
use portolan_model::{OrgId, TeamId};
use portolan_store::teams::{self, Team};
use portolan_store::{StoreError, Tx};

use crate::access::org;
use crate::members::{by_username, missing_team};
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, trail};

impl Control {
    /// The teams of an organization, oldest first.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, and the store's.
    pub async fn list_teams(
        &self,
        caller: &Caller,
        org_id: OrgId,
        paging: Paging,
    ) -> Result<Page<Team>, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        let page = store_page(paging);
        self.store
            .read_tx("control.teams.list", |tx| Box::pin(teams::list(tx, witness, page)))
            .await
            .map(api_page)
            .map_err(|error: StoreError| error.into())
    }

    /// Creates a team of members of the organization, or of people invited into it.
    ///
    /// # Errors
    /// `TEAM_NAME_NOT_AVAILABLE`, `USERNAME_NOT_FOUND`, `MAX_TEAMS_PER_ORG_EXCEEDED`,
    /// `MAX_USERS_PER_TEAM_EXCEEDED`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn create_team(
        &self,
        caller: &Caller,
        org_id: OrgId,
        request: NewTeam,
    ) -> Result<Team, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        let id = TeamId::new(self.runtime.object_id());
        let team = &Team { id, name: request.name, created_at: self.runtime.now_ms() };
        let usernames = &request.usernames;
        self.store
            .run_tx("control.teams.create", |tx| {
                Box::pin(async move {
                    self.check_room_for_team(tx, witness).await?;
                    let made = teams::insert(tx, witness, team).await;
                    made.map_err(|error| name_clash(error, id, &team.name))?;
                    let event = "TEAM_CREATED";
                    trail::note_in_org(tx, caller, org_id, event, ("teamId", id)).await?;
                    for username in usernames {
                        let found = by_username(tx, witness, username).await?;
                        let who = found.ok_or_else(|| Problem::username_not_found(username))?;
                        self.join_team(tx, caller, witness, &who, id).await?;
                    }
                    Ok::<_, ControlError>(team.clone())
                })
            })
            .await
    }

    async fn check_room_for_team(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<OrgScope>,
    ) -> Result<(), ControlError> {
        let max = self.limits.teams_per_org;
        let count = teams::list(tx, witness, portolan_store::Page::new(1, 0)).await?.total;
        if usize::try_from(count).is_ok_and(|count| count < max) {
            return Ok(());
        }
        let detail = format!("The organization has the maximum of {max} teams.");
        Err(Problem::new(ErrorCode::MaxTeamsPerOrgExceeded, detail).with(max).into())
    }

    /// One team.
    ///
    /// # Errors
    /// `TEAM_NOT_FOUND`, `ORG_NOT_FOUND`, and the store's.
    pub async fn get_team(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: TeamId,
    ) -> Result<Team, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        self.store
            .read_tx("control.teams.get", |tx| Box::pin(teams::get(tx, witness, id)))
            .await
            .map_err(|error| missing_team(error, id))
    }

    /// The team of that name.
    ///
    /// # Errors
    /// `TEAM_NOT_FOUND`, `ORG_NOT_FOUND`, and the store's.
    pub async fn team_by_name(
        &self,
        caller: &Caller,
        org_id: OrgId,
        name: &str,
    ) -> Result<Team, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        let found: Result<Option<Team>, StoreError> = self
            .store
            .read_tx("control.teams.by_name", |tx| Box::pin(teams::find_by_name(tx, witness, name)))
            .await;
        found?.ok_or_else(|| {
            let detail = format!("No team with name {name} exists.");
            Problem::new(ErrorCode::TeamNotFound, detail).with(name).into()
        })
    }

    /// Renames a team.
    ///
    /// # Errors
    /// `TEAM_NAME_NOT_AVAILABLE`, `TEAM_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the role, and the
    /// store's.
    pub async fn rename_team(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: TeamId,
        name: String,
    ) -> Result<Team, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        let name = &name;
        self.store
            .run_tx("control.teams.rename", |tx| {
                Box::pin(async move {
                    let renamed = teams::rename(tx, witness, id, name).await;
                    renamed.map_err(|error| name_clash(error, id, name))?;
                    let event = "TEAM_NAME_CHANGED";
                    trail::note_in_org(tx, caller, org_id, event, ("teamId", id)).await?;
                    Ok::<_, ControlError>(teams::get(tx, witness, id).await?)
                })
            })
            .await
    }

    /// Deletes a team that has no role in any project.
    ///
    /// # Errors
    /// `CANNOT_DELETE_TEAM_ASSIGNED_TO_PROJECT`, `TEAM_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the
    /// role, and the store's.
    pub async fn delete_team(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: TeamId,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        self.store
            .run_tx("control.teams.delete", |tx| {
                Box::pin(async move {
                    let team = teams::get(tx, witness, id).await;
                    let team = team.map_err(|error| missing_team(error, id))?;
                    if teams::count_projects(tx, witness, id).await? > 0 {
                        return Err(assigned(&team));
                    }
                    teams::delete(tx, witness, id).await?;
                    let event = "TEAM_DELETED";
                    trail::note_in_org(tx, caller, org_id, event, ("teamId", id)).await?;
                    Ok(())
                })
            })
            .await
    }
}

fn name_clash(error: StoreError, id: TeamId, name: &str) -> ControlError {
    if error.is_conflict_in("teams") {
        let detail = format!("A team with name \"{name}\" already exists.");
        return Problem::new(ErrorCode::TeamNameNotAvailable, detail).with(name).into();
    }
    missing_team(error, id)
}

fn assigned(team: &Team) -> ControlError {
    let detail =
        format!("Cannot delete team {} while it is assigned to a project; remove it.", team.name);
    let code = ErrorCode::CannotDeleteTeamAssignedToProject;
    Problem::new(code, detail).with(team.id.to_string()).into()
}
