//! Where an API key or a service account is managed: in its organization, or in a project that it has a
//! role in. Access lists and secrets are the same things by both routes.

use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Authorized, OrgScope, ProjectScope};
use portolan_model::{OrgId, OrgRole, ProjectId, ServiceAccountId};
use portolan_store::Tx;
use portolan_store::access_lists::AccessOwner;
use portolan_store::events::EventScope;
use portolan_store::service_accounts::{self, ServiceAccount};

use crate::access::{org, project_in};
use crate::project_api_keys::org_of;
use crate::service_accounts::missing_account;
use crate::{Caller, ControlError};

/// Where a key or service account is managed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In its organization.
    Org(OrgId),
    /// In a project; service accounts only.
    Project(ProjectId),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Read the access list.
    Read,
    /// Change the access list.
    List,
    /// Make and delete secrets.
    Secrets,
}

impl Place {
    /// Where its events are shown.
    pub(crate) fn scope(self) -> EventScope {
        match self {
            Self::Org(org_id) => EventScope::Org(org_id),
            Self::Project(project_id) => EventScope::Project(project_id),
        }
    }

    /// The witness for a key or service account, inside a transaction.
    ///
    /// # Errors
    /// As the place and the owner have them: not found, 401 without the role, and the store's.
    pub(crate) async fn witness(
        self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        owner: AccessOwner,
        right: Right,
    ) -> Result<Authorized<OrgScope>, ControlError> {
        match (self, owner) {
            (Self::Org(org_id), _) => org(&caller.principal, in_org(owner, right), org_id),
            (Self::Project(project_id), AccessOwner::ServiceAccount(id)) => {
                let action = in_project(right);
                let witness = project_in(tx, &caller.principal, action, project_id).await?;
                let account = service_accounts::get_in_project(tx, &witness, id).await;
                let account = account.map_err(|error| missing_account(error, id))?;
                if right != Right::Read {
                    refuse_beyond(caller, &witness, &account)?;
                }
                Ok(org_of(&witness))
            }
            (Self::Project(_), AccessOwner::ApiKey(id)) => {
                Err(Problem::resource_not_found(format!("API key with id {id}")).into())
            }
        }
    }

    /// The same for a service account.
    ///
    /// # Errors
    /// As [`Place::witness`].
    pub(crate) async fn account(
        self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        id: ServiceAccountId,
    ) -> Result<Authorized<OrgScope>, ControlError> {
        self.witness(tx, caller, AccessOwner::ServiceAccount(id), Right::Secrets).await
    }
}

const fn in_org(owner: AccessOwner, right: Right) -> Action {
    match (owner, right) {
        (AccessOwner::ApiKey(_), Right::Read) => Action::OrgRead,
        (AccessOwner::ApiKey(_), _) => Action::ApiKeysWrite,
        (AccessOwner::ServiceAccount(_), Right::Read) => Action::ServiceAccountsRead,
        (AccessOwner::ServiceAccount(_), _) => Action::ServiceAccountsWrite,
    }
}

const fn in_project(right: Right) -> Action {
    match right {
        Right::Read => Action::ProjectRead,
        Right::List => Action::ServiceAccountListsWrite,
        Right::Secrets => Action::ProjectServiceAccountsWrite,
    }
}

/// Whoever makes a secret can act as the account. So nobody may do that in a project to an account that
/// can do more than the project allows, except who may do it in the organization.
fn refuse_beyond(
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    account: &ServiceAccount,
) -> Result<(), ControlError> {
    let elsewhere = |known: &portolan_store::Assignment| known.project_id != witness.project_id();
    let beyond = account.org_roles.iter().any(|role| *role != OrgRole::Member)
        || account.assignments.iter().any(elsewhere);
    let action = Action::ServiceAccountsWrite;
    if !beyond || org(&caller.principal, action, witness.org_id()).is_ok() {
        return Ok(());
    }
    let detail = "The service account has roles beyond this project; an owner of its organization \
                  manages its secrets and its access list.";
    Err(Problem::new(ErrorCode::UserUnauthorized, detail).into())
}
