//! Invitations into projects, as the deprecated operations see them. Of somebody from outside it is
//! the invitation into the organization, seen from the project; of a member of the organization it is
//! one of its own, which gives the roles when it is accepted.

use portolan_api_types::user::AddProjectUser;
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{EpochMs, InvitationId, OrgId, ProjectId, ProjectRole, UserId};
use portolan_store::invitations::{self, ProjectInvitation};
use portolan_store::project_users::{self, ProjectUser, Reach};
use portolan_store::users::{self, Invitation, Membership, UserFilter};
use portolan_store::{Page, Tx, projects};

use crate::access::{org, project_in};
use crate::members::{already, by_username, let_in, member, new_invitation, note_in_project};
use crate::org_invitations::{InviteKey, PENDING};
use crate::project_api_keys::org_of;
use crate::project_users::{FoundProjectUser, grant, in_project, refuse_known, roles_in, take_out};
use crate::{Caller, Control, ControlError};

/// Somebody invited into a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectInvite {
    /// The invitation.
    pub id: InvitationId,
    /// The project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: String,
    /// Who is invited.
    pub username: String,
    /// The roles to be had.
    pub roles: Vec<ProjectRole>,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it ends.
    pub expires_at: EpochMs,
    /// Who made it.
    pub inviter_username: String,
}

/// The two kinds of invitation.
enum Waiting {
    /// Of somebody who is not in the organization yet.
    Outsider(ProjectUser, Invitation),
    /// Of a member of the organization.
    Member(ProjectInvitation),
}

impl Waiting {
    fn shown(self, (project_id, project_name): (ProjectId, &str)) -> ProjectInvite {
        let (id, user, roles, times, inviter) = match self {
            Self::Outsider(found, one) => {
                let times = (one.created_at, one.expires_at);
                (one.id, found.user, found.roles, times, one.inviter_username)
            }
            Self::Member(one) => {
                let times = (one.created_at, one.expires_at);
                (one.id, one.user, one.roles, times, one.inviter_username)
            }
        };
        ProjectInvite {
            id,
            project_id,
            project_name: project_name.to_owned(),
            username: user.username,
            roles,
            created_at: times.0,
            expires_at: times.1,
            inviter_username: inviter,
        }
    }

    fn user_id(&self) -> UserId {
        match self {
            Self::Outsider(found, _) => found.user.id,
            Self::Member(one) => one.user.id,
        }
    }
}

const WRITE: Action = Action::ProjectInvitationsWrite;

impl Control {
    /// The invitations that wait, oldest first.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn list_project_invites(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        username: Option<&str>,
    ) -> Result<Vec<ProjectInvite>, ControlError> {
        self.store
            .read_tx("control.project_invites.list", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, WRITE, project_id).await?;
                    let filter = UserFilter { username, ..UserFilter::default() };
                    let all = waiting(tx, &witness, &filter).await?;
                    let name = projects::get(tx, &witness).await?.name;
                    let shown = all.into_iter().map(|one| one.shown((project_id, &name)));
                    let mut shown: Vec<ProjectInvite> = shown.collect();
                    shown.sort_by_key(|one| (one.created_at, one.id));
                    Ok(shown)
                })
            })
            .await
    }

    /// Invites somebody.
    ///
    /// # Errors
    /// `USER_ALREADY_EXISTS`, `GROUP_USERS_LIMIT_EXCEEDED`, `GROUP_NOT_FOUND`, 401 without the role,
    /// and the store's.
    pub async fn create_project_invite(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: AddProjectUser,
    ) -> Result<ProjectInvite, ControlError> {
        let (person, request) = (&self.new_user(&request.username), &request);
        self.store
            .run_tx("control.project_invites.create", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, WRITE, project_id).await?;
                    let known = by_username(tx, &org_of(&witness), &person.username).await?;
                    let roles = &request.roles;
                    match known {
                        None => {
                            self.invite_through(tx, caller, &witness, person, roles).await?;
                        }
                        Some(known) => {
                            refuse_known(tx, &witness, &known).await?;
                            if known.is_active() {
                                invite_member(tx, caller, &witness, &known.user, roles).await?;
                            } else {
                                grant(tx, caller, &witness, &known, roles).await?;
                            }
                        }
                    }
                    named(tx, &witness, InviteKey::Username(&person.username)).await
                })
            })
            .await
    }

    /// One invitation.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn get_project_invite(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: InvitationId,
    ) -> Result<ProjectInvite, ControlError> {
        self.store
            .read_tx("control.project_invites.get", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, WRITE, project_id).await?;
                    named(tx, &witness, InviteKey::Id(id)).await
                })
            })
            .await
    }

    /// Replaces the roles to be had in the project.
    ///
    /// # Errors
    /// As [`Control::get_project_invite`].
    pub async fn update_project_invite(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        key: InviteKey<'_>,
        roles: Vec<ProjectRole>,
    ) -> Result<ProjectInvite, ControlError> {
        let roles = &roles;
        self.store
            .run_tx("control.project_invites.update", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, WRITE, project_id).await?;
                    let username = match find(tx, &witness, key).await? {
                        Waiting::Outsider(found, _) => {
                            users::set_project_roles(tx, &witness, found.user.id, roles).await?;
                            found.user.username
                        }
                        Waiting::Member(one) => {
                            invitations::set_roles_in_project(tx, &witness, one.id, roles).await?;
                            one.user.username
                        }
                    };
                    let event = "USER_ROLES_CHANGED_AUDIT";
                    note_in_project(tx, caller, project_id, event, &username).await?;
                    named(tx, &witness, key).await
                })
            })
            .await
    }

    /// Withdraws an invitation. Of somebody who is also invited for other reasons, only this project
    /// is taken out.
    ///
    /// # Errors
    /// As [`Control::get_project_invite`].
    pub async fn delete_project_invite(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: InvitationId,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.project_invites.delete", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, WRITE, project_id).await?;
                    let one = match find(tx, &witness, InviteKey::Id(id)).await? {
                        Waiting::Outsider(found, _) => {
                            return take_out(tx, caller, &witness, &found).await;
                        }
                        Waiting::Member(one) => one,
                    };
                    invitations::remove_in_project(tx, &witness, one.user.id).await?;
                    let (event, name) = ("GROUP_INVITATION_DELETED", &one.user.username);
                    note_in_project(tx, caller, project_id, event, name).await
                })
            })
            .await
    }

    /// Accepts an invitation on behalf of the invited person. Somebody from outside becomes a member
    /// of the organization, so an owner of the organization must do that.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn accept_project_invite(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: InvitationId,
    ) -> Result<FoundProjectUser, ControlError> {
        self.store
            .run_tx("control.project_invites.accept", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, WRITE, project_id).await?;
                    let found = find(tx, &witness, InviteKey::Id(id)).await?;
                    let user_id = found.user_id();
                    accept(tx, caller, &witness, found).await?;
                    in_project(tx, &witness, user_id).await
                })
            })
            .await
    }
}

