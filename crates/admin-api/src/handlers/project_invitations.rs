//! Invitations into projects, the deprecated operations and Portolan's own way to accept one.

use portolan_api_types::invitation::{InviteView, read_project_changes, required_username};
use portolan_api_types::user::AddProjectUser;
use portolan_auth::Action;
use portolan_control::{InviteKey, ProjectInvite};
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::project_users::shown;
use crate::handlers::users::OLD;
use crate::route::{Access, Answer, Route, atlas, own};

pub(crate) fn routes() -> Vec<Route> {
    let owner = Access::Project(Action::ProjectInvitationsWrite);
    vec![
        atlas!(GET "/groups/{groupId}/invites", "listGroupInvites", OLD, owner, list),
        atlas!(POST "/groups/{groupId}/invites", "createGroupInvite", OLD, owner, create),
        atlas!(PATCH "/groups/{groupId}/invites", "updateGroupInvites", OLD, owner,
            update_by_name),
        atlas!(GET "/groups/{groupId}/invites/{invitationId}", "getGroupInvite", OLD, owner, get),
        atlas!(PATCH "/groups/{groupId}/invites/{invitationId}", "updateGroupInviteById", OLD,
            owner, update),
        atlas!(DELETE "/groups/{groupId}/invites/{invitationId}", "deleteGroupInvite", OLD, owner,
            delete),
        own!(POST "/groups/{groupId}/invites/{invitationId}:accept", "acceptGroupInvite", owner,
            accept),
    ]
}

fn json(invite: &ProjectInvite) -> Value {
    let view = InviteView {
        id: invite.id,
        username: &invite.username,
        created_at: invite.created_at,
        expires_at: invite.expires_at,
        inviter_username: &invite.inviter_username,
    };
    view.project_json((invite.project_id, &invite.project_name), &invite.roles)
}

/// A bare array, as on Atlas.
async fn list(call: Call) -> Answer {
    let (project_id, username) = (call.project_id()?, call.query("username"));
    let all = call.control().list_project_invites(&call.caller, project_id, username).await?;
    Ok(Reply::ok(all.iter().map(json).collect()))
}

async fn create(call: Call) -> Answer {
    let (project_id, request) = (call.project_id()?, AddProjectUser::read(call.fields()?)?);
    let invite = call.control().create_project_invite(&call.caller, project_id, request).await?;
    Ok(Reply::ok(json(&invite)))
}

async fn update_by_name(call: Call) -> Answer {
    let (username, roles) = read_project_changes(call.fields()?)?;
    let username = required_username(username)?;
    let (project_id, key) = (call.project_id()?, InviteKey::Username(&username));
    let invite = call.control().update_project_invite(&call.caller, project_id, key, roles).await?;
    Ok(Reply::ok(json(&invite)))
}

async fn get(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("invitationId")?);
    let invite = call.control().get_project_invite(&call.caller, project_id, id).await?;
    Ok(Reply::ok(json(&invite)))
}

async fn update(call: Call) -> Answer {
    let (_, roles) = read_project_changes(call.fields()?)?;
    let (project_id, key) = (call.project_id()?, InviteKey::Id(call.id("invitationId")?));
    let invite = call.control().update_project_invite(&call.caller, project_id, key, roles).await?;
    Ok(Reply::ok(json(&invite)))
}

async fn delete(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("invitationId")?);
    call.control().delete_project_invite(&call.caller, project_id, id).await?;
    Ok(Reply::no_content())
}

async fn accept(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("invitationId")?);
    let found = call.control().accept_project_invite(&call.caller, project_id, id).await?;
    Ok(Reply::ok(shown(&call, project_id, &found)))
}
