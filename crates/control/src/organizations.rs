//! Organizations: list, create, get, rename, delete.

use portolan_api_types::organization::{CreateOrganization, UpdateOrganization};
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Actor, Authorized, Instance, OrgScope};
use portolan_model::{OrgId, OrgRole, Organization, UserId};
use portolan_store::events::EventScope;
use portolan_store::service_accounts::ServiceAccount;
use portolan_store::users::{self, Membership};
use portolan_store::{
    StoreError, Tx, api_keys, link_tokens, organizations, projects, service_accounts,
};

use crate::access::org;
use crate::api_keys::{KeyMaterial, NewKey, insert_key};
use crate::members::active_member;
use crate::paging::{api_page, store_page};
use crate::service_accounts::{AccountMaterial, NewAccount, insert_account};
use crate::{Caller, Control, ControlError, trail};

/// What creating an organization made.
#[derive(Debug, Clone)]
pub struct CreatedOrg {
    /// The organization.
    pub org: Organization,
    /// The user who owns it.
    pub owner_id: Option<UserId>,
    /// Its first key.
    pub api_key: Option<NewKey>,
    /// Its first service account.
    pub service_account: Option<NewAccount>,
}

/// What is made before the transaction, so that a repeated transaction makes the same.
struct OrgMaterial<'a> {
    org: Organization,
    key: Option<(KeyMaterial, &'a portolan_api_types::api_key::NewApiKey)>,
    account: Option<(AccountMaterial, &'a portolan_api_types::service_account::NewServiceAccount)>,
}

impl Control {
    /// The organizations in which the caller has a role.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_orgs(
        &self,
        caller: &Caller,
        name_contains: Option<&str>,
        paging: Paging,
    ) -> Result<Page<Organization>, ControlError> {
        let (principal, page) = (&caller.principal, store_page(paging));
        self.store
            .read_tx("control.orgs.list", |tx| {
                Box::pin(organizations::list_visible(tx, principal, name_contains, page))
            })
            .await
            .map(api_page)
            .map_err(|error: StoreError| error.into())
    }

    /// One organization.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, and the store's.
    pub async fn get_org(
        &self,
        caller: &Caller,
        org_id: OrgId,
    ) -> Result<Organization, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        self.store
            .read_tx("control.orgs.get", |tx| Box::pin(organizations::get(tx, witness)))
            .await
            .map_err(|error| gone(error, org_id))
    }

    /// Creates an organization. Its owner is the named member of the caller's organization; absent,
    /// the calling user, or the longest-standing owner of the organization of the calling key or
    /// account.
    ///
    /// # Errors
    /// 401 `NOT_ORG_OWNER` when the caller owns no organization, `USER_NOT_FOUND`, and the store's.
    pub async fn create_org(
        &self,
        caller: &Caller,
        request: CreateOrganization,
    ) -> Result<CreatedOrg, ControlError> {
        let home = owned_org(caller)?;
        let home = &org(&caller.principal, Action::OrgUpdate, home)?;
        let owner_id = request.org_owner_id;
        let material = &self.material(&request);
        self.store
            .run_tx("control.orgs.create", |tx| {
                Box::pin(async move {
                    let owner = owner_for(tx, caller, home, owner_id).await?;
                    create(tx, caller, material, owner).await
                })
            })
            .await
    }

    fn material<'a>(&self, request: &'a CreateOrganization) -> OrgMaterial<'a> {
        let key = request.api_key.as_ref().map(|key| (KeyMaterial::generate(&self.runtime), key));
        let account = request.service_account.as_ref().map(|account| {
            let hours = account.secret_expires_after_hours;
            (AccountMaterial::generate(&self.runtime, hours), account)
        });
        let skip = request.skip_default_alerts_settings;
        OrgMaterial { org: self.new_organization(&request.name, skip), key, account }
    }

    /// Renames an organization or changes its alert default.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn update_org(
        &self,
        caller: &Caller,
        org_id: OrgId,
        request: UpdateOrganization,
    ) -> Result<Organization, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUpdate, org_id)?;
        let request = &request;
        self.store
            .run_tx("control.orgs.update", |tx| {
                Box::pin(async move {
                    let old = organizations::get(tx, witness).await.map_err(|e| gone(e, org_id))?;
                    let name = request.name.as_deref().unwrap_or(&old.name);
                    let skip = request.skip_default_alerts_settings;
                    let skip = skip.unwrap_or(old.skip_default_alerts_settings);
                    organizations::update(tx, witness, name, skip).await?;
                    if name != old.name {
                        let target = [("orgName", name.to_owned())];
                        let scope = EventScope::Org(org_id);
                        trail::note(tx, caller, scope, "ORG_RENAMED", &target).await?;
                    }
                    if skip != old.skip_default_alerts_settings {
                        let setting = ("setting", "skipDefaultAlertsSettings");
                        let event = "ORG_SETTING_CHANGED";
                        trail::note_in_org(tx, caller, org_id, event, setting).await?;
                    }
                    Ok::<_, ControlError>(organizations::get(tx, witness).await?)
                })
            })
            .await
    }

    /// Deletes an organization: from the commit on its keys, accounts and tokens do not work.
    ///
    /// # Errors
    /// `ORG_NOT_EMPTY`, `CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK`, `ORG_NOT_FOUND`,
    /// 401 without the role, and the store's.
    pub async fn delete_org(&self, caller: &Caller, org_id: OrgId) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::OrgDelete, org_id)?;
        self.store
            .run_tx("control.orgs.delete", |tx| {
                Box::pin(async move {
                    let old = organizations::get(tx, witness).await.map_err(|e| gone(e, org_id))?;
                    if let Some(blocker) = deletion_blockers(tx, witness).await?.into_iter().next()
                    {
                        return Err(blocker.into());
                    }
                    organizations::delete(tx, witness).await?;
                    let target = [("orgName", old.name)];
                    let scope = EventScope::Org(org_id);
                    trail::note(tx, caller, scope, "ORG_DELETED", &target).await?;
                    Ok(())
                })
            })
            .await
    }
}

