//! Users of projects: list, add, get, remove, add and take away roles.

use portolan_api_types::user::{AddProjectUser, UserRoles, read_project_role};
use portolan_api_types::version::V2023_01_01;
use portolan_auth::Action;
use portolan_control::{FoundProjectUser, RoleChange};
use portolan_model::{ProjectId, ProjectRole};
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::users::{BOTH, V25, view};
use crate::route::{Access, Answer, Route, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::ProjectUsersWrite);
    vec![
        atlas!(GET "/groups/{groupId}/users", "listGroupUsers", BOTH, read, list),
        atlas!(POST "/groups/{groupId}/users", "addGroupUsers", V25, write, add),
        atlas!(GET "/groups/{groupId}/users/{userId}", "getGroupUser", V25, read, get),
        atlas!(DELETE "/groups/{groupId}/users/{userId}", "removeGroupUser", BOTH, write, remove),
        atlas!(POST "/groups/{groupId}/users/{userId}:addRole", "addGroupUserRole", V25, write,
            add_role),
        atlas!(POST "/groups/{groupId}/users/{userId}:removeRole", "removeGroupUserRole", V25,
            write, remove_role),
    ]
}

fn json(call: &Call, project_id: ProjectId, found: &FoundProjectUser) -> Value {
    let FoundProjectUser { found, org_id } = found;
    let project_roles = found.roles.iter().map(|role| (project_id, *role)).collect();
    let roles = UserRoles { org_roles: Vec::new(), project_roles };
    let view = view(&found.user, &found.membership, *org_id, &roles);
    match call.version {
        Some(V2023_01_01) => view.legacy_json(call.base()),
        _ => view.project_json(project_id),
    }
}

async fn list(call: Call) -> Answer {
    let (paging, project_id) = (call.paging()?, call.project_id()?);
    let username = call.query("username");
    let page =
        call.control().list_project_users(&call.caller, project_id, username, paging).await?;
    let page = page.map(|found| json(&call, project_id, &found));
    Ok(call.list(paging, &["username"], page))
}

async fn add(call: Call) -> Answer {
    let (project_id, request) = (call.project_id()?, AddProjectUser::read(call.fields()?)?);
    let found = call.control().add_project_user(&call.caller, project_id, request).await?;
    Ok(Reply::created(json(&call, project_id, &found)))
}

async fn get(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("userId")?);
    let found = call.control().get_project_user(&call.caller, project_id, id).await?;
    Ok(Reply::ok(json(&call, project_id, &found)))
}

async fn remove(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("userId")?);
    call.control().remove_project_user(&call.caller, project_id, id).await?;
    Ok(Reply::no_content())
}

async fn add_role(call: Call) -> Answer {
    let change = RoleChange::Add(read_project_role(call.fields()?)?);
    change_role(call, change).await
}

async fn remove_role(call: Call) -> Answer {
    let change = RoleChange::Remove(read_project_role(call.fields()?)?);
    change_role(call, change).await
}

async fn change_role(call: Call, change: RoleChange<ProjectRole>) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("userId")?);
    let found = call.control().change_project_role(&call.caller, project_id, id, change).await?;
    Ok(Reply::ok(json(&call, project_id, &found)))
}
