//! Users of organizations. Who is added is invited: they become a member when somebody accepts the
//! invitation for them ([`Control::accept_org_invite`]).

use portolan_api_types::user::{CreateOrgUser, StatusFilter, UpdateOrgUser};
use portolan_api_types::{Page, Paging, Problem};
use portolan_auth::Action;
use portolan_model::{OrgId, OrgRole, TeamId, UserId};
use portolan_store::StoreError;
use portolan_store::users::{self, Member, Statuses, UserFilter};

use crate::access::org;
use crate::members::{MemberChanges, Wish, member, missing_user, note, remove, set_org_roles};
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError};

/// A role to add or to take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleChange<R> {
    /// To add.
    Add(R),
    /// To take away.
    Remove(R),
}

impl<R: Copy + Ord> RoleChange<R> {
    /// The roles after the change.
    pub(crate) fn apply(self, mut roles: Vec<R>) -> Vec<R> {
        match self {
            Self::Add(role) => roles.push(role),
            Self::Remove(role) => roles.retain(|known| *known != role),
        }
        roles.sort();
        roles.dedup();
        roles
    }
}

/// Which users to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserQuery<'a> {
    /// Exactly this user name.
    pub username: Option<&'a str>,
    /// Members, invited people, or both.
    pub statuses: StatusFilter,
    /// Only this user.
    pub id: Option<UserId>,
}

impl<'a> UserQuery<'a> {
    pub(crate) fn filter(&self, team_id: Option<TeamId>) -> UserFilter<'a> {
        let StatusFilter { active, pending } = self.statuses;
        UserFilter {
            username: self.username,
            statuses: Statuses { active, pending },
            id: self.id,
            team_id,
            ..UserFilter::default()
        }
    }
}

impl Control {
    /// The members of an organization, and those invited into it.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, and the store's.
    pub async fn list_org_users(
        &self,
        caller: &Caller,
        org_id: OrgId,
        query: &UserQuery<'_>,
        paging: Paging,
    ) -> Result<Page<Member>, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        let (filter, page) = (&query.filter(None), store_page(paging));
        self.store
            .read_tx("control.users.list", |tx| {
                Box::pin(users::list_members(tx, witness, filter, page))
            })
            .await
            .map(api_page)
            .map_err(|error: StoreError| error.into())
    }

    /// One member or invited person.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `ORG_NOT_FOUND`, and the store's.
    pub async fn get_org_user(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: UserId,
    ) -> Result<Member, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        self.store
            .read_tx("control.users.get", |tx| Box::pin(users::member(tx, witness, id)))
            .await
            .map_err(|error| missing_user(error, id))
    }

    /// Invites somebody, with roles and teams; a person new to the instance is made.
    ///
    /// # Errors
    /// `USER_ALREADY_EXISTS`, `GROUP_NOT_FOUND` for a role in a project of another organization,
    /// `TEAM_NOT_FOUND`, `GROUP_USERS_LIMIT_EXCEEDED`, `MAX_USERS_PER_TEAM_EXCEEDED`,
    /// `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn create_org_user(
        &self,
        caller: &Caller,
        org_id: OrgId,
        request: CreateOrgUser,
    ) -> Result<Member, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        let (person, request) = (&self.new_user(&request.username), &request);
        let wish = &Wish { roles: &request.roles, team_ids: &request.team_ids, through: None };
        self.store
            .run_tx("control.users.create", |tx| {
                Box::pin(self.invite(tx, caller, witness, person, wish))
            })
            .await
    }

    /// Replaces all roles, all teams, or both of a member or invited person.
    ///
    /// # Errors
    /// `CANNOT_DEMOTE_LAST_ORG_OWNER`, `USER_NOT_FOUND`, `GROUP_NOT_FOUND`, `TEAM_NOT_FOUND`, 401
    /// without the role, and the store's.
    pub async fn update_org_user(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: UserId,
        request: UpdateOrgUser,
    ) -> Result<Member, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        let changes = &MemberChanges {
            org_roles: request.roles.as_ref().map(|roles| &roles.org_roles[..]),
            project_roles: request.roles.as_ref().map(|roles| &roles.project_roles[..]),
            team_ids: request.team_ids.as_deref(),
        };
        self.store
            .run_tx("control.users.update", |tx| {
                Box::pin(async move {
                    let old = member(tx, witness, id).await?;
                    self.change_member(tx, caller, witness, &old, changes).await
                })
            })
            .await
    }

    /// Replaces the roles of a member in the organization alone.
    ///
    /// # Errors
    /// As [`Control::update_org_user`].
    pub async fn set_org_user_roles(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: UserId,
        roles: Vec<OrgRole>,
    ) -> Result<Member, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        let changes =
            &MemberChanges { org_roles: Some(&roles), project_roles: None, team_ids: None };
        self.store
            .run_tx("control.users.set_roles", |tx| {
                Box::pin(async move {
                    let old = member(tx, witness, id).await?;
                    self.change_member(tx, caller, witness, &old, changes).await
                })
            })
            .await
    }

    /// Adds or takes away one role of a member or invited person.
    ///
    /// # Errors
    /// As [`Control::update_org_user`].
    pub async fn change_org_role(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: UserId,
        change: RoleChange<OrgRole>,
    ) -> Result<Member, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        self.store
            .run_tx("control.users.change_role", |tx| {
                Box::pin(async move {
                    let old = member(tx, witness, id).await?;
                    let roles = change.apply(old.org_roles);
                    if roles.is_empty() {
                        let rule = "is the last role of the user; remove the user instead";
                        return Err(Problem::validation("orgRole", rule).into());
                    }
                    set_org_roles(tx, witness, id, &roles).await?;
                    let event = "USER_ROLES_CHANGED_AUDIT";
                    note(tx, caller, org_id, event, &old.user.username).await?;
                    member(tx, witness, id).await
                })
            })
            .await
    }

    /// Takes somebody out of the organization, its projects and its teams; of an invited person, the
    /// invitation is withdrawn.
    ///
    /// # Errors
    /// `CANNOT_DELETE_LAST_ADMIN`, `USER_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn remove_org_user(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: UserId,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        self.store
            .run_tx("control.users.remove", |tx| {
                Box::pin(async move {
                    let old = member(tx, witness, id).await?;
                    remove(tx, caller, witness, &old).await
                })
            })
            .await
    }
}
