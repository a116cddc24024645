//! Access lists of API keys and of service accounts.

use portolan_api_types::access_list::{EntryView, read_entries, read_network};
use portolan_api_types::{Paging, Problem};
use portolan_auth::Action;
use portolan_store::access_lists::{AccessEntry, AccessOwner};
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::service_accounts::V24;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let (read, write) = (Access::Org(Action::OrgRead), Access::Org(Action::ApiKeysWrite));
    let read_account = Access::Org(Action::ServiceAccountsRead);
    let write_account = Access::Org(Action::ServiceAccountsWrite);
    let read_here = Access::Project(Action::ProjectRead);
    let write_here = Access::Project(Action::ServiceAccountListsWrite);
    vec![
        atlas!(GET "/orgs/{orgId}/apiKeys/{apiUserId}/accessList",
            "listOrgApiKeyAccessListEntries", V23, read, list),
        atlas!(POST "/orgs/{orgId}/apiKeys/{apiUserId}/accessList",
            "createOrgApiKeyAccessListEntry", V23, write, add),
        atlas!(GET "/orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}",
            "getOrgApiKeyAccessListEntry", V23, read, get),
        atlas!(DELETE "/orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}",
            "deleteOrgApiKeyAccessListEntry", V23, write, remove),
        atlas!(GET "/orgs/{orgId}/serviceAccounts/{clientId}/accessList",
            "listOrgServiceAccountAccessList", V24, read_account, list),
        atlas!(POST "/orgs/{orgId}/serviceAccounts/{clientId}/accessList",
            "createOrgServiceAccountAccessList", V24, write_account, add),
        atlas!(DELETE "/orgs/{orgId}/serviceAccounts/{clientId}/accessList/{ipAddress}",
            "deleteOrgServiceAccountAccessListEntry", V24, write_account, remove),
        atlas!(GET "/groups/{groupId}/serviceAccounts/{clientId}/accessList",
            "listGroupServiceAccountAccessList", V24, read_here, list),
        atlas!(POST "/groups/{groupId}/serviceAccounts/{clientId}/accessList",
            "createGroupServiceAccountAccessList", V24, write_here, add),
        atlas!(DELETE "/groups/{groupId}/serviceAccounts/{clientId}/accessList/{ipAddress}",
            "deleteGroupServiceAccountAccessListEntry", V24, write_here, remove),
    ]
}

/// The key or service account of the path.
fn owner(call: &Call) -> Result<AccessOwner, Problem> {
    if call.text("clientId").is_empty() {
        return Ok(AccessOwner::ApiKey(call.id("apiUserId")?));
    }
    Ok(AccessOwner::ServiceAccount(call.id("clientId")?))
}

fn json(call: &Call, owner: AccessOwner, entry: &AccessEntry) -> Value {
    let view = EntryView {
        network: entry.network,
        created_at: entry.created_at,
        last_used_at: entry.last_used_at,
        last_used_address: entry.last_used_address.as_deref(),
        use_count: entry.use_count,
    };
    match owner {
        AccessOwner::ApiKey(id) => {
            let list_path = format!("/orgs/{}/apiKeys/{id}/accessList", call.text("orgId"));
            view.key_json(&list_path, call.base())
        }
        AccessOwner::ServiceAccount(_) => view.account_json(),
    }
}

async fn show(call: &Call, owner: AccessOwner, paging: Paging) -> Answer {
    let place = call.place()?;
    call.state.flush_usage().await?;
    let page = call.control().list_access_entries(&call.caller, place, owner, paging).await?;
    Ok(call.list(paging, &[], page.map(|entry| json(call, owner, &entry))))
}

async fn list(call: Call) -> Answer {
    let (owner, paging) = (owner(&call)?, call.paging()?);
    show(&call, owner, paging).await
}

/// The answer is the whole list, with 200.
async fn add(call: Call) -> Answer {
    let (owner, paging) = (owner(&call)?, call.paging()?);
    let networks = read_entries(call.array()?)?;
    let place = call.place()?;
    call.control().add_access_entries(&call.caller, place, owner, networks).await?;
    show(&call, owner, paging).await
}

async fn get(call: Call) -> Answer {
    let (owner, network) = (owner(&call)?, read_network(call.text("ipAddress"))?);
    let place = call.place()?;
    call.state.flush_usage().await?;
    let entry = call.control().get_access_entry(&call.caller, place, owner, network).await?;
    Ok(Reply::ok(json(&call, owner, &entry)))
}

async fn remove(call: Call) -> Answer {
    let (owner, network) = (owner(&call)?, read_network(call.text("ipAddress"))?);
    let place = call.place()?;
    call.control().remove_access_entry(&call.caller, place, owner, network).await?;
    Ok(Reply::no_content())
}
