//! From a caller and an id to the witness that the store demands, with the documented answers when
//! there is none: what is absent or foreign is not found, what is visible needs the role.

use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Authorized, OrgScope, Principal, ProjectScope, Refused, authorize};
use portolan_model::{OrgId, ProjectId};
use portolan_store::{Tx, projects};

use crate::{Control, ControlError};

impl Control {
    /// Checks a right on an organization. What a caller's roles name exists: they go with it.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, or 401 with the code of the missing role.
    pub async fn org(
        &self,
        principal: &Principal,
        action: Action,
        org_id: OrgId,
    ) -> Result<Authorized<OrgScope>, ControlError> {
        org(principal, action, org_id)
    }

    /// Checks a right on a project, in a transaction of its own. Use cases that change something
    /// check again inside theirs, with [`project_in`].
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, or 401 with the code of the missing role.
    pub async fn project(
        &self,
        principal: &Principal,
        action: Action,
        project_id: ProjectId,
    ) -> Result<Authorized<ProjectScope>, ControlError> {
        self.store
            .read_tx("control.access.project", |tx| {
                Box::pin(project_in(tx, principal, action, project_id))
            })
            .await
    }
}

/// Checks a right on an organization.
pub(crate) fn org(
    principal: &Principal,
    action: Action,
    org_id: OrgId,
) -> Result<Authorized<OrgScope>, ControlError> {
    authorize(principal, action, OrgScope { org_id }).map_err(|refused| match refused {
        Refused::Invisible => Problem::org_not_found(org_id).into(),
        Refused::RoleMissing(action) => role_missing(action),
    })
}

/// Checks a right on a project, inside a transaction.
pub(crate) async fn project_in(
    tx: &mut Tx<'_>,
    principal: &Principal,
    action: Action,
    project_id: ProjectId,
) -> Result<Authorized<ProjectScope>, ControlError> {
    let absent = || ControlError::from(Problem::group_not_found(project_id));
    let org_id = projects::locate(tx, project_id).await?.ok_or_else(absent)?;
    project_of(principal, action, ProjectScope { org_id, project_id })
}

/// Checks a right on a project whose organization was just read.
pub(crate) fn project_of(
    principal: &Principal,
    action: Action,
    scope: ProjectScope,
) -> Result<Authorized<ProjectScope>, ControlError> {
    authorize(principal, action, scope).map_err(|refused| match refused {
        Refused::Invisible => Problem::group_not_found(scope.project_id).into(),
        Refused::RoleMissing(action) => role_missing(action),
    })
}

/// 401, as the public error list files it: known, visible, but without the role.
fn role_missing(action: Action) -> ControlError {
    let (code, detail) = match action {
        Action::ProjectCreate => (
            ErrorCode::NotOrgGroupCreator,
            "The caller may not create projects in this organization.",
        ),
        Action::OrgUpdate
        | Action::OrgDelete
        | Action::OrgUsersWrite
        | Action::ApiKeysWrite
        | Action::ServiceAccountsWrite
        | Action::LinkTokensWrite
        | Action::ProjectReceive
        | Action::ProjectMove
        | Action::LiveMigrationsWrite => {
            (ErrorCode::NotOrgOwner, "The caller is not an owner of this organization.")
        }
        _ => (
            ErrorCode::UserUnauthorized,
            "The current user is not authorized to perform this action.",
        ),
    };
    Problem::new(code, detail).into()
}
