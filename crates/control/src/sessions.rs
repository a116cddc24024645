//! Credentials: API keys for Digest, access tokens of service accounts, and access lists.

use std::net::IpAddr;

use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{
    ACCESS_TOKEN_LIFETIME_MS, AccessToken, Actor, Principal, hash_token, secret_matches,
};
use portolan_model::{SecretId, ServiceAccountId};
use portolan_security::SecretString;
use portolan_store::access_lists::{self, AccessOwner, AccessRules, AccessVerdict};
use portolan_store::access_tokens::{self, NewAccessToken};
use portolan_store::service_accounts::{self, AccountLogin};
use portolan_store::{StoreError, Tx, principals};

use crate::{Control, ControlError};

/// Somebody who presented a credential, not yet let in.
#[derive(Debug, Clone)]
pub struct Login {
    /// Who it is, if the credential holds.
    pub principal: Principal,
    /// HA1, for keys.
    pub ha1: Option<SecretString>,
    rules: AccessRules,
}

impl Login {
    /// Lets the caller in, unless its access list does not name the address.
    ///
    /// # Errors
    /// `ORG_REQUIRES_ACCESS_LIST` or `IP_ADDRESS_NOT_ON_ACCESS_LIST`.
    pub fn admit(self, address: Option<IpAddr>) -> Result<Principal, ControlError> {
        let verdict = match address {
            Some(address) => self.rules.judge(address),
            None if self.rules.networks.is_empty() && !self.rules.required => {
                AccessVerdict::Allowed(None)
            }
            None => AccessVerdict::NotListed,
        };
        let shown = address.map(|address| address.to_canonical().to_string()).unwrap_or_default();
        let (code, detail) = match verdict {
            AccessVerdict::Allowed(_) => return Ok(self.principal),
            AccessVerdict::ListRequired => (
                ErrorCode::OrgRequiresAccessList,
                "This organization requires access through an access list of ip ranges.".to_owned(),
            ),
            AccessVerdict::NotListed => (
                ErrorCode::IpAddressNotOnAccessList,
                format!("IP address {shown} is not allowed to access this resource."),
            ),
        };
        Err(Problem::new(code, detail).with(shown).into())
    }
}

impl Control {
    /// The key with this public half, for Digest.
    ///
    /// # Errors
    /// The store's.
    pub async fn login_of_key(&self, public_key: &str) -> Result<Option<Login>, ControlError> {
        self.store
            .read_tx("control.sessions.key", |tx| {
                Box::pin(async move {
                    match principals::of_public_key(tx, public_key).await? {
                        Some(key) => login(tx, key.principal, Some(key.ha1)).await.map(Some),
                        None => Ok(None),
                    }
                })
            })
            .await
    }

    /// The service account that holds this access token.
    ///
    /// # Errors
    /// The store's.
    pub async fn login_of_token(&self, token: &str) -> Result<Option<Login>, ControlError> {
        let hash = &hash_token(token);
        self.store
            .read_tx("control.sessions.token", |tx| {
                Box::pin(async move {
                    match principals::of_access_token(tx, hash).await? {
                        Some(principal) => login(tx, principal, None).await.map(Some),
                        None => Ok(None),
                    }
                })
            })
            .await
    }

    /// Gives a token for client id and secret; `None` when they are wrong or the secret has ended.
    ///
    /// # Errors
    /// The store's.
    pub async fn issue_token(
        &self,
        client_id: &str,
        secret: &SecretString,
    ) -> Result<Option<AccessToken>, ControlError> {
        let token = &AccessToken::generate(&self.runtime);
        let expires_at = self.runtime.now_ms() + ACCESS_TOKEN_LIFETIME_MS;
        self.store
            .run_tx("control.sessions.issue", |tx| {
                Box::pin(async move {
                    let Some((account_id, secret_id)) = check(tx, client_id, secret).await? else {
                        return Ok(None);
                    };
                    let hash = &token.sha256;
                    let row = NewAccessToken { hash, account_id, secret_id, expires_at };
                    access_tokens::insert(tx, &row).await?;
                    access_tokens::purge(tx).await?;
                    service_accounts::record_secret_use(tx, secret_id).await?;
                    Ok(Some(token.clone()))
                })
            })
            .await
    }

    /// Revokes a token of the client; false when client id or secret are wrong.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_token(
        &self,
        client_id: &str,
        secret: &SecretString,
        token: &SecretString,
    ) -> Result<bool, ControlError> {
        let hash = &hash_token(token.expose());
        self.store
            .run_tx("control.sessions.revoke", |tx| {
                Box::pin(async move {
                    let Some((account_id, _)) = check(tx, client_id, secret).await? else {
                        return Ok(false);
                    };
                    access_tokens::revoke(tx, hash, account_id).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Whether the control state answers.
    ///
    /// # Errors
    /// The store's.
    pub async fn ready(&self) -> Result<(), ControlError> {
        Ok(self.store.ping().await?)
    }
}

pub(crate) async fn login(
    tx: &mut Tx<'_>,
    principal: Principal,
    ha1: Option<SecretString>,
) -> Result<Login, ControlError> {
    let owner = match &principal.actor {
        Actor::ApiKey { id, .. } => Some(AccessOwner::ApiKey(*id)),
        Actor::ServiceAccount { id } => Some(AccessOwner::ServiceAccount(*id)),
        Actor::User { .. } | Actor::System { .. } => None,
    };
    let rules = match (principal.home_org_id, owner) {
        (Some(org_id), Some(owner)) => access_lists::rules(tx, org_id, owner).await?,
        _ => AccessRules { required: false, networks: Vec::new() },
    };
    Ok(Login { principal, ha1, rules })
}

/// The account and the secret that was given. An unknown account costs the same comparison.
async fn check(
    tx: &mut Tx<'_>,
    client_id: &str,
    secret: &SecretString,
) -> Result<Option<(ServiceAccountId, SecretId)>, StoreError> {
    let id: Option<ServiceAccountId> = client_id.parse().ok();
    let login = match id {
        Some(id) => service_accounts::login(tx, id).await?,
        None => None,
    };
    let secrets = login.map(|AccountLogin { secrets, .. }| secrets).unwrap_or_default();
    let hashes: Vec<[u8; 32]> = if secrets.is_empty() {
        vec![[0; 32]]
    } else {
        secrets.iter().map(|secret| secret.hash).collect()
    };
    let found = secret_matches(secret.expose(), &hashes).and_then(|at| secrets.get(at));
    let live = found.filter(|secret| secret.expires_at > tx.now_ms());
    Ok(id.zip(live.map(|secret| secret.id)))
}
