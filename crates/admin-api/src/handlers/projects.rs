//! Projects: list, create, get, by name, update, delete.

use portolan_api_types::project::{CreateProject, UpdateProject, item_json, json};
use portolan_auth::Action;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let (any, read) = (Access::Authenticated, Access::Project(Action::ProjectRead));
    let change = Access::Project(Action::ProjectUpdate);
    let remove = Access::Project(Action::ProjectDelete);
    vec![
        atlas!(GET "/groups", "listGroups", V23, any, list),
        atlas!(POST "/groups", "createGroup", V23, any, create),
        atlas!(GET "/groups/{groupId}", "getGroup", V23, read, get),
        atlas!(GET "/groups/byName/{groupName}", "getGroupByName", V23, any, by_name),
        atlas!(PATCH "/groups/{groupId}", "updateGroup", V23, change, update),
        atlas!(DELETE "/groups/{groupId}", "deleteGroup", V23, remove, delete),
    ]
}

async fn list(call: Call) -> Answer {
    let paging = call.paging()?;
    let page = call.control().list_projects(&call.caller, paging).await?;
    let page = page.map(|found| item_json(&found.project, found.clusters, call.base()));
    Ok(call.list(paging, &[], page))
}

async fn create(call: Call) -> Answer {
    let request = CreateProject::read(call.fields()?)?;
    // Terraform sends the empty text for none.
    let owner = match call.query("projectOwnerId") {
        None | Some("") => None,
        Some(_) => call.query_id("projectOwnerId")?,
    };
    let project = call.control().create_project(&call.caller, request, owner).await?;
    let location = call.base().atlas(&format!("/groups/{}", project.id));
    Ok(Reply::created(json(&project, 0, call.base())).header("location", location))
}

async fn get(call: Call) -> Answer {
    let found = call.control().get_project(&call.caller, call.project_id()?).await?;
    Ok(Reply::ok(json(&found.project, found.clusters, call.base())))
}

async fn by_name(call: Call) -> Answer {
    let found = call.control().project_by_name(&call.caller, call.text("groupName")).await?;
    Ok(Reply::ok(json(&found.project, found.clusters, call.base())))
}

async fn update(call: Call) -> Answer {
    let (request, org_id) = UpdateProject::read(call.fields()?)?;
    let project_id = call.project_id()?;
    let found = call.control().update_project(&call.caller, project_id, request, org_id).await?;
    Ok(Reply::ok(json(&found.project, found.clusters, call.base())))
}

async fn delete(call: Call) -> Answer {
    call.control().delete_project(&call.caller, call.project_id()?).await?;
    Ok(Reply::accepted())
}
