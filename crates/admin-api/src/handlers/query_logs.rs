//! Query logs: of the endpoints of a cluster, and of one federated database instance.

use portolan_api_types::Problem;
use portolan_api_types::data_federation::read_log_second;
use portolan_api_types::version::Format;
use portolan_auth::Action;
use portolan_control::{LogOwner, LogWindow, QueryLogReader};

use crate::answer::Reply;
use crate::call::Call;
use crate::gzip::gzip_lines;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::QueryLogsRead);
    [
        atlas!(
            GET "/groups/{groupId}/clusters/{clusterName}/onlineArchives/queryLogs.gz",
            "downloadGroupClusterOnlineArchiveQueryLogs", V23, read, of_cluster
        ),
        atlas!(
            GET "/groups/{groupId}/dataFederation/{tenantName}/queryLogs.gz",
            "downloadGroupDataFederationQueryLogs", V23, read, of_tenant
        ),
    ]
    .into_iter()
    .map(|route| Route { format: Format::Gzip, ..route })
    .collect()
}

fn window(call: &Call) -> Result<LogWindow, Problem> {
    let second = |name: &str| call.query(name).map(|text| read_log_second(name, text)).transpose();
    Ok(LogWindow { start: second("startDate")?, end: second("endDate")? })
}

async fn of_cluster(call: Call) -> Answer {
    let (window, archive_only) = (window(&call)?, call.flag("archiveOnly")?);
    let owner = LogOwner::Cluster { name: call.text("clusterName"), archive_only };
    answer(call.control().open_query_log(&call.caller, call.project_id()?, owner, window).await?)
        .await
}

async fn of_tenant(call: Call) -> Answer {
    let (window, owner) = (window(&call)?, LogOwner::Tenant(call.text("tenantName")));
    answer(call.control().open_query_log(&call.caller, call.project_id()?, owner, window).await?)
        .await
}

async fn answer(reader: QueryLogReader) -> Answer {
    let disposition = format!("attachment; filename=\"{}\"", reader.file_name);
    let body = gzip_lines(reader).await?;
    Ok(Reply::download(body).header("content-disposition", disposition))
}
