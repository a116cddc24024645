//! Users of projects.

use portolan_api_types::user::AddProjectUser;
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{OrgRole, ProjectId, ProjectRole, UserId};
use portolan_store::events::EventScope;
use portolan_store::users::{self, ProjectUser, UserFilter};
use portolan_store::{StoreError, Tx};

use crate::access::project_in;
use crate::paging::{api_page, store_page};
use crate::project_api_keys::org_of;
use crate::users::{RoleChange, missing_user};
use crate::{Caller, Control, ControlError, trail};

/// A user of a project, with the organization that it was looked up in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProjectUser {
    /// The user.
    pub found: ProjectUser,
    /// The organization of the project.
    pub org_id: portolan_model::OrgId,
}

impl Control {
    /// The users with a role in a project.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_project_users(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        username: Option<&str>,
        paging: Paging,
    ) -> Result<Page<FoundProjectUser>, ControlError> {
        let filter = &UserFilter { username, ..UserFilter::default() };
        self.store
            .read_tx("control.project_users.list", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    let page = store_page(paging);
                    let listed = users::list_in_project(tx, &witness, filter, page).await?;
                    let org_id = witness.org_id();
                    Ok(api_page(listed).map(|found| FoundProjectUser { found, org_id }))
                })
            })
            .await
    }

    /// One user of a project.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_project_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: UserId,
    ) -> Result<FoundProjectUser, ControlError> {
        self.store
            .read_tx("control.project_users.get", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    in_project(tx, &witness, id).await
                })
            })
            .await
    }

    /// Adds somebody to a project; who is not in the organization yet becomes a member of it.
    ///
    /// # Errors
    /// `USER_ALREADY_EXISTS`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn add_project_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: AddProjectUser,
    ) -> Result<FoundProjectUser, ControlError> {
        let (new, request) = (&self.new_user(&request.username), &request);
        self.store
            .run_tx("control.project_users.add", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUsersWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let org = org_of(&witness);
                    let known = users::find_by_username(tx, &witness, &new.username).await?;
                    let id = match known {
                        Some(user) if users::member(tx, &org, user.id).await.is_ok() => user.id,
                        _ => self.join(tx, &org, new, &[OrgRole::Member]).await?,
                    };
                    refuse_known(tx, &witness, id, &new.username).await?;
                    users::set_project_roles(tx, &witness, id, &request.roles).await?;
                    note(tx, caller, project_id, "JOINED_GROUP", &new.username).await?;
                    in_project(tx, &witness, id).await
                })
            })
            .await
    }

    /// Adds or takes away one role in the project.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn change_project_role(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: UserId,
        change: RoleChange<ProjectRole>,
    ) -> Result<FoundProjectUser, ControlError> {
        self.store
            .run_tx("control.project_users.change_role", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUsersWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let old = in_project(tx, &witness, id).await?;
                    let roles = change.apply(old.found.roles);
                    if roles.is_empty() {
                        let rule = "is the last role of the user; remove the user instead";
                        return Err(Problem::validation("groupRole", rule).into());
                    }
                    users::set_project_roles(tx, &witness, id, &roles).await?;
                    let (event, name) = ("USER_ROLES_CHANGED_AUDIT", &old.found.user.username);
                    note(tx, caller, project_id, event, name).await?;
                    in_project(tx, &witness, id).await
                })
            })
            .await
    }

    /// Takes somebody out of the project.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn remove_project_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: UserId,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.project_users.remove", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUsersWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let old = in_project(tx, &witness, id).await?;
                    users::set_project_roles(tx, &witness, id, &[]).await?;
                    let name = &old.found.user.username;
                    note(tx, caller, project_id, "REMOVED_FROM_GROUP", name).await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn refuse_known(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    id: UserId,
    username: &str,
) -> Result<(), ControlError> {
    match users::in_project(tx, witness, id).await {
        Err(StoreError::Missing { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => {
            let detail = format!("A user with username {username} is already in the project.");
            Err(Problem::new(ErrorCode::UserAlreadyExists, detail).with(username).into())
        }
    }
}

async fn in_project(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    id: UserId,
) -> Result<FoundProjectUser, ControlError> {
    let found = users::in_project(tx, witness, id).await;
    let found = found.map_err(|error| missing_user(error, id))?;
    Ok(FoundProjectUser { found, org_id: witness.org_id() })
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
    event: &str,
    username: &str,
) -> Result<(), StoreError> {
    let target = [("targetUsername", username.to_owned())];
    trail::note(tx, caller, EventScope::Project(project_id), event, &target).await
}
