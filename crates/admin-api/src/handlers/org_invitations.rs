//! Invitations into organizations, the deprecated operations and Portolan's own way to accept one.

use portolan_api_types::invitation::{
    InviteView, read_org_changes, read_org_invite, required_username,
};
use portolan_auth::Action;
use portolan_control::{InviteKey, OrgInvite};
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::users::{OLD, roles_of, shown};
use crate::route::{Access, Answer, Route, atlas, own};

pub(crate) fn routes() -> Vec<Route> {
    let owner = Access::Org(Action::OrgUsersWrite);
    vec![
        atlas!(GET "/orgs/{orgId}/invites", "listOrgInvites", OLD, owner, list),
        atlas!(POST "/orgs/{orgId}/invites", "createOrgInvite", OLD, owner, create),
        atlas!(PATCH "/orgs/{orgId}/invites", "updateOrgInvites", OLD, owner, update_by_name),
        atlas!(GET "/orgs/{orgId}/invites/{invitationId}", "getOrgInvite", OLD, owner, get),
        atlas!(PATCH "/orgs/{orgId}/invites/{invitationId}", "updateOrgInviteById", OLD, owner,
            update),
        atlas!(DELETE "/orgs/{orgId}/invites/{invitationId}", "deleteOrgInvite", OLD, owner,
            delete),
        own!(POST "/orgs/{orgId}/invites/{invitationId}:accept", "acceptOrgInvite", owner, accept),
    ]
}

/// An invitation on the wire.
pub(crate) fn json(invite: &OrgInvite) -> Value {
    let (member, invitation) = (&invite.member, &invite.invitation);
    let view = InviteView {
        id: invitation.id,
        username: &member.user.username,
        created_at: invitation.created_at,
        expires_at: invitation.expires_at,
        inviter_username: &invitation.inviter_username,
    };
    view.org_json((invite.org_id, &invite.org_name), &roles_of(member), &member.team_ids)
}

/// A bare array, as on Atlas.
async fn list(call: Call) -> Answer {
    let (org_id, username) = (call.org_id()?, call.query("username"));
    let all = call.control().list_org_invites(&call.caller, org_id, username).await?;
    Ok(Reply::ok(all.iter().map(json).collect()))
}

async fn create(call: Call) -> Answer {
    let request = read_org_invite(call.fields()?)?;
    let invite = call.control().create_org_invite(&call.caller, call.org_id()?, request).await?;
    Ok(Reply::ok(json(&invite)))
}

async fn update_by_name(call: Call) -> Answer {
    let (username, changes) = read_org_changes(call.fields()?)?;
    let username = required_username(username)?;
    let (org_id, key) = (call.org_id()?, InviteKey::Username(&username));
    let invite = call.control().update_org_invite(&call.caller, org_id, key, changes).await?;
    Ok(Reply::ok(json(&invite)))
}

async fn get(call: Call) -> Answer {
    let (org_id, key) = (call.org_id()?, InviteKey::Id(call.id("invitationId")?));
    let invite = call.control().get_org_invite(&call.caller, org_id, key).await?;
    Ok(Reply::ok(json(&invite)))
}

/// The user name of the body, which the service does not read here, changes nothing.
async fn update(call: Call) -> Answer {
    let (_, changes) = read_org_changes(call.fields()?)?;
    let (org_id, key) = (call.org_id()?, InviteKey::Id(call.id("invitationId")?));
    let invite = call.control().update_org_invite(&call.caller, org_id, key, changes).await?;
    Ok(Reply::ok(json(&invite)))
}

async fn delete(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("invitationId")?);
    call.control().delete_org_invite(&call.caller, org_id, id).await?;
    Ok(Reply::no_content())
}

async fn accept(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("invitationId")?);
    let member = call.control().accept_org_invite(&call.caller, org_id, id).await?;
    Ok(Reply::ok(shown(&call, org_id, &member)))
}
