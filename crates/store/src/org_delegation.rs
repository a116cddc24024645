//! What organizations allow clients that act on a person's behalf (schema `OrgDelegationSettings…` of
//! the public Atlas OpenAPI).
//!
//! Table `org_delegation`: a row per organization that set something; NULL is the service's default.

use portolan_auth::{Authorized, OrgScope};

use crate::{FromRow, Row, StoreError, Tx, args, organizations};

/// Delegation settings of an organization; `None` is the service's default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delegation {
    /// `delegatedMcpAccess`.
    pub mcp_access: Option<String>,
    /// `delegatedPartnerAccess`.
    pub partner_access: Option<String>,
    /// `idleRefreshTokenLifetime`, in seconds.
    pub refresh_token_idle_s: Option<i64>,
    /// `maximumRefreshTokenLifetime`, in seconds.
    pub refresh_token_max_s: Option<i64>,
}

impl FromRow for Delegation {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            mcp_access: row.opt_text("mcp_access")?,
            partner_access: row.opt_text("partner_access")?,
            refresh_token_idle_s: row.opt_int("refresh_token_idle_s")?,
            refresh_token_max_s: row.opt_int("refresh_token_max_s")?,
        })
    }
}

/// The settings.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such organization, and the database's.
pub async fn get(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<Delegation, StoreError> {
    organizations::get(tx, authorized).await?;
    let sql = "SELECT mcp_access, partner_access, refresh_token_idle_s, refresh_token_max_s \
               FROM org_delegation WHERE org_id = $1";
    Ok(tx.fetch_optional(sql, args![authorized.org_id()]).await?.unwrap_or_default())
}

/// Replaces the settings.
///
/// # Errors
/// [`StoreError::Referenced`] when there is no such organization, and the database's.
pub async fn set(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    delegation: &Delegation,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO org_delegation (org_id, mcp_access, partner_access, refresh_token_idle_s, \
         refresh_token_max_s) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (org_id) DO UPDATE SET mcp_access = excluded.mcp_access, \
         partner_access = excluded.partner_access, \
         refresh_token_idle_s = excluded.refresh_token_idle_s, \
         refresh_token_max_s = excluded.refresh_token_max_s",
        args![
            authorized.org_id(),
            delegation.mcp_access,
            delegation.partner_access,
            delegation.refresh_token_idle_s,
            delegation.refresh_token_max_s,
        ],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
