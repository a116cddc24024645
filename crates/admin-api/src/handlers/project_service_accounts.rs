//! Service accounts in projects: list, create, get, change, unassign, invite.

use portolan_api_types::api_key::read_assignment;
use portolan_api_types::service_account::{NewServiceAccount, read_invite, read_project_update};
use portolan_auth::Action;
use portolan_model::ProjectId;
use portolan_store::service_accounts::ServiceAccount;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::service_accounts::{V24, view};
use crate::route::{Access, Answer, Route, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::ProjectServiceAccountsWrite);
    let inviting = Access::Project(Action::ProjectServiceAccountsInvite);
    vec![
        atlas!(GET "/groups/{groupId}/serviceAccounts", "listGroupServiceAccounts", V24, read,
            list),
        atlas!(POST "/groups/{groupId}/serviceAccounts", "createGroupServiceAccount", V24, write,
            create),
        atlas!(GET "/groups/{groupId}/serviceAccounts/{clientId}", "getGroupServiceAccount", V24,
            read, get),
        atlas!(PATCH "/groups/{groupId}/serviceAccounts/{clientId}", "updateGroupServiceAccount",
            V24, write, update),
        atlas!(DELETE "/groups/{groupId}/serviceAccounts/{clientId}", "deleteGroupServiceAccount",
            V24, write, unassign),
        atlas!(POST "/groups/{groupId}/serviceAccounts/{clientId}:invite",
            "inviteGroupServiceAccount", V24, inviting, invite),
    ]
}

/// An account with its roles in this project.
fn json(account: &ServiceAccount, project_id: ProjectId, shown: Option<&str>) -> Value {
    let here = account.assignments.iter().find(|known| known.project_id == project_id);
    let roles = here.map(|known| known.roles.iter().map(|role| role.as_str()).collect());
    view(account, roles.unwrap_or_default(), shown)
}

async fn list(call: Call) -> Answer {
    let (paging, project_id) = (call.paging()?, call.project_id()?);
    let page = call.control().list_project_accounts(&call.caller, project_id, paging).await?;
    Ok(call.list(paging, &[], page.map(|account| json(&account, project_id, None))))
}

async fn create(call: Call) -> Answer {
    let project_id = call.project_id()?;
    let request = NewServiceAccount::read_for_project(call.fields()?)?;
    let new = call.control().create_project_account(&call.caller, project_id, request).await?;
    Ok(Reply::created(json(&new.account, project_id, Some(new.secret.expose()))))
}

async fn get(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("clientId")?);
    let account = call.control().get_project_account(&call.caller, project_id, id).await?;
    Ok(Reply::ok(json(&account, project_id, None)))
}

async fn update(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("clientId")?);
    let request = read_project_update(call.fields()?)?;
    let changed = call.control().update_project_account(&call.caller, project_id, id, request);
    Ok(Reply::ok(json(&changed.await?, project_id, None)))
}

async fn unassign(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("clientId")?);
    call.control().unassign_account(&call.caller, project_id, id).await?;
    Ok(Reply::no_content())
}

async fn invite(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("clientId")?);
    // Releases of the Go SDK up to v20250312001 send the roles in a list, as for API keys.
    let is_list = call.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let roles =
        if is_list { read_assignment(call.array()?)? } else { read_invite(call.fields()?)? };
    let account = call.control().invite_account(&call.caller, project_id, id, roles).await?;
    Ok(Reply::ok(json(&account, project_id, None)))
}
