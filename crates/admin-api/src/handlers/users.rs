//! Users of organizations: list, create, get, change, remove, add, take away and replace roles.

use portolan_api_types::Problem;
use portolan_api_types::user::{
    CreateOrgUser, InvitationView, StatusFilter, UpdateOrgUser, UserRoles, UserView, read_org_role,
    read_org_roles,
};
use portolan_api_types::version::{V2023_01_01, V2025_02_19};
use portolan_auth::Action;
use portolan_control::{RoleChange, UserQuery};
use portolan_model::{OrgId, TeamId};
use portolan_store::users::{Member, Membership, User};
use serde_json::{Value, json};

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, Version, atlas, current, deprecated};

/// 2023-01-01 of operations that those of 2025-02-19 replaced.
pub(crate) const OLD: &[Version] = &[deprecated(V2023_01_01)];
pub(crate) const BOTH: &[Version] = &[deprecated(V2023_01_01), current(V2025_02_19)];
pub(crate) const V25: &[Version] = &[current(V2025_02_19)];

pub(crate) fn routes() -> Vec<Route> {
    let (read, write) = (Access::Org(Action::OrgRead), Access::Org(Action::OrgUsersWrite));
    vec![
        atlas!(GET "/orgs/{orgId}/users", "listOrgUsers", BOTH, read, list),
        atlas!(POST "/orgs/{orgId}/users", "createOrgUser", V25, write, create),
        atlas!(GET "/orgs/{orgId}/users/{userId}", "getOrgUser", V25, read, get),
        atlas!(PATCH "/orgs/{orgId}/users/{userId}", "updateOrgUser", V25, write, update),
        atlas!(DELETE "/orgs/{orgId}/users/{userId}", "removeOrgUser", BOTH, write, remove),
        atlas!(POST "/orgs/{orgId}/users/{userId}:addRole", "addOrgUserRole", V25, write, add_role),
        atlas!(POST "/orgs/{orgId}/users/{userId}:removeRole", "removeOrgUserRole", V25, write,
            remove_role),
        atlas!(PUT "/orgs/{orgId}/users/{userId}/roles", "updateOrgUserRoles", OLD, write,
            set_roles),
    ]
}

/// Filters of lists of users, as their links repeat them.
pub(crate) const FILTERS: &[&str] =
    &["username", "orgMembershipStatus", "orgMembershipStatuses", "userId"];

/// Which users a list is asked for. The older shape cannot tell an invitation from a membership, so
/// it shows members alone.
pub(crate) fn query(call: &Call) -> Result<UserQuery<'_>, Problem> {
    let mut statuses = StatusFilter::read(&call.query)?;
    if call.version == Some(V2023_01_01) {
        statuses.pending = false;
    }
    Ok(UserQuery { username: call.query("username"), statuses, id: None })
}

/// A user as the API shows it.
pub(crate) fn view<'a>(
    user: &'a User,
    membership: &'a Membership,
    org_id: OrgId,
    roles: &'a UserRoles,
    team_ids: &'a [TeamId],
) -> UserView<'a> {
    let invitation = match membership {
        Membership::Active => None,
        Membership::Pending(invitation) => Some(InvitationView {
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
            inviter_username: &invitation.inviter_username,
        }),
    };
    UserView {
        id: user.id,
        username: &user.username,
        first_name: user.first_name.as_deref(),
        last_name: user.last_name.as_deref(),
        country: user.country.as_deref(),
        mobile_number: user.mobile_number.as_deref(),
        created_at: user.created_at,
        last_auth_at: user.last_auth_at,
        invitation,
        org_id,
        roles,
        team_ids,
    }
}

/// All roles of a member.
pub(crate) fn roles_of(member: &Member) -> UserRoles {
    let assigned = member.assignments.iter();
    let project_roles = assigned
        .flat_map(|known| known.roles.iter().map(|role| (known.project_id, *role)))
        .collect();
    UserRoles { org_roles: member.org_roles.clone(), project_roles }
}

/// A member in the shape of the version that was asked for.
pub(crate) fn shown(call: &Call, org_id: OrgId, member: &Member) -> Value {
    let roles = roles_of(member);
    let view = view(&member.user, &member.membership, org_id, &roles, &member.team_ids);
    match call.version {
        Some(V2023_01_01) => view.legacy_json(call.base()),
        _ => view.org_json(),
    }
}

async fn list(call: Call) -> Answer {
    let (paging, org_id) = (call.paging()?, call.org_id()?);
    let query = query(&call)?;
    let page = call.control().list_org_users(&call.caller, org_id, &query, paging).await?;
    let page = page.map(|member| shown(&call, org_id, &member));
    Ok(call.list(paging, FILTERS, page))
}

async fn create(call: Call) -> Answer {
    let (org_id, request) = (call.org_id()?, CreateOrgUser::read(call.fields()?)?);
    let member = call.control().create_org_user(&call.caller, org_id, request).await?;
    Ok(Reply::created(shown(&call, org_id, &member)))
}

async fn get(call: Call) -> Answer {
    let org_id = call.org_id()?;
    let member = call.control().get_org_user(&call.caller, org_id, call.id("userId")?).await?;
    Ok(Reply::ok(shown(&call, org_id, &member)))
}

async fn update(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("userId")?);
    let request = UpdateOrgUser::read(call.fields()?)?;
    let member = call.control().update_org_user(&call.caller, org_id, id, request).await?;
    Ok(Reply::ok(shown(&call, org_id, &member)))
}

async fn remove(call: Call) -> Answer {
    call.control().remove_org_user(&call.caller, call.org_id()?, call.id("userId")?).await?;
    Ok(Reply::no_content())
}

async fn add_role(call: Call) -> Answer {
    let change = RoleChange::Add(read_org_role(call.fields()?)?);
    change_role(call, change).await
}

async fn remove_role(call: Call) -> Answer {
    let change = RoleChange::Remove(read_org_role(call.fields()?)?);
    change_role(call, change).await
}

async fn change_role(call: Call, change: RoleChange<portolan_model::OrgRole>) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("userId")?);
    let member = call.control().change_org_role(&call.caller, org_id, id, change).await?;
    Ok(Reply::ok(shown(&call, org_id, &member)))
}

async fn set_roles(call: Call) -> Answer {
    let (org_id, id) = (call.org_id()?, call.id("userId")?);
    let roles = read_org_roles(call.fields()?)?;
    let member = call.control().set_org_user_roles(&call.caller, org_id, id, roles).await?;
    let names: Vec<&str> = member.org_roles.iter().map(|role| role.as_str()).collect();
    let links = call.base().links(&format!("/orgs/{org_id}/users/{id}"), &[]);
    Ok(Reply::ok(json!({ "links": links, "orgRoles": names })))
}
