//! What users, invitations and teams share: inviting somebody, letting somebody in, roles and teams of
//! a member, leaving. Each runs inside the transaction of the use case that checked the caller.

use portolan_api_types::user::UserRoles;
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Authorized, OrgScope};
use portolan_model::{
    EpochMs, InvitationId, OrgId, OrgRole, ProjectId, ProjectRole, TeamId, UserId,
};
use portolan_store::users::{self, Invitation, Member, Membership, User, UserFilter};
use portolan_store::{StoreError, Tx, invitations, projects, teams};

use crate::{Caller, Control, ControlError, trail};

/// How long an invitation waits: exactly thirty days, as the Admin API documents.
pub(crate) const INVITATION_LASTS_MS: EpochMs = 30 * 24 * 3600 * 1000;

/// The field of an event that names the person.
const WHO: &str = "targetUsername";

/// Maps a missing row to `USER_NOT_FOUND`.
pub(crate) fn missing_user(error: StoreError, id: UserId) -> ControlError {
    match error {
        StoreError::Missing { .. } => Problem::user_not_found(id).into(),
        other => other.into(),
    }
}

/// A member or invited person of the organization.
pub(crate) async fn member(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    id: UserId,
) -> Result<Member, ControlError> {
    users::member(tx, witness, id).await.map_err(|error| missing_user(error, id))
}

/// A person who is a member of the organization and not only invited.
pub(crate) async fn active_member(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    id: UserId,
) -> Result<Member, ControlError> {
    let found = member(tx, witness, id).await?;
    if found.is_active() { Ok(found) } else { Err(Problem::user_not_found(id).into()) }
}

/// The member or invited person of this name.
pub(crate) async fn by_username(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    username: &str,
) -> Result<Option<Member>, StoreError> {
    let filter = UserFilter { username: Some(username), ..UserFilter::default() };
    users::find_member(tx, witness, &filter).await
}

/// An invitation by the caller that begins now.
pub(crate) fn new_invitation(
    tx: &Tx<'_>,
    caller: &Caller,
    through: Option<ProjectId>,
) -> Invitation {
    let now_ms = tx.now_ms();
    Invitation {
        id: InvitationId::new(tx.runtime().object_id()),
        through,
        created_at: now_ms,
        expires_at: now_ms + INVITATION_LASTS_MS,
        inviter_username: caller.principal.actor.name(),
    }
}

/// What somebody will have who accepts an invitation.
pub(crate) struct Wish<'a> {
    /// Roles in the organization and its projects.
    pub(crate) roles: &'a UserRoles,
    /// Its teams.
    pub(crate) team_ids: &'a [TeamId],
    /// The project whose users are being added, if that is how it came about.
    pub(crate) through: Option<ProjectId>,
}

impl Control {
    /// Invites the person of this user name, who may be new to the instance, into the organization.
    pub(crate) async fn invite(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        witness: &Authorized<OrgScope>,
        person: &User,
        wish: &Wish<'_>,
    ) -> Result<Member, ControlError> {
        invitations::drop_ended(tx, witness).await?;
        let username = &person.username;
        if by_username(tx, witness, username).await?.is_some() {
            return Err(already(username, "is already in the organization, or invited into it"));
        }
        self.check_room_for_member(tx, witness).await?;
        let id = match users::find_by_username(tx, witness, username).await? {
            Some(known) => known.id,
            None => {
                users::insert(tx, witness, person).await?;
                person.id
            }
        };
        let pending = Membership::Pending(new_invitation(tx, caller, wish.through));
        users::add_member(tx, witness, id, &pending, &wish.roles.org_roles).await?;
        note(tx, caller, witness.org_id(), "INVITED_TO_ORG", username).await?;
        set_project_roles(tx, witness, id, &[], &wish.roles.project_roles).await?;
        for project_id in projects_of(&wish.roles.project_roles) {
            note_in_project(tx, caller, project_id, "INVITED_TO_GROUP", username).await?;
        }
        let new = member(tx, witness, id).await?;
        self.set_teams(tx, caller, witness, &new, wish.team_ids).await?;
        member(tx, witness, id).await
    }

