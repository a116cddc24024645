//! Portolan's own API for the operators of archives: run now, verify, estimate, explain, hold and
//! release, undelete, resume, reattach, what would expire, what there is, what was done.

use portolan_api_types::operators::{
    OperationView, expiry_preview_json, hold_json, parse_attach_archive, parse_hold,
    parse_preview_days, parse_reattach, parse_redact, parse_restore, parse_resume, parse_verify,
    statistics_json,
};
use portolan_auth::Action;
use portolan_model::{ArchiveId, OnlineArchive, ProjectId};
use portolan_store::operations::{Operation, OperationKind};
use serde_json::{Value, json};

use crate::answer::Reply;
use crate::call::Call;
use crate::failure::Failure;
use crate::route::{Access, Answer, Route, own};

macro_rules! of_archive {
    ($method:ident $rest:literal, $operation:literal, $access:expr, $handler:path) => {
        own!(
            $method "/groups/{groupId}/clusters/{clusterName}/onlineArchives/{archiveId}" $rest,
            $operation, $access, $handler
        )
    };
}

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::ArchivesWrite);
    vec![
        own!(
            POST "/groups/{groupId}/clusters/{clusterName}/onlineArchives:attach",
            "attachOnlineArchive", write, attach
        ),
        of_archive!(POST ":run", "runOnlineArchive", write, run),
        of_archive!(POST ":verify", "verifyOnlineArchive", write, verify),
        of_archive!(POST ":estimate", "estimateOnlineArchive", write, estimate),
        of_archive!(POST ":restore", "restoreOnlineArchive", write, restore),
        of_archive!(POST ":redact", "redactOnlineArchive", write, redact),
        of_archive!(GET ":explain", "explainOnlineArchive", read, explain),
        of_archive!(POST ":hold", "holdOnlineArchive", write, hold),
        of_archive!(POST ":release", "releaseOnlineArchive", write, release),
        of_archive!(POST ":undelete", "undeleteOnlineArchive", write, undelete),
        of_archive!(POST ":resume", "resumeOnlineArchive", write, resume),
        of_archive!(POST ":reattach", "reattachOnlineArchive", write, reattach),
        of_archive!(GET ":expiryPreview", "previewOnlineArchiveExpiry", read, preview_expiry),
        of_archive!(GET "/statistics", "getOnlineArchiveStatistics", read, statistics),
        of_archive!(GET "/operations", "listOnlineArchiveOperations", read, list_operations),
        of_archive!(
            GET "/operations/{operationId}", "getOnlineArchiveOperation", read, get_operation
        ),
    ]
}

/// Project, cluster and archive of the path.
fn place(call: &Call) -> Result<(ProjectId, &str, ArchiveId), Failure> {
    Ok((call.project_id()?, call.text("clusterName"), call.id("archiveId")?))
}

fn standing(archive: &OnlineArchive) -> Value {
    json!({ "_id": archive.id.to_string(), "state": archive.state.as_str() })
}

async fn run(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let archive = call.control().run_archive(&call.caller, project_id, name, id).await?;
    Ok(Reply::ok(standing(&archive)))
}

async fn attach(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let draft = parse_attach_archive(call.fields()?)?;
    let control = call.control();
    let archive = control.attach_archive(&call.caller, project_id, name, draft).await?;
    Ok(Reply::ok(standing(&archive)))
}

async fn verify(call: Call) -> Answer {
    let against_cluster = parse_verify(call.fields()?)?;
    let request = json!({ "againstCluster": against_cluster }).to_string();
    queue(call, OperationKind::Verify, request).await
}

async fn estimate(call: Call) -> Answer {
    queue(call, OperationKind::Estimate, "{}".to_owned()).await
}

async fn restore(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let draft = parse_restore(call.fields()?)?;
    let queued = call.control().queue_restore(&call.caller, project_id, name, id, draft).await?;
    Ok(Reply::ok(view(queued).json()))
}

async fn redact(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let draft = parse_redact(call.fields()?)?;
    let queued = call.control().queue_redaction(&call.caller, project_id, name, id, draft).await?;
    Ok(Reply::ok(view(queued).json()))
}

async fn queue(call: Call, kind: OperationKind, request: String) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let asked = (kind, request);
    let control = call.control();
    let queued = control.queue_operation(&call.caller, project_id, name, id, asked).await?;
    Ok(Reply::ok(view(queued).json()))
}

async fn explain(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let explained = call.control().explain_archive(&call.caller, project_id, name, id).await?;
    Ok(Reply::ok(explained.json()))
}

async fn hold(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let reason = parse_hold(call.fields()?)?;
    let control = call.control();
    let (archive, hold) = control.hold_archive(&call.caller, project_id, name, id, reason).await?;
    let mut shown = standing(&archive);
    shown["hold"] = hold_json(&hold);
    Ok(Reply::ok(shown))
}

async fn release(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let archive = call.control().release_archive(&call.caller, project_id, name, id).await?;
    let mut shown = standing(&archive);
    shown["hold"] = Value::Null;
    Ok(Reply::ok(shown))
}

async fn undelete(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let archive = call.control().undelete_archive(&call.caller, project_id, name, id).await?;
    Ok(Reply::ok(standing(&archive)))
}

async fn resume(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let accepted = parse_resume(call.fields()?)?;
    let control = call.control();
    let archive = control.resume_archive(&call.caller, project_id, name, id, accepted).await?;
    Ok(Reply::ok(standing(&archive)))
}

async fn reattach(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let draft = parse_reattach(call.fields()?)?;
    let control = call.control();
    let archive = control.reattach_archive(&call.caller, project_id, name, id, draft).await?;
    Ok(Reply::ok(standing(&archive)))
}

async fn preview_expiry(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let days = parse_preview_days(call.query("expireAfterDays"))?;
    let control = call.control();
    let preview = control.preview_expiry(&call.caller, project_id, name, id, days).await?;
    Ok(Reply::ok(expiry_preview_json(&preview)))
}

async fn statistics(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let control = call.control();
    let statistics = control.archive_statistics(&call.caller, project_id, name, id).await?;
    Ok(Reply::ok(statistics_json(&statistics)))
}

async fn list_operations(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let paging = call.paging()?;
    let control = call.control();
    let page = control.list_operations(&call.caller, project_id, name, id, paging).await?;
    Ok(call.list(paging, &[], page.map(|operation| view(operation).json())))
}

async fn get_operation(call: Call) -> Answer {
    let (project_id, name, id) = place(&call)?;
    let operation_id = call.id("operationId")?;
    let control = call.control();
    let found = control.get_operation(&call.caller, project_id, name, id, operation_id).await?;
    Ok(Reply::ok(view(found).json()))
}

fn view(operation: Operation) -> OperationView {
    OperationView {
        id: operation.id.to_string(),
        kind: operation.kind.as_str(),
        state: operation.state.as_str(),
        request: operation.request,
        progress: operation.progress,
        error: operation.error,
        created_at: operation.created_at,
        updated_at: operation.updated_at,
        ended_at: operation.ended_at,
    }
}
