//! Users of projects. A member of the organization is added at once; anybody else is invited into the
//! organization and has the roles when the invitation is accepted.

use portolan_api_types::user::{AddProjectUser, UserRoles};
use portolan_api_types::{Page, Paging, Problem};
use portolan_auth::{Action, Authorized, OrgScope, ProjectScope};
use portolan_model::{OrgId, OrgRole, ProjectId, ProjectRole, UserId};
use portolan_store::project_users::{self, ProjectUser, Reach};
use portolan_store::users::{self, Member, Membership, User, UserFilter};
use portolan_store::{Page as StorePage, StoreError, Tx, invitations};

use crate::access::project_in;
use crate::members::{
    Wish, already, by_username, member, missing_user, note_in_project, remove as remove_member,
};
use crate::org_invitations::{OrgInvite, PENDING, named};
use crate::paging::{api_page, store_page};
use crate::project_api_keys::org_of;
use crate::users::{RoleChange, UserQuery};
use crate::{Caller, Control, ControlError};

/// A user of a project, with the organization that it was looked up in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProjectUser {
    /// The user. Their roles are all that count: their own, and those through teams and the
    /// organization where these were asked for.
    pub found: ProjectUser,
    /// The organization of the project.
    pub org_id: OrgId,
}

impl Control {
    /// The users with a role in a project, and those whom teams or the organization bring into it
    /// where they are asked for.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_project_users(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        query: &UserQuery<'_>,
        reach: Reach,
        paging: Paging,
    ) -> Result<Page<FoundProjectUser>, ControlError> {
        let filter = &query.filter(None);
        self.store
            .read_tx("control.project_users.list", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    let page = store_page(paging);
                    let listed = project_users::list(tx, &witness, filter, reach, page).await?;
                    let org_id = witness.org_id();
                    Ok(api_page(listed).map(|found| effective(found, org_id)))
                })
            })
            .await
    }

    /// One user of a project.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_project_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: UserId,
    ) -> Result<FoundProjectUser, ControlError> {
        self.store
            .read_tx("control.project_users.get", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    in_project(tx, &witness, id).await
                })
            })
            .await
    }

    /// Adds a member of the organization to a project, or invites somebody into both.
    ///
    /// # Errors
    /// `USER_ALREADY_EXISTS`, `GROUP_USERS_LIMIT_EXCEEDED`, `GROUP_NOT_FOUND`, 401 without the role,
    /// and the store's.
    pub async fn add_project_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: AddProjectUser,
    ) -> Result<FoundProjectUser, ControlError> {
        let (person, request) = (&self.new_user(&request.username), &request);
        self.store
            .run_tx("control.project_users.add", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUsersWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let known = by_username(tx, &org_of(&witness), &person.username).await?;
                    let id = match known {
                        Some(known) => {
                            refuse_known(tx, &witness, &known).await?;
                            grant(tx, caller, &witness, &known, &request.roles).await?;
                            known.user.id
                        }
                        None => {
                            let roles = &request.roles;
                            let new = self.invite_through(tx, caller, &witness, person, roles);
                            new.await?.user.id
                        }
                    };
                    in_project(tx, &witness, id).await
                })
            })
            .await
    }

    /// The deprecated way: more roles for a member of the organization, or an invitation into it. An
    /// invitation is given back; a member has the roles at once.
    ///
    /// # Errors
    /// `GROUP_USERS_LIMIT_EXCEEDED`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn grant_project_access(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: AddProjectUser,
    ) -> Result<Option<OrgInvite>, ControlError> {
        let (person, request) = (&self.new_user(&request.username), &request);
        self.store
            .run_tx("control.project_users.grant", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectInvitationsWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let org = org_of(&witness);
                    let Some(known) = by_username(tx, &org, &person.username).await? else {
                        let roles = &request.roles;
                        let new = self.invite_through(tx, caller, &witness, person, roles).await?;
                        return named(tx, &org, new).await.map(Some);
                    };
                    let mut roles = roles_in(&known, project_id);
                    roles.extend(&request.roles);
                    grant(tx, caller, &witness, &known, &roles).await?;
                    if known.is_active() {
                        return Ok(None);
                    }
                    let now = member(tx, &org, known.user.id).await?;
                    named(tx, &org, now).await.map(Some)
                })
            })
            .await
    }

    /// Invites somebody into the organization, as a member, for the sake of roles in the project.
    pub(crate) async fn invite_through(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        witness: &Authorized<ProjectScope>,
        person: &User,
        roles: &[ProjectRole],
    ) -> Result<Member, ControlError> {
        let project_id = witness.project_id();
        let roles = UserRoles {
            org_roles: vec![OrgRole::Member],
            project_roles: roles.iter().map(|role| (project_id, *role)).collect(),
        };
        let wish = Wish { roles: &roles, team_ids: &[], through: Some(project_id) };
        self.invite(tx, caller, &org_of(witness), person, &wish).await
    }

    /// Adds or takes away one role in the project.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn change_project_role(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: UserId,
        change: RoleChange<ProjectRole>,
    ) -> Result<FoundProjectUser, ControlError> {
        self.store
            .run_tx("control.project_users.change_role", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUsersWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let old = in_project(tx, &witness, id).await?;
                    let roles = change.apply(old.found.roles);
                    if roles.is_empty() {
                        let rule = "is the last role of the user; remove the user instead";
                        return Err(Problem::validation("groupRole", rule).into());
                    }
                    replace(tx, caller, &witness, &old.found.user, &roles).await
                })
            })
            .await
    }

    /// Replaces the roles of a user in the project.
    ///
    /// # Errors
    /// As [`Control::change_project_role`].
    pub async fn set_project_user_roles(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: UserId,
        roles: Vec<ProjectRole>,
    ) -> Result<FoundProjectUser, ControlError> {
        let roles = &roles;
        self.store
            .run_tx("control.project_users.set_roles", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectInvitationsWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let old = in_project(tx, &witness, id).await?;
                    replace(tx, caller, &witness, &old.found.user, roles).await
                })
            })
            .await
    }

    /// Takes somebody out of the project. An invitation that was for its sake alone is withdrawn.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn remove_project_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: UserId,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.project_users.remove", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUsersWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let old = in_project(tx, &witness, id).await?;
                    take_out(tx, caller, &witness, &old.found).await
                })
            })
            .await
    }
}

