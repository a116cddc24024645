//! The rate limits that are in force: the buckets of [`crate::rate`], as they are.

use portolan_api_types::version::{PREVIEW, V2025_03_12};
use portolan_api_types::{Page, Problem};
use portolan_auth::Action;
use portolan_model::{OrgId, ProjectId, UserId};
use serde_json::{Value, json};

use crate::answer::Reply;
use crate::call::Call;
use crate::failure::Failure;
use crate::rate::{EndpointSet, REFILL_S, SETS, TOKEN_PATH, set_of};
use crate::route::{Access, Answer, Route, Version, atlas, current};
use crate::router::operations;

const VERSIONS: &[Version] = &[current(V2025_03_12), current(PREVIEW)];

pub(crate) fn routes() -> Vec<Route> {
    let any = Access::Authenticated;
    vec![
        atlas!(GET "/rateLimits", "listRateLimits", VERSIONS, any, list),
        atlas!(GET "/rateLimits/{endpointSetId}", "getRateLimit", VERSIONS, any, get),
    ]
}

/// The endpoints of every set that has any.
fn shown(call: &Call) -> Vec<(&'static EndpointSet, Value)> {
    let mut endpoints: Vec<(&'static EndpointSet, Value)> = operations()
        .iter()
        .map(|one| (set_of(one.path), json!({ "method": one.method, "path": one.path })))
        .collect();
    endpoints.push((set_of(TOKEN_PATH), json!({ "method": "POST", "path": TOKEN_PATH })));
    let of_set = |set: &'static EndpointSet| {
        let own = endpoints.iter().filter(|(other, _)| *other == set);
        let own: Vec<Value> = own.map(|(_, endpoint)| endpoint.clone()).collect();
        (!own.is_empty()).then(|| (set, set_json(call, set, own)))
    };
    SETS.iter().filter_map(of_set).collect()
}

fn set_json(call: &Call, set: &EndpointSet, endpoints: Vec<Value>) -> Value {
    let limiter = &call.state.inner.limiter;
    let figure =
        |default: u32| json!({ "defaultValue": default, "value": limiter.scaled(default) });
    json!({
        "capacity": figure(set.capacity),
        "endpointSetId": set.id,
        "endpointSetName": set.name,
        "endpoints": endpoints,
        "refillDurationSeconds": { "defaultValue": REFILL_S, "value": REFILL_S },
        "refillRate": figure(set.refill),
        "scope": set.scope.as_str(),
    })
}

/// Limits are the same for everybody, but nobody learns by asking what exists elsewhere.
async fn check_subject(call: &Call) -> Result<(), Failure> {
    let principal = &call.caller.principal;
    if let Some(project_id) = call.query_id::<ProjectId>("groupId")? {
        call.control().project(principal, Action::ProjectRead, project_id).await?;
    }
    if let Some(org_id) = call.query_id::<OrgId>("orgId")? {
        call.control().org(principal, Action::OrgRead, org_id).await?;
    }
    call.query_id::<UserId>("userId")?;
    if let Some(address) = call.query("ipAddress") {
        let wrong = |_| Problem::invalid_query("ipAddress", "it must be an IPv4 or IPv6 address");
        address.parse::<std::net::IpAddr>().map_err(wrong)?;
    }
    Ok(())
}

async fn list(call: Call) -> Answer {
    let paging = call.paging()?;
    check_subject(&call).await?;
    let (name, path) = (call.query("name"), call.query("endpointPath"));
    let wanted = |(set, json): &(&EndpointSet, Value)| {
        let endpoints = json["endpoints"].as_array().map_or(&[][..], Vec::as_slice);
        name.is_none_or(|name| set.name.eq_ignore_ascii_case(name))
            && path.is_none_or(|path| endpoints.iter().any(|known| known["path"] == path))
    };
    let all = shown(&call).into_iter().filter(wanted).map(|(_, json)| json).collect();
    let filters = ["groupId", "orgId", "userId", "ipAddress", "name", "endpointPath"];
    Ok(call.list(paging, &filters, Page::cut(all, paging)))
}

async fn get(call: Call) -> Answer {
    check_subject(&call).await?;
    let id = call.text("endpointSetId");
    let found = shown(&call).into_iter().find(|(set, _)| set.id == id);
    match found {
        Some((_, json)) => Ok(Reply::ok(json)),
        None => Err(Problem::resource_not_found(format!("rate limit {id}")).into()),
    }
}
