//! The IP access list of a project: from where its sandbox clusters and read endpoints are reached.
//! The listeners read it themselves, at most [`APPLIED_MS`] late, and end connections that it no
//! longer allows.

use portolan_api_types::network::{EntryDraft, entry_not_found};
use portolan_api_types::{Page, Paging, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{NetworkEntry, ProjectId, ProjectLimit};
use portolan_security::IpNet;
use portolan_store::events::EventScope;
use portolan_store::{StoreError, Tx, network_entries};

use crate::access::project_in;
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, trail};

/// A temporary entry lives a week at most (documentation, "Configure IP Access List Entries").
const TEMPORARY_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;
/// After this time every listener of the project acts by a change.
pub const APPLIED_MS: i64 = 2_000;

impl Control {
    /// The entries by network.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_network_entries(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        paging: Paging,
    ) -> Result<Page<NetworkEntry>, ControlError> {
        self.store
            .read_tx("control.network.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    Ok(api_page(network_entries::list(tx, &witness, store_page(paging)).await?))
                })
            })
            .await
    }

    /// One entry.
    ///
    /// # Errors
    /// `ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND`, `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_network_entry(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        network: IpNet,
    ) -> Result<NetworkEntry, ControlError> {
        let cidr = &network.to_string();
        self.store
            .read_tx("control.network.get", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let entry = network_entries::get(tx, &witness, cidr).await;
                    entry.map_err(|error| missing(error, cidr, project_id))
                })
            })
            .await
    }

    /// Whether every listener acts by an entry already.
    ///
    /// # Errors
    /// Those of [`Control::get_network_entry`].
    pub async fn network_entry_applied(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        network: IpNet,
    ) -> Result<bool, ControlError> {
        let entry = self.get_network_entry(caller, project_id, network).await?;
        Ok(self.runtime.now_ms() >= entry.changed_at.saturating_add(APPLIED_MS))
    }

    /// Adds entries, all or none. One whose network is on the list already replaces it.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the list is full or an end is wrong, `GROUP_NOT_FOUND`, 401 without the
    /// role, and the store's.
    pub async fn put_network_entries(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        drafts: Vec<EntryDraft>,
    ) -> Result<(), ControlError> {
        let entries = &self.checked_entries(drafts)?;
        self.store
            .run_tx("control.network.put", |tx| {
                Box::pin(async move {
                    let witness = writable(tx, caller, project_id).await?;
                    network_entries::purge(tx, &witness).await?;
                    for entry in entries {
                        self.put_entry(tx, caller, &witness, entry).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    fn checked_entries(&self, drafts: Vec<EntryDraft>) -> Result<Vec<NetworkEntry>, ControlError> {
        let now_ms = self.runtime.now_ms();
        let entry = |(at, draft): (usize, EntryDraft)| -> Result<NetworkEntry, ControlError> {
            let sound = |end: &i64| *end > now_ms && *end <= now_ms + TEMPORARY_MS_MAX;
            if !draft.delete_after.as_ref().is_none_or(sound) {
                let rule = "must lie in the future, at most one week from now";
                return Err(Problem::validation(&format!("[{at}].deleteAfterDate"), rule).into());
            }
            Ok(NetworkEntry {
                cidr: draft.network.to_string(),
                comment: draft.comment,
                delete_after: draft.delete_after,
                changed_at: now_ms,
            })
        };
        drafts.into_iter().enumerate().map(entry).collect()
    }

    async fn put_entry(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        witness: &Authorized<ProjectScope>,
        entry: &NetworkEntry,
    ) -> Result<(), ControlError> {
        let known = network_entries::get(tx, witness, &entry.cidr).await.is_ok();
        let event = if known {
            "NETWORK_PERMISSION_ENTRY_UPDATED"
        } else {
            let limit = ProjectLimit::NetworkEntries;
            self.check_room(tx, witness, limit, "entries on its IP access list").await?;
            "NETWORK_PERMISSION_ENTRY_ADDED"
        };
        network_entries::put(tx, witness, entry).await?;
        note(tx, caller, witness.project_id(), event, &entry.cidr).await
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// `ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the
    /// store's.
    pub async fn remove_network_entry(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        network: IpNet,
    ) -> Result<(), ControlError> {
        let cidr = &network.to_string();
        self.store
            .run_tx("control.network.remove", |tx| {
                Box::pin(async move {
                    let witness = writable(tx, caller, project_id).await?;
                    network_entries::purge(tx, &witness).await?;
                    let removed = network_entries::remove(tx, &witness, cidr).await;
                    removed.map_err(|error| missing(error, cidr, project_id))?;
                    note(tx, caller, project_id, "NETWORK_PERMISSION_ENTRY_REMOVED", cidr).await
                })
            })
            .await
    }
}

async fn writable(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
) -> Result<Authorized<ProjectScope>, ControlError> {
    project_in(tx, &caller.principal, Action::NetworkAccessWrite, project_id).await
}

fn missing(error: StoreError, cidr: &str, project_id: ProjectId) -> ControlError {
    match error {
        StoreError::Missing { .. } => entry_not_found(cidr, project_id).into(),
        other => other.into(),
    }
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
    event: &str,
    cidr: &str,
) -> Result<(), ControlError> {
    let target = [("whitelistEntry", cidr.to_owned())];
    Ok(trail::note(tx, caller, EventScope::Project(project_id), event, &target).await?)
}
