//! Users of organizations. There is no invitation to accept on a self-hosted instance: who is added is
//! a member at once.

use portolan_api_types::user::{CreateOrgUser, UserRoles};
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Authorized, OrgScope};
use portolan_model::{OrgId, OrgRole, ProjectId, ProjectRole, UserId};
use portolan_store::events::EventScope;
use portolan_store::users::{self, Member, Membership, User, UserFilter};
use portolan_store::{StoreError, Tx, projects};

use crate::access::org;
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, trail};

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

/// Maps a missing row to `USER_NOT_FOUND`.
pub(crate) fn missing_user(error: StoreError, id: UserId) -> ControlError {
    match error {
        StoreError::Missing { .. } => Problem::user_not_found(id).into(),
        other => other.into(),
    }
}

impl Control {
    /// The members of an organization.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, and the store's.
    pub async fn list_org_users(
        &self,
        caller: &Caller,
        org_id: OrgId,
        username: Option<&str>,
        paging: Paging,
    ) -> Result<Page<Member>, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        let filter = &UserFilter { username, ..UserFilter::default() };
        let page = store_page(paging);
        self.store
            .read_tx("control.users.list", |tx| {
                Box::pin(users::list_members(tx, witness, filter, page))
            })
            .await
            .map(api_page)
            .map_err(|error: StoreError| error.into())
    }

    /// One member.
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

    /// Makes somebody a member, with roles; a person new to the instance is made.
    ///
    /// # Errors
    /// `USER_ALREADY_EXISTS`, `GROUP_NOT_FOUND` for a role in a project of another organization,
    /// `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn create_org_user(
        &self,
        caller: &Caller,
        org_id: OrgId,
        request: CreateOrgUser,
    ) -> Result<Member, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        let (new, request) = (&self.new_user(&request.username), &request);
        self.store
            .run_tx("control.users.create", |tx| {
                Box::pin(async move {
                    let id = self.join(tx, witness, new, &request.roles.org_roles).await?;
                    set_project_roles(tx, witness, id, &[], &request.roles).await?;
                    note(tx, caller, org_id, "JOINED_ORG", &new.username).await?;
                    Ok::<_, ControlError>(users::member(tx, witness, id).await?)
                })
            })
            .await
    }

    /// Makes the person of this user name a member; the id is that of the known or the new person.
    pub(crate) async fn join(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<OrgScope>,
        new: &User,
        org_roles: &[OrgRole],
    ) -> Result<UserId, ControlError> {
        self.check_room_for_member(tx, witness).await?;
        let id = match users::find_by_username(tx, witness, &new.username).await? {
            Some(known) => known.id,
            None => {
                users::insert(tx, witness, new).await?;
                new.id
            }
        };
        if users::member(tx, witness, id).await.is_ok() {
            let name = &new.username;
            let detail = format!("A user with username {name} is already in the organization.");
            let problem = Problem::new(ErrorCode::UserAlreadyExists, detail);
            return Err(problem.with(name.clone()).into());
        }
        users::add_member(tx, witness, id, &Membership::Active, org_roles).await?;
        Ok(id)
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

    /// Replaces all roles of a member.
    ///
    /// # Errors
    /// `CANNOT_DEMOTE_LAST_ORG_OWNER`, `USER_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn update_org_user(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: UserId,
        roles: Option<UserRoles>,
    ) -> Result<Member, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        let roles = &roles;
        self.store
            .run_tx("control.users.update", |tx| {
                Box::pin(async move {
                    let old = member(tx, witness, id).await?;
                    if let Some(roles) = roles {
                        set_org_roles(tx, witness, id, &roles.org_roles).await?;
                        let known: Vec<ProjectId> =
                            old.assignments.iter().map(|known| known.project_id).collect();
                        set_project_roles(tx, witness, id, &known, roles).await?;
                        note(tx, caller, org_id, "USER_ROLES_CHANGED_AUDIT", &old.user.username)
                            .await?;
                    }
                    member(tx, witness, id).await
                })
            })
            .await
    }

    /// Adds or takes away one role of a member.
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

    /// Takes somebody out of the organization and its projects.
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
                    if users::owners(tx, witness).await? == [id] {
                        let detail = "The last owner of an organization cannot be removed.";
                        return Err(Problem::new(ErrorCode::CannotDeleteLastAdmin, detail).into());
                    }
                    users::remove_member(tx, witness, id).await?;
                    note(tx, caller, org_id, "REMOVED_FROM_ORG", &old.user.username).await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn member(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    id: UserId,
) -> Result<Member, ControlError> {
    users::member(tx, witness, id).await.map_err(|error| missing_user(error, id))
}

async fn set_org_roles(
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

/// Sets the roles in the named projects, and takes away those in `known` that are not named.
async fn set_project_roles(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    id: UserId,
    known: &[ProjectId],
    roles: &UserRoles,
) -> Result<(), ControlError> {
    let mut all: Vec<ProjectId> = roles.project_roles.iter().map(|(project, _)| *project).collect();
    all.extend(known);
    all.sort();
    all.dedup();
    for project_id in all {
        if projects::locate(tx, project_id).await? != Some(witness.org_id()) {
            return Err(Problem::group_not_found(project_id).into());
        }
        let here: Vec<ProjectRole> = roles
            .project_roles
            .iter()
            .filter(|(project, _)| *project == project_id)
            .map(|(_, role)| *role)
            .collect();
        users::set_project_roles(tx, &witness.in_project(project_id), id, &here).await?;
    }
    Ok(())
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
    event: &str,
    username: &str,
) -> Result<(), StoreError> {
    let target = [("targetUsername", username.to_owned())];
    trail::note(tx, caller, EventScope::Org(org_id), event, &target).await
}
