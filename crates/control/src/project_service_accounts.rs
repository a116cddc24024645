//! Service accounts in projects: invited ones, and ones made for a project. Each belongs to the
//! project's organization and lives on there when it is taken out of the project.

use portolan_api_types::service_account::{NewServiceAccount, UpdateServiceAccount};
use portolan_api_types::{Page, Paging};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{OrgRole, ProjectId, ProjectRole, ServiceAccountId};
use portolan_store::service_accounts::{self, ServiceAccount};
use portolan_store::{Assignment, Tx};

use crate::access::{org, project_in};
use crate::paging::{api_page, store_page};
use crate::project_api_keys::org_of;
use crate::service_accounts::{
    AccountMaterial, NewAccount, check_hours, describe, insert_account, missing_account,
};
use crate::{Caller, Control, ControlError, trail};

impl Control {
    /// The projects that a service account of an organization is assigned to.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn account_projects(
        &self,
        caller: &Caller,
        org_id: portolan_model::OrgId,
        id: ServiceAccountId,
        paging: Paging,
    ) -> Result<Page<Assignment>, ControlError> {
        let account = self.get_account(caller, org_id, id).await?;
        Ok(Page::cut(account.assignments, paging))
    }

    /// The service accounts with a role in a project.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_project_accounts(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        paging: Paging,
    ) -> Result<Page<ServiceAccount>, ControlError> {
        self.store
            .read_tx("control.project_accounts.list", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    let page = store_page(paging);
                    Ok(api_page(service_accounts::list_in_project(tx, &witness, page).await?))
                })
            })
            .await
    }

    /// One service account of a project.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_project_account(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: ServiceAccountId,
    ) -> Result<ServiceAccount, ControlError> {
        self.store
            .read_tx("control.project_accounts.get", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    in_project(tx, &witness, id).await
                })
            })
            .await
    }

    /// Creates a service account in the project's organization, as a member, with roles in the
    /// project.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn create_project_account(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: NewServiceAccount<ProjectRole>,
    ) -> Result<NewAccount, ControlError> {
        let hours = request.secret_expires_after_hours;
        let (material, request) = (&AccountMaterial::generate(&self.runtime, hours), &request);
        self.store
            .run_tx("control.project_accounts.create", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectServiceAccountsWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let org = org_of(&witness);
                    check_hours(tx, &org, hours).await?;
                    let about = (request.name.as_str(), request.description.as_str());
                    insert_account(tx, &org, material, about, &[OrgRole::Member]).await?;
                    set_roles(tx, caller, &witness, material.id, &request.roles).await?;
                    let account = in_project(tx, &witness, material.id).await?;
                    Ok(material.shown_with(account))
                })
            })
            .await
    }

    /// Gives a service account of the organization roles in the project.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn invite_account(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: ServiceAccountId,
        roles: Vec<ProjectRole>,
    ) -> Result<ServiceAccount, ControlError> {
        let roles = &roles;
        self.store
            .run_tx("control.project_accounts.invite", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectServiceAccountsInvite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    org(&caller.principal, Action::ServiceAccountsRead, witness.org_id())?;
                    set_roles(tx, caller, &witness, id, roles).await?;
                    in_project(tx, &witness, id).await
                })
            })
            .await
    }

    /// Changes name, description and roles in the project.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn update_project_account(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: ServiceAccountId,
        request: UpdateServiceAccount<ProjectRole>,
    ) -> Result<ServiceAccount, ControlError> {
        let request = &request;
        self.store
            .run_tx("control.project_accounts.update", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectServiceAccountsWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    in_project(tx, &witness, id).await?;
                    describe(tx, &org_of(&witness), id, request).await?;
                    if let Some(roles) = &request.roles {
                        set_roles(tx, caller, &witness, id, roles).await?;
                    }
                    in_project(tx, &witness, id).await
                })
            })
            .await
    }

    /// Takes a service account out of the project.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn unassign_account(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: ServiceAccountId,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.project_accounts.unassign", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectServiceAccountsWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let taken = service_accounts::unassign(tx, &witness, id).await;
                    taken.map_err(|error| missing_account(error, id))?;
                    let event = "SERVICE_ACCOUNT_REMOVED_FROM_GROUP";
                    let target = ("clientId", id);
                    trail::note_in_project(tx, caller, project_id, event, target).await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn in_project(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    id: ServiceAccountId,
) -> Result<ServiceAccount, ControlError> {
    let account = service_accounts::get_in_project(tx, witness, id).await;
    account.map_err(|error| missing_account(error, id))
}

async fn set_roles(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    id: ServiceAccountId,
    roles: &[ProjectRole],
) -> Result<(), ControlError> {
    let set = service_accounts::set_project_roles(tx, witness, id, roles).await;
    set.map_err(|error| missing_account(error, id))?;
    let event = "SERVICE_ACCOUNT_ADDED_TO_GROUP";
    let target = ("clientId", id);
    Ok(trail::note_in_project(tx, caller, witness.project_id(), event, target).await?)
}
