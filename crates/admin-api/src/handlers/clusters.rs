//! Clusters: list, create, get, update, delete, in every form of their bodies.

use portolan_api_types::cluster::{ClusterPicture, Form, cluster_json, parse_create, parse_update};
use portolan_api_types::version::{V2023_01_01, V2023_02_01, V2024_08_05, V2024_10_23};
use portolan_api_types::{Paging, VersionDate};
use portolan_auth::Action;
use portolan_control::FoundCluster;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, Version, atlas, current, deprecated};

const READ: &[Version] = &[deprecated(V2023_01_01), deprecated(V2023_02_01), current(V2024_08_05)];
const WRITE: &[Version] = &[
    deprecated(V2023_01_01),
    deprecated(V2023_02_01),
    Version { date: V2024_08_05, sunset: Some(VersionDate::constant(2027, 3, 1)) },
    current(V2024_10_23),
];
const DELETE: &[Version] = &[deprecated(V2023_01_01), current(V2023_02_01)];

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let make = Access::Project(Action::ClusterCreate);
    let change = Access::Project(Action::ClusterUpdate);
    let remove = Access::Project(Action::ClusterDelete);
    vec![
        atlas!(GET "/groups/{groupId}/clusters", "listGroupClusters", READ, read, list),
        atlas!(POST "/groups/{groupId}/clusters", "createGroupCluster", WRITE, make, create),
        atlas!(GET "/groups/{groupId}/clusters/{clusterName}", "getGroupCluster", READ, read, get),
        atlas!(
            PATCH "/groups/{groupId}/clusters/{clusterName}",
            "updateGroupCluster", WRITE, change, update
        ),
        atlas!(
            DELETE "/groups/{groupId}/clusters/{clusterName}",
            "deleteGroupCluster", DELETE, remove, delete
        ),
    ]
}

/// The count is always there: the Terraform provider reads it without asking whether it is. There are
/// no retained backups, so the filter for them shows nothing more.
async fn list(call: Call) -> Answer {
    let filter = "includeDeletedWithRetainedBackups";
    call.flag(filter)?;
    let paging = Paging { include_count: true, ..call.paging()? };
    let (project_id, control) = (call.project_id()?, call.control());
    let page = control.list_clusters_of_kind(&call.caller, project_id, false, paging).await?;
    let page = page.map(|found| shown(&call, &found));
    Ok(call.list(paging, &[filter], page))
}

async fn create(call: Call) -> Answer {
    let draft = parse_create(call.fields()?, body_form(&call))?;
    let found = call.control().create_cluster(&call.caller, call.project_id()?, draft).await?;
    Ok(Reply::created(shown(&call, &found)))
}

async fn get(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let found = call.control().get_dedicated(&call.caller, project_id, name).await?;
    Ok(Reply::ok(shown(&call, &found)))
}

async fn update(call: Call) -> Answer {
    let change = parse_update(call.fields()?, body_form(&call))?;
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let found = call.control().update_cluster(&call.caller, project_id, name, change).await?;
    Ok(Reply::ok(shown(&call, &found)))
}

/// There are no backups that could be retained or not.
async fn delete(call: Call) -> Answer {
    call.flag("retainBackups")?;
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    call.control().delete_cluster(&call.caller, project_id, name).await?;
    Ok(Reply::accepted())
}

fn form(version: Option<VersionDate>) -> Form {
    version.map_or(Form::Flat, Form::of)
}

/// The form in which the request's body is written.
pub(super) fn body_form(call: &Call) -> Form {
    form(call.body_version)
}

/// The form in which the caller wants the answer.
pub(super) fn answer_form(call: &Call) -> Form {
    form(call.version)
}

pub(super) fn shown(call: &Call, found: &FoundCluster) -> Value {
    let (cluster, life) = (&found.stored.cluster, &found.stored.life);
    let path = format!("/groups/{}/clusters/{}", cluster.project_id, cluster.name);
    let picture = ClusterPicture {
        cluster,
        settings_json: &found.stored.settings_json,
        paused: life.paused,
        fcv_pin: life.fcv_pin.as_ref(),
        connection_strings: found.connection_strings.clone(),
        links: call.base().links(&path, &[]),
    };
    cluster_json(&picture, answer_form(call))
}
