//! Flex clusters: list, create, get, update, delete, upgrade.

use portolan_api_types::Problem;
use portolan_api_types::cluster::{Form, parse_update};
use portolan_api_types::flex::{FlexChange, FlexDraft, flex_json};
use portolan_api_types::version::V2024_11_13;
use portolan_auth::Action;
use portolan_control::FoundCluster;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, Version, atlas, current};

const FLEX: &[Version] = &[current(V2024_11_13)];

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::ClusterAdminister);
    let remove = Access::Project(Action::ClusterDelete);
    let manage = Access::Project(Action::ClusterManage);
    vec![
        atlas!(GET "/groups/{groupId}/flexClusters", "listGroupFlexClusters", FLEX, read, list),
        atlas!(POST "/groups/{groupId}/flexClusters", "createGroupFlexCluster", FLEX, write, create),
        atlas!(
            GET "/groups/{groupId}/flexClusters/{name}", "getGroupFlexCluster", FLEX, read, get
        ),
        atlas!(
            PATCH "/groups/{groupId}/flexClusters/{name}",
            "updateGroupFlexCluster", FLEX, write, update
        ),
        atlas!(
            DELETE "/groups/{groupId}/flexClusters/{name}",
            "deleteGroupFlexCluster", FLEX, remove, delete
        ),
        atlas!(
            POST "/groups/{groupId}/flexClusters:tenantUpgrade",
            "tenantGroupFlexClusterUpgrade", FLEX, manage, upgrade
        ),
    ]
}

async fn list(call: Call) -> Answer {
    let (paging, project_id, control) = (call.paging()?, call.project_id()?, call.control());
    let page = control.list_clusters_of_kind(&call.caller, project_id, true, paging).await?;
    let page = page.map(|found| shown(&call, &found));
    Ok(call.list(paging, &[], page))
}

async fn create(call: Call) -> Answer {
    let draft = FlexDraft::read(call.fields()?)?;
    let found = call.control().create_flex(&call.caller, call.project_id()?, draft).await?;
    Ok(Reply::created(shown(&call, &found)))
}

async fn get(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("name"));
    let found = call.control().get_flex(&call.caller, project_id, name).await?;
    Ok(Reply::ok(shown(&call, &found)))
}

async fn update(call: Call) -> Answer {
    let change = FlexChange::read(call.fields()?)?;
    let (project_id, name) = (call.project_id()?, call.text("name"));
    let found = call.control().update_flex(&call.caller, project_id, name, change).await?;
    Ok(Reply::ok(shown(&call, &found)))
}

async fn delete(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("name"));
    call.control().delete_flex(&call.caller, project_id, name).await?;
    Ok(Reply::no_content())
}

/// The answer is the cluster as the flex API knew it; from now on the cluster API shows it.
async fn upgrade(call: Call) -> Answer {
    let mut change = parse_update(call.fields()?, Form::PerShard)?;
    let name = change.name.take().ok_or_else(|| Problem::missing_attribute("name"))?;
    if !change.touches_hardware() {
        return Err(Problem::missing_attribute("replicationSpecs").into());
    }
    let project_id = call.project_id()?;
    let found =
        call.control().upgrade_cluster(&call.caller, project_id, &name, change, true).await?;
    Ok(Reply::ok(shown(&call, &found)))
}

fn shown(call: &Call, found: &FoundCluster) -> Value {
    let cluster = &found.stored.cluster;
    let path = format!("/groups/{}/flexClusters/{}", cluster.project_id, cluster.name);
    flex_json(cluster, &found.connection_strings, call.base().links(&path, &[]))
}
