//! People beyond one organization: the deprecated `/users`. A caller sees of a person what the
//! organizations that it has a role in know of them.

use std::collections::BTreeMap;

use portolan_api_types::Problem;
use portolan_api_types::person::{NewPerson, ScopedRole};
use portolan_api_types::user::UserRoles;
use portolan_auth::{Action, Authorized, OrgScope, Principal};
use portolan_model::{OrgId, OrgRole, ProjectId, UserId};
use portolan_store::Tx;
use portolan_store::users::{self, Member, User, UserFilter};

use crate::access::{org, project_in};
use crate::members::Wish;
use crate::project_api_keys::org_of;
use crate::{Caller, Control, ControlError};

/// A person, with what the caller may see of their memberships. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The person.
    pub user: User,
    /// Memberships and invitations, by organization.
    pub memberships: Vec<(OrgId, Member)>,
}

/// What somebody is to have in one organization, and the right by which it is given.
struct Part {
    witness: Authorized<OrgScope>,
    roles: UserRoles,
    through: Option<ProjectId>,
}

impl Control {
    /// Makes a person and invites them into every organization that their roles name. Of somebody whom
    /// only other organizations know the caller learns nothing: they are invited, and keep their name.
    ///
    /// # Errors
    /// `USER_ALREADY_EXISTS`, `ORG_NOT_FOUND`, `GROUP_NOT_FOUND`, `GROUP_USERS_LIMIT_EXCEEDED`, 401
    /// without the roles to give these, and the store's.
    pub async fn create_person(
        &self,
        caller: &Caller,
        request: NewPerson,
    ) -> Result<Person, ControlError> {
        let person = &User {
            first_name: Some(request.first_name.clone()),
            last_name: Some(request.last_name.clone()),
            country: Some(request.country.clone()),
            mobile_number: Some(request.mobile_number.clone()).filter(|text| !text.is_empty()),
            ..self.new_user(&request.username)
        };
        let request = &request;
        self.store
            .run_tx("control.people.create", |tx| {
                Box::pin(async move {
                    let parts = parts(tx, &caller.principal, &request.roles).await?;
                    let mut memberships = Vec::new();
                    let mut user = person.clone();
                    for part in parts.values() {
                        let wish =
                            Wish { roles: &part.roles, team_ids: &[], through: part.through };
                        let new = self.invite(tx, caller, &part.witness, person, &wish).await?;
                        user.id = new.user.id;
                        memberships.push((part.witness.org_id(), new));
                    }
                    Ok(Person { user, memberships })
                })
            })
            .await
    }

    /// A person, by id.
    ///
    /// # Errors
    /// `USER_NOT_FOUND` when there is none in the caller's organizations, and the store's.
    pub async fn get_person(&self, caller: &Caller, id: UserId) -> Result<Person, ControlError> {
        let filter = &UserFilter { id: Some(id), ..UserFilter::default() };
        let found = self.find_person(caller, filter).await?;
        found.ok_or_else(|| Problem::user_not_found(id).into())
    }

    /// A person, by user name.
    ///
    /// # Errors
    /// `USERNAME_NOT_FOUND` when there is none in the caller's organizations, and the store's.
    pub async fn person_by_name(
        &self,
        caller: &Caller,
        username: &str,
    ) -> Result<Person, ControlError> {
        let filter = &UserFilter { username: Some(username), ..UserFilter::default() };
        let found = self.find_person(caller, filter).await?;
        found.ok_or_else(|| Problem::username_not_found(username).into())
    }

    async fn find_person(
        &self,
        caller: &Caller,
        filter: &UserFilter<'_>,
    ) -> Result<Option<Person>, ControlError> {
        let principal = &caller.principal;
        let mut orgs: Vec<OrgId> = principal.grants.orgs.iter().map(|(id, _)| *id).collect();
        orgs.sort_unstable();
        orgs.dedup();
        let orgs = &orgs;
        self.store
            .read_tx("control.people.find", |tx| {
                Box::pin(async move {
                    let mut memberships = Vec::new();
                    for org_id in orgs {
                        let witness = org(principal, Action::OrgRead, *org_id)?;
                        let found = users::find_member(tx, &witness, filter).await?;
                        memberships.extend(found.map(|member| (*org_id, member)));
                    }
                    let Some((_, first)) = memberships.first() else { return Ok(None) };
                    let mut user = first.user.clone();
                    let invited_only = memberships.iter().all(|(_, member)| !member.is_active());
                    if invited_only && users::is_active_somewhere(tx, user.id).await? {
                        user = nameless(user);
                    }
                    Ok(Some(Person { user, memberships }))
                })
            })
            .await
    }
}

/// Who belongs to other organizations and is only invited here has not shown their name yet.
fn nameless(user: User) -> User {
    User {
        first_name: None,
        last_name: None,
        country: None,
        mobile_number: None,
        last_auth_at: None,
        ..user
    }
}

/// The roles by organization, each checked against what the caller may give.
async fn parts(
    tx: &mut Tx<'_>,
    principal: &Principal,
    roles: &[ScopedRole],
) -> Result<BTreeMap<OrgId, Part>, ControlError> {
    let mut parts: BTreeMap<OrgId, Part> = BTreeMap::new();
    for role in roles {
        let (witness, project) = match role {
            ScopedRole::Org(org_id, _) => (org(principal, Action::OrgUsersWrite, *org_id)?, None),
            ScopedRole::Project(project_id, _) => {
                let action = Action::ProjectUsersWrite;
                let inside = project_in(tx, principal, action, *project_id).await?;
                (org_of(&inside), Some(*project_id))
            }
        };
        let part = parts.entry(witness.org_id()).or_insert_with(|| Part {
            witness,
            roles: UserRoles::default(),
            through: None,
        });
        match role {
            ScopedRole::Org(_, role) => part.roles.org_roles.push(*role),
            ScopedRole::Project(id, role) => part.roles.project_roles.push((*id, *role)),
        }
        part.through = part.through.or(project);
    }
    for part in parts.values_mut().filter(|part| part.roles.org_roles.is_empty()) {
        part.roles.org_roles.push(OrgRole::Member);
    }
    for part in parts.values_mut().filter(|part| part.roles.org_roles != [OrgRole::Member]) {
        part.through = None;
    }
    Ok(parts)
}