fn gone(error: StoreError, org_id: OrgId) -> ControlError {
    match error {
        StoreError::Missing { .. } => Problem::org_not_found(org_id).into(),
        other => other.into(),
    }
}

/// An organization that the caller owns: its own, for keys and accounts.
fn owned_org(caller: &Caller) -> Result<OrgId, ControlError> {
    let principal = &caller.principal;
    let home = principal.home_org_id.filter(|id| principal.owns(*id));
    let others = principal.grants.orgs.iter().map(|(id, _)| *id);
    home.or_else(|| others.into_iter().find(|id| principal.owns(*id))).ok_or_else(|| {
        let detail = "Only an owner of an organization may create another one.";
        Problem::new(ErrorCode::NotOrgOwner, detail).into()
    })
}

async fn owner_for(
    tx: &mut Tx<'_>,
    caller: &Caller,
    home: &Authorized<OrgScope>,
    named: Option<UserId>,
) -> Result<Option<UserId>, ControlError> {
    if let Some(user_id) = named {
        return Ok(Some(active_member(tx, home, user_id).await?.user.id));
    }
    if let Actor::User { id, .. } = &caller.principal.actor {
        return Ok(Some(*id));
    }
    Ok(users::owners(tx, home).await?.first().copied())
}

async fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    material: &OrgMaterial<'_>,
    owner_id: Option<UserId>,
) -> Result<CreatedOrg, ControlError> {
    let (system, org) = (Authorized::<Instance>::system("createOrg"), &material.org);
    let witness = &system.in_org(org.id);
    organizations::insert(tx, &system, org).await?;
    if let Some(user_id) = owner_id {
        let roles = [OrgRole::Owner];
        users::add_member(tx, witness, user_id, &Membership::Active, &roles).await?;
    }
    let mut created =
        CreatedOrg { org: org.clone(), owner_id, api_key: None, service_account: None };
    if let Some((key, asked)) = &material.key {
        insert_key(tx, witness, key, &asked.desc, &asked.roles).await?;
        let stored = api_keys::get(tx, witness, key.id).await?;
        created.api_key = Some(NewKey { key: stored, private_key: key.pair.private_key.clone() });
    }
    if let Some((account, asked)) = &material.account {
        let about = (asked.name.as_str(), asked.description.as_str());
        insert_account(tx, witness, account, about, &asked.roles).await?;
        let stored: ServiceAccount = service_accounts::get(tx, witness, account.id).await?;
        created.service_account = Some(account.shown_with(stored));
    }
    let target = [("orgName", org.name.clone())];
    trail::note(tx, caller, EventScope::Org(org.id), "ORG_CREATED", &target).await?;
    Ok(created)
}

/// Everything that stands in the way of deleting an organization, in the order in which it is told.
pub(crate) async fn deletion_blockers(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
) -> Result<Vec<Problem>, StoreError> {
    let mut blockers = Vec::new();
    let projects = projects::count_in_org(tx, witness).await?;
    if projects > 0 {
        let detail = "Cannot delete an organization with active projects; delete them first.";
        blockers.push(Problem::new(ErrorCode::OrgNotEmpty, detail).with(projects));
    }
    for migration in link_tokens::running_migrations(tx, witness).await? {
        let detail = "Cannot delete an organization while a live migration uses its link.";
        let code = ErrorCode::CannotDeleteOrgActiveMigration;
        blockers.push(Problem::new(code, detail).with(migration.id.to_string()));
    }
    Ok(blockers)
}