/// All roles that count, in one list. What an organization role gives in each of its projects is
/// shown as the project role of the same rights.
fn effective(mut found: ProjectUser, org_id: OrgId) -> FoundProjectUser {
    let implied = found.org_roles.iter().filter_map(|role| match role {
        OrgRole::Owner => Some(ProjectRole::Owner),
        OrgRole::ReadOnly => Some(ProjectRole::ReadOnly),
        _ => None,
    });
    found.roles.extend(implied.chain(found.team_roles.iter().copied()).collect::<Vec<_>>());
    found.roles.sort_unstable();
    found.roles.dedup();
    FoundProjectUser { found, org_id }
}

/// A member's own roles in one project.
pub(crate) fn roles_in(known: &Member, project_id: ProjectId) -> Vec<ProjectRole> {
    let here = known.assignments.iter().find(|one| one.project_id == project_id);
    here.map(|one| one.roles.clone()).unwrap_or_default()
}

pub(crate) async fn refuse_known(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    known: &Member,
) -> Result<(), ControlError> {
    match project_users::get(tx, witness, known.user.id).await {
        Err(StoreError::Missing { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(already(&known.user.username, "is already in the project")),
    }
}

/// Gives somebody who is in the organization, or invited, these roles in the project.
pub(crate) async fn grant(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    known: &Member,
    roles: &[ProjectRole],
) -> Result<(), ControlError> {
    users::set_project_roles(tx, witness, known.user.id, roles).await?;
    invitations::remove_in_project(tx, witness, known.user.id).await?;
    let event = match (known.is_active(), roles_in(known, witness.project_id()).is_empty()) {
        (true, true) => "JOINED_GROUP",
        (false, true) => "INVITED_TO_GROUP",
        (_, false) => "USER_ROLES_CHANGED_AUDIT",
    };
    note_in_project(tx, caller, witness.project_id(), event, &known.user.username).await
}

async fn replace(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    user: &User,
    roles: &[ProjectRole],
) -> Result<FoundProjectUser, ControlError> {
    users::set_project_roles(tx, witness, user.id, roles).await?;
    let event = "USER_ROLES_CHANGED_AUDIT";
    note_in_project(tx, caller, witness.project_id(), event, &user.username).await?;
    in_project(tx, witness, user.id).await
}

/// Takes a user's roles in the project away. Who was invited for the sake of a project, and has
/// nothing else waiting, is not invited any more.
pub(crate) async fn take_out(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    user: &ProjectUser,
) -> Result<(), ControlError> {
    let (id, username) = (user.user.id, &user.user.username);
    users::set_project_roles(tx, witness, id, &[]).await?;
    let project_id = witness.project_id();
    if user.membership == Membership::Active {
        return note_in_project(tx, caller, project_id, "REMOVED_FROM_GROUP", username).await;
    }
    note_in_project(tx, caller, project_id, "GROUP_INVITATION_DELETED", username).await?;
    withdraw_if_empty(tx, caller, &org_of(witness), id).await
}

/// Takes everybody out of the project who is only invited: it is about to be deleted.
pub(crate) async fn withdraw_invited(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
) -> Result<(), ControlError> {
    let filter = UserFilter { statuses: PENDING, ..UserFilter::default() };
    let invited = project_users::list(tx, witness, &filter, Reach::default(), StorePage::ALL);
    for user in invited.await?.items {
        take_out(tx, caller, witness, &user).await?;
    }
    Ok(())
}

/// Withdraws the invitation of somebody who was invited for the sake of a project, when nothing waits
/// for them any more but to be a member.
pub(crate) async fn withdraw_if_empty(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org: &Authorized<OrgScope>,
    id: UserId,
) -> Result<(), ControlError> {
    let rest = member(tx, org, id).await?;
    let Membership::Pending(invitation) = &rest.membership else { return Ok(()) };
    let empty = rest.assignments.is_empty()
        && rest.team_ids.is_empty()
        && rest.org_roles == [OrgRole::Member];
    if invitation.through.is_some() && empty {
        remove_member(tx, caller, org, &rest).await?;
    }
    Ok(())
}

pub(crate) async fn in_project(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    id: UserId,
) -> Result<FoundProjectUser, ControlError> {
    let found = project_users::get(tx, witness, id).await;
    let found = found.map_err(|error| missing_user(error, id))?;
    Ok(FoundProjectUser { found, org_id: witness.org_id() })
}
