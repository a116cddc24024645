//! Teams in projects: list, add, get, change roles, remove.

use portolan_api_types::team::{TeamAssignment, roles_json};
use portolan_api_types::{Paging, Problem};
use portolan_auth::Action;
use portolan_model::{ProjectId, TeamId};
use portolan_store::teams::TeamRoles;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::ProjectUsersWrite);
    vec![
        atlas!(GET "/groups/{groupId}/teams", "listGroupTeams", V23, read, list),
        atlas!(POST "/groups/{groupId}/teams", "addGroupTeams", V23, write, add),
        atlas!(GET "/groups/{groupId}/teams/{teamId}", "getGroupTeam", V23, read, get),
        atlas!(PATCH "/groups/{groupId}/teams/{teamId}", "updateGroupTeam", V23, write, update),
        atlas!(DELETE "/groups/{groupId}/teams/{teamId}", "removeGroupTeam", V23, write, remove),
    ]
}

fn json(call: &Call, project_id: ProjectId, team: &TeamRoles) -> Value {
    roles_json(call.base(), project_id, team.team_id, &team.roles)
}

async fn list(call: Call) -> Answer {
    let paging = call.paging()?;
    list_page(&call, paging).await
}

async fn list_page(call: &Call, paging: Paging) -> Answer {
    let project_id = call.project_id()?;
    let page = call.control().list_project_teams(&call.caller, project_id, paging).await?;
    Ok(call.list(paging, &[], page.map(|team| json(call, project_id, &team))))
}

/// Answers with the teams of the project.
async fn add(call: Call) -> Answer {
    let (paging, wanted) = (call.paging()?, TeamAssignment::read_all(call.array()?)?);
    call.control().add_project_teams(&call.caller, call.project_id()?, &wanted).await?;
    list_page(&call, paging).await
}

async fn get(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("teamId")?);
    let team = call.control().get_project_team(&call.caller, project_id, id).await?;
    Ok(Reply::ok(json(&call, project_id, &team)))
}

/// Answers with the teams of the project, as the service does.
async fn update(call: Call) -> Answer {
    let (paging, project_id) = (call.paging()?, call.project_id()?);
    let id: TeamId = call.id("teamId")?;
    let request = TeamAssignment::read(call.fields()?)?;
    if request.team_id.is_some_and(|named| named != id) {
        let rule = "must be the team of the path";
        return Err(Problem::invalid_attribute("teamId", rule).into());
    }
    call.control().update_project_team(&call.caller, project_id, id, &request.roles).await?;
    list_page(&call, paging).await
}

async fn remove(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("teamId")?);
    call.control().remove_project_team(&call.caller, project_id, id).await?;
    Ok(Reply::no_content())
}
