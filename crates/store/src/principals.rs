//! Callers: who presents a credential, and which roles it holds.
//!
//! No table of its own. These look-ups come before every authorization and so take no witness; what
//! they find is checked by `auth`.

use portolan_auth::{Actor, Principal};
use portolan_model::{ServiceAccountId, UserId};
use portolan_security::SecretString;

use crate::{FromRow, Row, StoreError, Tx, access_tokens, api_keys, args, roles, teams};

/// An API key that somebody claims to hold, and the secret by which the claim is checked.
#[derive(Debug, Clone)]
pub struct ClaimedKey {
    /// The caller, if the claim holds.
    pub principal: Principal,
    /// HA1 of HTTP Digest.
    pub ha1: SecretString,
}

/// The key with this public half.
///
/// # Errors
/// [`StoreError::Secret`] when its secret does not open, and the database's.
pub async fn of_public_key(
    tx: &mut Tx<'_>,
    public_key: &str,
) -> Result<Option<ClaimedKey>, StoreError> {
    let Some(login) = api_keys::login(tx, public_key).await? else { return Ok(None) };
    let grants = roles::grants(tx, &login.id.to_string()).await?;
    let actor = Actor::ApiKey { id: login.id, public_key: public_key.to_owned() };
    let principal = Principal { actor, home_org_id: Some(login.org_id), grants };
    Ok(Some(ClaimedKey { principal, ha1: login.ha1 }))
}

/// The service account that holds the token with this SHA-256, if the token is good.
///
/// # Errors
/// The database's.
pub async fn of_access_token(
    tx: &mut Tx<'_>,
    token_hash: &[u8; 32],
) -> Result<Option<Principal>, StoreError> {
    match access_tokens::holder(tx, token_hash).await? {
        Some(id) => of_service_account(tx, id).await,
        None => Ok(None),
    }
}

/// A service account.
///
/// # Errors
/// The database's.
pub async fn of_service_account(
    tx: &mut Tx<'_>,
    id: ServiceAccountId,
) -> Result<Option<Principal>, StoreError> {
    let Some(login) = crate::service_accounts::login(tx, id).await? else { return Ok(None) };
    let grants = roles::grants(tx, &id.to_string()).await?;
    let actor = Actor::ServiceAccount { id };
    Ok(Some(Principal { actor, home_org_id: Some(login.org_id), grants }))
}

struct Name(String);

impl FromRow for Name {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.text("username")?))
    }
}

/// A user, with the roles of their teams. Those behind an invitation that was not accepted do not
/// count.
///
/// # Errors
/// The database's.
pub async fn of_user(tx: &mut Tx<'_>, id: UserId) -> Result<Option<Principal>, StoreError> {
    let sql = "SELECT username FROM users WHERE id = $1";
    let Some(Name(username)) = tx.fetch_optional(sql, args![id]).await? else { return Ok(None) };
    let mut grants = roles::grants(tx, &id.to_string()).await?;
    grants.projects.extend(teams::grants(tx, id).await?);
    grants.projects.sort_unstable();
    grants.projects.dedup();
    let active = active_scopes(tx, id).await?;
    grants.orgs.retain(|(org_id, _)| active.orgs.contains(&org_id.to_string()));
    grants.projects.retain(|(project_id, _)| active.projects.contains(&project_id.to_string()));
    let actor = Actor::User { id, username };
    Ok(Some(Principal { actor, home_org_id: None, grants }))
}

struct ActiveScopes {
    orgs: Vec<String>,
    projects: Vec<String>,
}

async fn active_scopes(tx: &mut Tx<'_>, id: UserId) -> Result<ActiveScopes, StoreError> {
    let sql = "SELECT org_id FROM org_members WHERE user_id = $1 AND status = 'ACTIVE'";
    let orgs = tx.fetch_all(sql, args![id]).await?;
    let sql = "SELECT p.id FROM projects p JOIN org_members m ON m.org_id = p.org_id \
               WHERE m.user_id = $1 AND m.status = 'ACTIVE'";
    let projects = tx.fetch_all(sql, args![id]).await?;
    Ok(ActiveScopes { orgs, projects })
}
