//! Settings of organizations: the Terraform provider reads and writes them with each organization.

use portolan_api_types::org_settings::{OrgSettingsPatch, OrgSettingsView};
use portolan_auth::Action;
use portolan_store::organizations::OrgSettings;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let (read, owner) = (Access::Org(Action::OrgRead), Access::Org(Action::OrgUpdate));
    vec![
        atlas!(GET "/orgs/{orgId}/settings", "getOrgSettings", V23, read, get),
        atlas!(PATCH "/orgs/{orgId}/settings", "updateOrgSettings", V23, owner, update),
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
