//! Portolan's own API: attaching clusters, connection strings, archives and their runs in full.

use portolan_api_types::own_api::{OwnArchiveView, OwnClusterView, RunDocumentView, parse_attach};
use portolan_auth::Action;
use portolan_control::{ArchiveDetails, FoundCluster};
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, own};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let make = Access::Project(Action::ClusterCreate);
    vec![
        own!(POST "/groups/{groupId}/clusters:attach", "attachCluster", make, attach),
        own!(GET "/groups/{groupId}/clusters", "listOwnClusters", read, list_clusters),
        own!(GET "/groups/{groupId}/clusters/{clusterName}", "getOwnCluster", read, get_cluster),
        own!(
            GET "/groups/{groupId}/clusters/{clusterName}/connectionStrings",
            "getConnectionStrings", read, connection_strings
        ),
        own!(
            GET "/groups/{groupId}/clusters/{clusterName}/onlineArchives/{archiveId}",
            "getOwnOnlineArchive", read, get_archive
        ),
        own!(
            GET "/groups/{groupId}/clusters/{clusterName}/onlineArchives/{archiveId}/runs",
            "listOnlineArchiveRuns", read, list_runs
        ),
        own!(
            GET "/groups/{groupId}/clusters/{clusterName}/onlineArchives/{archiveId}/runs/{runId}",
            "getOnlineArchiveRun", read, get_run
        ),
    ]
}

async fn attach(call: Call) -> Answer {
    let draft = parse_attach(call.fields()?)?;
    let found = call.control().attach_cluster(&call.caller, call.project_id()?, draft).await?;
    Ok(Reply::created(cluster_shown(&found)))
}

async fn list_clusters(call: Call) -> Answer {
    let paging = call.paging()?;
    let page = call.control().list_clusters(&call.caller, call.project_id()?, paging).await?;
    Ok(call.list(paging, &[], page.map(|found| cluster_shown(&found))))
}

async fn get_cluster(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let found = call.control().get_cluster(&call.caller, project_id, name).await?;
    Ok(Reply::ok(cluster_shown(&found)))
}

fn cluster_shown(found: &FoundCluster) -> Value {
    let stored = &found.stored;
    OwnClusterView {
        cluster: &stored.cluster,
        level_reasons: &stored.level_reasons,
        time_series: stored.time_series,
    }
    .json()
}

async fn connection_strings(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let strings = call.control().connection_strings(&call.caller, project_id, name).await?;
    Ok(Reply::ok(strings.json()))
}

async fn get_archive(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let id = call.id("archiveId")?;
    let details = call.control().archive_details(&call.caller, project_id, name, id).await?;
    Ok(Reply::ok(archive_shown(details)))
}

fn archive_shown(details: ArchiveDetails) -> Value {
    OwnArchiveView {
        archive: &details.archive,
        level: details.level.as_str(),
        level_at_creation: details.level_at_creation.as_str(),
        totals: details.totals,
        hold: details.hold.as_ref(),
        expiry_set_at: details.expiry_set_at,
        next_look_at: details.next_look_at,
        last_error: details.last_error,
    }
    .json()
}

async fn list_runs(call: Call) -> Answer {
    let (project_id, name, paging) = (call.project_id()?, call.text("clusterName"), call.paging()?);
    let id = call.id("archiveId")?;
    let page = call.control().list_runs(&call.caller, project_id, name, id, paging).await?;
    Ok(call.list(paging, &[], page.map(|run| run.json())))
}

async fn get_run(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let (id, run_id, paging) = (call.id("archiveId")?, call.id("runId")?, call.paging()?);
    let control = call.control();
    let (run, named) =
        control.get_run(&call.caller, project_id, name, id, (run_id, paging)).await?;
    let mut shown = run.json();
    shown["documents"] = named.items.iter().map(RunDocumentView::json).collect();
    shown["documentsNamed"] = Value::from(named.total);
    Ok(Reply::ok(shown))
}
