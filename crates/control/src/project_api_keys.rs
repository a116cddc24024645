//! API keys in projects: assigned ones, and ones made for a project. Every key belongs to the
//! project's organization and lives on there when it is taken out of the project.

use portolan_api_types::api_key::{NewApiKey, UpdateApiKey};
use portolan_api_types::{Page, Paging};
use portolan_auth::{Action, Authorized, Instance, OrgScope, ProjectScope};
use portolan_model::{ApiKeyId, OrgRole, ProjectId, ProjectRole};
use portolan_store::api_keys::{self, ApiKey};

use crate::access::project_in;
use crate::api_keys::{KeyMaterial, NewKey, insert_key, missing_key, note};
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, trail};

/// The field of an event that names the key.
const WHICH: &str = "targetPublicKey";

impl Control {
    /// The keys with a role in a project.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_project_keys(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        paging: Paging,
    ) -> Result<Page<ApiKey>, ControlError> {
        self.store
            .read_tx("control.project_keys.list", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    let listed =
                        api_keys::list_in_project(tx, &witness, store_page(paging)).await?;
                    Ok(api_page(listed))
                })
            })
            .await
    }

    /// Creates a key in the project's organization, as a member, with roles in the project.
    ///
    /// # Errors
    /// `MAX_API_KEYS_PER_ORG_EXCEEDED`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn create_project_key(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: NewApiKey<ProjectRole>,
    ) -> Result<NewKey, ControlError> {
        let (material, request) = (&KeyMaterial::generate(&self.runtime), &request);
        self.store
            .run_tx("control.project_keys.create", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectApiKeysWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let org = org_of(&witness);
                    self.check_room_for_key(tx, &org).await?;
                    insert_key(tx, &org, material, &request.desc, &[OrgRole::Member]).await?;
                    api_keys::set_project_roles(tx, &witness, material.id, &request.roles).await?;
                    let public_key = &material.pair.public_key;
                    note(tx, caller, witness.org_id(), "API_KEY_CREATED", public_key).await?;
                    let (event, target) = ("API_KEY_ADDED_TO_GROUP", (WHICH, public_key));
                    trail::note_in_project(tx, caller, project_id, event, target).await?;
                    let key = api_keys::get(tx, &org, material.id).await?;
                    let private_key = material.pair.private_key.clone();
                    Ok::<_, ControlError>(NewKey { key, private_key })
                })
            })
            .await
    }

    /// Gives a key of the organization more roles in the project.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn assign_key(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: ApiKeyId,
        roles: Vec<ProjectRole>,
    ) -> Result<(), ControlError> {
        let roles = &roles;
        self.store
            .run_tx("control.project_keys.assign", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectApiKeysAssign;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let key = api_keys::get(tx, &org_of(&witness), id).await;
                    let key = key.map_err(|error| missing_key(error, id))?;
                    let mut all = roles_in(&key, project_id);
                    all.extend(roles);
                    api_keys::set_project_roles(tx, &witness, id, &all).await?;
                    let event = "API_KEY_ADDED_TO_GROUP";
                    let target = (WHICH, &key.public_key);
                    trail::note_in_project(tx, caller, project_id, event, target).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Replaces a key's roles in the project, assigning it where it was not, and its description.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn update_project_key(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: ApiKeyId,
        request: UpdateApiKey<ProjectRole>,
    ) -> Result<ApiKey, ControlError> {
        let request = &request;
        self.store
            .run_tx("control.project_keys.update", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectApiKeysWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let org = org_of(&witness);
                    let key = api_keys::get(tx, &org, id).await.map_err(|e| missing_key(e, id))?;
                    if let Some(desc) = &request.desc {
                        // Who only manages a project may not describe keys that are not in it.
                        let here = api_keys::get_in_project(tx, &witness, id).await;
                        here.map_err(|error| missing_key(error, id))?;
                        api_keys::set_description(tx, &org, id, desc).await?;
                    }
                    if let Some(roles) = &request.roles {
                        api_keys::set_project_roles(tx, &witness, id, roles).await?;
                    }
                    let event = "API_KEY_ROLES_CHANGED";
                    let target = (WHICH, &key.public_key);
                    trail::note_in_project(tx, caller, project_id, event, target).await?;
                    Ok::<_, ControlError>(api_keys::get(tx, &org, id).await?)
                })
            })
            .await
    }

    /// Takes a key out of the project.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn unassign_key(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: ApiKeyId,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.project_keys.unassign", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectApiKeysWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let key = api_keys::get_in_project(tx, &witness, id).await;
                    let key = key.map_err(|error| missing_key(error, id))?;
                    api_keys::unassign(tx, &witness, id).await?;
                    let event = "API_KEY_REMOVED_FROM_GROUP";
                    let target = (WHICH, &key.public_key);
                    trail::note_in_project(tx, caller, project_id, event, target).await?;
                    Ok(())
                })
            })
            .await
    }
}

fn roles_in(key: &ApiKey, project_id: ProjectId) -> Vec<ProjectRole> {
    let here = key.assignments.iter().find(|assignment| assignment.project_id == project_id);
    here.map(|assignment| assignment.roles.clone()).unwrap_or_default()
}

/// The organization of a project, for work on its keys that a right on the project allows.
pub(crate) fn org_of(witness: &Authorized<ProjectScope>) -> Authorized<OrgScope> {
    Authorized::<Instance>::system("keys and accounts of a project").in_org(witness.org_id())
}
