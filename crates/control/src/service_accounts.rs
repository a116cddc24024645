//! Service accounts of organizations and their secrets.

use portolan_api_types::service_account::{NewServiceAccount, UpdateServiceAccount};
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Authorized, OrgScope, ServiceAccountSecret};
use portolan_model::{OrgId, OrgRole, SecretId, ServiceAccountId};
use portolan_runtime::Runtime;
use portolan_security::SecretString;
use portolan_store::service_accounts::{self, NewSecret, Secret, ServiceAccount};
use portolan_store::{StoreError, Tx, organizations};

use crate::access::org;
use crate::paging::{api_page, store_page};
use crate::place::Place;
use crate::{Caller, Control, ControlError, trail};

const HOUR_MS: i64 = 3_600_000;
/// Longest life of a secret when the organization sets none: a year, as Atlas bounds the setting.
const SECRET_HOURS_MAX: i64 = 8_760;

/// A service account just made, with the secret that is shown once.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The account.
    pub account: ServiceAccount,
    /// Its first secret.
    pub secret: SecretString,
}

/// A secret just made.
#[derive(Debug, Clone)]
pub struct MadeSecret {
    /// What is kept of it.
    pub stored: Secret,
    /// The secret, shown once.
    pub secret: SecretString,
}

/// An account and its first secret, made before the transaction that keeps them.
#[derive(Debug, Clone)]
pub(crate) struct AccountMaterial {
    pub(crate) id: ServiceAccountId,
    pub(crate) secret: ServiceAccountSecret,
    pub(crate) secret_id: SecretId,
    expires_at: i64,
}

impl AccountMaterial {
    pub(crate) fn generate(runtime: &Runtime, hours: i32) -> Self {
        Self {
            id: ServiceAccountId::new(runtime.object_id()),
            secret: ServiceAccountSecret::generate(runtime),
            secret_id: SecretId::new(runtime.object_id()),
            expires_at: runtime.now_ms() + i64::from(hours) * HOUR_MS,
        }
    }

    pub(crate) fn shown_with(&self, account: ServiceAccount) -> NewAccount {
        NewAccount { account, secret: self.secret.secret.clone() }
    }

    fn row(&self) -> NewSecret<'_> {
        NewSecret {
            id: self.secret_id,
            hash: &self.secret.sha256,
            masked: &self.secret.masked,
            expires_at: self.expires_at,
        }
    }
}

/// Keeps an account with its first secret. `about` is name and description.
pub(crate) async fn insert_account(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    material: &AccountMaterial,
    about: (&str, &str),
    org_roles: &[OrgRole],
) -> Result<(), StoreError> {
    let (name, description) = about;
    let id = material.id;
    let account = service_accounts::NewServiceAccount { id, name, description, org_roles };
    service_accounts::insert(tx, witness, &account).await?;
    service_accounts::insert_secret(tx, witness, id, &material.row()).await
}

/// A secret lives no longer than the organization allows.
pub(crate) async fn check_hours(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    hours: i32,
) -> Result<(), ControlError> {
    let settings = organizations::settings(tx, witness).await?;
    let max = settings.secret_validity_hours_max.unwrap_or(SECRET_HOURS_MAX);
    if i64::from(hours) <= max {
        return Ok(());
    }
    let rule = format!("must not exceed {max}, the longest validity in this organization");
    Err(Problem::validation("secretExpiresAfterHours", rule).into())
}

/// Maps a missing row to the documented answer.
pub(crate) fn missing_account(error: StoreError, id: ServiceAccountId) -> ControlError {
    match error {
        StoreError::Missing { .. } => {
            Problem::resource_not_found(format!("Service account with id {id}")).into()
        }
        other => other.into(),
    }
}

