//! What an organization allows clients that act on a person's behalf. Portolan issues no delegated
//! tokens, so there is nothing that these settings could open; they are kept for the clients that
//! manage them.

use portolan_api_types::org_delegation::DelegationPatch;
use portolan_auth::Action;
use portolan_model::OrgId;
use portolan_store::StoreError;
use portolan_store::events::EventScope;
use portolan_store::org_delegation::{self, Delegation};

use crate::access::org;
use crate::{Caller, Control, ControlError, trail};

impl Control {
    /// The settings.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, and the store's.
    pub async fn org_delegation(
        &self,
        caller: &Caller,
        org_id: OrgId,
    ) -> Result<Delegation, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        self.store
            .read_tx("control.org_delegation.get", |tx| Box::pin(org_delegation::get(tx, witness)))
            .await
            .map_err(|error: StoreError| error.into())
    }

    /// Merges a change into the settings.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn update_org_delegation(
        &self,
        caller: &Caller,
        org_id: OrgId,
        patch: DelegationPatch,
    ) -> Result<Delegation, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUpdate, org_id)?;
        let patch = &patch;
        self.store
            .run_tx("control.org_delegation.update", |tx| {
                Box::pin(async move {
                    let old = org_delegation::get(tx, witness).await?;
                    let merged = merged(old.clone(), patch);
                    if merged == old {
                        return Ok(old);
                    }
                    org_delegation::set(tx, witness, &merged).await?;
                    let event = "ORG_DELEGATION_SETTINGS_UPDATED";
                    trail::note(tx, caller, EventScope::Org(org_id), event, &[]).await?;
                    Ok::<_, ControlError>(merged)
                })
            })
            .await
    }
}

fn merged(old: Delegation, patch: &DelegationPatch) -> Delegation {
    Delegation {
        mcp_access: patch.mcp_access.clone().unwrap_or(old.mcp_access),
        partner_access: patch.partner_access.clone().unwrap_or(old.partner_access),
        refresh_token_idle_s: patch.refresh_token_idle_s.unwrap_or(old.refresh_token_idle_s),
        refresh_token_max_s: patch.refresh_token_max_s.unwrap_or(old.refresh_token_max_s),
    }
}
