//! Database users: list, create, get, update, delete.

use portolan_api_types::database_user::{database_user_json, parse_create, parse_update};
use portolan_auth::Action;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let read = Access::Project(Action::ProjectRead);
    let write = Access::Project(Action::DatabaseUsersWrite);
    vec![
        atlas!(
            GET "/groups/{groupId}/databaseUsers",
            "listGroupDatabaseUsers", V23, read, list
        ),
        atlas!(
            POST "/groups/{groupId}/databaseUsers",
            "createGroupDatabaseUser", V23, write, create
        ),
        atlas!(
            GET "/groups/{groupId}/databaseUsers/{databaseName}/{username}",
            "getGroupDatabaseUser", V23, read, get
        ),
        atlas!(
            PATCH "/groups/{groupId}/databaseUsers/{databaseName}/{username}",
            "updateGroupDatabaseUser", V23, write, update
        ),
        atlas!(
            DELETE "/groups/{groupId}/databaseUsers/{databaseName}/{username}",
            "deleteGroupDatabaseUser", V23, write, delete
        ),
    ]
}

async fn list(call: Call) -> Answer {
    let (project_id, paging) = (call.project_id()?, call.paging()?);
    let page = call.control().list_database_users(&call.caller, project_id, paging).await?;
    let page = page.map(|user| database_user_json(&user, call.base()));
    Ok(call.list(paging, &[], page))
}

async fn create(call: Call) -> Answer {
    let draft = parse_create(call.fields()?)?;
    let project_id = call.project_id()?;
    let user = call.control().create_database_user(&call.caller, project_id, draft).await?;
    Ok(Reply::created(database_user_json(&user, call.base())))
}

async fn get(call: Call) -> Answer {
    let (project_id, database, name) = key(&call)?;
    let user = call.control().get_database_user(&call.caller, project_id, database, name).await?;
    Ok(Reply::ok(database_user_json(&user, call.base())))
}

async fn update(call: Call) -> Answer {
    let patch = parse_update(call.fields()?)?;
    let (project_id, database, name) = key(&call)?;
    let control = call.control();
    let user =
        control.update_database_user(&call.caller, project_id, database, name, patch).await?;
    Ok(Reply::ok(database_user_json(&user, call.base())))
}

async fn delete(call: Call) -> Answer {
    let (project_id, database, name) = key(&call)?;
    call.control().delete_database_user(&call.caller, project_id, database, name).await?;
    Ok(Reply::no_content())
}

type Key<'a> = (portolan_model::ProjectId, &'a str, &'a str);

fn key(call: &Call) -> Result<Key<'_>, crate::failure::Failure> {
    Ok((call.project_id()?, call.text("databaseName"), call.text("username")))
}
