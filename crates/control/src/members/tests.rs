//! Limits of users and teams, and what a team lets its members do, on a store.

use portolan_api_types::ErrorCode;
use portolan_api_types::Paging;
use portolan_api_types::team::NewTeam;
use portolan_api_types::user::{CreateOrgUser, UserRoles};
use portolan_model::{Limits, OrgRole, ProjectRole, TeamId, UserId};
use portolan_store::{StoreError, principals};

use crate::clusters::fixture::House;
use crate::{Caller, ControlError};

fn wish(username: &str, team_ids: Vec<TeamId>) -> CreateOrgUser {
    let roles = UserRoles { org_roles: vec![OrgRole::Member], ..UserRoles::default() };
    CreateOrgUser { username: username.to_owned(), roles, team_ids }
}

async fn invite(house: &House, username: &str, teams: Vec<TeamId>) -> Result<UserId, ControlError> {
    let request = wish(username, teams);
    let made = house.control.create_org_user(&house.owner, house.org_id, request).await;
    made.map(|member| member.user.id)
}

async fn team(house: &House, name: &str, usernames: &[&str]) -> Result<TeamId, ControlError> {
    let usernames = usernames.iter().map(|name| (*name).to_owned()).collect();
    let request = NewTeam { name: name.to_owned(), usernames };
    let made = house.control.create_team(&house.owner, house.org_id, request).await;
    made.map(|team| team.id)
}

/// The person as a caller, with the rights that they hold now.
async fn as_caller(house: &House, id: UserId) -> Caller {
    let found: Result<_, StoreError> =
        house.control.store.read_tx("test.user", |tx| Box::pin(principals::of_user(tx, id))).await;
    let principal = found.expect("a look-up").expect("a user");
    Caller { principal, ..house.owner.clone() }
}

#[tokio::test]
async fn the_limits_are_in_force_and_refusals_change_nothing() {
    let limits = Limits {
        users_per_org: 3,
        teams_per_org: 2,
        users_per_team: 1,
        teams_per_project: 1,
        ..Limits::default()
    };
    let house = House::with_limits(limits).await;
    let code = |error: ControlError| error.code();
    let full = team(&house, "one", &["a@example.org"]).await.expect("a team");
    invite(&house, "b@example.org", vec![]).await.expect("room");
    let refused = invite(&house, "c@example.org", vec![full]).await.map_err(code);
    assert_eq!(refused, Err(ErrorCode::MaxUsersPerTeamExceeded));
    invite(&house, "c@example.org", vec![]).await.expect("room, nothing was left behind");
    let refused = invite(&house, "d@example.org", vec![]).await.map_err(code);
    assert_eq!(refused, Err(ErrorCode::GroupUsersLimitExceeded));
    let other = team(&house, "two", &[]).await.expect("a team");
    let refused = team(&house, "three", &[]).await.map_err(code);
    assert_eq!(refused, Err(ErrorCode::MaxTeamsPerOrgExceeded));
    let (control, owner, project_id) = (&house.control, &house.owner, house.project_id);
    let both = [full, other].map(|id| (id, vec![ProjectRole::ReadOnly]));
    let refused = control.add_project_teams(owner, project_id, &both).await.map_err(code);
    assert_eq!(refused, Err(ErrorCode::MaxTeamsPerGroupExceeded));
    let listed = control.list_project_teams(owner, project_id, Paging::default()).await;
    assert_eq!(listed.expect("a list").total, 0);
}

#[tokio::test]
async fn a_team_opens_a_project_to_its_members() {
    let house = House::build().await;
    let (control, owner, project_id) = (&house.control, &house.owner, house.project_id);
    let id = invite(&house, "b@example.org", vec![]).await.expect("invited");
    let team_id = team(&house, "T", &["b@example.org"]).await.expect("a team");
    let roles = [(team_id, vec![ProjectRole::AccessManager])];
    control.add_project_teams(owner, project_id, &roles).await.expect("assigned");
    let guest = as_caller(&house, id).await;
    let unseen = control.get_project(&guest, project_id).await.expect_err("only invited");
    assert_eq!(unseen.code(), ErrorCode::GroupNotFound);
    let all = control.list_org_invites(owner, house.org_id, None).await.expect("a list");
    let invitation = all[0].invitation.id;
    control.accept_org_invite(owner, house.org_id, invitation).await.expect("accepted");
    let member = as_caller(&house, id).await;
    control.get_project(&member, project_id).await.expect("a team shows it");
    control
        .update_project_team(&member, project_id, team_id, &[ProjectRole::ReadOnly])
        .await
        .expect("and lets it be managed");
    let reader = as_caller(&house, id).await;
    let refused = control.remove_project_team(&reader, project_id, team_id).await;
    assert_eq!(refused.expect_err("a reader").code(), ErrorCode::UserUnauthorized);
    control.remove_team_user(owner, house.org_id, team_id, id).await.expect("out");
    let out = as_caller(&house, id).await;
    let unseen = control.get_project(&out, project_id).await.expect_err("out of the team");
    assert_eq!(unseen.code(), ErrorCode::GroupNotFound);
}
