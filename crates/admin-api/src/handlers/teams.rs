//! Teams of organizations, and who is in them.

use portolan_api_types::Paging;
use portolan_api_types::team::{NewTeam, json as team_json, read_name, read_user, read_users};
use portolan_auth::Action;
use portolan_control::UserQuery;
use portolan_model::{OrgId, UserId};
use portolan_store::teams::Team;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::users::{BOTH, FILTERS, OLD, V25, query, shown};
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let (read, write) = (Access::Org(Action::OrgRead), Access::Org(Action::OrgUsersWrite));
    vec![
        atlas!(GET "/orgs/{orgId}/teams", "listOrgTeams", V23, read, list),
        atlas!(POST "/orgs/{orgId}/teams", "createOrgTeam", V23, write, create),
        atlas!(GET "/orgs/{orgId}/teams/{teamId}", "getOrgTeam", V23, read, get),
        atlas!(GET "/orgs/{orgId}/teams/byName/{teamName}", "getOrgTeamByName", V23, read,
            by_name),
        atlas!(PATCH "/orgs/{orgId}/teams/{teamId}", "renameOrgTeam", V23, write, rename),
        atlas!(DELETE "/orgs/{orgId}/teams/{teamId}", "deleteOrgTeam", V23, write, delete),
        atlas!(GET "/orgs/{orgId}/teams/{teamId}/users", "listOrgTeamUsers", BOTH, read,
            list_users),
        atlas!(POST "/orgs/{orgId}/teams/{teamId}/users", "addOrgTeamUsers", OLD, write,
            add_users),
        atlas!(DELETE "/orgs/{orgId}/teams/{teamId}/users/{userId}", "removeOrgTeamUserFromTeam",
            OLD, write, remove_from),
        atlas!(POST "/orgs/{orgId}/teams/{teamId}:addUser", "addOrgTeamUser", V25, write,
            add_user),
        atlas!(POST "/orgs/{orgId}/teams/{teamId}:removeUser", "removeOrgTeamUser", V25, write,
            remove_user),
    ]
}

fn json(call: &Call, org_id: OrgId, team: &Team) -> Value {
    team_json(call.base(), org_id, team.id, &team.name)
}

async fn list(call: Call) -> Answer {
    let (paging, org_id) = (call.paging()?, call.org_id()?);
    let page = call.control().list_teams(&call.caller, org_id, paging).await?;
    Ok(call.list(paging, &[], page.map(|team| json(&call, org_id, &team))))
}

/// The service answers 201 with a `Location`, and repeats the user names.
async fn create(call: Call) -> Answer {
    let (org_id, request) = (call.org_id()?, NewTeam::read(call.fields()?)?);
    let usernames = request.usernames.clone();
    let team = call.control().create_team(&call.caller, org_id, request).await?;
    let mut body = json(&call, org_id, &team);
    body["usernames"] = usernames.into();
    let location = call.base().atlas(&format!("/orgs/{org_id}/teams/{}", team.id));
    Ok(Reply::created(body).header("location", location))
}

async fn get(call: Call) -> Answer {
    let org_id = call.org_id()?;
    let team = call.control().get_team(&call.caller, org_id, call.id("teamId")?).await?;
    Ok(Reply::ok(json(&call, org_id, &team)))
}

async fn by_name(call: Call) -> Answer {
    let (org_id, name) = (call.org_id()?, call.text("teamName"));
    let team = call.control().team_by_name(&call.caller, org_id, name).await?;
    Ok(Reply::ok(json(&call, org_id, &team)))
}

async fn rename(call: Call) -> Answer {
    let (org_id, id, name) = (call.org_id()?, call.id("teamId")?, read_name(call.fields()?)?);
    let team = call.control().rename_team(&call.caller, org_id, id, name).await?;
    Ok(Reply::ok(json(&call, org_id, &team)))
}

async fn delete(call: Call) -> Answer {
    call.control().delete_team(&call.caller, call.org_id()?, call.id("teamId")?).await?;
    Ok(Reply::no_content())
}

async fn list_users(call: Call) -> Answer {
    let query = UserQuery { id: call.query_id("userId")?, ..query(&call)? };
    list_of_users(&call, call.paging()?, query).await
}

async fn list_of_users(call: &Call, paging: Paging, query: UserQuery<'_>) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("teamId")?);
    let control = call.control();
    let page = control.list_team_users(&call.caller, org_id, id, &query, paging).await?;
    Ok(call.list(paging, FILTERS, page.map(|member| shown(call, org_id, &member))))
}

/// Answers with the users of the team.
async fn add_users(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("teamId")?);
    let (paging, query, user_ids) = (call.paging()?, query(&call)?, read_users(call.array()?)?);
    call.control().add_team_users(&call.caller, org_id, id, &user_ids).await?;
    list_of_users(&call, paging, query).await
}

async fn remove_from(call: Call) -> Answer {
    remove(&call, call.id("userId")?).await?;
    Ok(Reply::no_content())
}

async fn add_user(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("teamId")?);
    let user_id = read_user(call.fields()?)?;
    call.control().add_team_users(&call.caller, org_id, id, &[user_id]).await?;
    let member = call.control().get_org_user(&call.caller, org_id, user_id).await?;
    Ok(Reply::ok(shown(&call, org_id, &member)))
}

async fn remove_user(call: Call) -> Answer {
    let user_id = read_user(call.fields()?)?;
    remove(&call, user_id).await
}

async fn remove(call: &Call, user_id: UserId) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("teamId")?);
    let member = call.control().remove_team_user(&call.caller, org_id, id, user_id).await?;
    Ok(Reply::ok(shown(call, org_id, &member)))
}
