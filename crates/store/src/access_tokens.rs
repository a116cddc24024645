//! Access tokens of service accounts (OAuth 2.0 client credentials, RFC 6749 section 4.4).
//!
//! Table `access_tokens`: the SHA-256 of each token, whose it is and which secret made it; it goes
//! with either. All functions serve authentication itself and take no witness.

use portolan_model::{EpochMs, SecretId, ServiceAccountId};

use crate::{FromRow, Row, StoreError, Tx, args};

/// A token to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewAccessToken<'a> {
    /// SHA-256 of the token.
    pub hash: &'a [u8; 32],
    /// Whose it is.
    pub account_id: ServiceAccountId,
    /// The secret that made it.
    pub secret_id: SecretId,
    /// When it ends.
    pub expires_at: EpochMs,
}

/// Keeps a token.
///
/// # Errors
/// [`StoreError::Referenced`] when account or secret are gone, and the database's.
pub async fn insert(tx: &mut Tx<'_>, token: &NewAccessToken<'_>) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO access_tokens (token_hash, account_id, secret_id, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5)",
        args![token.hash, token.account_id, token.secret_id, now_ms, token.expires_at],
    )
    .await?;
    Ok(())
}

struct Holder {
    account_id: ServiceAccountId,
    expires_at: EpochMs,
}

impl FromRow for Holder {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { account_id: row.parse("account_id")?, expires_at: row.int("expires_at")? })
    }
}

/// Whose a token is, if it is kept and has not ended.
///
/// # Errors
/// The database's.
pub async fn holder(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
) -> Result<Option<ServiceAccountId>, StoreError> {
    // The time is no part of the statement, so that its answer can be remembered.
    let sql = "SELECT account_id, expires_at FROM access_tokens WHERE token_hash = $1";
    let holder: Option<Holder> = tx.fetch_optional(sql, args![hash]).await?;
    let now_ms = tx.now_ms();
    Ok(holder.filter(|holder| holder.expires_at > now_ms).map(|holder| holder.account_id))
}

/// Revokes a token of this account; whether there was one (RFC 7009 does not tell the client).
///
/// # Errors
/// The database's.
pub async fn revoke(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
    account_id: ServiceAccountId,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM access_tokens WHERE token_hash = $1 AND account_id = $2";
    Ok(tx.execute(sql, args![hash, account_id]).await? > 0)
}

/// Forgets tokens that have ended; how many.
///
/// # Errors
/// The database's.
pub async fn purge(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let now_ms = tx.now_ms();
    tx.execute("DELETE FROM access_tokens WHERE expires_at <= $1", args![now_ms]).await
}
