//! Clusters: list, create, get, delete.

use portolan_api_types::cluster::{
    ClusterPicture, cluster_json, cluster_json_20230201, parse_create,
};
use portolan_api_types::version::{V2023_02_01, V2024_08_05, V2024_10_23};
use portolan_api_types::{Paging, Problem, VersionDate};
use portolan_auth::Action;
use portolan_control::FoundCluster;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, Version, atlas, current, deprecated};

const READ: &[Version] = &[deprecated(V2023_02_01), current(V2024_08_05)];
const CREATE: &[Version] = &[
    Version { date: V2024_08_05, sunset: Some(VersionDate::constant(2027, 3, 1)) },
    current(V2024_10_23),
];
const DELETE: &[Version] = &[current(V2023_02_01)];

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let make = Access::Project(Action::ClusterCreate);
    let remove = Access::Project(Action::ClusterDelete);
    vec![
        atlas!(GET "/groups/{groupId}/clusters", "listGroupClusters", READ, read, list),
        atlas!(POST "/groups/{groupId}/clusters", "createGroupCluster", CREATE, make, create),
        atlas!(GET "/groups/{groupId}/clusters/{clusterName}", "getGroupCluster", READ, read, get),
        atlas!(
            DELETE "/groups/{groupId}/clusters/{clusterName}",
            "deleteGroupCluster", DELETE, remove, delete
        ),
    ]
}

/// The count is always there: the Terraform provider reads it without asking whether it is.
async fn list(call: Call) -> Answer {
    let paging = Paging { include_count: true, ..call.paging()? };
    let page = call.control().list_clusters(&call.caller, call.project_id()?, paging).await?;
    let page = page.map(|found| shown(&call, &found));
    Ok(call.list(paging, &["includeDeletedWithRetainedBackups"], page))
}

async fn create(call: Call) -> Answer {
    let draft = parse_create(call.fields()?)?;
    let found = call.control().create_cluster(&call.caller, call.project_id()?, draft).await?;
    Ok(Reply::created(shown(&call, &found)))
}

async fn get(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let found = call.control().get_cluster(&call.caller, project_id, name).await?;
    Ok(Reply::ok(shown(&call, &found)))
}

async fn delete(call: Call) -> Answer {
    if call.flag("retainBackups")? {
        return Err(Problem::unsupported("backups of clusters").into());
    }
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    call.control().delete_cluster(&call.caller, project_id, name).await?;
    Ok(Reply::accepted())
}

fn shown(call: &Call, found: &FoundCluster) -> Value {
    let cluster = &found.stored.cluster;
    let path = format!("/groups/{}/clusters/{}", cluster.project_id, cluster.name);
    let picture = ClusterPicture {
        cluster,
        settings_json: &found.stored.settings_json,
        connection_strings: found.connection_strings.clone(),
        links: call.base().links(&path, &[]),
    };
    if call.version == Some(V2023_02_01) {
        return cluster_json_20230201(&picture);
    }
    cluster_json(&picture)
}