async fn accept(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    found: Waiting,
) -> Result<(), ControlError> {
    let org_id: OrgId = witness.org_id();
    let who = member(tx, &org_of(witness), found.user_id()).await?;
    match found {
        Waiting::Outsider(..) => {
            let owner = org(&caller.principal, Action::OrgUsersWrite, org_id)?;
            let_in(tx, caller, &owner, &who).await?;
            Ok(())
        }
        Waiting::Member(one) => {
            let mut roles = roles_in(&who, witness.project_id());
            roles.extend(one.roles);
            grant(tx, caller, witness, &who, &roles).await
        }
    }
}

/// Invites a member of the organization.
async fn invite_member(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    user: &users::User,
    roles: &[ProjectRole],
) -> Result<(), ControlError> {
    invitations::drop_ended(tx, &org_of(witness)).await?;
    let known = invitations::list_in_project(tx, witness, None, Some(&user.username)).await?;
    if !known.is_empty() {
        return Err(already(&user.username, "is already invited into the project"));
    }
    let new = new_invitation(tx, caller, None);
    let invitation = ProjectInvitation {
        id: new.id,
        user: user.clone(),
        roles: roles.to_vec(),
        created_at: new.created_at,
        expires_at: new.expires_at,
        inviter_username: new.inviter_username,
    };
    invitations::insert_in_project(tx, witness, &invitation).await?;
    let (event, name) = ("INVITED_TO_GROUP", &user.username);
    note_in_project(tx, caller, witness.project_id(), event, name).await
}

/// Everybody who waits and whom user name or invitation id of the filter let through.
async fn waiting(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    filter: &UserFilter<'_>,
) -> Result<Vec<Waiting>, ControlError> {
    let pending = UserFilter { statuses: PENDING, ..filter.clone() };
    let reach = Reach::default();
    let outsiders = project_users::list(tx, witness, &pending, reach, Page::ALL).await?;
    let (id, username) = (filter.invitation_id, filter.username);
    let members = invitations::list_in_project(tx, witness, id, username).await?;
    let outsiders = outsiders.items.into_iter().filter_map(|found| match &found.membership {
        Membership::Active => None,
        Membership::Pending(invitation) => {
            let invitation = invitation.clone();
            Some(Waiting::Outsider(found, invitation))
        }
    });
    Ok(outsiders.chain(members.into_iter().map(Waiting::Member)).collect())
}

async fn find(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    key: InviteKey<'_>,
) -> Result<Waiting, ControlError> {
    let found = waiting(tx, witness, &key.filter()).await?;
    found.into_iter().next().ok_or_else(|| key.missing().into())
}

async fn named(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    key: InviteKey<'_>,
) -> Result<ProjectInvite, ControlError> {
    let found = find(tx, witness, key).await?;
    let name = projects::get(tx, witness).await?.name;
    Ok(found.shown((witness.project_id(), &name)))
}
