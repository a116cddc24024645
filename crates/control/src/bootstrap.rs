//! The first organization of an instance, with its owner, one key pair and one service account.

use portolan_api_types::names::{check_email, check_name};
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Authorized, Instance};
use portolan_model::{OrgId, OrgRole, Organization, RequestId, ServiceAccountId, UserId};
use portolan_security::SecretString;
use portolan_store::events::EventScope;
use portolan_store::users::{self, Membership, User};
use portolan_store::{Tx, organizations};

use crate::api_keys::{KeyMaterial, insert_key};
use crate::service_accounts::{AccountMaterial, insert_account};
use crate::{Caller, Control, ControlError, trail};

/// Lifetime of the first secret of the first service account: one year.
const SECRET_HOURS: i32 = 365 * 24;

/// What the operator names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founding {
    /// Name of the organization.
    pub org_name: String,
    /// E-mail address of its owner.
    pub user_email: String,
}

/// What was made. The secrets are shown once.
#[derive(Debug, Clone)]
pub struct Bootstrapped {
    /// The organization.
    pub org_id: OrgId,
    /// Its owner.
    pub owner_id: UserId,
    /// Public key of the key pair.
    pub public_key: String,
    /// Private key of the key pair.
    pub private_key: SecretString,
    /// Client id of the service account.
    pub client_id: ServiceAccountId,
    /// Its secret.
    pub client_secret: SecretString,
}

impl Control {
    /// Makes the first organization. All of it belongs to the organization's owner role.
    ///
    /// # Errors
    /// `ALREADY_BOOTSTRAPPED` when an organization exists, a [`Problem`] naming what is wrong with the
    /// names, and the store's.
    pub async fn bootstrap(&self, founding: &Founding) -> Result<Bootstrapped, ControlError> {
        check_name("org", &founding.org_name, ErrorCode::InvalidOrgName)?;
        check_email("user", &founding.user_email)?;
        let system = &Authorized::<Instance>::system("bootstrap");
        let caller = &Caller::system("bootstrap", RequestId::new(self.runtime.object_id()));
        let org = &self.new_organization(&founding.org_name, false);
        let key = &KeyMaterial::generate(&self.runtime);
        let account = &AccountMaterial::generate(&self.runtime, SECRET_HOURS);
        let owner = &self.new_user(&founding.user_email);
        self.store
            .run_tx("control.bootstrap", |tx| {
                Box::pin(async move {
                    refuse_second(tx).await?;
                    let witness = system.in_org(org.id);
                    organizations::insert(tx, system, org).await?;
                    users::insert(tx, system, owner).await?;
                    let roles = [OrgRole::Owner];
                    users::add_member(tx, &witness, owner.id, &Membership::Active, &roles).await?;
                    insert_key(tx, &witness, key, "bootstrap", &roles).await?;
                    let about = ("bootstrap", "Made by portolan bootstrap");
                    insert_account(tx, &witness, account, about, &roles).await?;
                    let target = [("orgName", org.name.clone())];
                    trail::note(tx, caller, EventScope::Org(org.id), "ORG_CREATED", &target)
                        .await?;
                    Ok::<_, ControlError>(())
                })
            })
            .await?;
        Ok(Bootstrapped {
            org_id: org.id,
            owner_id: owner.id,
            public_key: key.pair.public_key.clone(),
            private_key: key.pair.private_key.clone(),
            client_id: account.id,
            client_secret: account.secret.secret.clone(),
        })
    }

    pub(crate) fn new_organization(&self, name: &str, skip_alerts: bool) -> Organization {
        Organization {
            id: OrgId::new(self.runtime.object_id()),
            name: name.to_owned(),
            skip_default_alerts_settings: skip_alerts,
            api_access_list_required: false,
            created_at: self.runtime.now_ms(),
        }
    }

    pub(crate) fn new_user(&self, username: &str) -> User {
        User {
            id: UserId::new(self.runtime.object_id()),
            username: username.to_lowercase(),
            first_name: None,
            last_name: None,
            country: None,
            mobile_number: None,
            created_at: self.runtime.now_ms(),
            last_auth_at: None,
        }
    }
}

async fn refuse_second(tx: &mut Tx<'_>) -> Result<(), ControlError> {
    if organizations::any_exists(tx).await? {
        let detail = "This instance has an organization already; use its keys to make others.";
        return Err(Problem::new(ErrorCode::AlreadyBootstrapped, detail).into());
    }
    Ok(())
}
