//! Users of projects: list, add, get, remove, add, take away and replace roles.

use portolan_api_types::user::{AddProjectUser, UserRoles, read_project_role, read_project_roles};
use portolan_api_types::version::{V2023_01_01, V2023_02_01};
use portolan_auth::Action;
use portolan_control::{FoundProjectUser, RoleChange};
use portolan_model::{ProjectId, ProjectRole};
use portolan_store::project_users::Reach;
use serde_json::{Value, json};

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::org_invitations;
use crate::handlers::users::{BOTH, FILTERS, OLD, V25, query, view};
use crate::route::{Access, Answer, Route, Version, atlas, deprecated};

const ACCESS: &[Version] = &[deprecated(V2023_02_01)];

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::ProjectUsersWrite);
    let owner = Access::Project(Action::ProjectInvitationsWrite);
    vec![
        atlas!(GET "/groups/{groupId}/users", "listGroupUsers", BOTH, read, list),
        atlas!(POST "/groups/{groupId}/users", "addGroupUsers", V25, write, add),
        atlas!(GET "/groups/{groupId}/users/{userId}", "getGroupUser", V25, read, get),
        atlas!(DELETE "/groups/{groupId}/users/{userId}", "removeGroupUser", BOTH, write, remove),
        atlas!(POST "/groups/{groupId}/users/{userId}:addRole", "addGroupUserRole", V25, write,
            add_role),
        atlas!(POST "/groups/{groupId}/users/{userId}:removeRole", "removeGroupUserRole", V25,
            write, remove_role),
        atlas!(PUT "/groups/{groupId}/users/{userId}/roles", "updateGroupUserRoles", OLD, owner,
            set_roles),
        atlas!(POST "/groups/{groupId}/access", "addGroupAccessUser", ACCESS, owner, grant),
    ]
}

pub(crate) fn shown(call: &Call, project_id: ProjectId, found: &FoundProjectUser) -> Value {
    let FoundProjectUser { found, org_id } = found;
    let project_roles = found.roles.iter().map(|role| (project_id, *role)).collect();
    let roles = UserRoles { org_roles: Vec::new(), project_roles };
    let view = view(&found.user, &found.membership, *org_id, &roles, &found.team_ids);
    match call.version {
        Some(V2023_01_01) => view.legacy_json(call.base()),
        _ => view.project_json(project_id),
    }
}

async fn list(call: Call) -> Answer {
    let (paging, project_id) = (call.paging()?, call.project_id()?);
    let query = query(&call)?;
    let reach = Reach { teams: call.flag("flattenTeams")?, org: call.flag("includeOrgUsers")? };
    let control = call.control();
    let page = control.list_project_users(&call.caller, project_id, &query, reach, paging).await?;
    let page = page.map(|found| shown(&call, project_id, &found));
    let filters = [FILTERS, &["flattenTeams", "includeOrgUsers"]].concat();
    Ok(call.list(paging, &filters, page))
}

async fn add(call: Call) -> Answer {
    let (project_id, request) = (call.project_id()?, AddProjectUser::read(call.fields()?)?);
    let found = call.control().add_project_user(&call.caller, project_id, request).await?;
    Ok(Reply::created(shown(&call, project_id, &found)))
}

async fn get(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("userId")?);
    let found = call.control().get_project_user(&call.caller, project_id, id).await?;
    Ok(Reply::ok(shown(&call, project_id, &found)))
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
    Ok(Reply::ok(shown(&call, project_id, &found)))
}

async fn set_roles(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("userId")?);
    let roles = read_project_roles(call.fields()?)?;
    let found = call.control().set_project_user_roles(&call.caller, project_id, id, roles).await?;
    let names: Vec<&str> = found.found.roles.iter().map(|role| role.as_str()).collect();
    let links = call.base().links(&format!("/groups/{project_id}/users/{id}"), &[]);
    Ok(Reply::ok(json!({ "groupRoles": names, "links": links })))
}

/// A member of the organization has the roles at once (204); anybody else is invited (200).
async fn grant(call: Call) -> Answer {
    let (project_id, request) = (call.project_id()?, AddProjectUser::read(call.fields()?)?);
    let invite = call.control().grant_project_access(&call.caller, project_id, request).await?;
    Ok(invite.map_or_else(Reply::no_content, |invite| Reply::ok(org_invitations::json(&invite))))
}