    async fn check_room_for_member(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<OrgScope>,
    ) -> Result<(), ControlError> {
        let max = self.limits.users_per_org;
        let count = users::count_members(tx, witness).await?;
        if usize::try_from(count).is_ok_and(|count| count < max) {
            return Ok(());
        }
        let detail = format!("The organization has the maximum of {max} users.");
        Err(Problem::new(ErrorCode::GroupUsersLimitExceeded, detail).with(max).into())
    }

    /// Puts a member or invited person into exactly these teams.
    pub(crate) async fn set_teams(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        witness: &Authorized<OrgScope>,
        who: &Member,
        wanted: &[TeamId],
    ) -> Result<(), ControlError> {
        for id in wanted.iter().filter(|id| !who.team_ids.contains(id)) {
            self.join_team(tx, caller, witness, who, *id).await?;
        }
        for id in who.team_ids.iter().filter(|id| !wanted.contains(id)) {
            leave_team(tx, caller, witness, who, *id).await?;
        }
        Ok(())
    }

    /// Puts a member or invited person into a team that they are not in.
    pub(crate) async fn join_team(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        witness: &Authorized<OrgScope>,
        who: &Member,
        id: TeamId,
    ) -> Result<(), ControlError> {
        let found = teams::get(tx, witness, id).await;
        found.map_err(|error| missing_team(error, id))?;
        let max = self.limits.users_per_team;
        let count = teams::count_members(tx, witness, id).await?;
        if usize::try_from(count).map_or(true, |count| count >= max) {
            let detail = format!("The team has the maximum of {max} users.");
            return Err(Problem::new(ErrorCode::MaxUsersPerTeamExceeded, detail).with(max).into());
        }
        teams::add_member(tx, witness, id, who.user.id).await?;
        let event = if who.is_active() { "JOINED_TEAM" } else { "INVITED_TO_TEAM" };
        note_of_team(tx, caller, witness.org_id(), event, id, &who.user.username).await
    }
}

/// Takes somebody out of a team.
pub(crate) async fn leave_team(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<OrgScope>,
    who: &Member,
    id: TeamId,
) -> Result<(), ControlError> {
    let left = teams::remove_member(tx, witness, id, who.user.id).await;
    left.map_err(|error| missing_user(error, who.user.id))?;
    let event = "REMOVED_FROM_TEAM";
    note_of_team(tx, caller, witness.org_id(), event, id, &who.user.username).await
}

/// Maps a missing row to `TEAM_NOT_FOUND`.
pub(crate) fn missing_team(error: StoreError, id: TeamId) -> ControlError {
    match error {
        StoreError::Missing { .. } => Problem::team_not_found(id).into(),
        other => other.into(),
    }
}

/// `USER_ALREADY_EXISTS`.
pub(crate) fn already(username: &str, what: &str) -> ControlError {
    let detail = format!("A user with username {username} {what}.");
    Problem::new(ErrorCode::UserAlreadyExists, detail).with(username).into()
}

/// Turns an invitation into a membership.
pub(crate) async fn let_in(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<OrgScope>,
    who: &Member,
) -> Result<Member, ControlError> {
    let (id, username) = (who.user.id, &who.user.username);
    invitations::accept(tx, witness, id).await?;
    note(tx, caller, witness.org_id(), "JOINED_ORG", username).await?;
    for assignment in &who.assignments {
        note_in_project(tx, caller, assignment.project_id, "JOINED_GROUP", username).await?;
    }
    for team_id in &who.team_ids {
        note_of_team(tx, caller, witness.org_id(), "JOINED_TEAM", *team_id, username).await?;
    }
    member(tx, witness, id).await
}

/// Takes a member out of the organization, or withdraws an invitation into it.
pub(crate) async fn remove(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<OrgScope>,
    who: &Member,
) -> Result<(), ControlError> {
    if users::owners(tx, witness).await? == [who.user.id] {
        let detail = "The last owner of an organization cannot be removed.";
        return Err(Problem::new(ErrorCode::CannotDeleteLastAdmin, detail).into());
    }
    users::remove_member(tx, witness, who.user.id).await?;
    let event = if who.is_active() { "REMOVED_FROM_ORG" } else { "ORG_INVITATION_DELETED" };
    note(tx, caller, witness.org_id(), event, &who.user.username).await
}

