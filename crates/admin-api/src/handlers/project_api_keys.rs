//! API keys in projects: list, create, assign, change, unassign.

use portolan_api_types::api_key::{NewApiKey, read_assignment, read_project_update};
use portolan_auth::Action;

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::api_keys::{created_json, json};
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::ProjectApiKeysWrite);
    let assign_access = Access::Project(Action::ProjectApiKeysAssign);
    vec![
        atlas!(GET "/groups/{groupId}/apiKeys", "listGroupApiKeys", V23, read, list),
        atlas!(POST "/groups/{groupId}/apiKeys", "createGroupApiKey", V23, write, create),
        atlas!(POST "/groups/{groupId}/apiKeys/{apiUserId}", "addGroupApiKey", V23, assign_access,
            assign),
        atlas!(PATCH "/groups/{groupId}/apiKeys/{apiUserId}", "updateGroupApiKeyRoles", V23, write,
            update),
        atlas!(DELETE "/groups/{groupId}/apiKeys/{apiUserId}", "removeGroupApiKey", V23, write,
            unassign),
    ]
}

async fn list(call: Call) -> Answer {
    let paging = call.paging()?;
    let page = call.control().list_project_keys(&call.caller, call.project_id()?, paging).await?;
    let page = page.map(|key| json(&key, call.base()));
    Ok(call.list(paging, &[], page))
}

/// The service answers 200 here, not 201.
async fn create(call: Call) -> Answer {
    let request = NewApiKey::read_for_project(call.fields()?)?;
    let new = call.control().create_project_key(&call.caller, call.project_id()?, request).await?;
    Ok(Reply::ok(created_json(&new, call.base())))
}

async fn assign(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("apiUserId")?);
    let roles = read_assignment(call.array()?)?;
    call.control().assign_key(&call.caller, project_id, id, roles).await?;
    Ok(Reply::no_content())
}

async fn update(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("apiUserId")?);
    let request = read_project_update(call.fields()?)?;
    let key = call.control().update_project_key(&call.caller, project_id, id, request).await?;
    Ok(Reply::ok(json(&key, call.base())))
}

async fn unassign(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("apiUserId")?);
    call.control().unassign_key(&call.caller, project_id, id).await?;
    Ok(Reply::no_content())
}
