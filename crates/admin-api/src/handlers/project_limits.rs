//! Limits of projects: list (a bare array), get, set, reset.

use portolan_api_types::{Problem, project_limit};
use portolan_auth::Action;
use portolan_control::FoundLimit;
use portolan_model::ProjectLimit;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let change = Access::Project(Action::ProjectUpdate);
    vec![
        atlas!(GET "/groups/{groupId}/limits", "listGroupLimits", V23, read, list),
        atlas!(GET "/groups/{groupId}/limits/{limitName}", "getGroupLimit", V23, read, get),
        atlas!(PATCH "/groups/{groupId}/limits/{limitName}", "setGroupLimit", V23, change, set),
        atlas!(DELETE "/groups/{groupId}/limits/{limitName}", "deleteGroupLimit", V23, change,
            clear),
    ]
}

fn json(found: &FoundLimit) -> Value {
    project_limit::json(found.limit, found.value, found.bounds, found.usage)
}

fn limit(call: &Call) -> Result<ProjectLimit, Problem> {
    let name = call.text("limitName");
    name.parse().map_err(|_| Problem::resource_not_found(format!("limit {name}")))
}

async fn list(call: Call) -> Answer {
    let found = call.control().list_project_limits(&call.caller, call.project_id()?).await?;
    Ok(Reply::ok(found.iter().map(json).collect()))
}

async fn get(call: Call) -> Answer {
    let (project_id, limit) = (call.project_id()?, limit(&call)?);
    let found = call.control().get_project_limit(&call.caller, project_id, limit).await?;
    Ok(Reply::ok(json(&found)))
}

async fn set(call: Call) -> Answer {
    let (project_id, limit) = (call.project_id()?, limit(&call)?);
    let value = project_limit::read(call.fields()?)?;
    let found = call.control().set_project_limit(&call.caller, project_id, limit, value).await?;
    Ok(Reply::ok(json(&found)))
}

async fn clear(call: Call) -> Answer {
    let (project_id, limit) = (call.project_id()?, limit(&call)?);
    call.control().clear_project_limit(&call.caller, project_id, limit).await?;
    Ok(Reply::no_content())
}
