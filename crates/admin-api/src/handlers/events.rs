//! Events of organizations and projects.

use portolan_api_types::event::{EventView, read_date};
use portolan_auth::Action;
use portolan_control::EventQuery;
use portolan_store::events::{Event, EventScope};
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

const FILTERS: [&str; 4] = ["eventType", "excludedEventType", "minDate", "maxDate"];

pub(crate) fn routes() -> Vec<Route> {
    let (org, project) = (Access::Org(Action::OrgRead), Access::Project(Action::ProjectRead));
    vec![
        atlas!(GET "/orgs/{orgId}/events", "listOrgEvents", V23, org, list_of_org),
        atlas!(GET "/orgs/{orgId}/events/{eventId}", "getOrgEvent", V23, org, get_of_org),
        atlas!(GET "/groups/{groupId}/events", "listGroupEvents", V23, project, list_of_project),
        atlas!(GET "/groups/{groupId}/events/{eventId}", "getGroupEvent", V23, project,
            get_of_project),
    ]
}

fn json(call: &Call, event: &Event) -> Value {
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
    }
    .json(call.base())
}

fn query(call: &Call) -> Result<EventQuery, portolan_api_types::Problem> {
    let all = |name: &str| {
        let given = call.query.iter().filter(|(key, _)| key == name);
        given.map(|(_, value)| value.clone()).collect()
    };
    let date = |name: &str| call.query(name).map(|text| read_date(name, text)).transpose();
    Ok(EventQuery {
        types: all("eventType"),
        excluded_types: all("excludedEventType"),
        from_ms: date("minDate")?,
        until_ms: date("maxDate")?,
    })
}

async fn list_of_org(call: Call) -> Answer {
    let (paging, query, org_id) = (call.paging()?, query(&call)?, call.org_id()?);
    let page = call.control().list_org_events(&call.caller, org_id, &query, paging).await?;
    Ok(call.list(paging, &FILTERS, page.map(|event| json(&call, &event))))
}

async fn list_of_project(call: Call) -> Answer {
    let (paging, query, project_id) = (call.paging()?, query(&call)?, call.project_id()?);
    let page = call.control().list_project_events(&call.caller, project_id, &query, paging).await?;
    Ok(call.list(paging, &FILTERS, page.map(|event| json(&call, &event))))
}

async fn get_of_org(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("eventId")?);
    let event = call.control().get_org_event(&call.caller, org_id, id).await?;
    Ok(Reply::ok(json(&call, &event)))
}

async fn get_of_project(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("eventId")?);
    let event = call.control().get_project_event(&call.caller, project_id, id).await?;
    Ok(Reply::ok(json(&call, &event)))
}
