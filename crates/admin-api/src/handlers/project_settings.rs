//! Settings of projects, `managedSlowMs`, MongoDB versions and addresses: what the Terraform provider
//! reads and writes with each project.

use portolan_api_types::{ErrorCode, Page, Problem, project_settings};
use portolan_auth::Action;
use portolan_control::ClusterAddresses;
use portolan_model::{ProjectSwitch, ServerVersion};
use serde_json::{Value, json};

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

const PROVIDERS: [&str; 3] = ["AWS", "AZURE", "GCP"];

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let change = Access::Project(Action::ProjectUpdate);
    vec![
        atlas!(GET "/groups/{groupId}/settings", "getGroupSettings", V23, read, get),
        atlas!(PATCH "/groups/{groupId}/settings", "updateGroupSettings", V23, change, update),
        atlas!(GET "/groups/{groupId}/managedSlowMs", "getGroupManagedSlowMs", V23, read,
            managed_slow_ms),
        atlas!(POST "/groups/{groupId}/managedSlowMs/enable", "enableGroupManagedSlowMs", V23,
            change, manage_slow_ms),
        atlas!(DELETE "/groups/{groupId}/managedSlowMs/disable", "disableGroupManagedSlowMs", V23,
            change, leave_slow_ms),
        atlas!(GET "/groups/{groupId}/mongoDBVersions", "getGroupMongoDbVersions", V23, read,
            versions),
        atlas!(GET "/groups/{groupId}/ipAddresses", "getGroupIpAddresses", V23, read, addresses),
    ]
}

async fn get(call: Call) -> Answer {
    let values = call.control().project_settings(&call.caller, call.project_id()?).await?;
    Ok(Reply::ok(project_settings::json(&values)))
}

async fn update(call: Call) -> Answer {
    let named = project_settings::read(call.fields()?)?;
    let project_id = call.project_id()?;
    let values = call.control().set_project_switches(&call.caller, project_id, named).await?;
    Ok(Reply::ok(project_settings::json(&values)))
}

/// A bare boolean.
async fn managed_slow_ms(call: Call) -> Answer {
    let managed = call.control().managed_slow_ms(&call.caller, call.project_id()?).await?;
    Ok(Reply::ok(Value::from(managed)))
}

async fn manage_slow_ms(call: Call) -> Answer {
    set_managed(call, true).await
}

async fn leave_slow_ms(call: Call) -> Answer {
    set_managed(call, false).await
}

async fn set_managed(call: Call, managed: bool) -> Answer {
    let named = vec![(ProjectSwitch::ManagedSlowMs, managed)];
    call.control().set_project_switches(&call.caller, call.project_id()?, named).await?;
    Ok(Reply::no_content())
}

/// The one version that sandbox clusters offer, whatever provider and size their specification names.
async fn versions(call: Call) -> Answer {
    let paging = call.paging()?;
    let provider = one_of(&call, "cloudProvider", &["AWS", "AZURE", "GCP", "TENANT"])?;
    one_of(&call, "defaultStatus", &["DEFAULT"])?;
    let size = call.query("instanceSize").filter(|size| !size.is_empty());
    let version = ServerVersion(call.control().clusters.sandbox_version()).major();
    let wanted = |name: &&&str| provider.is_none_or(|provider| provider == **name);
    let entry = |name: &&str| {
        let mut entry =
            json!({ "cloudProvider": name, "defaultStatus": "DEFAULT", "version": version });
        if let Some(size) = size {
            entry["instanceSize"] = Value::from(size);
        }
        entry
    };
    let all = PROVIDERS.iter().filter(wanted).map(entry).collect();
    let filters = ["cloudProvider", "instanceSize", "defaultStatus"];
    Ok(call.list(paging, &filters, Page::cut(all, paging)))
}

fn one_of<'a>(call: &'a Call, name: &str, values: &[&str]) -> Result<Option<&'a str>, Problem> {
    let Some(value) = call.query(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    if values.contains(&value) {
        return Ok(Some(value));
    }
    let rule = values.join(", ");
    let detail = format!("Invalid query parameter {name} specified: it must be one of {rule}.");
    Err(Problem::new(ErrorCode::InvalidQueryParameter, detail).with(name))
}

async fn addresses(call: Call) -> Answer {
    let project_id = call.project_id()?;
    let found = call.control().project_addresses(&call.caller, project_id).await?;
    let clusters: Vec<Value> = found.iter().map(cluster_json).collect();
    let id = project_id.to_string();
    Ok(Reply::ok(json!({ "groupId": id, "services": { "clusters": clusters } })))
}

/// Clusters here open no connections of their own, and no change of addresses is ever planned.
fn cluster_json(found: &ClusterAddresses) -> Value {
    json!({
        "clusterName": found.cluster_name,
        "futureInbound": [],
        "futureOutbound": [],
        "inbound": found.inbound,
        "outbound": [],
    })
}
