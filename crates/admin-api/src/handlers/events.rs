//! Events of organizations and projects, their types, and the activity feeds, which link to them.

use portolan_api_types::event::{
    EventView, activity_feed_json, check_span, event_type_json, read_clusters, read_date,
    read_types,
};
use portolan_api_types::paging::encode;
use portolan_api_types::{Page, Problem, version};
use portolan_auth::Action;
use portolan_control::EventQuery;
use portolan_model::EventType;
use portolan_store::events::{Event, EventScope};
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, Version, atlas, current};

const FILTERS: [&str; 6] =
    ["clusterNames", "eventType", "excludedEventType", "includeRaw", "minDate", "maxDate"];
const V20250312: &[Version] = &[current(version::V2025_03_12)];

pub(crate) fn routes() -> Vec<Route> {
    let (org, project) = (Access::Org(Action::OrgRead), Access::Project(Action::ProjectRead));
    vec![
        atlas!(GET "/eventTypes", "listEventTypes", V23, Access::Authenticated, list_types),
        atlas!(GET "/orgs/{orgId}/events", "listOrgEvents", V23, org, list_of_org),
        atlas!(GET "/orgs/{orgId}/events/{eventId}", "getOrgEvent", V23, org, get_of_org),
        atlas!(GET "/groups/{groupId}/events", "listGroupEvents", V23, project, list_of_project),
        atlas!(GET "/groups/{groupId}/events/{eventId}", "getGroupEvent", V23, project,
            get_of_project),
        atlas!(GET "/orgs/{orgId}/activityFeed", "getOrgActivityFeed", V20250312, org,
            feed_of_org),
        atlas!(GET "/groups/{groupId}/activityFeed", "getGroupActivityFeed", V20250312, project,
            feed_of_project),
    ]
}

fn json(call: &Call, event: &Event, include_raw: bool) -> Value {
    let (owner, list_path) = match event.scope {
        EventScope::Org(id) => (("orgId", id.to_string()), format!("/orgs/{id}/events")),
        EventScope::Project(id) => (("groupId", id.to_string()), format!("/groups/{id}/events")),
    };
    EventView {
        id: event.id,
        created_at: event.created_at,
        type_name: &event.type_name,
        owner,
        list_path,
        actor_kind: &event.actor_kind,
        actor_id: &event.actor_id,
        actor_name: &event.actor_name,
        remote_address: event.remote_address.as_deref(),
        target: &event.target,
        include_raw,
    }
    .json(call.base())
}

/// The filters of a list. Clusters belong to projects, so lists of organizations have no such filter.
fn query(call: &Call, clusters: Option<&str>) -> Result<EventQuery, Problem> {
    let all = |name: &str| -> Vec<String> {
        let given = call.query.iter().filter(|(key, _)| key == name);
        given.map(|(_, value)| value.clone()).collect()
    };
    let date = |name: &str| call.query(name).map(|text| read_date(name, text)).transpose();
    let query = EventQuery {
        types: read_types("eventType", all("eventType"))?,
        excluded_types: read_types("excludedEventType", all("excludedEventType"))?,
        cluster_names: match clusters {
            Some(name) => read_clusters(name, all(name))?,
            None => Vec::new(),
        },
        from_ms: date("minDate")?,
        until_ms: date("maxDate")?,
    };
    check_span(query.from_ms, query.until_ms)?;
    Ok(query)
}

async fn list_types(call: Call) -> Answer {
    let paging = call.paging()?;
    let page = Page::cut(EventType::ALL.to_vec(), paging);
    Ok(call.list(paging, &[], page.map(|event_type| event_type_json(&event_type))))
}

async fn list_of_org(call: Call) -> Answer {
    let (paging, query, org_id) = (call.paging()?, query(&call, None)?, call.org_id()?);
    let raw = call.flag("includeRaw")?;
    let page = call.control().list_org_events(&call.caller, org_id, &query, paging).await?;
    Ok(call.list(paging, &FILTERS, page.map(|event| json(&call, &event, raw))))
}

async fn list_of_project(call: Call) -> Answer {
    let (paging, project_id) = (call.paging()?, call.project_id()?);
    let (query, raw) = (query(&call, Some("clusterNames"))?, call.flag("includeRaw")?);
    let page = call.control().list_project_events(&call.caller, project_id, &query, paging).await?;
    Ok(call.list(paging, &FILTERS, page.map(|event| json(&call, &event, raw))))
}

async fn get_of_org(call: Call) -> Answer {
    let (org_id, id, raw) = (call.org_id()?, call.id("eventId")?, call.flag("includeRaw")?);
    let event = call.control().get_org_event(&call.caller, org_id, id).await?;
    Ok(Reply::ok(json(&call, &event, raw)))
}

async fn get_of_project(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("eventId")?);
    let raw = call.flag("includeRaw")?;
    let event = call.control().get_project_event(&call.caller, project_id, id).await?;
    Ok(Reply::ok(json(&call, &event, raw)))
}

async fn feed_of_org(call: Call) -> Answer {
    query(&call, None)?;
    Ok(feed(&call, &format!("/orgs/{}", call.org_id()?)))
}

async fn feed_of_project(call: Call) -> Answer {
    query(&call, Some("clusterName"))?;
    Ok(feed(&call, &format!("/groups/{}", call.project_id()?)))
}

/// There is no page for people to link to, so the link leads to the list of events with the same
/// filters; it works with the caller's credentials.
fn feed(call: &Call, owner: &str) -> Reply {
    let renamed = |name: &str| match name {
        "clusterName" if owner.starts_with("/groups") => Some("clusterNames"),
        "eventType" => Some("eventType"),
        "minDate" => Some("minDate"),
        "maxDate" => Some("maxDate"),
        _ => None,
    };
    let kept = call.query.iter().filter_map(|(name, value)| Some((renamed(name)?, value)));
    let kept: Vec<String> = kept.map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let mut link = call.base().atlas(&format!("{owner}/events"));
    if !kept.is_empty() {
        link.push('?');
        link.push_str(&kept.join("&"));
    }
    Reply::ok(activity_feed_json(&link, call.base(), &format!("{owner}/activityFeed")))
}
