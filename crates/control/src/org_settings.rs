//! Settings of organizations.

use portolan_api_types::org_settings::OrgSettingsPatch;
use portolan_auth::Action;
use portolan_model::OrgId;
use portolan_store::events::EventScope;
use portolan_store::organizations::{self, OrgSettings};

use crate::access::org;
use crate::{Caller, Control, ControlError, trail};

impl Control {
    /// The settings.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, and the store's.
    pub async fn org_settings(
        &self,
        caller: &Caller,
        org_id: OrgId,
    ) -> Result<OrgSettings, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        self.store
            .read_tx("control.org_settings.get", |tx| {
                Box::pin(organizations::settings(tx, witness))
            })
            .await
            .map_err(ControlError::from)
    }

    /// Merges a change into the settings.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn update_org_settings(
        &self,
        caller: &Caller,
        org_id: OrgId,
        patch: OrgSettingsPatch,
    ) -> Result<OrgSettings, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUpdate, org_id)?;
        let patch = &patch;
        self.store
            .run_tx("control.org_settings.update", |tx| {
                Box::pin(async move {
                    let old = organizations::settings(tx, witness).await?;
                    let mut settings = old.clone();
                    merge(&mut settings, patch);
                    organizations::update_settings(tx, witness, &settings).await?;
                    for event in events(&old, &settings) {
                        trail::note(tx, caller, EventScope::Org(org_id), event, &[]).await?;
                    }
                    Ok::<_, ControlError>(settings)
                })
            })
            .await
    }
}

/// The events of a change. The service has types for these settings only; the others leave their audit
/// row.
fn events(old: &OrgSettings, new: &OrgSettings) -> Vec<&'static str> {
    let switch = |was: bool, is: bool, on: &'static str, off: &'static str| {
        (was != is).then_some(if is { on } else { off })
    };
    let validity = (old.secret_validity_hours_max != new.secret_validity_hours_max)
        .then_some("ORG_SERVICE_ACCOUNT_MAX_SECRET_VALIDITY_EDITED");
    [
        switch(
            old.api_access_list_required,
            new.api_access_list_required,
            "ORG_PUBLIC_API_ACCESS_LIST_REQUIRED",
            "ORG_PUBLIC_API_ACCESS_LIST_NOT_REQUIRED",
        ),
        switch(
            old.multi_factor_auth_required,
            new.multi_factor_auth_required,
            "ORG_TWO_FACTOR_AUTH_REQUIRED",
            "ORG_TWO_FACTOR_AUTH_OPTIONAL",
        ),
        switch(
            old.restrict_employee_access,
            new.restrict_employee_access,
            "ORG_EMPLOYEE_ACCESS_RESTRICTED",
            "ORG_EMPLOYEE_ACCESS_UNRESTRICTED",
        ),
        validity,
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn merge(settings: &mut OrgSettings, patch: &OrgSettingsPatch) {
    fn set<T: Clone>(place: &mut T, value: &Option<T>) {
        if let Some(value) = value {
            place.clone_from(value);
        }
    }
    set(&mut settings.api_access_list_required, &patch.api_access_list_required);
    set(&mut settings.multi_factor_auth_required, &patch.multi_factor_auth_required);
    set(&mut settings.restrict_employee_access, &patch.restrict_employee_access);
    set(&mut settings.gen_ai_features_enabled, &patch.gen_ai_features_enabled);
    set(&mut settings.streams_cross_group_enabled, &patch.streams_cross_group_enabled);
    set(&mut settings.security_contact, &patch.security_contact);
    set(&mut settings.operations_contact, &patch.operations_contact);
    if patch.secret_validity_hours_max.is_some() {
        settings.secret_validity_hours_max = patch.secret_validity_hours_max;
    }
    if let Some((absolute, idle)) = patch.session {
        (settings.session_absolute_s, settings.session_idle_s) = (absolute, idle);
    }
}