impl Control {
    /// The service accounts of an organization.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn list_accounts(
        &self,
        caller: &Caller,
        org_id: OrgId,
        paging: Paging,
    ) -> Result<Page<ServiceAccount>, ControlError> {
        let witness = &org(&caller.principal, Action::ServiceAccountsRead, org_id)?;
        let page = store_page(paging);
        self.store
            .read_tx("control.accounts.list", |tx| {
                Box::pin(service_accounts::list(tx, witness, page))
            })
            .await
            .map(api_page)
            .map_err(|error: StoreError| error.into())
    }

    /// One service account.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn get_account(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: ServiceAccountId,
    ) -> Result<ServiceAccount, ControlError> {
        let witness = &org(&caller.principal, Action::ServiceAccountsRead, org_id)?;
        self.store
            .read_tx("control.accounts.get", |tx| Box::pin(service_accounts::get(tx, witness, id)))
            .await
            .map_err(|error| missing_account(error, id))
    }

    /// Creates a service account with its first secret.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn create_account(
        &self,
        caller: &Caller,
        org_id: OrgId,
        request: NewServiceAccount,
    ) -> Result<NewAccount, ControlError> {
        let witness = &org(&caller.principal, Action::ServiceAccountsWrite, org_id)?;
        let hours = request.secret_expires_after_hours;
        let (material, request) = (&AccountMaterial::generate(&self.runtime, hours), &request);
        self.store
            .run_tx("control.accounts.create", |tx| {
                Box::pin(async move {
                    check_hours(tx, witness, hours).await?;
                    let about = (request.name.as_str(), request.description.as_str());
                    insert_account(tx, witness, material, about, &request.roles).await?;
                    note(tx, caller, org_id, "SERVICE_ACCOUNT_CREATED", material.id).await?;
                    let account = service_accounts::get(tx, witness, material.id).await?;
                    Ok::<_, ControlError>(material.shown_with(account))
                })
            })
            .await
    }

    /// Changes name, description and roles.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn update_account(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: ServiceAccountId,
        request: UpdateServiceAccount<OrgRole>,
    ) -> Result<ServiceAccount, ControlError> {
        let witness = &org(&caller.principal, Action::ServiceAccountsWrite, org_id)?;
        let request = &request;
        self.store
            .run_tx("control.accounts.update", |tx| {
                Box::pin(async move {
                    describe(tx, witness, id, request).await?;
                    note(tx, caller, org_id, "SERVICE_ACCOUNT_DETAILS_CHANGED", id).await?;
                    if let Some(roles) = &request.roles {
                        if roles.is_empty() {
                            let rule = "must name at least one role";
                            return Err(Problem::validation("roles", rule).into());
                        }
                        service_accounts::set_org_roles(tx, witness, id, roles).await?;
                        note(tx, caller, org_id, "SERVICE_ACCOUNT_ROLES_CHANGED", id).await?;
                    }
                    Ok::<_, ControlError>(service_accounts::get(tx, witness, id).await?)
                })
            })
            .await
    }

    /// Deletes a service account: from the commit on its tokens do not work.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn delete_account(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: ServiceAccountId,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::ServiceAccountsWrite, org_id)?;
        self.store
            .run_tx("control.accounts.delete", |tx| {
                Box::pin(async move {
                    let deleted = service_accounts::delete(tx, witness, id).await;
                    deleted.map_err(|error| missing_account(error, id))?;
                    note(tx, caller, org_id, "SERVICE_ACCOUNT_DELETED", id).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Adds a secret.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `VALIDATION_ERROR`, 401 without the role, and the store's.
    pub async fn create_secret(
        &self,
        caller: &Caller,
        place: Place,
        id: ServiceAccountId,
        hours: i32,
    ) -> Result<MadeSecret, ControlError> {
        let material = &AccountMaterial::generate(&self.runtime, hours);
        self.store
            .run_tx("control.accounts.create_secret", |tx| {
                Box::pin(async move {
                    let witness = &place.account(tx, caller, id).await?;
                    check_hours(tx, witness, hours).await?;
                    let added =
                        service_accounts::insert_secret(tx, witness, id, &material.row()).await;
                    added.map_err(|error| missing_account(error, id))?;
                    note_at(tx, caller, place, "SERVICE_ACCOUNT_SECRET_ADDED", id).await?;
                    let account = service_accounts::get(tx, witness, id).await?;
                    let made = |secret: &Secret| secret.id == material.secret_id;
                    let stored = account.secrets.into_iter().find(made);
                    let stored = stored.ok_or(StoreError::missing("secret"))?;
                    let secret = material.secret.secret.clone();
                    Ok::<_, ControlError>(MadeSecret { stored, secret })
                })
            })
            .await
    }

    /// Deletes a secret: from the commit on the tokens made with it do not work.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn delete_secret(
        &self,
        caller: &Caller,
        place: Place,
        id: ServiceAccountId,
        secret_id: SecretId,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.accounts.delete_secret", |tx| {
                Box::pin(async move {
                    let witness = &place.account(tx, caller, id).await?;
                    let deleted = service_accounts::delete_secret(tx, witness, id, secret_id).await;
                    deleted.map_err(missing_secret)?;
                    note_at(tx, caller, place, "SERVICE_ACCOUNT_SECRET_DELETED", id).await?;
                    Ok(())
                })
            })
            .await
    }
}

fn missing_secret(error: StoreError) -> ControlError {
    match error {
        StoreError::Missing { .. } => {
            let detail = "The requested resource does not exist";
            Problem::new(ErrorCode::ResourceNotFound, detail).into()
        }
        other => other.into(),
    }
}

/// Changes name and description.
pub(crate) async fn describe<R>(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    id: ServiceAccountId,
    request: &UpdateServiceAccount<R>,
) -> Result<(), ControlError> {
    let old = service_accounts::get(tx, witness, id).await;
    let old = old.map_err(|error| missing_account(error, id))?;
    let name = request.name.as_deref().unwrap_or(&old.name);
    let description = request.description.as_deref().unwrap_or(&old.description);
    Ok(service_accounts::update(tx, witness, id, name, description).await?)
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
    event: &str,
    id: ServiceAccountId,
) -> Result<(), StoreError> {
    note_at(tx, caller, Place::Org(org_id), event, id).await
}

async fn note_at(
    tx: &mut Tx<'_>,
    caller: &Caller,
    place: Place,
    event: &str,
    id: ServiceAccountId,
) -> Result<(), StoreError> {
    let target = [("clientId", id.to_string())];
    trail::note(tx, caller, place.scope(), event, &target).await
}
