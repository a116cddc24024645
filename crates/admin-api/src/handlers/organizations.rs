//! Organizations: list, create, get, update, delete, and the list of their projects.

use portolan_api_types::organization::{
    CreateOrganization, UpdateOrganization, created_json, item_json, json,
};
use portolan_api_types::project;
use portolan_auth::Action;

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::{api_keys, service_accounts};
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let (read, owner) = (Access::Org(Action::OrgRead), Access::Org(Action::OrgUpdate));
    let delete_access = Access::Org(Action::OrgDelete);
    vec![
        atlas!(GET "/orgs", "listOrgs", V23, Access::Authenticated, list),
        atlas!(POST "/orgs", "createOrg", V23, Access::Authenticated, create),
        atlas!(GET "/orgs/{orgId}", "getOrg", V23, read, get),
        atlas!(PATCH "/orgs/{orgId}", "updateOrg", V23, owner, update),
        atlas!(DELETE "/orgs/{orgId}", "deleteOrg", V23, delete_access, delete),
        atlas!(GET "/orgs/{orgId}/groups", "getOrgGroups", V23, read, list_projects),
    ]
}

async fn list(call: Call) -> Answer {
    let paging = call.paging()?;
    let page = call.control().list_orgs(&call.caller, call.query("name"), paging).await?;
    let page = page.map(|org| item_json(&org, call.base()));
    Ok(call.list(paging, &["name"], page))
}

async fn create(call: Call) -> Answer {
    let request = CreateOrganization::read(call.fields()?)?;
    let created = call.control().create_org(&call.caller, request).await?;
    let base = call.base();
    let key = created.api_key.as_ref().map(|key| api_keys::created_json(key, base));
    let account = created.service_account.as_ref().map(service_accounts::created_json);
    Ok(Reply::created(created_json(&created.org, created.owner_id, key, account, base)))
}

async fn get(call: Call) -> Answer {
    let org = call.control().get_org(&call.caller, call.org_id()?).await?;
    Ok(Reply::ok(json(&org, call.base())))
}

async fn update(call: Call) -> Answer {
    let request = UpdateOrganization::read(call.fields()?)?;
    let org = call.control().update_org(&call.caller, call.org_id()?, request).await?;
    Ok(Reply::ok(json(&org, call.base())))
}

async fn delete(call: Call) -> Answer {
    call.control().delete_org(&call.caller, call.org_id()?).await?;
    Ok(Reply::no_content())
}

async fn list_projects(call: Call) -> Answer {
    let (paging, name) = (call.paging()?, call.query("name"));
    let org_id = call.org_id()?;
    let page = call.control().list_org_projects(&call.caller, org_id, name, paging).await?;
    let page = page.map(|found| project::item_json(&found.project, found.clusters, call.base()));
    Ok(call.list(paging, &["name"], page))
}
