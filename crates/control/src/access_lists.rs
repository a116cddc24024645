//! Access lists of API keys and service accounts. An owner of the organization keeps them; a key may
//! not be cut off from the address that its own request comes from.

use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Actor, Authorized, OrgScope};
use portolan_model::OrgId;
use portolan_security::IpNet;
use portolan_store::access_lists::{self, AccessEntry, AccessOwner};
use portolan_store::events::EventScope;
use portolan_store::{StoreError, Tx};

use crate::access::org;
use crate::api_keys::missing_key;
use crate::paging::{api_page, store_page};
use crate::service_accounts::missing_account;
use crate::{Caller, Control, ControlError, trail};

/// The right to read and to write the list of an owner.
const fn actions(owner: AccessOwner) -> (Action, Action) {
    match owner {
        AccessOwner::ApiKey(_) => (Action::OrgRead, Action::ApiKeysWrite),
        AccessOwner::ServiceAccount(_) => {
            (Action::ServiceAccountsRead, Action::ServiceAccountsWrite)
        }
    }
}

impl Control {
    /// The entries of a list.
    ///
    /// # Errors
    /// As for the owner of the list, `ORG_NOT_FOUND`, and the store's.
    pub async fn list_access_entries(
        &self,
        caller: &Caller,
        org_id: OrgId,
        owner: AccessOwner,
        paging: Paging,
    ) -> Result<Page<AccessEntry>, ControlError> {
        let witness = &org(&caller.principal, actions(owner).0, org_id)?;
        let page = store_page(paging);
        self.store
            .read_tx("control.access_lists.list", |tx| {
                Box::pin(access_lists::list(tx, witness, owner, page))
            })
            .await
            .map(api_page)
            .map_err(|error| missing_owner(error, owner))
    }

    /// One entry.
    ///
    /// # Errors
    /// `API_KEY_ACCESS_LIST_NOT_FOUND`, `ORG_NOT_FOUND`, and the store's.
    pub async fn get_access_entry(
        &self,
        caller: &Caller,
        org_id: OrgId,
        owner: AccessOwner,
        network: IpNet,
    ) -> Result<AccessEntry, ControlError> {
        let witness = &org(&caller.principal, actions(owner).0, org_id)?;
        self.store
            .read_tx("control.access_lists.get", |tx| {
                Box::pin(async move {
                    owner_exists(tx, witness, owner).await?;
                    let entry = access_lists::get(tx, witness, owner, network).await;
                    entry.map_err(|error| missing_entry(error, network))
                })
            })
            .await
    }

    /// Adds networks, all or none.
    ///
    /// # Errors
    /// `ADDRESS_ALREADY_IN_ACCESS_LIST`, as for the owner of the list, 401 without the role, and the
    /// store's.
    pub async fn add_access_entries(
        &self,
        caller: &Caller,
        org_id: OrgId,
        owner: AccessOwner,
        networks: Vec<IpNet>,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, actions(owner).1, org_id)?;
        let networks = &networks;
        self.store
            .run_tx("control.access_lists.add", |tx| {
                Box::pin(async move {
                    owner_exists(tx, witness, owner).await?;
                    for network in networks {
                        let added = access_lists::insert(tx, witness, owner, *network).await;
                        added.map_err(|error| known_entry(error, *network))?;
                    }
                    let event = format!("{}_ACCESS_LIST_ENTRY_ADDED", event_prefix(owner));
                    trail::note(tx, caller, EventScope::Org(org_id), &event, &[]).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Removes a network.
    ///
    /// # Errors
    /// `CANNOT_REMOVE_CALLER_FROM_ACCESS_LIST`, `API_KEY_ACCESS_LIST_NOT_FOUND`, 401 without the role,
    /// and the store's.
    pub async fn remove_access_entry(
        &self,
        caller: &Caller,
        org_id: OrgId,
        owner: AccessOwner,
        network: IpNet,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, actions(owner).1, org_id)?;
        self.store
            .run_tx("control.access_lists.remove", |tx| {
                Box::pin(async move {
                    owner_exists(tx, witness, owner).await?;
                    let removed = access_lists::delete(tx, witness, owner, network).await;
                    removed.map_err(|error| missing_entry(error, network))?;
                    refuse_lockout(tx, witness, caller, owner).await?;
                    let event = format!("{}_ACCESS_LIST_ENTRY_DELETED", event_prefix(owner));
                    trail::note(tx, caller, EventScope::Org(org_id), &event, &[]).await?;
                    Ok(())
                })
            })
            .await
    }
}

const fn event_prefix(owner: AccessOwner) -> &'static str {
    match owner {
        AccessOwner::ApiKey(_) => "API_KEY",
        AccessOwner::ServiceAccount(_) => "SERVICE_ACCOUNT",
    }
}

/// After the removal, inside its transaction: the caller must still be let in.
async fn refuse_lockout(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    caller: &Caller,
    owner: AccessOwner,
) -> Result<(), ControlError> {
    let own = match (&caller.principal.actor, owner) {
        (Actor::ApiKey { id, .. }, AccessOwner::ApiKey(other)) => *id == other,
        (Actor::ServiceAccount { id }, AccessOwner::ServiceAccount(other)) => *id == other,
        _ => false,
    };
    let Some(address) = caller.remote_address.filter(|_| own) else { return Ok(()) };
    let rules = access_lists::rules(tx, witness.org_id(), owner).await?;
    if matches!(rules.judge(address), access_lists::AccessVerdict::Allowed(_)) {
        return Ok(());
    }
    let detail = format!("Cannot remove caller's IP address {address} from access list.");
    let code = ErrorCode::CannotRemoveCallerFromAccessList;
    Err(Problem::new(code, detail).with(address.to_string()).into())
}

async fn owner_exists(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    owner: AccessOwner,
) -> Result<(), ControlError> {
    let page = portolan_store::Page::new(1, 0);
    let listed = access_lists::list(tx, witness, owner, page).await;
    listed.map(|_| ()).map_err(|error| missing_owner(error, owner))
}

fn missing_owner(error: StoreError, owner: AccessOwner) -> ControlError {
    match owner {
        AccessOwner::ApiKey(id) => missing_key(error, id),
        AccessOwner::ServiceAccount(id) => missing_account(error, id),
    }
}

fn missing_entry(error: StoreError, network: IpNet) -> ControlError {
    match error {
        StoreError::Missing { .. } => {
            let detail = format!("IP address {network} is not on the access list.");
            let problem = Problem::new(ErrorCode::AccessListEntryNotFound, detail);
            problem.with(network.to_string()).into()
        }
        other => other.into(),
    }
}

fn known_entry(error: StoreError, network: IpNet) -> ControlError {
    if error.is_conflict_in("access_list_entries") {
        let detail = format!("IP address {network} is already on the access list.");
        let problem = Problem::new(ErrorCode::AddressAlreadyOnAccessList, detail);
        return problem.with(network.to_string()).into();
    }
    error.into()
}
