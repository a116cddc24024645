//! The root of the API: who calls, and which build answers.

use portolan_api_types::system_status::SystemStatus;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    vec![atlas!(GET "", "getSystemStatus", V23, Access::Authenticated, get)]
}

async fn get(call: Call) -> Answer {
    let access_list = call.control().own_access_list(&call.caller).await?;
    let principal = &call.caller.principal;
    let status = SystemStatus {
        id: principal.actor.id_text(),
        public_key: principal.actor.name(),
        org_roles: &principal.grants.orgs,
        project_roles: &principal.grants.projects,
        access_list: &access_list,
        build: &call.state.inner.settings.build,
    };
    Ok(Reply::ok(status.json(call.base())))
}
