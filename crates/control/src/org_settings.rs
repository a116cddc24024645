//! Settings of organizations.

use std::net::IpAddr;

use portolan_api_types::org_settings::OrgSettingsPatch;
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::Action;
use portolan_model::OrgId;
use portolan_store::Tx;
use portolan_store::access_lists::{self, AccessVerdict};
use portolan_store::organizations::{self, OrgSettings};

use crate::access::org;
use crate::sessions::owner;
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
    /// `ORG_REQUIRES_ACCESS_LIST` when the change would lock out the caller, `ORG_NOT_FOUND`, 401 without
    /// the role, and the store's.
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
                    if settings.api_access_list_required && !old.api_access_list_required {
                        refuse_lockout(tx, caller, org_id).await?;
                    }
                    organizations::update_settings(tx, witness, &settings).await?;
                    for (event, setting) in events(&old, &settings) {
                        trail::note_in_org(tx, caller, org_id, event, ("setting", setting)).await?;
                    }
                    Ok::<_, ControlError>(settings)
                })
            })
            .await
    }
}

/// A key or service account without a list would shut itself out with its own request, and nobody else
/// might be left to let it in again.
async fn refuse_lockout(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
) -> Result<(), ControlError> {
    let principal = &caller.principal;
    let Some(own) = owner(&principal.actor).filter(|_| principal.home_org_id == Some(org_id))
    else {
        return Ok(());
    };
    let rules = access_lists::rules(tx, org_id, own).await?;
    let listed = |address: IpAddr| matches!(rules.judge(address), AccessVerdict::Allowed(Some(_)));
    if caller.remote_address.is_some_and(listed) {
        return Ok(());
    }
    let (address, path) =
        (caller.remote_address.map(|it| it.to_canonical().to_string()), own.path());
    let shown = address.unwrap_or_else(|| "of the caller".to_owned());
    let detail = format!(
        "This organization would require access through an access list of ip ranges, and the caller has \
         none with the address {shown}. Add it first: POST /api/atlas/v2/orgs/{org_id}/{path}/accessList."
    );
    let rule = "would lock out the caller";
    let problem = Problem::new(ErrorCode::OrgRequiresAccessList, detail).with(shown);
    Err(problem.at("apiAccessListRequired", rule).into())
}

/// The event of a setting that the service has no type for.
const OTHER: &str = "ORG_SETTING_CHANGED";

/// The events of a change, each with the setting that it is about.
fn events(old: &OrgSettings, new: &OrgSettings) -> Vec<(&'static str, &'static str)> {
    let is = |now: bool, on: &'static str, off: &'static str| if now { on } else { off };
    let api_lists = is(
        new.api_access_list_required,
        "ORG_PUBLIC_API_ACCESS_LIST_REQUIRED",
        "ORG_PUBLIC_API_ACCESS_LIST_NOT_REQUIRED",
    );
    let factors = is(
        new.multi_factor_auth_required,
        "ORG_TWO_FACTOR_AUTH_REQUIRED",
        "ORG_TWO_FACTOR_AUTH_OPTIONAL",
    );
    let employees = is(
        new.restrict_employee_access,
        "ORG_EMPLOYEE_ACCESS_RESTRICTED",
        "ORG_EMPLOYEE_ACCESS_UNRESTRICTED",
    );
    let session = |of: &OrgSettings| (of.session_absolute_s, of.session_idle_s);
    let changes = [
        (
            old.api_access_list_required != new.api_access_list_required,
            (api_lists, "apiAccessListRequired"),
        ),
        (
            old.multi_factor_auth_required != new.multi_factor_auth_required,
            (factors, "multiFactorAuthRequired"),
        ),
        (
            old.restrict_employee_access != new.restrict_employee_access,
            (employees, "restrictEmployeeAccess"),
        ),
        (
            old.secret_validity_hours_max != new.secret_validity_hours_max,
            (
                "ORG_SERVICE_ACCOUNT_MAX_SECRET_VALIDITY_EDITED",
                "maxServiceAccountSecretValidityInHours",
            ),
        ),
        (
            old.security_contact != new.security_contact,
            ("SECURITY_CONTACT_MODIFIED", "securityContact"),
        ),
        (
            old.operations_contact != new.operations_contact,
            ("OPERATIONS_CONTACT_MODIFIED", "operationsContact"),
        ),
        (
            session(old) != session(new),
            ("CUSTOM_SESSION_TIMEOUT_MODIFIED", "customSessionTimeouts"),
        ),
        (
            old.gen_ai_features_enabled != new.gen_ai_features_enabled,
            (OTHER, "genAIFeaturesEnabled"),
        ),
        (
            old.streams_cross_group_enabled != new.streams_cross_group_enabled,
            (OTHER, "streamsCrossGroupEnabled"),
        ),
    ];
    changes.into_iter().filter(|(changed, _)| *changed).map(|(_, event)| event).collect()
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
