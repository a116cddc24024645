//! What is done to a cluster beside its description: process arguments, restart, pinned version,
//! upgrade from shared hardware; and how far it is.

use portolan_api_types::cluster::{
    ProcessArgsChange, auto_scaling_mode, parse_tenant_upgrade, process_args_json, status_json,
};
use portolan_api_types::time::parse_iso8601;
use portolan_api_types::version::{V2023_01_01, V2023_02_01, V2024_05_30, V2024_08_05};
use portolan_api_types::{Problem, cluster::ConfigurationCheck, version::V2025_03_12};
use portolan_auth::Action;
use portolan_control::FoundCluster;
use serde_json::{Value, json};

use super::clusters::{answer_form, body_form, shown};
use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, Version, atlas, current, deprecated, first};

const ARGUMENTS: &[Version] = &[deprecated(V2023_01_01), current(V2024_08_05)];
const RESTART: &[Version] = &[deprecated(V2023_01_01), current(V2023_02_01)];
const PIN: &[Version] = &[current(V2024_05_30)];
const SCALING: &[Version] = &[current(V2024_08_05)];
const CHECK: &[Version] = &[current(V2025_03_12)];

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let manage = Access::Project(Action::ClusterManage);
    let own = Access::Project(Action::ClusterAdminister);
    vec![
        atlas!(
            GET "/groups/{groupId}/clusters/{clusterName}/processArgs",
            "getGroupClusterProcessArgs", ARGUMENTS, read, get_arguments
        ),
        atlas!(
            PATCH "/groups/{groupId}/clusters/{clusterName}/processArgs",
            "updateGroupClusterProcessArgs", ARGUMENTS, manage, update_arguments
        ),
        atlas!(
            GET "/groups/{groupId}/clusters/{clusterName}/status",
            "getGroupClusterStatus", V23, read, status
        ),
        atlas!(
            GET "/groups/{groupId}/clusters/{clusterName}/autoScalingConfiguration",
            "autoGroupClusterScalingConfiguration", SCALING, read, scaling
        ),
        atlas!(
            POST "/groups/{groupId}/clusters/{clusterName}/restartPrimaries",
            "restartGroupClusterPrimaries", RESTART, manage, restart
        ),
        atlas!(
            POST "/groups/{groupId}/clusters/{clusterName}:pinFeatureCompatibilityVersion",
            "pinGroupClusterFeatureCompatibilityVersion", PIN, own, pin
        ),
        atlas!(
            POST "/groups/{groupId}/clusters/{clusterName}:unpinFeatureCompatibilityVersion",
            "unpinGroupClusterFeatureCompatibilityVersion", PIN, own, unpin
        ),
        atlas!(
            POST "/groups/{groupId}/clusters/tenantUpgrade",
            "upgradeGroupClusterTenantUpgrade", V23, manage, upgrade
        ),
        first!(
            POST "/groups/{groupId}/clusters/tenantUpgrade",
            "upgradeTenantClusterV1", manage, upgrade
        ),
        atlas!(
            POST "/groups/{groupId}/clusterConfigurations:validate",
            "validateGroupClusterConfigurations", CHECK, manage, check
        ),
    ]
}

async fn get_arguments(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let found = call.control().get_dedicated(&call.caller, project_id, name).await?;
    Ok(Reply::ok(arguments_shown(&call, &found)))
}

async fn update_arguments(call: Call) -> Answer {
    let change = ProcessArgsChange::read(call.fields()?, body_form(&call))?;
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let found = call.control().update_process_args(&call.caller, project_id, name, change).await?;
    Ok(Reply::ok(arguments_shown(&call, &found)))
}

fn arguments_shown(call: &Call, found: &FoundCluster) -> Value {
    let stored = &found.stored;
    process_args_json(&stored.life.process_args_json, &stored.settings_json, answer_form(call))
}

async fn status(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    let found = call.control().get_dedicated(&call.caller, project_id, name).await?;
    let cluster = &found.stored.cluster;
    let mut shown = status_json(cluster.state);
    let path = format!("/groups/{project_id}/clusters/{}/status", cluster.name);
    shown["links"] = call.base().links(&path, &[]);
    Ok(Reply::ok(shown))
}

async fn scaling(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    call.control().get_dedicated(&call.caller, project_id, name).await?;
    Ok(Reply::ok(auto_scaling_mode()))
}

async fn restart(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    call.control().restart_cluster(&call.caller, project_id, name).await?;
    Ok(Reply::ok(json!({})))
}

async fn pin(call: Call) -> Answer {
    let mut fields = call.fields()?;
    fields.ignore(&["links"]);
    let until = match fields.string("expirationDate")? {
        None => None,
        Some(text) => {
            let wrong = || Problem::validation("expirationDate", "must be an ISO 8601 time");
            Some(parse_iso8601(&text).ok_or_else(wrong)?)
        }
    };
    fields.finish()?;
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    call.control().pin_version(&call.caller, project_id, name, until).await?;
    Ok(Reply::no_content())
}

async fn unpin(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("clusterName"));
    call.control().unpin_version(&call.caller, project_id, name).await?;
    Ok(Reply::no_content())
}

async fn upgrade(call: Call) -> Answer {
    let (name, change) = parse_tenant_upgrade(call.fields()?)?;
    let project_id = call.project_id()?;
    let found =
        call.control().upgrade_cluster(&call.caller, project_id, &name, change, false).await?;
    Ok(Reply::ok(shown(&call, &found)))
}

async fn check(call: Call) -> Answer {
    let check = ConfigurationCheck::read(call.fields()?)?;
    let project_id = call.project_id()?;
    let problems = call.control().check_configuration(&call.caller, project_id, check).await?;
    Ok(Reply::ok(ConfigurationCheck::json(&problems)))
}
