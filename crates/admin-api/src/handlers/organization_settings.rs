//! Settings of organizations: the Terraform provider reads and writes them with each organization; and
//! what they allow delegated clients.

use portolan_api_types::org_delegation::{self, DelegationPatch};
use portolan_api_types::org_settings::{OrgSettingsPatch, OrgSettingsView};
use portolan_api_types::version::V2025_03_12;
use portolan_auth::Action;
use portolan_store::org_delegation::Delegation;
use portolan_store::organizations::OrgSettings;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, Version, atlas, current};

const V25: &[Version] = &[current(V2025_03_12)];

pub(crate) fn routes() -> Vec<Route> {
    let (read, owner) = (Access::Org(Action::OrgRead), Access::Org(Action::OrgUpdate));
    vec![
        atlas!(GET "/orgs/{orgId}/settings", "getOrgSettings", V23, read, get),
        atlas!(PATCH "/orgs/{orgId}/settings", "updateOrgSettings", V23, owner, update),
        atlas!(GET "/orgs/{orgId}/delegationSettings", "getOrgDelegationSettings", V25, read,
            delegation),
        atlas!(PATCH "/orgs/{orgId}/delegationSettings", "updateOrgDelegationSettings", V25, owner,
            update_delegation),
    ]
}

fn json(settings: &OrgSettings) -> Value {
    OrgSettingsView {
        switches: [
            settings.api_access_list_required,
            settings.multi_factor_auth_required,
            settings.restrict_employee_access,
            settings.gen_ai_features_enabled,
            settings.streams_cross_group_enabled,
        ],
        secret_validity_hours_max: settings.secret_validity_hours_max,
        security_contact: settings.security_contact.as_deref(),
        operations_contact: settings.operations_contact.as_deref(),
        session: (settings.session_absolute_s, settings.session_idle_s),
    }
    .json()
}

async fn get(call: Call) -> Answer {
    let settings = call.control().org_settings(&call.caller, call.org_id()?).await?;
    Ok(Reply::ok(json(&settings)))
}

async fn update(call: Call) -> Answer {
    let patch = OrgSettingsPatch::read(call.fields()?)?;
    let settings = call.control().update_org_settings(&call.caller, call.org_id()?, patch).await?;
    Ok(Reply::ok(json(&settings)))
}

fn delegation_json(found: &Delegation) -> Value {
    org_delegation::json(
        (found.mcp_access.as_deref(), found.partner_access.as_deref()),
        (found.refresh_token_idle_s, found.refresh_token_max_s),
    )
}

async fn delegation(call: Call) -> Answer {
    let found = call.control().org_delegation(&call.caller, call.org_id()?).await?;
    Ok(Reply::ok(delegation_json(&found)))
}

async fn update_delegation(call: Call) -> Answer {
    let patch = DelegationPatch::read(call.fields()?)?;
    let org_id = call.org_id()?;
    let found = call.control().update_org_delegation(&call.caller, org_id, patch).await?;
    Ok(Reply::ok(delegation_json(&found)))
}
