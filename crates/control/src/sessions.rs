//! Credentials: API keys for Digest, access tokens of service accounts, and access lists.

use std::net::IpAddr;

use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{
    ACCESS_TOKEN_LIFETIME_MS, AccessToken, Actor, Principal, hash_token, secret_matches,
};
use portolan_model::{EpochMs, ServiceAccountId};
use portolan_security::{IpNet, SecretString};
use portolan_store::access_lists::{self, AccessOwner, AccessRules, AccessVerdict, Uses};
use portolan_store::access_tokens::{self, NewAccessToken};
use portolan_store::service_accounts::{self, AccountLogin, SecretLogin};
use portolan_store::{StoreError, Tx, api_keys, principals};

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

/// Somebody who was let in.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Who it is.
    pub principal: Principal,
    /// What let it in, for the figures of keys and access lists.
    pub used: Option<CredentialUse>,
}

/// That a credential was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialUse {
    /// Whose it is.
    pub owner: AccessOwner,
    /// The entry of its access list that let it in, if it has a list.
    pub network: Option<IpNet>,
    /// From where.
    pub address: IpAddr,
}

/// Several uses alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedUse {
    /// The last of them.
    pub used: CredentialUse,
    /// How many they are.
    pub count: i64,
    /// When the last one was.
    pub last_ms: EpochMs,
}

/// A token just given.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The token.
    pub token: SecretString,
    /// How long it lives: an hour, or less when its secret ends before.
    pub expires_in_s: i64,
}

impl Login {
    /// Lets the caller in, unless its access list does not name the address.
    ///
    /// # Errors
    /// `ORG_REQUIRES_ACCESS_LIST` or `IP_ADDRESS_NOT_ON_ACCESS_LIST`.
    pub fn admit(self, address: Option<IpAddr>) -> Result<Admitted, ControlError> {
        let verdict = match address {
            Some(address) => self.rules.judge(address),
            None if self.rules.networks.is_empty() && !self.rules.required => {
                AccessVerdict::Allowed(None)
            }
            None => AccessVerdict::NotListed,
        };
        let shown = address.map(|address| address.to_canonical().to_string()).unwrap_or_default();
        let (code, detail) = match verdict {
            AccessVerdict::Allowed(network) => {
                let used = owner(&self.principal.actor).zip(address).map(|(owner, address)| {
                    CredentialUse { owner, network, address: address.to_canonical() }
                });
                return Ok(Admitted { principal: self.principal, used });
            }
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
    ) -> Result<Option<IssuedToken>, ControlError> {
        let token = &AccessToken::generate(&self.runtime);
        let now_ms = self.runtime.now_ms();
        self.store
            .run_tx("control.sessions.issue", |tx| {
                Box::pin(async move {
                    let Some((account_id, found)) = check(tx, client_id, secret).await? else {
                        return Ok(None);
                    };
                    // A credential that has ended lets nobody in, by whatever way.
                    let expires_at = found.expires_at.min(now_ms + ACCESS_TOKEN_LIFETIME_MS);
                    let secret_id = found.id;
                    let hash = &token.sha256;
                    let row = NewAccessToken { hash, account_id, secret_id, expires_at };
                    access_tokens::insert(tx, &row).await?;
                    access_tokens::purge(tx).await?;
                    service_accounts::record_secret_use(tx, secret_id).await?;
                    let expires_in_s = (expires_at - now_ms) / 1000;
                    Ok(Some(IssuedToken { token: token.token.clone(), expires_in_s }))
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

    /// Remembers uses of credentials. Of what was deleted meanwhile nothing is remembered.
    ///
    /// # Errors
    /// The store's.
    pub async fn record_uses(&self, uses: &[RecordedUse]) -> Result<(), ControlError> {
        self.store
            .run_tx("control.sessions.record_uses", |tx| {
                Box::pin(async move {
                    for recorded in uses {
                        let CredentialUse { owner, network, address } = recorded.used;
                        if let AccessOwner::ApiKey(id) = owner {
                            api_keys::record_use(tx, id, &address.to_string()).await?;
                        }
                        if let Some(network) = network {
                            let uses =
                                Uses { address, count: recorded.count, last_ms: recorded.last_ms };
                            access_lists::record_uses(tx, owner, network, uses).await?;
                        }
                    }
                    Ok(())
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

/// Whose access list counts for an actor.
pub(crate) fn owner(actor: &Actor) -> Option<AccessOwner> {
    match actor {
        Actor::ApiKey { id, .. } => Some(AccessOwner::ApiKey(*id)),
        Actor::ServiceAccount { id } => Some(AccessOwner::ServiceAccount(*id)),
        Actor::User { .. } | Actor::System { .. } => None,
    }
}

pub(crate) async fn login(
    tx: &mut Tx<'_>,
    principal: Principal,
    ha1: Option<SecretString>,
) -> Result<Login, ControlError> {
    let rules = match (principal.home_org_id, owner(&principal.actor)) {
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
) -> Result<Option<(ServiceAccountId, SecretLogin)>, StoreError> {
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
    Ok(id.zip(live.cloned()))
}
