//! API keys of organizations: list, create, get, change, delete.

use portolan_api_types::api_key::{ApiKeyView, NewApiKey, read_org_update};
use portolan_api_types::links::Base;
use portolan_auth::Action;
use portolan_control::NewKey;
use portolan_store::api_keys::ApiKey;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let (read, write) = (Access::Org(Action::OrgRead), Access::Org(Action::ApiKeysWrite));
    vec![
        atlas!(GET "/orgs/{orgId}/apiKeys", "listOrgApiKeys", V23, read, list),
        atlas!(POST "/orgs/{orgId}/apiKeys", "createOrgApiKey", V23, write, create),
        atlas!(GET "/orgs/{orgId}/apiKeys/{apiUserId}", "getOrgApiKey", V23, read, get),
        atlas!(PATCH "/orgs/{orgId}/apiKeys/{apiUserId}", "updateOrgApiKey", V23, write, update),
        atlas!(DELETE "/orgs/{orgId}/apiKeys/{apiUserId}", "deleteOrgApiKey", V23, write, delete),
    ]
}

/// A key as all answers but the first show it.
pub(crate) fn json(key: &ApiKey, base: &Base) -> Value {
    view(key, &key.private_key_masked, base)
}

/// A key as the answer that made it shows it.
pub(crate) fn created_json(new: &NewKey, base: &Base) -> Value {
    view(&new.key, new.private_key.expose(), base)
}

fn view(key: &ApiKey, private_key: &str, base: &Base) -> Value {
    let assigned = key.assignments.iter();
    let project_roles: Vec<_> = assigned
        .flat_map(|known| known.roles.iter().map(|role| (known.project_id, *role)))
        .collect();
    ApiKeyView {
        id: key.id,
        org_id: key.org_id,
        desc: &key.description,
        public_key: &key.public_key,
        private_key,
        org_roles: &key.org_roles,
        project_roles: &project_roles,
    }
    .json(base)
}

async fn list(call: Call) -> Answer {
    let paging = call.paging()?;
    let page = call.control().list_keys(&call.caller, call.org_id()?, paging).await?;
    let page = page.map(|key| json(&key, call.base()));
    Ok(call.list(paging, &[], page))
}

/// The service answers 200 here, not 201.
async fn create(call: Call) -> Answer {
    let request = NewApiKey::read_for_org(call.fields()?)?;
    let new = call.control().create_key(&call.caller, call.org_id()?, request).await?;
    Ok(Reply::ok(created_json(&new, call.base())))
}

async fn get(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("apiUserId")?);
    let key = call.control().get_key(&call.caller, org_id, id).await?;
    Ok(Reply::ok(json(&key, call.base())))
}

async fn update(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("apiUserId")?);
    let request = read_org_update(call.fields()?)?;
    let key = call.control().update_key(&call.caller, org_id, id, request).await?;
    Ok(Reply::ok(json(&key, call.base())))
}

async fn delete(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("apiUserId")?);
    call.control().delete_key(&call.caller, org_id, id).await?;
    Ok(Reply::no_content())
}
