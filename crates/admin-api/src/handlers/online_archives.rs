//! Online archives: list, create, get, update, delete.

use portolan_api_types::online_archive::{OnlineArchiveView, parse_create, parse_update};
use portolan_auth::Action;
use portolan_model::OnlineArchive;
use serde_json::{Value, json};

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::ArchivesWrite);
    vec![
        atlas!(
            GET "/groups/{groupId}/clusters/{clusterName}/onlineArchives",
            "listGroupClusterOnlineArchives", V23, read, list
        ),
        atlas!(
            POST "/groups/{groupId}/clusters/{clusterName}/onlineArchives",
            "createGroupClusterOnlineArchive", V23, write, create
        ),
        atlas!(
            GET "/groups/{groupId}/clusters/{clusterName}/onlineArchives/{archiveId}",
            "getGroupClusterOnlineArchive", V23, read, get
        ),
        atlas!(
            PATCH "/groups/{groupId}/clusters/{clusterName}/onlineArchives/{archiveId}",
            "updateGroupClusterOnlineArchive", V23, write, update
        ),
        atlas!(
            DELETE "/groups/{groupId}/clusters/{clusterName}/onlineArchives/{archiveId}",
            "deleteGroupClusterOnlineArchive", V23, write, delete
        ),
    ]
}

async fn list(call: Call) -> Answer {
    let (project_id, name, paging) = (call.project_id()?, call.text("clusterName"), call.paging()?);
    let page = call.control().list_archives(&call.caller, project_id, name, paging).await?;
    Ok(call.list(paging, &[], page.map(|archive| shown(&archive))))
}

/// 200, not 201: so does the service.
async fn create(call: Call) -> Answer {
    let draft = parse_create(call.fields()?)?;
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let archive = call.control().create_archive(&call.caller, project_id, name, draft).await?;
    Ok(Reply::ok(shown(&archive)))
}

async fn get(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let id = call.id("archiveId")?;
    let archive = call.control().get_archive(&call.caller, project_id, name, id).await?;
    Ok(Reply::ok(shown(&archive)))
}

async fn update(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let (id, patch) = (call.id("archiveId")?, parse_update(call.fields()?)?);
    let archive = call.control().update_archive(&call.caller, project_id, name, id, patch).await?;
    Ok(Reply::ok(shown(&archive)))
}

/// 200 with an empty object, where the public OpenAPI says 204: so does the service.
async fn delete(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let id = call.id("archiveId")?;
    call.control().delete_archive(&call.caller, project_id, name, id).await?;
    Ok(Reply::ok(json!({})))
}

fn shown(archive: &OnlineArchive) -> Value {
    serde_json::to_value(OnlineArchiveView::from(archive))
        .expect("strings, numbers and lists of them always serialize")
}
