//! Invitations into organizations, as the deprecated operations see them: the organization's pending
//! users under the ids of their invitations. There is no mailbox; an owner accepts for the person.

use portolan_api_types::Problem;
use portolan_api_types::invitation::{OrgInviteChanges, not_found};
use portolan_api_types::user::CreateOrgUser;
use portolan_auth::{Action, Authorized, OrgScope};
use portolan_model::{InvitationId, OrgId};
use portolan_store::users::{self, Invitation, Member, Membership, Statuses, UserFilter};
use portolan_store::{Page, Tx, organizations};

use crate::access::org;
use crate::members::{MemberChanges, Wish, let_in, remove};
use crate::{Caller, Control, ControlError};

/// Who is invited into an organization, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgInvite {
    /// The organization.
    pub org_id: OrgId,
    /// The name of the organization.
    pub org_name: String,
    /// The invited person.
    pub member: Member,
    /// The invitation.
    pub invitation: Invitation,
}

/// How a request names an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteKey<'a> {
    /// By its id.
    Id(InvitationId),
    /// By the user name of who is invited.
    Username(&'a str),
}

impl InviteKey<'_> {
    pub(crate) fn filter(&self) -> UserFilter<'_> {
        let (invitation_id, username) = match self {
            Self::Id(id) => (Some(*id), None),
            Self::Username(username) => (None, Some(*username)),
        };
        UserFilter { username, invitation_id, statuses: PENDING, ..UserFilter::default() }
    }

    /// No such invitation.
    pub(crate) fn missing(&self) -> Problem {
        match self {
            Self::Id(id) => not_found(format_args!("with id {id}")),
            Self::Username(username) => not_found(format_args!("for username {username}")),
        }
    }
}

/// Invited people alone.
pub(crate) const PENDING: Statuses = Statuses { active: false, pending: true };

const WRITE: Action = Action::OrgUsersWrite;

impl Control {
    /// The invitations that wait, oldest first.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn list_org_invites(
        &self,
        caller: &Caller,
        org_id: OrgId,
        username: Option<&str>,
    ) -> Result<Vec<OrgInvite>, ControlError> {
        let witness = &org(&caller.principal, WRITE, org_id)?;
        let filter = &UserFilter { username, statuses: PENDING, ..UserFilter::default() };
        self.store
            .read_tx("control.org_invites.list", |tx| {
                Box::pin(async move {
                    let listed = users::list_members(tx, witness, filter, Page::ALL).await?;
                    let name = organizations::get(tx, witness).await?.name;
                    Ok::<_, ControlError>(
                        listed
                            .items
                            .into_iter()
                            .filter_map(|one| shown(one, org_id, &name))
                            .collect(),
                    )
                })
            })
            .await
    }

    /// Invites somebody.
    ///
    /// # Errors
    /// As [`Control::create_org_user`].
    pub async fn create_org_invite(
        &self,
        caller: &Caller,
        org_id: OrgId,
        request: CreateOrgUser,
    ) -> Result<OrgInvite, ControlError> {
        let witness = &org(&caller.principal, WRITE, org_id)?;
        let (person, request) = (&self.new_user(&request.username), &request);
        let wish = &Wish { roles: &request.roles, team_ids: &request.team_ids, through: None };
        self.store
            .run_tx("control.org_invites.create", |tx| {
                Box::pin(async move {
                    let new = self.invite(tx, caller, witness, person, wish).await?;
                    named(tx, witness, new).await
                })
            })
            .await
    }

    /// One invitation.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn get_org_invite(
        &self,
        caller: &Caller,
        org_id: OrgId,
        key: InviteKey<'_>,
    ) -> Result<OrgInvite, ControlError> {
        let witness = &org(&caller.principal, WRITE, org_id)?;
        self.store
            .read_tx("control.org_invites.get", |tx| {
                Box::pin(async move {
                    let found = find(tx, witness, key).await?;
                    named(tx, witness, found).await
                })
            })
            .await
    }

    /// Replaces what the request names of the roles and teams to be had.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `GROUP_NOT_FOUND`, `TEAM_NOT_FOUND`, 401 without the role, and the
    /// store's.
    pub async fn update_org_invite(
        &self,
        caller: &Caller,
        org_id: OrgId,
        key: InviteKey<'_>,
        request: OrgInviteChanges,
    ) -> Result<OrgInvite, ControlError> {
        let witness = &org(&caller.principal, WRITE, org_id)?;
        let changes = &MemberChanges {
            org_roles: request.org_roles.as_deref(),
            project_roles: request.project_roles.as_deref(),
            team_ids: request.team_ids.as_deref(),
        };
        self.store
            .run_tx("control.org_invites.update", |tx| {
                Box::pin(async move {
                    let old = find(tx, witness, key).await?;
                    let new = self.change_member(tx, caller, witness, &old, changes).await?;
                    named(tx, witness, new).await
                })
            })
            .await
    }

    /// Withdraws an invitation.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn delete_org_invite(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: InvitationId,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, WRITE, org_id)?;
        self.store
            .run_tx("control.org_invites.delete", |tx| {
                Box::pin(async move {
                    let old = find(tx, witness, InviteKey::Id(id)).await?;
                    remove(tx, caller, witness, &old).await
                })
            })
            .await
    }

    /// Accepts an invitation on behalf of the invited person, who is a member from then on.
    ///
    /// # Errors
    /// As [`Control::delete_org_invite`].
    pub async fn accept_org_invite(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: InvitationId,
    ) -> Result<Member, ControlError> {
        let witness = &org(&caller.principal, WRITE, org_id)?;
        self.store
            .run_tx("control.org_invites.accept", |tx| {
                Box::pin(async move {
                    let who = find(tx, witness, InviteKey::Id(id)).await?;
                    let_in(tx, caller, witness, &who).await
                })
            })
            .await
    }
}

async fn find(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    key: InviteKey<'_>,
) -> Result<Member, ControlError> {
    let found = users::find_member(tx, witness, &key.filter()).await?;
    found.ok_or_else(|| key.missing().into())
}

/// The invitation of a member; `None` for those who are in already.
fn shown(member: Member, org_id: OrgId, org_name: &str) -> Option<OrgInvite> {
    let Membership::Pending(invitation) = member.membership.clone() else { return None };
    Some(OrgInvite { org_id, org_name: org_name.to_owned(), member, invitation })
}

/// The same with the organization's name, for a change that just made or found it pending.
pub(crate) async fn named(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    member: Member,
) -> Result<OrgInvite, ControlError> {
    let name = organizations::get(tx, witness).await?.name;
    shown(member, witness.org_id(), &name)
        .ok_or_else(|| ControlError::internal("an invited person is a member"))
}
