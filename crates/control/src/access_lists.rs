//! Access lists of API keys and service accounts. An owner of the organization keeps them; a key may
//! not be cut off from the address that its own request comes from.

use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Actor, Authorized, OrgScope};
use portolan_security::IpNet;
use portolan_store::access_lists::{self, AccessEntry, AccessOwner};
use portolan_store::{StoreError, Tx, api_keys};

use crate::api_keys::missing_key;
use crate::paging::{api_page, store_page};
use crate::place::{Place, Right};
use crate::service_accounts::missing_account;
use crate::sessions::owner;
use crate::{Caller, Control, ControlError, trail};

/// Entries of one list: authentication reads all of them.
const ENTRIES_PER_LIST_MAX: i64 = 200;

impl Control {
    /// The entries of a list.
    ///
    /// # Errors
    /// As for the owner of the list, `ORG_NOT_FOUND`, and the store's.
    pub async fn list_access_entries(
        &self,
        caller: &Caller,
        place: Place,
        owner: AccessOwner,
        paging: Paging,
    ) -> Result<Page<AccessEntry>, ControlError> {
        let page = store_page(paging);
        self.store
            .read_tx("control.access_lists.list", |tx| {
                Box::pin(async move {
                    let witness = place.witness(tx, caller, owner, Right::Read).await?;
                    let listed = access_lists::list(tx, &witness, owner, page).await;
                    listed.map(api_page).map_err(|error| missing_owner(error, owner))
                })
            })
            .await
    }

    /// The networks on the caller's own list.
    ///
    /// # Errors
    /// The store's.
    pub async fn own_access_list(&self, caller: &Caller) -> Result<Vec<IpNet>, ControlError> {
        let principal = &caller.principal;
        let Some((org_id, owner)) = principal.home_org_id.zip(owner(&principal.actor)) else {
            return Ok(Vec::new());
        };
        self.store
            .read_tx("control.access_lists.own", |tx| {
                Box::pin(async move { Ok(access_lists::rules(tx, org_id, owner).await?.networks) })
            })
            .await
    }

    /// One entry.
    ///
    /// # Errors
    /// `API_KEY_ACCESS_LIST_NOT_FOUND`, `ORG_NOT_FOUND`, and the store's.
    pub async fn get_access_entry(
        &self,
        caller: &Caller,
        place: Place,
        owner: AccessOwner,
        network: IpNet,
    ) -> Result<AccessEntry, ControlError> {
        self.store
            .read_tx("control.access_lists.get", |tx| {
                Box::pin(async move {
                    let witness = &place.witness(tx, caller, owner, Right::Read).await?;
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
        place: Place,
        owner: AccessOwner,
        networks: Vec<IpNet>,
    ) -> Result<(), ControlError> {
        let networks = &networks;
        self.store
            .run_tx("control.access_lists.add", |tx| {
                Box::pin(async move {
                    let witness = &place.witness(tx, caller, owner, Right::List).await?;
                    owner_exists(tx, witness, owner).await?;
                    for network in networks {
                        let added = access_lists::insert(tx, witness, owner, *network).await;
                        added.map_err(|error| known_entry(error, *network))?;
                    }
                    refuse_overlong(tx, witness, owner).await?;
                    for network in networks {
                        note(tx, caller, (place, witness), owner, (events(owner).0, *network))
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Removes a network.
    ///
    /// # Errors
    /// `CANNOT_REMOVE_CALLER_FROM_WHITELIST`, `API_KEY_ACCESS_LIST_NOT_FOUND`, 401 without the role,
    /// and the store's.
    pub async fn remove_access_entry(
        &self,
        caller: &Caller,
        place: Place,
        owner: AccessOwner,
        network: IpNet,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.access_lists.remove", |tx| {
                Box::pin(async move {
                    let witness = &place.witness(tx, caller, owner, Right::List).await?;
                    owner_exists(tx, witness, owner).await?;
                    let removed = access_lists::delete(tx, witness, owner, network).await;
                    removed.map_err(|error| missing_entry(error, network))?;
                    refuse_lockout(tx, witness, caller, owner).await?;
                    note(tx, caller, (place, witness), owner, (events(owner).1, network)).await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    (place, witness): (Place, &Authorized<OrgScope>),
    owner: AccessOwner,
    (event, network): (&str, IpNet),
) -> Result<(), StoreError> {
    let entry = ("whitelistEntry", network.to_string());
    match owner {
        AccessOwner::ApiKey(id) => {
            let public_key = api_keys::get(tx, witness, id).await?.public_key;
            let target = [entry, ("targetPublicKey", public_key)];
            trail::note(tx, caller, place.scope(), event, &target).await
        }
        AccessOwner::ServiceAccount(id) => {
            let target = [entry, ("clientId", id.to_string())];
            trail::note(tx, caller, place.scope(), event, &target).await
        }
    }
}

/// The events of an entry that comes and of one that goes.
const fn events(owner: AccessOwner) -> (&'static str, &'static str) {
    match owner {
        AccessOwner::ApiKey(_) => {
            ("API_KEY_ACCESS_LIST_ENTRY_ADDED", "API_KEY_ACCESS_LIST_ENTRY_DELETED")
        }
        AccessOwner::ServiceAccount(_) => {
            ("SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_ADDED", "SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_DELETED")
        }
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

/// After the additions, inside their transaction.
async fn refuse_overlong(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    owner: AccessOwner,
) -> Result<(), ControlError> {
    let page = portolan_store::Page::new(1, 0);
    if access_lists::list(tx, witness, owner, page).await?.total <= ENTRIES_PER_LIST_MAX {
        return Ok(());
    }
    let rule = format!("must not make the list longer than {ENTRIES_PER_LIST_MAX} entries");
    Err(Problem::validation("accessList", rule).into())
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
