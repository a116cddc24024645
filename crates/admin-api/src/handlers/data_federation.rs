//! Federated database instances, the limits of their queries, and private endpoints to them.

use portolan_api_types::Problem;
use portolan_api_types::data_federation::{
    LimitView, TenantView, parse_create, parse_limit, parse_update, read_limit_name, read_type,
};
use portolan_api_types::paging::flag;
use portolan_api_types::private_endpoint;
use portolan_auth::Action;
use portolan_control::{FoundQueryLimit, FoundTenant};
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::ProjectUpdate);
    vec![
        atlas!(GET "/groups/{groupId}/dataFederation", "listGroupDataFederation", V23, read, list),
        atlas!(
            POST "/groups/{groupId}/dataFederation", "createGroupDataFederation", V23, write, create
        ),
        atlas!(
            GET "/groups/{groupId}/dataFederation/{tenantName}",
            "getGroupDataFederation", V23, read, get
        ),
        atlas!(
            PATCH "/groups/{groupId}/dataFederation/{tenantName}",
            "updateGroupDataFederation", V23, write, update
        ),
        atlas!(
            DELETE "/groups/{groupId}/dataFederation/{tenantName}",
            "deleteGroupDataFederation", V23, write, delete
        ),
        atlas!(
            GET "/groups/{groupId}/dataFederation/{tenantName}/limits",
            "listGroupDataFederationLimits", V23, read, list_limits
        ),
        atlas!(
            GET "/groups/{groupId}/dataFederation/{tenantName}/limits/{limitName}",
            "getGroupDataFederationLimit", V23, read, get_limit
        ),
        atlas!(
            PATCH "/groups/{groupId}/dataFederation/{tenantName}/limits/{limitName}",
            "setGroupDataFederationLimit", V23, write, set_limit
        ),
        atlas!(
            DELETE "/groups/{groupId}/dataFederation/{tenantName}/limits/{limitName}",
            "deleteGroupDataFederationLimit", V23, write, delete_limit
        ),
        atlas!(
            GET "/groups/{groupId}/privateNetworkSettings/endpointIds",
            "listGroupPrivateNetworkSettingEndpointIds", V23, read, list_endpoints
        ),
        atlas!(
            POST "/groups/{groupId}/privateNetworkSettings/endpointIds",
            "createGroupPrivateNetworkSettingEndpointId", V23, write, create_endpoint
        ),
        atlas!(
            GET "/groups/{groupId}/privateNetworkSettings/endpointIds/{endpointId}",
            "getGroupPrivateNetworkSettingEndpointId", V23, read, get_endpoint
        ),
        atlas!(
            DELETE "/groups/{groupId}/privateNetworkSettings/endpointIds/{endpointId}",
            "deleteGroupPrivateNetworkSettingEndpointId", V23, write, delete_endpoint
        ),
    ]
}

fn shown(call: &Call, found: &FoundTenant) -> Value {
    let FoundTenant { tenant, host, archives } = found;
    TenantView { tenant, host, project_id: call.text("groupId").to_owned(), archives }.json()
}

/// A bare array, as the service answers.
async fn list(call: Call) -> Answer {
    let kind = read_type(call.query("type"))?;
    let found = call.control().list_tenants(&call.caller, call.project_id()?, kind).await?;
    Ok(Reply::list(found.iter().map(|tenant| shown(&call, tenant)).collect()))
}

async fn get(call: Call) -> Answer {
    let name = call.text("tenantName");
    let found = call.control().get_tenant(&call.caller, call.project_id()?, name).await?;
    Ok(Reply::ok(shown(&call, &found)))
}

async fn create(call: Call) -> Answer {
    call.flag("skipRoleValidation")?;
    let (project_id, draft) = (call.project_id()?, parse_create(call.fields()?)?);
    let made = call.control().create_tenant(&call.caller, project_id, draft).await?;
    Ok(Reply::ok(shown(&call, &made)))
}

async fn update(call: Call) -> Answer {
    let name = "skipRoleValidation";
    let given = call.query(name).ok_or_else(|| Problem::missing_query_parameter(name))?;
    flag(name, given)?;
    let (project_id, draft) = (call.project_id()?, parse_update(call.fields()?)?);
    let tenant = call.text("tenantName");
    let changed = call.control().update_tenant(&call.caller, project_id, tenant, draft).await?;
    Ok(Reply::ok(shown(&call, &changed)))
}

/// 202, where the public OpenAPI says 204: so does the service.
async fn delete(call: Call) -> Answer {
    let name = call.text("tenantName");
    call.control().delete_tenant(&call.caller, call.project_id()?, name).await?;
    Ok(Reply::accepted())
}

fn limit_shown(call: &Call, found: &FoundQueryLimit) -> Value {
    let FoundQueryLimit { limit, used } = found;
    LimitView {
        tenant_name: call.text("tenantName"),
        name: limit.name,
        bytes: limit.bytes,
        used: *used,
        overrun_policy: limit.overrun_policy,
        modified_at: limit.modified_at,
    }
    .json()
}

/// A bare array, as the service answers.
async fn list_limits(call: Call) -> Answer {
    let name = call.text("tenantName");
    let found = call.control().list_query_limits(&call.caller, call.project_id()?, name).await?;
    Ok(Reply::list(found.items.iter().map(|limit| limit_shown(&call, limit)).collect()))
}

async fn get_limit(call: Call) -> Answer {
    let (tenant, name) = (call.text("tenantName"), read_limit_name(call.text("limitName"))?);
    let project_id = call.project_id()?;
    let found = call.control().get_query_limit(&call.caller, project_id, tenant, name).await?;
    Ok(Reply::ok(limit_shown(&call, &found)))
}

async fn set_limit(call: Call) -> Answer {
    let (tenant, name) = (call.text("tenantName"), read_limit_name(call.text("limitName"))?);
    let (project_id, draft) = (call.project_id()?, parse_limit(call.fields()?)?);
    let control = call.control();
    let set = control.set_query_limit(&call.caller, project_id, tenant, name, draft).await?;
    Ok(Reply::ok(limit_shown(&call, &set)))
}

async fn delete_limit(call: Call) -> Answer {
    let (tenant, name) = (call.text("tenantName"), read_limit_name(call.text("limitName"))?);
    let project_id = call.project_id()?;
    call.control().delete_query_limit(&call.caller, project_id, tenant, name).await?;
    Ok(Reply::no_content())
}

/// There is none without a cloud, so every list is empty.
async fn list_endpoints(call: Call) -> Answer {
    let paging = call.paging()?;
    Ok(call.list(paging, &[], portolan_api_types::Page { items: Vec::new(), total: 0 }))
}

async fn create_endpoint(call: Call) -> Answer {
    private_endpoint::parse_create(call.fields()?)?;
    Err(private_endpoint::unsupported().into())
}

async fn get_endpoint(call: Call) -> Answer {
    let id = private_endpoint::read_id(call.text("endpointId"))?;
    Err(Problem::resource_not_found(format!("Private endpoint with id {id}")).into())
}

async fn delete_endpoint(call: Call) -> Answer {
    private_endpoint::read_id(call.text("endpointId"))?;
    Err(private_endpoint::unsupported().into())
}
