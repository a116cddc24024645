//! Service accounts of organizations: list, create, get, change, delete; their projects, and their secrets
//! by way of the organization and of a project.

use portolan_api_types::service_account::{
    NewServiceAccount, SecretView, ServiceAccountView, assignment_json, read_org_update,
    read_secret,
};
use portolan_api_types::version::V2024_08_05;
use portolan_auth::Action;
use portolan_control::NewAccount;
use portolan_store::service_accounts::{Secret, ServiceAccount};
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, Version, atlas, current};

pub(crate) const V24: &[Version] = &[current(V2024_08_05)];

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Org(Action::ServiceAccountsRead);
    let write = Access::Org(Action::ServiceAccountsWrite);
    let write_here = Access::Project(Action::ProjectServiceAccountsWrite);
    vec![
        atlas!(GET "/orgs/{orgId}/serviceAccounts", "listOrgServiceAccounts", V24, read, list),
        atlas!(POST "/orgs/{orgId}/serviceAccounts", "createOrgServiceAccount", V24, write, create),
        atlas!(GET "/orgs/{orgId}/serviceAccounts/{clientId}", "getOrgServiceAccount", V24, read,
            get),
        atlas!(PATCH "/orgs/{orgId}/serviceAccounts/{clientId}", "updateOrgServiceAccount", V24,
            write, update),
        atlas!(DELETE "/orgs/{orgId}/serviceAccounts/{clientId}", "deleteOrgServiceAccount", V24,
            write, delete),
        atlas!(GET "/orgs/{orgId}/serviceAccounts/{clientId}/groups",
            "getOrgServiceAccountGroups", V24, read, list_projects),
        atlas!(POST "/orgs/{orgId}/serviceAccounts/{clientId}/secrets",
            "createOrgServiceAccountSecret", V24, write, create_secret),
        atlas!(DELETE "/orgs/{orgId}/serviceAccounts/{clientId}/secrets/{secretId}",
            "deleteOrgServiceAccountSecret", V24, write, delete_secret),
        atlas!(POST "/groups/{groupId}/serviceAccounts/{clientId}/secrets",
            "createGroupServiceAccountSecret", V24, write_here, create_secret),
        atlas!(DELETE "/groups/{groupId}/serviceAccounts/{clientId}/secrets/{secretId}",
            "deleteGroupServiceAccountSecret", V24, write_here, delete_secret),
    ]
}

fn secret_view<'a>(secret: &'a Secret, shown: Option<&'a str>) -> SecretView<'a> {
    SecretView {
        id: secret.id,
        created_at: secret.created_at,
        expires_at: secret.expires_at,
        last_used_at: secret.last_used_at,
        masked: &secret.masked,
        secret: shown,
    }
}

/// An account with the roles of the organization or project that asks.
pub(crate) fn view(
    account: &ServiceAccount,
    roles: Vec<&'static str>,
    shown: Option<&str>,
) -> Value {
    ServiceAccountView {
        id: account.id,
        name: &account.name,
        description: &account.description,
        roles,
        created_at: account.created_at,
        secrets: account.secrets.iter().map(|secret| secret_view(secret, shown)).collect(),
    }
    .json()
}

fn org_roles(account: &ServiceAccount) -> Vec<&'static str> {
    account.org_roles.iter().map(|role| role.as_str()).collect()
}

fn json(account: &ServiceAccount) -> Value {
    view(account, org_roles(account), None)
}

/// An account as the answer that made it shows it: with its only secret.
pub(crate) fn created_json(new: &NewAccount) -> Value {
    view(&new.account, org_roles(&new.account), Some(new.secret.expose()))
}

async fn list(call: Call) -> Answer {
    let paging = call.paging()?;
    let page = call.control().list_accounts(&call.caller, call.org_id()?, paging).await?;
    Ok(call.list(paging, &[], page.map(|account| json(&account))))
}

async fn create(call: Call) -> Answer {
    let request = NewServiceAccount::read(call.fields()?)?;
    let new = call.control().create_account(&call.caller, call.org_id()?, request).await?;
    Ok(Reply::created(created_json(&new)))
}

async fn get(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("clientId")?);
    let account = call.control().get_account(&call.caller, org_id, id).await?;
    Ok(Reply::ok(json(&account)))
}

async fn update(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("clientId")?);
    let request = read_org_update(call.fields()?)?;
    let account = call.control().update_account(&call.caller, org_id, id, request).await?;
    Ok(Reply::ok(json(&account)))
}

async fn delete(call: Call) -> Answer {
    call.control().delete_account(&call.caller, call.org_id()?, call.id("clientId")?).await?;
    Ok(Reply::no_content())
}

async fn list_projects(call: Call) -> Answer {
    let (org_id, id, paging) = (call.org_id()?, call.id("clientId")?, call.paging()?);
    let page = call.control().account_projects(&call.caller, org_id, id, paging).await?;
    let page = page.map(|known| assignment_json(known.project_id, &known.roles));
    Ok(call.list(paging, &[], page))
}

async fn create_secret(call: Call) -> Answer {
    let (place, id) = (call.place()?, call.id("clientId")?);
    let hours = read_secret(call.fields()?)?;
    let made = call.control().create_secret(&call.caller, place, id, hours).await?;
    Ok(Reply::created(secret_view(&made.stored, Some(made.secret.expose())).json()))
}

async fn delete_secret(call: Call) -> Answer {
    let (place, id) = (call.place()?, call.id("clientId")?);
    let secret_id = call.id("secretId")?;
    call.control().delete_secret(&call.caller, place, id, secret_id).await?;
    Ok(Reply::no_content())
}
