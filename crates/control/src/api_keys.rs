//! API keys of organizations.

use portolan_api_types::api_key::{NewApiKey, UpdateApiKey};
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, ApiKeyPair, Authorized, OrgScope, ha1, mask_private_key};
use portolan_model::{ApiKeyId, OrgId, OrgRole};
use portolan_runtime::Runtime;
use portolan_security::SecretString;
use portolan_store::api_keys::{self, ApiKey};
use portolan_store::events::EventScope;
use portolan_store::{StoreError, Tx, link_tokens};

use crate::access::org;
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, trail};

/// A key just made, with the half that is shown once.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The key.
    pub key: ApiKey,
    /// Its private key.
    pub private_key: SecretString,
}

/// A key pair made before the transaction that keeps it.
#[derive(Debug, Clone)]
pub(crate) struct KeyMaterial {
    pub(crate) id: ApiKeyId,
    pub(crate) pair: ApiKeyPair,
    ha1: SecretString,
    masked: String,
}

impl KeyMaterial {
    pub(crate) fn generate(runtime: &Runtime) -> Self {
        let pair = ApiKeyPair::generate(runtime);
        let masked = mask_private_key(&pair.private_key_tail());
        let ha1 = ha1(&pair.public_key, &pair.private_key);
        Self { id: ApiKeyId::new(runtime.object_id()), pair, ha1, masked }
    }
}

/// Keeps a key.
pub(crate) async fn insert_key(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    material: &KeyMaterial,
    description: &str,
    org_roles: &[OrgRole],
) -> Result<(), StoreError> {
    let key = api_keys::NewApiKey {
        id: material.id,
        public_key: &material.pair.public_key,
        private_key_masked: &material.masked,
        ha1: &material.ha1,
        description,
        org_roles,
    };
    api_keys::insert(tx, witness, &key).await
}

/// The answer for a key that is not there: 400, as the public error list says.
pub(crate) fn key_not_found(id: ApiKeyId) -> ControlError {
    let detail = format!("No API key with ID {id} exists.");
    Problem::new(ErrorCode::ApiKeyNotFound, detail).with(id.to_string()).into()
}

/// Maps a missing row to [`key_not_found`].
pub(crate) fn missing_key(error: StoreError, id: ApiKeyId) -> ControlError {
    match error {
        StoreError::Missing { .. } => key_not_found(id),
        other => other.into(),
    }
}

impl Control {
    /// The keys of an organization.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, and the store's.
    pub async fn list_keys(
        &self,
        caller: &Caller,
        org_id: OrgId,
        paging: Paging,
    ) -> Result<Page<ApiKey>, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        let page = store_page(paging);
        self.store
            .read_tx("control.keys.list", |tx| Box::pin(api_keys::list(tx, witness, page)))
            .await
            .map(api_page)
            .map_err(|error: StoreError| error.into())
    }

    /// One key of an organization.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, `ORG_NOT_FOUND`, and the store's.
    pub async fn get_key(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: ApiKeyId,
    ) -> Result<ApiKey, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        self.store
            .read_tx("control.keys.get", |tx| Box::pin(api_keys::get(tx, witness, id)))
            .await
            .map_err(|error| missing_key(error, id))
    }

    /// Creates a key.
    ///
    /// # Errors
    /// `MAX_API_KEYS_PER_ORG_EXCEEDED`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn create_key(
        &self,
        caller: &Caller,
        org_id: OrgId,
        request: NewApiKey,
    ) -> Result<NewKey, ControlError> {
        let witness = &org(&caller.principal, Action::ApiKeysWrite, org_id)?;
        let (material, request) = (&KeyMaterial::generate(&self.runtime), &request);
        self.store
            .run_tx("control.keys.create", |tx| {
                Box::pin(async move {
                    self.check_room_for_key(tx, witness).await?;
                    insert_key(tx, witness, material, &request.desc, &request.roles).await?;
                    note(tx, caller, org_id, "API_KEY_CREATED", &material.pair.public_key).await?;
                    let key = api_keys::get(tx, witness, material.id).await?;
                    let private_key = material.pair.private_key.clone();
                    Ok::<_, ControlError>(NewKey { key, private_key })
                })
            })
            .await
    }

    pub(crate) async fn check_room_for_key(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<OrgScope>,
    ) -> Result<(), ControlError> {
        let max = self.limits.api_keys_per_org;
        let count = api_keys::count(tx, witness).await?;
        if usize::try_from(count).is_ok_and(|count| count < max) {
            return Ok(());
        }
        let detail = format!("The organization has the maximum of {max} API keys.");
        Err(Problem::new(ErrorCode::MaxApiKeysPerOrgExceeded, detail).with(max).into())
    }

    /// Changes description and roles; the roles replace all roles in the organization.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn update_key(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: ApiKeyId,
        request: UpdateApiKey<OrgRole>,
    ) -> Result<ApiKey, ControlError> {
        let witness = &org(&caller.principal, Action::ApiKeysWrite, org_id)?;
        let request = &request;
        self.store
            .run_tx("control.keys.update", |tx| {
                Box::pin(async move {
                    let old =
                        api_keys::get(tx, witness, id).await.map_err(|e| missing_key(e, id))?;
                    if let Some(desc) = &request.desc {
                        api_keys::set_description(tx, witness, id, desc).await?;
                        let event = "API_KEY_DESCRIPTION_CHANGED";
                        note(tx, caller, org_id, event, &old.public_key).await?;
                    }
                    if let Some(roles) = &request.roles {
                        api_keys::set_org_roles(tx, witness, id, roles).await?;
                        note(tx, caller, org_id, "API_KEY_ROLES_CHANGED", &old.public_key).await?;
                    }
                    Ok::<_, ControlError>(api_keys::get(tx, witness, id).await?)
                })
            })
            .await
    }

    /// Deletes a key: from the commit on it does not work. A link token that carries it goes too.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn delete_key(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: ApiKeyId,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::ApiKeysWrite, org_id)?;
        self.store
            .run_tx("control.keys.delete", |tx| {
                Box::pin(async move {
                    let old =
                        api_keys::get(tx, witness, id).await.map_err(|e| missing_key(e, id))?;
                    drop_link_of(tx, witness, id).await?;
                    api_keys::delete(tx, witness, id).await?;
                    note(tx, caller, org_id, "API_KEY_DELETED", &old.public_key).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// A link without its key would be dead, and while a migration runs it must not die.
async fn drop_link_of(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    id: ApiKeyId,
) -> Result<(), ControlError> {
    let link = link_tokens::fetch(tx, witness).await?;
    if link.is_none_or(|link| link.api_key_id != id) {
        return Ok(());
    }
    if link_tokens::running_migrations(tx, witness).await?.is_empty() {
        link_tokens::remove(tx, witness).await?;
        return Ok(());
    }
    let detail =
        "Cannot delete the API key of the organization's link while a live migration uses it.";
    Err(Problem::new(ErrorCode::CannotDeleteOrgActiveMigration, detail).into())
}

pub(crate) async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
    event: &str,
    public_key: &str,
) -> Result<(), StoreError> {
    let target = [("targetPublicKey", public_key.to_owned())];
    trail::note(tx, caller, EventScope::Org(org_id), event, &target).await
}
