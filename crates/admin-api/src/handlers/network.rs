//! The IP access list of a project: list, add, get, delete, status.

use portolan_api_types::network::{entry_json, read_entries, read_entry_value};
use portolan_api_types::{Paging, Problem};
use portolan_auth::Action;
use portolan_model::ProjectId;
use portolan_security::IpNet;
use serde_json::json;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::NetworkAccessWrite);
    vec![
        atlas!(GET "/groups/{groupId}/accessList", "listGroupAccessListEntries", V23, read, list),
        atlas!(POST "/groups/{groupId}/accessList", "createGroupAccessListEntry", V23, write, add),
        atlas!(GET "/groups/{groupId}/accessList/{entryValue}", "getGroupAccessListEntry", V23,
            read, get),
        atlas!(DELETE "/groups/{groupId}/accessList/{entryValue}", "deleteGroupAccessListEntry",
            V23, write, remove),
        atlas!(GET "/groups/{groupId}/accessList/{entryValue}/status", "getGroupAccessListStatus",
            V23, read, status),
    ]
}

fn entry(call: &Call) -> Result<(ProjectId, IpNet), Problem> {
    let project_id = call.project_id()?;
    Ok((project_id, read_entry_value(call.text("entryValue"), project_id)?))
}

async fn show(call: &Call, paging: Paging) -> Answer {
    let project_id = call.project_id()?;
    let page = call.control().list_network_entries(&call.caller, project_id, paging).await?;
    Ok(call.list(paging, &[], page.map(|entry| entry_json(&entry, project_id, call.base()))))
}

async fn list(call: Call) -> Answer {
    let paging = call.paging()?;
    show(&call, paging).await
}

/// The answer is the whole list, with 201.
async fn add(call: Call) -> Answer {
    let (project_id, paging) = (call.project_id()?, call.paging()?);
    let drafts = read_entries(call.array()?)?;
    call.control().put_network_entries(&call.caller, project_id, drafts).await?;
    Ok(Reply { status: 201, ..show(&call, paging).await? })
}

async fn get(call: Call) -> Answer {
    let (project_id, network) = entry(&call)?;
    let found = call.control().get_network_entry(&call.caller, project_id, network).await?;
    Ok(Reply::ok(entry_json(&found, project_id, call.base())))
}

async fn remove(call: Call) -> Answer {
    let (project_id, network) = entry(&call)?;
    call.control().remove_network_entry(&call.caller, project_id, network).await?;
    Ok(Reply::no_content())
}

/// The key is in capitals, as the service writes it.
async fn status(call: Call) -> Answer {
    let (project_id, network) = entry(&call)?;
    let applied = call.control().network_entry_applied(&call.caller, project_id, network).await?;
    Ok(Reply::ok(json!({ "STATUS": if applied { "ACTIVE" } else { "PENDING" } })))
}
