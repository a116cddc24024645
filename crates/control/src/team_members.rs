//! Who is in which team.

use portolan_api_types::{Page, Paging, Problem};
use portolan_auth::{Action, Authorized, OrgScope};
use portolan_model::{OrgId, TeamId, UserId};
use portolan_store::users::{self, Member};
use portolan_store::{Tx, teams};

use crate::access::org;
use crate::members::{leave_team, member, missing_team};
use crate::paging::{api_page, store_page};
use crate::users::UserQuery;
use crate::{Caller, Control, ControlError};

impl Control {
    /// The users of a team, invited ones included.
    ///
    /// # Errors
    /// `TEAM_NOT_FOUND`, `ORG_NOT_FOUND`, and the store's.
    pub async fn list_team_users(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: TeamId,
        query: &UserQuery<'_>,
        paging: Paging,
    ) -> Result<Page<Member>, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        let (filter, page) = (&query.filter(Some(id)), store_page(paging));
        self.store
            .read_tx("control.team_users.list", |tx| {
                Box::pin(async move {
                    require_team(tx, witness, id).await?;
                    Ok(api_page(users::list_members(tx, witness, filter, page).await?))
                })
            })
            .await
    }

    /// Puts members of the organization, or people invited into it, into a team. Who is in it stays.
    ///
    /// # Errors
    /// `TEAM_NOT_FOUND`, `USER_NOT_FOUND`, `MAX_USERS_PER_TEAM_EXCEEDED`, `ORG_NOT_FOUND`, 401
    /// without the role, and the store's.
    pub async fn add_team_users(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: TeamId,
        user_ids: &[UserId],
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        self.store
            .run_tx("control.team_users.add", |tx| {
                Box::pin(async move {
                    require_team(tx, witness, id).await?;
                    for user_id in user_ids {
                        let who = member(tx, witness, *user_id).await?;
                        if !who.team_ids.contains(&id) {
                            self.join_team(tx, caller, witness, &who, id).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Takes somebody out of a team, and shows them as they then are.
    ///
    /// # Errors
    /// `TEAM_NOT_FOUND`, `USER_NOT_FOUND` when they are not in it, `ORG_NOT_FOUND`, 401 without the
    /// role, and the store's.
    pub async fn remove_team_user(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: TeamId,
        user_id: UserId,
    ) -> Result<Member, ControlError> {
        let witness = &org(&caller.principal, Action::OrgUsersWrite, org_id)?;
        self.store
            .run_tx("control.team_users.remove", |tx| {
                Box::pin(async move {
                    require_team(tx, witness, id).await?;
                    let who = member(tx, witness, user_id).await?;
                    if !who.team_ids.contains(&id) {
                        return Err(Problem::user_not_found(user_id).into());
                    }
                    leave_team(tx, caller, witness, &who, id).await?;
                    member(tx, witness, user_id).await
                })
            })
            .await
    }
}

async fn require_team(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    id: TeamId,
) -> Result<(), ControlError> {
    teams::get(tx, witness, id).await.map(|_| ()).map_err(|error| missing_team(error, id))
}
