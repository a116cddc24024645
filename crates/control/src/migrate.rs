//! Moving a project to another organization.
//!
//! The caller owns the source; the destination is proven by the key pair of an owner in the request,
//! or by the caller itself when it is a user who owns both. Users come along with their roles, keys,
//! service accounts and teams lose the project, clusters and archives notice nothing. Who may not gets 403,
//! never 401: a client that sees 401 would ask for the caller's own credentials again.

use portolan_api_types::project::MoveProject;
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Actor, Authorized, OrgScope, ProjectScope, authorize, ha1_matches};
use portolan_model::ProjectId;
use portolan_store::events::EventScope;
use portolan_store::project_move::{self, MoveEffects};
use portolan_store::{Tx, principals, projects, users};

use crate::access::project_in;
use crate::project_api_keys::org_of;
use crate::project_users::withdraw_if_empty;
use crate::projects::{FoundProject, found, refuse_taken_name};
use crate::sessions::login;
use crate::{Caller, Control, ControlError, trail};

impl Control {
    /// Moves a project.
    ///
    /// # Errors
    /// `MISSING_ATTRIBUTES` without the destination's keys, 403 when a key is wrong or somebody is no
    /// owner, `GROUP_ALREADY_EXISTS`, `MAX_GROUPS_PER_ORG_EXCEEDED`, `GROUP_USERS_LIMIT_EXCEEDED`,
    /// `GROUP_NOT_FOUND`, and the store's. A refusal changes nothing.
    pub async fn move_project(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: MoveProject,
    ) -> Result<FoundProject, ControlError> {
        let request = &request;
        self.store
            .run_tx("control.projects.move", |tx| {
                Box::pin(async move {
                    let source = source(tx, caller, project_id).await?;
                    let Some(destination) = destination(tx, caller, request).await? else {
                        return Err(MoveProject::missing_keys().into());
                    };
                    let name = projects::get(tx, &source).await?.name;
                    refuse_taken_name(tx, &destination, &name).await?;
                    self.check_room_for_project(tx, &destination).await?;
                    let effects = project_move::run(tx, &source, &destination).await?;
                    self.check_users_fit(tx, &destination, &effects).await?;
                    for user in &effects.users {
                        withdraw_if_empty(tx, caller, &org_of(&source), user.id).await?;
                    }
                    note(tx, caller, &source, &destination, &name).await?;
                    found(tx, &destination.in_project(project_id)).await
                })
            })
            .await
    }

    /// After the move: the roll-back undoes it when the users do not fit.
    async fn check_users_fit(
        &self,
        tx: &mut Tx<'_>,
        destination: &Authorized<OrgScope>,
        effects: &MoveEffects,
    ) -> Result<(), ControlError> {
        let count = users::count_members(tx, destination).await?;
        let new = effects.users.iter().any(|user| !user.member_already);
        let max = self.limits.users_per_org;
        if !new || usize::try_from(count).is_ok_and(|count| count <= max) {
            return Ok(());
        }
        let detail = format!("The destination organization has room for {max} users only.");
        Err(Problem::new(ErrorCode::GroupUsersLimitExceeded, detail).with(max).into())
    }
}

/// The right on the source: who sees the project but does not own its organization gets 403.
pub(crate) async fn source(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
) -> Result<Authorized<ProjectScope>, ControlError> {
    let principal = &caller.principal;
    let seen = project_in(tx, principal, Action::ProjectRead, project_id).await?;
    authorize(principal, Action::ProjectMove, *seen.scope()).map_err(|_| forbidden())
}

/// The right on the destination; `None` when the request must bring keys and does not.
pub(crate) async fn destination(
    tx: &mut Tx<'_>,
    caller: &Caller,
    request: &MoveProject,
) -> Result<Option<Authorized<OrgScope>>, ControlError> {
    let scope = OrgScope { org_id: request.destination_org_id };
    let (public_key, private_key) = match (&request.public_key, &request.private_key) {
        (Some(public_key), Some(private_key)) => (public_key, private_key),
        _ if matches!(caller.principal.actor, Actor::User { .. }) => {
            let own = authorize(&caller.principal, Action::ProjectReceive, scope);
            return own.map(Some).map_err(|_| forbidden());
        }
        _ => return Ok(None),
    };
    let claimed = principals::of_public_key(tx, public_key).await?;
    let ha1 = claimed.as_ref().map(|key| &key.ha1);
    let right = ha1_matches(public_key, private_key, ha1);
    let Some(key) = claimed.filter(|_| right) else { return Err(forbidden()) };
    let owner = login(tx, key.principal, None).await?.admit(caller.remote_address)?.principal;
    authorize(&owner, Action::ProjectReceive, scope).map(Some).map_err(|_| forbidden())
}

/// One answer for a wrong key, a foreign organization and a missing role: it tells nothing apart.
fn forbidden() -> ControlError {
    let detail = "The caller must be an owner of the source organization, and the destination's API \
                  key must belong to an owner of the destination organization.";
    Problem::new(ErrorCode::AccessForbidden, detail).into()
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    source: &Authorized<ProjectScope>,
    destination: &Authorized<OrgScope>,
    name: &str,
) -> Result<(), ControlError> {
    let target = [
        ("groupId", source.project_id().to_string()),
        ("groupName", name.to_owned()),
        ("sourceOrgId", source.org_id().to_string()),
        ("destinationOrgId", destination.org_id().to_string()),
    ];
    for (scope, event) in [
        (EventScope::Project(source.project_id()), "GROUP_MOVED"),
        (EventScope::Org(destination.org_id()), "GROUP_MOVED"),
        (EventScope::Org(source.org_id()), "GROUP_MOVED_FROM_ORG"),
    ] {
        trail::note(tx, caller, scope, event, &target).await?;
    }
    Ok(())
}