/// Replaces the roles in the organization; its last owner stays one.
pub(crate) async fn set_org_roles(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    id: UserId,
    roles: &[OrgRole],
) -> Result<(), ControlError> {
    let demoted = !roles.contains(&OrgRole::Owner);
    if demoted && users::owners(tx, witness).await? == [id] {
        let detail = "The last owner of an organization cannot be demoted.";
        return Err(Problem::new(ErrorCode::CannotDemoteLastOrgOwner, detail).into());
    }
    Ok(users::set_member_roles(tx, witness, id, roles).await?)
}

/// Each project that the roles name, once.
pub(crate) fn projects_of(roles: &[(ProjectId, ProjectRole)]) -> Vec<ProjectId> {
    let mut all: Vec<ProjectId> = roles.iter().map(|(project, _)| *project).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Sets the roles in the named projects, and takes away those in `known` that are not named.
pub(crate) async fn set_project_roles(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    id: UserId,
    known: &[ProjectId],
    roles: &[(ProjectId, ProjectRole)],
) -> Result<(), ControlError> {
    let mut all = projects_of(roles);
    all.extend(known);
    all.sort_unstable();
    all.dedup();
    for project_id in all {
        if projects::locate(tx, project_id).await? != Some(witness.org_id()) {
            return Err(Problem::group_not_found(project_id).into());
        }
        let here: Vec<ProjectRole> =
            roles.iter().filter(|(at, _)| *at == project_id).map(|(_, role)| *role).collect();
        users::set_project_roles(tx, &witness.in_project(project_id), id, &here).await?;
    }
    Ok(())
}

/// Replaces all that is named: roles in the organization, roles in projects, teams.
pub(crate) struct MemberChanges<'a> {
    pub(crate) org_roles: Option<&'a [OrgRole]>,
    pub(crate) project_roles: Option<&'a [(ProjectId, ProjectRole)]>,
    pub(crate) team_ids: Option<&'a [TeamId]>,
}

impl Control {
    /// Applies changes to a member or invited person.
    pub(crate) async fn change_member(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        witness: &Authorized<OrgScope>,
        old: &Member,
        changes: &MemberChanges<'_>,
    ) -> Result<Member, ControlError> {
        let id = old.user.id;
        if let Some(roles) = changes.org_roles {
            set_org_roles(tx, witness, id, roles).await?;
        }
        if let Some(roles) = changes.project_roles {
            let known: Vec<ProjectId> = old.assignments.iter().map(|one| one.project_id).collect();
            set_project_roles(tx, witness, id, &known, roles).await?;
        }
        if changes.org_roles.is_some() || changes.project_roles.is_some() {
            let event = "USER_ROLES_CHANGED_AUDIT";
            note(tx, caller, witness.org_id(), event, &old.user.username).await?;
        }
        if let Some(team_ids) = changes.team_ids {
            self.set_teams(tx, caller, witness, old, team_ids).await?;
        }
        member(tx, witness, id).await
    }
}

/// An event of the organization about a person.
pub(crate) async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
    event: &str,
    username: &str,
) -> Result<(), ControlError> {
    Ok(trail::note_in_org(tx, caller, org_id, event, (WHO, username)).await?)
}

/// An event of a project about a person.
pub(crate) async fn note_in_project(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
    event: &str,
    username: &str,
) -> Result<(), ControlError> {
    Ok(trail::note_in_project(tx, caller, project_id, event, (WHO, username)).await?)
}

/// An event of the organization about a person in a team.
async fn note_of_team(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
    event: &str,
    id: TeamId,
    username: &str,
) -> Result<(), ControlError> {
    let target = [("teamId", id.to_string()), (WHO, username.to_owned())];
    let scope = portolan_store::events::EventScope::Org(org_id);
    Ok(trail::note(tx, caller, scope, event, &target).await?)
}

#[cfg(test)]
mod tests;
